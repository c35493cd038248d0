"""Prediction of whole cases: every phase, ED and ES from the volume curve, repaired masks into the cohort."""

from __future__ import annotations

from collections.abc import Sequence as Phases
from dataclasses import dataclass

import numpy as np

from ...annotation.repair import Repair, repair_labels
from ...cohort import Case, propose_phases
from ...errors import ImageError
from ...grid import BLOOD_POOL
from ...imaging import Sequence
from ...progress import Progress, part, silent
from .bundle import Bundle
from .predict import predict

MODEL_READER = "model"


@dataclass(frozen=True)
class CasePrediction:
    """What a model found in a case.

    Attributes
    ----------
    labels : dict of int to ndarray (Z, Y, X) uint8
        Repaired labels of each predicted phase on the image's grid.
    repairs : dict of int to Repair
        Holes and gaps before and after, per phase.
    volumes_ml : dict of int to float
        LV cavity volume per phase.
    ed, es : int
        Phases proposed as end-diastole and end-systole; equal when there is one phase.
    """

    labels: dict[int, np.ndarray]
    repairs: dict[int, Repair]
    volumes_ml: dict[int, float]
    ed: int
    es: int


def predict_sequence(
    sequence: Sequence, bundle: Bundle, *, device: str | None = None, progress: Progress = silent
) -> CasePrediction:
    """Predict and repair every phase of a 4D image, and propose ED and ES from the cavity volume.

    Raises
    ------
    ImageError
        A phase of the image cannot be read, or the model finds no left ventricle in it.
    """
    predicted = predict(sequence, bundle, device=device, progress=part(progress, 0.0, 0.9))
    repairs = {}
    for number, (phase, labels) in enumerate(predicted.items()):
        progress(0.9 + 0.1 * number / len(predicted), f"repairing phase {phase}")
        _require_found(labels, f"{sequence.source}, phase {phase}")
        repairs[phase] = repair_labels(labels, sequence.grid)
    labels = {phase: repair.labels for phase, repair in repairs.items()}
    volumes = {
        phase: float((mask == BLOOD_POOL).sum()) * sequence.grid.voxel_volume / 1000 for phase, mask in labels.items()
    }
    ed, es = propose_phases(volumes)
    return CasePrediction(labels, repairs, volumes, ed, es)


def predict_case(
    case: Case,
    bundle: Bundle,
    *,
    phases: Phases[int] | None = None,
    ed: int | None = None,
    es: int | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> CasePrediction:
    """Predict a case and write its labels as reader ``model``.

    Parameters
    ----------
    phases : sequence of int, optional
        Phases whose labels are written; by default ED and ES.
    ed, es : int, optional
        ED and ES set by hand; None = as set before, or else as proposed from the volume curve.

    Raises
    ------
    StorageError
        The labels cannot be written.
    """
    prediction = predict_sequence(case.image(), bundle, device=device, progress=progress)
    choices = ((ed, case.ed, prediction.ed), (es, case.es, prediction.es))
    ed, es = (next(phase for phase in choice if phase is not None) for choice in choices)
    case.set_phases(ed=ed, es=es)
    for phase in sorted({case.ed, case.es} if phases is None else set(phases)):
        case.write_labels(MODEL_READER, phase, prediction.labels[phase])
    return prediction


def _require_found(labels: np.ndarray, where: str) -> None:
    if not labels.any():
        raise ImageError(
            where,
            expected="a left ventricle",
            found="none: the model labelled no voxel",
            remedy="Check that this is a contrast CT of the heart, or use another model.",
        )
