"""Connected pieces of a mask, and the largest of them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def pieces_of(mask: np.ndarray, *, corners: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of a mask, numbered from 1.

    Parameters
    ----------
    mask : ndarray (Z, Y, X) of bool
    corners : bool
        Whether voxels that share only an edge or a corner are one piece; else they have to share a face.

    Returns
    -------
    numbers : ndarray (Z, Y, X) of int
        The piece of each voxel, 0 outside the mask.
    sizes : ndarray (pieces + 1,) of int
        Voxels of each piece; 0 for number 0, which is none.
    """
    numbers, count = ndimage.label(mask, structure=np.ones((3,) * mask.ndim) if corners else None)
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    sizes[0] = 0
    return numbers, sizes


def largest_piece(mask: np.ndarray, *, corners: bool = False) -> np.ndarray:
    """Return the largest piece of a mask, as a mask; of equal ones the first in the array's order."""
    numbers, sizes = pieces_of(mask, corners=corners)
    return numbers == sizes.argmax() if len(sizes) > 1 else np.zeros(mask.shape, dtype=bool)


def middle_of_largest(mask: np.ndarray) -> np.ndarray | None:
    """Return the voxel ``(k, j, i)`` of the largest piece, corners joined, nearest to its middle; None = empty."""
    voxels = np.argwhere(largest_piece(mask, corners=True))
    if not len(voxels):
        return None
    return voxels[np.argmin(np.linalg.norm(voxels - voxels.mean(axis=0), axis=1))]
