"""Models against readers' labels, on image-mask pairs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..annotation.repair import repair_labels
from ..cohort import Pair
from ..errors import PairError, ThicknessError
from ..grid import BLOOD_POOL, LVM, Grid
from ..measures import dice, label_surface_distances, mass_g, volumes_ml
from ..progress import Progress, part, silent
from ..thickness import measure_thickness
from .table import EvaluationTable, Row

if TYPE_CHECKING:
    from ..learning import Bundle

log = logging.getLogger(__name__)

Predictor = Callable[..., Mapping[int, np.ndarray]]
"""Called as `learning.predict`: ``predictor(sequence, bundle, phases=…, device=…, progress=…)``."""


def evaluate_pairs(
    pairs: Sequence[Pair],
    bundles: Mapping[str, Bundle] | Mapping[str, Any],
    *,
    thickness: bool = True,
    repair: bool = True,
    device: str | None = None,
    predictor: Predictor | None = None,
    progress: Progress = silent,
) -> EvaluationTable:
    """Predict every labelled phase of every pair with every model, and measure against the labels.

    Parameters
    ----------
    pairs : sequence of Pair
        The cases; only their labelled phases are measured.
    bundles : mapping of str to Bundle
        Models by name; the first is "before".
    thickness : bool
        Measure wall thickness too.
    repair : bool
        Repair predictions as ``lvm predict`` does, so that what is measured is what a reader is given.
    device : str, optional
        Where to predict; None = a GPU where there is one.
    predictor : callable, optional
        In place of `learning.predict`.

    Raises
    ------
    PairError
        No pair or no model, or a pair is damaged.
    """
    if not pairs or not bundles:
        raise PairError(
            "evaluation",
            expected="at least one pair and one model",
            found=f"{len(pairs)} pairs and {len(bundles)} models",
            remedy="Export pairs with 'lvm export' and give a model with --model.",
        )
    predictor = predictor or _default_predictor()
    started = time.monotonic()
    found: dict[str, list[Row]] = {name: [] for name in bundles}
    steps = len(pairs) * len(bundles)
    for number, pair in enumerate(pairs):
        truth = _Truth(pair, thickness)
        for place, (name, bundle) in enumerate(bundles.items()):
            done = number * len(bundles) + place
            step = part(progress, done / steps, (done + 0.8) / steps)
            predicted = predictor(pair.image(), bundle, phases=list(pair.labelled_phases), device=device, progress=step)
            for phase in pair.labelled_phases:
                progress((done + 0.9) / steps, f"measuring {pair.id}, phase {phase}, {name}")
                labels = _repaired(predicted[phase], pair.grid) if repair else predicted[phase]
                found[name].append(truth.row(name, phase, labels))
    progress(1.0, "evaluated")
    facts = {
        "pairs": [pair.id for pair in pairs],
        "labelled_phases": sum(len(pair.labelled_phases) for pair in pairs),
        "repaired": repair,
        "seconds": round(time.monotonic() - started, 1),
    }
    rows = tuple(row for name in bundles for row in found[name])
    return EvaluationTable(rows, tuple(bundles), any(pair.is_phantom for pair in pairs), facts)


class _Truth:
    """A pair's labels and what is measured of them once for all models."""

    def __init__(self, pair: Pair, thickness: bool) -> None:
        self.pair, self.thickness = pair, thickness
        mask = pair.read_mask()
        self.labels = {phase: mask[phase] for phase in pair.labelled_phases}
        self.walls = {phase: self._wall(labels, "labels", phase) for phase, labels in self.labels.items()}

    def row(self, model: str, phase: int, labels: np.ndarray) -> Row:
        """Measure a model's labels of one phase."""
        truth, grid = self.labels[phase], self.pair.grid
        overlap = dice(labels, truth)
        surface = label_surface_distances(labels, truth, grid.spacing)
        volume, true_volume = volumes_ml(labels, grid), volumes_ml(truth, grid)
        wall = self._wall(labels, model, phase)
        return Row(
            model=model,
            case=self.pair.id,
            phase=phase,
            phase_name=phase_name(self.pair, phase),
            dice_blood_pool=overlap[BLOOD_POOL],
            dice_lvm=overlap[LVM],
            hd95_mm_blood_pool=surface[BLOOD_POOL].hd95_mm,
            hd95_mm_lvm=surface[LVM].hd95_mm,
            assd_mm_blood_pool=surface[BLOOD_POOL].assd_mm,
            assd_mm_lvm=surface[LVM].assd_mm,
            cavity_ml=volume[BLOOD_POOL],
            truth_cavity_ml=true_volume[BLOOD_POOL],
            mass_g=mass_g(volume[LVM]),
            truth_mass_g=mass_g(true_volume[LVM]),
            **{f"thickness_{name}_mm": value for name, value in wall.items()},
            **{f"truth_thickness_{name}_mm": value for name, value in self.walls[phase].items()},
        )

    def _wall(self, labels: np.ndarray, who: str, phase: int) -> dict[str, float]:
        if not self.thickness or not ((labels == BLOOD_POOL).any() and (labels == LVM).any()):
            return {}
        try:
            found = measure_thickness(labels, self.pair.grid.affine).statistics
        except ThicknessError as error:
            log.warning("no thickness for case %s, phase %d, %s: %s", self.pair.id, phase, who, error)
            return {}
        return {"median": found.median_mm, "p95": found.p95_mm, "max": found.max_mm}


def phase_name(pair: Pair, phase: int) -> str:
    """Return ``"ED"``, ``"ES"`` or the phase's R-R percentage."""
    names = {pair.ed: "ED", pair.es: "ES"}
    return names.get(phase, f"{pair.rr_percent[phase]:.0f} %")


def _repaired(labels: np.ndarray, grid: Grid) -> np.ndarray:
    return repair_labels(labels, grid).labels if labels.any() else labels


def _default_predictor() -> Predictor:
    from ..learning import predict

    return predict
