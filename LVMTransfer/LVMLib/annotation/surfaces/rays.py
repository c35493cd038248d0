"""Where labels change along the rays of a frame: the samples to which surfaces are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ...errors import LabelError
from ...grid import BLOOD_POOL, LVM, Grid
from .fields import sample
from .frame import ANGLES, STEP_MM, Frame
from .spline import values
from .state import BASE, ENDOCARDIUM, EPICARDIUM, RIM, WallSurfaces

ALONG_MM = 0.5
"""Sampling along a ray."""
BLUR_VOXELS = 0.7
"""Blur (SD) that turns the staircase of voxels into a smooth step. What it shifts is taken out by a second look."""
SEEN = 0.5
PRESENT_MM = 1.5
"""A ray with less cavity, or less wall, than this says nothing about its end."""
MARGIN_MM = {BASE: 1.5, RIM: 0.7}
"""An end nearer than this to a surface is that surface."""
BEYOND = 0.05
"""Weight of the base's continuation beyond the annulus."""
AROUND_MM = 8.0
"""How far from a part its better place is looked for."""
DECISIVE_MM = 1.0
"""Length of labels that must speak against another place before a place counts fully."""
BOUNDS = 0.4
"""A part bounds what is labelled if 1.5 mm to each of its sides are labelled so on average (1 without blur)."""
KEEP = 1e-3
"""Mislabelled length for which a part does not move by one sample: where labels do not care it stays."""


@dataclass(frozen=True, eq=False)
class Occupancy:
    """Cavity and wall as blurred fractions 0 to 1 on a grid."""

    cavity: np.ndarray
    wall: np.ndarray
    grid: Grid

    def at(self, ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both fractions at RAS points ``(..., 3)``, linearly interpolated; 0 outside the grid."""
        place = np.moveaxis(self.grid.to_ijk(ras)[..., ::-1], -1, 0)
        return tuple(
            ndimage.map_coordinates(part, place, order=1, output=np.float32) for part in (self.cavity, self.wall)
        )


@dataclass(frozen=True, eq=False)
class Samples:
    """Places in control points, values in mm and weights, each ``(N,)``."""

    u: np.ndarray
    v: np.ndarray
    values: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, eq=False)
class Correction:
    """By how much a part should move, and where it bounds cavity or wall, so that it can be seen: 0 to 1, ``(N,)``."""

    samples: Samples
    bounds: np.ndarray


def occupancy(labels: np.ndarray, grid: Grid) -> Occupancy:
    """Return the blurred fractions of labels ``(Z, Y, X)``, cropped to them."""
    margin = 4
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    box = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
    part = np.pad(labels[box], margin)  # the image may end at the heart
    grid = grid.cropped(tuple(side.start - margin for side in box), part.shape)
    sigma = BLUR_VOXELS * grid.spacing.min() / grid.spacing[::-1]
    cavity, wall = (ndimage.gaussian_filter((part == label).astype(np.float32), sigma) for label in (BLOOD_POOL, LVM))
    return Occupancy(cavity, wall, grid)


def lateral_samples(seen: Occupancy, frame: Frame) -> tuple[Samples, Samples]:
    """Return where cavity and wall end along the rays of all lateral control points: endocardium, epicardium.

    Along each ray the end is where the labels agree best with "inside, then outside": muscle in the cavity (papillary
    muscles, trabeculae) and leaks weigh as much as they are long, and do not stop the ray.
    """
    u, v = (part.ravel() for part in np.meshgrid(np.arange(frame.rows), np.arange(ANGLES), indexing="ij"))
    start, direction = frame.rays(u * STEP_MM, v * (2 * np.pi / ANGLES))
    rho = np.arange(0.0, frame.reach_mm, ALONG_MM)
    points = frame.ras(start[:, None] + rho[None, :, None] * direction[:, None])
    cavity, wall = seen.at(points)
    nothing = 1.0 - cavity - wall
    begun = np.maximum.accumulate(cavity, axis=1) > SEEN
    endo = _best_end(wall + nothing * begun - cavity)
    inside = cavity.sum(axis=1) * ALONG_MM
    begun_wall = np.maximum.accumulate(wall, axis=1) > SEEN
    epi = _best_end(nothing * (begun_wall | begun) - wall - cavity)
    muscle = wall.sum(axis=1) * ALONG_MM
    # Above the mitral plane some rays meet muscle but no cavity: the endocardium is where the muscle begins.
    rim_only = (inside < PRESENT_MM) & (muscle >= PRESENT_MM) & (u * STEP_MM > frame.cap_length)
    endo = np.where(rim_only, _first(wall), endo)
    seen_enough = np.clip((cavity.max(axis=1) - SEEN) / 0.4, 0.0, 1.0) * (inside >= PRESENT_MM)
    endo_weight = np.where(rim_only, 0.3 * (endo > 4.0), seen_enough)
    epi_weight = np.clip((wall.max(axis=1) - SEEN) / 0.3, 0.0, 1.0) * (muscle >= PRESENT_MM)
    return Samples(u, v, endo, endo_weight), Samples(u, v, epi, epi_weight)


def end_samples(seen: Occupancy, state: WallSurfaces, part: str) -> Samples:
    """Return where cavity (``"base"``) or wall (``"rim"``) end along lines parallel to the axis.

    One line for each control point. Lines that leave cavity or wall sideways take the height of the nearest line that
    ends at the base.

    Raises
    ------
    LabelError
        Nothing ends towards the base.
    """
    frame, side = state.frame, state.frame.base_nodes
    u, v = (part.ravel() for part in np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
    x, y = (u - (side - 1) / 2) * STEP_MM, (v - (side - 1) / 2) * STEP_MM
    near = np.hypot(x, y) < frame.reach_mm
    u, v, x, y = u[near], v[near], x[near], y[near]
    z = np.arange(0.0, frame.top_mm, ALONG_MM)
    points = np.stack(np.broadcast_arrays(x[:, None], y[:, None], z), axis=-1)
    cavity, wall = seen.at(frame.ras(points))
    beyond = state.distances(frame.ras(points).reshape(-1, 3)).reshape(*points.shape[:2], 4)
    own, other = (cavity, wall) if part == BASE else (wall, cavity)
    room = -beyond[..., 0] if part == BASE else np.minimum(-beyond[..., 1], beyond[..., 0])
    own = np.where(room > 0, own, 0.0)
    begun = np.maximum.accumulate(own, axis=1) > SEEN
    end = _best_end(np.where(room > 0, (1.0 - own) * begun - own, 0.0))
    at = np.clip((end / ALONG_MM).astype(int), 0, len(z) - 1)
    after, rows = np.minimum(at + int(PRESENT_MM / ALONG_MM), len(z) - 1), np.arange(len(u))
    closed = (room[rows, at] > MARGIN_MM[part]) & (room[rows, after] > 0) & (other[rows, after] < 1.0 - SEEN)
    closed &= (at < len(z) - 2) & (own.sum(axis=1) * ALONG_MM >= PRESENT_MM)
    if not closed.any():
        raise LabelError(
            "labels",
            expected="a ventricle that is cut at the mitral valve",
            found="none that ends along the long axis",
            remedy="Check the labels, or click apex, mitral centre and septum instead.",
        )
    _, nearest = cKDTree(np.stack([x, y], axis=1)[closed]).query(np.stack([x, y], axis=1))
    return Samples(u, v, end[closed][nearest], np.where(closed, 1.0, BEYOND))


def corrections(goal: Occupancy, own: Occupancy, state: WallSurfaces, part: str) -> Correction:
    """Return by how much a part lies better for the goal than for the state's own labels.

    The place of the part on each line is that with which the other parts, as they are, label the line best. So a ray
    above the base, where neither side of the endocardium is labelled, says nothing about it, and where nothing of the
    wall is left the rim is lowered.
    """
    u, v, points = _lines(state, part)
    beyond = sample(state.fields, np.ascontiguousarray(points.reshape(-1, 3))).reshape(*points.shape[:2], 4)
    ras, middle = state.frame.ras(points), points.shape[1] // 2
    places, weights = [], []
    for seen in (goal, own):
        gain = _gain(part, beyond, *seen.at(ras))
        places.append(_best_end(gain, keep=middle))
        weights.append(np.clip(np.abs(gain).sum(axis=1) * ALONG_MM / DECISIVE_MM, 0.0, 1.0))
    near = np.arange(1, 4)  # the last gain is that of the own labels
    inside, outside = (gain[:, middle + side * near].mean(axis=1) for side in (-1, 1))
    bounds = np.clip(np.minimum(-inside, outside) / BOUNDS, 0.0, 1.0)
    return Correction(Samples(u, v, places[0] - places[1], np.maximum(*weights)), bounds)


def _lines(state: WallSurfaces, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows and columns of a part's control points, and points (N, M, 3), local mm, about it on their lines."""
    along = np.arange(-AROUND_MM, AROUND_MM + ALONG_MM, ALONG_MM)
    shape = state.control[part].shape
    u, v = (place.ravel() for place in np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))
    if part in (ENDOCARDIUM, EPICARDIUM):
        start, way = state.frame.node_rays
        middle = state.radius(part, *state.frame.node_places)
    else:
        x, y = (place * STEP_MM - state.fields.reach for place in (u, v))
        start, way = np.stack([x, y, np.zeros(len(x))], axis=1), np.array([0.0, 0.0, 1.0])
        middle = values(state.fields.base if part == BASE else state.fields.rim, u.astype(float), v.astype(float))
    # Lines begin at the axis (or at the centre of the cap): what would lie before it repeats its first point.
    far = np.maximum(middle[:, None] + along, 0.0)
    return u, v, start[:, None] + far[..., None] * np.broadcast_to(way, start.shape)[:, None]


def _gain(part: str, beyond: np.ndarray, cavity: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Return what is labelled better with points (N, M) beyond a part than with them inside it, -1 to 1.

    ``beyond`` (N, M, 4): how far they lie beyond endocardium, epicardium, base, rim. ``cavity``, ``wall``: fractions.
    """
    endo, epi, base, rim = np.moveaxis(beyond < 0, -1, 0)
    nothing = 1.0 - cavity - wall
    if part == ENDOCARDIUM:
        return np.where(epi & rim, wall, nothing) - np.where(base, cavity, nothing)
    if part == EPICARDIUM:
        return np.where(~endo & rim, nothing - wall, 0.0)
    if part == BASE:
        return np.where(endo, nothing - cavity, 0.0)
    return np.where(~endo & epi, nothing - wall, 0.0)


def _best_end(gain: np.ndarray, *, keep: int | None = None) -> np.ndarray:
    """Return, mm, where the sum of ``gain`` (N, M) from the start is least, between samples; ``keep``: where it was."""
    cost = np.concatenate([np.zeros((len(gain), 1)), np.cumsum(gain, axis=1)], axis=1)
    if keep is not None:
        cost += KEEP * np.abs(np.arange(cost.shape[1]) - keep - 0.5)
    best = np.argmin(cost, axis=1)
    rows = np.arange(len(gain))
    before = gain[rows, np.maximum(best - 1, 0)]
    after = gain[rows, np.minimum(best, gain.shape[1] - 1)]
    rise = after - before
    part = np.where((best > 0) & (rise > 1e-6), np.clip(-before / np.where(rise > 1e-6, rise, 1.0), 0.0, 1.0), 0.0)
    return np.maximum(best - 1 + part, 0.0) * ALONG_MM


def _first(fraction: np.ndarray) -> np.ndarray:
    """Return, mm, where a fraction (N, M) first passes one half."""
    return np.argmax(fraction > SEEN, axis=1) * ALONG_MM - 0.5 * ALONG_MM
