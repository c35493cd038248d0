"""Which vertices belong to the epicardium, and which of them have no thickness that one may believe."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .frame import Field
from .mesh import extract_surface
from .prepare import Prepared

# Thinner than this part of a step, the wall is open.
OPEN_STEPS = 0.35
# The smoothing of both surfaces reaches this many steps from an opening or an edge.
REACH_STEPS = 2.5
# The top of an irregular ring faces away from the apex; an epicardium does so at most at half of this angle.
RIM_COSINE = 0.6
RIM_DEPTH_MM = 8.0


def epicardium(field: Field, prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3), mm in the field's frame, and triangles (T, 3) of the outer surface of the wall.

    The blood pool's own outer surface is left out at the base, where it is the opening of the ventricle, and kept,
    for `flag` to see, where it shows through a hole in the wall.
    """
    points, triangles = extract_surface(field.epi, field.spacing, field.top)
    depth = _at(field.endo, field.spacing, points) / field.spacing.mean()
    keep = depth > -0.5
    bare = depth < OPEN_STEPS
    if bare.any() and len(prepared.opening):
        opening = cKDTree(field.from_input(prepared.opening))
        keep[bare] &= opening.query(points[bare], distance_upper_bound=_reach(field))[0] == np.inf
    if keep.all():
        return points, triangles
    kept = triangles[keep[triangles].all(axis=1)]
    used = np.zeros(len(points), bool)
    used[kept] = True
    number = np.cumsum(used) - 1
    return points[used], number[kept].astype(np.int32)


def flag(field: Field, prepared: Prepared, shape: tuple, lines: tuple, reasons: np.ndarray) -> np.ndarray:
    """Return why each vertex has no thickness that one may believe: a key of `model.REASONS`, 0 where it has one.

    Parameters
    ----------
    field : Field
    prepared : Prepared
    shape : tuple of int
        Shape of the caller's array.
    lines : tuple
        Points (P, 3) of all flow lines, mm in the field's frame, and offsets (V + 1,).
    reasons : ndarray (V,) uint8
        From the tracing of the lines.
    """
    points, offsets = lines
    seeds = points[offsets[:-1]]
    reasons = reasons.copy()
    bare = _at(field.endo, field.spacing, seeds) < OPEN_STEPS * field.spacing.mean()
    _mark(reasons, bare, 4)
    if bare.any():
        _mark(reasons, cKDTree(seeds[bare]).query(seeds, distance_upper_bound=_reach(field))[0] < np.inf, 5)
    if prepared.filled.any() and len(seeds):
        wide = ndimage.binary_dilation(prepared.filled, np.ones((3, 3, 3)))
        index = np.rint(field.to_input(points) / prepared.spacing).astype(int)
        index = np.clip(index, 0, np.array(wide.shape[::-1]) - 1)
        hit = wide[index[:, 2], index[:, 1], index[:, 0]]
        _mark(reasons, np.logical_or.reduceat(hit, offsets[:-1]), 6)
    _mark(reasons, _at_border(field, prepared, shape, seeds), 7)
    if prepared.base is not None and not prepared.base.flat:
        _mark(reasons, _on_rim(field, prepared, seeds), 8)
    return reasons


def _mark(reasons, where, reason):
    reasons[where & (reasons == 0)] = reason


def _reach(field):
    return REACH_STEPS * float(field.spacing.mean())


def _at(volume, spacing, points):
    return ndimage.map_coordinates(volume, (points / spacing).T[::-1], order=1, mode="nearest")


def _on_rim(field, prepared, seeds):
    """Vertices on the top of an irregular ring: beside the opening, or facing away from the apex near the base."""
    rim = np.zeros(len(seeds), bool)
    if len(prepared.opening):
        opening = cKDTree(field.from_input(prepared.opening))
        rim |= opening.query(seeds, distance_upper_bound=_reach(field))[0] < np.inf
    slopes = []
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = field.spacing[axis]
        slopes.append(_at(field.epi, field.spacing, seeds + step) - _at(field.epi, field.spacing, seeds - step))
    cosine = slopes[2] / np.maximum(np.linalg.norm(slopes, axis=0), 1e-9)
    deep = prepared.base.height(field.to_input(seeds)) > -RIM_DEPTH_MM
    rim |= deep & (cosine > RIM_COSINE)
    if not rim.any():
        return rim
    return cKDTree(seeds[rim]).query(seeds, distance_upper_bound=_reach(field))[0] < np.inf


def _at_border(field, prepared, shape, seeds):
    """Vertices where the image ends and not the wall; the side on which the base lies does not count."""
    index = field.to_input(seeds) / prepared.spacing
    index = index @ prepared.to_source[:3, :3].T + prepared.to_source[:3, 3]
    hit = np.zeros(len(seeds), bool)
    normal = np.zeros(3)
    if prepared.base is not None:
        normal = np.abs(prepared.to_source[:3, :3] @ prepared.base.axes[2])
    for axis, size in enumerate(shape[::-1]):
        if normal[axis] <= 0.9:
            hit |= (index[:, axis] < 0.5) | (index[:, axis] > size - 1.5)
    return hit
