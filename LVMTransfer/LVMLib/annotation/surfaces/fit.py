"""Surfaces from labels: what the model or another tool drew becomes endocardium, epicardium and base."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ...grid import Grid, require_labels
from ...measures import SurfaceDistance, dice, label_surface_distances
from ..axes import LVAxes, find_axes
from ..repair import count_defects, keep_largest
from .frame import STEP_MM, Frame, frame_from_labels
from .limits import LOWEST_BASE_MM, MINIMAL_WALL_MM, flattened
from .rays import Occupancy, Samples, corrections, end_samples, lateral_samples, occupancy
from .reach import apply, at_places, bump, keep_true_pins, nodes
from .spline import fit_control, settle_pole
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, WallSurfaces, control_shapes


@dataclass(frozen=True)
class Stiffness:
    """How a part resists: weights beside one sample, and the distance (mm) beyond which a sample counts less."""

    smoothing: float
    flattening: float
    outlier_mm: float


LATERAL = Stiffness(0.1, 0.03, 1.0)
ENDS = Stiffness(0.01, 0.001, 6.0)
CARRIED_ON = Stiffness(0.0, 0.03, np.inf)
STIFFNESS = {ENDOCARDIUM: LATERAL, EPICARDIUM: LATERAL, BASE: ENDS, RIM: ENDS}
"""The base may jump from the mitral plane to the outflow tract; what the walls do so suddenly is noise."""
LOOKS = 4
"""How often the surfaces' own labels are looked at in the same way, and the difference taken out."""
LARGEST_STEP_MM = {ENDOCARDIUM: 1.0, EPICARDIUM: 1.0, BASE: 4.0, RIM: 4.0}
EDITED_MM, EDGE_MM = 5.0, 10.0
"""So far from edited voxels the surfaces are fitted anew, and over so much more the old ones take over."""
PIT_ROUNDS = 3
PIT_MM = 0.6
"""How far above a voxel of a pit the base is raised."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Surfaces, and how well they show the labels that they were made from.

    Parameters
    ----------
    surfaces : WallSurfaces
    dice : dict of int to float
        Dice of blood pool (1) and LVM (2) between the labels and the surfaces' own.
    distance : dict of int to SurfaceDistance
        Their surface distances, mm.
    """

    surfaces: WallSurfaces
    dice: dict[int, float]
    distance: dict[int, SurfaceDistance]


def fit_labels(
    labels: np.ndarray,
    grid: Grid,
    axes: LVAxes | None = None,
    *,
    frame: Frame | None = None,
    before: WallSurfaces | None = None,
) -> Fit:
    """Return the smooth surfaces of labels.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM. Islands are left out; papillary muscles go to the cavity.
    grid : Grid
        Grid of the labels, RAS mm.
    axes : LVAxes, optional
        From `find_axes` otherwise.
    frame : Frame, optional
        Keep these coordinates.
    before : WallSurfaces, optional
        The state whose labels on this grid were edited: where they were not, its surfaces, pins and locks stay to the
        bit.

    Returns
    -------
    Fit
        With the error of the fit on the grid of the labels.

    Raises
    ------
    LabelError
        Other values than 0, 1, 2; no cavity, or one too small for an axis.
    GridError
        A sheared grid.
    """
    labels = require_labels(labels, "labels")
    grid.require_orthogonal("grid of the labels")
    frame = before.frame if before else frame
    edited = grid.to_ras(np.argwhere(before.to_labels(grid) != labels)[:, ::-1]) if before else None
    if before and not len(edited):
        return _with_error(before, labels, grid)
    body = keep_largest(labels)
    axes = axes or find_axes(body, grid)
    frame = frame or frame_from_labels(body, grid, axes)
    goal = occupancy(body, grid)
    state = _fit(goal, frame, axes)
    for look in range(LOOKS):
        for parts in ((BASE, RIM), (ENDOCARDIUM, EPICARDIUM)):
            state = _corrected(state, goal, grid, parts, carry_on=look < LOOKS - 1)
    state = _without_pits(state, grid)
    return _with_error(_near(edited, before, state) if before else state, labels, grid)


def _with_error(state: WallSurfaces, labels: np.ndarray, grid: Grid) -> Fit:
    own = state.to_labels(grid)
    return Fit(state, dice(own, labels), label_surface_distances(own, labels, grid.spacing))


def _near(edited: np.ndarray, before: WallSurfaces, fitted: WallSurfaces) -> WallSurfaces:
    """Return the state before with the fitted surfaces near edited voxels (N, 3), RAS mm, as far as locks allow."""
    tree, state = cKDTree(before.frame.local(edited)), before
    for part in (RIM, BASE, EPICARDIUM, ENDOCARDIUM):
        points = np.array(nodes(before, part if part in (ENDOCARDIUM, EPICARDIUM) else BASE)[0])
        if part in (BASE, RIM):
            points[:, 2] = before.control[part].ravel()
        distance = tree.query(points)[0].reshape(before.control[part].shape)
        change = bump(np.maximum(distance - EDITED_MM, 0.0) / EDGE_MM) * (fitted.control[part] - before.control[part])
        state = apply(state, part, settle_pole(change) if part in (ENDOCARDIUM, EPICARDIUM) else change)[0]
    return keep_true_pins(state)


def from_control(
    frame: Frame, control: dict[str, np.ndarray], aortic: np.ndarray | None, **more: object
) -> WallSurfaces:
    """Return a state whose control points keep all limits, moved as little as they need."""
    endo = settle_pole(flattened(control[ENDOCARDIUM], frame))
    epi = settle_pole(flattened(np.maximum(control[EPICARDIUM], endo + MINIMAL_WALL_MM), frame))
    epi[1] += max(float((endo[1] + MINIMAL_WALL_MM - epi[1]).max()), 0.0)
    epi = np.maximum(epi, endo + MINIMAL_WALL_MM)
    lowest = {part: np.maximum(control[part], LOWEST_BASE_MM) for part in (BASE, RIM)}
    return WallSurfaces(frame, {ENDOCARDIUM: endo, EPICARDIUM: epi, **lowest}, aortic=aortic, **more)


def _fit(seen: Occupancy, frame: Frame, axes: LVAxes) -> WallSurfaces:
    endo, epi = lateral_samples(seen, frame)
    control = {ENDOCARDIUM: _solved(ENDOCARDIUM, endo, frame), EPICARDIUM: _solved(EPICARDIUM, epi, frame)}
    flat = np.full((frame.base_nodes,) * 2, frame.top_mm)
    lateral = from_control(frame, {**control, BASE: flat, RIM: flat}, axes.aortic)
    ends = {part: _solved(part, end_samples(seen, lateral, part), frame) for part in (BASE, RIM)}
    return from_control(frame, {**control, **ends}, axes.aortic)


def _solved(part: str, samples: Samples, frame: Frame, stiffness: Stiffness | None = None) -> np.ndarray:
    return fit_control(
        samples.u,
        samples.v,
        samples.values,
        samples.weight,
        control_shapes(frame)[part],
        lateral=part in (ENDOCARDIUM, EPICARDIUM),
        **asdict(stiffness or STIFFNESS[part]),
    )


def _corrected(
    state: WallSurfaces, goal: Occupancy, grid: Grid, parts: tuple[str, ...], *, carry_on: bool
) -> WallSurfaces:
    """Look at the state's own labels as at the goal's, and move the control points of some parts by the difference.

    ``carry_on``: where a part bounds nothing, it goes on evenly from where it does.
    """
    own = occupancy(state.to_labels(grid), grid)
    control = dict(state.control)
    for part in parts:
        found, most = corrections(goal, own, state, part), LARGEST_STEP_MM[part]
        if not found.samples.weight.any():
            continue
        step = replace(found.samples, values=np.clip(found.samples.values, -most, most))
        control[part] = control[part] + _solved(part, step, state.frame)
        if carry_on and found.bounds.any():
            here = _at_nodes(part, control[part], step)
            control[part] = _solved(part, replace(step, values=here, weight=found.bounds), state.frame, CARRIED_ON)
    return from_control(state.frame, control, state.aortic)


def _at_nodes(part: str, control: np.ndarray, places: Samples) -> np.ndarray:
    index, weight = at_places(part, control.shape, places.u, places.v)
    return (control.ravel()[index] * weight).sum(axis=1)


def _without_pits(state: WallSurfaces, grid: Grid) -> WallSurfaces:
    """Raise the base and the rim where they leave a pit between cavity and wall that the check would call a gap."""
    for _ in range(PIT_ROUNDS):
        defects = count_defects(state.to_labels(grid), grid)[2]
        if not defects.any():
            break
        points = grid.to_ras(np.argwhere(defects)[:, ::-1])
        local, inside = state.frame.local(points), state.distances(points)[:, 0] < 0
        raised = {part: np.array(state.control[part]) for part in (BASE, RIM)}
        for part, which in ((BASE, inside), (RIM, ~inside)):
            nearest = np.rint((local[which, :2] + state.fields.reach) / STEP_MM).astype(int)
            for i, j in itertools.product((-1, 0, 1), repeat=2):
                place = np.clip(nearest + (i, j), 0, len(raised[part]) - 1)
                np.maximum.at(raised[part], tuple(place.T), local[which, 2] + PIT_MM)
        state = from_control(state.frame, {**state.control, **raised}, state.aortic)
    return state
