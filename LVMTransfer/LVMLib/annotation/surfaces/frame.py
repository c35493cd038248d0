"""Coordinates of the left ventricle in which both surfaces are functions: a capped cylinder about the long axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import LabelError
from ...grid import BLOOD_POOL, Grid
from ..axes import LVAxes

STEP_MM = 2.5
"""Distance of the control rows along the meridians, and of the control points of the base."""
ANGLES = 64
"""Control points around the long axis: 2.5 mm apart on a cavity of 50 mm."""
CAP_STRETCH = 1.2
"""The cap begins where the tip of the cavity is this many radii away: there the apex is nearly a half sphere."""
SLAB_MM = 2.0
MARGIN_MM = 15.0
"""How far the control rows go on beyond the highest labelled cavity, for edits."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A capped cylinder: rays leave the long axis at right angles, and beyond the centre of the cap they fan out.

    A place is ``(s, angle, rho)``: ``s`` runs along the meridian from the apex, mm at the radius of the cap; ``angle``
    in radians from the lateral wall (0) to the anterior wall (pi / 2), as in the AHA bull's-eye; ``rho`` is the
    distance from the axis (or from the centre of the cap) along the ray, mm. Every place off the axis has exactly one.

    Parameters
    ----------
    centre : ndarray (3,)
        Centre of the cap on the long axis, RAS mm.
    turn : ndarray (3, 3)
        Rows: unit vectors to the lateral wall, to the anterior wall, and along the axis to the base, RAS.
    cap_mm : float
        Radius of the cap.
    top_mm : float
        Height of the last control row above the centre of the cap, mm.
    reach_mm : float
        Half width of the square on which the base is defined, mm.
    """

    centre: np.ndarray
    turn: np.ndarray
    cap_mm: float
    top_mm: float
    reach_mm: float

    def __post_init__(self) -> None:
        for name in ("centre", "turn"):
            value = np.array(getattr(self, name), dtype=float)
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def cap_length(self) -> float:
        """The ``s`` at which the cylinder begins, mm."""
        return 0.5 * np.pi * self.cap_mm

    @property
    def rows(self) -> int:
        """Number of control rows from the pole to the top."""
        return int(np.ceil((self.cap_length + self.top_mm) / STEP_MM)) + 1

    @property
    def base_nodes(self) -> int:
        """Number of control points of the base along each side."""
        return 2 * int(np.ceil(self.reach_mm / STEP_MM)) + 1

    def local(self, ras: np.ndarray) -> np.ndarray:
        """Map RAS mm ``(..., 3)`` to lateral, anterior and basal mm from the centre of the cap."""
        return (np.asarray(ras, dtype=float) - self.centre) @ self.turn.T

    def ras(self, local: np.ndarray) -> np.ndarray:
        """Map local mm ``(..., 3)`` to RAS mm."""
        return np.asarray(local, dtype=float) @ self.turn + self.centre

    def rays(self, s: np.ndarray, angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where rays begin and their unit vectors, each ``(..., 3)``, in local mm."""
        s, angle = np.broadcast_arrays(np.asarray(s, dtype=float), np.asarray(angle, dtype=float))
        tilt = np.minimum(s / self.cap_mm, 0.5 * np.pi)
        across = np.sin(tilt)
        direction = np.stack([across * np.cos(angle), across * np.sin(angle), -np.cos(tilt)], axis=-1)
        direction[s >= self.cap_length, 2] = 0.0
        start = np.zeros_like(direction)
        start[..., 2] = np.maximum(s - self.cap_length, 0.0)
        return start, direction

    @cached_property
    def node_places(self) -> tuple[np.ndarray, np.ndarray]:
        """``s`` and angle of all lateral control points, each ``(rows * 64,)``."""
        s, angle = np.meshgrid(STEP_MM * np.arange(self.rows), 2 * np.pi * np.arange(ANGLES) / ANGLES, indexing="ij")
        return s.ravel(), angle.ravel()

    @cached_property
    def node_rays(self) -> tuple[np.ndarray, np.ndarray]:
        """Where the rays of all lateral control points begin and their unit vectors, each ``(rows * 64, 3)``, local."""
        return self.rays(*self.node_places)

    def place(self, ras: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return ``(s, angle, rho)`` of RAS points ``(..., 3)``."""
        x, y, z = np.moveaxis(self.local(ras), -1, 0)
        across = np.hypot(x, y)
        cap = z < 0
        rho = np.where(cap, np.sqrt(across**2 + z**2), across)
        s = np.where(cap, self.cap_mm * np.arctan2(across, -z), self.cap_length + z)
        return s, np.arctan2(y, x), rho

    def points(self, s: np.ndarray, angle: np.ndarray, rho: np.ndarray) -> np.ndarray:
        """Return the RAS points ``(..., 3)`` of places."""
        start, direction = self.rays(s, angle)
        return self.ras(start + np.asarray(rho)[..., None] * direction)


def frame_from_labels(labels: np.ndarray, grid: Grid, axes: LVAxes) -> Frame:
    """Return the frame whose axis follows the middle of the labelled cavity.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM, one body each.
    grid : Grid
    axes : LVAxes
        Says where base and septum are.

    Raises
    ------
    LabelError
        The cavity is shorter than 10 mm along the axis.
    """
    cavity = grid.to_ras(np.argwhere(labels == BLOOD_POOL)[:, ::-1])
    body = grid.to_ras(np.argwhere(labels > 0)[:, ::-1])
    point, up = _middle_line(cavity, axes)
    turn = _turn(up, axes.septal)
    local = (cavity - point) @ turn.T
    height, across = local[:, 2], np.hypot(local[:, 0], local[:, 1])
    tip = float(np.mean(np.sort(height)[: max(len(height) // 1000, 3)]))
    outer = (body - point) @ turn.T
    cap = _cap_height(height, tip, grid.voxel_volume)
    near = np.abs(outer[:, 2] - cap) < SLAB_MM
    middle_wall = 0.5 * (_radius(np.abs(height - cap) < SLAB_MM, grid) + _radius(near, grid))
    reach = float(max(across.max(), np.hypot(outer[:, 0], outer[:, 1]).max())) + MARGIN_MM
    top = float(max(height.max(), outer[:, 2].max())) - cap + MARGIN_MM
    return Frame(point + cap * turn[2], turn, middle_wall, top, reach)


def frame_from_axes(axes: LVAxes, *, radius_mm: float, reach_mm: float) -> Frame:
    """Return the frame about given axes for a cavity of about ``radius_mm``, mm."""
    turn = _turn(-axes.axis, axes.septal)
    cap = min(CAP_STRETCH * radius_mm, 0.6 * axes.length_mm)
    return Frame(axes.apex + cap * turn[2], turn, radius_mm + 4.0, axes.length_mm - cap + 2 * MARGIN_MM, reach_mm)


def _turn(up: np.ndarray, septal: np.ndarray) -> np.ndarray:
    lateral = -(septal - up * (septal @ up))
    lateral /= np.linalg.norm(lateral)
    return np.stack([lateral, np.cross(-up, lateral), up])


def _radius(inside: np.ndarray, grid: Grid) -> float:
    """Radius (mm) of the circle of the same area, of points in a slab of two ``SLAB_MM``."""
    return float(np.sqrt(np.count_nonzero(inside) * grid.voxel_volume / (2 * SLAB_MM) / np.pi))


def _middle_line(cavity: np.ndarray, axes: LVAxes) -> tuple[np.ndarray, np.ndarray]:
    """Return a point and the unit vector to the base of the line through the middles of the cavity's slices."""
    point, up = np.array(axes.apex), -np.array(axes.axis)
    for _ in range(3):
        height = (cavity - axes.apex) @ up
        number = np.floor(height / SLAB_MM).astype(int)
        length = float((axes.mitral_centre - axes.apex) @ up)
        used = (height > 0.08 * length) & (height < 0.85 * length)
        if used.sum() < 10 or np.ptp(height[used]) < 10.0:
            raise LabelError(
                "labels",
                expected="a cavity at least 10 mm long below the mitral valve",
                found=f"{np.ptp(height):.1f} mm",
                remedy="Check the labels, or click apex, mitral centre and septum instead.",
            )
        slabs = np.unique(number[used])
        middles = np.array([cavity[used & (number == n)].mean(axis=0) for n in slabs])
        point = middles.mean(axis=0)
        along = np.linalg.svd(middles - point)[2][0]
        up = along if along @ up > 0 else -along
    return point, up


def _cap_height(height: np.ndarray, tip: float, voxel_mm3: float) -> float:
    """Height at which the tip of the cavity is `CAP_STRETCH` radii away, at most halfway up."""
    slabs = np.floor((height - tip) / SLAB_MM).astype(int)
    area = np.bincount(np.clip(slabs, 0, None)) * voxel_mm3 / SLAB_MM
    radius = np.sqrt(area / np.pi)
    rise = (np.arange(len(radius)) + 0.5) * SLAB_MM
    enough = np.flatnonzero(rise >= CAP_STRETCH * radius)
    enough = enough[enough >= 2]
    first = rise[enough[0]] if len(enough) else 0.5 * rise[-1]
    return tip + float(min(first, 0.5 * rise[-1]))
