"""The flow through one wall, followed from any seeds, in batches, on threads."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..wall.frame import Field
from . import streamlines

# Seeds of one batch: fixed, so that no result depends on the number of threads.
BATCH = 2048
STEP_VOXELS = 2.0


class Flow:
    """The flow through one wall; follows it for any seeds, in batches, on threads."""

    def __init__(self, field: Field, gradient, threads) -> None:
        self._field, self._gradient = field, gradient
        self._threads = threads or os.cpu_count() or 1

    def trace(self, seeds, distance, *, up: bool):
        step = STEP_VOXELS * float(self._field.spacing.min())
        scale = tuple((1 / self._field.spacing).tolist())
        limit = math.ceil(streamlines.MAX_LENGTH_MM / step)

        def run(first):
            part = np.ascontiguousarray(seeds[first : first + BATCH])
            points = np.empty((len(part) * (limit + 2), 4))
            offsets = np.empty(len(part) + 1, np.int64)
            lengths, reasons = streamlines.trace(
                self._gradient, distance, scale, part, -step if up else step, limit, points, offsets
            )
            return points[: offsets[-1]].copy(), offsets, lengths, reasons

        starts = range(0, len(seeds), BATCH)
        if self._threads == 1:
            parts = [run(first) for first in starts]
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                parts = list(pool.map(run, starts))
        if not parts:
            return np.empty((0, 4)), np.zeros(1, np.int64), np.empty(0), np.empty(0, np.uint8)
        offsets, total = [np.zeros(1, np.int64)], 0
        for part in parts:
            offsets.append(part[1][1:] + total)
            total += part[1][-1]
        return (
            np.concatenate([part[0] for part in parts]),
            np.concatenate(offsets),
            np.concatenate([part[2] for part in parts]),
            np.concatenate([part[3] for part in parts]),
        )
