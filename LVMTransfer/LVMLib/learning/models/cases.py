"""Prediction of whole cases: every phase, ED and ES from the volume curve, repaired masks into the cohort."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Phases
from dataclasses import dataclass, replace

import numpy as np

from ...annotation.protocol import Protocol
from ...annotation.repair import repair_labels
from ...cohort import Case, propose_phases, volume_doubts
from ...cohort.prediction import write_prediction
from ...errors import ImageError
from ...grid import BLOOD_POOL, Grid
from ...imaging import Sequence
from ...progress import Progress, part, silent
from .bundle import Bundle
from .consistency import volume_jitter_ml
from .label_store import LabelStore
from .predict import predict_phases

MODEL_READER = "model"


@dataclass(frozen=True)
class CasePrediction:
    """What a model found in a case.

    Attributes
    ----------
    labels : mapping of int to ndarray (Z, Y, X) uint8
        Labels of each phase on the image's grid, repaired where ``repairs`` has the phase.
    repairs : dict of int to dict
        Holes and gaps before and after, per repaired phase.
    volumes_ml : dict of int to float
        LV cavity volume per phase, of the repaired labels where there are some.
    jitter_ml : float
        How far that volume jumps between phases, `volume_jitter_ml`; NaN for fewer than four phases.
    ed, es : int
        Phases proposed as end-diastole and end-systole; equal when there is one phase.
    """

    labels: LabelStore
    repairs: dict[int, dict[str, int]]
    volumes_ml: dict[int, float]
    jitter_ml: float
    ed: int
    es: int

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the model may have missed the left ventricle, by the limits of the consensus protocol."""
        return volume_doubts(self.volumes_ml, Protocol.default().limits)

    def repair(self, phases: Iterable[int], grid: Grid, *, progress: Progress = silent) -> None:
        """Repair phases that are not yet repaired."""
        wanted = [phase for phase in phases if phase not in self.repairs]
        for number, phase in enumerate(wanted):
            progress(number / len(wanted), f"repairing phase {phase}")
            repair = repair_labels(self.labels[phase], grid)
            self.labels.put(phase, repair.labels)
            self.repairs[phase] = repair.counts()
            self.volumes_ml[phase] = _cavity_ml(repair.labels, grid)


def predict_sequence(
    sequence: Sequence,
    bundle: Bundle,
    *,
    repaired: Iterable[int] | None = None,
    device: str | None = None,
    progress: Progress = silent,
) -> CasePrediction:
    """Predict every phase of a 4D image, propose ED and ES from the cavity volume, and repair the labels.

    Parameters
    ----------
    repaired : iterable of int, optional
        Phases to repair; None = all.

    Raises
    ------
    ImageError
        A phase of the image cannot be read, or the model finds no left ventricle in it.
    """
    labels, volumes = LabelStore(sequence.grid.shape), {}
    for phase, found in predict_phases(sequence, bundle, device=device, progress=part(progress, 0.0, 0.9)):
        _require_found(found, f"{sequence.source}, phase {phase}")
        labels.put(phase, found)
        volumes[phase] = _cavity_ml(found, sequence.grid)
    prediction = CasePrediction(labels, {}, volumes, volume_jitter_ml(volumes), *propose_phases(volumes))
    if repaired is None:
        prediction.repair(labels, sequence.grid, progress=part(progress, 0.9, 1.0))
        # Who is given the repaired labels of all phases may count in them.
        ed, es = propose_phases(volumes)
        return replace(prediction, jitter_ml=volume_jitter_ml(volumes), ed=ed, es=es)
    prediction.repair(repaired, sequence.grid, progress=part(progress, 0.9, 1.0))
    return prediction


def _cavity_ml(labels: np.ndarray, grid: Grid) -> float:
    return float(np.count_nonzero(labels == BLOOD_POOL)) * grid.voxel_volume / 1000


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
    """Predict a case, write its labels as reader ``model``, and keep what all phases say about each other.

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
    prediction = predict_sequence(case.image(), bundle, repaired=(), device=device, progress=part(progress, 0.0, 0.9))
    choices = ((ed, case.ed, prediction.ed), (es, case.es, prediction.es))
    ed, es = (next(phase for phase in choice if phase is not None) for choice in choices)
    case.set_phases(ed=ed, es=es)
    wanted = sorted({case.ed, case.es} if phases is None else set(phases))
    prediction.repair(wanted, case.grid, progress=part(progress, 0.9, 1.0))
    for phase in wanted:
        case.write_labels(MODEL_READER, phase, prediction.labels[phase])
    write_prediction(case, bundle.manifest.name, prediction.labels, jitter_ml=prediction.jitter_ml)
    return prediction


def _require_found(labels: np.ndarray, where: str) -> None:
    if not labels.any():
        raise ImageError(
            where,
            expected="a left ventricle",
            found="none: the model labelled no voxel",
            remedy="Check that this is a contrast CT of the heart, or use another model.",
        )
