"""The voxel grid in RAS millimetres, and the label values."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np

from .errors import GridError, LabelError

BACKGROUND, BLOOD_POOL, LVM = 0, 1, 2
LABEL_NAMES = {BACKGROUND: "background", BLOOD_POOL: "LV blood pool", LVM: "LV myocardium"}
LABEL_VALUES = (BACKGROUND, BLOOD_POOL, LVM)

# The finest direction error that scanners round to in DICOM (6 decimals) stays far below this.
ORTHOGONALITY_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular voxel grid.

    Parameters
    ----------
    shape : tuple of int
        ``(Z, Y, X)``, the shape of an array on this grid (the k, j and i extents).
    affine : ndarray (4, 4)
        Voxel index ``(i, j, k)``, voxel centres at integers, to RAS mm.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=float)
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing(self) -> np.ndarray:
        """Voxel size along ``(i, j, k)``, mm, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel, mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def directions(self) -> np.ndarray:
        """Unit vectors of i, j and k in RAS as columns, shape (3, 3)."""
        return self.affine[:3, :3] / self.spacing

    @property
    def axes(self) -> str:
        """Where i, j and k point, nearest to Right, Left, Anterior, Posterior, Superior, Inferior: for example LPS."""
        letters = ("LR", "PA", "IS")
        nearest = np.abs(self.directions).argmax(axis=0)
        return "".join(letters[axis][int(self.directions[axis, n] > 0)] for n, axis in enumerate(nearest))

    def to_ras(self, ijk: np.ndarray) -> np.ndarray:
        """Map voxel indices ``(..., 3)`` in i, j, k order to RAS mm."""
        return np.asarray(ijk, dtype=float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_ijk(self, ras: np.ndarray) -> np.ndarray:
        """Map RAS mm ``(..., 3)`` to fractional voxel indices in i, j, k order."""
        return (np.asarray(ras, dtype=float) - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T

    def matches(self, other: Grid, *, tolerance_mm: float = 0.01) -> bool:
        """Whether both grids put every voxel at the same place, within ``tolerance_mm``."""
        if self.shape != other.shape:
            return False
        corner = np.array(self.shape[::-1]) - 1
        corners = np.array([[i, j, k] for i in (0, corner[0]) for j in (0, corner[1]) for k in (0, corner[2])])
        return bool(np.abs(self.to_ras(corners) - other.to_ras(corners)).max() <= tolerance_mm)

    def require_match(self, other: Grid, where: str | PathLike) -> None:
        """Raise `GridError` naming ``where`` unless ``other`` is the same grid."""
        if not self.matches(other):
            turned = np.abs(self.directions - other.directions).max() > ORTHOGONALITY_TOLERANCE
            axes = (f", axes {grid.axes}" if turned else "" for grid in (self, other))
            raise GridError(
                where,
                expected=f"the image's grid ({self.describe()}{next(axes)})",
                found=f"{other.describe()}{next(axes)}",
                remedy="Resample the mask to the image, or choose the image that it was drawn on.",
            )

    def require_orthogonal(self, where: str | PathLike) -> None:
        """Raise `GridError` naming ``where`` unless the affine is finite, invertible and without shear."""
        if not np.isfinite(self.affine).all() or abs(np.linalg.det(self.affine[:3, :3])) < 1e-9:
            found = "an affine that is not finite or not invertible"
        elif np.abs(self.directions.T @ self.directions - np.eye(3)).max() > ORTHOGONALITY_TOLERANCE:
            found = "a sheared or non-orthogonal direction matrix (for example an uncorrected gantry tilt)"
        else:
            return
        raise GridError(
            where,
            expected="orthogonal voxel axes",
            found=found,
            remedy="Resample the volume to an orthogonal grid (in Slicer: Resample Scalar Volume), then try again.",
        )

    def isotropic(self, spacing_mm: float) -> Grid:
        """Return the grid with cubic voxels that covers the same box, directions kept.

        Raises
        ------
        GridError
            The spacing is no positive number.
        """
        if not 0 < spacing_mm < np.inf:
            raise GridError(
                "spacing",
                expected="a positive voxel size in mm",
                found=f"{spacing_mm:g}",
                remedy="Give 1.",
            )
        size = np.array(self.shape[::-1]) * self.spacing
        count = np.maximum(np.ceil(size / spacing_mm - 1e-6), 1).astype(int)
        affine = np.eye(4)
        affine[:3, :3] = self.directions * spacing_mm
        centre = self.to_ras((np.array(self.shape[::-1]) - 1) / 2)
        affine[:3, 3] = centre - affine[:3, :3] @ ((count - 1) / 2)
        return Grid(tuple(count[::-1]), affine)

    def cropped(self, start: tuple[int, int, int], shape: tuple[int, int, int]) -> Grid:
        """Return the sub-grid that begins at array index ``start`` (k, j, i) with ``shape`` (Z, Y, X)."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_ras(np.array(start[::-1]))
        return Grid(shape, affine)

    def describe(self) -> str:
        """Return size, spacing and origin for a message."""
        i, j, k = self.shape[::-1]
        spacing = " x ".join(f"{value:.3g}" for value in self.spacing)
        origin = ", ".join(f"{value:.1f}" for value in self.affine[:3, 3])
        return f"{i} x {j} x {k} voxels of {spacing} mm at RAS ({origin})"


def require_labels(labels: np.ndarray, where: str | PathLike, *, allow_empty: bool = False) -> np.ndarray:
    """Return ``labels`` as uint8, or raise `LabelError` for values outside {0, 1, 2} or an empty map."""
    found = np.unique(labels)
    if not np.isin(found, LABEL_VALUES).all():
        strange = ", ".join(f"{value:g}" for value in found[~np.isin(found, LABEL_VALUES)][:5])
        raise LabelError(
            where,
            expected="labels 0 (background), 1 (LV blood pool) and 2 (LV myocardium)",
            found=f"also {strange}",
            remedy="Map the labels of your tool to 0, 1 and 2 before importing them.",
        )
    if not allow_empty and not (found > 0).any():
        raise LabelError(
            where,
            expected="a labelled left ventricle",
            found="an empty mask",
            remedy="Segment LV blood pool (1) and LV myocardium (2) first.",
        )
    return np.asarray(labels).astype(np.uint8)
