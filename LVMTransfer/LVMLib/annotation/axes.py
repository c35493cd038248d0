"""The axes of the left ventricle, found from labels or from three clicks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import LabelError, LVMError
from ..grid import BACKGROUND, BLOOD_POOL, Grid, require_labels
from ..pieces import largest_piece

SEPTUM_IN_PATIENT = np.array([0.8, 0.6, 0.0])
"""Where the septum faces in a patient with the usual situs: to the right and anterior, RAS."""
TIP_MM = 2.0
"""The apex is the mean of the cavity within this distance of its tip, so that one voxel does not move it."""
PROTRUSION_MM = 4.0
"""Basal surface this far above the mitral plane belongs to the outflow tract."""
OUTFLOW_PART = 0.04
"""Part of the basal surface that has to protrude before it is taken as the outflow tract."""


@dataclass(frozen=True, eq=False)
class LVAxes:
    """The axes of the left ventricle, RAS mm.

    Parameters
    ----------
    apex : ndarray (3,)
        Tip of the cavity (endocardial apex).
    mitral_centre : ndarray (3,)
        Centre of the base of the cavity.
    axis : ndarray (3,)
        Unit vector of the long axis, base to apex.
    septal : ndarray (3,)
        Unit vector from the long axis to the middle of the septum, at a right angle to ``axis``.
    aortic : ndarray (3,) or None
        Unit vector from the long axis to the outflow tract, at a right angle to ``axis``; None = not to be seen.
    base_normal : ndarray (3,)
        Unit normal of the mitral plane, away from the apex.
    septum_from : str
        ``"patient"`` (image geometry) or ``"points"`` (RV insertion or a click).
    """

    apex: np.ndarray
    mitral_centre: np.ndarray
    axis: np.ndarray
    septal: np.ndarray
    aortic: np.ndarray | None
    base_normal: np.ndarray
    septum_from: str = "patient"

    @property
    def length_mm(self) -> float:
        """Distance from mitral centre to apex, mm."""
        return float(np.linalg.norm(self.apex - self.mitral_centre))

    @property
    def anterior(self) -> np.ndarray:
        """Unit vector from the long axis to the anterior wall, shape (3,), RAS."""
        return np.cross(self.axis, -self.septal)

    @property
    def base_plane(self) -> tuple[np.ndarray, np.ndarray]:
        """Point and normal (away from the apex) of the mitral plane, as `measure_thickness` takes them."""
        return self.mitral_centre, self.base_normal

    def direction(self, degrees: float) -> np.ndarray:
        """Return the unit vector at an angle of the AHA bull's-eye: 0 lateral, 90 anterior, 180 septal."""
        angle = np.radians(degrees)
        return -np.cos(angle) * self.septal + np.sin(angle) * self.anterior


def find_axes(labels: np.ndarray, grid: Grid, *, rv_insertion: np.ndarray | None = None) -> LVAxes:
    """Find apex, mitral centre, long axis, septum and outflow tract of a labelled left ventricle.

    The base is where the blood pool borders the background; the apex is the tip of the blood pool away from it.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM; small islands and leaks do no harm.
    grid : Grid
        The grid of the labels.
    rv_insertion : ndarray (N, 3), optional
        Points where the right ventricle inserts, RAS mm; without them the septum is taken to face to the patient's
        right and front.

    Raises
    ------
    LabelError
        There is no blood pool, or it is too small for an axis (less than 0.5 ml).
    """
    from .repair import keep_largest

    labels = require_labels(labels, "labels")
    box = tuple(
        slice(max(side.start - 1, 0), side.stop + 1) for side in ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    )
    grid = grid.cropped(tuple(side.start for side in box), labels[box].shape)
    labels = keep_largest(labels[box])
    cavity = _ras(labels == BLOOD_POOL, grid)
    _require_cavity(cavity, grid)
    base = _basal_surface(labels, grid)
    heart = _ras(labels > 0, grid).mean(axis=0)
    if base is None:
        base, heart = _ends_of_closed_cavity(cavity, heart)
    centre, normal, apex, outflow = _settle(cavity, base, heart)
    axis = _unit(apex - centre)
    aortic = None if outflow is None else _across(outflow - centre, axis)
    if rv_insertion is None:
        septal = _across(SEPTUM_IN_PATIENT, axis)
    else:
        septal = _across(np.mean(np.asarray(rv_insertion, dtype=float).reshape(-1, 3), axis=0) - centre, axis)
    return LVAxes(apex, centre, axis, septal, aortic, normal, "patient" if rv_insertion is None else "points")


def find_axes_from_points(apex: np.ndarray, mitral: np.ndarray, septum: np.ndarray) -> LVAxes:
    """Return the axes that three clicks give.

    Parameters
    ----------
    apex, mitral, septum : ndarray (3,)
        Apex, centre of the mitral valve, and any point of the septum, RAS mm.

    Raises
    ------
    LVMError
        The points are closer than 20 mm (apex, mitral) or the septal point is within 3 mm of the axis.
    """
    apex, mitral, septum = (np.asarray(point, dtype=float).reshape(3) for point in (apex, mitral, septum))
    length = float(np.linalg.norm(apex - mitral))
    if not length >= 20.0:
        raise LVMError(
            "apex and mitral centre",
            expected="at least 20 mm between them",
            found=f"{length:.1f} mm",
            remedy="Click the tip of the cavity and the centre of the mitral valve again.",
        )
    axis = (apex - mitral) / length
    offset = septum - mitral
    offset -= axis * (offset @ axis)
    if not np.linalg.norm(offset) >= 3.0:
        raise LVMError(
            "septal point",
            expected="a point in the septum, beside the long axis",
            found=f"a point {np.linalg.norm(offset):.1f} mm from the axis",
            remedy="Click the septum halfway between base and apex.",
        )
    return LVAxes(apex, mitral, axis, _unit(offset), None, -axis, "points")


def _ras(mask: np.ndarray, grid: Grid) -> np.ndarray:
    return grid.to_ras(np.argwhere(mask)[:, ::-1])


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _across(vector: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The part of ``vector`` at a right angle to ``axis``, as a unit vector; any such direction if there is none."""
    across = vector - axis * (vector @ axis)
    if np.linalg.norm(across) < 1e-6 * max(np.linalg.norm(vector), 1.0):
        across = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    return _unit(across)


def _require_cavity(cavity: np.ndarray, grid: Grid) -> None:
    millilitres = len(cavity) * grid.voxel_volume / 1000.0
    if millilitres < 0.5:
        raise LabelError(
            "labels",
            expected="an LV blood pool (label 1) of at least 0.5 ml",
            found=f"{millilitres:.2f} ml",
            remedy="Segment the LV cavity, or click apex, mitral centre and septum instead.",
        )


def _basal_surface(labels: np.ndarray, grid: Grid) -> np.ndarray | None:
    """Blood-pool voxels (N, 3) RAS mm of the largest patch that borders the background; None if it is closed."""
    padded = np.pad(labels, 1)
    open_side = ndimage.binary_dilation(padded == BACKGROUND)[1:-1, 1:-1, 1:-1] & (labels == BLOOD_POOL)
    surface = _ras(largest_piece(open_side, corners=True), grid)
    return surface if len(surface) * grid.voxel_volume ** (2 / 3) > 50.0 else None


def _ends_of_closed_cavity(cavity: np.ndarray, heart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The wide end of a cavity that the wall encloses, as its base (N, 3), and a point towards the apex."""
    centred = cavity - cavity.mean(axis=0)
    axis = np.linalg.svd(centred.T @ centred)[0][:, 0]
    along = centred @ axis
    if np.mean(along**3) > 0:  # the long thin tail is the apex
        axis, along = -axis, -along
    return cavity[along >= np.quantile(along, 0.97)], heart - axis * 10.0


def _settle(
    cavity: np.ndarray, base: np.ndarray, heart: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Iterate mitral plane and apex; return mitral centre, plane normal, apex and outflow centre (or None)."""
    centre, outflow = base.mean(axis=0), None
    axis = _unit(heart - centre)
    normal, apex = -axis, heart
    for _ in range(6):
        along = cavity @ axis
        apex = cavity[along >= along.max() - TIP_MM].mean(axis=0)
        axis = _unit(apex - centre)
        inside, above, normal = _mitral_plane(base, -axis)
        centre = base[inside].mean(axis=0)
        outflow = base[above].mean(axis=0) if above.mean() > OUTFLOW_PART else None
        axis = _unit(apex - centre)
    return centre, normal, apex, outflow


def _mitral_plane(base: np.ndarray, normal: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit the mitral plane; return which basal points lie on it, which protrude, and its normal away from the apex."""
    height = base @ normal
    inside = np.abs(height - np.median(height)) <= 2 * PROTRUSION_MM
    up = normal
    for _ in range(8):
        middle = base[inside].mean(axis=0)
        fitted = np.linalg.svd((base[inside] - middle).T @ (base[inside] - middle))[0][:, -1]
        fitted = fitted if fitted @ normal > 0 else -fitted
        # A leak or a steep outflow tract must not tip the plane: annuli lie within 35 degrees of the axis' normal.
        up = fitted if fitted @ normal > np.cos(np.radians(35.0)) else normal
        height = (base - middle) @ up
        new = np.abs(height) <= PROTRUSION_MM
        if new.sum() < 10 or (new == inside).all():
            break
        inside = new
    return inside, (height > PROTRUSION_MM) & ~inside, up
