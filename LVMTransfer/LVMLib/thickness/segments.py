"""AHA segments of the left ventricle, and thickness per segment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import LVMError
from .ventricle import LVFrame

_SIX = ("anterior", "anteroseptal", "inferoseptal", "inferior", "inferolateral", "anterolateral")
_FOUR = ("anterior", "septal", "inferior", "lateral")
_NAMES = [f"basal {name}" for name in _SIX] + [f"mid {name}" for name in _SIX] + [f"apical {name}" for name in _FOUR]
SEGMENT_NAMES = dict(enumerate([*_NAMES, "apex"], 1))
"""Names of Cerqueira 2002, Table 1."""
MODELS = (16, 17)
ALL = 0


def assign_segments(points: np.ndarray, frame: LVFrame, *, model: int = 17) -> np.ndarray:
    """Return the AHA segment of every point of the wall.

    Thirds of the cavity's length from base to apex are the basal, mid and apical levels; the apex is what lies
    beyond the end of the cavity. Six sectors of 60 degrees at the basal and mid level, four of 90 at the apical one,
    the same angles at all levels. Wall that rises beyond the centre of the base is basal.

    Parameters
    ----------
    points : ndarray (N, 3)
        RAS mm.
    frame : LVFrame
        From `find_lv_frame`.
    model : {17, 16}
        The 16-segment model has no apex: points beyond the cavity belong to no segment.

    Returns
    -------
    ndarray (N,) uint8
        1 to 17 or 16; 0 = none (also for points that are not finite).

    Raises
    ------
    LVMError
        Another model.

    References
    ----------
    Cerqueira et al. (2002), doi 10.1161/hc0402.102975, Figures 2 and 4.
    """
    require_model(model)
    points = np.asarray(points, float).reshape(-1, 3)
    known = np.isfinite(points).all(axis=1)
    height, degrees = frame.coordinates(np.where(known[:, None], points, frame.base))
    sixth = np.floor((degrees - 60.0) % 360.0 / 60.0).astype(int) % 6
    fourth = np.floor((degrees - 45.0) % 360.0 / 90.0).astype(int) % 4
    level = np.clip(np.floor(3 * height), 0, 2)
    segments = np.where(level == 0, 1 + sixth, np.where(level == 1, 7 + sixth, 13 + fourth))
    segments[height > 1] = 17 if model == 17 else 0
    segments[~known] = 0
    return segments.astype(np.uint8)


@dataclass(frozen=True)
class SegmentStatistics:
    """Thickness in one segment, mm; NaN where no vertex has a value.

    Parameters
    ----------
    segment : int
        Number of the segment; 0 = all of them and what belongs to none.
    name : str
    count, invalid : int
        Vertices with and without a value.
    median_mm, p95_mm, max_mm, mean_mm : float
    """

    segment: int
    name: str
    count: int
    invalid: int
    median_mm: float
    p95_mm: float
    max_mm: float
    mean_mm: float


def segment_table(
    thickness_mm: np.ndarray, segments: np.ndarray, *, model: int = 17, weights: np.ndarray | None = None
) -> tuple[SegmentStatistics, ...]:
    """Return the statistics of every segment in order, and of all vertices as the last row.

    Parameters
    ----------
    thickness_mm : ndarray (N,)
        mm, NaN = no value. (Any other quantity will do; the fields then hold its unit.)
    segments : ndarray (N,)
        From `assign_segments`.
    model : {17, 16}
    weights : ndarray (N,), optional
        For example the area of each vertex; equal by default.

    Raises
    ------
    LVMError
        Another model, or arrays of different lengths.
    """
    require_model(model)
    values, segments = np.asarray(thickness_mm, float), np.asarray(segments)
    weights = np.ones(values.shape) if weights is None else np.asarray(weights, float)
    if not values.shape == segments.shape == weights.shape:
        raise LVMError(
            "segment table",
            expected="a thickness, a segment and a weight for each vertex",
            found=f"shapes {values.shape}, {segments.shape} and {weights.shape}",
            remedy="Pass arrays of the same surface.",
        )
    rows = [
        _statistics(number, SEGMENT_NAMES[number], values[segments == number], weights[segments == number])
        for number in range(1, model + 1)
    ]
    return (*rows, _statistics(ALL, "all", values, weights))


def require_model(model: int) -> None:
    """Raise `LVMError` unless ``model`` is one of `MODELS`."""
    if model not in MODELS:
        raise LVMError(
            "segment model", expected="16 or 17 segments", found=f"{model}", remedy="Choose 17 (with apex) or 16."
        )


def _statistics(number, name, values, weights):
    known = np.isfinite(values) & (weights > 0)
    count = int(known.sum())
    if count == 0:
        return SegmentStatistics(number, name, 0, values.size, *(float("nan"),) * 4)
    order = np.argsort(values[known], kind="stable")
    values_, weights_ = values[known][order], weights[known][order]
    # With equal weights these are numpy's quantiles; the smallest and the largest value are 0 and 100 %.
    place = np.cumsum(weights_) - 0.5 * weights_
    place -= place[0]
    median, p95 = np.interp(np.array([0.5, 0.95]) * place[-1], place, values_)
    mean = float(np.average(values_, weights=weights_))
    return SegmentStatistics(
        number, name, count, values.size - count, float(median), float(p95), float(values_[-1]), mean
    )
