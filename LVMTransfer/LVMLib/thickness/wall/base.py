"""The base of the wall: where the measurement ends, towards the mitral and aortic valves.

The blood pool label ends at the valves, so its contact with the background is the opening of the ventricle. A cut by
one plane gives a flat base. On a heart the mitral and the aortic opening meet at an angle and the wall ends in a ring
that rises and dips; the base is then a height above the ring's plane for every direction about the ventricle's axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...errors import ThicknessError
from ...grid import BLOOD_POOL, LVM
from .lid import numbers
from .scan import open_faces

# An opening smaller than this part of the blood pool's surface is a hole in the wall, not the base.
MIN_OPENING = 0.03
# A further opening counts as part of the base from this fraction of the largest one: mitral and aortic valve.
SECOND_OPENING = 0.2
# The faces of a plane's cut lie within half a voxel of the plane, 0.29 in root mean square; a little more is forgiven.
FLAT_VOXELS = 0.35
SECTORS = 72
MIN_CURVE_POINTS = 6
# A curve that stays this near to its plane, mm, was meant to be flat.
FLAT_CURVE_MM = 0.25


@dataclass(frozen=True, eq=False)
class Base:
    """Where the wall ends, in some orthonormal frame in mm.

    Parameters
    ----------
    origin : ndarray (3,)
        A point of the base plane, on the axis of the ventricle.
    axes : ndarray (3, 3)
        Rows: two unit vectors in the plane, and its normal away from the apex.
    lid : ndarray (A,)
        Height of the base above the plane, mm, at A equal steps of the angle from the first axis to the second;
        one zero for a flat base.
    """

    origin: np.ndarray
    axes: np.ndarray
    lid: np.ndarray

    @property
    def flat(self) -> bool:
        """Whether the base is a plane."""
        return self.lid.size == 1

    @property
    def frame(self) -> tuple:
        """Origin (3,) and axes (3, 3) as tuples, as `lid.in_plane` takes them."""
        return numbers(self.origin), tuple(numbers(axis) for axis in self.axes)

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return the height of points (N, 3) above the base, mm; negative on the apex's side."""
        a, b, c = ((np.asarray(points, float) - self.origin) @ self.axes.T).T
        if self.flat:
            return c - self.lid[0]
        position = np.arctan2(b, a) / (2 * np.pi) * self.lid.size
        wrapped = np.append(self.lid, self.lid[0])
        return c - np.interp(position % self.lid.size, np.arange(self.lid.size + 1), wrapped)

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> Base:
        """Return the base in the frame ``p' = rotation p + translation`` (rotation may hold a reflection)."""
        return Base(rotation @ self.origin + translation, self.axes @ rotation.T, self.lid)


def plane_base(point: np.ndarray, normal: np.ndarray) -> Base:
    """Return a flat base through ``point`` (3,) with ``normal`` (3,) away from the apex.

    Raises
    ------
    ThicknessError
        The point or the normal is no finite vector, or the normal vanishes.
    """
    point, normal = np.asarray(point, float), np.asarray(normal, float)
    good = point.shape == (3,) and normal.shape == (3,) and np.isfinite([*point, *normal]).all()
    length = np.linalg.norm(normal) if good else 0.0
    if length < 1e-9:
        raise ThicknessError(
            "base plane",
            expected="a point and a normal, each three finite numbers in RAS mm",
            found=f"point {point}, normal {normal}",
            remedy="Place the plane on the mitral annulus with its normal away from the apex.",
        )
    normal = normal / length
    first = np.cross(np.eye(3)[np.argmin(np.abs(normal))], normal)
    first /= np.linalg.norm(first)
    return Base(point, np.array([first, np.cross(normal, first), normal]), np.zeros(1))


def given_base(plane: tuple | None, curves: list | None, inner: Callable[[], np.ndarray]) -> Base | None:
    """Return the base that a caller gave, as a plane or as curves, in RAS mm; None where neither is given.

    Raises
    ------
    ThicknessError
        Both are given, or what is given is no base.
    """
    if plane is not None and curves is not None:
        raise ThicknessError(
            "base",
            expected="a plane or curves",
            found="both",
            remedy="Give one of them, or none to find the base from the mask.",
        )
    if plane is not None:
        return plane_base(*plane)
    return None if curves is None else curve_base(curves, inner())


def curve_base(curves: list[np.ndarray], inner: np.ndarray) -> Base:
    """Return the base through closed curves on the annuli: the mitral one, or the mitral and the aortic one.

    In every direction about the ventricle's axis the wall ends at the outer curve of the two.

    Parameters
    ----------
    curves : list of ndarray (N, 3)
        Points along each curve, mm.
    inner : ndarray (3,)
        A point on the apex's side, mm.

    Raises
    ------
    ThicknessError
        A curve has fewer than six points, is not finite, or all points lie on one line.
    """
    curves = [np.asarray(curve, float) for curve in curves]
    for curve in curves:
        if curve.ndim != 2 or curve.shape[1:] != (3,) or len(curve) < MIN_CURVE_POINTS or not np.isfinite(curve).all():
            _refuse_curves(f"an array of shape {curve.shape}")
    points = np.concatenate([_dense(curve) for curve in curves]) if curves else np.empty((0, 3))
    if len(points) == 0 or np.linalg.svd(points - points.mean(axis=0), compute_uv=False)[1] < 1.0:
        _refuse_curves("no curve" if len(points) == 0 else "points on one line")
    origin, normal = _fit_plane(points, inner)
    base = plane_base(origin, normal)
    a, b, c = ((points - origin) @ base.axes.T).T
    radius, sector = np.hypot(a, b), _sector(a, b)
    known = np.unique(sector)
    outermost = [np.flatnonzero(sector == s)[np.argmax(radius[sector == s])] for s in known]
    lid = _lid(known, c[outermost])
    return base if np.abs(lid).max() < FLAT_CURVE_MM else Base(origin, base.axes, lid)


def _dense(curve):
    """Points every half millimetre along a closed curve."""
    closed = np.vstack([curve, curve[:1]])
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0, way[-1], max(int(2 * way[-1]), len(curve)), endpoint=False)
    return np.stack([np.interp(at, way, closed[:, axis]) for axis in range(3)], axis=-1)


def _refuse_curves(found):
    raise ThicknessError(
        "base curves",
        expected=f"closed curves of at least {MIN_CURVE_POINTS} points in RAS mm around the valves",
        found=found,
        remedy="Place a closed curve markup along the mitral annulus, and another along the aortic one if wanted.",
    )


def _sector(a, b):
    return np.floor(np.arctan2(b, a) / (2 * np.pi) * SECTORS).astype(int) % SECTORS


def _lid(known, heights):
    """Heights at the start of every sector, smooth, from those in the middle of some sectors."""
    filled = np.interp(np.arange(SECTORS), known, heights, period=SECTORS)
    lid = ndimage.gaussian_filter1d(filled, 2.0, mode="wrap")
    return np.ascontiguousarray(0.5 * (lid + np.roll(lid, 1)))


def find_base(labels: np.ndarray, spacing: np.ndarray) -> tuple[Base | None, np.ndarray, np.ndarray, int, float]:
    """Find the base from where the blood pool meets the background.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        With at least one voxel of background on every side.
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.

    Returns
    -------
    base : Base or None
        In the frame ``index * spacing``; None for a ventricle that is closed all around.
    opening : ndarray (N, 3)
        Centres of the faces on which the blood pool meets the background at the base, in the same frame.
    hole_faces : ndarray (M, 3)
        The same for the holes in the wall.
    holes : int
        Number of openings that are not the base: holes in the wall.
    bare : float
        Part of the blood pool's surface that meets the background.
    """
    faces, surface = open_faces(labels)
    bare = len(faces) / surface
    owners, side = faces[:, :3].astype(int), faces[:, 3]
    centres = owners[:, ::-1] + np.where(np.arange(3) == side[:, None] // 2, side[:, None] % 2 - 0.5, 0.0)
    if len(centres) == 0:
        return None, np.empty((0, 3)), np.empty((0, 3)), 0, bare
    corner = owners.min(axis=0)
    pool = np.zeros(owners.max(axis=0) - corner + 1, bool)
    pool[tuple((owners - corner).T)] = True
    groups, count = ndimage.label(pool, np.ones((3, 3, 3)))
    member = groups[tuple((owners - corner).T)]
    sizes = np.bincount(member, minlength=count + 1)
    if sizes.max() < MIN_OPENING * surface:
        return None, np.empty((0, 3)), centres * spacing, count, bare
    chosen = np.flatnonzero(sizes >= SECOND_OPENING * sizes.max())
    in_base = np.isin(member, chosen)
    others, centres = centres[~in_base] * spacing, centres[in_base] * spacing
    owners = owners[in_base]
    pool_centre = np.argwhere(labels == BLOOD_POOL).mean(axis=0)[::-1] * spacing
    origin, normal = _fit_plane(centres, pool_centre)
    rough = np.sqrt(np.mean(((centres - origin) @ normal) ** 2))
    flat = rough <= FLAT_VOXELS * spacing.mean()
    base = plane_base(origin, normal) if flat else _ring_base(labels, spacing, owners, pool_centre)
    return base, centres, others, count - len(chosen), bare


def _fit_plane(points, inner):
    origin = points.mean(axis=0)
    normal = np.linalg.eigh(np.cov((points - origin).T))[1][:, 0]
    return origin, normal if normal @ (origin - inner) >= 0 else -normal


def _ring_base(labels, spacing, owners, pool_centre):
    """The base through the ring on which blood pool, wall and background meet."""
    near_wall = ndimage.binary_dilation(labels == LVM, np.ones((3, 3, 3)), iterations=1)
    ring = owners[near_wall[tuple(owners.T)]][:, ::-1] * spacing
    if len(ring) < 12:
        ring = owners[:, ::-1] * spacing
    origin, normal = _fit_plane(ring, pool_centre)
    base = plane_base(origin, normal)
    a, b, c = ((ring - origin) @ base.axes.T).T
    sector = _sector(a, b)
    known = np.unique(sector)
    # The lower part of the ring in every direction: below it the wall is whole.
    heights = np.array([np.quantile(c[sector == s], 0.25) for s in known])
    return Base(origin, base.axes, _lid(known, heights) - 0.5 * spacing.mean())
