"""Where the wall is not as it should be: muscle inside the cavity, cavity beyond the annulus, rough thickness."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..grid import BACKGROUND, BLOOD_POOL, LVM, Grid
from .axes import LVAxes

SECTORS = 36
"""Sectors around the long axis in which the basal rim of the wall is looked for."""
RIM_PERCENTILE = 98
BASE_SKIP_MM = 10.0
"""Near the base the distance to the background is the distance to the cut, not to the epicardium."""


def papillary_wall(labels: np.ndarray) -> np.ndarray:
    """Return LVM voxels ``(Z, Y, X)`` that the cavity encloses, in space or in a slice across i, j or k.

    A papillary muscle stands on the wall, so that it is enclosed in the slices across it but not in space.
    """
    cavity, wall = labels == BLOOD_POOL, labels == LVM
    enclosed = np.zeros(labels.shape, dtype=bool)
    for axis in range(3):
        slices, flat = np.moveaxis(cavity, axis, 0), np.moveaxis(enclosed, axis, 0)
        for number in np.flatnonzero(slices.any(axis=(1, 2))):
            flat[number] |= ndimage.binary_fill_holes(slices[number])
    return wall & (enclosed | ndimage.binary_fill_holes(cavity))


def beyond_base(
    labels: np.ndarray, grid: Grid, axes: LVAxes, *, tolerance_mm: float
) -> tuple[np.ndarray, float] | None:
    """Return the cavity beyond the plane through the basal rim of the wall.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    grid, axes : Grid, LVAxes
        Their grid and axes.
    tolerance_mm : float
        How far beyond the plane is still accepted (domed leaflets), mm.

    Returns
    -------
    tuple of ndarray (Z, Y, X) of bool and float, or None
        The voxels, and how far (mm) they reach beyond the plane; None where fewer than a third of the sectors have a
        wall.
    """
    wall = grid.to_ras(np.argwhere(labels == LVM)[:, ::-1])
    offset = wall - axes.mitral_centre
    height = -offset @ axes.axis
    angle = np.arctan2(offset @ axes.anterior, -offset @ axes.septal)
    sector = ((angle + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    rim = []
    for number in np.unique(sector):
        inside = sector == number
        if inside.sum() >= 5:
            top = np.percentile(height[inside], RIM_PERCENTILE)
            rim.append(wall[inside & (height >= top)].mean(axis=0))
    if len(rim) < SECTORS // 3:
        return None
    centre, normal = _plane_through(np.array(rim), -axes.axis)
    voxels = np.argwhere(labels == BLOOD_POOL)
    above = (grid.to_ras(voxels[:, ::-1]) - centre) @ normal
    mask = np.zeros(labels.shape, dtype=bool)
    mask[tuple(voxels[above > tolerance_mm].T)] = True
    return mask, float(max(above.max(initial=0.0), 0.0))


def outflow_side(mask: np.ndarray, grid: Grid, axes: LVAxes) -> np.ndarray:
    """Return the voxels ``(Z, Y, X)`` of a mask on the side of the outflow tract; without one seen, of the septum.

    Seen from the mitral centre along the axis: the aortic valve lies on the septal and anterior side of the mitral one.
    """
    voxels = np.argwhere(mask)
    towards = axes.septal if axes.aortic is None else axes.aortic
    side = np.zeros(mask.shape, dtype=bool)
    if len(voxels):
        side[tuple(voxels[(grid.to_ras(voxels[:, ::-1]) - axes.mitral_centre) @ towards > 0].T)] = True
    return side


def reach_beyond(mask: np.ndarray, grid: Grid, axes: LVAxes) -> float:
    """Return how far (mm) a mask reaches beyond the mitral plane, 0 if it does not."""
    voxels = np.argwhere(mask)
    if not len(voxels):
        return 0.0
    return float(max(((grid.to_ras(voxels[:, ::-1]) - axes.mitral_centre) @ axes.base_normal).max(), 0.0))


def wall_thickness(labels: np.ndarray, grid: Grid, axes: LVAxes) -> np.ndarray:
    """Return a rough thickness, mm, ``(N,)``, of the wall voxels more than 10 mm below the base.

    The sum of the distances to the cavity and to the background, less one voxel because both run from voxel centre to
    voxel centre. For plausibility only; `thickness.measure_thickness` measures.
    """
    if not (labels == BLOOD_POOL).any():
        return np.empty(0)
    spacing = grid.spacing[::-1]
    padded = np.pad(labels, 1)
    inner = ndimage.distance_transform_edt(padded != BLOOD_POOL, sampling=spacing)
    outer = ndimage.distance_transform_edt(padded != BACKGROUND, sampling=spacing)
    voxels = np.argwhere(labels == LVM)
    depth = (axes.mitral_centre - grid.to_ras(voxels[:, ::-1])) @ axes.base_normal
    total = (inner + outer)[1:-1, 1:-1, 1:-1][labels == LVM] - grid.voxel_volume ** (1 / 3)
    return total[depth > BASE_SKIP_MM]


def _plane_through(points: np.ndarray, towards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit a plane to points (N, 3), leaving out those more than 2.5 robust SD away; point and unit normal."""
    keep = np.ones(len(points), dtype=bool)
    centre, normal = points.mean(axis=0), towards
    for _ in range(5):
        centre = points[keep].mean(axis=0)
        normal = np.linalg.svd((points[keep] - centre).T @ (points[keep] - centre))[0][:, -1]
        normal = normal if normal @ towards > 0 else -normal
        distance = np.abs((points - centre) @ normal)
        keep = distance <= max(2.5 * 1.4826 * np.median(distance), 2.0)
    return centre, normal
