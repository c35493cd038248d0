"""A smooth sheet that spans a closed curve, such as the plane of a valve that is not quite a plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import CubicSpline, RBFInterpolator

CURVE_POINTS = 96
"""Points along a curve: below 1.5 mm apart on the largest mitral annulus."""
RASTER_MM = 0.5
REACH_MM = 16.0
"""How far beyond the curve the sheet is continued, at the height of the nearest point of its rim."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A height over the plane that fits a closed curve best.

    Parameters
    ----------
    curve : ndarray (N, 3)
        The curve, RAS mm, evenly spaced.
    frame : ndarray (3, 3)
        Unit vectors u, v (in the plane) and the normal, away from the apex, as rows.
    origin : ndarray (3,)
        RAS mm of raster pixel (0, 0) in the plane.
    heights, outside : ndarray (V, U)
        On a raster of `RASTER_MM`: height of the sheet over the plane, and distance from the curve in the plane,
        negative inside; mm.
    """

    curve: np.ndarray
    frame: np.ndarray
    origin: np.ndarray
    heights: np.ndarray
    outside: np.ndarray

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return how far points ``(..., 3)`` RAS mm lie beyond the sheet, mm along its normal; negative = apical."""
        u, v, w = self._local(points)
        return w - ndimage.map_coordinates(self.heights, [v, u], order=1, mode="nearest")

    def distance_outside(self, points: np.ndarray) -> np.ndarray:
        """Return how far points ``(..., 3)`` lie outside the curve, seen along the normal, mm; negative inside."""
        u, v, _ = self._local(points)
        return ndimage.map_coordinates(self.outside, [v, u], order=1, mode="constant", cval=np.inf)

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """Return points ``(N, 3)`` RAS mm and triangles ``(M, 3)`` of the sheet within its curve, for display."""
        step = 4
        inside = self.outside[::step, ::step] <= 0
        number = np.full(inside.shape, -1)
        number[inside] = np.arange(inside.sum())
        v, u = np.nonzero(inside)
        heights = self.heights[::step, ::step][inside]
        points = self.origin + np.column_stack([u * step * RASTER_MM, v * step * RASTER_MM, heights]) @ self.frame
        corners = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1).reshape(-1, 4)
        corners = corners[(corners >= 0).all(axis=1)]
        return points, np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])

    def _local(self, points: np.ndarray) -> np.ndarray:
        local = np.moveaxis((np.asarray(points, dtype=float) - self.origin) @ self.frame.T, -1, 0)
        return np.stack([local[0] / RASTER_MM, local[1] / RASTER_MM, local[2]])


def smooth_closed(points: np.ndarray, count: int = CURVE_POINTS) -> np.ndarray:
    """Return ``count`` evenly spaced points ``(count, 3)`` of the periodic cubic spline through ``points``, RAS mm."""
    loop = np.vstack([points, points[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(loop, axis=0), axis=1))])
    spline = CubicSpline(length, loop, bc_type="periodic")
    dense = spline(np.linspace(0, length[-1], 8 * count + 1))
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(dense, axis=0), axis=1))])
    even = np.linspace(0, along[-1], count, endpoint=False)
    return np.column_stack([np.interp(even, along, dense[:, axis]) for axis in range(3)])


def fit_sheet(points: np.ndarray, *, apical: np.ndarray) -> Sheet:
    """Fit a thin-plate sheet through a closed curve.

    Parameters
    ----------
    points : ndarray (N, 3)
        Control points of the curve in order, RAS mm; see `valves.require_curve`.
    apical : ndarray (3,)
        A point on the apical side, RAS mm.

    Returns
    -------
    Sheet
        It passes through the curve and bends as little as possible within (thin-plate spline, Duchon 1977).
    """
    curve = smooth_closed(np.asarray(points, dtype=float))
    frame = plane_frame(curve, apical=apical)
    local = (curve - curve.mean(axis=0)) @ frame.T
    low = local[:, :2].min(axis=0) - REACH_MM
    size = np.ceil((local[:, :2].max(axis=0) + REACH_MM - low) / RASTER_MM).astype(int) + 1
    flat = local[:, :2] - low
    v, u = np.indices((size[1], size[0])) * RASTER_MM
    pixels = np.column_stack([u.ravel(), v.ravel()])
    inside = _inside(pixels, flat).reshape(u.shape)
    # Distances between pixel centres; the curve runs half a pixel before the first pixel of the other side.
    away, within = ndimage.distance_transform_edt(~inside), ndimage.distance_transform_edt(inside)
    outside = RASTER_MM * np.where(inside, 0.5 - within, away - 0.5)
    heights = np.zeros(u.shape)
    heights[inside] = RBFInterpolator(flat, local[:, 2], kernel="thin_plate_spline")(pixels[inside.ravel()])
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    heights = heights[tuple(nearest)]
    origin = curve.mean(axis=0) + np.array([*low, 0.0]) @ frame
    return Sheet(curve, frame, origin, heights, outside)


def plane_frame(curve: np.ndarray, *, apical: np.ndarray) -> np.ndarray:
    """Return u, v and the normal of the plane that fits a curve best, rows of ``(3, 3)``; it leaves the apex."""
    offset = curve - curve.mean(axis=0)
    u, _, normal = np.linalg.svd(offset, full_matrices=False)[2]
    if normal @ (curve.mean(axis=0) - np.asarray(apical, dtype=float)) < 0:
        normal = -normal
    return np.stack([u, np.cross(normal, u), normal])


def _inside(pixels: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Whether points (P, 2) lie in a polygon (N, 2): an odd number of its edges crosses the ray to +u."""
    odd = np.zeros(len(pixels), dtype=bool)
    for (u0, v0), (u1, v1) in zip(polygon, np.roll(polygon, -1, axis=0)):
        if v0 == v1:
            continue
        crossing = (pixels[:, 1] < v0) != (pixels[:, 1] < v1)
        odd ^= crossing & (pixels[:, 0] < u0 + (pixels[:, 1] - v0) * (u1 - u0) / (v1 - v0))
    return odd
