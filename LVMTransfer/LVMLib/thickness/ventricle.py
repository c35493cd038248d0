"""The ventricle's own frame: long axis, end of the cavity, and where the septum is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..annotation.axes import TIP_MM, find_axes
from ..errors import LabelError, LVMError
from ..grid import LVM, Grid, require_labels

ESTIMATED, ONE_INSERTION, TWO_INSERTIONS = "estimated", "one insertion", "two insertions"
# Cerqueira 2002: the septum takes two of six sectors; the anterior insertion parts segments 1 and 2.
HALF_SEPTUM_DEGREES = 60.0
# Arcs from the anterior to the inferior insertion that a heart can have; outside, a point is wrong or both are swapped.
SEPTAL_ARC_DEGREES = (60.0, 200.0)
MIN_OFFSET_MM = 5.0
MIN_LENGTH_MM = 5.0
# Axes are means over thousands of voxels: samples this far apart give the same within a millimetre, in a tenth of the
# time.
SAMPLE_MM = 2.0


@dataclass(frozen=True, eq=False)
class LVFrame:
    """Where a point lies in the left ventricle.

    Parameters
    ----------
    apex : ndarray (3,)
        End of the cavity on the long axis, RAS mm.
    base : ndarray (3,)
        Centre of the base, RAS mm.
    axis : ndarray (3,)
        Unit vector of the long axis, base to apex.
    septal : ndarray (3,)
        Unit vector from the long axis to the middle of the septum, at a right angle to ``axis``.
    orientation : str
        ``"one insertion"`` or ``"two insertions"`` of the right ventricle, or ``"estimated"``: the septum is taken to
        face to the patient's right and front, since the labels hold the left ventricle alone.
    septal_arc_degrees : float
        Angle between the two insertions; NaN unless both were given.
    """

    apex: np.ndarray
    base: np.ndarray
    axis: np.ndarray
    septal: np.ndarray
    orientation: str
    septal_arc_degrees: float = float("nan")

    @property
    def length_mm(self) -> float:
        """Length of the cavity from base to apex, mm."""
        return float((self.apex - self.base) @ self.axis)

    @property
    def anterior(self) -> np.ndarray:
        """Unit vector from the long axis to the anterior wall, shape (3,), RAS."""
        return np.cross(self.axis, -self.septal)

    def coordinates(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return height and angle of points (N, 3), RAS mm.

        Returns
        -------
        height : ndarray (N,)
            0 at the base, 1 at the end of the cavity; beyond lies the apical cap.
        degrees : ndarray (N,)
            0 lateral, 90 anterior, 180 septal, 270 inferior: counter-clockwise seen from the apex.
        """
        offset = np.asarray(points, float) - self.base
        degrees = np.degrees(np.arctan2(offset @ self.anterior, -offset @ self.septal)) % 360.0
        return offset @ self.axis / self.length_mm, degrees


def find_lv_frame(
    labels: np.ndarray, affine: np.ndarray, *, rv_insertion: np.ndarray | None = None, base_plane: tuple | None = None
) -> LVFrame:
    """Find the frame of a labelled left ventricle.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    affine : ndarray (4, 4)
        Voxel index ``(i, j, k)`` to RAS mm.
    rv_insertion : ndarray (3,), (1, 3) or (2, 3), optional
        Anterior insertion of the right ventricle, or anterior and inferior, RAS mm.
    base_plane : tuple of point (3,) and normal (3,), optional
        RAS mm, the normal away from the apex, as `measure_thickness` takes it; by default the base is found.

    Raises
    ------
    LabelError
        Empty labels, other values than 0, 1, 2, or a blood pool that is too small for an axis.
    LVMError
        An insertion on the long axis, two insertions that no septum lies between, or in the wrong order.

    References
    ----------
    Cerqueira et al. (2002), doi 10.1161/hc0402.102975.
    """
    grid = Grid(np.shape(labels), affine)
    if base_plane is not None:
        labels = _below(labels, grid, base_plane)
    labels, grid = _sampled(require_labels(labels, "labels"), grid)
    axes = find_axes(labels, grid)
    # The last voxels hold centres, not faces; and the area of a round tip grows with depth, so that the centre of its
    # last TIP_MM lies two thirds deep.
    base = axes.mitral_centre + axes.base_normal * 0.5 * grid.spacing.mean()
    apex = axes.apex + axes.axis * TIP_MM * 2 / 3
    length = np.linalg.norm(apex - base)
    if not length >= MIN_LENGTH_MM:
        raise LabelError(
            "labels",
            expected="a blood pool (label 1) that opens to the base and has a wall (label 2) about it",
            found=f"a cavity {length:.0f} mm long" if np.isfinite(length) else "no long axis",
            remedy="Check the labels: the blood pool ends at the valves, and the wall surrounds the rest of it.",
        )
    axis = (apex - base) / length
    frame = LVFrame(apex, base, axis, _across(axes.septal, axis), ESTIMATED)
    return frame if rv_insertion is None else with_insertion(frame, rv_insertion)


def with_insertion(frame: LVFrame, rv_insertion: np.ndarray) -> LVFrame:
    """Return the frame turned so that the septum lies at the insertions; parameters and errors as `find_lv_frame`."""
    points = np.asarray(rv_insertion, float)
    if points.size not in {3, 6} or points.shape[-1] != 3 or not np.isfinite(points).all():
        _refuse("one point or two, each three finite numbers in RAS mm", str(points.tolist()))
    offsets = points.reshape(-1, 3) - frame.base
    offsets -= np.outer(offsets @ frame.axis, frame.axis)
    nearest = np.linalg.norm(offsets, axis=1).min()
    if nearest < MIN_OFFSET_MM:
        _refuse("points on the wall, away from the long axis", f"a point {nearest:.1f} mm from the axis")
    first = offsets[0] / np.linalg.norm(offsets[0])
    if len(offsets) == 1:
        septal = _turned(first, frame.axis, HALF_SEPTUM_DEGREES)
        return LVFrame(frame.apex, frame.base, frame.axis, septal, ONE_INSERTION)
    second = offsets[1] / np.linalg.norm(offsets[1])
    arc = float(np.degrees(np.arctan2(np.cross(first, second) @ frame.axis, first @ second)) % 360.0)
    low, high = SEPTAL_ARC_DEGREES
    if not low <= arc <= high:
        _refuse(
            f"first the anterior, then the inferior insertion, {low:.0f} to {high:.0f} degrees of wall between them",
            f"{arc:.0f} degrees" + (" (they look swapped)" if low <= 360.0 - arc <= high else ""),
        )
    return LVFrame(frame.apex, frame.base, frame.axis, _turned(first, frame.axis, arc / 2), TWO_INSERTIONS, arc)


def oriented_like(frame: LVFrame, other: LVFrame) -> LVFrame:
    """Return the frame with the septum where ``other``, the frame of another phase, has it.

    The long axis may have tilted; the septum tilts with it and does not turn about it, for no mask shows twist.
    """
    tilt = np.cross(other.axis, frame.axis)
    turned = np.cross(tilt, other.septal)
    septal = other.septal + turned + np.cross(tilt, turned) / (1 + other.axis @ frame.axis)
    septal = _across(septal, frame.axis)
    return replace(frame, septal=septal, orientation=other.orientation, septal_arc_degrees=other.septal_arc_degrees)


def _refuse(expected, found):
    raise LVMError(
        "RV insertion",
        expected=expected,
        found=found,
        remedy="Click where the right ventricular wall meets the septum in a mid-ventricular short-axis view.",
    )


def _below(labels, grid, base_plane):
    point, normal = (np.asarray(each, float) for each in base_plane)
    slopes = normal @ grid.affine[:3, :3]
    k, j, i = np.ogrid[tuple(slice(size) for size in grid.shape)]
    height = slopes[0] * i + slopes[1] * j + slopes[2] * k + normal @ (grid.affine[:3, 3] - point)
    return np.where(height <= 0, labels, 0).astype(np.uint8)


def _sampled(labels, grid):
    """Every n-th voxel of the heart's box; a wall thinner than the samples' distance stays closed outwards."""
    sides = [np.flatnonzero((labels > 0).any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    box = tuple(slice(max(side[0] - 1, 0), side[-1] + 2) for side in sides)
    grid, labels = grid.cropped(tuple(side.start for side in box), labels[box].shape), labels[box]
    steps = np.maximum(SAMPLE_MM / grid.spacing + 1e-6, 1).astype(int)
    wall = labels == LVM
    for axis, step in enumerate(steps[::-1]):
        wall = np.moveaxis(np.pad(wall, [(step - 1,) * 2 if a == axis else (0, 0) for a in range(3)]), axis, 0)
        count = -(-labels.shape[axis] // step)
        near = [wall[shift : shift + (count - 1) * step + 1 : step] for shift in range(2 * step - 1)]
        wall = np.moveaxis(np.any([part for part in near if len(part) == count], axis=0), 0, axis)
    labels = labels[tuple(slice(None, None, step) for step in steps[::-1])]
    coarse = grid.affine @ np.diag([*steps, 1.0])
    return np.where((labels == 0) & wall, LVM, labels).astype(np.uint8), Grid(labels.shape, coarse)


def _across(vector, axis):
    across = vector - axis * (vector @ axis)
    return across / np.linalg.norm(across)


def _turned(direction, axis, degrees):
    """``direction``, at a right angle to ``axis``, turned about it counter-clockwise seen from its tip."""
    angle = np.radians(degrees)
    return direction * np.cos(angle) + np.cross(axis, direction) * np.sin(angle)
