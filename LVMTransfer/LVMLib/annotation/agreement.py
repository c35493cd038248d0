"""Agreement between readers, case by case and over a series, and their consensus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, stats

from ..errors import LabelError, LVMError
from ..grid import BLOOD_POOL, LVM, Grid, require_labels
from ..measures import SurfaceDistance, dice, label_surface_distances, mass_g, require_same_shape, volumes_ml


@dataclass(frozen=True)
class ReaderComparison:
    """Two readers of one phase of one case.

    Parameters
    ----------
    dice : dict of int to float
        By label value.
    surface : dict of int to SurfaceDistance
        HD95 and ASSD in mm, by label value.
    cavity_ml, mass_g : tuple of float
        Of reader A and of reader B.
    """

    dice: dict[int, float]
    surface: dict[int, SurfaceDistance]
    cavity_ml: tuple[float, float]
    mass_g: tuple[float, float]

    def as_row(self) -> dict[str, float]:
        """Return one flat row for a table."""
        row: dict[str, float] = {}
        for label, name in ((BLOOD_POOL, "blood_pool"), (LVM, "lvm")):
            row[f"dice_{name}"] = self.dice[label]
            row[f"hd95_mm_{name}"] = self.surface[label].hd95_mm
            row[f"assd_mm_{name}"] = self.surface[label].assd_mm
        for reader, cavity, mass in zip("ab", self.cavity_ml, self.mass_g):
            row[f"cavity_ml_{reader}"], row[f"mass_g_{reader}"] = cavity, mass
        return row


@dataclass(frozen=True)
class BlandAltman:
    """Differences A − B over cases.

    Parameters
    ----------
    bias, sd : float
        Mean and standard deviation (n − 1) of the differences.
    lower, upper : float
        Limits of agreement, bias ± 1.96 SD.
    cases : int
        Number of cases.
    """

    bias: float
    sd: float
    lower: float
    upper: float
    cases: int


def compare_readers(a: np.ndarray, b: np.ndarray, grid: Grid) -> ReaderComparison:
    """Compare two readers' labels of one phase.

    Parameters
    ----------
    a, b : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    grid : Grid
        The grid of both.

    Raises
    ------
    LabelError
        The shapes differ, a map is empty or has other values.
    """
    require_same_shape(a, b)
    a, b = require_labels(a, "labels of reader A"), require_labels(b, "labels of reader B")
    va, vb = volumes_ml(a, grid), volumes_ml(b, grid)
    return ReaderComparison(
        dice(a, b),
        label_surface_distances(a, b, grid.spacing),
        (va[BLOOD_POOL], vb[BLOOD_POOL]),
        (mass_g(va[LVM]), mass_g(vb[LVM])),
    )


def bland_altman(a: Sequence[float], b: Sequence[float]) -> BlandAltman:
    """Return bias and limits of agreement of paired measurements (Bland and Altman 1986).

    Raises
    ------
    LVMError
        The two have different lengths or fewer than two pairs are finite.
    """
    x, y = _paired(a, b, least=2)
    difference = x - y
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    return BlandAltman(bias, sd, bias - 1.96 * sd, bias + 1.96 * sd, len(difference))


def icc(ratings: np.ndarray) -> float:
    """Return ICC(2,1): two-way random effects, absolute agreement, single rater.

    Parameters
    ----------
    ratings : ndarray (cases, readers)
        At least two of each, finite.

    Raises
    ------
    LVMError
        Fewer than two cases or readers, or values that are not finite.

    References
    ----------
    Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420.
    """
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2 or min(ratings.shape) < 2 or not np.isfinite(ratings).all():
        raise LVMError(
            "ratings",
            expected="finite values of at least 2 cases by at least 2 readers",
            found=f"an array of shape {ratings.shape}",
            remedy="Let both readers finish the same two cases or more.",
        )
    n, k = ratings.shape
    grand = ratings.mean()
    cases = k * np.sum((ratings.mean(axis=1) - grand) ** 2) / (n - 1)
    readers = n * np.sum((ratings.mean(axis=0) - grand) ** 2) / (k - 1)
    rest = ratings - ratings.mean(axis=1, keepdims=True) - ratings.mean(axis=0, keepdims=True) + grand
    error = np.sum(rest**2) / ((n - 1) * (k - 1))
    bottom = cases + (k - 1) * error + k * (readers - error) / n
    return float((cases - error) / bottom) if bottom > 0 else float("nan")


def pearson(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Pearson's correlation of pairs; NaN for fewer than 3 or where one of the two does not vary."""
    x, y = _paired(a, b, least=0)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.pearsonr(x, y).statistic)


def staple(readers: Sequence[np.ndarray]) -> np.ndarray:
    """Return the consensus of two or more readers by multi-label STAPLE.

    Parameters
    ----------
    readers : sequence of ndarray (Z, Y, X)
        Labels of one phase; where STAPLE cannot decide, the first reader is followed.

    Returns
    -------
    ndarray (Z, Y, X) of uint8

    Raises
    ------
    LabelError
        Fewer than two readers, other shapes or label values.

    References
    ----------
    Warfield et al. 2004, doi 10.1109/TMI.2004.828354; Rohlfing et al. 2003.
    """
    if len(readers) < 2:
        raise LabelError("consensus", expected="two readers or more", found=str(len(readers)), remedy="Add a reading.")
    maps = [require_labels(labels, f"labels of reader {number}") for number, labels in enumerate(readers, start=1)]
    for other in maps[1:]:
        require_same_shape(maps[0], other)
    # Background far from the heart, on which all agree, would make every reader look perfect.
    union = np.any([labels > 0 for labels in maps], axis=0)
    box = tuple(slice(max(s.start - 3, 0), s.stop + 3) for s in ndimage.find_objects(union.astype(np.uint8))[0])
    undecided = 3
    images = [sitk.GetImageFromArray(np.ascontiguousarray(labels[box])) for labels in maps]
    found = sitk.GetArrayFromImage(sitk.MultiLabelSTAPLE(images, undecided))
    result = np.zeros_like(maps[0])
    result[box] = np.where(found == undecided, maps[0][box], found)
    return result


def _paired(a: Sequence[float], b: Sequence[float], *, least: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(a, dtype=float).ravel(), np.asarray(b, dtype=float).ravel()
    if len(x) != len(y):
        raise LVMError(
            "paired measurements",
            expected="as many of A as of B",
            found=f"{len(x)} and {len(y)}",
            remedy="Compare only the cases that both have measured.",
        )
    finite = np.isfinite(x) & np.isfinite(y)
    if finite.sum() < least:
        raise LVMError(
            "paired measurements",
            expected=f"at least {least} cases with both values",
            found=f"{int(finite.sum())}",
            remedy="Let both readers finish more of the same cases.",
        )
    return x[finite], y[finite]
