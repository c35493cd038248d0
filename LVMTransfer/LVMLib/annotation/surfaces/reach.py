"""How far an edit reaches: smooth bumps about places on a surface, and what an edit is allowed to do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .frame import ANGLES, STEP_MM
from .limits import (
    LARGEST_RADIUS_MM,
    LOWEST_BASE_MM,
    MINIMAL_WALL_MM,
    SMALLEST_RADIUS_MM,
    base_too_steep,
    relaxed,
    too_steep,
    turns,
)
from .spline import settle_pole, taps, values
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, WallSurfaces

HALVINGS = 12
"""How finely the part of an edit is found that the limits allow: 1 / 4096 of it."""


def bump(distance: np.ndarray) -> np.ndarray:
    """Return the smooth weight at a distance in radii: 1 at 0, none from 1 on (Wendland 1995, C2)."""
    rest = np.maximum(1.0 - distance, 0.0) ** 2
    return rest * rest * (4.0 * distance + 1.0)


def nodes(state: WallSurfaces, surface: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the points (N, 3), local mm, over all control points of a surface, and the unit vectors of their rays."""
    frame = state.frame
    if surface == BASE:
        place = STEP_MM * np.arange(frame.base_nodes) - state.fields.reach
        x, y = (part.ravel() for part in np.meshgrid(place, place, indexing="ij"))
        return np.stack([x, y, np.zeros_like(x)], axis=1), np.broadcast_to([0.0, 0.0, 1.0], (len(x), 3))
    s, angle = frame.node_places
    start, direction = frame.node_rays
    return start + state.radius(surface, s, angle)[:, None] * direction, direction


def reach(points: np.ndarray, rays: np.ndarray, at: np.ndarray, ray: np.ndarray, radius: float) -> np.ndarray:
    """Return how much nodes (N, 3) with unit rays move with a place, 0 to 1: none beyond ``radius`` mm.

    The product of two positive definite functions, of distance and of direction (so that the opposite wall of a small
    cavity stays); sums of it therefore interpolate any set of places (Schur 1911).
    """
    same_way = 0.5 * (1.0 + rays @ ray)
    return bump(np.linalg.norm(points - at, axis=1) / radius) * same_way * same_way


def at_places(surface: str, shape: tuple[int, int], u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and weights (N, 16) of the control points that make the values at places (in control points)."""
    return taps(u, v, shape, lateral=surface != BASE)


def control_place(state: WallSurfaces, surface: str, point: np.ndarray) -> tuple[float, float, float]:
    """Return row, column and value of a RAS point in the coordinates of a surface's control points."""
    if surface == BASE:
        x, y, z = state.frame.local(point)
        return (x + state.fields.reach) / STEP_MM, (y + state.fields.reach) / STEP_MM, z
    s, angle, rho = state.frame.place(point)
    return float(s) / STEP_MM, float(angle) % (2 * np.pi) * ANGLES / (2 * np.pi), float(rho)


def value_at(state: WallSurfaces, part: str, u: float, v: float) -> float:
    """Return the value of a part at a place in control points."""
    padded = {ENDOCARDIUM: state.fields.endo, EPICARDIUM: state.fields.epi, BASE: state.fields.base}
    return float(values(padded.get(part, state.fields.rim), np.array([u]), np.array([v]))[0])


def allowed(state: WallSurfaces, part: str, control: np.ndarray) -> dict[str, np.ndarray] | None:
    """Return the control points that a new part brings with it, or None if it breaks a limit.

    A wall that becomes too thin pushes the other surface along, unless that is locked.
    """
    if part in (BASE, RIM):
        low = control < LOWEST_BASE_MM
        raised = (low & (control < state.control[part])).any() or control.max() > state.frame.top_mm
        return None if raised or base_too_steep(control, state.control[part], STEP_MM) else {part: control}
    endo = part == ENDOCARDIUM
    # Beyond the base rays may hardly have a radius; what happens there must not stop an edit of the wall.
    control = np.maximum(control, SMALLEST_RADIUS_MM + (0.0 if endo else MINIMAL_WALL_MM))
    if control.max() > LARGEST_RADIUS_MM or _steep(state, part, control):
        return None
    other = EPICARDIUM if endo else ENDOCARDIUM
    old = state.control[other]
    limit = control + MINIMAL_WALL_MM if endo else control - MINIMAL_WALL_MM
    thin = limit > old if endo else limit < old
    if not thin.any():
        return {part: control}
    pushed = settle_pole(np.where(thin, limit, old))
    shift = (limit - pushed)[1]
    pushed[1] += max(float(shift.max()), 0.0) if endo else min(float(shift.min()), 0.0)
    pushed = np.maximum(pushed, limit) if endo else np.minimum(pushed, limit)
    moved = np.abs(pushed - old) > 0
    if other in state.locked and (moved & state.locked[other]).any():
        return None
    if pushed.min() < SMALLEST_RADIUS_MM or pushed.max() > LARGEST_RADIUS_MM or _steep(state, other, pushed):
        return None
    return {part: control, other: pushed}


def _steep(state: WallSurfaces, part: str, control: np.ndarray) -> bool:
    frame = state.frame
    return too_steep(control, state.control[part], turns(frame), frame.cap_length / STEP_MM, frame.cap_mm)


def apply(state: WallSurfaces, part: str, change: np.ndarray) -> tuple[WallSurfaces, float]:
    """Return the state after as much of a change of control points as the limits allow, and which part that was."""
    if part in state.locked:
        change = np.where(state.locked[part], 0.0, change)
    if not change.any():
        return state, 0.0
    old = state.control[part]
    whole = allowed(state, part, old + change)
    if whole is None and part in (ENDOCARDIUM, EPICARDIUM):
        follow = relaxed(np.maximum(old + change, SMALLEST_RADIUS_MM), state.frame, upward=change.sum() > 0)
        if part not in state.locked or (follow == old)[state.locked[part]].all():
            whole = allowed(state, part, settle_pole(follow))
    if whole is not None:
        return state.changed(**whole), 1.0
    low, high, best = 0.0, 1.0, None
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        found = allowed(state, part, old + middle * change)
        if found is None:
            high = middle
        else:
            low, best = middle, found
    return (state, 0.0) if best is None else (state.changed(**best), low)


def keep_true_pins(state: WallSurfaces, tolerance_mm: float = 0.3) -> WallSurfaces:
    """Return the state without the pins that its surfaces no longer pass."""
    kept = []
    for pin in state.pins:
        u, v, value = control_place(state, pin.surface, np.array(pin.point))
        if abs(value_at(state, pin.surface, u, v) - value) <= tolerance_mm:
            kept.append(pin)
    return state if len(kept) == len(state.pins) else replace(state, pins=tuple(kept))
