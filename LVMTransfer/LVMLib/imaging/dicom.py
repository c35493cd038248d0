"""A DICOM folder as one 4D sequence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ..grid import Grid
from ..progress import Progress, silent
from .dicom_headers import SliceHeader, scan_folder
from .dicom_phases import Phase, choose_series, split_phases
from .dicom_pixels import DicomFrames
from .dicom_stack import stack_phases
from .sequence import Sequence

log = logging.getLogger(__name__)


def read_dicom(path: str | os.PathLike, *, series: str | None = None, progress: Progress = silent) -> Sequence:
    """Open the 4D cardiac CT in a DICOM folder; voxels are read slice by slice when a phase is asked for.

    One series with all phases, one series per phase, and enhanced multi-frame CT are understood. Phases are sorted
    by nominal percentage of cardiac phase (0020,9241), then trigger time, then series description. Nothing that names
    the patient is kept.

    Parameters
    ----------
    path : path
        Folder, searched with its sub-folders, or one multi-frame file.
    series : str, optional
        Number, UID or part of the description, where the folder holds several reconstructions.
    progress : Progress
        Called while headers are read.

    Raises
    ------
    DicomError
        No CT, several patients or reconstructions, missing or doubled slices, phases that cannot be told apart.
    GridError
        Slices or phases that differ in geometry, or a gantry tilt.
    """
    folder = Path(path)
    grid, stacks, phases, facts = _stacks(folder, series, progress)
    log.info("%s: %d phase(s), %s", folder, len(phases), grid.describe())
    info = {**facts, "format": "DICOM"}
    return Sequence(grid, DicomFrames(tuple(stacks)), _rr_percent(phases, facts), info, str(folder))


def open_stacks(
    path: str | os.PathLike, *, series: str | None = None, progress: Progress = silent
) -> tuple[Grid, list[tuple[SliceHeader, ...]]]:
    """Return the grid and, for each phase in order, the DICOM slices in the order of k; errors as `read_dicom`."""
    return _stacks(Path(path), series, progress)[:2]


def _stacks(
    folder: Path, series: str | None, progress: Progress
) -> tuple[Grid, list[tuple[SliceHeader, ...]], list[Phase], dict[str, object]]:
    scan = scan_folder(folder, progress=progress)
    slices = choose_series(folder, scan, series)
    phases = split_phases(folder, slices)
    grid, stacks = stack_phases(folder, phases)
    return grid, stacks, phases, scan.facts[slices[0].series]


def _rr_percent(phases: list[Phase], facts: dict[str, object]) -> tuple[float, ...]:
    """Return the nominal percentages, else trigger time over the R-R interval, else nothing (uniform)."""
    percent = [phase.percent for phase in phases]
    if None not in percent:
        return tuple(percent)
    triggers = [phase.slices[0].trigger_ms for phase in phases]
    heart_rate = facts.get("heart_rate_bpm")
    if None in triggers or not heart_rate:
        return ()
    values = tuple(round(trigger * float(heart_rate) / 600, 2) for trigger in triggers)
    return values if all(0 <= value <= 100 for value in values) else ()
