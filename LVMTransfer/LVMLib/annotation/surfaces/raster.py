"""Surfaces to voxels: a compiled kernel that looks closely only where a surface is near."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ...grid import BACKGROUND, BLOOD_POOL, LVM
from .fields import ROUND, THIN_WALL_STEPS, label_of
from .frame import ANGLES, STEP_MM

BLOCK = 4
"""Voxels along each side of a block that is looked at as one first."""
UNSURE = -1
NEVER = 1 << 30
"""Period of what does not go round."""


@njit(cache=True, error_model="numpy")
def _bounds(padded, rows, columns, period):
    """Return the least and the greatest control point of a range: the spline lies between them there."""
    first = columns[0] % period
    low = high = padded[rows[0], first]
    for i in range(rows[0], rows[1] + 1):
        j = first
        for _ in range(columns[0], columns[1] + 1):
            here = padded[i, j]
            low, high = min(low, here), max(high, here)
            j = j + 1 if j + 1 < period else 0
    return low, high


@njit(cache=True, error_model="numpy")
def _lateral_range(f, x, y, z, half):
    """Return the rows and columns of padded control points that shape a ball of radius ``half`` beside the axis."""
    across = math.sqrt(x * x + y * y)
    turn = math.asin(half / across) * (ANGLES / ROUND)
    v = math.atan2(y, x) * (ANGLES / ROUND) + 2 * ANGLES
    low, high = f.cap_length + z - half, f.cap_length + z + half
    if z <= -half:
        tilt = f.cap * math.atan2(across, -z)
        spread = f.cap * math.asin(half / math.sqrt(across * across + z * z))
        low, high = tilt - spread, tilt + spread
    elif z < half:
        low = f.cap_length - f.cap * math.atan((half - z) / (across - half))
    last = f.endo.shape[0] - 1
    # Padded row k holds control row k - 1; the value between rows i and i + 1 has the taps i - 1 to i + 2.
    rows = (min(max(int(low / STEP_MM), 0), last), min(int(high / STEP_MM) + 3, last))
    return rows, (int(v - turn), int(v + turn) + 3)


@njit(cache=True, error_model="numpy")
def _end_range(ends, reach, x, y, half):
    """Return the rows and columns of the padded base or rim that shape a square of half width ``half``."""
    p, q, wide, side = (x + reach) / STEP_MM, (y + reach) / STEP_MM, half / STEP_MM, ends.shape[0] - 1
    rows = (min(max(int(p - wide), 0), side), min(max(int(p + wide) + 3, 0), side))
    return rows, (min(max(int(q - wide), 0), side), min(max(int(q + wide) + 3, 0), side))


@njit(cache=True, error_model="numpy", inline="always")
def _side(low, high, bounds):
    """Return where a range lies against what lies between bounds: -1 inside, 1 beyond, 0 not known."""
    return -1 if high < bounds[0] else (1 if low > bounds[1] else 0)


@njit(cache=True, error_model="numpy")
def _sides(f, point, half, step):
    """Return what is known of all points of a ball, as `label_of` takes it; ``step``: the longest edge of a voxel."""
    x, y, z = point
    across = math.sqrt(x * x + y * y)
    if across < 2.0 * half:
        return 0, 0, 0, 0, 0
    rho = across if z >= 0.0 else math.sqrt(across * across + z * z)
    rows, columns = _lateral_range(f, x, y, z, half)
    endo, epi = _bounds(f.endo, rows, columns, ANGLES), _bounds(f.epi, rows, columns, ANGLES)
    walls = _side(rho - half, rho + half, endo), _side(rho - half, rho + half, epi)
    thick = 1 if rho + half < epi[0] - THIN_WALL_STEPS * step else 0
    if z <= -half or walls[1] > 0:
        return walls[0], walls[1], -1, -1, thick
    rows, columns = _end_range(f.base, f.reach, x, y, half)
    base, rim = _bounds(f.base, rows, columns, NEVER), _bounds(f.rim, rows, columns, NEVER)
    return walls[0], walls[1], _side(z - half, z + half, base), _side(z - half, z + half, rim), thick


@njit(cache=True, error_model="numpy", inline="always")
def _settled(sides):
    """Return the label that fills the ball, or `UNSURE`."""
    endo, epi, base, rim, thick = sides
    if epi > 0 or (endo > 0 and rim > 0) or (base > 0 and rim > 0):
        return BACKGROUND
    if endo > 0 and epi < 0 and rim < 0:
        return LVM
    if endo < 0 and (base > 0 or (base < 0 and thick > 0)):
        return BACKGROUND if base > 0 else BLOOD_POOL
    return UNSURE


@njit(cache=True, error_model="numpy")
def _crossed(new, old, place, period, near):
    """Return whether a part that differs between two states in a place lies within ``near`` there."""
    rows, columns = place
    first = columns[0] % period
    low = high = new[rows[0], first]
    differs = False
    for i in range(rows[0], rows[1] + 1):
        j = first
        for _ in range(columns[0], columns[1] + 1):
            a, b = new[i, j], old[i, j]
            differs = differs or a != b
            low, high = min(low, a, b), max(high, a, b)
            j = j + 1 if j + 1 < period else 0
    return differs and near[1] >= low and near[0] <= high


@njit(cache=True, error_model="numpy")
def _may_differ(states, moved, point, half, step):
    """Return whether two states may give a ball of radius ``half`` other labels; ``moved``: which parts differ."""
    new, old = states
    x, y, z = point
    across = math.sqrt(x * x + y * y)
    if across < 2.0 * (half + step):
        return True
    rho = across if z >= 0.0 else math.sqrt(across * across + z * z)
    if moved[0] or moved[1]:
        place = _lateral_range(new, x, y, z, half)
        if moved[0] and _crossed(new.endo, old.endo, place, ANGLES, (rho - half, rho + half)):
            return True
        # A voxel inside a thin wall looks one voxel around.
        place = _lateral_range(new, x, y, z, half + step)
        near = rho - half - step, rho + half + THIN_WALL_STEPS * step
        if moved[1] and _crossed(new.epi, old.epi, place, ANGLES, near):
            return True
    wide = half + step
    if z <= -wide or not (moved[2] or moved[3]):
        return False
    place, near = _end_range(new.base, new.reach, x, y, wide), (z - wide, z + wide)
    if moved[2] and _crossed(new.base, old.base, place, NEVER, near):
        return True
    return moved[3] and _crossed(new.rim, old.rim, place, NEVER, near)


@njit(cache=True, error_model="numpy", nogil=True)
def fill(states, whole, matrix, start, out):
    """Write the labels of a state into ``out`` (k, j, i) where they may differ from those of another state.

    ``states``: the fields of both. ``matrix`` (3, 4) maps (i, j, k, 1) of the whole grid, in which ``out`` begins at
    ``start`` (k, j, i), to local mm: so a voxel has the same place to the bit in every box. Blocks that one label
    surely fills, or (unless ``whole``) that are the same in both states, are not looked at voxel by voxel.
    """
    new, old = states
    ends = (new.base != old.base).any(), (new.rim != old.rim).any()
    moved = (new.endo != old.endo).any(), (new.epi != old.epi).any(), ends[0], ends[1]
    steps = np.zeros((4, 3))
    for axis in range(3):
        steps[axis] = matrix[:, axis]
        steps[3, 0] = max(steps[3, 0], math.sqrt((steps[axis] ** 2).sum()))
    middle = 0.5 * (BLOCK - 1)
    half = middle * math.sqrt((steps[:3] ** 2).sum()) + 1e-6
    for k in range(0, out.shape[0], BLOCK):
        for j in range(0, out.shape[1], BLOCK):
            for i in range(0, out.shape[2], BLOCK):
                first = (start[2] + i, start[1] + j, start[0] + k)
                x, y, z = _place(matrix, first[0] + middle, first[1] + middle, first[2] + middle)
                if not whole and not _may_differ(states, moved, (x, y, z), half, steps[3, 0]):
                    continue
                sides = _sides(new, (x, y, z), half, steps[3, 0])
                label = _settled(sides)
                block = out[k : k + BLOCK, j : j + BLOCK, i : i + BLOCK]
                if label != UNSURE:
                    block[:] = label
                else:
                    _fill_block(new, (matrix, steps), sides, first, block)


@njit(cache=True, error_model="numpy", inline="always")
def _place(matrix, i, j, k):
    return (
        matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3],
        matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3],
        matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3],
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _fill_block(f, lattice, sides, first, out):
    matrix, steps = lattice
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                point = _place(matrix, float(first[0] + i), float(first[1] + j), float(first[2] + k))
                out[k, j, i] = label_of(f, point, steps, sides)
