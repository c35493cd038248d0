"""The numbers of a measured cycle, per segment and in all, for a table and for JSON."""

from __future__ import annotations

import csv
import math
from dataclasses import asdict
from os import PathLike

import numpy as np

from ..files import atomic_file
from .cycle_model import CycleResult, PhaseResult
from .model import Statistics
from .segments import SegmentStatistics, assign_segments, segment_table

ED, ES = "ED", "ES"
# What was found in a mask: where the base comes from ("found", "given", "closed"), and counts.
FINDINGS = ("base", "wall_openings", "wall_components", "enclosed_holes", "filled_voxels")
_COLUMNS = (
    "phase",
    "role",
    "segment",
    "name",
    "count",
    "invalid",
    "median_mm",
    "p95_mm",
    "max_mm",
    "mean_mm",
    "thickening_percent",
)


def role_of(cycle: CycleResult, phase: int) -> str:
    """Return ``"ED"``, ``"ES"`` or ``""``, also for a single phase, of which nobody knows what it is."""
    if cycle.ed == cycle.es:
        return ""
    return ED if phase == cycle.ed else ES if phase == cycle.es else ""


def phase_segments(phase: PhaseResult, *, model: int = 17) -> np.ndarray:
    """Return the segment (V,) uint8 of every vertex of a measured phase; 0 throughout if it has no long axis."""
    if phase.frame is None:
        return np.zeros(len(phase.result.points), np.uint8)
    return assign_segments(phase.result.points, phase.frame, model=model)


def phase_table(phase: PhaseResult, *, model: int = 17) -> tuple[SegmentStatistics, ...]:
    """Return thickness per segment of a measured phase, on its own surface; see `segment_table`."""
    return segment_table(phase.result.thickness_mm, phase_segments(phase, model=model), model=model)


def thickening_table(cycle: CycleResult, *, model: int = 17) -> tuple[SegmentStatistics, ...]:
    """Return thickening per segment, in percent in spite of the fields' names; by the segments of ED."""
    if cycle.ed_phase.result is None:
        return segment_table(np.empty(0), np.empty(0), model=model)
    return segment_table(cycle.thickening_percent, phase_segments(cycle.ed_phase, model=model), model=model)


def surface_arrays(cycle: CycleResult, *, model: int = 17) -> dict[str, np.ndarray]:
    """Return what belongs to the vertices of the ED epicardium, for `write_surface`.

    ``segment`` (int32, for VTK takes bytes for colours), and if there is an ES ``thickness_es_mm`` (NaN = none),
    ``thickening_percent`` and ``thickening_reason``.
    """
    arrays = {"segment": phase_segments(cycle.ed_phase, model=model).astype(np.int32)}
    if cycle.es != cycle.ed and cycle.es in cycle.measured:
        arrays["thickness_es_mm"] = cycle.thickness_over_time[cycle.measured.index(cycle.es)]
        arrays["thickening_percent"] = cycle.thickening_percent.astype(np.float32)
        arrays["thickening_reason"] = cycle.thickening_reasons.astype(np.int32)
    return arrays


def write_segments_csv(path: str | PathLike, cycle: CycleResult, *, model: int = 17) -> None:
    """Write thickness per segment and in all (segment 0) of every measured phase; empty cells = no value.

    The rows of ES also hold the median thickening of the segment, in percent.

    Raises
    ------
    StorageError
        The disk is full, read-only or forbidden.
    """
    thickening = [row.median_mm for row in thickening_table(cycle, model=model)]
    with atomic_file(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        out = csv.writer(stream, lineterminator="\n")
        out.writerow(_COLUMNS)
        for phase in (each for each in cycle.phases if each.result is not None):
            role = role_of(cycle, phase.phase)
            for row, percent in zip(phase_table(phase, model=model), thickening):
                numbers = (row.median_mm, row.p95_mm, row.max_mm, row.mean_mm, percent if role == ES else math.nan)
                cells = [round(number, 4) if math.isfinite(number) else "" for number in numbers]
                out.writerow([phase.phase, role, row.segment, row.name, row.count, row.invalid, *cells])


def cycle_summary(cycle: CycleResult, *, model: int = 17) -> dict:
    """Return the numbers of a cycle as JSON-ready values; what has no value is None.

    The statistics of ED stand at the top; ``segments`` holds ED, ES and thickening, ``phases`` every labelled phase.
    """
    ed, thickening = cycle.ed_phase, thickening_table(cycle, model=model)
    whole = Statistics.of(np.empty(0)) if ed.result is None else ed.result.statistics
    values = {
        **asdict(whole),
        "ed": cycle.ed,
        "es": cycle.es,
        "ed_from": cycle.ed_from,
        "es_from": cycle.es_from,
        "ejection_percent": cycle.ejection_percent,
        "thickening_percent": thickening[-1].median_mm,
        "orientation": None if ed.frame is None else ed.frame.orientation,
        "segment_model": model,
        "segments": _segments(cycle, thickening, model),
        "phases": [_phase(cycle, each) for each in cycle.phases],
        "not_labelled": list(cycle.not_labelled),
        "notes": list(cycle.notes),
    }
    return _plain(values)


def _segments(cycle, thickening, model):
    if cycle.ed_phase.result is None:
        return []
    rows = [asdict(row) for row in phase_table(cycle.ed_phase, model=model)[:-1]]
    if cycle.es != cycle.ed and cycle.es_phase.result is not None:
        for row, at_es, percent in zip(rows, phase_table(cycle.es_phase, model=model), thickening):
            row |= {"es_median_mm": at_es.median_mm, "thickening_percent": percent.median_mm}
    return rows


def _phase(cycle, phase):
    row = {
        "phase": phase.phase,
        "role": role_of(cycle, phase.phase),
        "cavity_ml": phase.cavity_ml,
        "lvm_ml": phase.wall_ml,
        "error": None if phase.error is None else str(phase.error),
    }
    if phase.result is None:
        return row
    found = {name: phase.result.info.get(name) for name in FINDINGS}
    return {**row, **asdict(phase.result.statistics), "invalid_reasons": phase.result.invalid_reasons, **found}


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
