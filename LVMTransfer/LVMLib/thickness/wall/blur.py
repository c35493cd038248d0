"""Separable Gaussian blur in single precision, written so that it vectorises.

Four times as fast as `scipy.ndimage.correlate1d` on a heart at 1 mm (a row of ``lvm bench thickness``), which
works in double precision and voxel by voxel; the blur would otherwise take a third of a whole measurement.
"""

from __future__ import annotations

import math

import numba
import numpy as np

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
# Standard deviations at which the kernel is cut.
CUT = 3.0
# Values that are summed at a time: they stay in the nearest cache.
BLOCK = 2048


def gaussian(volume: np.ndarray, spacing: np.ndarray, *, sigma_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Blur a volume with a Gaussian; beyond its border it goes on as it ends.

    Parameters
    ----------
    volume : ndarray (Z, Y, X) float32
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.
    sigma_mm : float
        Standard deviation, mm.

    Returns
    -------
    blurred : ndarray (Z, Y, X) float32
    variances : ndarray (3,)
        Of the kernel along x, y, z as it was applied, mm²: cut and sampled, it is a little narrower than asked for.
    """
    spacing = np.asarray(spacing, float)
    kernels = [_half_kernel(sigma_mm / step) for step in spacing]
    variances = [2 * (half * np.arange(half.size) ** 2).sum() for half in kernels] * spacing**2
    single = [half.astype(np.float32) for half in kernels]
    return _blur(np.ascontiguousarray(volume, np.float32), *single), variances


def _half_kernel(sigma: float) -> np.ndarray:
    """The central weight of a Gaussian of ``sigma`` voxels and those on one side of it."""
    weights = np.exp(-0.5 * (np.arange(math.ceil(CUT * sigma) + 1) / sigma) ** 2)
    return weights / (2 * weights.sum() - weights[0])


@numba.njit(**_CACHE)
def _blur(volume, along_x, along_y, along_z):
    nz, ny, nx = volume.shape
    out = np.empty((nz, ny * nx), np.float32)
    _weigh(_extended(volume.reshape((nz, ny * nx)), along_z.size - 1).reshape(-1), out.reshape(-1), along_z, ny * nx)
    row_blurred = np.empty((ny, nx), np.float32)
    reach = along_x.size - 1
    lined_up = np.empty((nx, ny), np.float32)
    for k in range(nz):
        plane = out[k].reshape((ny, nx))
        _weigh(_extended(plane, along_y.size - 1).reshape(-1), row_blurred.reshape(-1), along_y, nx)
        turned = _extended(np.ascontiguousarray(row_blurred.T), reach)
        _weigh(turned.reshape(-1), lined_up.reshape(-1), along_x, ny)
        plane[:] = lined_up.T
    return out.reshape((nz, ny, nx))


@numba.njit(**_CACHE)
def _extended(rows, reach):
    """Rows (N, M) with the first and the last one repeated ``reach`` times."""
    out = np.empty((rows.shape[0] + 2 * reach, rows.shape[1]), np.float32)
    for n in range(out.shape[0]):
        out[n] = rows[min(max(n - reach, 0), rows.shape[0] - 1)]
    return out


@numba.njit(**_CACHE)
def _weigh(extended, out, weights, stride):
    """Fill ``out`` with the weighted sums over lines whose values lie ``stride`` apart, ``reach`` on either side."""
    reach = weights.size - 1
    for first in range(0, out.size, BLOCK):
        target = out[first : first + BLOCK]
        size = target.size
        centre = extended[first + reach * stride : first + reach * stride + size]
        for n in range(size):
            target[n] = weights[0] * centre[n]
        for m in range(1, weights.size):
            low = extended[first + (reach - m) * stride : first + (reach - m) * stride + size]
            high = extended[first + (reach + m) * stride : first + (reach + m) * stride + size]
            weight = weights[m]
            for n in range(size):
                target[n] += weight * (low[n] + high[n])
