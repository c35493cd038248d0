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


@njit(cache=True, error_model="numpy", inline="always")
def _lateral(f, x, y, z):
    """Return the distance of a local point from the axis along its ray, and row and column in control points."""
    across = math.sqrt(x * x + y * y)
    angle = math.atan2(y, x)
    v = (angle if angle >= 0.0 else angle + ROUND) * (ANGLES / ROUND)
    if z >= 0.0:
        return across, (f.cap_length + z) / STEP_MM, v
    return math.sqrt(across * across + z * z), f.cap * math.atan2(across, -z) / STEP_MM, v


@njit(cache=True, error_model="numpy", inline="always")
def _beyond_end(f, end, x, y, z):
    """Return how far a local point lies beyond the base or the rim, mm; below the centre of the cap never."""
    return z - value(end, (x + f.reach) / STEP_MM, (y + f.reach) / STEP_MM) if z >= 0.0 else -1e3


@njit(cache=True, error_model="numpy")
def heights(f, x, y, z):
    """Return how far a local point lies beyond endocardium, epicardium, base and rim of the wall, mm along the rays."""
    rho, u, v = _lateral(f, x, y, z)
    ends = _beyond_end(f, f.base, x, y, z), _beyond_end(f, f.rim, x, y, z)
    return rho - value(f.endo, u, v), rho - value(f.epi, u, v), ends[0], ends[1]


@njit(cache=True, error_model="numpy")
def _opens(f, x, y, z, steps):
    """Return whether a voxel has a face to the outside of the epicardium below the rim."""
    for k in range(3):
        for sign in (-1.0, 1.0):
            near = heights(f, x + sign * steps[k, 0], y + sign * steps[k, 1], z + sign * steps[k, 2])
            if near[1] >= 0.0 and near[3] < 0.0:
                return True
    return False


@njit(cache=True, error_model="numpy")
def label_of(f, point, steps, sides):
    """Return the label at a local point; ``steps`` (4, 3): the edges of a voxel, and the longest of them, local mm.

    Muscle is at least one voxel thick: a voxel inside the endocardium with a face to the outside of the epicardium is
    muscle, so that a thin oblique wall has no gap. ``sides``: what is known before of endocardium, epicardium, base and
    rim, below zero inside, above zero beyond, and of the wall, above zero thick enough.
    """
    x, y, z = point
    rho, u, v = _lateral(f, x, y, z)
    beyond = sides[0] > 0 or (sides[0] == 0 and rho >= value(f.endo, u, v))
    if beyond:
        if sides[1] > 0 or (sides[1] == 0 and rho >= value(f.epi, u, v)):
            return BACKGROUND
        return BACKGROUND if sides[3] > 0 or (sides[3] == 0 and _beyond_end(f, f.rim, x, y, z) >= 0.0) else LVM
    if sides[2] > 0 or (sides[2] == 0 and _beyond_end(f, f.base, x, y, z) >= 0.0):
        return BACKGROUND
    thin = sides[4] <= 0 and rho - value(f.epi, u, v) > -THIN_WALL_STEPS * steps[3, 0]
    return LVM if thin and _opens(f, x, y, z, steps) else BLOOD_POOL


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
