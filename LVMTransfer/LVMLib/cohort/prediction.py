"""What a model said about a case: volumes over the cycle, and how far its phases contradict each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from ..annotation.temporal import phase_disagreement
from ..errors import CohortError
from ..grid import BLOOD_POOL, LVM
from ..measures import volumes_ml
from ..origin import now
from .case import Case
from .manifest import read_manifest, write_manifest

FILE_NAME = "prediction.json"


class Prediction(BaseModel):
    """``prediction.json``; volumes in ml by phase, ``disagreement`` as `annotation.temporal.phase_disagreement`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    made: str
    cavity_ml: dict[int, float]
    lvm_ml: dict[int, float]
    disagreement: dict[int, float]
    jitter_ml: float | None = None

    @property
    def expected_gain(self) -> float | None:
        """How much of the ventricle must be wrong somewhere in the cycle; None for too few phases.

        The sum of three shares that a perfect segmentation brings to nearly zero and that need no truth: voxels that
        contradict both neighbours in time (mean over phases), the jitter of the cavity's volume over its mean, and the
        spread (SD) of the myocardial volume, which hardly changes over a beat, over its mean; at most the whole of it.
        Cases with a large sum are corrected first.
        """
        if not self.disagreement:
            return None
        cavity, lvm = (np.array(list(volumes.values())) for volumes in (self.cavity_ml, self.lvm_ml))
        jitter = 0.0 if self.jitter_ml is None else self.jitter_ml / max(float(cavity.mean()), 1e-9)
        spread = float(lvm.std()) / max(float(lvm.mean()), 1e-9)
        return min(float(np.mean(list(self.disagreement.values()))) + jitter + spread, 1.0)


def write_prediction(case: Case, model: str, labels: Mapping[int, np.ndarray], *, jitter_ml: float) -> Prediction:
    """Keep what a model's labels of all phases say about themselves; errors as `files.write_json`.

    Parameters
    ----------
    case : Case
        The case.
    model : str
        Name of the model.
    labels : mapping of int to ndarray (Z, Y, X)
        Labels of every phase; taken one after the other.
    jitter_ml : float
        How far the cavity's volume jumps between phases, ml; NaN = not known.
    """
    volumes = {phase: volumes_ml(labels[phase], case.grid) for phase in sorted(labels)}
    prediction = Prediction(
        model=model,
        made=now(),
        cavity_ml={phase: found[BLOOD_POOL] for phase, found in volumes.items()},
        lvm_ml={phase: found[LVM] for phase, found in volumes.items()},
        disagreement=phase_disagreement(labels),
        jitter_ml=jitter_ml if math.isfinite(jitter_ml) else None,
    )
    write_manifest(_path(case), prediction)
    return prediction


def read_prediction(case: Case) -> Prediction | None:
    """Return what the last prediction of a case said, or None."""
    path = _path(case)
    return read_manifest(path, Prediction, CohortError) if path.is_file() else None


def _path(case: Case) -> Path:
    return case.folder / FILE_NAME
