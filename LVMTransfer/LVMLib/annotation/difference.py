"""Two label maps side by side: what differs, where, and how much."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..grid import BACKGROUND, BLOOD_POOL, LVM, require_labels
from ..measures import require_same_shape
from ..pieces import middle_of_largest

ADDED_POOL, ADDED_LVM, REMOVED, RELABELLED = 1, 2, 3, 4
POOL_ONLY_A, POOL_ONLY_B, LVM_ONLY_A, LVM_ONLY_B = 1, 2, 3, 4
# Distinguishable with colour-blindness (Okabe and Ito 2008), and from the contours' red and green.
_COLORS = {1: (0.90, 0.62, 0.0), 2: (0.34, 0.71, 0.91), 3: (0.80, 0.47, 0.65), 4: (0.94, 0.89, 0.26)}


@dataclass(frozen=True, eq=False)
class Difference:
    """Where two label maps differ.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) of uint8
        0 where both agree, else a code of ``names``.
    names : dict of int to str
        What each code means, for a legend.
    """

    labels: np.ndarray
    names: dict[int, str]

    @property
    def colors(self) -> dict[int, tuple[float, float, float]]:
        """RGB (0 to 1) of each code."""
        return {code: _COLORS[code] for code in self.names}

    @property
    def counts(self) -> dict[int, int]:
        """Number of voxels of each code."""
        found = np.bincount(self.labels.ravel(), minlength=max(self.names) + 1)
        return {code: int(found[code]) for code in self.names}

    @property
    def centre_index(self) -> tuple[int, int, int] | None:
        """Array index (k, j, i) of a voxel in the middle of the largest connected change; None = no change."""
        voxel = middle_of_largest(self.labels > 0)
        return None if voxel is None else tuple(int(n) for n in voxel)


def repair_difference(before: np.ndarray, after: np.ndarray) -> Difference:
    """Return what a repair (or any edit) added, removed and relabelled.

    Parameters
    ----------
    before, after : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.

    Raises
    ------
    LabelError
        The shapes differ, or other values.
    """
    before, after = _pair(before, after, ("labels before", "labels after"))
    labels = np.zeros(before.shape, dtype=np.uint8)
    new = (before == BACKGROUND) & (after != BACKGROUND)
    labels[new & (after == BLOOD_POOL)] = ADDED_POOL
    labels[new & (after == LVM)] = ADDED_LVM
    labels[(before != BACKGROUND) & (after == BACKGROUND)] = REMOVED
    labels[(before != BACKGROUND) & (after != BACKGROUND) & (before != after)] = RELABELLED
    names = {ADDED_POOL: "added blood pool", ADDED_LVM: "added myocardium", REMOVED: "removed"}
    return Difference(labels, {**names, RELABELLED: "relabelled"})


def reader_difference(a: np.ndarray, b: np.ndarray, *, names: tuple[str, str] = ("A", "B")) -> Difference:
    """Return where two readers differ; a voxel that is blood pool for one and LVM for the other counts as blood pool.

    Parameters
    ----------
    a, b : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    names : tuple of str
        The readers, for the legend.

    Raises
    ------
    LabelError
        The shapes differ, or other values.
    """
    a, b = _pair(a, b, (f"labels of reader {names[0]}", f"labels of reader {names[1]}"))
    labels = np.zeros(a.shape, dtype=np.uint8)
    labels[(a == LVM) & (b == BACKGROUND)] = LVM_ONLY_A
    labels[(b == LVM) & (a == BACKGROUND)] = LVM_ONLY_B
    labels[(a == BLOOD_POOL) & (b != BLOOD_POOL)] = POOL_ONLY_A
    labels[(b == BLOOD_POOL) & (a != BLOOD_POOL)] = POOL_ONLY_B
    pool, lvm = (f"{what} for {{}} only" for what in ("blood pool", "myocardium"))
    codes = {POOL_ONLY_A: pool, POOL_ONLY_B: pool, LVM_ONLY_A: lvm, LVM_ONLY_B: lvm}
    return Difference(labels, {code: text.format(names[(code - 1) % 2]) for code, text in codes.items()})


def _pair(a: np.ndarray, b: np.ndarray, where: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    require_same_shape(a, b)
    return require_labels(a, where[0], allow_empty=True), require_labels(b, where[1], allow_empty=True)
