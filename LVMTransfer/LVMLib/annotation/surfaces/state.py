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
from .raster import fill, tidy
from .spline import pad_base, pad_lateral, values

ENDOCARDIUM, EPICARDIUM, BASE = "endocardium", "epicardium", "base"
SURFACES = (ENDOCARDIUM, EPICARDIUM, BASE)
RIM = "rim"
PARTS = (*SURFACES, RIM)
"""What a state holds control points of; the rim (where the wall ends) moves with the base."""
EVERYWHERE, NOWHERE = (-np.inf, np.inf), (np.inf, -np.inf)
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
        return LVAxes(apex, mitral, -up, -lateral, self.aortic, up, "points")

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
        self._fill(labels, grid, self.box(grid), self, EVERYWHERE)
        self._tidy(labels, grid)
        return labels

    def _matrix(self, grid: Grid, box: tuple[slice, ...]) -> np.ndarray:
        """Return the matrix (3, 4) from (i, j, k, 1) of a box to local mm."""
        matrix = np.empty((3, 4))
        matrix[:, :3] = self.frame.turn @ grid.affine[:3, :3]
        matrix[:, 3] = self.frame.local(grid.to_ras(np.array([side.start for side in box[::-1]])))
        return matrix

    def _fill(
        self,
        labels: np.ndarray,
        grid: Grid,
        box: tuple[slice, ...],
        before: WallSurfaces,
        slab: tuple[float, float],
    ) -> None:
        """Write this state's labels into a box: between the heights ``slab`` all, elsewhere those that may differ."""
        fill(self.fields, before.fields, self._matrix(grid, box), slab, labels[box])

    def _tidy(self, labels: np.ndarray, grid: Grid) -> None:
        box = self._end_box(grid)
        tidy(labels[box], self._matrix(grid, box), *self._ends())

    def update_labels(self, labels: np.ndarray, before: WallSurfaces, grid: Grid) -> tuple[slice, slice, slice] | None:
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
        if before.frame is not self.frame:
            box = _around(self.box(grid), before.box(grid))
            labels[box] = 0
            self._fill(labels, grid, box, self, EVERYWHERE)
            self._tidy(labels, grid)
            return box if _filled(box) else None
        points = self._moved_points(before)
        if not len(points):
            return None
        margin = int(np.ceil(MOVED_MARGIN_MM / grid.spacing.min())) + 1
        box = box_around(points, grid, margin=margin)
        pairs = tuple(zip(self._ends(), before._ends()))
        low, high = min(pairs[0]), max(pairs[1])
        if self.frame.local(points)[:, 2].max() > low - 2 * MOVED_MARGIN_MM:
            box = _around(box, _around(self._end_box(grid), before._end_box(grid)))
            self._fill(labels, grid, box, before, (low, high))
            self._tidy(labels, grid)
        else:
            self._fill(labels, grid, box, before, NOWHERE)
        return box if _filled(box) else None

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

    def _ends(self) -> tuple[float, float]:
        """Return the heights between which cavity and wall end towards the base, local mm."""
        place = STEP_MM * np.arange(self.frame.base_nodes) - self.fields.reach
        near = np.hypot(place[:, None], place[None]) <= self._widest() + 2 * STEP_MM
        ends = np.concatenate([self.control[part][near] for part in (BASE, RIM)])
        return float(ends.min()) - MOVED_MARGIN_MM, float(ends.max()) + MOVED_MARGIN_MM

    def _widest(self) -> float:
        return float(self.control[EPICARDIUM][int(self.frame.cap_length / STEP_MM) :].max())

    def _end_box(self, grid: Grid) -> tuple[slice, slice, slice]:
        """Return the voxels in which cavity or wall may end towards the base."""
        widest = self._widest()
        corners = [[x, y, z] for x in (-widest, widest) for y in (-widest, widest) for z in self._ends()]
        return box_around(self.frame.ras(np.array(corners)), grid, margin=2)

    def box(self, grid: Grid) -> tuple[slice, slice, slice]:
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


def box_around(points: np.ndarray, grid: Grid, *, margin: int = 1) -> tuple[slice, slice, slice]:
    """Return the voxels of the grid around RAS points (N, 3) as slices along k, j, i; empty ones beside the grid."""
    ijk = grid.to_ijk(points)
    size = np.array(grid.shape[::-1])
    low = np.clip(np.floor(ijk.min(axis=0)).astype(int) - margin, 0, size)
    high = np.clip(np.ceil(ijk.max(axis=0)).astype(int) + margin + 1, 0, size)
    return tuple(slice(int(a), int(max(a, b))) for a, b in zip(low[::-1], high[::-1]))


def _around(a: tuple[slice, ...], b: tuple[slice, ...]) -> tuple[slice, ...]:
    """Return the smallest box around two boxes, of which one may be empty."""
    if not _filled(a) or not _filled(b):
        return a if _filled(a) else b
    return tuple(slice(min(p.start, q.start), max(p.stop, q.stop)) for p, q in zip(a, b))


def _filled(box: tuple[slice, ...]) -> bool:
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
