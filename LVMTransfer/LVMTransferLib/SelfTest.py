"""An analytic left ventricle in the scene, for the modules' self tests."""

from __future__ import annotations

import numpy as np

INNER_MM, OUTER_MM, HALF_SIZE = 20.0, 30.0, 36


def shellLabels(*, hole: bool = False) -> tuple:
    """Return the labels ``(Z, Y, X)`` of a thick spherical shell cut at its equator, 1 mm voxels, and its grid.

    :param hole: leave a hole of 3 x 3 x 3 background voxels in the blood pool.
    """
    from LVMLib.grid import BLOOD_POOL, LVM, Grid

    z, y, x = np.mgrid[-HALF_SIZE : HALF_SIZE + 1, -HALF_SIZE : HALF_SIZE + 1, -HALF_SIZE : HALF_SIZE + 1]
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.where(radius < INNER_MM, BLOOD_POOL, np.where(radius < OUTER_MM, LVM, 0)).astype(np.uint8)
    labels[z > 0] = 0
    if hole:
        labels[HALF_SIZE - 12 : HALF_SIZE - 9, HALF_SIZE : HALF_SIZE + 3, HALF_SIZE : HALF_SIZE + 3] = 0
    affine = np.eye(4)
    affine[:3, 3] = -HALF_SIZE
    return labels, Grid(labels.shape, affine)


def shellInScene(*, hole: bool = False) -> tuple:
    """Add the shell as a CT-like volume and a segmentation; return both nodes."""
    from LVMTransferLib import MRMLAdapter

    labels, grid = shellLabels(hole=hole)
    voxels = np.array([-850, 400, 110], np.int16)[labels]
    volumeNode = MRMLAdapter.volumeToScene(voxels, grid, "shell")
    return volumeNode, MRMLAdapter.segmentationFromLabels(labels, grid, "shell labels", volumeNode)
