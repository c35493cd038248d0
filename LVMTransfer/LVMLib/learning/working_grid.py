"""The grid that the network sees: isotropic, axes in patient order, free of aliasing."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy.ndimage import gaussian_filter

from ..grid import Grid
from ..imaging import resample_image, resample_labels
from .normalise import AIR_HU

# DICOM's usual order: i to the patient's left, j to the back, k to the head; columns are RAS directions.
_PATIENT_AXES = np.diag([-1.0, -1.0, 1.0])


def working_grid(grid: Grid, spacing_mm: float) -> Grid:
    """Return the isotropic grid over the same box whose i, j, k run to the left, to the back and to the head.

    The network knows left from right, so every image must lie the same way, whatever the order in its file. Oblique
    directions are kept; axes are only permuted and reversed.
    """
    return _reoriented(grid).isotropic(spacing_mm)


def _reoriented(grid: Grid) -> Grid:
    along = _PATIENT_AXES.T @ grid.directions
    order = max(permutations(range(3)), key=lambda p: sum(abs(along[row, p[row]]) for row in range(3)))
    size = np.array(grid.shape[::-1])
    affine = np.eye(4)
    start = np.zeros(3)
    for row, column in enumerate(order):
        sign = 1.0 if along[row, column] >= 0 else -1.0
        affine[:3, row] = sign * grid.affine[:3, column]
        start[column] = 0 if sign > 0 else size[column] - 1
    affine[:3, 3] = grid.to_ras(start)
    return Grid(tuple(int(size[column]) for column in order)[::-1], affine)


def to_working(volume: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """Resample HU ``(Z, Y, X)`` to a working grid, int16; smoothed first where the target is coarser."""
    if grid.matches(target):
        return np.asarray(volume).astype(np.int16)
    ratio = target.spacing.min() / grid.spacing
    # Half the voxel size added in quadrature: a target voxel then averages about the voxels that it replaces.
    sigma = 0.5 * np.sqrt(np.maximum(ratio**2 - 1, 0))[::-1]
    volume = np.asarray(volume, dtype=np.float32)
    if (sigma > 0.2).any():
        volume = gaussian_filter(volume, sigma, mode="nearest", truncate=3.0)
    resampled = resample_image(volume, grid, target, order=1, fill=AIR_HU)
    return np.rint(resampled).clip(-32768, 32767).astype(np.int16)


def labels_to_working(labels: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """Resample labels ``(Z, Y, X)`` to a working grid, uint8."""
    if grid.matches(target):
        return np.asarray(labels).astype(np.uint8)
    return resample_labels(labels, grid, target)
