"""One phase's endocardium, epicardium and base as an immutable state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ...errors import GridError, LVMError
from ...grid import Grid
from ..axes import LVAxes
from .fields import Fields, sample
from .frame import ANGLES, STEP_MM, Frame
from .pieces import tidy
from .raster import fill
from .spline import pad_base, pad_lateral, values

ENDOCARDIUM, EPICARDIUM, BASE = "endocardium", "epicardium", "base"
SURFACES = (ENDOCARDIUM, EPICARDIUM, BASE)
RIM = "rim"
PARTS = (*SURFACES, RIM)
"""What a state holds control points of; the rim (where the wall ends) moves with the base."""
Box = tuple[slice, slice, slice]
MOVED_MARGIN_MM = 2.0
"""Between control points a surface bulges by less than this."""


@dataclass(frozen=True)
class Pin:
    """A point that a reader dropped on a surface: later drags leave it where it is.

    Parameters
    ----------
    surface : str
    point : tuple of float
        RAS mm.
    """

    surface: str
    point: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class _Tidied:
    """Voxels (N, 3) (k, j, i) that tidying changed, and their labels (N,) before and after."""

    places: np.ndarray
    raw: np.ndarray
    labels: np.ndarray

    def box_of_difference(self, other: _Tidied) -> Box:
        """Return the box around the voxels that only one of the two changed, or changed otherwise."""
        own, others = (
            {(*place, label) for place, label in zip(t.places.tolist(), t.labels.tolist())} for t in (self, other)
        )
        places = np.array([place[:3] for place in own ^ others], dtype=int).reshape(-1, 3)
        if not len(places):
            return (slice(0, 0),) * 3
        return tuple(slice(int(a), int(b) + 1) for a, b in zip(places.min(axis=0), places.max(axis=0)))


@dataclass(frozen=True, eq=False)
class WallSurfaces:
    """Endocardium, epicardium and base of the left ventricle in one phase.

    Both walls are functions of the place on a capped cylinder about the long axis (`Frame`), so that they cannot cross
    themselves or have holes. The cavity lies inside the endocardium and below the base (mitral leaflets and outflow
    tract), the wall between endocardium and epicardium and below the rim.

    Parameters
    ----------
    frame : Frame
        Where the long axis is.
    control : mapping of str to ndarray
        Control points of cubic B-splines, mm: ``"endocardium"`` and ``"epicardium"`` (rows, 64), distance from the
        axis; ``"base"`` and ``"rim"`` (N, N), where cavity and wall end over the cross-section, mm above the centre of
        the cap.
    locked : mapping of str to ndarray of bool
        Control points that no edit moves; absent = none.
    pins : tuple of Pin
        Points that the reader dropped.
    septal, aortic : ndarray (3,) or None
        Unit vectors to the septum and the outflow tract, RAS, for the views.
    """

    frame: Frame
    control: Mapping[str, np.ndarray]
    locked: Mapping[str, np.ndarray] = field(default_factory=dict)
    pins: tuple[Pin, ...] = ()
    aortic: np.ndarray | None = None

    def __post_init__(self) -> None:
        shapes = control_shapes(self.frame)
        for name in ("control", "locked"):
            given = getattr(self, name)
            kept = {}
            for part, array in given.items():
                kept[part] = np.asarray(array, dtype=bool if name == "locked" else float)
                if kept[part].shape != shapes.get(part):
                    raise LVMError(
                        f"surfaces, {part}",
                        expected=f"{shapes.get(part, 'no such part')}",
                        found=f"{kept[part].shape}",
                        remedy="Make the surfaces from labels again.",
                    )
                kept[part].setflags(write=False)
            object.__setattr__(self, name, kept)

    @cached_property
    def fields(self) -> Fields:
        """Padded control points for compiled code."""
        c, frame = self.control, self.frame
        reach = 0.5 * STEP_MM * (frame.base_nodes - 1)
        lateral = pad_lateral(c[ENDOCARDIUM]), pad_lateral(c[EPICARDIUM])
        return Fields(frame.cap_mm, frame.cap_length, reach, *lateral, pad_base(c[BASE]), pad_base(c[RIM]))

    @property
    def axes(self) -> LVAxes:
        """Axes for the views: apex on the endocardium, mitral centre on the base, along this state's long axis."""
        start, direction = self.frame.rays(np.zeros(1), np.zeros(1))
        apex = self.frame.ras(start + self.radius(ENDOCARDIUM, np.zeros(1), np.zeros(1))[:, None] * direction)[0]
        middle = float(values(self.fields.base, *(np.full(1, self.fields.reach / STEP_MM),) * 2)[0])
        mitral = self.frame.ras(np.array([0.0, 0.0, middle]))
        lateral, _, up = self.frame.turn
        return LVAxes(apex, mitral, -up, -lateral, _across(self.aortic, up), up, "points")

    def radius(self, surface: str, s: np.ndarray, angle: np.ndarray) -> np.ndarray:
        """Return the distance (N,) of endo- or epicardium from the axis along rays, mm."""
        padded = self.fields.endo if surface == ENDOCARDIUM else self.fields.epi
        column = np.mod(np.asarray(angle, dtype=float) * (ANGLES / (2 * np.pi)), ANGLES)
        return values(padded, np.asarray(s, dtype=float) / STEP_MM, column)

    def nearest(self, surface: str, point: np.ndarray) -> np.ndarray:
        """Return the point (3,) RAS of a surface on the ray (for the base: on the line along the axis) of a point."""
        require_surface(surface)
        if surface == BASE:
            x, y, z = self.frame.local(point)
            high = z - sample(self.fields, np.array([[x, y, max(z, 0.0)]]))[0, 2] - min(z, 0.0)
            return self.frame.ras(np.array([x, y, high]))
        s, angle, _ = (np.atleast_1d(part) for part in self.frame.place(point))
        return self.frame.points(s, angle, self.radius(surface, s, angle))[0]

    def distances(self, points: np.ndarray) -> np.ndarray:
        """Return how far RAS points (N, 3) lie beyond endocardium, epicardium, base and rim, (N, 4) mm along rays."""
        return sample(self.fields, np.ascontiguousarray(self.frame.local(points).reshape(-1, 3)))

    def to_labels(self, grid: Grid) -> np.ndarray:
        """Return the labels ``(Z, Y, X)`` uint8: 1 cavity with papillary muscles, 2 LVM; no hole, no gap.

        Raises
        ------
        GridError
            The grid is sheared.
        """
        grid.require_orthogonal("grid of the labels")
        labels = np.zeros(grid.shape, np.uint8)
        self._fill(labels, grid, self.box(grid), None)
        self._tidy(labels, grid)
        return labels

    def _fill(self, labels: np.ndarray, grid: Grid, box: Box, before: WallSurfaces | None) -> None:
        """Write this state's labels, not yet tidied, into a box: all, or those that may differ from ``before``."""
        matrix = np.empty((3, 4))
        matrix[:, :3] = self.frame.turn @ grid.affine[:3, :3]
        matrix[:, 3] = self.frame.local(grid.affine[:3, 3])
        start = tuple(side.start for side in box)
        fill((self.fields, (before or self).fields), before is None, matrix, start, labels[box])

    def _tidy(self, labels: np.ndarray, grid: Grid) -> _Tidied:
        """Tidy labels in place; return (and remember) what that changed."""
        box = self.box(grid)
        places, raw = tidy(labels[box])
        places += [side.start for side in box]
        self._remembered[_key(grid)] = found = _Tidied(places, raw, labels[tuple(places.T)])
        return found

    @cached_property
    def _remembered(self) -> dict[tuple, _Tidied]:
        """What tidying changed, by grid: so the labels before it can be had back, and the next state's made of them."""
        return {}

    def _tidied(self, grid: Grid) -> _Tidied:
        if _key(grid) not in self._remembered:
            self.to_labels(grid)
        return self._remembered[_key(grid)]

    def update_labels(self, labels: np.ndarray, before: WallSurfaces, grid: Grid) -> Box | None:
        """Turn, in place, the labels of the state ``before`` into those of this one.

        Parameters
        ----------
        labels : ndarray (Z, Y, X) uint8
            What ``before`` gave on this grid.
        before : WallSurfaces
        grid : Grid

        Returns
        -------
        tuple of slice or None
            The box (k, j, i) that was written; None if no voxel can have changed.

        Raises
        ------
        GridError
            ``labels`` is no such array.
        """
        require_labels_of(grid, labels)
        same = before.frame is self.frame
        box = self._moved_box(before, grid) if same else _around(self.box(grid), before.box(grid))
        if not _filled(box):
            self._remembered[_key(grid)] = before._tidied(grid)
            return None
        old = before._tidied(grid)
        if same:
            labels[tuple(old.places.T)] = old.raw
        else:
            labels[box] = 0
        self._fill(labels, grid, box, before if same else None)
        new = self._tidy(labels, grid)
        return _around(box, old.box_of_difference(new)) if same else box

    def _moved_box(self, before: WallSurfaces, grid: Grid) -> Box:
        """Return the voxels whose labels, before they are tidied, may differ between two states."""
        points = self._moved_points(before)
        margin = int(np.ceil(MOVED_MARGIN_MM / grid.spacing.min())) + 1
        return box_around(points, grid, margin=margin) if len(points) else (slice(0, 0),) * 3

    def _moved_points(self, before: WallSurfaces) -> np.ndarray:
        """Return points (N, 3) RAS around which everything lies that differs between two states."""
        found = [np.empty((0, 3))]
        for part in PARTS:
            new, old = self.control[part], before.control[part]
            if new is old or not (moved := new != old).any():
                continue
            around = np.pad(moved, ((0, 0), (2, 2)), mode="wrap" if part in (ENDOCARDIUM, EPICARDIUM) else "edge")
            moved = ndimage.binary_dilation(around, np.ones((5, 5)))[:, 2:-2]
            if part in (ENDOCARDIUM, EPICARDIUM):
                rows, columns = np.nonzero(moved)
                s, angle = rows * STEP_MM, columns * (2 * np.pi / ANGLES)
                found += [self.frame.points(s, angle, state.radius(part, s, angle)) for state in (before, self)]
            else:
                place = np.argwhere(moved) * STEP_MM - self.fields.reach
                low, high = np.minimum(new, old)[moved], np.maximum(new, old)[moved]
                found += [self.frame.ras(np.column_stack([place, z])) for z in (low, high)]
        return np.concatenate(found)

    def box(self, grid: Grid) -> Box:
        """Return the voxels that may be labelled, as slices along k, j, i."""
        frame, widest = self.frame, float(self.control[EPICARDIUM].max())
        high = max(float(self.control[BASE].max()), float(self.control[RIM].max()))
        low = -float(self.control[EPICARDIUM][: int(frame.cap_length / STEP_MM) + 4].max())
        corners = np.array([[x, y, z] for x in (-widest, widest) for y in (-widest, widest) for z in (low, high)])
        return box_around(frame.ras(corners), grid)

    def changed(self, **control: np.ndarray) -> WallSurfaces:
        """Return this state with other control points of some parts."""
        return replace(self, control={**self.control, **control})


def control_shapes(frame: Frame) -> dict[str, tuple[int, ...]]:
    """Return the shape of the control points of each part."""
    lateral, side = (frame.rows, ANGLES), frame.base_nodes
    return {ENDOCARDIUM: lateral, EPICARDIUM: lateral, BASE: (side, side), RIM: (side, side)}


def box_around(points: np.ndarray, grid: Grid, *, margin: int = 1) -> Box:
    """Return the voxels of the grid around RAS points (N, 3) as slices along k, j, i; empty ones beside the grid."""
    ijk = grid.to_ijk(points)
    size = np.array(grid.shape[::-1])
    low = np.clip(np.floor(ijk.min(axis=0)).astype(int) - margin, 0, size)
    high = np.clip(np.ceil(ijk.max(axis=0)).astype(int) + margin + 1, 0, size)
    return tuple(slice(int(a), int(max(a, b))) for a, b in zip(low[::-1], high[::-1]))


def _across(direction: np.ndarray | None, axis: np.ndarray) -> np.ndarray | None:
    """Return the unit vector of a direction at right angles to an axis: it was found about the axes of the labels."""
    if direction is None:
        return None
    rest = direction - (direction @ axis) * axis
    return rest / np.linalg.norm(rest)


def _key(grid: Grid) -> tuple:
    return grid.shape, grid.affine.tobytes()


def _around(a: Box, b: Box) -> Box:
    """Return the smallest box around two boxes, of which one may be empty."""
    if not _filled(a) or not _filled(b):
        return a if _filled(a) else b
    return tuple(slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b))


def _filled(box: Box) -> bool:
    return all(side.stop > side.start for side in box)


def require_surface(surface: str) -> None:
    """Raise `LVMError` unless ``surface`` is one of `SURFACES`."""
    if surface not in SURFACES:
        raise LVMError(
            "surface", expected=", ".join(SURFACES), found=repr(surface), remedy="Name one of the three surfaces."
        )


def require_labels_of(grid: Grid, labels: np.ndarray) -> None:
    """Raise `GridError` unless ``labels`` is a uint8 array on the grid."""
    if labels.shape != grid.shape or labels.dtype != np.uint8:
        raise GridError(
            "labels",
            expected=f"uint8 of shape {grid.shape}",
            found=f"{labels.dtype} of shape {labels.shape}",
            remedy="Pass the map that `to_labels` made on this grid.",
        )
