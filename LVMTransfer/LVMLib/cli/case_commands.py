"""Commands on images and cases: phantom, import, segment, predict."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..progress import Progress, part
from .arguments import quantity, whole
from .terminal import Outcome, table

if TYPE_CHECKING:
    from ..cohort import Case, Cohort

SPACING = quantity(0.1, 20.0, "mm")


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    _register_phantom(commands)
    _register_import(commands)
    _register_prediction(commands)


def _register_phantom(commands: argparse._SubParsersAction) -> None:
    phantom = commands.add_parser("phantom", help="make a cohort of synthetic 4D cardiac CTs with known labels")
    phantom.add_argument("cohort", type=Path)
    phantom.add_argument("--site", choices=("1", "2"), required=True, help="whose scanner and population")
    phantom.add_argument("--cases", type=whole(1), required=True, metavar="N", help="how many; those there are kept")
    phantom.add_argument("--seed", type=whole(), default=0)
    phantom.add_argument("--phases", type=whole(1), default=20, help="phases of the cardiac cycle (default 20)")
    phantom.add_argument("--spacing", type=SPACING, metavar="MM", help="isotropic voxels instead of the scanner's own")
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
    predict.add_argument("--ed", type=int, metavar="N", help="phase of end-diastole, set by hand (from 0)")
    predict.add_argument("--es", type=int, metavar="N", help="phase of end-systole, set by hand")
    for command in (segment, predict):
        command.add_argument("--model", type=Path, required=True, metavar="BUNDLE")
        command.add_argument("--device")
    segment.set_defaults(run=run_segment)
    predict.set_defaults(run=run_predict)


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
    new = not (options.cohort / "cohort.json").exists()
    cohort = Cohort.open_or_create(options.cohort, site=options.site)
    try:
        case = cohort.add_case(
            sequence, case_id=options.case, source=options.source.name, progress=part(progress, 0.2, 1.0)
        )
    except BaseException:
        if new:
            cohort.remove_if_empty()
        raise
    result = {"case": case.id, "phases": len(sequence), "grid": case.grid.describe()}
    return Outcome(result, f"{case.id}: {len(sequence)} phase(s), {case.grid.describe()}")


def run_segment(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Label one image on its own grid."""
    from ..imaging import read_image, require_label_file, write_label_phases
    from ..learning import Bundle, predict_sequence

    bundle = Bundle.load(options.model)
    sequence = read_image(options.image, progress=part(progress, 0.0, 0.1))
    require_label_file(options.labels, phases=len(sequence), image=options.image)
    found = predict_sequence(sequence, bundle, device=options.device, progress=part(progress, 0.1, 0.9))
    write_label_phases(options.labels, found.labels.values(), sequence.grid)
    result = {
        "labels": str(options.labels),
        "ed": found.ed,
        "es": found.es,
        "volumes_ml": found.volumes_ml,
        "jitter_ml": found.jitter_ml,
        "doubts": found.doubts,
    }
    volumes = ", ".join(f"{volume:.0f}" for volume in found.volumes_ml.values())
    jitter = f", jitter between phases {found.jitter_ml:.1f} ml" if len(found.volumes_ml) >= 4 else ""
    text = f"{options.labels}: LV cavity {volumes} ml{jitter}"
    return Outcome(result, "\n".join([text, *_doubtful(options.image.name, found.doubts)]))


def _doubtful(name, doubts):
    """What a person is told where a model seems to have missed the ventricle."""
    return [f"{name}: look at the labels before you use them, {'; '.join(doubts)}"] if doubts else []


def run_predict(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Label the cases of a cohort."""
    from ..cohort import Cohort
    from ..learning import Bundle, predict_case

    bundle, cohort = Bundle.load(options.model), Cohort.open(options.cohort)
    cases = [cohort.case(options.case)] if options.case else all_cases(cohort)
    rows = []
    for number, case in enumerate(cases):
        step = part(progress, number / len(cases), (number + 1) / len(cases))
        by_hand = {name: phase for name, phase in (("ed", options.ed), ("es", options.es)) if phase is not None}
        for phase in by_hand.values():
            parse_phases(str(phase), range(len(case.rr_percent)))
        phases = parse_phases(options.phases, range(len(case.rr_percent)))
        found = predict_case(case, bundle, phases=phases, **by_hand, device=options.device, progress=step)
        repairs = found.repairs.values()
        rows.append(
            {
                "case": case.id,
                "ed": case.ed,
                "es": case.es,
                "ed_ml": found.volumes_ml[case.ed],
                "es_ml": found.volumes_ml[case.es],
                "holes_before": sum(repair["holes_before"] for repair in repairs),
                "holes_after": sum(repair["holes_after"] for repair in repairs),
                "gaps_before": sum(repair["gaps_before"] for repair in repairs),
                "gaps_after": sum(repair["gaps_after"] for repair in repairs),
                "jitter_ml": found.jitter_ml,
                "volumes_ml": found.volumes_ml,
                "doubts": found.doubts,
            }
        )
    shown = [key for key in rows[0] if key not in {"volumes_ml", "doubts"}]
    lines = [table(shown, [[row[key] for key in shown] for row in rows])]
    lines += [line for row in rows for line in _doubtful(row["case"], row["doubts"])]
    return Outcome({"cases": rows}, "\n".join(lines))


def all_cases(cohort: Cohort) -> list[Case]:
    """Return every case of a cohort, or raise `CohortError` where there is none."""
    from ..errors import CohortError

    cases = [cohort.case(case_id) for case_id in cohort.case_ids()]
    if not cases:
        raise CohortError(
            cohort.folder, expected="cases", found="none", remedy="Import a CT with 'lvm import SOURCE COHORT'."
        )
    return cases


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
    if not all(number.strip().isdecimal() and int(number) in available for number in numbers):
        raise LVMError(
            "--phases",
            expected=f"'ed,es', 'all' or phases 0 to {len(available) - 1}",
            found=repr(text),
            remedy="Give the phases as numbers with commas between them.",
        )
    return [int(number) for number in numbers]
