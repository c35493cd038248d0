"""Thousands of random edits of every kind, sensible or not: does a surface ever break?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ...annotation import short_axis_stack
from ...annotation.contours import crosses_itself
from ...annotation.surfaces import (
    BASE,
    ENDOCARDIUM,
    EPICARDIUM,
    SURFACES,
    History,
    WallSurfaces,
    contours,
    copy_phase,
    copy_slice,
    drag,
    interpolate_between,
    lock,
    push,
    redraw,
    smooth,
)
from ...annotation.surfaces.limits import MINIMAL_WALL_MM, SMALLEST_RADIUS_MM
from ...errors import LVMError
from ...grid import BACKGROUND, BLOOD_POOL, LVM, Grid

KINDS = {
    "drag": 60, "push": 12, "smooth": 8, "redraw": 3, "copy slice": 3, "interpolate": 2, "copy phase": 0.2, "lock": 2,
    "unlock": 2, "undo": 5, "redo": 2, "nonsense": 2,
}  # fmt: skip
"""How often each kind of edit comes."""


@dataclass
class FuzzResult:
    """What the edits did.

    Parameters
    ----------
    edits : int
    broken : Counter
        Number of looks at which something was broken, by what it was; empty if nothing ever was.
    refused : int
        Edits that raised an `LVMError`.
    short : int
        Edits that limits or locks stopped short.
    same_after_undo : bool
        Whether undoing everything gave the first mask, voxel by voxel, and the first state to the bit.
    history_mb : float
        Memory of undo and redo at the end.
    """

    edits: int
    broken: Counter = field(default_factory=Counter)
    refused: int = 0
    short: int = 0
    same_after_undo: bool = False
    history_mb: float = 0.0


def fuzz(state: WallSurfaces, grid: Grid, *, edits: int, seed: int, look_every: int = 20) -> FuzzResult:
    """Edit at random, keep the mask up to date, look at both again and again, and undo everything."""
    rng = np.random.default_rng(seed)
    history, result = History(state), FuzzResult(edits)
    first = state.to_labels(grid)
    mask = first.copy()
    kinds, weights = list(KINDS), np.array(list(KINDS.values())) / sum(KINDS.values())
    for number in range(edits):
        before = history.current
        try:
            result.short += not _edit(history, str(rng.choice(kinds, p=weights)), rng)
        except LVMError:
            result.refused += 1
        history.current.update_labels(mask, before, grid)
        result.broken.update(broken_limits(history.current))
        if number % look_every == 0:
            result.broken.update(broken_mask(history.current, mask, grid) + crossing_contours(history.current))
    if (mask != history.current.to_labels(grid)).any():
        result.broken["mask that was kept up to date is not the whole one"] += 1
    result.history_mb = history.nbytes / 1e6
    while history.undo_name is not None:
        before = history.current
        history.undo().update_labels(mask, before, grid)
    same_state = all((history.current.control[part] == state.control[part]).all() for part in state.control)
    result.same_after_undo = bool((mask == first).all() and same_state)
    return result


def broken_limits(state: WallSurfaces) -> list[str]:
    """Return what is broken in the control points: hold there, hold everywhere on the surfaces."""
    endo, epi = state.control[ENDOCARDIUM], state.control[EPICARDIUM]
    tests = {
        "epicardium not outside endocardium": (epi - endo).min() < MINIMAL_WALL_MM - 1e-6,
        "surface at the axis": min(endo.min(), epi.min()) < SMALLEST_RADIUS_MM - 1e-6,
        "number that is not finite": not all(np.isfinite(part).all() for part in state.control.values()),
    }
    return [name for name, wrong in tests.items() if wrong]


def broken_mask(state: WallSurfaces, labels: np.ndarray, grid: Grid) -> list[str]:
    """Return what is broken in the labels of a state."""
    labels = np.pad(labels, 1)
    cavity, wall, body = labels == BLOOD_POOL, labels == LVM, labels != BACKGROUND
    touching = ndimage.binary_dilation(cavity) & ~body
    touching[[0, -1]] = touching[:, [0, -1]] = touching[:, :, [0, -1]] = False  # the image ends there
    places = grid.to_ras(np.argwhere(touching)[:, ::-1] - 1.0)
    beyond = state.distances(places) if len(places) else np.empty((0, 4))
    gap = (beyond[:, 2] < 0) & (beyond[:, 3] < 0)
    tests = {
        "hole in cavity and wall": (ndimage.binary_fill_holes(body) != body).any(),
        "hole in the cavity": (ndimage.binary_fill_holes(cavity) != cavity).any(),
        "cavity open below the base": gap.any(),
        "cavity in pieces": ndimage.label(cavity, np.ones((3, 3, 3)))[1] != 1,
        "wall in pieces": ndimage.label(wall, np.ones((3, 3, 3)))[1] != 1,
    }
    return [name for name, wrong in tests.items() if wrong]


def crossing_contours(state: WallSurfaces) -> list[str]:
    """Return ``"contour that crosses itself"`` for each short-axis contour that does."""
    found = []
    for plane in short_axis_stack(state.axes, 15.0):
        for lines in contours(state, plane, closed=True).values():
            flat = [(line - plane[:3, 3]) @ plane[:3, :2] for line in lines]
            found += ["contour that crosses itself" for line in flat if crosses_itself(line)]
    return found


def _edit(history: History, kind: str, rng: np.random.Generator) -> bool:
    """Do one random edit; return whether it went as far as asked."""
    state = history.current
    if kind in ("undo", "redo"):
        getattr(history, kind)()
        return True
    if kind in ("lock", "unlock"):
        surface = str(rng.choice(SURFACES))
        width = 8.0 if kind == "lock" else 60.0
        history.do(lock(state, surface, point=_point(state, rng), width_mm=width, locked=kind == "lock"), kind)
        return True
    edit = _lateral(state, kind, rng) if kind in _LATERAL else _local(state, kind, rng)
    history.do(edit.surfaces, kind)
    return edit.reached


_LATERAL = ("redraw", "copy slice", "interpolate", "copy phase")


def _local(state: WallSurfaces, kind: str, rng: np.random.Generator):
    surface = str(rng.choice(SURFACES, p=[0.45, 0.45, 0.1]))
    point = state.nearest(surface, _point(state, rng))
    radius = float(rng.uniform(1.0, 60.0))
    if kind == "drag":
        far = float(rng.choice([1.0, 3.0, 10.0, 60.0], p=[0.4, 0.4, 0.17, 0.03]))
        return drag(state, surface, point, point + rng.normal(0.0, far, 3), radius_mm=radius)
    if kind == "push":
        return push(state, surface, point, distance_mm=float(rng.normal(0.0, 4.0)), radius_mm=radius)
    if kind == "smooth":
        return smooth(state, surface, point, radius_mm=radius, strength=float(rng.uniform(0.0, 1.0)))
    return drag(state, surface, point, np.array([np.nan, 0.0, np.inf]), radius_mm=radius)


def _lateral(state: WallSurfaces, kind: str, rng: np.random.Generator):
    if kind == "copy phase":
        return copy_phase(state, state, scale=float(rng.uniform(0.9, 1.1)))
    surface = str(rng.choice([ENDOCARDIUM, EPICARDIUM]))
    planes = short_axis_stack(state.axes, 6.0)
    chosen = [planes[n] for n in np.sort(rng.choice(len(planes), 3, replace=False))]
    if kind == "copy slice":
        return copy_slice(state, surface, chosen[0], chosen[1])
    if kind == "interpolate":
        return interpolate_between(state, surface, chosen)
    lines = contours(state, chosen[0], closed=True)[surface]
    if not lines:
        raise LVMError("plane", expected="a contour", found="none", remedy="Choose another plane.")
    return redraw(state, surface, lines[0][::6] + rng.normal(0.0, 1.5, lines[0][::6].shape))


def _point(state: WallSurfaces, rng: np.random.Generator) -> np.ndarray:
    height = float(state.control[BASE].mean())
    s = rng.uniform(0.0, state.frame.cap_length + height)
    return state.frame.points(np.array(s), np.array(rng.uniform(0.0, 2 * np.pi)), np.array(20.0))
