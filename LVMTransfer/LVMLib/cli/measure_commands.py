"""Commands that measure claims: bench."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..progress import Progress
from .terminal import Outcome, table


def register(commands: argparse._SubParsersAction) -> None:
    """Add this group's commands to the parser."""
    bench = commands.add_parser("bench", help="measure a claim side by side with its peers")
    bench.add_argument("name", help="name of the benchmark, or 'all'")
    bench.set_defaults(run=run_bench)


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
