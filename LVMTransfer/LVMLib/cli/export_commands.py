"""Commands that hand labels on: export, seg."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..progress import Progress, part
from .arguments import whole
from .case_commands import SPACING, all_cases, parse_phases
from .terminal import Outcome, table


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    export = commands.add_parser("export", help="write 4D image-mask pairs of signed-off cases for training")
    export.add_argument("cohort", type=Path)
    export.add_argument("pairs", type=Path)
    export.add_argument("--reader", help="whose labels (default: consensus, or the only reader)")
    export.add_argument("--spacing", type=SPACING, default=1.0, metavar="MM", help="isotropic voxel size (default 1)")
    export.add_argument("--phases", default="ed,es", help="'ed,es' (default) or 'all' labelled phases")
    unsigned = export.add_mutually_exclusive_group()
    unsigned.add_argument("--override", metavar="REASON", help="export what is not signed off; kept in pair.json")
    unsigned.add_argument("--signed-only", action="store_true", help="leave out, by name, what is not signed off")
    export.add_argument("--test", type=whole(), metavar="N", help="cases kept for the test (default: 45 of 95)")
    export.add_argument("--validation", type=whole(1), metavar="N", help="cases that choose the best epoch")
    export.add_argument("--seed", type=whole(), default=0, help="seed of the split into training, validation and test")
    export.set_defaults(run=run_export)
    seg = commands.add_parser("seg", help="write labels as DICOM SEG that refer to the original DICOM images")
    seg.add_argument("cohort", type=Path)
    seg.add_argument("--case", required=True, metavar="ID")
    seg.add_argument("--dicom", type=Path, required=True, metavar="FOLDER", help="the folder that was imported")
    seg.add_argument("--out", type=Path, required=True, metavar="DIR")
    seg.add_argument("--reader", help="whose labels (default: consensus, or the only reader)")
    seg.add_argument("--phases", default="ed,es", help="'ed,es' (default), 'all' labelled phases, or numbers")
    seg.add_argument("--series", metavar="UID", help="which DICOM series, where the folder holds several")
    seg.set_defaults(run=run_seg)


def run_export(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Write image-mask pairs."""
    from ..cohort import Cohort, write_splits
    from ..evaluation import export_with_checks, protocol_of

    cohort = Cohort.open(options.cohort)
    protocol, rows = protocol_of(cohort), []
    # Of all cases first: a split that cannot be is refused before any case is checked.
    cases = all_cases(cohort)
    splits = _splits(cases, options)
    cases, left_out = _exportable(cases, options, protocol, part(progress, 0.0, 0.3))
    if left_out:
        splits = _splits(cases, options)
    for number, case in enumerate(cases):
        step = part(progress, 0.3 + 0.7 * number / len(cases), 0.3 + 0.7 * (number + 1) / len(cases))
        phases = parse_phases(options.phases, range(len(case.rr_percent)))
        pair = export_with_checks(
            case, options.pairs, reader=options.reader, spacing_mm=options.spacing, phases=phases,
            protocol=protocol, override=options.override, progress=step,
        )  # fmt: skip
        found = pair.manifest
        rows.append(
            {
                "case": case.id,
                "labelled_phases": list(pair.labelled_phases),
                "grid": pair.grid.describe(),
                "failed": [rule for rule, passed in found.checks.items() if not passed],
                "signed_by": found.signed_by,
                "override": found.override,
            }
        )
    if splits is not None:
        write_splits(options.pairs, splits)
    header = ["case", "labelled phases", "grid", "rules failed", "signed by", "override"]
    shown = [
        [row["case"], str(row["labelled_phases"]), row["grid"], ", ".join(row["failed"]) or "none",
         row["signed_by"], row["override"]]
        for row in rows
    ]  # fmt: skip
    lines = [table(header, shown), *(f"left out: {why}" for why in left_out.values())]
    return Outcome({"pairs": str(options.pairs), "cases": rows, "left_out": left_out}, "\n".join(lines))


def _splits(cases, options):
    """Return the split that is asked for; None = none."""
    from ..cohort import nested_splits

    parts = {name: getattr(options, name) for name in ("test", "validation") if getattr(options, name) is not None}
    return nested_splits([case.id for case in cases], seed=options.seed, **parts) if parts else None


def _exportable(cases, options, protocol, progress):
    """Return the cases to export, and why others are left out; without --signed-only the first of those is an error."""
    from ..errors import CohortError
    from ..evaluation import require_exportable

    chosen, left_out = [], {}
    for number, case in enumerate(cases):
        progress(number / len(cases), f"{case.id}: signature and checks")
        try:
            require_exportable(case, options.reader, protocol=protocol, override=options.override)
            chosen.append(case)
        except CohortError as error:
            if not options.signed_only:
                raise
            left_out[case.id] = str(error)
    if not chosen:
        found = "none; " + next(iter(left_out.values()))
        raise CohortError(options.cohort, expected="a case that is signed off", found=found, remedy="Sign one first.")
    return chosen, left_out


def run_seg(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Write DICOM SEG objects, one for each phase."""
    from ..cohort import Cohort
    from ..cohort.dicom_export import export_dicom_seg

    case = Cohort.open(options.cohort).case(options.case)
    phases = parse_phases(options.phases, range(len(case.rr_percent)))
    written = export_dicom_seg(
        case, options.dicom, options.out, reader=options.reader, phases=phases, series=options.series, progress=progress
    )
    rows = [{"phase": phase, "file": str(path)} for phase, path in written.items()]
    return Outcome({"case": case.id, "files": rows}, "\n".join(row["file"] for row in rows))
