"""Commands on images, cases and cohorts: phantom, import, segment, predict, check, agree, export."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..progress import Progress, part
from .terminal import Outcome, table


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    _register_phantom(commands)
    _register_import(commands)
    _register_prediction(commands)
    _register_review(commands)


def _register_phantom(commands: argparse._SubParsersAction) -> None:
    phantom = commands.add_parser("phantom", help="make a cohort of synthetic 4D cardiac CTs with known labels")
    phantom.add_argument("cohort", type=Path)
    phantom.add_argument("--site", choices=("1", "2"), required=True, help="whose scanner and population")
    phantom.add_argument("--cases", type=int, required=True, metavar="N")
    phantom.add_argument("--seed", type=int, default=0)
    phantom.add_argument("--phases", type=int, default=20, help="phases of the cardiac cycle (default 20)")
    phantom.add_argument("--spacing", type=float, metavar="MM", help="isotropic voxels instead of the scanner's own")
    phantom.set_defaults(run=run_phantom)


def _register_import(commands: argparse._SubParsersAction) -> None:
    importing = commands.add_parser("import", help="bring a CT into a cohort, without patient identity")
    importing.add_argument("source", type=Path, help="DICOM folder, NIfTI, NRRD, .seq.nrrd or a folder of 3D files")
    importing.add_argument("cohort", type=Path, help="cohort folder; made if it is not there")
    importing.add_argument("--case", metavar="ID", help="name of the case (default: the next number)")
    importing.add_argument("--site", default="local", help="name of the hospital for a new cohort")
    importing.add_argument("--series", metavar="UID", help="which DICOM series, where a folder holds several")
    importing.set_defaults(run=run_import)


def _register_prediction(commands: argparse._SubParsersAction) -> None:
    segment = commands.add_parser("segment", help="label one 3D or 4D image, no cohort needed")
    segment.add_argument("image", type=Path)
    segment.add_argument("labels", type=Path, help=".nii.gz, .nrrd or .seg.nrrd to write, on the image's grid")
    predict = commands.add_parser("predict", help="label the cases of a cohort and propose ED and ES")
    predict.add_argument("cohort", type=Path)
    predict.add_argument("--case", metavar="ID", help="only this case")
    predict.add_argument("--phases", default="ed,es", help="'ed,es' (default), 'all', or numbers such as 0,7")
    for command in (segment, predict):
        command.add_argument("--model", type=Path, required=True, metavar="BUNDLE")
        command.add_argument("--device", help="cpu, cuda or cuda:N (default: a GPU where there is one)")
    segment.set_defaults(run=run_segment)
    predict.set_defaults(run=run_predict)


def _register_review(commands: argparse._SubParsersAction) -> None:
    check = commands.add_parser("check", help="check the labels against the consensus protocol")
    check.add_argument("cohort", type=Path)
    check.add_argument("--reader", help="whose labels (default: every reader's)")
    check.add_argument("--protocol", type=Path, help="a site's own protocol file")
    check.set_defaults(run=run_check)
    agree = commands.add_parser("agree", help="compare two readers of the same cases")
    agree.add_argument("cohort", type=Path)
    agree.add_argument("--readers", required=True, metavar="A,B")
    agree.set_defaults(run=run_agree)
    export = commands.add_parser("export", help="write 4D image-mask pairs for training")
    export.add_argument("cohort", type=Path)
    export.add_argument("pairs", type=Path)
    export.add_argument("--reader", help="whose labels (default: consensus, or the only reader)")
    export.add_argument("--spacing", type=float, default=1.0, metavar="MM", help="isotropic voxel size (default 1)")
    export.add_argument("--phases", default="ed,es", help="'ed,es' (default) or 'all' labelled phases")
    export.add_argument("--test", type=int, metavar="N", help="cases kept for the test (default: 45 of 95)")
    export.add_argument("--validation", type=int, metavar="N", help="cases that choose the best epoch")
    export.add_argument("--seed", type=int, default=0, help="seed of the split into training, validation and test")
    export.set_defaults(run=run_export)


def run_phantom(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Make a phantom cohort."""
    from ..phantom import generate_cohort

    cohort = generate_cohort(
        options.cohort,
        site=options.site,
        cases=options.cases,
        seed=options.seed,
        phases=options.phases,
        spacing_mm=options.spacing,
        progress=progress,
    )
    cases = cohort.case_ids()
    return Outcome(
        {"cohort": str(options.cohort), "cases": cases, "phantom": True},
        f"{len(cases)} phantom cases of Site {options.site} in {options.cohort}",
    )


def run_import(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Import one image as a case."""
    from ..cohort import Cohort
    from ..imaging import read_image

    sequence = read_image(options.source, series=options.series, progress=part(progress, 0.0, 0.2))
    cohort = Cohort.open_or_create(options.cohort, site=options.site)
    case = cohort.add_case(
        sequence, case_id=options.case, source=options.source.name, progress=part(progress, 0.2, 1.0)
    )
    result = {"case": case.id, "phases": len(sequence), "grid": case.grid.describe()}
    return Outcome(result, f"{case.id}: {len(sequence)} phase(s), {case.grid.describe()}")


def run_segment(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Label one image on its own grid."""
    from ..imaging import read_image, write_label_phases
    from ..learning import Bundle, predict_sequence

    bundle = Bundle.load(options.model)
    sequence = read_image(options.image, progress=part(progress, 0.0, 0.1))
    found = predict_sequence(sequence, bundle, device=options.device, progress=part(progress, 0.1, 0.9))
    write_label_phases(options.labels, [found.labels[phase] for phase in range(len(sequence))], sequence.grid)
    result = {"labels": str(options.labels), "ed": found.ed, "es": found.es, "volumes_ml": found.volumes_ml}
    volumes = ", ".join(f"{volume:.0f}" for volume in found.volumes_ml.values())
    return Outcome(result, f"{options.labels}: LV cavity {volumes} ml")


def run_predict(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Label the cases of a cohort."""
    from ..cohort import Cohort
    from ..learning import Bundle, predict_case

    bundle, cohort = Bundle.load(options.model), Cohort.open(options.cohort)
    cases = [cohort.case(case_id) for case_id in ([options.case] if options.case else cohort.case_ids())]
    rows = []
    for number, case in enumerate(cases):
        step = part(progress, number / len(cases), (number + 1) / len(cases))
        phases = parse_phases(options.phases, range(len(case.rr_percent)))
        found = predict_case(case, bundle, phases=phases, device=options.device, progress=step)
        repairs = found.repairs.values()
        rows.append(
            {
                "case": case.id,
                "ed": case.ed,
                "es": case.es,
                "ed_ml": found.volumes_ml[case.ed],
                "es_ml": found.volumes_ml[case.es],
                "holes_before": sum(repair.holes_before for repair in repairs),
                "holes_after": sum(repair.holes_after for repair in repairs),
                "gaps_before": sum(repair.gaps_before for repair in repairs),
                "gaps_after": sum(repair.gaps_after for repair in repairs),
                "volumes_ml": found.volumes_ml,
            }
        )
    shown = [key for key in rows[0] if key != "volumes_ml"] if rows else []
    return Outcome({"cases": rows}, table(shown, [[row[key] for key in shown] for row in rows]))


def parse_phases(text: str, available: range) -> list[int] | None:
    """Return the phases that ``text`` names, or None for 'ed,es'.

    Raises
    ------
    LVMError
        A phase is no number or is not in the case.
    """
    from ..errors import LVMError

    if text == "ed,es":
        return None
    if text == "all":
        return list(available)
    numbers = text.split(",")
    if not all(number.strip().isdigit() and int(number) in available for number in numbers):
        raise LVMError(
            "--phases",
            expected=f"'ed,es', 'all' or phases 0 to {len(available) - 1}",
            found=repr(text),
            remedy="Give the phases as numbers with commas between them.",
        )
    return [int(number) for number in numbers]


def run_check(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Check labels against the protocol."""
    from ..cohort import Cohort
    from ..evaluation import check_cohort

    cohort = Cohort.open(options.cohort)
    findings = check_cohort(cohort, reader=options.reader, protocol=options.protocol, progress=progress)
    header = ["case", "reader", "phase", "rule", "passed", "message"]
    failed = sum(row["passed"] is False for row in findings)
    text = table(header, [[row[key] for key in header] for row in findings])
    return Outcome({"findings": findings, "failed": failed}, f"{text}\n{failed} finding(s) to look at")


def run_agree(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Compare two readers."""
    from ..cohort import Cohort
    from ..evaluation import agree_cohort

    names = [name.strip() for name in options.readers.split(",")]
    rows, summary = agree_cohort(Cohort.open(options.cohort), names, progress=progress)
    header = list(rows[0]) if rows else []
    return Outcome({"cases": rows, "summary": summary}, table(header, [[row[key] for key in header] for row in rows]))


def run_export(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Write image-mask pairs."""
    from ..cohort import Cohort, export_case, nested_splits, write_splits

    cohort = Cohort.open(options.cohort)
    cases = [cohort.case(case_id) for case_id in cohort.case_ids()]
    rows = []
    for number, case in enumerate(cases):
        step = part(progress, number / len(cases), (number + 1) / len(cases))
        phases = parse_phases(options.phases, range(len(case.rr_percent)))
        pair = export_case(
            case, options.pairs, reader=options.reader, spacing_mm=options.spacing, phases=phases, progress=step
        )
        rows.append({"case": case.id, "labelled_phases": list(pair.labelled_phases), "grid": pair.grid.describe()})
    if options.test is not None or options.validation is not None:
        parts = {name: getattr(options, name) for name in ("test", "validation") if getattr(options, name) is not None}
        write_splits(options.pairs, nested_splits([row["case"] for row in rows], seed=options.seed, **parts))
    shown = [[row["case"], str(row["labelled_phases"]), row["grid"]] for row in rows]
    text = table(["case", "labelled phases", "grid"], shown)
    return Outcome({"pairs": str(options.pairs), "cases": rows}, text)
