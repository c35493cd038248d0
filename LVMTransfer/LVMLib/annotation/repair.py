"""Repair of masks: holes, gaps and islands that flood-filled contours leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ..grid import BACKGROUND, BLOOD_POOL, LVM, Grid, require_labels
from ..pieces import pieces_of

MAJOR_PIECE = 0.1
"""A piece below this part of the largest one is an island, not a part of the organ cut off by a gap."""
MOUTH_VOXELS = 2.5
"""A closing with radius 5 rounds a right-angled notch by (√2 - 1) · 5 = 2.1 voxels; what is deeper is a gap."""
VOTE_VOXELS = 1.0
"""Width (SD) of the neighbourhood whose majority labels a defect voxel."""
MAX_PASSES = 10
"""Filling a pit may lay bare another one below the threshold; two or three passes are usual."""
_FACES = ndimage.generate_binary_structure(3, 1) & (np.indices((3, 3, 3)) != 1).any(axis=0)


@dataclass(frozen=True, eq=False)
class Repair:
    """Labels without defects, and what was wrong.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) of uint8
        The repaired labels.
    holes_before, holes_after : int
        Number of holes: connected pieces (through faces) of background that blood pool and LVM enclose, or that
        the closing finds deep in one of them, and that do not touch both. (One-voxel pits of the surface are filled
        too, but they are no holes.)
    gaps_before, gaps_after : int
        Number of voxels in gaps: the same, for pieces that touch blood pool and LVM.
    islands_removed : int
        Number of voxels in detached pieces of blood pool or LVM.
    papillary_voxels : int
        Number of LVM voxels inside the cavity that became blood pool (papillary muscles belong to the cavity).
    changed : ndarray (Z, Y, X) of bool
        Where the labels differ from the input.
    """

    labels: np.ndarray
    holes_before: int
    holes_after: int
    gaps_before: int
    gaps_after: int
    islands_removed: int
    papillary_voxels: int
    changed: np.ndarray

    def counts(self) -> dict[str, int]:
        """Return the counts, for a table or a JSON file."""
        names = ("holes_before", "holes_after", "gaps_before", "gaps_after", "islands_removed", "papillary_voxels")
        return {name: getattr(self, name) for name in names}


def repair_labels(
    labels: np.ndarray, grid: Grid, *, radius_voxels: float = 5, papillary_to_cavity: bool = True
) -> Repair:
    """Close holes and gaps by dilation and erosion, and keep one cavity and one wall.

    The closing tells where the defects are; only they are filled. The outer boundary stays as it was drawn: where the
    closing would merely round a notch of it, for example between annulus and outflow tract, nothing is added.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    grid : Grid
        The grid of the labels; the structuring element is a ball in mm.
    radius_voxels : float
        Radius of dilation and erosion, in voxels of the smallest spacing.
    papillary_to_cavity : bool
        Give LVM inside the cavity to the blood pool (first consensus rule).

    Returns
    -------
    Repair
        Voxels of a hole take the label around it; a gap is shared along its middle.

    Raises
    ------
    LabelError
        Labels outside {0, 1, 2}, or an empty map.

    References
    ----------
    Gupta et al., section 3.2: dilation, then erosion, radius 5 pixels.
    """
    labels = require_labels(labels, "labels")
    reach = int(np.ceil(radius_voxels)) + 2
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    work = np.pad(labels[box], reach)
    radius = radius_voxels * float(grid.spacing.min())
    whole = keep_largest(work)
    islands = int(np.count_nonzero(work != whole))
    defects, holes, gaps = _find_defects(work, grid.spacing, radius)
    work, papillary = _papillary(whole, enabled=papillary_to_cavity)
    holes_after = gaps_after = 0
    for _ in range(MAX_PASSES):
        defects, holes_after, gaps_after = _find_defects(work, grid.spacing, radius)
        defects = defects | _pits(work > 0)
        if not defects.any():
            break
        work = _fill(work, defects, grid.spacing)
    result = labels * 0
    inner = tuple(slice(reach, -reach) for _ in range(3))
    result[box] = work[inner]
    return Repair(result, holes, holes_after, gaps, gaps_after, islands, papillary, result != labels)


def keep_largest(labels: np.ndarray) -> np.ndarray:
    """Return the labels with only the main body of blood pool and of LVM.

    Pieces connect through faces. Beside the largest piece those with at least a tenth of its voxels stay, because a gap
    may cut a wall in two; smaller ones become background, or what surrounds them where that is one label.

    Parameters
    ----------
    labels : ndarray (Z, Y, X)
        0 background, 1 blood pool, 2 LVM.
    """
    result = labels.copy()
    for label in (BLOOD_POOL, LVM):
        result[_islands(labels == label)] = BACKGROUND
    result[_islands(result > 0)] = BACKGROUND
    return result


def _islands(mask: np.ndarray) -> np.ndarray:
    numbers, sizes = pieces_of(mask)
    if len(sizes) < 3:
        return np.zeros(mask.shape, dtype=bool)
    return (sizes < MAJOR_PIECE * sizes.max())[numbers] & mask


def find_holes(labels: np.ndarray) -> np.ndarray:
    """Return the background voxels (Z, Y, X) that blood pool and LVM enclose (no way out through faces)."""
    body = labels > 0
    return ndimage.binary_fill_holes(body) & ~body


def find_papillary(labels: np.ndarray) -> np.ndarray:
    """Return the LVM voxels (Z, Y, X) that the blood pool encloses."""
    cavity = labels == BLOOD_POOL
    return ndimage.binary_fill_holes(cavity) & (labels == LVM)


def count_defects(labels: np.ndarray, grid: Grid, *, radius_voxels: float = 5) -> tuple[int, int, np.ndarray]:
    """Return the number of holes, the number of gap voxels and the defect voxels ``(Z, Y, X)`` of a label map."""
    reach = int(np.ceil(radius_voxels)) + 2
    box = ndimage.find_objects((labels > 0).astype(np.uint8))
    found = np.zeros(labels.shape, dtype=bool)
    if not box:
        return 0, 0, found
    work = np.pad(labels[box[0]], reach)
    defects, holes, gaps = _find_defects(work, grid.spacing, radius_voxels * float(grid.spacing.min()))
    found[box[0]] = defects[tuple(slice(reach, -reach) for _ in range(3))]
    return holes, gaps, found


def _papillary(labels: np.ndarray, *, enabled: bool) -> tuple[np.ndarray, int]:
    inside = find_papillary(labels)
    if not enabled or not inside.any():
        return labels, 0
    return np.where(inside, np.uint8(BLOOD_POOL), labels), int(inside.sum())


def _distance(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Distance in mm from every voxel outside ``mask`` to it; not above zero inside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing([float(value) for value in spacing])
    signed = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    return sitk.GetArrayFromImage(signed)


def _find_defects(labels: np.ndarray, spacing: np.ndarray, radius: float) -> tuple[np.ndarray, int, int]:
    """Return the defect voxels of padded labels, the number of holes and the number of gap voxels."""
    body = labels > 0
    far = _distance(body, spacing) > radius
    reachable = _distance(far, spacing) <= radius  # the ball rolls here: everything outside the closed body
    filled = ~reachable & ~body
    mouth = MOUTH_VOXELS * float(spacing.min())
    deep = filled & (_distance(reachable, spacing) > mouth) if filled.any() else filled
    defects = find_holes(labels)
    if deep.any():
        steps = int(np.ceil(MOUTH_VOXELS))
        defects |= ndimage.binary_dilation(deep, iterations=steps, mask=filled)
    pieces, count = ndimage.label(defects)
    if not count:
        return defects, 0, 0
    touching = np.zeros((2, count + 1), dtype=bool)
    for row, label in enumerate((BLOOD_POOL, LVM)):
        touching[row, pieces[ndimage.binary_dilation(labels == label) & defects]] = True
    gap = touching.all(axis=0)
    gap[0] = False
    return defects, int(count - gap[1:].sum()), int(np.count_nonzero(gap[pieces]))


def _fill(labels: np.ndarray, defects: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Give defect voxels the label that has more voxels around them, or the nearer one far inside a hole."""
    box = ndimage.find_objects(defects.astype(np.uint8))[0]
    box = tuple(slice(max(side.start - 8, 0), side.stop + 8) for side in box)
    part, holes = labels[box], defects[box]
    sigma = VOTE_VOXELS * spacing.min() / spacing[::-1]
    votes = [
        ndimage.gaussian_filter((part == label).astype(np.float32), sigma, truncate=3.0)[holes]
        for label in (BLOOD_POOL, LVM)
    ]
    chosen = np.where(votes[0] >= votes[1], BLOOD_POOL, LVM)
    lonely = votes[0] + votes[1] < 1e-3
    if lonely.any():
        distances = [_distance_or_far(part == label, spacing)[holes] for label in (BLOOD_POOL, LVM)]
        chosen = np.where(lonely, np.where(distances[0] <= distances[1], BLOOD_POOL, LVM), chosen)
    result = labels.copy()
    result[box][holes] = chosen
    return result


def _distance_or_far(mask: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    return _distance(mask, spacing) if mask.any() else np.full(mask.shape, np.inf)


def _pits(body: np.ndarray) -> np.ndarray:
    """Background voxels sunk into the surface: at least five of six faces and 17 of 26 neighbours are body."""
    candidates = ndimage.binary_dilation(body) & ~body
    faces = ndimage.convolve(body.astype(np.uint8), _FACES.astype(np.uint8), mode="constant")
    candidates &= faces >= 5
    around = ndimage.uniform_filter(body.astype(np.float32), 3, mode="constant") * 27
    return candidates & (around >= 16.5)
