"""Measures of a label map and of two label maps side by side: overlap, surface distance, volume, mass.

Ground floor, because readers (annotation), validation (learning) and the report (evaluation) must mean the same by a
Dice or a millimetre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from .errors import LabelError
from .grid import BLOOD_POOL, LVM, Grid

MYOCARDIAL_DENSITY_G_PER_ML = 1.05
"""Density of myocardium (Lang et al. 2015, doi 10.1016/j.echo.2014.10.003)."""


@dataclass(frozen=True)
class SurfaceDistance:
    """Distances between two surfaces, mm; NaN where one of the two is empty.

    Parameters
    ----------
    hd95_mm : float
        The larger of the two directed 95th percentiles.
    assd_mm : float
        Mean over the area of both surfaces (average symmetric surface distance).
    mean_mm : float
        The mean of the two directed means.
    max_mm : float
        Hausdorff distance.
    """

    hd95_mm: float
    assd_mm: float
    mean_mm: float
    max_mm: float


def dice(a: np.ndarray, b: np.ndarray, *, classes: tuple[int, ...] = (BLOOD_POOL, LVM)) -> dict[int, float]:
    """Return the Dice coefficient of each class of two label maps of one shape.

    Parameters
    ----------
    a, b : ndarray of one shape
        Label values.
    classes : tuple of int
        The label values asked for.

    Returns
    -------
    dict of int to float
        ``2 |A ∩ B| / (|A| + |B|)``; NaN where the class is in neither (Dice 1945).

    Raises
    ------
    LabelError
        The shapes differ.
    """
    require_same_shape(a, b)
    count = max(*classes, 2) + 1
    pairs = np.bincount(
        np.minimum(a, count).ravel().astype(np.intp) * (count + 1) + np.minimum(b, count).ravel(),
        minlength=(count + 1) ** 2,
    ).reshape(count + 1, count + 1)
    total = pairs.sum(axis=1) + pairs.sum(axis=0)
    return {c: float(2 * pairs[c, c] / total[c]) if total[c] else float("nan") for c in classes}


def require_same_shape(a: np.ndarray, b: np.ndarray) -> None:
    """Raise `LabelError` unless both label maps have one shape."""
    if a.shape != b.shape:
        raise LabelError(
            "label maps",
            expected=f"two maps on one grid, here {a.shape}",
            found=f"{b.shape}",
            remedy="Resample one of the two to the grid of the other.",
        )


def surface_points(mask: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centres (N, 3) in mm along (i, j, k) and areas (N,) in mm² of the faces that bound a mask.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) of bool
        Outside the array counts as outside the mask.
    spacing : ndarray (3,)
        Voxel size along (i, j, k), mm.

    Notes
    -----
    The faces between voxels lie on the true border of the mask, so that a mask one voxel larger all round is one voxel
    away. The steps of the staircase bring two curved surfaces up to 0.2 voxels nearer than the smooth ones are.
    """
    spacing = np.asarray(spacing, dtype=float)
    centres, areas = [], []
    for axis in range(3):
        padding = [(1, 1) if a == axis else (0, 0) for a in range(3)]
        change = np.diff(np.pad(mask, padding).astype(np.int8), axis=axis) != 0
        place = np.argwhere(change)[:, ::-1].astype(float)
        place[:, 2 - axis] -= 0.5
        centres.append(place * spacing)
        areas.append(np.full(len(place), np.prod(spacing) / spacing[2 - axis]))
    return np.concatenate(centres), np.concatenate(areas)


def surface_distances(a: np.ndarray, b: np.ndarray, spacing: np.ndarray) -> SurfaceDistance:
    """Return the distances between the surfaces of two masks.

    Parameters
    ----------
    a, b : ndarray (Z, Y, X) of bool
        Two masks on one grid.
    spacing : ndarray (3,)
        Voxel size along (i, j, k), mm.

    Raises
    ------
    LabelError
        The shapes differ.
    """
    require_same_shape(a, b)
    if not (a.any() and b.any()):
        return SurfaceDistance(*[float("nan")] * 4)
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    (pa, wa), (pb, wb) = surface_points(a[box], spacing), surface_points(b[box], spacing)
    ab, ba = cKDTree(pb).query(pa)[0], cKDTree(pa).query(pb)[0]
    mean_ab, mean_ba = np.average(ab, weights=wa), np.average(ba, weights=wb)
    return SurfaceDistance(
        hd95_mm=max(_percentile(ab, wa, 0.95), _percentile(ba, wb, 0.95)),
        assd_mm=float((ab @ wa + ba @ wb) / (wa.sum() + wb.sum())),
        mean_mm=float((mean_ab + mean_ba) / 2),
        max_mm=float(max(ab.max(), ba.max())),
    )


def label_surface_distances(a: np.ndarray, b: np.ndarray, spacing: np.ndarray) -> dict[int, SurfaceDistance]:
    """Return the surface distances of blood pool and LVM of two label maps ``(Z, Y, X)``, mm."""
    return {label: surface_distances(a == label, b == label, spacing) for label in (BLOOD_POOL, LVM)}


def volumes_ml(labels: np.ndarray, grid: Grid) -> dict[int, float]:
    """Return the volume of blood pool and LVM, ml.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        Label values on ``grid``.
    """
    return {label: np.count_nonzero(labels == label) * grid.voxel_volume / 1000.0 for label in (BLOOD_POOL, LVM)}


def ejection_fraction(ed_ml: float, es_ml: float) -> float:
    """Return the ejection fraction in percent from the cavity volumes at ED and ES, ml; NaN without an ED volume."""
    return 100.0 * (ed_ml - es_ml) / ed_ml if ed_ml > 0 else float("nan")


def mass_g(lvm_ml: float) -> float:
    """Return the LVM mass in g of a volume in ml, with 1.05 g/ml."""
    return MYOCARDIAL_DENSITY_G_PER_ML * lvm_ml


def _percentile(values: np.ndarray, weights: np.ndarray, fraction: float) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    place = np.searchsorted(cumulative, fraction * cumulative[-1])
    return float(values[order][min(place, len(values) - 1)])
