"""The masks of heart and blood pool, continued beyond the base, so that blur and heat know where the wall goes.

A mirror image would do for a wall that stands upright on its base. One that leans would get a crease there: the blur
rounds it off, and heat would have to turn into the base. So the mirror image is sheared: each surface goes on with the
slope that it has below the base.
"""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

import math

import numba
import numpy as np
from scipy import ndimage

from ...grid import BLOOD_POOL, LVM
from .base import Base
from .lid import around, in_plane, numbers, row_heights, turn

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
SECTORS = 72
# Layers of voxels below the base whose radii give the slope, at most so many mm but some layers in any case, and the
# smoothing of the radii around the base, sectors.
# The first layer is left out: an oblique cut takes some of its voxels away.
LAYERS, DEPTH_MM, LEAST_LAYERS, SKIPPED, SMOOTH_SECTORS = 12, 15.0, 6, 1, 4.0
# Slopes below the first of these are steps of voxels; steeper ones than the second are no wall on a base.
LEAST_SLOPE, STEEPEST_SLOPE = 0.05, 1.0


def continued_masks(labels: np.ndarray, spacing: np.ndarray, base: Base, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the solid epicardial and endocardial masks, continued beyond the base.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.
    base : Base
        In the frame ``index * spacing``.
    depth : float
        How far beyond the base the masks are continued, mm.

    Returns
    -------
    epi, endo : ndarray (Z, Y, X) float32
        Occupancy in [0, 1].
    """
    place = labels, numbers(spacing), base.frame, base.lid
    step = float(np.cbrt(np.prod(spacing)))
    below, beyond = _farthest(*place, (LAYERS + SKIPPED) * step, depth)
    slopes = _slopes(*_sector_counts(*place, step, below), below, step)
    return _masks(*place, slopes, depth, beyond)


def _slopes(solid: np.ndarray, total: np.ndarray, farthest: float, step: float) -> np.ndarray:
    """Return how much the radius of both surfaces grows towards the base, mm a mm, at the base.

    Returns
    -------
    ndarray (2, A)
        Epicardium, endocardium, at A equal steps of the angle about the base's origin; a parabola is fitted to the
        radii of the layers below the base.
    """
    solid, total = (
        ndimage.gaussian_filter1d(counts, SMOOTH_SECTORS, axis=-2, mode="wrap") for counts in (solid, total)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        radius = farthest * np.sqrt(solid / total)
    layers = int(np.clip(DEPTH_MM / step, LEAST_LAYERS, LAYERS))
    depth = (np.arange(layers) + SKIPPED + 0.5) * step
    slopes = -(radius[..., :layers] @ np.linalg.pinv(np.stack([np.ones(layers), depth, depth**2], axis=-1))[1])
    slopes[~((solid[..., :layers] > 0).all(axis=-1) & np.isfinite(slopes))] = 0.0
    # The end of a parabola through n noisy radii has a slope that is uncertain as n to the power of -3/2.
    size = np.clip(np.abs(slopes) - LEAST_SLOPE * (LAYERS / layers) ** 1.5, 0.0, STEEPEST_SLOPE)
    return np.ascontiguousarray(np.sign(slopes) * size)


@numba.njit(**_CACHE)
def _farthest(labels, spacing, frame, lid, first, second):
    """Radius, mm, of the heart at most ``first`` and at most ``second`` mm below the base, and two voxels more."""
    one, other, depth = 0.0, 0.0, max(first, second)
    lowest, highest = lid.min(), lid.max()
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            low, high = row_heights(k, j, labels.shape[2], spacing, frame)
            if low > highest or high < lowest - depth:
                continue
            for i in range(labels.shape[2]):
                if labels[k, j, i]:
                    a, b, height = in_plane(k, j, i, spacing, frame, lid)
                    if -first <= height <= 0:
                        one = max(one, a * a + b * b)
                    if -second <= height <= 0:
                        other = max(other, a * a + b * b)
    more = 2 * max(spacing[0], max(spacing[1], spacing[2]))  # noqa: PLW3301 -- compiles faster
    return math.sqrt(one) + more, math.sqrt(other) + more


@numba.njit(**_CACHE)
def _sector_counts(labels, spacing, frame, lid, step, farthest):
    """Voxels of heart and of blood pool (2, A, L), all voxels (A, L), within a radius, mm, that holds the heart."""
    solid, total = np.zeros((2, SECTORS, LAYERS)), np.zeros((SECTORS, LAYERS))
    depth = (LAYERS + SKIPPED) * step
    lowest, highest = lid.min(), lid.max()
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            low, high = row_heights(k, j, labels.shape[2], spacing, frame)
            if low > highest or high < lowest - depth:
                continue
            for i in range(labels.shape[2]):
                a, b, height = in_plane(k, j, i, spacing, frame, lid)
                layer = math.floor(-height / step) - SKIPPED
                if 0 <= layer < LAYERS and a * a + b * b < farthest * farthest:
                    sector = int(turn(a, b) * SECTORS + 0.5) % SECTORS
                    total[sector, layer] += 1
                    solid[0, sector, layer] += labels[k, j, i] > 0
                    solid[1, sector, layer] += labels[k, j, i] == BLOOD_POOL
    return solid, total


@numba.njit(**_CACHE)
def _masks(labels, spacing, frame, lid, slopes, depth, farthest):
    # Nearer to the base than a voxel's diagonal, its neighbours may lie on the other side.
    beside = math.sqrt(spacing[0] ** 2 + spacing[1] ** 2 + spacing[2] ** 2)
    epi = np.zeros(labels.shape, np.float32)
    endo = np.zeros(labels.shape, np.float32)
    lowest, highest, steepest = lid.min(), lid.max(), np.abs(slopes).max()
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            low, high = row_heights(k, j, labels.shape[2], spacing, frame)
            if low > depth + highest:
                continue
            under = high < lowest
            for i in range(labels.shape[2]):
                a, b, above = in_plane(k, j, i, spacing, frame, lid) if not under else (0.0, 0.0, -1.0)
                if above <= 0:
                    epi[k, j, i] = 1.0 if labels[k, j, i] > 0 else 0.0
                    endo[k, j, i] = 1.0 if labels[k, j, i] == BLOOD_POOL else 0.0
                elif above < depth and a * a + b * b < (farthest + 2 * above * steepest) ** 2:
                    part, shear = turn(a, b), -2 * above / max(math.sqrt(a * a + b * b), 1e-6)
                    outer, inner = shear * around(slopes[0], part), shear * around(slopes[1], part)
                    index = _reflected((k, j, i), (a, b, above), outer, spacing, frame)
                    epi[k, j, i] = _below(labels, index, LVM, above < beside, spacing, frame, lid)
                    index = _reflected((k, j, i), (a, b, above), inner, spacing, frame)
                    endo[k, j, i] = _below(labels, index, BLOOD_POOL, above < beside, spacing, frame, lid)
    return epi, endo


@numba.njit(**_CACHE)
def _reflected(voxel, place, shear, spacing, frame):
    """Fractional index (x, y, z) below the base of a voxel above it, moved by ``shear`` times its radius outwards."""
    e1, e2, n = frame[1]
    a, b, above = place
    # Not across the axis.
    a, b = max(shear, -1.0) * a, max(shear, -1.0) * b
    return (
        voxel[2] + (a * e1[0] + b * e2[0] - 2 * above * n[0]) / spacing[0],
        voxel[1] + (a * e1[1] + b * e2[1] - 2 * above * n[1]) / spacing[1],
        voxel[0] + (a * e1[2] + b * e2[2] - 2 * above * n[2]) / spacing[2],
    )


@numba.njit(**_CACHE)
def _below(labels, index, most, careful, spacing, frame, lid):
    """Share of the labels 1 to ``most`` at a fractional index, linear; if ``careful``, of voxels below the base."""
    i, j, k = math.floor(index[0]), math.floor(index[1]), math.floor(index[2])
    if i < 0 or j < 0 or k < 0 or i + 1 >= labels.shape[2] or j + 1 >= labels.shape[1] or k + 1 >= labels.shape[0]:
        return np.float32(0)
    count = 0
    for c in range(8):
        count += 0 < labels[k + (c >> 2), j + ((c >> 1) & 1), i + (c & 1)] <= most
    if count in (0, 8):
        return np.float32(count // 8)
    x, y, z = index[0] - i, index[1] - j, index[2] - k
    share, total = 0.0, 0.0
    for c in range(8):
        q, r, s = k + (c >> 2), j + ((c >> 1) & 1), i + (c & 1)
        if careful and in_plane(q, r, s, spacing, frame, lid)[2] > 0:
            continue
        weight = (z if c & 4 else 1 - z) * (y if c & 2 else 1 - y) * (x if c & 1 else 1 - x)
        total += weight
        if 0 < labels[q, r, s] <= most:
            share += weight
    return np.float32(share / total) if total > 1e-6 else np.float32(0)
