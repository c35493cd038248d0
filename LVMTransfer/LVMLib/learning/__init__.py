"""Samples, sparse loss, fine-tuning, prediction, model bundles, run folders."""

from .bundle import Bundle, BundleManifest
from .cases import MODEL_READER, CasePrediction, predict_case, predict_sequence
from .config import Augmentation, FinetuneConfig
from .loss import sparse_dice_loss
from .normalise import Normalisation
from .predict import predict, predict_volume_curve
from .runfolder import RunFolder, read_events
from .trainer import RunResult, finetune

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
    "predict_sequence",
    "predict_volume_curve",
    "read_events",
    "sparse_dice_loss",
]
