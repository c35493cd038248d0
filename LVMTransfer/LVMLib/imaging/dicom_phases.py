"""From DICOM slices to the phases of one heart beat."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from ..errors import DicomError
from .dicom_headers import Scan, SliceHeader

log = logging.getLogger(__name__)

_PERCENT = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:%|pct\b|percent)", re.IGNORECASE)
# What differs between the descriptions of the phases of one reconstruction: numbers, '%', and best diastole / systole.
_PHASE_WORDS = re.compile(
    r"best\s*(diast|syst)\w*|\b(diast|syst)\w*|\d+(?:[.,]\d+)?|%|\bpct\b|\bpercent\b|[\s_\-.,/]+", re.IGNORECASE
)
_POSITION_STEP_MM = 0.01


@dataclass(frozen=True)
class Phase:
    """The slices of one phase.

    Parameters
    ----------
    name : str
        For messages.
    slices : tuple of SliceHeader
        In any order.
    percent : float or None
        R-R percentage, if the series gives it.
    """

    name: str
    slices: tuple[SliceHeader, ...]
    percent: float | None


def choose_series(folder: Path, scan: Scan, series: str | None) -> list[SliceHeader]:
    """Return the slices of the one 4D reconstruction in the folder.

    Series belong together when study, kernel and description agree, numbers and phase words apart. Of several such
    groups the only one with more than one phase is taken.

    Raises
    ------
    DicomError
        Several patients, several candidates, or none that ``series`` names.
    """
    patients = {header.patient for header in scan.slices}
    if len(patients) > 1:
        raise DicomError(
            folder,
            expected="one patient",
            found=f"{len(patients)} patients",
            remedy="Import each patient's folder by itself.",
        )
    slices = scan.slices if series is None else [header for header in scan.slices if _is_series(header, series)]
    groups: dict[tuple[str, str, str], list[SliceHeader]] = defaultdict(list)
    for header in slices:
        template = _PHASE_WORDS.sub("", header.description.lower())
        groups[header.study, header.kernel, template].append(header)
    candidates = list(groups.values())
    several = [group for group in candidates if multiplicity(group) > 1]
    if len(candidates) > 1 and len(several) == 1:
        for group in candidates:
            if group is not several[0]:
                log.info("%s: left out single-phase series %s", folder, describe_series(group))
        candidates = several
    if len(candidates) == 1:
        return candidates[0]
    names = "; ".join(describe_series(group) for group in (candidates or [scan.slices])[:6])
    raise DicomError(
        folder,
        expected=f"a series '{series}'" if series and not candidates else "one cardiac CT reconstruction",
        found=names,
        remedy="Name one with --series: its number, its UID or a part of its description.",
    )


def split_phases(folder: Path, slices: list[SliceHeader]) -> list[Phase]:
    """Return the phases in the order of the cardiac cycle.

    The first that tells them apart decides: nominal percentage of cardiac phase (0020,9241), trigger time, the
    percentage in the series description, temporal position, acquisition number, series number.

    Raises
    ------
    DicomError
        Nothing tells the phases apart, or two series claim the same phase.
    """
    count = multiplicity(slices)
    by_series = _partition(slices, lambda header: header.series)
    if len(by_series) > 1 and len(by_series) >= count and all(multiplicity(group) == 1 for group in by_series.values()):
        return _series_phases(folder, by_series)
    for name, value in _ATTRIBUTES:
        if any(value(header) is None for header in slices):
            continue
        groups = _partition(slices, value)
        # Only the nominal phase is trusted to split more finely than the slices at a position do: then a phase lies
        # elsewhere, which the geometry check names. Trigger times and acquisitions also differ between slabs.
        if len(groups) == count or (name == "cardiac phase" and len(groups) > count):
            return _phases(name, sorted(groups.items()))
        if name == "trigger time" and (ranked := _ranked(slices, value, count)):
            return _phases(name, ranked)
    if count == 1:
        return [Phase("phase 0", tuple(slices), _percent(slices[0]))]
    raise DicomError(
        folder,
        expected=f"something that tells the {count} slices at each position apart",
        found=f"no distinct cardiac phase, trigger time or description in {describe_series(slices)}",
        remedy="Export one reconstruction with its phases named, or name one series with --series.",
    )


def _series_phases(folder: Path, by_series: dict[str, list[SliceHeader]]) -> list[Phase]:
    """Sort series of one phase each."""
    for name, value in _ATTRIBUTES:
        if any(value(header) is None for group in by_series.values() for header in group):
            continue
        keyed = sorted(((median(map(value, group)), group) for group in by_series.values()), key=lambda pair: pair[0])
        if len({key for key, _ in keyed}) == len(keyed):
            if name in ("acquisition", "series"):
                log.warning("%s: phases sorted by %s number, nothing better is given", folder, name)
            return _phases(name, keyed)
        if name in ("cardiac phase", "description"):
            break
    slices = [header for group in by_series.values() for header in group]
    raise DicomError(
        folder,
        expected="one series for each phase",
        found=f"several series with the same phase: {describe_series(slices)}",
        remedy="Keep one reconstruction in the folder, or name one series with --series.",
    )


def multiplicity(slices: Iterable[SliceHeader]) -> int:
    """Return how many slices lie at a typical position: the number of phases."""
    counts: dict[int, int] = defaultdict(int)
    for header in slices:
        counts[position_key(header)] += 1
    return round(median(counts.values()))


def position_key(header: SliceHeader) -> int:
    """Return the slice's position along its normal in hundredths of a millimetre."""
    return round(header.depth / _POSITION_STEP_MM)


def describe_series(slices: Iterable[SliceHeader]) -> str:
    """Return the series' descriptions, numbers and sizes for a message."""
    groups = sorted(_partition(list(slices), lambda header: header.series).values(), key=lambda g: g[0].series_number)
    shown = [f"'{group[0].description}' (number {group[0].series_number}, {len(group)} slices)" for group in groups[:3]]
    return ", ".join(shown) + (f" and {len(groups) - 3} more" if len(groups) > 3 else "")


def description_percent(description: str) -> float | None:
    """Return the R-R percentage that a series description gives, or None.

    Examples
    --------
    >>> description_percent("CorCTA 0.75 Bv36 BestDiast 70 %")
    70.0
    """
    values = [float(found.replace(",", ".")) for found in _PERCENT.findall(description)]
    return values[-1] if values and values[-1] <= 100 else None


def _percent(header: SliceHeader) -> float | None:
    return description_percent(header.description) if header.percent is None else header.percent


_ATTRIBUTES: tuple[tuple[str, Callable[[SliceHeader], float | None]], ...] = (
    ("cardiac phase", lambda header: header.percent),
    ("trigger time", lambda header: header.trigger_ms),
    ("description", lambda header: description_percent(header.description)),
    ("temporal position", lambda header: header.temporal),
    ("acquisition", lambda header: header.acquisition),
    ("series", lambda header: header.series_number),
)


def _is_series(header: SliceHeader, wanted: str) -> bool:
    return wanted in (header.series, str(header.series_number)) or wanted.lower() in header.description.lower()


def _partition(slices: list[SliceHeader], key: Callable[[SliceHeader], object]) -> dict:
    groups: dict[object, list[SliceHeader]] = defaultdict(list)
    for header in slices:
        groups[key(header)].append(header)
    return groups


def _ranked(
    slices: list[SliceHeader], value: Callable[[SliceHeader], float | None], count: int
) -> list[tuple[float, list[SliceHeader]]]:
    """Sort the slices at each position by ``value``: trigger times of one phase differ between slabs."""
    phases: list[list[SliceHeader]] = [[] for _ in range(count)]
    for group in _partition(slices, position_key).values():
        values = [value(header) for header in group]
        if len(group) != count or len(set(values)) != count:
            return []
        for phase, n in zip(phases, np.argsort(values)):
            phase.append(group[n])
    return [(median(value(header) for header in phase), phase) for phase in phases]


def _phases(name: str, groups: list[tuple[float, list[SliceHeader]]]) -> list[Phase]:
    phases = []
    for key, group in groups:
        percent = _percent(group[0]) if name in ("cardiac phase", "description", "trigger time") else None
        phases.append(Phase(f"{name} {key:g}", tuple(group), percent))
    percents = [phase.percent for phase in phases]
    if None in percents or sorted(set(percents)) != percents:
        return [Phase(phase.name, phase.slices, None) for phase in phases]
    return phases
