"""Benchmarks: what the software claims, measured beside its peers.

Each module has ``run() -> list[Row]``; `BENCHMARKS` names them.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from ...errors import LVMError

BENCHMARKS = {
    "editing": "LVMLib.evaluation.benchmarks.editing",
    "thickness": "LVMLib.evaluation.benchmarks.thickness",
    "conv4d": "LVMLib.evaluation.benchmarks.conv4d",
    "inference": "LVMLib.evaluation.benchmarks.inference",
    "training": "LVMLib.evaluation.benchmarks.training",
    "import-dicom": "LVMLib.evaluation.benchmarks.import_dicom",
}
"""Name of each benchmark and the module with its ``run``."""


@dataclass(frozen=True)
class Row:
    """One line of a benchmark's table.

    Parameters
    ----------
    name : str
        What was measured, on what.
    value : float
        Our value.
    unit : str
    peer : str or None
        The tool beside it, measured in the same run.
    peer_value : float or None
    ratio : float or None
        How many times better than the peer: above 1 is better, whether small or large values are good.
    goal : str or None
        Such as ``"<= 2048"``.
    met : bool or None
        Whether the goal is reached; None without a goal.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    goal: str | None = None
    met: bool | None = None

    @classmethod
    def at_most(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        goal: float | None = None,
        peer: str | None = None,
        peer_value: float | None = None,
    ) -> Row:
        """Return the row of a value that should be small (time, memory, error)."""
        ratio = None if peer_value is None or not value else peer_value / value
        return cls(name, value, unit, peer, peer_value, ratio, *_judged("<=", goal, goal is None or value <= goal))

    @classmethod
    def at_least(
        cls,
        name: str,
        value: float,
        unit: str,
        *,
        goal: float | None = None,
        peer: str | None = None,
        peer_value: float | None = None,
    ) -> Row:
        """Return the row of a value that should be large (Dice, speed-up)."""
        ratio = value / peer_value if peer_value else None
        return cls(name, value, unit, peer, peer_value, ratio, *_judged(">=", goal, goal is None or value >= goal))


def run_benchmark(name: str) -> list[Row]:
    """Run a benchmark by its name in `BENCHMARKS`.

    Raises
    ------
    LVMError
        No such benchmark.
    """
    if name not in BENCHMARKS:
        raise LVMError(
            "bench",
            expected="one of " + ", ".join(sorted(BENCHMARKS)),
            found=f"'{name}'",
            remedy="Choose one of them, or 'all'.",
        )
    return importlib.import_module(BENCHMARKS[name]).run()


def _judged(sign: str, goal: float | None, met: bool) -> tuple[str | None, bool | None]:
    return (None, None) if goal is None else (f"{sign} {goal:g}", bool(met))
