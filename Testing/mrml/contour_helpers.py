"""A left ventricle in a scene with three slice views, and a hand that drags its contours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import slicer
from LVMLib.annotation import find_axes_from_points
from LVMLib.annotation.surfaces import surfaces_from_points
from LVMLib.grid import Grid
from LVMTransferLib import MRMLAdapter, SceneViews
from LVMTransferLib.OffscreenViews import OffscreenViews

# Off the lattice of the grid: a voxel exactly on the base would belong to either side.
APEX, MITRAL, SEPTUM = np.array([[-30.3, 34.1, -29.7], [10.2, -14.4, 20.1], [18.0, 20.0, 4.0]])
AXES = find_axes_from_points(APEX, MITRAL, SEPTUM)
HU = np.array([-50, 400, 100], np.int16)


def ct_grid(spacing: float = 2.6) -> Grid:
    """As a scanner writes it: i to the patient's left, j to the back; left-handed when read by k."""
    size = round(130 / spacing)
    corner = [55.0, 75.0, -70.0]
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[:3, 3] = corner
    return Grid((size, size, size), affine)


@contextmanager
def ventricle_in_scene(size: int = 200) -> Iterator[tuple[object, object, OffscreenViews]]:
    """Yield CT, segmentation and slice views of a ventricle through three clicks."""
    grid = ct_grid()
    labels = surfaces_from_points(AXES).to_labels(grid)
    volume = MRMLAdapter.volumeToScene(HU[labels], grid, "ct")
    segmentation = MRMLAdapter.segmentationFromLabels(labels, grid, "labels", volume)
    with OffscreenViews(volume, size=(size, size)) as views:
        SceneViews.showPlanes(AXES)
        yield volume, segmentation, views


def points_of(node) -> np.ndarray:
    return slicer.util.arrayFromMarkupsControlPoints(node, world=True)


def drag_point(node, number: int, by: np.ndarray, *, moves: int = 4) -> np.ndarray:
    """Press, move and drop a control point as the mouse does; return where it was dropped."""
    start = points_of(node)[number]
    node.InvokeEvent(node.PointStartInteractionEvent)
    for part in np.linspace(0, 1, moves + 1)[1:]:
        node.SetNthControlPointPositionWorld(number, *(start + part * by))
    node.InvokeEvent(node.PointEndInteractionEvent)
    return start + by


def outwards(node, number: int, millimetres: float) -> np.ndarray:
    points = points_of(node)
    way = points[number] - points.mean(axis=0)
    return millimetres * way / np.linalg.norm(way)
