"""The slice views in the planes of the left ventricle, and back in the scanner's planes. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import slicer

SCANNER_PLANES = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
VIEW_OF_PLANE = {"short_axis": "Red", "two_chamber": "Green", "three_chamber": "Yellow", "four_chamber": "Yellow"}
LEFT_VENTRICLE_PLANES = ("short_axis", "two_chamber", "four_chamber")
FIELD_OF_VIEW_MM = 160.0


def showLeftVentricle(volumeNode: object, segmentationNode: object, planes: Sequence[str]) -> None:
    """Turn the slice views to planes of the left ventricle that is labelled in the phase shown.

    :param planes: some of "short_axis", "two_chamber", "three_chamber", "four_chamber".
    :raises LabelError: the phase shown has no labelled left ventricle.
    """
    from LVMLib.annotation import find_axes, view_planes

    from LVMTransferLib import MRMLAdapter

    labels = MRMLAdapter.labelsFromSegmentation(segmentationNode, volumeNode)
    matrices = view_planes(find_axes(labels, MRMLAdapter.gridFromVolume(volumeNode)))
    for plane in planes:
        sliceNode = sliceNodeOf(VIEW_OF_PLANE[plane])
        if sliceNode is not None:
            _place(sliceNode, matrices[plane])


def showScannerPlanes() -> None:
    """Turn the slice views back to axial, sagittal and coronal."""
    for view, orientation in SCANNER_PLANES.items():
        sliceNode = sliceNodeOf(view)
        if sliceNode is not None:
            sliceNode.SetOrientation(orientation)


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
