"""Commands on masks from elsewhere: repair, labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..progress import Progress
from .arguments import quantity
from .terminal import Outcome, table

if TYPE_CHECKING:
    from ..annotation import Difference
    from ..annotation.repair import Repair
    from ..cohort import Case
    from ..grid import Grid


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    repair = commands.add_parser("repair", help="close holes and gaps of a mask, and show what changed")
    repair.add_argument("mask", type=Path, help="labels 0, 1, 2: NIfTI, NRRD or .seg.nrrd, 3D or 4D")
    repair.add_argument("out", type=Path, help="the repaired mask, on the same grid")
    repair.add_argument("--radius", type=quantity(1, 20, "voxels"), default=5.0, metavar="V", help="default 5 voxels")
    repair.add_argument("--curves", type=Path, metavar="FILE", help="mitral and aortic curves (.mrk.json) to cut at")
    repair.add_argument("--picture", type=Path, metavar="PNG", help="three slices through the largest change")
    repair.add_argument("--difference", type=Path, metavar="FILE", help="label map of what changed (.nrrd, .nii.gz)")
    repair.set_defaults(run=run_repair)
    labels = commands.add_parser("labels", help="bring a mask from another tool into a case")
    labels.add_argument("mask", type=Path, help="NIfTI, NRRD or .seg.nrrd of one phase")
    labels.add_argument("cohort", type=Path)
    labels.add_argument("--case", required=True, metavar="ID")
    labels.add_argument("--reader", required=True, help="who drew it")
    labels.add_argument("--phase", required=True, help="'ed', 'es' or a phase number (from 0)")
    labels.add_argument("--resample", action="store_true", help="accept a mask on another grid, and resample it")
    labels.add_argument("--as-drawn", action="store_true", help="do not repair holes and gaps")
    labels.set_defaults(run=run_labels)


def run_repair(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Repair one mask, phase by phase."""
    from ..annotation import read_valve_curves, repair_difference, repair_labels, truncate_by_curves
    from ..imaging import read_labels, write_labels

    progress(0.0, "reading the mask")
    labels, grid = read_labels(options.mask)
    curves = read_valve_curves(options.curves) if options.curves else None
    phases = labels if labels.ndim == 4 else labels[np.newaxis]
    after, rows = phases.copy(), []
    for phase, mask in enumerate(phases):
        if not mask.any():
            continue
        progress(phase / len(phases), f"repairing phase {phase}")
        cut = truncate_by_curves(mask, grid, curves).labels if curves else mask
        found: Repair = repair_labels(cut, grid, radius_voxels=options.radius)
        after[phase] = found.labels
        changed = repair_difference(mask, found.labels)
        rows.append({"phase": phase, **found.counts(), "changed": _by_name(changed)})
    write_labels(options.out, after if labels.ndim == 4 else after[0], grid)
    largest = max(rows, key=lambda row: sum(row["changed"].values()))["phase"]
    _show(options, repair_difference(phases[largest], after[largest]), after[largest], grid)
    result = {"labels": str(options.out), "phases": rows}
    if options.picture:
        result["picture"] = str(options.picture)
    header = [name for name in rows[0] if name != "changed"]
    return Outcome(result, table(header, [[row[name] for name in header] for row in rows]))


def _show(options: argparse.Namespace, difference: Difference, labels: np.ndarray, grid: Grid) -> None:
    """Write the picture and the difference map, where they are asked for."""
    from ..annotation import write_difference_picture
    from ..imaging import write_code_map

    if options.picture:
        write_difference_picture(options.picture, difference, labels, grid)
    if options.difference:
        write_code_map(options.difference, difference.labels, grid)


def _by_name(difference: Difference) -> dict[str, int]:
    return {difference.names[code]: count for code, count in difference.counts.items()}


def run_labels(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Store a mask as a reader's labels of one phase."""
    from ..annotation import repair_labels
    from ..cohort import Cohort
    from ..cohort.readers import MODEL_READER, require_not_open
    from ..errors import CohortError
    from ..imaging import resample_labels

    if options.reader.casefold() == MODEL_READER:  # one folder where the disk tells no upper case from lower
        raise CohortError(
            "--reader", expected="who drew the mask", found=f"{MODEL_READER!r}, whose labels are the model's own",
            remedy="Give another name; 'lvm predict' writes the model's labels.",
        )  # fmt: skip
    case = Cohort.open(options.cohort).case(options.case)
    phase = phase_of(case, options.phase)
    require_not_open(case, options.reader)
    progress(0.1, "reading the mask")
    labels, grid = _labels_for(case, options.mask, resample=options.resample)
    if labels.ndim == 4:
        labels = _only_phase(labels, phase, options.mask)
    if not grid.matches(case.grid):
        labels = resample_labels(labels, grid, case.grid)
    result: dict[str, object] = {"case": case.id, "reader": options.reader, "phase": phase}
    if not options.as_drawn:
        progress(0.5, "repairing")
        repair = repair_labels(labels, case.grid)
        labels, result = repair.labels, result | repair.counts()
    result["labels"] = str(case.write_labels(options.reader, phase, labels))
    shown = {key: value for key, value in result.items() if key != "labels"}
    return Outcome(result, table(list(shown), [list(shown.values())]))


def _labels_for(case: Case, mask: Path, *, resample: bool) -> tuple[np.ndarray, Grid]:
    """Read a mask on the grid of a case; on another grid only to resample it. A DICOM SEG is always on its image's."""
    from ..errors import GridError
    from ..imaging import read_labels

    try:
        return read_labels(mask, reference=None if resample and mask.suffix.lower() != ".dcm" else case.grid)
    except GridError as error:
        remedy = f"{error.remedy} 'lvm labels --resample' does it."
        raise GridError(error.where, expected=error.expected, found=error.found, remedy=remedy) from error


def phase_of(case: Case, text: str) -> int:
    """Return the phase index that 'ed', 'es' or a number names.

    Raises
    ------
    LVMError
        No such phase, or ED and ES are not set.
    """
    from ..errors import LVMError

    known = {"ed": case.ed, "es": case.es}
    phase = known.get(text, int(text) if text.isdecimal() else None)
    if phase is None or phase >= len(case.rr_percent):
        raise LVMError(
            "--phase",
            expected=f"'ed', 'es' or a phase from 0 to {len(case.rr_percent) - 1} of case {case.id}",
            found=f"{text}, which is not set" if text in known else repr(text),
            remedy="Give the number of the phase.",
        )
    return phase


def _only_phase(labels: np.ndarray, phase: int, where: Path) -> np.ndarray:
    from .thickness_commands import one_phase

    return one_phase(labels, phase, where)
