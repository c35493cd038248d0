"""One pass over a label map for each question that the preparation asks."""

from __future__ import annotations

import numba
import numpy as np

from ...grid import BLOOD_POOL, LVM
from .lid import in_plane

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}


@numba.njit(**_CACHE)
def survey(labels):
    """Return how often each value occurs (256,) and the box [[first, last + 1], ...] (3, 2) of what is not 0."""
    counts = np.zeros(256, np.int64)
    box = np.empty((3, 2), np.int64)
    for axis in range(3):
        box[axis, 0], box[axis, 1] = labels.shape[axis], 0
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            first, last = -1, -1
            for i in range(labels.shape[2]):
                value = labels[k, j, i]
                if value:
                    counts[value] += 1
                    last = i
                    if first < 0:
                        first = i
            if last >= 0:
                box[0, 0], box[0, 1] = min(box[0, 0], k), max(box[0, 1], k + 1)
                box[1, 0], box[1, 1] = min(box[1, 0], j), max(box[1, 1], j + 1)
                box[2, 0], box[2, 1] = min(box[2, 0], first), max(box[2, 1], last + 1)
    return counts, box


@numba.njit(**_CACHE)
def open_faces(labels):
    """Find the faces between blood pool and background; the map needs a background voxel on every side.

    Returns
    -------
    faces : ndarray (N, 4) int32
        ``k, j, i`` of the blood pool voxel and the side 0 to 5: W E S N B T.
    surface : int
        Faces of the blood pool in all.
    """
    count, surface = 0, 0
    faces = np.empty((0, 4), np.int32)
    for fill in range(2):
        if fill:
            faces = np.empty((count, 4), np.int32)
            count = 0
        for k in range(1, labels.shape[0] - 1):
            for j in range(1, labels.shape[1] - 1):
                for i in range(1, labels.shape[2] - 1):
                    if labels[k, j, i] != BLOOD_POOL:
                        continue
                    for side in range(6):
                        step = 2 * (side % 2) - 1
                        other = labels[
                            k + (step if side // 2 == 2 else 0),
                            j + (step if side // 2 == 1 else 0),
                            i + (step if side // 2 == 0 else 0),
                        ]
                        if other != BLOOD_POOL and fill == 0:
                            surface += 1
                        if other == 0:
                            if fill:
                                faces[count, 0], faces[count, 1], faces[count, 2], faces[count, 3] = k, j, i, side
                            count += 1
    return faces, surface


@numba.njit(**_CACHE)
def below_base(labels, spacing, frame, lid, slack):
    """Survey what lies at most ``slack`` mm beyond the base.

    Returns
    -------
    box : ndarray (3, 2)
        ``[first, last + 1]`` of the labelled voxels along k, j, i.
    wall : tuple
        Wall voxels below the base, wall voxels in all, and the height of the highest one over the base, mm.
    """
    box = np.empty((3, 2), np.int64)
    for axis in range(3):
        box[axis, 0], box[axis, 1] = labels.shape[axis], 0
    below, total, highest = 0, 0, -np.inf
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            for i in range(labels.shape[2]):
                if labels[k, j, i] == 0:
                    continue
                height = in_plane(k, j, i, spacing, frame, lid)[2]
                if labels[k, j, i] == LVM:
                    total += 1
                    below += height < 0
                    highest = max(highest, height)
                if height <= slack:
                    box[0, 0], box[0, 1] = min(box[0, 0], k), max(box[0, 1], k + 1)
                    box[1, 0], box[1, 1] = min(box[1, 0], j), max(box[1, 1], j + 1)
                    box[2, 0], box[2, 1] = min(box[2, 0], i), max(box[2, 1], i + 1)
    return box, (below, total, highest)
