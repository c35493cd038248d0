"""Dice over whole volumes, in the way that the model will be used, with a single look at each phase."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from ...grid import BLOOD_POOL, LVM
from ...progress import Progress, silent
from ..models.find import find_ventricle
from ..models.segment import Model, keep_one_ventricle, probabilities
from ..samples.cache import CachedPair
from ..workers import Workers

# Of densely labelled cases, end-diastole and about end-systole are enough to choose an epoch.
_DENSE = 4
_END_SYSTOLE = 0.38


@dataclass(frozen=True)
class Validation:
    """Mean Dice over cases and phases.

    Attributes
    ----------
    dice : float
        Mean of the two classes.
    blood_pool, lvm : float
        Per class.
    cases : dict of str to float
        Mean of the two classes per case.
    """

    dice: float
    blood_pool: float
    lvm: float
    cases: dict[str, float]

    def as_dict(self) -> dict:
        """Return the scores by name."""
        return asdict(self)


def validate(
    model: Model, cases: list[CachedPair], *, workers: Workers | None = None, progress: Progress = silent
) -> Validation:
    """Predict the labelled phases of every case and compare."""
    looks = [(case, row) for case in cases for row in _rows(case)]
    found = (workers or Workers(None)).map(lambda look: _phase_dice(model, *look), looks)
    dice: dict[str, list[tuple[float, float]]] = {}
    for number, ((case, _), score) in enumerate(zip(looks, found), start=1):
        progress(number / len(looks), f"validating, case {case.id}")
        dice.setdefault(case.id, []).append(score)
    scores = {name: np.mean(values, axis=0) for name, values in dice.items()}
    blood, wall = np.mean(list(scores.values()), axis=0)
    each = {name: float(values.mean()) for name, values in scores.items()}
    return Validation(float((blood + wall) / 2), float(blood), float(wall), each)


def _rows(case: CachedPair) -> list[int]:
    count = len(case.labelled_phases)
    return list(range(count)) if count <= _DENSE else [0, round(_END_SYSTOLE * count)]


def _phase_dice(model: Model, case: CachedPair, row: int) -> tuple[float, float]:
    image, phase = case.image, case.labelled_phases[row]
    total = image.shape[0]
    model, box = find_ventricle(model, np.array(image[phase]))
    context = min(model.context or total, total)
    first = phase - context // 2
    window = np.stack([image[((first + n) % total, *box)] for n in range(context)])
    labels = np.zeros(case.grid.shape, dtype=np.uint8)
    labels[box] = keep_one_ventricle(probabilities(model, window)[phase - first]).argmax(0).numpy()
    return _dice(labels, case.mask[row], BLOOD_POOL), _dice(labels, case.mask[row], LVM)


def _dice(found: np.ndarray, truth: np.ndarray, label: int) -> float:
    a, b = found == label, truth == label
    total = np.count_nonzero(a) + np.count_nonzero(b)
    return 2 * np.count_nonzero(a & b) / total if total else 1.0
