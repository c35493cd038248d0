"""What the measurement of a cardiac cycle gives back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import LVMError
from .model import ThicknessResult
from .ventricle import LVFrame

THICKENING_REASONS = {
    0: "measured",
    1: "no thickness at ED",
    2: "no thickness at the corresponding place at ES",
    3: "no corresponding place at ES (beyond the rim of the wall or the border of the image)",
    4: "ED or ES was not measured, has no axis, or they are one phase",
}


@dataclass(frozen=True, eq=False)
class PhaseResult:
    """One labelled phase.

    Parameters
    ----------
    phase : int
    cavity_ml, wall_ml : float
        Volumes of the labels.
    result : ThicknessResult or None
        None if the phase could not be measured; ``error`` says why.
    error : LVMError or None
    frame : LVFrame or None
        None if the phase was not measured, or if its blood pool has no axis; ``frame_error`` then says why.
    frame_error : LVMError or None
    """

    phase: int
    cavity_ml: float
    wall_ml: float
    result: ThicknessResult | None
    error: LVMError | None
    frame: LVFrame | None
    frame_error: LVMError | None


@dataclass(frozen=True, eq=False)
class CycleResult:
    """Thickness at every labelled phase, and of every vertex of the ED epicardium over time.

    Parameters
    ----------
    ed, es : int
        Phases of end-diastole and end-systole.
    ed_from, es_from : str
        ``"given"``, ``"largest cavity"``, ``"smallest cavity"``.
    phases : tuple of PhaseResult
        The labelled phases in the order of time, also those that could not be measured.
    not_labelled : tuple of int
        Phases without a label.
    points_over_time : ndarray (P, V, 3) float32
        RAS mm; vertex ``v`` of the ED epicardium at phase ``measured[p]``; NaN where there is no such place.
    thickness_over_time : ndarray (P, V) float32
        mm, NaN = no value.
    thickening_percent : ndarray (V,)
        100 (ES - ED) / ED; NaN where there is none.
    thickening_reasons : ndarray (V,) uint8
        Why, as a key of `THICKENING_REASONS`.
    notes : tuple of str
        What a reader of the numbers must know.
    """

    ed: int
    es: int
    ed_from: str
    es_from: str
    phases: tuple[PhaseResult, ...]
    not_labelled: tuple[int, ...]
    points_over_time: np.ndarray
    thickness_over_time: np.ndarray
    thickening_percent: np.ndarray
    thickening_reasons: np.ndarray
    notes: tuple[str, ...]

    @property
    def measured(self) -> tuple[int, ...]:
        """The phases that have a thickness: the first axis of the arrays over time."""
        return tuple(each.phase for each in self.phases if each.result is not None)

    def phase(self, number: int) -> PhaseResult:
        """Return a labelled phase.

        Raises
        ------
        KeyError
            The phase is not labelled.
        """
        return {each.phase: each for each in self.phases}[number]

    @property
    def ed_phase(self) -> PhaseResult:
        """End-diastole; its surface is the one that all arrays over time belong to."""
        return self.phase(self.ed)

    @property
    def es_phase(self) -> PhaseResult:
        """End-systole."""
        return self.phase(self.es)

    @property
    def ejection_percent(self) -> float:
        """Ejection fraction from the label volumes, %; NaN if ED and ES are one phase."""
        if self.ed == self.es:
            return float("nan")
        return 100.0 * (1.0 - self.es_phase.cavity_ml / self.ed_phase.cavity_ml)
