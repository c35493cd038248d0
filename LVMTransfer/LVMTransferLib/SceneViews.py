"""The slice views in the planes of the left ventricle, and back in the scanner's planes. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import slicer

if TYPE_CHECKING:
    from LVMLib.annotation import LVAxes

SCANNER_PLANES = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
VIEW_OF_PLANE = {"short_axis": "Red", "two_chamber": "Green", "three_chamber": "Yellow", "four_chamber": "Yellow"}
LEFT_VENTRICLE_PLANES = ("short_axis", "two_chamber", "four_chamber")
FIELD_OF_VIEW_MM = 160.0
PLANE_ATTRIBUTE = "LVM.Plane"


def showLeftVentricle(volumeNode: object, segmentationNode: object, planes: Sequence[str]) -> None:
    """Turn the slice views to planes of the left ventricle that is labelled in the phase shown.

    :param planes: some of "short_axis", "two_chamber", "three_chamber", "four_chamber".
    :raises LabelError: the phase shown has no labelled left ventricle.
    """
    showPlanes(axesOfLabels(volumeNode, segmentationNode), planes)


def showClickedAxis(points: np.ndarray, planes: Sequence[str] = LEFT_VENTRICLE_PLANES) -> None:
    """Turn slice views to planes about apex, mitral centre and a septal point (3, 3), RAS mm.

    :raises LVMError: the points give no axis.
    """
    from LVMLib.annotation import find_axes_from_points

    showPlanes(find_axes_from_points(*points), planes)


def axesOfLabels(volumeNode: object, segmentationNode: object) -> LVAxes:
    """Return the axes of the left ventricle that is labelled in the phase shown; errors as `showLeftVentricle`."""
    from LVMLib.annotation import find_axes

    from LVMTransferLib import MRMLAdapter

    labels = MRMLAdapter.labelsFromSegmentation(segmentationNode, volumeNode)
    return find_axes(labels, MRMLAdapter.gridFromVolume(volumeNode))


def showPlanes(axes: LVAxes, planes: Sequence[str] = LEFT_VENTRICLE_PLANES) -> None:
    """Turn slice views to planes of a left ventricle; see :func:`showLeftVentricle`."""
    from LVMLib.annotation import view_planes

    matrices = view_planes(axes)
    for plane in planes:
        sliceNode = sliceNodeOf(VIEW_OF_PLANE[plane])
        if sliceNode is not None:
            _place(sliceNode, matrices[plane])
            sliceNode.SetAttribute(PLANE_ATTRIBUTE, plane)


def followAxes(before: LVAxes, after: LVAxes) -> None:
    """Turn the views that show planes of the left ventricle from one phase's axes to another's, keeping the zoom.

    A short-axis view stays at the same part of the way from base to apex, so that it shows the same muscle.
    """
    from LVMLib.annotation import view_planes

    matrices = view_planes(after)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        plane, now = sliceNode.GetAttribute(PLANE_ATTRIBUTE), planeOf(sliceNode)
        if plane not in matrices or not isShortOrLongAxis(now, before, plane):
            continue
        matrix = matrices[plane].copy()
        if plane == "short_axis":
            part = ((now[:3, 3] - before.mitral_centre) @ before.axis) / before.length_mm
            matrix[:3, 3] = after.mitral_centre + part * after.length_mm * after.axis
        sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(matrix))
        sliceNode.UpdateMatrices()


def isShortOrLongAxis(plane: np.ndarray, axes: LVAxes, name: str) -> bool:
    """Whether a plane (4, 4) is still the one of that name: short across the axis, long along it."""
    along = abs(float(plane[:3, 2] @ axes.axis))
    return along > 0.99 if name == "short_axis" else along < 0.1


def planeOf(sliceNode: object) -> np.ndarray:
    """Return the slice-to-RAS matrix (4, 4) of a slice view."""
    return slicer.util.arrayFromVTKMatrix(sliceNode.GetSliceToRAS())


def contourViews() -> list:
    """Return the slice nodes in which contours are drawn: the three usual ones, and all others in the layout."""
    found = slicer.util.getNodesByClass("vtkMRMLSliceNode")
    return [node for node in found if node.GetLayoutName() in SCANNER_PLANES or node.IsMappedInLayout()]


def shiftSlice(sliceNode: object, distance: float) -> None:
    """Move a slice view along its normal, mm."""
    sliceNode.SetSliceOffset(sliceNode.GetSliceOffset() + distance)


def showScannerPlanes() -> None:
    """Turn the slice views back to axial, sagittal and coronal."""
    for view, orientation in SCANNER_PLANES.items():
        sliceNode = sliceNodeOf(view)
        if sliceNode is not None:
            sliceNode.SetOrientation(orientation)
            sliceNode.RemoveAttribute(PLANE_ATTRIBUTE)


def jumpTo(point: Sequence[float]) -> None:
    """Center every slice view on a point, RAS mm, without turning it."""
    centered = slicer.vtkMRMLSliceNode.CenteredJumpSlice
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *[float(value) for value in point], centered)


def sliceNodeOf(view: str) -> object:
    """Return the slice node of the view with this layout name, or None."""
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if sliceNode.GetLayoutName() == view:
            return sliceNode
    return None


def _place(sliceNode: object, matrix: object) -> None:
    sliceNode.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(matrix))
    width, height, _ = sliceNode.GetDimensions()
    sliceNode.SetFieldOfView(FIELD_OF_VIEW_MM, FIELD_OF_VIEW_MM * height / max(width, 1), 1.0)
    sliceNode.UpdateMatrices()
