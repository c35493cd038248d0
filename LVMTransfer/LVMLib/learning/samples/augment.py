"""Augmentation of a crop: pose, contrast timing, scanner.

There are no flips: the heart lies on the left, and the network may use it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor
from torch.nn import functional as F

from ..config import Augmentation
from .normalise import AIR_HU

_CLASS_WEIGHT_SIGMA = 0.7
"""Voxels; the partial volume at the edge of a class whose HU is changed."""


def deformed_coordinates(
    rng: np.random.Generator,
    centre: np.ndarray,
    size: tuple[int, int, int],
    augmentation: Augmentation,
    spacing_mm: float,
) -> Tensor:
    """Return where each voxel of a crop comes from.

    Parameters
    ----------
    rng : Generator
        Seeded.
    centre : ndarray (3,)
        Centre of the crop in the volume, voxels (z, y, x).
    size : tuple of int
        Crop ``(Z, Y, X)``.
    augmentation : Augmentation
        Ranges.
    spacing_mm : float
        Voxel size, for the elastic part.

    Returns
    -------
    Tensor (Z, Y, X, 3) float32
        Voxel coordinates (z, y, x) in the volume.
    """
    matrix = np.eye(3)
    if rng.random() < augmentation.pose_probability * 1.5:
        angles = rng.uniform(-1, 1, 3) * augmentation.rotation_deg
        scale = np.exp(rng.uniform(-1, 1) * augmentation.scale + rng.uniform(-0.3, 0.3, 3) * augmentation.scale)
        matrix = Rotation.from_euler("zyx", angles, degrees=True).as_matrix() @ np.diag(scale)
    else:
        centre = np.round(centre)
    axes = [torch.arange(n, dtype=torch.float32) - (n - 1) // 2 for n in size]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    m = torch.tensor(matrix, dtype=torch.float32)
    coordinates = torch.stack(
        [m[row, 0] * z + m[row, 1] * y + m[row, 2] * x + float(centre[row]) for row in range(3)], -1
    )
    if rng.random() < augmentation.pose_probability * 0.6:
        amplitude = rng.uniform(0.2, 1.0) * augmentation.elastic_mm / spacing_mm
        coordinates += amplitude * _smooth_field(rng, 3, size, cells=int(rng.integers(3, 7))).permute(1, 2, 3, 0)
    return coordinates


def change_intensity(rng: np.random.Generator, hu: Tensor, labels: Tensor | None, augmentation: Augmentation) -> Tensor:
    """Return a crop as another scanner and another injection would have shown it.

    Parameters
    ----------
    rng : Generator
        Seeded.
    hu : Tensor (n, Z, Y, X) float32
        HU.
    labels : Tensor (n, Z, Y, X) uint8 or None
        Labels where all phases carry them: the classes' own HU then change, too.
    augmentation : Augmentation
        Ranges and probability.
    """
    p = augmentation.scanner_probability
    if p <= 0:
        return hu
    outside = hu <= AIR_HU + 1
    if rng.random() < p * 1.5:
        hu = _contrast_timing(rng, hu, augmentation.contrast)
    if labels is not None and rng.random() < p:
        hu = hu + _class_shift(rng, labels)
    if rng.random() < p:
        hu = hu + 18.0 * rng.random() * _smooth_field(rng, 1, hu.shape[1:], cells=int(rng.integers(3, 8))).to(hu.device)
    if rng.random() < p * 0.7:
        hu = _coarser(rng, hu)
    if rng.random() < p * 1.6:
        hu = hu + rng.uniform(0, augmentation.noise_hu) * _noise(rng, hu.shape).to(hu.device)
    if rng.random() < p * 1.5:
        hu = hu * float(np.exp(rng.uniform(-1, 1) * augmentation.gain)) + rng.normal(0, augmentation.offset_hu)
    hu = torch.where(outside, hu.new_full((), float(AIR_HU)), hu)
    if rng.random() < p * 0.5:
        hu = _narrow_field_of_view(rng, hu)
    return hu.float()


def _contrast_timing(rng: np.random.Generator, hu: Tensor, strength: float) -> Tensor:
    """Stretch everything brighter than muscle, as more or less contrast medium or another kVp does."""
    knee = rng.uniform(90, 160)
    factor = float(np.exp(rng.uniform(-1, 1) * strength))
    return hu + (factor - 1) * (hu - knee).clamp(min=0)


def _class_shift(rng: np.random.Generator, labels: Tensor) -> Tensor:
    """Shift the HU of blood pool and wall against their surroundings, smoothly in space and at the edges."""
    shift = torch.zeros(labels.shape, device=labels.device)
    for label, uniform, uneven in ((1, 60.0, 30.0), (2, 25.0, 25.0)):
        field = rng.uniform(-1, 1) * uniform + rng.random() * uneven * _smooth_field(rng, 1, labels.shape[1:], cells=5)
        shift += _blur((labels == label).float(), _CLASS_WEIGHT_SIGMA) * field.to(labels.device)
    return shift


def _coarser(rng: np.random.Generator, hu: Tensor) -> Tensor:
    """Blur, or sample down and up again: soft kernels and thick slices."""
    if rng.random() < 0.5:
        return _blur(hu, rng.uniform(0.3, 0.9))
    size = hu.shape[1:]
    factor = rng.uniform(1.0, 1.8, 3) if rng.random() < 0.5 else np.array([rng.uniform(1.0, 2.2), 1.0, 1.0])
    small = [max(4, round(n / f)) for n, f in zip(size, factor)]
    down = F.interpolate(hu[None], size=small, mode="trilinear", align_corners=True)
    return F.interpolate(down, size=size, mode="trilinear", align_corners=True)[0]


def _noise(rng: np.random.Generator, shape: torch.Size) -> Tensor:
    """Noise of unit standard deviation: white, or coloured by a reconstruction kernel."""
    noise = torch.from_numpy(rng.standard_normal(tuple(shape), dtype=np.float32))
    if rng.random() < 0.6:
        noise = _blur(noise, rng.uniform(0.4, 1.2))
        noise = noise / noise.std()
    return noise


def _narrow_field_of_view(rng: np.random.Generator, hu: Tensor) -> Tensor:
    """Cut the crop to a smaller box, or to the reconstruction circle in the axial plane; air outside."""
    hu = hu.clone()
    for axis in range(1, 4):
        n = hu.shape[axis]
        before, after = (rng.uniform(0, 0.15, 2) * n * (rng.random(2) < 0.4)).astype(int)
        hu.narrow(axis, 0, int(before)).fill_(AIR_HU)
        hu.narrow(axis, n - int(after), int(after)).fill_(AIR_HU)
    if rng.random() < 0.3:
        y, x = (torch.linspace(-1, 1, n, device=hu.device) for n in hu.shape[2:])
        hu[..., y[:, None] ** 2 + x[None] ** 2 > rng.uniform(1.0, 1.4)] = AIR_HU
    return hu


def _smooth_field(rng: np.random.Generator, channels: int, size, *, cells: int) -> Tensor:
    """Smooth random field ``(channels, Z, Y, X)`` of about unit size: coarse noise, interpolated."""
    coarse = torch.from_numpy(rng.uniform(-1, 1, (1, channels, cells, cells, cells)).astype(np.float32))
    return F.interpolate(coarse, size=tuple(size), mode="trilinear", align_corners=True)[0]


def _blur(volumes: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of volumes ``(n, Z, Y, X)``, sigma in voxels, edges repeated."""
    radius = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = (kernel / kernel.sum()).tolist()
    for axis in (1, 2, 3):
        n = volumes.shape[axis]
        index = torch.arange(-radius, n + radius, device=volumes.device).clamp(0, n - 1)
        padded = volumes.index_select(axis, index)
        blurred = padded.narrow(axis, 0, n) * kernel[0]
        for step in range(1, len(kernel)):
            blurred.add_(padded.narrow(axis, step, n), alpha=kernel[step])
        volumes = blurred
    return volumes
