"""Samples, sparse loss, fine-tuning, prediction, model bundles, run folders.

A name is imported when it is first used: a run folder can be looked at where torch is not installed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Augmentation, FinetuneConfig
    from .models.bundle import Bundle
    from .models.cases import MODEL_READER, CasePrediction, predict_case, predict_sequence
    from .models.consistency import volume_jitter_ml
    from .models.manifest import BundleManifest
    from .models.predict import predict, predict_phases
    from .samples.normalise import Normalisation
    from .training.loss import sparse_dice_loss
    from .training.runfolder import RunFolder, read_events
    from .training.trainer import RunResult, finetune

_HOMES = {
    "MODEL_READER": ".models.cases",
    "Augmentation": ".config",
    "Bundle": ".models.bundle",
    "BundleManifest": ".models.manifest",
    "CasePrediction": ".models.cases",
    "FinetuneConfig": ".config",
    "Normalisation": ".samples.normalise",
    "RunFolder": ".training.runfolder",
    "RunResult": ".training.trainer",
    "finetune": ".training.trainer",
    "predict": ".models.predict",
    "predict_case": ".models.cases",
    "predict_phases": ".models.predict",
    "predict_sequence": ".models.cases",
    "read_events": ".training.runfolder",
    "sparse_dice_loss": ".training.loss",
    "volume_jitter_ml": ".models.consistency",
}

__all__ = [
    "MODEL_READER",
    "Augmentation",
    "Bundle",
    "BundleManifest",
    "CasePrediction",
    "FinetuneConfig",
    "Normalisation",
    "RunFolder",
    "RunResult",
    "finetune",
    "predict",
    "predict_case",
    "predict_phases",
    "predict_sequence",
    "read_events",
    "sparse_dice_loss",
    "volume_jitter_ml",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name], __name__), name)
    return value
