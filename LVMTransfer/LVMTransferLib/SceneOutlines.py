"""Endocardial and epicardial outlines of labels, drawn on the slice views as a contour reader expects them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
from LVMLib.grid import BLOOD_POOL, Grid, require_labels

from .SceneContours import COLORS, ENDOCARDIUM, EPICARDIUM
from .SceneSegmentations import SURFACE_SMOOTHING, orientedImage

LINE_WIDTH_PIXELS = 2.0


def outlinesToScene(
    labels: np.ndarray,
    grid: Grid,
    name: str,
    *,
    colors: Mapping[str, tuple[float, float, float]] = COLORS,
    lineWidth: float = LINE_WIDTH_PIXELS,
) -> slicer.vtkMRMLSegmentationNode:
    """Add the endocardium (around the blood pool) and the epicardium (around blood pool and LVM) as smooth outlines.

    For pictures and comparison: these two segments overlap and have no terminology, so that no measurement takes them
    for blood pool and LVM.

    :param labels: ``(Z, Y, X)``, 0 background, 1 blood pool, 2 LVM.
    :param grid: grid of ``labels``, world RAS mm.
    :param colors: RGB of "endocardium" and "epicardium", 0 to 1.
    :param lineWidth: pixels.
    """
    labels = require_labels(labels, name)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    segmentation = node.GetSegmentation()
    labelmap = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    surface = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()
    segmentation.SetSourceRepresentationName(labelmap)
    segmentation.SetConversionParameter("Smoothing factor", str(SURFACE_SMOOTHING))
    for which, mask in ((EPICARDIUM, labels > 0), (ENDOCARDIUM, labels == BLOOD_POOL)):
        segment = slicer.vtkSegment()
        segment.SetName(which.capitalize())
        segment.SetColor(*colors[which])
        segment.SetLabelValue(1)
        segment.AddRepresentation(labelmap, orientedImage(mask.astype(np.uint8), grid))
        segmentation.AddSegment(segment, which.capitalize())
    segmentation.CreateRepresentation(surface)
    _showAsOutlines(node, surface, lineWidth)
    return node


def _showAsOutlines(node: slicer.vtkMRMLSegmentationNode, surface: str, lineWidth: float) -> None:
    display = node.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName2D(surface)
    display.SetPreferredDisplayRepresentationName3D(surface)
    display.SetVisibility2DFill(False)
    display.SetVisibility2DOutline(True)
    display.SetOpacity2DOutline(1.0)
    display.SetSliceIntersectionThickness(round(lineWidth))
    display.SetVisibility3D(False)
