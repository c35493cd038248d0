"""Edits by whole contours: redraw one, copy it to another slice, interpolate between slices, copy another phase."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from ...errors import LVMError
from .edit import Edit, require_point, require_radius
from .fit import from_control
from .frame import ANGLES, STEP_MM
from .reach import apply, at_places, bump, keep_true_pins
from .sections import contours
from .spline import settle_pole, values
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, WallSurfaces, require_surface

SLICE_REACH_MM = 8.0
"""How far beyond its plane a drawn contour moves the surface."""
SPACING_MM = 1.5
ROUNDS = 12
CLOSE_MM = 0.5
"""A drawn contour counts as followed if the surface passes its points within this, on average."""


def redraw(
    state: WallSurfaces, surface: str, curve: np.ndarray, *, radius_mm: float = SLICE_REACH_MM, closed: bool = True
) -> Edit:
    """Move a surface so that it follows a newly drawn contour.

    Parameters
    ----------
    state : WallSurfaces
    surface : str
        ``"endocardium"`` or ``"epicardium"``.
    curve : ndarray (N, 3)
        Points in order along the line, RAS mm, in any plane; of a curve markup the curve's points, not only the
        control points, because straight pieces join them.
    radius_mm : float
        How far beyond the curve the surface goes along.
    closed : bool
        Whether the last point joins the first.

    Returns
    -------
    Edit
        Reached if the surface passes the curve within 0.5 mm on average: a curve finer than 5 mm, or one that a ray
        meets twice, is followed in the mean.

    Raises
    ------
    LVMError
        Fewer than 3 points, points that are not finite, or another surface.
    """
    _require_lateral(surface)
    radius = require_radius(radius_mm)
    points = _dense(np.asarray(curve, dtype=float), closed)
    s, angle, rho = state.frame.place(points)
    s = np.minimum(s, (state.frame.rows - 1) * STEP_MM)
    shape = state.control[surface].shape
    u, v = s / STEP_MM, np.mod(angle, 2 * np.pi) * ANGLES / (2 * np.pi)
    index, weight = at_places(surface, shape, u, v)
    near = _nearness(state, surface, s, angle, radius)
    share = near / np.maximum(near.sum(axis=0), 1e-9)
    fall = near.max(axis=0)
    change = np.zeros(shape)
    for _ in range(ROUNDS):
        miss = rho - (weight * (state.control[surface] + change).ravel()[index]).sum(axis=1)
        change = settle_pole(change + (fall * (miss @ share)).reshape(shape))
    moved, _ = apply(state, surface, change)
    off = float(np.abs(rho - (weight * moved.control[surface].ravel()[index]).sum(axis=1)).mean())
    message = "" if off <= CLOSE_MM else f"The surface follows the contour within {off:.1f} mm on average."
    return Edit(keep_true_pins(moved), not message, message)


def copy_slice(
    state: WallSurfaces,
    surface: str,
    from_plane: np.ndarray,
    to_plane: np.ndarray,
    *,
    radius_mm: float = SLICE_REACH_MM,
) -> Edit:
    """Copy the contour of one short-axis plane to another, along the long axis.

    Parameters
    ----------
    from_plane, to_plane : ndarray (4, 4)
        Slice-to-RAS matrices as from `short_axis_stack`.

    Raises
    ------
    LVMError
        The surface has no contour in ``from_plane``, or the planes are not short-axis planes; else as in `redraw`.
    """
    _require_lateral(surface)
    curve = _closed_contour(state, surface, from_plane)
    up, normal = state.frame.turn[2], np.asarray(to_plane, dtype=float)[:3, 2]
    slant = float(up @ normal)
    if not abs(slant) > 0.5:
        raise LVMError("plane", expected="a short-axis plane", found="another plane", remedy="Use the short-axis view.")
    shift = ((to_plane[:3, 3] - curve) @ normal) / slant
    return redraw(state, surface, curve + shift[:, None] * up, radius_mm=radius_mm)


def interpolate_between(state: WallSurfaces, surface: str, planes: list[np.ndarray]) -> Edit:
    """Let a surface run smoothly from contour to contour between given short-axis planes.

    The contours in the planes stay; what lies between the outermost ones is interpolated along the long axis without
    overshoot (Fritsch and Carlson 1980).

    Parameters
    ----------
    planes : list of ndarray (4, 4)
        At least two short-axis planes that the surface meets, in any order.

    Raises
    ------
    LVMError
        Fewer than two planes, or one without contour; another surface.
    """
    _require_lateral(surface)
    if len(planes) < 2:
        raise LVMError("planes", expected="2 or more", found=f"{len(planes)}", remedy="Edit two slices first.")
    frame, shape = state.frame, state.control[surface].shape
    around = 2 * np.pi * np.arange(ANGLES) / ANGLES
    known = []
    for plane in planes:
        s, angle, rho = frame.place(_closed_contour(state, surface, plane))
        order = np.argsort(np.mod(angle, 2 * np.pi))
        turn = np.mod(angle, 2 * np.pi)[order]
        known.append([np.interp(around, turn, part[order], period=2 * np.pi) for part in (s, rho)])
    known = np.array(known)  # plane, (s, rho), angle
    goal, wanted = _node_values(state, surface), np.zeros(shape, bool)
    rows = STEP_MM * np.arange(shape[0])
    for column in range(ANGLES):
        s, first = np.unique(known[:, 0, column], return_index=True)
        if len(s) < 2:
            continue
        between = (rows > s[0]) & (rows < s[-1])
        goal[between, column] = PchipInterpolator(s, known[first, 1, column])(rows[between])
        wanted[:, column] = between
    change = _towards(state, surface, goal, wanted)
    moved, part = apply(state, surface, change)
    reached = part > 0.99
    return Edit(keep_true_pins(moved), reached, "" if reached else "The limits of the wall allow only a part of it.")


def copy_phase(state: WallSurfaces, source: WallSurfaces, *, scale: float | None = None) -> Edit:
    """Return this phase with the shape of another one, scaled, for example ED as a start for ES.

    The long axis, the apex and the height of the base stay those of this phase; radii are scaled, and the wall becomes
    as thick as its muscle volume asks for, because myocardium is nearly incompressible. Locked parts stay.

    Parameters
    ----------
    state : WallSurfaces
        The phase to change; ``source`` itself where it has none yet.
    source : WallSurfaces
        The phase to copy.
    scale : float, optional
        Cavity radius of this phase against the source's; by default as the two are on average.

    Raises
    ------
    LVMError
        A scale outside 0.3 to 3.
    """
    mine, theirs = state.frame, source.frame
    height = _base_height(state) / _base_height(source)
    scale = _size(state) / _size(source) if scale is None else float(scale)
    if not 0.3 <= scale <= 3.0:
        raise LVMError("scale", expected="0.3 to 3", found=f"{scale:g}", remedy="Choose about 0.75 from ED to ES.")
    s, angle = mine.node_places
    cap = s <= mine.cap_length
    there = np.where(cap, s * theirs.cap_length / mine.cap_length, theirs.cap_length + (s - mine.cap_length) / height)
    inner, outer = (source.radius(part, there, angle) for part in (ENDOCARDIUM, EPICARDIUM))
    endo = scale * inner
    # On the cap the volume goes with the cube of the radius, on the cylinder with its square and the height.
    epi = np.where(cap, np.cbrt(endo**3 + outer**3 - inner**3), np.sqrt(endo**2 + (outer**2 - inner**2) / height))
    whole = np.ones(state.control[ENDOCARDIUM].shape, bool)
    control = {}
    for part, goal in ((ENDOCARDIUM, endo), (EPICARDIUM, epi)):
        control[part] = state.control[part] + _towards(state, part, goal.reshape(whole.shape), whole)
    for part in (BASE, RIM):
        control[part] = _copied_base(state, source, part, scale) * height
    for part, mask in state.locked.items():
        control[part] = np.where(mask, state.control[part], control[part])
    moved = from_control(mine, control, state.aortic, locked=state.locked)
    still = all((moved.control[part] == state.control[part])[mask].all() for part, mask in state.locked.items())
    return Edit(moved if still else state, still, "" if still else "The locked parts do not fit the other phase.")


def _copied_base(state: WallSurfaces, source: WallSurfaces, part: str, scale: float) -> np.ndarray:
    side = state.frame.base_nodes
    place = (STEP_MM * np.arange(side) - state.fields.reach) / scale + source.fields.reach
    u, v = (part.ravel() for part in np.meshgrid(place / STEP_MM, place / STEP_MM, indexing="ij"))
    padded = source.fields.base if part == BASE else source.fields.rim
    limit = source.frame.base_nodes - 1.0
    return values(padded, np.clip(u, 0, limit), np.clip(v, 0, limit)).reshape(side, side)


def _node_values(state: WallSurfaces, surface: str) -> np.ndarray:
    s, angle = state.frame.node_places
    return state.radius(surface, s, angle).reshape(state.control[surface].shape)


def _towards(state: WallSurfaces, surface: str, goal: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the change of control points after which the surface has the values ``goal`` where ``wanted``."""
    change = np.zeros(goal.shape)
    for _ in range(ROUNDS):
        now = _node_values(state.changed(**{surface: state.control[surface] + change}), surface)
        change = settle_pole(change + np.where(wanted, goal - now, 0.0))
    return change


def _nearness(state: WallSurfaces, surface: str, s: np.ndarray, angle: np.ndarray, radius: float) -> np.ndarray:
    """Return the bumps (points, control points) about places on a surface, by distance along the surface."""
    frame = state.frame
    node_s, node_angle = frame.node_places
    width = state.radius(surface, s, angle) * np.sin(np.minimum(s / frame.cap_mm, np.pi / 2))
    turn = np.abs((angle[:, None] - node_angle[None] + np.pi) % (2 * np.pi) - np.pi)
    along = s[:, None] - node_s[None]
    return bump(np.hypot(along, turn * width[:, None]) / radius)


def _closed_contour(state: WallSurfaces, surface: str, plane: np.ndarray) -> np.ndarray:
    lines = contours(state, plane, closed=True)[surface]
    if not lines:
        raise LVMError(
            "plane", expected=f"a plane that meets the {surface}", found="none", remedy="Choose another one."
        )
    return lines[0]


def _dense(curve: np.ndarray, closed: bool) -> np.ndarray:
    if curve.ndim != 2 or curve.shape[1:] != (3,) or len(curve) < 3:
        raise LVMError(
            "contour", expected="3 or more points in RAS mm", found=f"{curve.shape}", remedy="Draw the contour again."
        )
    for point in curve:
        require_point(point, "contour")
    line = np.concatenate([curve, curve[:1]]) if closed else curve
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, along[-1], max(int(along[-1] / SPACING_MM), 3), endpoint=not closed)
    return np.stack([np.interp(at, along, line[:, axis]) for axis in range(3)], axis=1)


def _base_height(state: WallSurfaces) -> float:
    """Height of the base above the centre of the cap, on average over the cavity, mm."""
    side = state.control[BASE].shape[0]
    near = slice(side // 2 - 3, side // 2 + 4)
    return float(state.control[BASE][near, near].mean())


def _size(state: WallSurfaces) -> float:
    """Mean radius of the cavity below the base, mm."""
    rows = slice(3, int((state.frame.cap_length + 0.8 * _base_height(state)) / STEP_MM))
    return float(state.control[ENDOCARDIUM][rows].mean())


def _require_lateral(surface: str) -> None:
    require_surface(surface)
    if surface == BASE:
        raise LVMError("surface", expected="endocardium or epicardium", found=surface, remedy="Drag the base instead.")
