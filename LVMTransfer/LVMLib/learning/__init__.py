"""Samples, sparse loss, fine-tuning, prediction, model bundles, run folders."""

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
