"""Limits that every state keeps: how steep a surface is, how thin the wall, how near the axis.

They hold for all control points, hence everywhere on the splines.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .frame import ANGLES, STEP_MM, Frame

MINIMAL_WALL_MM = 1.5
"""Wall along the rays; the apex of a healthy ventricle is about this thin."""
SMALLEST_RADIUS_MM = 1.5
LARGEST_RADIUS_MM = 120.0
STEEPEST = 2.5
"""Largest slope of a surface against its rays: steeper, a voxel mask would tear."""
SLACK = 1.2
"""Edits may go a little beyond what a fit does, or a fitted slope could never be moved."""
STEEPEST_BASE = 4.0
"""The step from the mitral plane to the outflow tract is steeper than any wall."""
LOWEST_BASE_MM = 4.0
"""The base stays this far above the centre of the cap."""


def turns(frame: Frame) -> np.ndarray:
    """Return the turn between neighbours around, ``(rows,)``, in mm per mm radius: less towards the pole."""
    s = STEP_MM * np.arange(frame.rows)
    return np.sin(np.minimum(s / frame.cap_mm, np.pi / 2)) * (2 * np.pi / ANGLES)


@njit(cache=True, error_model="numpy", inline="always")
def _above(low, i, cap_rows, cap):
    """Return the largest value allowed beside ``low`` on the rows ``i`` and ``i + 1``."""
    return low * (1.0 + STEEPEST * STEP_MM / cap) if i < cap_rows else low + STEEPEST * STEP_MM


@njit(cache=True, error_model="numpy", inline="always")
def _below(high, i, cap_rows, cap):
    return high / (1.0 + STEEPEST * STEP_MM / cap) if i < cap_rows else high - STEEPEST * STEP_MM


@njit(cache=True, error_model="numpy")
def _settle(control, turn, cap_rows, cap, upward):
    """Lower the peaks (or raise the pits, ``upward``) in place until no neighbours are steeper than allowed."""
    rows, columns = control.shape
    changed = True
    while changed:
        changed = False
        for m in range(2 * rows):
            i = m if m < rows else 2 * rows - 1 - m
            for n in range(2 * columns):
                j = n % columns if m < rows else columns - 1 - n % columns
                left, right = control[i, (j - 1) % columns], control[i, (j + 1) % columns]
                if upward:
                    bound = max(left, right) / (1.0 + STEEPEST * turn[i])
                    if i > 0:
                        bound = max(bound, _below(control[i - 1, j], i - 1, cap_rows, cap))
                    if i < rows - 1:
                        bound = max(bound, _below(control[i + 1, j], i, cap_rows, cap))
                    wrong = control[i, j] < bound - 1e-9
                else:
                    bound = min(left, right) * (1.0 + STEEPEST * turn[i])
                    if i > 0:
                        bound = min(bound, _above(control[i - 1, j], i - 1, cap_rows, cap))
                    if i < rows - 1:
                        bound = min(bound, _above(control[i + 1, j], i, cap_rows, cap))
                    wrong = control[i, j] > bound + 1e-9
                if wrong:
                    control[i, j] = bound
                    changed = True


@njit(cache=True, error_model="numpy")
def too_steep(new, old, turn, cap_rows, cap):
    """Return whether any neighbours became steeper than allowed and than they were."""
    rows, columns = new.shape
    for i in range(rows):
        for j in range(columns):
            a, b, k = new[i, j], new[i, (j + 1) % columns], (j + 1) % columns
            if max(a, b) > min(a, b) * (1.0 + SLACK * STEEPEST * turn[i]) + 1e-6:
                if abs(a - b) > abs(old[i, j] - old[i, k]) + 1e-6:
                    return True
            if i < rows - 1:
                b = new[i + 1, j]
                if abs(a - b) > SLACK * (_above(min(a, b), i, cap_rows, cap) - min(a, b)) + 1e-6:
                    if abs(a - b) > abs(old[i, j] - old[i + 1, j]) + 1e-6:
                        return True
    return False


@njit(cache=True, error_model="numpy")
def base_too_steep(new, old, step):
    """Return whether any pair of neighbours of the base became steeper than allowed and than it was."""
    rows, columns = new.shape
    limit = STEEPEST_BASE * step + 1e-9
    for i in range(rows):
        for j in range(columns):
            if i < rows - 1:
                d = abs(new[i + 1, j] - new[i, j])
                if d > limit and d > abs(old[i + 1, j] - old[i, j]) + 1e-9:
                    return True
            if j < columns - 1:
                d = abs(new[i, j + 1] - new[i, j])
                if d > limit and d > abs(old[i, j + 1] - old[i, j]) + 1e-9:
                    return True
    return False


def flattened(control: np.ndarray, frame: Frame) -> np.ndarray:
    """Return control points without slopes beyond `STEEPEST`: halfway between the next such maps below and above."""
    below, above = np.maximum(control, SMALLEST_RADIUS_MM), np.maximum(control, SMALLEST_RADIUS_MM)
    cap_rows = frame.cap_length / STEP_MM
    _settle(below, turns(frame), cap_rows, frame.cap_mm, False)
    _settle(above, turns(frame), cap_rows, frame.cap_mm, True)
    return 0.5 * (below + above)


def relaxed(control: np.ndarray, frame: Frame, *, upward: bool) -> np.ndarray:
    """Return control points without slopes beyond `STEEPEST`, none of them lower (``upward``) or none higher.

    After a movement outwards the surroundings follow outwards, so that the moved point stays where it is.
    """
    out = np.array(control)
    _settle(out, turns(frame), frame.cap_length / STEP_MM, frame.cap_mm, upward)
    return out
