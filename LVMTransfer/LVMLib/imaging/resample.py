"""Resampling from one grid to another."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import ndimage

from ..grid import LABEL_VALUES, Grid

# A target voxel that lies outside the source box by less than this is rounding.
_EDGE_TOLERANCE_VOXELS = 1e-3
# Halving a voxel size puts target centres midway between two labels. Always giving such ties to one label would thin
# the other; a shift too small to see gives them to opposite sides of a structure instead, and volumes stay true.
_TIE_SHIFT_VOXELS = (1.1e-3, 1.3e-3, 1.7e-3)


def resample_image(volume: np.ndarray, grid: Grid, target: Grid, *, order: int = 1, fill: float = -1024) -> np.ndarray:
    """Resample a volume by spline interpolation.

    Parameters
    ----------
    volume : ndarray (Z, Y, X)
        HU on ``grid``.
    grid, target : Grid
        Where the values are, and where they are wanted.
    order : int
        0 nearest, 1 linear, 3 cubic.
    fill : float
        Value outside the box of ``grid`` (its voxels, not only their centres).

    Returns
    -------
    ndarray (Z, Y, X)
        In the dtype of ``volume`` (integers are rounded).
    """
    if grid.matches(target, tolerance_mm=1e-4):
        return np.array(volume)
    values = _interpolate(np.asarray(volume, dtype=np.float32), grid, target, order=order, fill=fill)
    return _cast(values, volume.dtype)


def resample_labels(labels: np.ndarray, grid: Grid, target: Grid) -> np.ndarray:
    """Resample labels: each label's indicator linearly, and at each voxel the label with the largest share.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LV myocardium on ``grid``.
    grid, target : Grid
        Where the labels are, and where they are wanted.

    Returns
    -------
    ndarray (Z, Y, X) uint8
        0 outside the box of ``grid``.
    """
    if grid.matches(target, tolerance_mm=1e-4):
        return np.array(labels, dtype=np.uint8)
    result = np.zeros(target.shape, dtype=np.uint8)
    boxes = ndimage.find_objects((labels > 0).astype(np.uint8))
    if not boxes:
        return result
    # Work within the labels' box and one voxel more: the rest is background in both grids.
    box = tuple(slice(max(0, s.start - 1), min(n, s.stop + 1)) for s, n in zip(boxes[0], labels.shape))
    start = tuple(s.start for s in box)
    source = grid.cropped(start, tuple(s.stop - s.start for s in box))
    window = _window(source, target)
    if window is None:
        return result
    part = target.cropped(tuple(s.start for s in window), tuple(s.stop - s.start for s in window))
    shift = np.eye(4)
    shift[:3, 3] = grid.directions @ (grid.spacing * _TIE_SHIFT_VOXELS)
    part = Grid(part.shape, shift @ part.affine)
    shares = [
        _interpolate((labels[box] == value).astype(np.float32), source, part, order=1, fill=float(value == 0))
        for value in LABEL_VALUES
    ]
    result[window] = np.argmax(shares, axis=0)
    return result


def _window(source: Grid, target: Grid) -> tuple[slice, slice, slice] | None:
    """Return the part of ``target`` (k, j, i) that the box of ``source`` covers."""
    ends = [(-0.5, n - 0.5) for n in source.shape[::-1]]
    corners = target.to_ijk(source.to_ras(np.array(list(itertools.product(*ends)))))[:, ::-1]
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, target.shape)
    return None if (high <= low).any() else tuple(slice(a, b) for a, b in zip(low, high))


def _interpolate(volume: np.ndarray, grid: Grid, target: Grid, *, order: int, fill: float) -> np.ndarray:
    # Array index in the target to array index in the source, both (k, j, i).
    matrix = np.linalg.inv(grid.affine) @ target.affine
    rotation, offset = matrix[2::-1, 2::-1], matrix[2::-1, 3]
    diagonal = np.abs(rotation - np.diag(np.diag(rotation))).max() * max(target.shape) < _EDGE_TOLERANCE_VOXELS
    if diagonal and order <= 1:
        for axis in range(3):
            where = rotation[axis, axis] * np.arange(target.shape[axis]) + offset[axis]
            volume = _along(volume, where, axis, order=order, fill=fill)
        return volume
    result = ndimage.affine_transform(
        volume, rotation, offset, output_shape=target.shape, order=order, mode="nearest", prefilter=order > 1
    )
    for k in range(target.shape[0]):
        result[k][_outside(k, rotation, offset, grid.shape, target.shape)] = fill
    return result


def _along(volume: np.ndarray, where: np.ndarray, axis: int, *, order: int, fill: float) -> np.ndarray:
    """Interpolate along one axis at the positions ``where``; constant over the outer half voxel."""
    count = volume.shape[axis]
    outside = (where < -0.5 - _EDGE_TOLERANCE_VOXELS) | (where > count - 0.5 + _EDGE_TOLERANCE_VOXELS)
    where = np.clip(where, 0, count - 1)
    if order == 0:
        result = np.take(volume, np.rint(where).astype(int), axis=axis)
    else:
        low = np.minimum(where.astype(int), max(count - 2, 0))
        shape = [1, 1, 1]
        shape[axis] = -1
        weight = (where - low).astype(np.float32).reshape(shape)
        result = np.take(volume, low, axis=axis)
        result += weight * (np.take(volume, np.minimum(low + 1, count - 1), axis=axis) - result)
    if outside.any():
        result[tuple(outside if a == axis else slice(None) for a in range(3))] = fill
    return result


def _outside(k: int, rotation: np.ndarray, offset: np.ndarray, shape: tuple, target: tuple) -> np.ndarray:
    j, i = np.ogrid[: target[1], : target[2]]
    outside = np.zeros(target[1:], dtype=bool)
    for axis in range(3):
        where = rotation[axis, 0] * k + rotation[axis, 1] * j + rotation[axis, 2] * i + offset[axis]
        outside |= (where < -0.5 - _EDGE_TOLERANCE_VOXELS) | (where > shape[axis] - 0.5 + _EDGE_TOLERANCE_VOXELS)
    return outside


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind not in "iu":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
