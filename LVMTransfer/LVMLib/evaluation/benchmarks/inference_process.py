"""Segmenting a case in a process of its own, our way or MONAI's: ``inference_process WAY BUNDLE FOLDER``.

``FOLDER`` holds ``image.npy`` (T, Z, Y, X) int16 HU and ``affine.npy``; ``WAY.npy`` is written there, the labels of
every phase. Prints seconds and the peak memory of the process.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...grid import Grid
from ...imaging import ArrayFrames, Sequence
from ...learning import Bundle, predict_phases
from ...learning.models.predict import model_of, to_native
from ...learning.models.segment import Model, keep_one_ventricle
from ...learning.samples.working_grid import to_working, working_grid
from .training_memory import peak_bytes


def ours(sequence: Sequence, bundle: Bundle) -> dict[int, np.ndarray]:
    """Return the labels ``(Z, Y, X)`` of every phase."""
    return dict(predict_phases(sequence, bundle))


def monai(sequence: Sequence, bundle: Bundle) -> dict[int, np.ndarray]:
    """Return the labels of every phase by MONAI's sliding window with its defaults.

    Network, normalisation and post-processing (largest ventricle, interpolation to the image's grid) are ours, so that
    only the windows differ.
    """
    from monai.inferers import sliding_window_inference

    model = model_of(bundle)
    target = working_grid(sequence.grid, bundle.spacing_mm)
    everything = tuple(slice(0, n) for n in target.shape)
    found = {}
    for phase in range(len(sequence)):
        hu = torch.from_numpy(to_working(sequence.frame(phase), sequence.grid, target)).float()
        image = model.normalisation(hu)[None, None].to(model.device.name)
        with torch.no_grad():
            logits = sliding_window_inference(image, bundle.manifest.crop, 1, _per_phase(model))
        probability = logits[0].float().softmax(0).cpu()
        found[phase] = to_native(keep_one_ventricle(probability), target, everything, sequence.grid)
    return found


def _per_phase(model: Model):
    def network(window: Tensor) -> Tensor:
        with model.device.autocast():
            return model.network(window[:, :, None])[:, :, 0].float()

    return network


WAYS = {"ours": ours, "monai": monai}


def main(way: str, bundle_path: Path, folder: Path) -> None:
    """Segment the case after a warm-up on its first phase; see the module."""
    bundle, frames = Bundle.load(bundle_path), np.load(folder / "image.npy", mmap_mode="r")
    grid = Grid(frames.shape[1:], np.load(folder / "affine.npy"))
    WAYS[way](Sequence(grid, ArrayFrames(np.array(frames[:1]))), bundle)
    start = time.perf_counter()
    found = WAYS[way](Sequence(grid, ArrayFrames(frames)), bundle)
    seconds = time.perf_counter() - start
    np.save(folder / f"{way}.npy", np.stack([found[phase] for phase in range(len(frames))]))
    sys.stdout.write(json.dumps({"seconds": seconds, "mib": peak_bytes() / 1024**2}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
