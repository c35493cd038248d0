"""Closed endocardial and epicardial contours, cut from labels in any plane."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import LVMError
from ..grid import BLOOD_POOL, Grid, require_labels

SMOOTHING_VOXELS = 1.0
"""Blur (SD) that turns the staircase of voxels into a smooth line; shifts a circle of radius R by 0.5 / R voxels."""
STEP_VOXELS = 0.5
"""Sampling of the plane."""
SMALLEST_MM2 = 12.0
"""A closed line around less than this is a fleck, not a contour."""


def section_contours(
    labels: np.ndarray, grid: Grid, plane: np.ndarray, *, points: int | None = None
) -> dict[str, list[np.ndarray]]:
    """Cut the closed contours of a labelled left ventricle in a plane.

    The endocardium is the boundary of the blood pool, the epicardium the outer boundary of blood pool and LVM together;
    both are closed at the base along the mitral plane. Lines run counter-clockwise on the screen.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    grid : Grid
        The grid of the labels.
    plane : ndarray (4, 4)
        Slice-to-RAS matrix as from `view_planes`, mm.
    points : int, optional
        Number of points of each contour, equally spaced; without it about one per 0.5 voxels.

    Returns
    -------
    dict of str to list of ndarray (N, 3)
        ``"endocardium"`` and ``"epicardium"``: RAS mm, the largest first, empty where the plane misses the ventricle;
        the last point is not the first again.

    Raises
    ------
    LabelError
        Labels outside {0, 1, 2}.
    LVMError
        Fewer than 3 points are asked for.
    """
    labels = require_labels(labels, "labels", allow_empty=True)
    if points is not None and points < 3:
        raise LVMError("points", expected="3 or more", found=str(points), remedy="Ask for example for 64 points.")
    found: dict[str, list[np.ndarray]] = {"endocardium": [], "epicardium": []}
    boxes = ndimage.find_objects((labels > 0).astype(np.uint8))
    if not boxes:
        return found
    margin = 3
    box = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in boxes[0])
    part = labels[box]
    sub = grid.cropped(tuple(side.start for side in box), part.shape)
    for name, mask in (("endocardium", part == BLOOD_POOL), ("epicardium", part > 0)):
        field, origin, step = _sample_plane(mask, sub, plane)
        lines = [origin + step * line for line in closed_lines(field, 0.5)]
        areas = [signed_area(line) for line in lines]
        outer = [(area, line) for area, line in zip(areas, lines) if area >= SMALLEST_MM2]
        for _, line in sorted(outer, key=lambda pair: -pair[0]):
            flat = resample_closed(line, points) if points else line
            found[name].append(flat @ plane[:3, :2].T + plane[:3, 3])
    return found


def resample_closed(line: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` points at equal distance along a closed line ``(N, D)``, beginning at its first point.

    Raises
    ------
    LVMError
        The line has fewer than 3 different points.
    """
    closed = np.concatenate([line, line[:1]])
    length = np.linalg.norm(np.diff(closed, axis=0), axis=1)
    keep = np.concatenate([length > 1e-9, [True]])
    closed, along = closed[keep], np.concatenate([[0.0], np.cumsum(length[length > 1e-9])])
    if len(closed) < 4:
        raise LVMError(
            "contour",
            expected="a closed curve of at least 3 different points",
            found=f"{len(closed) - 1}",
            remedy="Draw the contour again.",
        )
    wanted = along[-1] * np.arange(count) / count
    return np.stack([np.interp(wanted, along, closed[:, d]) for d in range(closed.shape[1])], axis=1)


def signed_area(line: np.ndarray) -> float:
    """Return the area in a closed flat line ``(N, 2)``, above zero if it runs counter-clockwise."""
    x, y = line[:, 0], line[:, 1]
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def crosses_itself(line: np.ndarray) -> bool:
    """Return whether a closed flat line ``(N, 2)`` crosses itself (every pair of edges is tried)."""
    a, b = line, np.roll(line, -1, axis=0)
    edge = b - a

    def side(points: np.ndarray) -> np.ndarray:
        offset = points[np.newaxis] - a[:, np.newaxis]
        return edge[:, :1] * offset[..., 1] - edge[:, 1:] * offset[..., 0]

    parts = side(a) * side(b) < 0
    return bool((parts & parts.T).any())


def closed_lines(field: np.ndarray, level: float) -> list[np.ndarray]:
    """Return the lines on which a field crosses a level (marching squares with linear interpolation).

    Parameters
    ----------
    field : ndarray (H, W)
        Outside the array the field counts as below the level, so that every line is closed.
    level : float
        The level.

    Returns
    -------
    list of ndarray (N, 2)
        ``(column, row)`` in samples; the higher side lies to the left, so that the outer line of a region runs
        counter-clockwise where rows go up.

    References
    ----------
    Lorensen and Cline 1987 in two dimensions; saddles are joined by the mean of the four corners.
    """
    low = min(float(field.min(initial=level)), level) - 1.0
    values = np.pad(field.astype(float), 1, constant_values=low) - level
    values[values == 0] = -1e-12
    starts, ends = _segments(values)
    if not len(starts):
        return []
    follow = dict(zip(starts.tolist(), ends.tolist()))
    lines = []
    while follow:
        first, place = follow.popitem()
        chain = [first]
        while place != first:
            chain.append(place)
            place = follow.pop(place)
        lines.append(_edge_points(np.array(chain), values) - 1.0)
    return lines


def _segments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges where the directed segments of all cells begin and end, as edge numbers."""
    height, width = values.shape
    row, column = np.indices((height - 1, width - 1))
    horizontal = row * width + column  # edge from (row, column) to (row, column + 1)
    vertical = height * width + horizontal  # edge from (row, column) to (row + 1, column)
    edges = {"s": horizontal, "n": horizontal + width, "w": vertical, "e": vertical + 1}
    inside = values > 0
    sw, se, ne, nw = inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1]
    code = sw * 1 + se * 2 + ne * 4 + nw * 8
    joined = values[:-1, :-1] + values[:-1, 1:] + values[1:, 1:] + values[1:, :-1] > 0
    # Each case: from edge, to edge, with the inside on the left.
    cases = {1: ["sw"], 2: ["es"], 3: ["ew"], 4: ["ne"], 6: ["ns"], 7: ["nw"], 8: ["wn"], 9: ["sn"], 11: ["en"]}
    cases |= {12: ["we"], 13: ["se"], 14: ["ws"]}
    starts, ends = [], []
    for number, pairs in cases.items():
        where = code == number
        for begin, end in pairs:
            starts.append(edges[begin][where])
            ends.append(edges[end][where])
    for number, apart, together in ((5, ("sw", "ne"), ("se", "nw")), (10, ("es", "wn"), ("ws", "en"))):
        for pairs, where in ((apart, (code == number) & ~joined), (together, (code == number) & joined)):
            for begin, end in pairs:
                starts.append(edges[begin][where])
                ends.append(edges[end][where])
    return np.concatenate(starts), np.concatenate(ends)


def _edge_points(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the crossing points (N, 2) of numbered edges as (column, row)."""
    height, width = values.shape
    upright = edges >= height * width
    row, column = np.divmod(np.where(upright, edges - height * width, edges), width)
    a = values[row, column]
    b = values[row + upright, column + ~upright]
    part = a / (a - b)
    return np.stack([column + np.where(upright, 0.0, part), row + np.where(upright, part, 0.0)], axis=1)


def _sample_plane(mask: np.ndarray, grid: Grid, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the blurred mask on the plane, the plane coordinates (x, y) of its first sample and its step, mm."""
    voxel = float(grid.spacing.min())
    step = STEP_VOXELS * voxel
    size = np.array(grid.shape[::-1]) - 1
    corners = grid.to_ras(np.array([[i, j, k] for i in (0, size[0]) for j in (0, size[1]) for k in (0, size[2])]))
    flat = (corners - plane[:3, 3]) @ plane[:3, :2]
    origin = flat.min(axis=0) - 2 * step
    count = np.ceil((flat.max(axis=0) + 2 * step - origin) / step).astype(int) + 1
    x, y = origin[0] + step * np.arange(count[0]), origin[1] + step * np.arange(count[1])
    points = (x[None, :, None] * plane[:3, 0] + y[:, None, None] * plane[:3, 1]) + plane[:3, 3]
    field = np.zeros((count[1], count[0]), dtype=np.float32)
    volume = mask.astype(np.float32)
    for offset, weight in ((-1.0, 0.25), (0.0, 0.5), (1.0, 0.25)):
        ijk = grid.to_ijk(points + offset * voxel * plane[:3, 2])
        field += weight * ndimage.map_coordinates(volume, np.moveaxis(ijk[..., ::-1], -1, 0), order=1)
    return ndimage.gaussian_filter(field, SMOOTHING_VOXELS / STEP_VOXELS), origin, step
