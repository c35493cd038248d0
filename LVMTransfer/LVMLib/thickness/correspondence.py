"""Where a point of the epicardium goes when the heart beats, as far as masks can tell.

Every surface is seen from one point on the long axis of its own ventricle, lengths measured in parts of the
ventricle's own length and width. Directions from there are the coordinates: the angle about the axis from the septum,
and the way from the apex to the rim of the base, which is the same valve ring at every phase. A ventricle that
shortens, narrows, moves or tilts keeps these coordinates; so every phase is reached from end-diastole in one step and
no error adds up. A mask has no landmark around the axis: twist cannot be seen, and sliding along the surface only
where the shape shows it.
"""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from .ventricle import LVFrame

# Where the point of view lies: this part of the way from the base to the apex of the epicardium.
VIEW = 1 / 3
# Width of the ventricle: this quantile of the distances from the axis, so that no single bump sets it.
WIDTH_QUANTILE = 0.95
SECTORS = 72
# The rim is known when this part of the sectors has a piece of it; below, the ventricle counts as closed.
RIM_KNOWN = 0.6
# Open edges nearer to the apex than this angle are cuts in the wall, not the base.
RIM_DEGREES = 60.0
# Cells across the cube about all directions: triangles are looked up by the cell, a few in each.
CELLS = 48


@dataclass(frozen=True, eq=False)
class Chart:
    """A surface seen from the inside of its ventricle.

    Parameters
    ----------
    points : ndarray (V, 3)
        RAS mm.
    triangles : ndarray (T, 3)
    angle, polar : ndarray (V,)
        Radians about the axis from the lateral to the anterior wall, and from the apex.
    radius : ndarray (V,)
        Distance from the point of view, in the ventricle's own measures.
    rim : ndarray (SECTORS,) or None
        Polar angle of the rim about the axis, from angle 0 on; None = closed.
    """

    points: np.ndarray
    triangles: np.ndarray
    angle: np.ndarray
    polar: np.ndarray
    radius: np.ndarray
    rim: np.ndarray | None


def make_chart(points: np.ndarray, triangles: np.ndarray, frame: LVFrame) -> Chart:
    """Return the chart of an epicardium (points (V, 3) RAS mm, triangles (T, 3)) in its ventricle's frame."""
    axes = np.array([-frame.septal, frame.anterior, frame.axis])
    local = (points - frame.base) @ axes.T
    edge = _open_vertices(triangles, len(points))
    angle, polar, _ = _seen(local, VIEW * local[:, 2].max(), np.ones(3))
    edge = edge[polar[edge] > np.radians(RIM_DEGREES)]
    heights, known = _by_sector(angle[edge], local[edge])
    if known.mean() >= RIM_KNOWN:
        local = local - heights[known].mean(axis=0)
    length = local[:, 2].max()
    width = np.quantile(np.hypot(local[:, 0], local[:, 1]), WIDTH_QUANTILE)
    angle, polar, radius = _seen(local, VIEW * length, np.array([width, width, length]))
    return Chart(points, triangles, angle, polar, radius, _rim(angle[edge], polar[edge]))


def carry(source: Chart, target: Chart) -> tuple[np.ndarray, np.ndarray]:
    """Find the place on ``target`` of every vertex of ``source``.

    Returns
    -------
    corners : ndarray (V, 3) int64
        Vertices of the target; -1 where there is no such place.
    weights : ndarray (V, 3)
        Their weights, each row adding up to 1.
    """
    towards = _unit(source.angle, source.polar)
    polar = target.polar
    if source.rim is not None and target.rim is not None:
        ours, theirs = (_at(rim, target.angle) for rim in (source.rim, target.rim))
        # The whole stretch at the rim, none at the apex, where all angles meet.
        polar = polar * (1 + (ours / theirs - 1) * np.minimum(polar / theirs, 1.5) ** 2)
    seen = _unit(target.angle, np.minimum(polar, np.pi))
    triangles = np.asarray(target.triangles, np.int64)
    corners = np.full((len(towards), 3), -1, np.int64)
    weights = np.zeros((len(towards), 3))
    _intersect(towards, seen, target.radius, triangles, _sorted_into_cells(seen, triangles), corners, weights)
    missed = np.flatnonzero(corners[:, 0] < 0)
    if missed.size:
        # Just beyond the rim: the nearest vertex, if it is no farther than two edges of a triangle.
        sides = np.linalg.norm(seen[target.triangles[:, 0]] - seen[target.triangles[:, 1]], axis=1)
        distance, vertex = cKDTree(seen).query(towards[missed])
        close = distance <= 2 * np.median(sides)
        corners[missed[close]] = vertex[close, None]
        weights[missed[close], 0] = 1.0
    return corners, weights


def interpolated(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``values`` (V,) or (V, N) at the places that `carry` found; NaN where there is none, or no value."""
    found = corners[:, 0] >= 0
    out = np.full((len(corners), *values.shape[1:]), np.nan)
    chosen, share = corners[found], weights[found]
    # A corner that does not count must not spoil the others with its NaN.
    chosen = np.where(share > 1e-9, chosen, np.take_along_axis(chosen, share.argmax(axis=1)[:, None], axis=1))
    out[found] = np.einsum("nc,nc...->n...", share, values[chosen])
    return out


def _open_vertices(triangles, count):
    """Vertices on edges that belong to one triangle only."""
    edges = np.sort(
        np.vstack([triangles[:, (0, 1)], triangles[:, (1, 2)], triangles[:, (2, 0)]]).astype(np.int64), axis=1
    )
    keys, times = np.unique(edges[:, 0] * count + edges[:, 1], return_counts=True)
    lonely = keys[times == 1]
    return np.unique(np.concatenate([lonely // count, lonely % count]))


def _seen(local, view, scale):
    offset = (local - (0, 0, view)) / scale
    radius = np.linalg.norm(offset, axis=1)
    across = np.hypot(offset[:, 0], offset[:, 1])
    return np.arctan2(offset[:, 1], offset[:, 0]), np.arctan2(across, offset[:, 2]), radius


def _unit(angle, polar):
    return np.column_stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)])


def _by_sector(angle, values):
    """Mean of ``values`` (N, ...) in every sector of the angle, and which sectors have any."""
    sector = np.floor(angle / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    counts = np.bincount(sector, minlength=SECTORS)
    total = np.zeros((SECTORS, *values.shape[1:]))
    np.add.at(total, sector, values)
    known = counts > 0
    total[known] = (total[known].T / counts[known]).T
    return total, known


def _rim(angle, polar):
    mean, known = _by_sector(angle, polar)
    if known.mean() < RIM_KNOWN:
        return None
    filled = np.interp(np.arange(SECTORS), np.flatnonzero(known), mean[known], period=SECTORS)
    smooth = gaussian_filter1d(filled, 1.0, mode="wrap")
    # Sectors are binned about their middles; the entries stand at their starts.
    return 0.5 * (smooth + np.roll(smooth, 1))


def _at(rim, angle):
    return np.interp(angle / (2 * np.pi) * SECTORS, np.arange(SECTORS), rim, period=SECTORS)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sorted_into_cells(seen, triangles):
    """Where each cell begins in the list of triangles, and that list; a triangle is in all cells that it touches."""
    starts = np.zeros(CELLS**3 + 1, np.int64)
    members = np.empty(0, np.int64)
    for filling in range(2):
        for t in range(triangles.shape[0]):
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            lows, highs = np.empty(3, np.int64), np.empty(3, np.int64)
            for axis in range(3):
                x, y, z = seen[a, axis], seen[b, axis], seen[c, axis]
                # A flat triangle lies inside the sphere of directions: a fifth of a cell makes up for its bulge.
                lows[axis], highs[axis] = _cell(min(x, y, z) - 0.2 / CELLS), _cell(max(x, y, z) + 0.2 / CELLS)
            for i in range(lows[0], highs[0] + 1):
                for j in range(lows[1], highs[1] + 1):
                    for k in range(lows[2], highs[2] + 1):
                        cell = (i * CELLS + j) * CELLS + k
                        if filling:
                            starts[cell] -= 1
                            members[starts[cell]] = t
                        else:
                            starts[cell] += 1
        if not filling:
            starts[:] = np.cumsum(starts)
            members = np.empty(starts[-1], np.int64)
    return starts, members


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _cell(value):
    return min(max(int((value + 1.0) * (0.5 * CELLS)), 0), CELLS - 1)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _intersect(towards, seen, radius, triangles, cells, corners, weights):
    """Where the rays ``towards`` cross the triangles of their cells; of several crossings the outermost."""
    starts, members = cells
    share = np.empty(3)
    for v in range(towards.shape[0]):
        dx, dy, dz = towards[v, 0], towards[v, 1], towards[v, 2]
        cell = (_cell(dx) * CELLS + _cell(dy)) * CELLS + _cell(dz)
        outermost = 0.0
        for n in range(starts[cell], starts[cell + 1]):
            t = members[n]
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            whole = _det(seen[a, 0], seen[a, 1], seen[a, 2], seen[b], seen[c])
            if abs(whole) < 1e-14:
                continue
            share[0] = _det(dx, dy, dz, seen[b], seen[c]) / whole
            share[1] = _det(dx, dy, dz, seen[c], seen[a]) / whole
            share[2] = _det(dx, dy, dz, seen[a], seen[b]) / whole
            if share[0] < -1e-7 or share[1] < -1e-7 or share[2] < -1e-7:
                continue
            inverse = share[0] / radius[a] + share[1] / radius[b] + share[2] / radius[c]
            if inverse <= 0.0 or 1.0 / inverse <= outermost:
                continue
            outermost = 1.0 / inverse
            corners[v, 0], corners[v, 1], corners[v, 2] = a, b, c
            for corner in range(3):
                weights[v, corner] = max(0.0, share[corner]) / radius[triangles[t, corner]]
            total = weights[v, 0] + weights[v, 1] + weights[v, 2]
            for corner in range(3):
                weights[v, corner] /= total


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _det(ax, ay, az, b, c):
    return ax * (b[1] * c[2] - b[2] * c[1]) + ay * (b[2] * c[0] - b[0] * c[2]) + az * (b[0] * c[1] - b[1] * c[0])
