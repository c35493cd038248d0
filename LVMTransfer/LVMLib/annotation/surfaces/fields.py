"""Where a point lies against the surfaces: the one definition that masks and contours share."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from ...grid import BACKGROUND, BLOOD_POOL, LVM
from .frame import ANGLES, STEP_MM
from .spline import value

ROUND = 2.0 * math.pi
THIN_WALL_STEPS = 4.5
"""A voxel step changes the distance along a ray by at most this many voxels on the steepest surface allowed."""


class Fields(NamedTuple):
    """Padded control points and the frame's numbers, for compiled code."""

    cap: float
    cap_length: float
    reach: float
    endo: np.ndarray
    epi: np.ndarray
    base: np.ndarray
    rim: np.ndarray


@njit(cache=True, error_model="numpy")
def heights(f, x, y, z):
    """Return how far a local point lies beyond endocardium, epicardium, base and rim of the wall, mm along the rays."""
    across = math.sqrt(x * x + y * y)
    angle = math.atan2(y, x)
    v = (angle if angle >= 0.0 else angle + ROUND) * (ANGLES / ROUND)
    if z >= 0.0:
        u = (f.cap_length + z) / STEP_MM
        p, q = (x + f.reach) / STEP_MM, (y + f.reach) / STEP_MM
        return (
            across - value(f.endo, u, v),
            across - value(f.epi, u, v),
            z - value(f.base, p, q),
            z - value(f.rim, p, q),
        )
    rho = math.sqrt(across * across + z * z)
    u = f.cap * math.atan2(across, -z) / STEP_MM
    return rho - value(f.endo, u, v), rho - value(f.epi, u, v), -1e3, -1e3


@njit(cache=True, error_model="numpy")
def label_of(f, x, y, z, steps):
    """Return the label at a local point; ``steps`` (4, 3): the edges of a voxel, and the longest of them, local mm.

    Muscle is at least one voxel thick: a voxel inside the endocardium with a face to the outside of the epicardium is
    muscle, so that a thin oblique wall has no gap.
    """
    endo, epi, base, rim = heights(f, x, y, z)
    if endo >= 0.0:
        return LVM if epi < 0.0 and rim < 0.0 else BACKGROUND
    if base >= 0.0:
        return BACKGROUND
    if epi > -THIN_WALL_STEPS * steps[3, 0]:
        for k in range(3):
            for sign in (-1.0, 1.0):
                near = heights(f, x + sign * steps[k, 0], y + sign * steps[k, 1], z + sign * steps[k, 2])
                if near[1] >= 0.0 and near[3] < 0.0:
                    return LVM
    return BLOOD_POOL


@njit(cache=True, error_model="numpy", nogil=True)
def sample(f, points):
    """Return `heights` of local points ``(N, 3)`` as ``(N, 4)``."""
    out = np.empty((points.shape[0], 4))
    for n in range(points.shape[0]):
        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = heights(f, points[n, 0], points[n, 1], points[n, 2])
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def sample_plane(f, corner, right, up, size):
    """Return `heights` on a lattice of ``size`` (rows, columns), ``(4, rows, columns)``; its steps in local mm."""
    rows, columns = size
    out = np.empty((4, rows, columns))
    for r in range(rows):
        for c in range(columns):
            x = corner[0] + c * right[0] + r * up[0]
            y = corner[1] + c * right[1] + r * up[1]
            z = corner[2] + c * right[2] + r * up[2]
            out[0, r, c], out[1, r, c], out[2, r, c], out[3, r, c] = heights(f, x, y, z)
    return out
