"""Which vertices belong to the epicardium, and which of them have no thickness that one may believe."""

from __future__ import annotations

import numba
import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ...grid import LVM
from ..wall.frame import Field
from ..wall.prepare import Prepared
from .mesh import extract_surface

# Thinner than this part of a step, the wall is open.
OPEN_STEPS = 0.35
# The smoothing of both surfaces reaches this many steps from an opening or an edge.
REACH_STEPS = 2.5
# The top of an irregular ring faces away from the apex; an epicardium does so at most at half of this angle.
RIM_COSINE = 0.6
RIM_DEPTH_MM = 8.0
# So many voxels from its ends, a flow line must run through wall in the mask as well.
SLACK_VOXELS = 1.5


def epicardium(field: Field, prepared: Prepared) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (V, 3), mm in the field's frame, and triangles (T, 3) of the outer surface of the wall.

    The blood pool's own outer surface is left out at the base, where it is the opening of the ventricle, and kept,
    for `flag` to see, where it shows through a hole in the wall.
    """
    points, triangles = extract_surface(field.epi, field.spacing, field.rim)
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


def open_wall(distance: np.ndarray, spacing: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return whether the wall's other surface, ``distance`` mm away (negative in the wall), is at points (N, 3), mm."""
    return _at(distance, spacing, points) > -OPEN_STEPS * spacing.mean()


def flag(field: Field, prepared: Prepared, shape: tuple, lines: tuple, traced: tuple) -> np.ndarray:
    """Return why each vertex has no thickness that one may believe: a key of `model.REASONS`, 0 where it has one.

    Parameters
    ----------
    field : Field
    prepared : Prepared
    shape : tuple of int
        Shape of the caller's array.
    lines : tuple
        Points (P, 3 or more columns) of all flow lines, mm in the field's frame, and offsets (V + 1,).
    traced : tuple
        Lengths (V,), mm, and reasons (V,) from the tracing of the lines.
    """
    points, offsets = lines
    seeds = points[offsets[:-1], :3]
    lengths, reasons = traced[0], traced[1].copy()
    bare = open_wall(-field.endo, field.spacing, seeds)
    _mark(reasons, bare, 4)
    if bare.any():
        _mark(reasons, cKDTree(seeds[bare]).query(seeds, distance_upper_bound=_reach(field))[0] < np.inf, 5)
    if len(prepared.hole_faces):
        # The sides of a hole face outside but are no epicardium; they reach as far as the wall is thick.
        width = 1.1 * float(np.nanmedian(lengths)) if np.isfinite(lengths).any() else 0.0
        tree = cKDTree(field.from_input(prepared.hole_faces))
        _mark(reasons, tree.query(seeds, distance_upper_bound=max(width, _reach(field)))[0] < np.inf, 5)
    if prepared.filled.any() and len(seeds):
        wide = ndimage.binary_dilation(prepared.filled, np.ones((3, 3, 3)))
        index = np.rint(field.to_input(points[:, :3]) / prepared.spacing).astype(int)
        index = np.clip(index, 0, np.array(wide.shape[::-1]) - 1)
        hit = wide[index[:, 2], index[:, 1], index[:, 0]]
        _mark(reasons, np.logical_or.reduceat(hit, offsets[:-1]), 6)
    _mark(reasons, _at_border(field, prepared, shape, seeds), 7)
    if prepared.base is not None and not prepared.base.flat:
        _mark(reasons, _on_rim(field, prepared, seeds), 8)
    base = prepared.base
    _mark(
        reasons,
        _off_mask(
            points,
            offsets,
            prepared.labels,
            (field.rotation, field.translation, prepared.spacing),
            (np.zeros(3) if base is None else base.axes[2].copy(), np.zeros(3) if base is None else base.origin),
        ),
        9,
    )
    return reasons


@numba.njit(cache=True, nogil=True)
def _off_mask(points, offsets, labels, frame, plane):
    """Lines that the mask contradicts: no background at the start, no blood pool at the end, or not wall between."""
    rotation, translation, spacing = frame
    normal, origin = plane
    off = np.empty(offsets.size - 1, np.bool_)
    reach = SLACK_VOXELS * max(spacing[0], max(spacing[1], spacing[2]))  # noqa: PLW3301 -- compiles faster
    for line in range(off.size):
        off[line] = False
        first, last = offsets[line], offsets[line + 1] - 1
        for row in range(first, last + 1):
            x, y, z = points[row, 0], points[row, 1], points[row, 2]
            near_start = (x - points[first, 0]) ** 2 + (y - points[first, 1]) ** 2 + (z - points[first, 2]) ** 2
            near_end = (x - points[last, 0]) ** 2 + (y - points[last, 1]) ** 2 + (z - points[last, 2]) ** 2
            px = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z + translation[0]
            py = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z + translation[1]
            pz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z + translation[2]
            height = (px - origin[0]) * normal[0] + (py - origin[1]) * normal[1] + (pz - origin[2]) * normal[2]
            # The rim lies between two layers: look at the one below the base.
            sink = max(height + 0.5 * reach / SLACK_VOXELS, 0.0)
            i = int((px - sink * normal[0]) / spacing[0] + 0.5)
            j = int((py - sink * normal[1]) / spacing[1] + 0.5)
            k = int((pz - sink * normal[2]) / spacing[2] + 0.5)
            if not (0 < i < labels.shape[2] - 1 and 0 < j < labels.shape[1] - 1 and 0 < k < labels.shape[0] - 1):
                off[line] = True
                break
            if row == first:
                bad = not _near(labels, k, j, i, 0)
            elif row == last:
                bad = not _near(labels, k, j, i, 1)
            else:
                deep = near_start > reach * reach and near_end > reach * reach
                bad = deep and labels[k, j, i] != LVM and height < -reach
            if bad:
                off[line] = True
                break
    return off


@numba.njit(cache=True, nogil=True)
def _near(labels, k, j, i, value):
    for dk in range(-1, 2):
        for dj in range(-1, 2):
            for di in range(-1, 2):
                if labels[k + dk, j + dj, i + di] == value:
                    return True
    return False


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
