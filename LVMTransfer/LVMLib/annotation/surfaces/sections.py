"""Contours of the surfaces in any plane, and the surfaces as triangles."""

from __future__ import annotations

import numpy as np

from ...errors import LVMError
from ..contours import closed_lines, signed_area
from .fields import Fields, sample, sample_plane
from .frame import ANGLES, STEP_MM
from .state import BASE, ENDOCARDIUM, EPICARDIUM, WallSurfaces, require_surface

LATTICE_MM = 1.5
"""Lattice on which the crossing is looked for; it is then placed exactly on the lattice's lines."""
SHORT_AXIS_DEGREES = 45.0
"""Planes nearer than this to the short axis show closed contours, the others show the surfaces open at the base."""
SMALLEST_MM2 = 4.0
MESH_ROWS = 48


def contours(state: WallSurfaces, plane: np.ndarray, *, closed: bool | None = None) -> dict[str, list[np.ndarray]]:
    """Return the lines in which the surfaces meet a plane.

    Parameters
    ----------
    state : WallSurfaces
    plane : ndarray (4, 4)
        Slice-to-RAS matrix as from `view_planes`; only its plane counts.
    closed : bool, optional
        Closed lines around cavity (endocardium) and around cavity and wall (epicardium), cut at the base; otherwise the
        lines on the surfaces themselves, open at the base, and the base as a line of its own. By default closed in
        planes within 45 degrees of the short axis.

    Returns
    -------
    dict of str to list of ndarray (N, 3)
        ``"endocardium"``, ``"epicardium"`` and ``"base"`` (empty where closed): RAS mm, longest first; points about
        1 mm apart on the surface, counter-clockwise on the screen; a closed line does not repeat its first point.

    Raises
    ------
    LVMError
        The plane is not finite.
    """
    plane = np.asarray(plane, dtype=float)
    if plane.shape != (4, 4) or not np.isfinite(plane).all():
        raise LVMError(
            "plane", expected="a finite 4 x 4 slice-to-RAS matrix", found=f"{plane}", remedy="Use a plane of the views."
        )
    right, up, normal = (column / np.linalg.norm(column) for column in plane[:3, :3].T)
    if closed is None:
        closed = abs(normal @ state.frame.turn[2]) > np.cos(np.radians(SHORT_AXIS_DEGREES))
    lattice = _Lattice(state, plane[:3, 3], right, up)
    found: dict[str, list[np.ndarray]] = {ENDOCARDIUM: [], EPICARDIUM: [], BASE: []}
    for surface in (ENDOCARDIUM, EPICARDIUM):
        for line, kind in lattice.lines(surface):
            if closed:
                found[surface].append(line)
            else:
                found[surface] += _runs(line, kind == 0)
                if surface == ENDOCARDIUM:
                    found[BASE] += _runs(line, kind == 1)
    return {surface: sorted(lines, key=len, reverse=True) for surface, lines in found.items()}


class _Lattice:
    """The surfaces' distances on a lattice in a plane."""

    def __init__(self, state: WallSurfaces, centre: np.ndarray, right: np.ndarray, up: np.ndarray) -> None:
        self._fields: Fields = state.fields
        frame = state.frame
        self._frame, self._right, self._up = frame, frame.turn @ right, frame.turn @ up
        flat = (_outline(state) - centre) @ np.stack([right, up], axis=1)
        low, high = flat.min(axis=0) - 2 * LATTICE_MM, flat.max(axis=0) + 2 * LATTICE_MM
        columns, rows = (np.ceil((high - low) / LATTICE_MM).astype(int) + 1).tolist()
        self._origin = frame.local(centre) + low[0] * self._right + low[1] * self._up
        self._beyond = sample_plane(
            self._fields, self._origin, LATTICE_MM * self._right, LATTICE_MM * self._up, (rows, columns)
        )

    def lines(self, surface: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return closed lines (N, 3) RAS, and of each point whether it lies on the surface (0) or on the base (1)."""
        field, _ = _inside(surface, self._beyond)
        found = []
        for line in closed_lines(-field, 0.0):
            if abs(signed_area(line)) * LATTICE_MM**2 >= SMALLEST_MM2:
                local, kind = self._placed(surface, line, field)
                found.append((self._frame.ras(local), kind))
        return found

    def _placed(self, surface: str, line: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move points (column, row) along their lattice line onto the surface (one step of the secant rule)."""
        points = self._local(line)
        off, kind = _inside(surface, sample(self._fields, points).T)
        low, high = np.floor(line).astype(int), np.ceil(line).astype(int)
        size = np.array(field.shape)[::-1] - 1
        low, high = np.clip(low, 0, size), np.clip(high, 0, size)
        near, far = field[low[:, 1], low[:, 0]], field[high[:, 1], high[:, 0]]
        rise = far - near
        step = np.where(np.abs(rise) > 0.05, -off / np.where(np.abs(rise) > 0.05, rise, 1.0), 0.0)
        moved = np.clip(line + np.clip(step, -0.5, 0.5)[:, None] * (high - low), low, high)
        return self._local(moved), kind

    def _local(self, line: np.ndarray) -> np.ndarray:
        return self._origin + LATTICE_MM * (line[:, :1] * self._right + line[:, 1:] * self._up)


def _inside(surface: str, beyond: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance beyond the region of a surface, and what bounds it there: 0 the surface, 1 its end."""
    cavity = np.maximum(beyond[0], beyond[2])
    if surface == ENDOCARDIUM:
        return cavity, (beyond[2] > beyond[0]).astype(int)
    wall = np.maximum(beyond[1], beyond[3])
    return np.minimum(cavity, wall), ((cavity < wall) | (beyond[3] > beyond[1])).astype(int)


def _runs(line: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """Return the parts of a closed line whose points are wanted, each in order."""
    if wanted.all():
        return [line]
    start = int(np.argmin(wanted))
    line, wanted = np.roll(line, -start, axis=0), np.roll(wanted, -start)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(int), [0]])))
    return [line[a:b] for a, b in zip(edges[::2], edges[1::2]) if b - a >= 3]


def _outline(state: WallSurfaces) -> np.ndarray:
    """Return points (N, 3) RAS that reach as far as the surfaces do."""
    frame = state.frame
    high = max(float(state.control[part].max()) for part in (BASE, "rim"))
    rows = np.arange(0, min(frame.rows, int((frame.cap_length + high) / STEP_MM) + 2), 2)
    s, angle = (part.ravel() for part in np.meshgrid(rows * STEP_MM, np.arange(0, ANGLES, 4) * 2 * np.pi / ANGLES))
    return frame.points(s, angle, state.radius(EPICARDIUM, s, angle) + 1.0)


def mesh(state: WallSurfaces, surface: str) -> tuple[np.ndarray, np.ndarray]:
    """Return a surface as triangles for the 3D view; only the points change from edit to edit.

    Parameters
    ----------
    state : WallSurfaces
    surface : str
        ``"endocardium"`` and ``"epicardium"`` reach from the apex to the base, ``"base"`` closes the cavity.

    Returns
    -------
    points : ndarray (V, 3)
        RAS mm.
    triangles : ndarray (F, 3)
        Indices, facing outwards.
    """
    require_surface(surface)
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    top = _ends(state, EPICARDIUM if surface == EPICARDIUM else ENDOCARDIUM, angle)
    if surface == BASE:
        points = _base_rings(state, top, angle)
    else:
        part = (np.arange(1, MESH_ROWS) / (MESH_ROWS - 1))[:, None]
        s, angles = np.broadcast_arrays(part * top, angle)
        radius = state.radius(surface, s.ravel(), angles.ravel())
        rings = state.frame.points(s.ravel(), angles.ravel(), radius)
        points = np.concatenate([state.nearest(surface, state.frame.ras(np.array([0.0, 0.0, -1.0])))[None], rings])
    return points, _triangles((len(points) - 1) // ANGLES, upward=surface == BASE)


def _ends(state: WallSurfaces, surface: str, angle: np.ndarray) -> np.ndarray:
    """Return the ``s`` at which a surface meets the base (or the rim) at each angle, from below."""
    frame = state.frame
    z = np.arange(0.0, frame.top_mm, 0.5)
    s, angles = np.broadcast_arrays((frame.cap_length + z)[None], angle[:, None])
    radius = state.radius(surface, s.ravel(), angles.ravel())
    column = 2 if surface == ENDOCARDIUM else 3
    over = state.distances(frame.points(s.ravel(), angles.ravel(), radius))[:, column].reshape(s.shape)
    first = np.where((over >= 0).any(axis=1), np.argmax(over >= 0, axis=1), len(z) - 1)
    before = np.maximum(first - 1, 0)
    rows = np.arange(len(angle))
    low, high = over[rows, before], over[rows, first]
    part = np.where(high > low, np.clip(-low / np.where(high > low, high - low, 1.0), 0.0, 1.0), 0.0)
    return frame.cap_length + z[before] + part * 0.5


def _base_rings(state: WallSurfaces, top: np.ndarray, angle: np.ndarray) -> np.ndarray:
    radius = state.radius(ENDOCARDIUM, top, angle)
    part = (np.arange(13) / 12)[:, None]
    x, y = part * radius * np.cos(angle), part * radius * np.sin(angle)
    flat = np.stack([x, y, np.zeros_like(x)], axis=-1).reshape(-1, 3)[ANGLES - 1 :]
    flat[:, 2] = -sample(state.fields, np.ascontiguousarray(flat))[:, 2]
    return state.frame.ras(flat)


def _triangles(rings: int, *, upward: bool) -> np.ndarray:
    """Return the triangles of a pole (point 0) and ``rings`` rings of `ANGLES` points."""
    here, after = np.arange(ANGLES), np.roll(np.arange(ANGLES), -1)
    fan = np.stack([np.zeros(ANGLES, int), 1 + here, 1 + after], axis=1)
    parts = [fan]
    for ring in range(rings - 1):
        low, high = 1 + ring * ANGLES, 1 + (ring + 1) * ANGLES
        parts.append(np.stack([low + here, high + here, high + after], axis=1))
        parts.append(np.stack([low + here, high + after, low + after], axis=1))
    triangles = np.concatenate(parts)
    return triangles[:, ::-1] if upward else triangles
