"""Analytic left ventricles for the annotation and evaluation tests."""

from __future__ import annotations

import numpy as np
from LVMLib.grid import Grid

APEX_DIRECTION = np.array([-0.62, 0.62, -0.48])


def oblique_affine(spacing: tuple[float, float, float], angle: float = 0.4) -> np.ndarray:
    """Return an affine turned about S and then about R, its origin at RAS (10, -20, 30)."""
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn * np.asarray(spacing)
    affine[:3, 3] = (10, -20, 30)
    return affine


def half_ellipsoid(
    grid: Grid,
    centre: np.ndarray,
    direction: np.ndarray = APEX_DIRECTION,
    *,
    endo: tuple[float, float] = (22.0, 60.0),
    wall: float = 9.0,
    outflow: np.ndarray | None = None,
) -> np.ndarray:
    """Return labels of a half ellipsoid cut at its equator (the mitral plane, at ``centre``), apex along ``direction``.

    ``endo`` holds short and long half axis in mm; ``outflow`` is the direction of a tube of 9 mm radius that protrudes
    12 mm from the base.
    """
    axis = direction / np.linalg.norm(direction)
    k, j, i = np.indices(grid.shape)
    offset = grid.to_ras(np.stack([i, j, k], axis=-1)) - centre
    along = offset @ axis
    across = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    inner = (across / endo[0]) ** 2 + (along / endo[1]) ** 2 <= 1
    outer = (across / (endo[0] + wall)) ** 2 + (along / (endo[1] + wall)) ** 2 <= 1
    labels = np.zeros(grid.shape, dtype=np.uint8)
    labels[outer & (along >= 0)] = 2
    labels[inner & (along >= 0)] = 1
    if outflow is not None:
        side = outflow - axis * (outflow @ axis)
        shift = offset - 12.0 * side / np.linalg.norm(side)
        tube = np.linalg.norm(shift - (shift @ axis)[..., None] * axis, axis=-1) <= 9.0
        labels[tube & (along < 0) & (along >= -12)] = 1
    return labels


def cube_grid(size: int, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0), angle: float = 0.4) -> Grid:
    """Return an oblique grid of ``size`` mm cubed."""
    shape = tuple(int(size / value) for value in spacing[::-1])
    return Grid(shape, oblique_affine(spacing, angle))


def grid_centre(grid: Grid) -> np.ndarray:
    """Return the centre of a grid, RAS mm."""
    return grid.to_ras((np.array(grid.shape[::-1]) - 1) / 2)
