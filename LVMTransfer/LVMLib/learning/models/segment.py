"""A network over working-grid volumes: probabilities of the labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

from ...pieces import largest_piece
from ..device import Device
from ..samples.normalise import AIR_HU, Normalisation

# Voxels times phases that go through the network at once: about 2.5 GiB for the paper's widths in single precision.
_VOXELS_AT_ONCE = 11_000_000
# Of neighbouring windows.
_OVERLAP = 0.5


@dataclass(frozen=True)
class Model:
    """A network ready to predict.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode, on the device.
    normalisation : Normalisation
        From HU to input.
    crop : tuple of int
        ``(Z, Y, X)`` of the training crops: the field of view that the network is used to.
    context : int
        Phases at once; 0 = all.
    device : Device
        Where to compute.
    brighter_hu : float
        Added to every image before the network sees it.
    """

    network: nn.Module
    normalisation: Normalisation
    crop: tuple[int, int, int]
    context: int
    device: Device
    brighter_hu: float = 0.0


Box = tuple[slice, slice, slice]


def probabilities(model: Model, frames: np.ndarray, *, overlap: float = _OVERLAP) -> Tensor:
    """Return class probabilities ``(n, C, Z, Y, X)`` float32 of frames ``(n, Z, Y, X)`` HU, seen together."""
    count, *size = frames.shape
    if count * np.prod(size) <= _VOXELS_AT_ONCE and all(n <= 2 * c for n, c in zip(size, model.crop)):
        return _forward(model, frames)
    window = tuple(min(n, c) for n, c in zip(size, _window_that_fits(model.crop, count)))
    weight = _gaussian(window)
    total, weights = None, torch.zeros(tuple(size))
    for box in windows(tuple(size), window, overlap=overlap):
        part = _forward(model, frames[(slice(None), *box)])
        if total is None:
            total = torch.zeros((count, part.shape[1], *size))
        total[(slice(None), slice(None), *box)] += part * weight
        weights[box] += weight
    return total.div_(weights)


def _window_that_fits(crop: tuple[int, int, int], count: int) -> tuple[int, int, int]:
    factor = min(1.0, (_VOXELS_AT_ONCE / (count * np.prod(crop))) ** (1 / 3))
    return tuple(max(16, int(n * factor) // 4 * 4) for n in crop)


def windows(size: tuple[int, int, int], window: tuple[int, int, int], *, overlap: float = _OVERLAP) -> Iterator[Box]:
    """Yield overlapping windows that cover a volume evenly."""
    starts = []
    for n, side in zip(size, window):
        count = 1 if n <= side else int(np.ceil((n - side) / (side * (1 - overlap)))) + 1
        starts.append(np.linspace(0, n - side, count).round().astype(int))
    for z in starts[0]:
        for y in starts[1]:
            for x in starts[2]:
                yield tuple(slice(int(a), int(a) + side) for a, side in zip((z, y, x), window))


def _gaussian(window: tuple[int, int, int]) -> Tensor:
    lines = [torch.exp(-0.5 * ((torch.arange(n) - (n - 1) / 2) / (n / 8)) ** 2).clamp_min(1e-3) for n in window]
    return lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]


@torch.no_grad()
def _forward(model: Model, frames: np.ndarray) -> Tensor:
    hu = torch.from_numpy(np.ascontiguousarray(frames)).to(model.device.name).float() + model.brighter_hu
    with model.device.autocast():
        logits = model.network(model.normalisation(hu)[None, None])
    return F.softmax(logits[0].float(), dim=0).transpose(0, 1).cpu()


def with_variants(model: Model, frames: np.ndarray, variants: int) -> Tensor:
    """Average `probabilities` over slightly shifted and re-contrasted copies (test-time augmentation)."""
    total = probabilities(model, frames)
    shifts = [(0, 0, 0), (1, 1, 1), (-1, -1, -1), (1, -1, 0), (-1, 1, 0)]
    gains = [1.0, 0.9, 1.1, 0.85, 1.2]
    for n in range(1, variants):
        shift, gain = shifts[n % len(shifts)], gains[n % len(gains)]
        moved = np.roll(np.where(frames > 100, 100 + (frames - 100) * gain, frames), shift, axis=(1, 2, 3))
        moved = moved.clip(AIR_HU, 4000).astype(np.int16)
        total += probabilities(model, moved).roll([-s for s in shift], dims=(2, 3, 4))
    return total / max(variants, 1)


def keep_one_ventricle(probability: Tensor) -> Tensor:
    """Give everything outside the largest left ventricle to the background, and holes in it to the blood pool.

    ``probability`` is ``(3, Z, Y, X)``; changed in place. The edge of the ventricle stays soft.
    """
    labels = probability.argmax(0).numpy()
    ventricle = largest_piece(labels > 0)
    filled = ndimage.binary_fill_holes(ventricle)
    near = torch.from_numpy(ndimage.binary_dilation(filled, iterations=2))
    stray = torch.from_numpy((labels > 0) & ~ventricle)
    near &= ~stray
    probability[1:] *= near
    holes = torch.from_numpy(filled & ~ventricle)
    probability[1][holes] = 1.0
    probability[2][holes] = 0.0
    probability[0] = 1 - probability[1] - probability[2]
    return probability
