"""Tiny phantom pairs: a beating ball of contrast in a wall, soft tissue around it."""

from pathlib import Path

import numpy as np
import torch
from LVMLib.cohort import Pair, write_pair
from LVMLib.grid import LABEL_NAMES, Grid
from LVMLib.learning import Augmentation, Bundle, BundleManifest, FinetuneConfig, Normalisation
from LVMLib.learning.models.manifest import Architecture, HUWindow, Origin
from LVMLib.network import build_network

LONG = {"epochs": 5, "steps": 3, "threads": 2}
"""A run that is long enough to be killed."""

LPS_2MM = np.diag([-2.0, -2.0, 2.0, 1.0])


def ball_phase(phase: float, centre: np.ndarray, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return HU and labels of one phase, ``phase`` in 0 … 1."""
    z, y, x = np.mgrid[:size, :size, :size].astype(float)
    radius = np.sqrt((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2)
    inner = size / 7 + np.cos(2 * np.pi * phase)
    labels = np.where(radius < inner, 1, np.where(radius < inner + 3, 2, 0)).astype(np.uint8)
    hu = np.choose(labels, [-80, 420, 110]) + rng.normal(0, 15, labels.shape)
    return hu.astype(np.int16), labels


def ball_pair(folder: Path, name: str, *, seed: int = 0, size: int = 24, phases: int = 4, **options) -> Pair:
    """Write a pair with labels at phases 0 and 2."""
    rng = np.random.default_rng([seed, *name.encode()])
    centre = size / 2 + rng.uniform(-2, 2, 3)
    frames = [ball_phase(t / phases, centre, size, rng) for t in range(phases)]
    masks = {t: frames[t][1] for t in (0, 2) if t < phases}
    grid = Grid((size,) * 3, options.pop("affine", LPS_2MM))
    return write_pair(
        folder,
        name,
        np.stack([hu for hu, _ in frames]),
        masks,
        grid,
        phases=phases,
        phantom=True,
        site="1",
        **options,
    )


def saved_bundle(path: Path, **facts) -> Bundle:
    """Write a bundle of random weights; ``facts`` are entries of its origin."""
    torch.manual_seed(0)
    known = {
        "site": "1", "training_cases": 1, "validation_cases": 1, "phantom": True, "init": "random (sane)",
        "command": "lvm finetune", "commit": "0", "version": "0", "seed": 0, "epochs": 1, "finished": "2026-01-01",
    }  # fmt: skip
    manifest = BundleManifest(
        name="test", architecture=Architecture(name="small", parameters=1), spacing_mm=2.0,
        normalisation=HUWindow(**Normalisation().as_dict()), labels=LABEL_NAMES, crop=(16, 16, 16),
        provenance=(Origin(**{**known, **facts}),),
    )  # fmt: skip
    return Bundle.save(path, build_network("small"), manifest)


def tiny_config(**options) -> FinetuneConfig:
    """Return a recipe for a tiny network that takes a second."""
    defaults = {
        "network": "small", "epochs": 2, "steps": 3, "batch": 2, "crop": (16, 16, 16), "windows": {1: 0.5, 2: 0.5},
        "learning_rate": 1e-2, "ema": 0.9, "loss": "dice_ce", "precision": "fp32", "threads": 1,
        "augmentation": Augmentation(elastic_mm=2.0),
    }  # fmt: skip
    return FinetuneConfig(**{**defaults, **options})
