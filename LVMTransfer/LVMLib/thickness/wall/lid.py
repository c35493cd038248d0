"""Where a voxel lies against the base, and what is given for every direction about the ventricle's axis.

That is the height of the base and the slope of a surface. Compiled code takes the base's origin and axes as tuples:
unpacking arrays for every voxel would count references most of the time.
"""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

import math
from collections.abc import Iterable

import numba

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}


def numbers(values: Iterable[float]) -> tuple[float, ...]:
    """Return the values as a tuple of floats."""
    return tuple(float(value) for value in values)


@numba.njit(**_CACHE)
def turn(a, b):
    """The direction (a, b) as a part of a full turn, 0 to 1, from the first axis to the second."""
    part = math.atan2(b, a) / (2 * math.pi)
    return part if part >= 0 else part + 1.0


@numba.njit(**_CACHE)
def around(table, part):
    """Value of a table of equal steps of a turn, linear between its entries, at a part of the turn."""
    position = part * table.size
    m = int(position)
    t = position - m
    return table[m % table.size] * (1 - t) + table[(m + 1) % table.size] * t


@numba.njit(**_CACHE)
def lid_height(x, y, z, e1, e2, lid):
    """Height of the base above its plane, mm, in the direction of the point (x, y, z) from the base's origin."""
    if lid.size == 1:
        return lid[0]
    return around(lid, turn(x * e1[0] + y * e1[1] + z * e1[2], x * e2[0] + y * e2[1] + z * e2[2]))


@numba.njit(**_CACHE)
def in_plane(k, j, i, spacing, frame, lid):
    """Coordinates of a voxel along the two axes of the base, and its height over the base, mm."""
    origin, (e1, e2, n) = frame
    x, y, z = i * spacing[0] - origin[0], j * spacing[1] - origin[1], k * spacing[2] - origin[2]
    a = x * e1[0] + y * e1[1] + z * e1[2]
    b = x * e2[0] + y * e2[1] + z * e2[2]
    height = x * n[0] + y * n[1] + z * n[2]
    return a, b, height - (lid[0] if lid.size == 1 else around(lid, turn(a, b)))


@numba.njit(**_CACHE)
def row_heights(k, j, length, spacing, frame):
    """Lowest and highest height of a row of voxels over the plane of the base, mm."""
    origin, (_, _, n) = frame
    height = (j * spacing[1] - origin[1]) * n[1] + (k * spacing[2] - origin[2]) * n[2] - origin[0] * n[0]
    other = height + (length - 1) * spacing[0] * n[0]
    return min(height, other), max(height, other)
