"""The mitral and aortic curves: whether they can be used, and the cut that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from ..errors import CurveError
from ..grid import BLOOD_POOL, LVM, Grid, require_labels
from ..pieces import pieces_of
from .sheet import RASTER_MM, Sheet, fit_sheet, plane_frame, smooth_closed

VALVES = ("mitral", "aortic")
LEAST_POINTS = 4
LEAST_AREA_MM2, LARGEST_AREA_MM2 = 50.0, 4000.0
"""A mitral annulus has 400 to 1500 mm², an aortic one 250 to 700 mm²; the limits only catch slips."""
CLOSING_FACTOR, CLOSING_MM = 2.0, 10.0
"""The last point may be this many times as far from the first as neighbours are, or this far."""
FAR_MM = 10.0
CROSSING_MM = 2.0
SEED_MM = 5.0
"""What lies within this distance of a sheet tells which side is which."""
LARGEST_SLIT = 1.5
"""Beside a curve this many times its area may stay open, where atrium and outflow tract touch in the labels."""
FACES_PER_AREA = 1.5
"""Voxel faces of a surface in any direction cover one and a half times its area on average."""
_STAYS = 9
LARGEST_LOSS = 0.35
"""Part of the endocardium that a valve may cut off; more means that it runs through the ventricle."""


@dataclass(frozen=True, eq=False)
class Truncation:
    """Labels that end at the valves.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) of uint8
        Without what lies beyond.
    removed : dict of str to int
        Voxels of blood pool and LVM that were removed beyond each valve.
    changed : ndarray (Z, Y, X) of bool
        Where.
    """

    labels: np.ndarray
    removed: dict[str, int]
    changed: np.ndarray


def require_curve(points: np.ndarray, where: str) -> np.ndarray:
    """Return the control points ``(N, 3)`` RAS mm of a closed curve that can span a sheet.

    Raises
    ------
    CurveError
        Too few or not finite points, an open curve (first and last point far apart), one that crosses itself, or an
        area that no valve has.
    """
    points = np.asarray(points, dtype=float).reshape(-1, 3)
    # A double click, or a polyline that repeats its first point at the end, is no fault of the curve.
    points = points[np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1) != 0.0]
    if len(points) < LEAST_POINTS or not np.isfinite(points).all():
        raise _curve_error(where, f"a closed curve of {LEAST_POINTS} or more points", f"{len(points)} usable points")
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    if steps[-1] > max(CLOSING_FACTOR * steps[:-1].max(), CLOSING_MM):
        found = f"an open one: {steps[-1]:.0f} mm from its last point to its first"
        raise _curve_error(where, "a closed curve", found)
    curve = smooth_closed(points)
    frame = plane_frame(curve, apical=curve.mean(axis=0))
    flat = (curve - curve.mean(axis=0)) @ frame[:2].T
    crossing = _self_crossing(flat)
    if crossing is not None:
        raise _curve_error(where, "a curve that does not cross itself", f"a crossing at RAS {_text(curve[crossing])}")
    nxt = np.roll(flat, -1, axis=0)
    area = abs(float(np.sum(flat[:, 0] * nxt[:, 1] - flat[:, 1] * nxt[:, 0]))) / 2
    if not LEAST_AREA_MM2 <= area <= LARGEST_AREA_MM2:
        raise _curve_error(where, f"{LEAST_AREA_MM2:.0f} to {LARGEST_AREA_MM2:.0f} mm²", f"{area:.0f} mm²")
    return points


def valve_sheets(
    curves: Mapping[str, np.ndarray], labels: np.ndarray, grid: Grid, *, where: str = "valve curves"
) -> dict[str, Sheet]:
    """Return the sheet of each valve, after checking the curves against each other and against the cavity.

    Parameters
    ----------
    curves : mapping of str to ndarray (N, 3)
        ``mitral`` and/or ``aortic``, control points in order, RAS mm.
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM; may still hold atrium and aortic root.
    grid : Grid
        Their grid.
    where : str
        For messages.

    Raises
    ------
    CurveError
        No or an unknown valve, a curve that cannot be used (`require_curve`), one far from the blood pool, or two that
        run through each other.
    """
    if not curves or set(curves) - set(VALVES):
        raise _curve_error(where, "a mitral or an aortic curve", ", ".join(sorted(curves)) or "none")
    cavity = np.argwhere(labels == BLOOD_POOL)[:, ::-1]
    wall = np.argwhere(labels == LVM)[:, ::-1]
    if not len(cavity):
        raise _curve_error(where, "an LV blood pool (label 1) to cut", "none")
    apical = grid.to_ras((wall if len(wall) else cavity).mean(axis=0))
    tree, sheets = cKDTree(grid.to_ras(cavity)), {}
    for valve, points in curves.items():
        place = f"{where}, {valve} curve"
        sheets[valve] = fit_sheet(require_curve(points, place), apical=apical)
        distance = float(np.median(tree.query(sheets[valve].curve)[0]))
        if distance > FAR_MM:
            found = f"a curve {distance:.0f} mm from the blood pool"
            raise _curve_error(place, f"a curve within {FAR_MM:.0f} mm of the blood pool", found)
    _require_apart(sheets, where)
    return sheets


def truncate_by_curves(
    labels: np.ndarray, grid: Grid, curves: Mapping[str, np.ndarray], *, where: str = "valve curves"
) -> Truncation:
    """Cut cavity and outflow tract at the mitral and aortic curves (second and third consensus rule).

    A thin-plate sheet spans each curve. What of the blood pool it separates from the ventricle is removed, with the
    wall around that part.

    Parameters
    ----------
    labels, grid, curves, where
        As `valve_sheets`.

    Raises
    ------
    CurveError
        As `valve_sheets`; or a curve does not reach around the blood pool, or runs through the ventricle.
    LabelError
        Values outside {0, 1, 2}, or an empty map.
    """
    labels = require_labels(labels, "labels")
    sheets = valve_sheets(curves, labels, grid, where=where)
    box = tuple(
        slice(max(side.start - 1, 0), side.stop + 1) for side in ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    )
    work = labels[box]
    cut = _Cut(work, grid.cropped(tuple(side.start for side in box), work.shape), sheets)
    lost = cut.cut_off(where)
    _require_ventricle(work, lost > 0, where)
    lost = np.where(cut.wall_beyond(lost > 0), cut.nearest_code(lost), lost)
    result, changed = labels.copy(), np.zeros(labels.shape, dtype=bool)
    result[box][lost > 0] = 0
    changed[box] = lost > 0
    removed = {valve: int(np.count_nonzero(lost == code)) for code, valve in enumerate(sheets, start=1)}
    return Truncation(result, removed, changed)


class _Cut:
    """The blood pool of cropped labels and the sheets that cut it."""

    def __init__(self, labels: np.ndarray, grid: Grid, sheets: Mapping[str, Sheet]) -> None:
        self.labels, self.sheets, self.grid = labels, sheets, grid
        self.cavity = labels == BLOOD_POOL
        self.voxels = np.argwhere(labels > 0)
        self.points = grid.to_ras(self.voxels[:, ::-1])
        # A step through a face must not jump the cut, also where the sheet slopes by up to 45 degrees.
        self.thick = 1.5 * float(grid.spacing.max())
        self.height = {valve: self._map(sheet.height(self.points)) for valve, sheet in sheets.items()}
        self.outside = {valve: self._map(sheet.distance_outside(self.points)) for valve, sheet in sheets.items()}

    def _map(self, values: np.ndarray) -> np.ndarray:
        volume = np.full(self.labels.shape, np.inf, dtype=np.float32)
        volume[tuple(self.voxels.T)] = values
        return volume

    def cut_off(self, where: str) -> np.ndarray:
        """Return ``(Z, Y, X)`` codes of the cavity beyond each valve (1 the first, 2 the second); 0 = it stays.

        What a curve leaves open beside it is divided where the ways to both sides are equally long, so that a curve
        drawn inside the border of the cavity, or an atrium that touches the outflow tract, does no harm.
        """
        layers = [self._layer(valve) for valve in self.sheets]
        open_cavity = self.cavity & ~np.any(layers, axis=0)
        core = self._core(open_cavity)
        marks = np.zeros(self.labels.shape, dtype=np.uint8)
        for code, valve in enumerate(self.sheets, start=1):
            marks[open_cavity & self._just_beyond(valve)] = code
        marks[core] = _STAYS
        reached = _by_nearest_mark(open_cavity, marks)
        lost = np.where(reached == _STAYS, np.uint8(0), reached)
        for code, (valve, layer) in enumerate(zip(self.sheets, layers), start=1):
            self._require_cut(valve, lost == code, reached == _STAYS, where)
            lost[layer] = code
        return lost

    def _layer(self, valve: str) -> np.ndarray:
        height = self.height[valve]
        return self.cavity & (self.outside[valve] <= 0) & (height > 0) & (height <= self.thick)

    def _just_beyond(self, valve: str) -> np.ndarray:
        height = self.height[valve]
        return (self.outside[valve] <= -1.0) & (height > self.thick) & (height <= self.thick + SEED_MM)

    def _core(self, open_cavity: np.ndarray) -> np.ndarray:
        """The cavity on the apical side of all sheets, with the outflow tract just below the aortic one."""
        apical = np.all([height <= 0 for height in self.height.values()], axis=0)
        if "aortic" in self.sheets:
            height = self.height["aortic"]
            apical |= (self.outside["aortic"] <= 0) & (height <= 0) & (height > -2 * SEED_MM)
        numbers, sizes = pieces_of(open_cavity & apical)
        if len(sizes) == 1:
            return np.zeros_like(open_cavity)
        touching = np.bincount(numbers[ndimage.binary_dilation(self.labels == LVM)], minlength=len(sizes))
        touching[0] = 0
        return numbers == int(touching.argmax() if touching.any() else sizes.argmax())

    def _require_cut(self, valve: str, lost: np.ndarray, kept: np.ndarray, where: str) -> None:
        """Raise `CurveError` where most of the way from the ventricle to what lies beyond is beside the curve."""
        faces = sum(
            np.count_nonzero(np.diff(lost.astype(np.int8) - kept.astype(np.int8), axis=axis) == sign * 2)
            for axis in range(3)
            for sign in (-1, 1)
        )
        open_mm2 = faces * self.grid.voxel_volume ** (2 / 3) / FACES_PER_AREA
        area = float(np.count_nonzero(self.sheets[valve].outside <= 0)) * RASTER_MM**2
        if open_mm2 > LARGEST_SLIT * area:
            raise _curve_error(
                f"{where}, {valve} curve",
                "a curve around the whole opening of the blood pool",
                f"a curve of {area:.0f} mm² beside an opening of {open_mm2:.0f} mm²",
            )

    def wall_beyond(self, lost: np.ndarray) -> np.ndarray:
        """LVM beyond a valve whose nearest blood pool is cut off."""
        if not lost.any():
            return lost
        beyond = np.zeros(self.labels.shape, dtype=bool)
        for valve in self.sheets:
            beyond |= (self.height[valve] > 0) & np.isfinite(self.outside[valve])
        nearest = ndimage.distance_transform_edt(~self.cavity, return_distances=False, return_indices=True)
        return (self.labels == LVM) & beyond & lost[tuple(nearest)]

    def nearest_code(self, lost: np.ndarray) -> np.ndarray:
        """The valve's code of the nearest voxel that is cut off."""
        if not lost.any():
            return lost
        nearest = ndimage.distance_transform_edt(lost == 0, return_distances=False, return_indices=True)
        return lost[tuple(nearest)]


def _by_nearest_mark(mask: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Give each voxel of a mask ``(Z, Y, X)`` the mark (1 to 255) that is the fewest faces away within the mask."""
    inside, found = np.pad(mask, 1).ravel(), np.pad(np.where(mask, marks, 0), 1).astype(np.uint8).ravel()
    steps = np.cumprod([1, mask.shape[2] + 2, mask.shape[1] + 2])
    front = np.flatnonzero(found)
    while front.size:
        ahead = []
        for step in (*steps, *-steps):
            there = front + step
            free = inside[there] & (found[there] == 0)
            found[there[free]] = found[front[free]]
            ahead.append(there[free])
        front = np.concatenate(ahead)
    return found.reshape(np.array(mask.shape) + 2)[1:-1, 1:-1, 1:-1]


def _require_ventricle(labels: np.ndarray, lost: np.ndarray, where: str) -> None:
    lining = (labels == BLOOD_POOL) & ndimage.binary_dilation(labels == LVM)
    part = np.count_nonzero(lining & lost) / max(np.count_nonzero(lining), 1)
    if part > LARGEST_LOSS:
        found = f"curves that cut off {100 * part:.0f} % of the endocardium"
        raise _curve_error(where, "curves along the valves", found)


def _require_apart(sheets: Mapping[str, Sheet], where: str) -> None:
    for valve, sheet in sheets.items():
        for other, curve in ((name, item.curve) for name, item in sheets.items() if name != valve):
            inside = sheet.distance_outside(curve) <= -CROSSING_MM
            height = sheet.height(curve)
            if (inside & (height > CROSSING_MM)).any() and (inside & (height < -CROSSING_MM)).any():
                place = curve[inside][np.argmin(np.abs(height[inside]))]
                found = f"the {other} curve through the {valve} valve near RAS {_text(place)}"
                raise _curve_error(where, "mitral and aortic curves that do not cross", found)


def _self_crossing(flat: np.ndarray) -> int | None:
    """Index of a segment of a closed polygon (N, 2) that crosses another one, or None."""
    start, step = flat, np.roll(flat, -1, axis=0) - flat
    across = step[:, None, 0] * step[None, :, 1] - step[:, None, 1] * step[None, :, 0]
    gap = start[None] - start[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (gap[..., 0] * step[None, :, 1] - gap[..., 1] * step[None, :, 0]) / across
        s = (gap[..., 0] * step[:, None, 1] - gap[..., 1] * step[:, None, 0]) / across
    number = np.arange(len(flat))
    apart = np.abs(number[:, None] - number[None])
    apart = np.minimum(apart, len(flat) - apart) > 1
    hit = apart & (t > 0) & (t < 1) & (s > 0) & (s < 1)
    return int(np.argwhere(hit)[0, 0]) if hit.any() else None


def _text(point: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in point) + ")"


def _curve_error(where: str, expected: str, found: str) -> CurveError:
    remedy = "Draw the curve again as a closed curve along the leaflets; the labels were left as they are."
    return CurveError(where, expected=expected, found=found, remedy=remedy)
