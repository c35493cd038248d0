"""Connected pieces of masks, against pieces that were put there."""

from __future__ import annotations

import numpy as np
from LVMLib.pieces import largest_piece, middle_of_largest, pieces_of


def blocks() -> np.ndarray:
    """Return three boxes: of 8 and of 27 voxels that touch at a corner, and one of 30."""
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[1:3, 1:3, 1:3] = mask[3:6, 3:6, 3:6] = mask[8:10, 7:10, 5:10] = True
    return mask


def test_pieces_touch_by_faces_or_also_by_corners():
    for corners, expected in ((False, [0, 8, 27, 30]), (True, [0, 35, 30])):
        numbers, sizes = pieces_of(blocks(), corners=corners)
        assert sizes.tolist() == expected
        assert np.array_equal(numbers > 0, blocks())


def test_the_largest_piece_is_the_one_that_has_most_voxels():
    assert np.array_equal(np.argwhere(largest_piece(blocks()))[0], [8, 7, 5])
    assert largest_piece(blocks(), corners=True).sum() == 35
    assert not largest_piece(blocks() & False).any()


def test_the_middle_of_the_largest_piece_is_a_voxel_of_it():
    assert tuple(middle_of_largest(blocks())) == (3, 3, 3)
    ring = np.zeros((1, 9, 9), dtype=bool)
    ring[0, 1:8, 1:8] = True
    ring[0, 2:7, 2:7] = False
    assert ring[tuple(middle_of_largest(ring))]
    assert middle_of_largest(ring & False) is None
