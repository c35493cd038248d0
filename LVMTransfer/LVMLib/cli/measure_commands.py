"""Commands that measure: thickness, bench."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import LabelError, LVMError
from ..progress import Progress
from .arguments import whole
from .terminal import Outcome, table


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    thickness = commands.add_parser("thickness", help="wall thickness along heat-flow streamlines")
    thickness.add_argument("mask", type=Path, help="labels 0, 1, 2: NIfTI, NRRD or .seg.nrrd, 3D or 4D")
    thickness.add_argument("--out", type=Path, required=True, metavar="DIR")
    thickness.add_argument("--phase", type=whole(), help="phase of a 4D mask (default: the first that is labelled)")
    thickness.set_defaults(run=run_thickness)
    bench = commands.add_parser("bench", help="measure a claim side by side with its peers")
    bench.add_argument("name", help="name of the benchmark, or 'all'")
    bench.set_defaults(run=run_bench)


def run_thickness(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Measure one mask and write surface, streamlines and numbers."""
    from ..files import write_json
    from ..imaging import read_labels
    from ..thickness import measure_thickness, write_streamlines, write_surface

    progress(0.0, "reading the mask")
    labels, grid = read_labels(options.mask)
    labels = one_phase(labels, options.phase, options.mask)
    progress(0.2, "measuring")
    started = time.perf_counter()
    try:
        measured = measure_thickness(labels, grid.affine)
    except LVMError as error:
        raise error.at(options.mask) from error
    summary = {**asdict(measured.statistics), "seconds": time.perf_counter() - started}
    progress(0.8, "writing")
    summary |= {"surface": str(options.out / "thickness.vtp"), "streamlines": str(options.out / "streamlines.vtp")}
    write_surface(summary["surface"], measured)
    write_streamlines(summary["streamlines"], measured)
    write_json(options.out / "thickness.json", summary)
    text = "median {median_mm:.2f} mm, P95 {p95_mm:.2f} mm, maximum {max_mm:.2f} mm at {vertices} points".format(
        **summary
    )
    return Outcome(summary, f"{text} ({summary['invalid']} without a value)\n{summary['surface']}")


def one_phase(labels: np.ndarray, phase: int | None, where: Path) -> np.ndarray:
    """Return the asked phase of 3D or 4D labels; without one, the first phase that is labelled.

    Raises
    ------
    LabelError
        The phase is not there.
    """
    if labels.ndim == 3 and phase in (None, 0):
        return labels
    count = 1 if labels.ndim == 3 else len(labels)
    chosen = next((t for t in range(count) if labels[t].any()), 0) if phase is None else phase
    if not 0 <= chosen < count:
        raise LabelError(
            where, expected=f"a phase from 0 to {count - 1}", found=str(phase), remedy="Choose a phase of the mask."
        )
    return labels[chosen]


def run_bench(options: argparse.Namespace, progress: Progress) -> Outcome:
    """Print a benchmark's table; a missed goal is exit status 1."""
    from ..evaluation.benchmarks import BENCHMARKS, run_benchmark

    names = list(BENCHMARKS) if options.name == "all" else [options.name]
    rows = []
    for number, name in enumerate(names):
        progress(number / len(names), f"benchmark {name}")
        rows += [asdict(row) for row in run_benchmark(name)]
    header = ["name", "value", "unit", "peer", "peer_value", "ratio", "goal", "met"]
    text = table(header, [[row[key] for key in header] for row in rows])
    return Outcome(rows, text, failed=any(row["met"] is False for row in rows))
