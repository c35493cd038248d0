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
ROUNDS = 4
"""Steps of the rule of false position that put a point on a surface, and of Newton's that find a corner."""
CLOSE_MM = 0.02
FEWEST = 3
"""A piece of a surface with fewer points of the lattice is left out."""
SURFACE, END, CORNER = range(3)
"""A point of a contour lies on the surface, on its end (base or rim), or where both meet."""
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
        1 mm apart on the surface, counter-clockwise on the screen; a closed line does not repeat its first point. An
        open line ends where the surface meets its end, so that wall and base join.

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
        for line, kind in lattice.lines(surface, corners=not closed):
            if closed:
                found[surface].append(line)
            else:
                found[surface] += _runs(line, kind, SURFACE)
                if surface == ENDOCARDIUM:
                    found[BASE] += _runs(line, kind, END)
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

    def lines(self, surface: str, *, corners: bool) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return closed lines (N, 3) RAS, and of each point whether it lies on the surface, on its end, or on both."""
        field, _ = _inside(surface, self._beyond)
        found = []
        for line in closed_lines(-field, 0.0):
            if abs(signed_area(line)) * LATTICE_MM**2 >= SMALLEST_MM2:
                line, kind = self._placed(surface, line, field)
                if corners:
                    line, kind = self._with_corners(surface, line, kind)
                found.append((self._frame.ras(self._local(line)), kind))
        return found

    def _placed(self, surface: str, line: np.ndarray, field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Move points (column, row) along their lattice line onto the surface (false position, Illinois variant)."""
        size = np.array(field.shape)[::-1] - 1
        low, high = (np.clip(end(line).astype(int), 0, size) for end in (np.floor, np.ceil))
        a, b = np.zeros(len(line)), np.ones(len(line))
        at_a, at_b = field[low[:, 1], low[:, 0]], field[high[:, 1], high[:, 0]]
        last = np.zeros(len(line), int)
        for _ in range(ROUNDS):
            rise = np.where(np.abs(at_b - at_a) > 1e-9, at_b - at_a, 1.0)
            part = np.clip(a - at_a * (b - a) / rise, 0.0, 1.0)
            off, kind = self._off(surface, low + part[:, None] * (high - low))
            behind = (off > 0) == (at_a > 0)
            at_b = np.where(behind & (last == 1), 0.5 * at_b, at_b)
            at_a = np.where(~behind & (last == -1), 0.5 * at_a, at_a)
            a, at_a = np.where(behind, part, a), np.where(behind, off, at_a)
            b, at_b = np.where(behind, b, part), np.where(behind, at_b, off)
            last = np.where(behind, 1, -1)
        return low + part[:, None] * (high - low), kind

    def _with_corners(self, surface: str, line: np.ndarray, kind: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add the points (column, row) where a closed line goes over from the surface to its end (Newton's rule)."""
        after = np.flatnonzero(kind != np.roll(kind, -1))
        if not len(after):
            return line, kind
        columns = (0, 2) if surface == ENDOCARDIUM else (1, 3)
        first = 0.5 * (line[after] + line[(after + 1) % len(line)])
        place, step = first.copy(), 0.05
        for _ in range(ROUNDS):
            off, *moved = (self._sampled(place + way)[:, columns] for way in step * np.eye(3, 2, -1))
            slope = np.stack([(part - off) / step for part in moved], axis=2)
            singular = np.abs(np.linalg.det(slope)) < 0.05
            slope[singular] = np.eye(2)
            change = np.where(singular[:, None], 0.0, np.linalg.solve(slope, -off[..., None])[..., 0])
            place = place + np.clip(change, -1.0, 1.0)
        good = np.abs(self._sampled(place)[:, columns]).max(axis=1) < CLOSE_MM
        good &= np.abs(place - first).max(axis=1) < 2.0
        return np.insert(line, after[good] + 1, place[good], axis=0), np.insert(kind, after[good] + 1, CORNER)

    def _off(self, surface: str, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _inside(surface, self._sampled(place).T)

    def _sampled(self, place: np.ndarray) -> np.ndarray:
        """Return how far points (column, row) lie beyond endocardium, epicardium, base and rim, (N, 4) mm."""
        return sample(self._fields, self._local(place))

    def _local(self, line: np.ndarray) -> np.ndarray:
        return self._origin + LATTICE_MM * (line[:, :1] * self._right + line[:, 1:] * self._up)


def _inside(surface: str, beyond: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance beyond the region of a surface, and what bounds it there: `SURFACE` or `END`."""
    cavity = np.maximum(beyond[0], beyond[2])
    if surface == ENDOCARDIUM:
        return cavity, (beyond[2] > beyond[0]).astype(int)
    wall = np.maximum(beyond[1], beyond[3])
    return np.minimum(cavity, wall), ((cavity < wall) | (beyond[3] > beyond[1])).astype(int)


def _runs(line: np.ndarray, kind: np.ndarray, which: int) -> list[np.ndarray]:
    """Return the parts of a closed line whose points are of a kind, each in order and with the corners at its ends."""
    wanted = kind == which
    if wanted.all():
        return [line]
    start = int(np.argmin(wanted))
    line, kind, wanted = (np.roll(part, -start, axis=0) for part in (line, kind, wanted))
    line, kind = np.concatenate([line, line[:1]]), np.append(kind, kind[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(int), [0]])))
    return [
        line[a - (a > 0 and kind[a - 1] == CORNER) : b + (kind[b] == CORNER)]
        for a, b in zip(edges[::2], edges[1::2])
        if b - a >= FEWEST
    ]


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
