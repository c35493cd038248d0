"""The command that measures wall thickness over the labelled phases of a mask."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from ..errors import LVMError
from ..progress import Progress, part
from .arguments import whole
from .terminal import Outcome

_NOTES = {
    "estimated": "Septum estimated from the patient's position (no RV insertion given).",
    "one insertion": "Septum from the anterior RV insertion.",
    "two insertions": "Septum from both RV insertions.",
    None: "No long axis found: no segments.",
}
_LIST = "thickness.json"
# Where the summary names files, at its top or in the row of a phase.
_FILES = (
    "surface", "streamlines", "volume", "endocardium", "segments_csv", "bullseye", "bullseye_es", "bullseye_thickening",
)  # fmt: skip


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    thickness = commands.add_parser(
        "thickness", help="wall thickness along heat-flow streamlines, thickening, segments"
    )
    thickness.add_argument("mask", type=Path, help="labels 0, 1, 2: NIfTI, NRRD or .seg.nrrd, 3D or 4D")
    thickness.add_argument("--out", type=Path, required=True, metavar="DIR")
    asked = thickness.add_mutually_exclusive_group()
    asked.add_argument("--phase", type=whole(), metavar="N", help="measure this phase alone")
    asked.add_argument("--phases", type=_numbers, metavar="N,N,…", help="measure these phases (default: all labelled)")
    thickness.add_argument("--ed", type=whole(), metavar="N", help="end-diastole (default: the largest cavity)")
    thickness.add_argument("--es", type=whole(), metavar="N", help="end-systole (default: the smallest cavity)")
    thickness.add_argument("--segments", type=int, choices=(16, 17), default=17, help="AHA model (default: 17)")
    thickness.add_argument(
        "--rv-insertion",
        type=_points,
        metavar="X,Y,Z[;X,Y,Z]",
        help="anterior (and inferior) insertion of the right ventricle at ED, RAS mm; a value that begins with a minus "
        "needs =, as in --rv-insertion=-16,28,10 (default: estimated from the patient's position)",
    )
    base = thickness.add_mutually_exclusive_group()
    base.add_argument(
        "--base-plane",
        type=_points,
        metavar="X,Y,Z;NX,NY,NZ",
        help="point and normal (away from the apex) of the plane at the base, RAS mm, for one phase (default: the base "
        "is found from the mask)",
    )
    base.add_argument(
        "--valve-curves",
        type=Path,
        metavar="FILE",
        help="mitral and aortic curves (.mrk.json) as the base of one phase",
    )
    thickness.add_argument("--every-phase", action="store_true", help="write surface and lines of every phase")
    thickness.set_defaults(run=run_thickness)


def _numbers(text: str) -> list[int]:
    return [whole()(each.strip()) for each in text.split(",")]


def _points(text: str) -> list[list[float]]:
    try:
        points = [[float(value) for value in point.split(",")] for point in text.split(";")]
    except ValueError:
        points = []
    if len(points) not in {1, 2} or any(len(point) != 3 for point in points):
        raise argparse.ArgumentTypeError(f"'{text}' where X,Y,Z or X,Y,Z;X,Y,Z in RAS mm belongs")
    return points


def run_thickness(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Measure the labelled phases of a mask; write surfaces, flow lines, segments, bull's-eyes and numbers."""
    from ..files import write_json
    from ..imaging import read_labels
    from ..thickness import cycle_summary, measure_cycle

    progress(0.0, "reading the mask")
    labels, grid = read_labels(options.mask)
    alone = options.phase is not None
    phases = [options.phase] if alone else options.phases
    planes, curves = _bases(options, 0 if labels.ndim == 3 else options.phase)
    started = time.perf_counter()
    try:
        cycle = measure_cycle(
            labels,
            grid.affine,
            ed=options.phase if alone and options.ed is None else options.ed,
            es=options.es,
            phases=phases,
            rv_insertion=options.rv_insertion,
            base_planes=planes,
            base_curves=curves,
            keep_streamlines=options.every_phase,
            progress=part(progress, 0.1, 0.8),
        )
        if cycle.ed_phase.error is not None:
            raise cycle.ed_phase.error
    except LVMError as error:
        raise error.at(options.mask if labels.ndim == 3 else f"{options.mask}, {error.where}") from error
    seconds = time.perf_counter() - started
    progress(0.8, "writing")
    summary = {**cycle_summary(cycle, model=options.segments), "seconds": seconds}
    _remove_earlier(options.out)
    try:
        _write_phases(options, cycle, grid, summary)
        _write_segments(options, cycle, summary)
        write_json(options.out / _LIST, summary)
    except BaseException:
        # Each file is whole, but without their list the next run could not tell them from its own.
        _remove(options.out, _file_names(summary))
        raise
    return Outcome(summary, _said(summary))


def _bases(options, phase):
    """The base that was given, by phase: planes and curves. It moves with the beat, so it is one phase's."""
    from ..annotation import read_valve_curves

    if options.base_plane is None and options.valve_curves is None:
        return None, None
    if phase is None:
        raise LVMError(
            options.mask,
            expected="one phase for the base that is given",
            found="a 4D mask",
            remedy="Choose the phase with --phase; without a base it is found at every phase.",
        )
    if options.base_plane is None:
        return None, {phase: [*read_valve_curves(options.valve_curves).values()]}
    if len(options.base_plane) != 2:
        raise LVMError("--base-plane", expected="X,Y,Z;NX,NY,NZ", found="a point alone", remedy="Give its normal too.")
    return {phase: tuple(options.base_plane)}, None


def _remove_earlier(out):
    """Remove what an earlier run wrote here: a surface of another mask, or of a former ES, would be believed."""
    try:
        names = _file_names(json.loads((out / _LIST).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return  # no earlier run, or nothing that names its files
    _remove(out, names)


def _file_names(summary):
    rows = [summary, *summary["phases"]]
    return {Path(row[key]).name for row in rows for key in _FILES if row.get(key)} | {_LIST}


def _remove(out, names):
    for name in names:
        (out / name).unlink(missing_ok=True)


def _write_phases(options, cycle, grid, summary):
    """Put the names of each phase's files into ``summary``, those of ED at its top, and write them."""
    from ..imaging import write_sequence_nifti
    from ..thickness import surface_arrays, write_streamlines, write_surface

    endings = {cycle.es: "_es", cycle.ed: ""}
    for row, phase in zip(summary["phases"], cycle.phases):
        if phase.result is None or not (phase.phase in endings or options.every_phase):
            continue
        ending = endings.get(phase.phase, f"_{phase.phase:02d}")
        files = {"surface": f"thickness{ending}.vtp", "streamlines": f"streamlines{ending}.vtp"}
        if phase.phase in endings:
            files |= {"volume": f"thickness{ending}.nii.gz", "endocardium": f"endocardium{ending}.vtp"}
        files = {name: str(options.out / file) for name, file in files.items()}
        row |= files
        arrays = None
        if phase.phase == cycle.ed:
            summary |= files
            arrays = surface_arrays(cycle, model=options.segments)
        write_surface(files["surface"], phase.result, arrays)
        write_streamlines(files["streamlines"], phase.result)
        if phase.phase in endings:
            write_sequence_nifti(files["volume"], [phase.result.thickness_volume], grid, dtype="float32")
            write_surface(files["endocardium"], phase.result.endocardium)


def _write_segments(options, cycle, summary):
    from ..thickness import (
        nice_limits,
        phase_table,
        role_of,
        thickening_table,
        write_bullseye_svg,
        write_segments_csv,
    )

    model = options.segments
    summary["segments_csv"] = str(options.out / "segments.csv")
    write_segments_csv(summary["segments_csv"], cycle, model=model)
    ends = {"": cycle.ed_phase, "_es": cycle.es_phase}
    if cycle.es == cycle.ed or cycle.es_phase.result is None:
        del ends["_es"]
    medians = {end: [row.median_mm for row in phase_table(phase, model=model)[:-1]] for end, phase in ends.items()}
    # One scale, so that ED and ES can be compared by colour.
    limits = nice_limits(np.concatenate([*medians.values()]))
    note = _NOTES[summary["orientation"]]
    for end, values in medians.items():
        summary[f"bullseye{end}"] = path = str(options.out / f"bullseye{end}.svg")
        role = role_of(cycle, ends[end].phase)
        title = "Median wall thickness" + (f", {role} (phase {ends[end].phase})" if role else "")
        write_bullseye_svg(path, values, model=model, title=title, limits=limits, note=note)
    if "_es" in ends:
        values = [row.median_mm for row in thickening_table(cycle, model=model)[:-1]]
        summary["bullseye_thickening"] = path = str(options.out / "bullseye_thickening.svg")
        # From zero on, so that a wall that does not thicken is told from one that thickens little less than the rest.
        limits = nice_limits(np.array([0.0, *values]))
        title = "Wall thickening, ED to ES"
        write_bullseye_svg(path, values, model=model, title=title, unit="%", limits=limits, note=note)


def _said(summary):
    text = "median {median_mm:.2f} mm, P95 {p95_mm:.2f} mm, maximum {max_mm:.2f} mm at {vertices} points"
    at_ed = next(row for row in summary["phases"] if row["phase"] == summary["ed"])
    why = "; ".join(f"{count} {reason}" for reason, count in at_ed.get("invalid_reasons", {}).items())
    lines = [_filled(text, summary) + f" ({summary['invalid']} without a value{': ' * bool(why)}{why})"]
    if summary["ed"] != summary["es"]:
        lines[0] = f"ED (phase {summary['ed']}): {lines[0]}"
        at_es = next(row for row in summary["phases"] if row["role"] == "ES")
        if at_es["error"] is None:
            lines.append(f"ES (phase {summary['es']}): " + _filled(text, at_es))
            lines.append(_filled("thickening {thickening_percent:.0f} % (median)", summary))
    return "\n".join([*lines, *summary["notes"], summary["surface"]])


def _filled(text, values):
    return text.format(**{key: float("nan") if value is None else value for key, value in values.items()})
