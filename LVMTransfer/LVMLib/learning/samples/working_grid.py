"""The grid that the network sees: isotropic, axes in patient order, free of aliasing."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy import sparse

from ...grid import Grid
from ...imaging import resample_labels
from .normalise import AIR_HU

# DICOM's usual order: i to the patient's left, j to the back, k to the head; columns are RAS directions.
_PATIENT_AXES = np.diag([-1.0, -1.0, 1.0])


def working_grid(grid: Grid, spacing_mm: float) -> Grid:
    """Return the isotropic grid over the same box whose i, j, k run to the left, to the back and to the head.

    The network knows left from right, so every image must lie the same way, whatever the order in its file. Oblique
    directions are kept; axes are only permuted and reversed.
    """
    return _reoriented(grid).isotropic(spacing_mm)


def _axes(grid: Grid) -> list[tuple[int, bool]]:
    """Return for each working axis i, j, k the grid's axis that runs along it and whether it runs the other way."""
    along = _PATIENT_AXES.T @ grid.directions
    order = max(permutations(range(3)), key=lambda p: sum(abs(along[row, p[row]]) for row in range(3)))
    return [(column, bool(along[row, column] < 0)) for row, column in enumerate(order)]


def _reoriented(grid: Grid) -> Grid:
    size = grid.shape[::-1]
    affine = np.eye(4)
    start = np.zeros(3)
    for row, (column, reverse) in enumerate(_axes(grid)):
        affine[:3, row] = grid.affine[:3, column] * (-1.0 if reverse else 1.0)
        start[column] = size[column] - 1 if reverse else 0
    affine[:3, 3] = grid.to_ras(start)
    return Grid(tuple(size[column] for column, _ in _axes(grid))[::-1], affine)


def _reorient(volume: np.ndarray, grid: Grid) -> np.ndarray:
    """Return ``volume`` on the reoriented grid, a view."""
    axes = _axes(grid)
    moved = volume.transpose([2 - column for column, _ in axes[::-1]])
    return moved[tuple(slice(None, None, -1 if reverse else 1) for _, reverse in axes[::-1])]


def to_working(volume: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """Resample HU ``(Z, Y, X)`` to its working grid, int16; averaged where the target is coarser.

    Parameters
    ----------
    volume : ndarray (Z, Y, X)
        HU on ``grid``.
    target : Grid
        A `working_grid` of ``grid``.
    """
    volume, grid = _reorient(np.asarray(volume), grid), _reoriented(grid)
    if not grid.matches(target):
        volume = volume.astype(np.float32)
        offset = (np.linalg.inv(grid.affine) @ target.affine)[:3, 3]
        for axis in range(3):
            step = target.spacing[2 - axis] / grid.spacing[2 - axis]
            volume = _resampled_axis(volume, axis, target.shape[axis], step, offset[2 - axis])
        volume = np.rint(volume).clip(AIR_HU, 32767)
    return volume.astype(np.int16)


def _resampled_axis(volume: np.ndarray, axis: int, count: int, step: float, offset: float) -> np.ndarray:
    """Resample one axis with a triangle as wide as the coarser of both voxels: linear where the target is finer."""
    width = max(step, 1.0)
    size = volume.shape[axis]
    at = offset + step * np.arange(count)
    weights = sparse.lil_matrix((count, size), dtype=np.float32)
    for row, centre in enumerate(at):
        taps = np.arange(int(np.ceil(centre - width)), int(np.floor(centre + width)) + 1)
        share = np.maximum(1 - np.abs(taps - centre) / width, 0) + 1e-9
        for tap, value in zip(taps.clip(0, size - 1), share / share.sum()):
            weights[row, tap] += value
    moved = np.moveaxis(volume, axis, 0)
    result = weights.tocsr() @ np.ascontiguousarray(moved).reshape(size, -1)
    return np.moveaxis(result.reshape(count, *moved.shape[1:]), 0, axis)


def labels_to_working(labels: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """Resample labels ``(Z, Y, X)`` to its working grid, uint8."""
    if _reoriented(grid).matches(target):
        return np.ascontiguousarray(_reorient(np.asarray(labels), grid)).astype(np.uint8)
    return resample_labels(labels, grid, target)
