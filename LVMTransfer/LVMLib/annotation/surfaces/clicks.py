"""Surfaces from scratch: a template through a few clicks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import LVMError
from ..axes import LVAxes
from .edit import RADIUS_MM, drag, require_point
from .fit import from_control
from .frame import frame_from_axes
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, WallSurfaces

ROUND_TO_LONG = 0.27
"""Radius of the cavity against its length in a normal ventricle at ED (Maceira 2006: about 25 to 90 mm)."""
WALL_MM = 9.0


def surfaces_from_points(
    axes: LVAxes,
    *,
    endocardium: Sequence[np.ndarray] = (),
    epicardium: Sequence[np.ndarray] = (),
    wall_mm: float = WALL_MM,
) -> WallSurfaces:
    """Return the surfaces of half an ellipsoid about the axes that pass through clicked points.

    Parameters
    ----------
    axes : LVAxes
        From `find_axes_from_points` (apex, mitral centre, septum) or `find_axes`.
    endocardium, epicardium : sequence of ndarray (3,)
        Points on the walls, RAS mm, in any view; each becomes a pin. Without them the size is that of a normal heart.
    wall_mm : float
        Thickness before epicardial points change it.

    Raises
    ------
    LVMError
        A point that is not finite, or a wall below 2 or above 40 mm.
    """
    if not 2.0 <= wall_mm <= 40.0:
        raise LVMError("wall", expected="2 to 40 mm", found=f"{wall_mm}", remedy="Leave it at 9 mm.")
    clicks = {
        surface: [require_point(point, f"{surface} click") for point in points]
        for surface, points in ((ENDOCARDIUM, endocardium), (EPICARDIUM, epicardium))
    }
    length = axes.length_mm
    radius = _radius(axes, clicks[ENDOCARDIUM], clicks[EPICARDIUM], wall_mm)
    frame = frame_from_axes(axes, radius_mm=radius, reach_mm=radius + wall_mm + 25.0)
    s, angle = frame.node_places
    start, direction = frame.rays(s, angle)
    height = length - float(np.linalg.norm(frame.centre - axes.apex))
    shape, control = (frame.rows, -1), {}
    for surface, extra in ((ENDOCARDIUM, 0.0), (EPICARDIUM, wall_mm)):
        rho = _to_ellipsoid(start, direction, height, (radius + extra, length + extra))
        control[surface] = rho.reshape(shape)
    control |= {part: np.full((frame.base_nodes,) * 2, height) for part in (BASE, RIM)}
    state = from_control(frame, control, axes.aortic)
    for surface, points in clicks.items():
        for point in points:
            state = drag(state, surface, state.nearest(surface, point), point, radius_mm=RADIUS_MM).surfaces
    return state


def _radius(axes: LVAxes, endo: list[np.ndarray], epi: list[np.ndarray], wall_mm: float) -> float:
    """Return the radius at the base of the half ellipsoid that fits the clicks, mm."""
    radii = []
    for points, extra in ((endo, 0.0), (epi, wall_mm)):
        for point in points:
            offset = point - axes.mitral_centre
            along = float(offset @ axes.axis)
            across = float(np.linalg.norm(offset - along * axes.axis))
            rest = 1.0 - (along / (axes.length_mm + extra)) ** 2
            if rest > 0.2:
                radii.append(across / np.sqrt(rest) - extra)
    radius = float(np.median(radii)) if radii else ROUND_TO_LONG * axes.length_mm
    return float(np.clip(radius, 8.0, 60.0))


def _to_ellipsoid(
    start: np.ndarray, direction: np.ndarray, height: float, half_axes: tuple[float, float]
) -> np.ndarray:
    """Return how far rays run to half an ellipsoid about a base at ``height``; a cylinder above it."""
    round_axis, long_axis = half_axes
    z = np.minimum(start[:, 2] - height, 0.0)
    a = (direction[:, 0] ** 2 + direction[:, 1] ** 2) / round_axis**2 + direction[:, 2] ** 2 / long_axis**2
    b = z * direction[:, 2] / long_axis**2
    c = (z / long_axis) ** 2 - 1.0
    return (-b + np.sqrt(np.maximum(b**2 - a * c, 0.0))) / a
