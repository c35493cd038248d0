"""The grid on which Laplace's equation is solved: aligned with the base, so that the base lies between two layers."""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from .base import Base
from .lid import lid_height

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
MARGIN = 5
# Voxels longer than this times their width are not solved on; the distances are resampled to cubes.
MAX_ANISOTROPY = 1.5


@dataclass(frozen=True, eq=False)
class Field:
    """Signed distances on the solver's grid.

    Parameters
    ----------
    epi, endo : ndarray (Z, Y, X) float32
        Signed distance to both surfaces, mm, negative inside; beyond the base the mirror image.
    spacing : ndarray (3,)
        Steps along x, y, z, mm.
    top : ndarray (Y, X) int32
        Last layer of the solver's domain in every column: beyond the base, if the wall is continued there.
    rim : ndarray (Y, X) int32
        Last layer below the base in every column.
    rotation, translation : ndarray (3, 3), (3,)
        ``index * spacing`` of this grid to ``index * spacing`` of the input grid, mm.
    """

    epi: np.ndarray
    endo: np.ndarray
    spacing: np.ndarray
    top: np.ndarray
    rim: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 3), mm, from this grid's frame to the input grid's."""
        return points @ self.rotation.T + self.translation

    def from_input(self, points: np.ndarray) -> np.ndarray:
        """Map points (N, 3), mm, from the input grid's frame to this grid's."""
        return (points - self.translation) @ self.rotation


def make_field(
    epi: np.ndarray, endo: np.ndarray, spacing: np.ndarray, base: Base | None, *, step=None, beyond_mm: float = 0.0
) -> Field:
    """Return the distances on a grid that is aligned with the base.

    Parameters
    ----------
    epi, endo : ndarray (Z, Y, X) float32
        Signed distances on the input grid, mm, continued beyond the base.
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.
    base : Base or None
        In the frame ``index * spacing``.
    step : float, optional
        The solver's step, mm; by default the input grid's own where it fits, else cubes of the voxels' volume.
    beyond_mm : float
        How far beyond the base the given distances are solved on, before they are mirrored.
    """
    spacing = np.asarray(spacing, float)
    layer = _aligned_layer(spacing, base)
    if step is None and spacing.max() <= MAX_ANISOTROPY * spacing.min() and layer is not None:
        rim = np.full(epi.shape[1:], min(layer, epi.shape[0] - 1), np.int32)
        top = _beyond(rim, beyond_mm / spacing[2], epi.shape[0])
        return Field(_fold(epi, top), _fold(endo, top), spacing, top, rim, np.eye(3), np.zeros(3))
    if step is None:
        step = float(np.cbrt(spacing.prod())) if spacing.max() <= MAX_ANISOTROPY * spacing.min() else spacing.min()
    return _resampled(epi, endo, spacing, base, (step, beyond_mm))


def _aligned_layer(spacing, base):
    """The last layer below a base that the input grid is aligned with; all layers without a base; else None."""
    if base is None:
        return 1 << 30
    edge = base.origin[2] / spacing[2] - 0.5
    if base.flat and base.axes[2, 2] > 1 - 1e-5 and abs(edge - round(edge)) < 0.02:
        return round(edge)
    return None


def _beyond(rim, layers, size):
    """The layer ``layers`` beyond the base, with room for the mirror image behind it."""
    return np.minimum(rim + round(layers), np.maximum(rim, size - 1 - MARGIN)).astype(np.int32)


def _resampled(epi, endo, spacing, base, steps):
    step, beyond_mm = steps
    rotation = np.eye(3) if base is None else base.axes.T.copy()
    if np.linalg.det(rotation) < 0:
        rotation[:, 0] *= -1
    origin = np.zeros(3) if base is None else base.origin
    frame = (origin, rotation, np.eye(3) if base is None else base.axes, np.zeros(1) if base is None else base.lid)
    low, high = _extent(epi, spacing, frame, (float(spacing.max()), beyond_mm), base is not None)
    first = np.floor(low / step - 0.5).astype(int) - MARGIN
    last = np.ceil(high / step - 0.5).astype(int) + MARGIN
    # Layers stand at (index + 1/2) steps, so that the plane of the base lies between two of them.
    start = origin + rotation @ ((first + 0.5) * step)
    shape = tuple((last - first + 1)[::-1])
    cubes = np.full(3, float(step))
    rim = np.full(shape[1:], shape[0] - 1, np.int32)
    if base is not None:
        axes = rotation.T @ base.axes.T
        _tops(rim, (first[:2] + 0.5) * step, step, -(first[2] + 0.5) * step, np.ascontiguousarray(axes.T), base.lid)
    top = _beyond(rim, beyond_mm / step, shape[0])
    fields = [
        _fold(_resample(volume, spacing, rotation, start, cubes, shape, 3 * spacing.max()), top)
        for volume in (epi, endo)
    ]
    return Field(fields[0], fields[1], cubes, top, rim, rotation, start)


@numba.njit(**_CACHE)
def _extent(epi, spacing, frame, reaches, cut):
    """Lowest and highest coordinates (3,), mm, about ``origin``, of the heart below the base."""
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis], high[axis] = np.inf, -np.inf
    origin, rotation, axes, lid = frame
    reach, beyond = reaches
    for k in range(epi.shape[0]):
        for j in range(epi.shape[1]):
            for i in range(epi.shape[2]):
                if epi[k, j, i] > reach:
                    continue
                x, y, z = i * spacing[0] - origin[0], j * spacing[1] - origin[1], k * spacing[2] - origin[2]
                c = x * rotation[0, 2] + y * rotation[1, 2] + z * rotation[2, 2]
                if cut and c - lid_height(x, y, z, axes[0], axes[1], lid) > 2 * reach + beyond:
                    continue
                a = x * rotation[0, 0] + y * rotation[1, 0] + z * rotation[2, 0]
                b = x * rotation[0, 1] + y * rotation[1, 1] + z * rotation[2, 1]
                low[0], low[1], low[2] = min(low[0], a), min(low[1], b), min(low[2], c)
                high[0], high[1], high[2] = max(high[0], a), max(high[1], b), max(high[2], c)
    return low, high


@numba.njit(**_CACHE)
def _tops(top, corner, step, zero, axes, lid):
    """Fill ``top`` with the last layer below the base; ``zero`` is the height of the plane over layer 0, mm."""
    for j in range(top.shape[0]):
        for i in range(top.shape[1]):
            x, y = corner[0] + i * step, corner[1] + j * step
            height = lid_height(x, y, 0.0, axes[0], axes[1], lid)
            top[j, i] = min(top[j, i], max(0, math.floor((height + zero) / step + 1e-6)))


@numba.njit(**_CACHE)
def _fold(volume, top):
    """Copy of ``volume`` whose columns are mirror images of themselves beyond the base."""
    nz, ny, nx = volume.shape
    out = np.empty((nz, ny, nx), np.float32)
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                out[k, j, i] = volume[k, j, i]
    for j in range(ny):
        for i in range(nx):
            for k in range(top[j, i] + 1, nz):
                source = 2 * top[j, i] + 1 - k
                if source >= 0:
                    out[k, j, i] = volume[source, j, i]
    return out


@numba.njit(**_CACHE)
def _cubic(t):
    """Catmull-Rom weights of the four samples about a point at fraction t."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@numba.njit(**_CACHE)
def _resample(volume, spacing, rotation, start, step, shape, band):
    """Signed distance on a rotated grid: cubic within ``band`` mm of the surface, linear elsewhere."""
    out = np.empty(shape, np.float32)
    nz, ny, nx = volume.shape
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                a, b, c = i * step[0], j * step[1], k * step[2]
                fx = (start[0] + rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2] * c) / spacing[0]
                fy = (start[1] + rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2] * c) / spacing[1]
                fz = (start[2] + rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2] * c) / spacing[2]
                fx = min(max(fx, 1.0), nx - 2.001)
                fy = min(max(fy, 1.0), ny - 2.001)
                fz = min(max(fz, 1.0), nz - 2.001)
                x, y, z = int(fx), int(fy), int(fz)
                near = volume[z, y, x]
                if abs(near) > band:
                    out[k, j, i] = near
                    continue
                wx, wy, wz = _cubic(fx - x), _cubic(fy - y), _cubic(fz - z)
                total = 0.0
                for dz in range(4):
                    plane = 0.0
                    for dy in range(4):
                        row = 0.0
                        for dx in range(4):
                            row += wx[dx] * volume[z - 1 + dz, y - 1 + dy, x - 1 + dx]
                        plane += wy[dy] * row
                    total += wz[dz] * plane
                out[k, j, i] = total
    return out
