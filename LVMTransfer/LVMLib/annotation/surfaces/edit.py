"""Edits of the surfaces: drag, push, smooth, lock. Each takes a state and returns a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import LVMError
from .frame import STEP_MM
from .limits import LOWEST_BASE_MM, SMALLEST_RADIUS_MM
from .reach import (
    apply,
    at_places,
    bump,
    control_place,
    keep_true_pins,
    nodes,
    reach,
    value_at,
)
from .spline import settle_pole
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, SURFACES, Pin, WallSurfaces, require_surface

RADIUS_MM = 60.0
"""Reach of a drag: at a quarter of it about half of the movement is left. Earlier drops stay, so it may be wide."""
NEAREST_PIN_MM = 4.0
"""A drop closer than this to an earlier one replaces it."""
MOST_PINS = 24
WIDER = (1.0, 1.6, 2.5)
"""A movement too steep for its radius takes a wider one."""
BETWEEN_PINS = (1.0, 0.6, 0.35)
"""Among earlier drops a movement may be too steep because it reaches them: then it stays nearer."""
SAME_WAY = 0.3
"""Cosine between the rays of two places below which a drag has gone across the axis."""
EXACT_MM = 0.05
FARTHEST_MM = 30.0
"""No wall moves farther at once; a drop beyond is a slip of the hand."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What an edit did.

    Parameters
    ----------
    surfaces : WallSurfaces
        The new state; the old one is untouched.
    reached : bool
        Whether the surface is where it was asked to be, within 0.05 mm.
    message : str
        Why it stopped short, for the reader; empty where it did not.
    """

    surfaces: WallSurfaces
    reached: bool = True
    message: str = ""


def drag(
    state: WallSurfaces,
    surface: str,
    from_point: np.ndarray,
    to_point: np.ndarray,
    *,
    radius_mm: float = RADIUS_MM,
    pin: bool = True,
) -> Edit:
    """Move a surface so that it passes through a point.

    What was dropped before (the pins) stays where it was dropped. Where the wall would become too thin, the other
    surface is pushed along. A movement too steep for its radius reaches farther.

    Parameters
    ----------
    state : WallSurfaces
        While the mouse moves: always the state at which it was pressed, so that the drag is one step.
    surface : str
        ``"endocardium"``, ``"epicardium"`` or ``"base"`` (moved along the axis, the end of the wall with it).
    from_point, to_point : ndarray (3,)
        Where the surface was taken, and where it is dropped, RAS mm. In any view.
    radius_mm : float
        Beyond this distance nothing moves.
    pin : bool
        Keep the dropped point in later drags.

    Returns
    -------
    Edit
        Not reached where locks or limits forbid it, or across the axis: then as near as they allow.

    Raises
    ------
    LVMError
        A point that is not three finite numbers, no such surface, or a radius that is not above zero.
    """
    require_surface(surface)
    radius = require_radius(radius_mm)
    start, end = (require_point(point, name) for point, name in ((from_point, "grip"), (to_point, "drop")))
    goal, message = _within_reach(state, surface, start, end)
    u, v, value = control_place(state, surface, goal)
    if surface == BASE:
        moved = _move_base(state, (u, v, value), start, radius)
    else:
        moved = _move_lateral(state, surface, (u, v, value), goal, radius)
    part = _base_part(state, start) if surface == BASE else surface
    short = abs(value_at(moved, part, u, v) - value)
    if short > EXACT_MM and not message:
        message = f"The surface stopped {short:.1f} mm short: {_reason(state, part)}."
    if pin and short <= EXACT_MM and not message and part != RIM:
        moved = replace(moved, pins=(*_without_near(state.pins, surface, goal), Pin(surface, tuple(goal.tolist()))))
    return Edit(keep_true_pins(moved), not message, message)


def push(
    state: WallSurfaces, surface: str, point: np.ndarray, *, distance_mm: float, radius_mm: float = RADIUS_MM
) -> Edit:
    """Push a surface outwards (for the base: away from the apex) at a point, or pull it inwards (below zero), mm.

    Errors and limits as in `drag`; no pin is left.
    """
    require_surface(surface)
    point = require_point(point, "point")
    if not np.isfinite(distance_mm):
        raise LVMError("distance", expected="mm", found=f"{distance_mm}", remedy="Choose for example 2 mm.")
    place = state.nearest(surface, point)
    if surface == BASE:
        way = state.frame.turn[2]
    else:
        s, angle, _ = state.frame.place(place)
        way = state.frame.rays(s, angle)[1] @ state.frame.turn
    return drag(state, surface, place, place + distance_mm * way, radius_mm=radius_mm, pin=False)


def smooth(
    state: WallSurfaces, surface: str, point: np.ndarray, *, radius_mm: float = RADIUS_MM, strength: float = 0.5
) -> Edit:
    """Smooth a surface about a point.

    Parameters
    ----------
    strength : float
        0 = nothing to 1 = bumps of about 8 mm vanish in the middle; less towards ``radius_mm``.

    Raises
    ------
    LVMError
        As in `drag`; a strength outside 0 to 1.
    """
    require_surface(surface)
    radius, place = require_radius(radius_mm), state.nearest(surface, require_point(point, "point"))
    if not 0.0 <= strength <= 1.0:
        raise LVMError("strength", expected="0 to 1", found=f"{strength}", remedy="Choose for example 0.5.")
    weight = _weights(state, surface, place, radius)
    reached = True
    for part in (BASE, RIM) if surface == BASE else (surface,):
        softer = np.array(state.control[part])
        for _ in range(12):
            softer = _averaged(softer, lateral=surface != BASE)
        change = strength * weight.reshape(softer.shape) * (softer - state.control[part])
        if surface != BASE:
            change = settle_pole(change)
        state, done = apply(state, part, change)
        reached &= done > 0.99
    return Edit(keep_true_pins(state), reached, "" if reached else "The limits of the wall allow no more smoothing.")


def lock(
    state: WallSurfaces,
    surface: str | None = None,
    *,
    point: np.ndarray | None = None,
    plane: np.ndarray | None = None,
    width_mm: float = 8.0,
    locked: bool = True,
) -> WallSurfaces:
    """Lock (or unlock) a surface, a region of it, or a slice: nothing moves it there any more.

    Parameters
    ----------
    state : WallSurfaces
    surface : str, optional
        All surfaces otherwise.
    point : ndarray (3,), optional
        Only within ``width_mm`` of this point, RAS mm.
    plane : ndarray (4, 4), optional
        Only within half of ``width_mm`` of this plane.
    width_mm : float
        Size of region or slice, mm.
    locked : bool
        False = unlock.

    Raises
    ------
    LVMError
        As in `drag`.
    """
    masks = dict(state.locked)
    for name in SURFACES if surface is None else (surface,):
        require_surface(name)
        where = _locked_nodes(state, name, point, plane, require_radius(width_mm))
        for part in (BASE, RIM) if name == BASE else (name,):
            before = masks.get(part, np.zeros(state.control[part].shape, bool))
            masks[part] = before | where if locked else before & ~where
    return replace(state, locked={part: mask for part, mask in masks.items() if mask.any()})


def require_point(point: np.ndarray, name: str) -> np.ndarray:
    """Return a point (3,) RAS mm, or raise `LVMError` unless it is three finite numbers."""
    value = np.asarray(point, dtype=float)
    if value.shape != (3,) or not np.isfinite(value).all():
        raise LVMError(
            f"{name} of the edit", expected="a point in RAS mm", found=f"{point}", remedy="Pick the point in a view."
        )
    return value


def require_radius(radius_mm: float) -> float:
    """Return a radius in mm, or raise `LVMError` unless it is finite and above zero."""
    if not 0.0 < radius_mm < np.inf:
        raise LVMError("radius", expected="mm above 0", found=f"{radius_mm}", remedy="Choose for example 35 mm.")
    return max(float(radius_mm), 2 * STEP_MM)


def _within_reach(state: WallSurfaces, surface: str, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the nearest point to ``end`` that the surface can reach from ``start``, and why it is another one."""
    frame, far = state.frame, float(np.linalg.norm(end - start))
    if far > FARTHEST_MM:
        end = start + (end - start) * (0.999 * FARTHEST_MM / far)
        return _within_reach(state, surface, start, end)[0], "The point was dragged too far for one movement."
    if surface == BASE:
        local = frame.local(end)
        nearest = local.copy()
        beside = np.hypot(*local[:2]) / (state.fields.reach - STEP_MM)
        nearest[:2] /= max(beside, 1.0)
        nearest[2] = np.clip(local[2], LOWEST_BASE_MM, frame.top_mm - 1.0)
        moved = np.abs(nearest - local).max() > EXACT_MM
        return frame.ras(nearest), "The base cannot be moved so far." if moved else ""
    (s0, a0, _), (s1, a1, rho) = frame.place(start), frame.place(end)
    (_, from_ray), (origin, to_ray) = frame.rays(s0, a0), frame.rays(s1, a1)
    if from_ray @ to_ray < SAME_WAY:
        origin, ray = frame.rays(s0, a0)
        along = max(float((frame.local(end) - origin) @ ray), SMALLEST_RADIUS_MM)
        return frame.ras(origin + along * ray), "The point was dragged across the long axis."
    top = (frame.rows - 1) * STEP_MM
    if s1 > top:
        return frame.points(top, a1, rho), "The point was dragged far beyond the base."
    return (end, "") if rho > 1e-6 else (frame.ras(origin + SMALLEST_RADIUS_MM * to_ray), "The point is on the axis.")


def _move_lateral(
    state: WallSurfaces, surface: str, goal: tuple[float, float, float], end: np.ndarray, radius: float
) -> WallSurfaces:
    """Return the state whose surface passes the goal (row, column, value), or comes as near as the limits allow."""
    u, v, value = goal
    miss = value - value_at(state, surface, u, v)
    if abs(miss) < 1e-9:
        return state
    others = _without_near(state.pins, surface, end)
    pins = np.array([pin.point for pin in others if pin.surface == surface]).reshape(-1, 3)
    best, most = state, 0.0
    attempts = [(pins, factor) for factor in BETWEEN_PINS if len(pins)] + [(pins[:0], factor) for factor in WIDER]
    for kept, factor in attempts:
        change = _through(state, surface, (u, v, miss), kept, max(factor * radius, 2 * STEP_MM))
        moved, part = apply(state, surface, change)
        if part > most:
            best, most = moved, part
        if part == 1.0:
            return moved
    return best


def _through(
    state: WallSurfaces, surface: str, goal: tuple[float, float, float], pins: np.ndarray, radius: float
) -> np.ndarray:
    """Return the change of control points that moves a place by ``goal[2]`` mm and leaves the pins where they are.

    A sum of bumps about the place and the pins, as in interpolation by radial basis functions.
    """
    shape = state.control[surface].shape
    points, rays = nodes(state, surface)
    where = np.array([goal[:2], *(control_place(state, surface, pin)[:2] for pin in pins)])
    s, angle = where[:, 0] * STEP_MM, where[:, 1] * (2 * np.pi / shape[1])
    start, ray = state.frame.rays(s, angle)
    centres = start + state.radius(surface, s, angle)[:, None] * ray
    gaps = np.linalg.norm(centres - centres[0], axis=1)
    near = np.argsort(gaps, kind="stable")[: MOST_PINS + 1]
    near = near[gaps[near] < 2 * radius]
    bumps = []
    for n in near:
        one = settle_pole(reach(points, rays, centres[n], ray[n], radius).reshape(shape))
        bumps.append(np.where(state.locked[surface], 0.0, one) if surface in state.locked else one)
    flat = np.array([one.ravel() for one in bumps])
    index, weight = at_places(surface, shape, where[near, 0], where[near, 1])
    system = np.einsum("knt,nt->nk", flat[:, index], weight)
    wanted = np.zeros(len(near))
    wanted[0] = goal[2]
    # Where a lock covers the place the system is singular; the least-squares answer is then as good as any.
    amounts = np.linalg.lstsq(system, wanted, rcond=1e-4)[0]
    return (amounts @ flat).reshape(shape)


def _base_part(state: WallSurfaces, start: np.ndarray) -> str:
    """The part that was taken hold of: the end of the wall outside the endocardium, else the end of the cavity."""
    return RIM if state.distances(start[None])[0, 0] > 0 else BASE


def _move_base(state: WallSurfaces, goal: tuple[float, float, float], start: np.ndarray, radius: float) -> WallSurfaces:
    u, v, value = goal
    part = _base_part(state, start)
    miss = value - value_at(state, part, u, v)
    points, _ = nodes(state, BASE)
    at = np.array([u * STEP_MM - state.fields.reach, v * STEP_MM - state.fields.reach, 0.0])
    shape = state.control[BASE].shape
    best, most = state, 0.0
    for wider in WIDER:
        weight = bump(np.linalg.norm(points - at, axis=1) / (wider * radius))
        if part in state.locked:
            weight = np.where(state.locked[part].ravel(), 0.0, weight)
        index, parts = at_places(BASE, shape, np.array([u]), np.array([v]))
        whole = float(weight[index[0]] @ parts[0])
        if whole < 0.05:
            continue
        change = (miss / whole * weight).reshape(shape)
        moved, done = apply(state, part, change)
        if done > most:
            # The other one of the two ends goes along.
            best, most = apply(moved, RIM if part == BASE else BASE, done * change)[0], done
        if done == 1.0:
            break
    return best


def _weights(state: WallSurfaces, surface: str, place: np.ndarray, radius: float) -> np.ndarray:
    """Return the bump (N,) about a RAS point over the control points of a surface."""
    points, rays = nodes(state, surface)
    local = state.frame.local(place)
    if surface == BASE:
        local[2] = 0.0
        ray = np.array([0.0, 0.0, 1.0])
    else:
        s, angle, _ = state.frame.place(place)
        ray = state.frame.rays(s, angle)[1]
    return reach(points, rays, local, ray, radius)


def _averaged(control: np.ndarray, *, lateral: bool) -> np.ndarray:
    around = np.pad(control, ((1, 1), (0, 0)), mode="edge")
    if lateral:
        around[0] = np.roll(control[1], control.shape[1] // 2)
        left, right = np.roll(control, 1, axis=1), np.roll(control, -1, axis=1)
    else:
        across = np.pad(control, ((0, 0), (1, 1)), mode="edge")
        left, right = across[:, :-2], across[:, 2:]
    return 0.5 * control + 0.125 * (around[:-2] + around[2:] + left + right)


def _locked_nodes(
    state: WallSurfaces, surface: str, point: np.ndarray | None, plane: np.ndarray | None, width: float
) -> np.ndarray:
    """Return the control points that shape a surface in a region, mm; all without point and plane."""
    part = BASE if surface == BASE else surface
    shape = state.control[part].shape
    points, _ = nodes(state, surface)
    if surface == BASE:
        points[:, 2] = state.control[BASE].ravel()
    points = state.frame.ras(points)
    where = np.ones(len(points), bool)
    if point is not None:
        where &= np.linalg.norm(points - require_point(point, "point"), axis=1) <= width + 2.5 * STEP_MM
    if plane is not None:
        normal = plane[:3, 2] / np.linalg.norm(plane[:3, 2])
        where &= np.abs((points - plane[:3, 3]) @ normal) <= 0.5 * width + 2.5 * STEP_MM
    return where.reshape(shape)


def _without_near(pins: tuple[Pin, ...], surface: str, point: np.ndarray) -> tuple[Pin, ...]:
    return tuple(
        pin for pin in pins if pin.surface != surface or np.linalg.norm(np.array(pin.point) - point) >= NEAREST_PIN_MM
    )


def _reason(state: WallSurfaces, part: str) -> str:
    other = {ENDOCARDIUM: EPICARDIUM, EPICARDIUM: ENDOCARDIUM}.get(part)
    if part in state.locked:
        return "part of it is locked"
    return "the other surface is locked" if other in state.locked else "it would fold or leave the ventricle"
