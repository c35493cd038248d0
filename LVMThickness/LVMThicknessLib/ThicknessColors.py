"""Colours and legend of wall thickness: perceptually uniform, in mm, grey where there is no value."""

from __future__ import annotations

from functools import cache

import numpy as np
import slicer
import vtk

COLOR_NODE_NAME = "LV wall thickness colors"
NAN_COLOR = (0.6, 0.6, 0.6)
# Nine stops of viridis (van der Walt and Smith 2015, CC0): lightness rises evenly, safe for colour-blind readers.
_STOPS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")


def thicknessColors() -> slicer.vtkMRMLColorTableNode:
    """Return the colour table of the scene, made at the first call; see :func:`keepNoValueGrey`."""
    keepNoValueGrey()
    node = slicer.mrmlScene.GetFirstNode(COLOR_NODE_NAME, "vtkMRMLColorTableNode")
    if node is None:
        node = slicer.vtkMRMLColorTableNode()
        node.SetName(COLOR_NODE_NAME)
        node.SetTypeToUser()
        node.SetNumberOfColors(256)
        for index, color in enumerate(_colors(256)):
            node.SetColor(index, f"{index}", *color, 1.0)
        node = slicer.mrmlScene.AddNode(node)
    node.GetLookupTable().SetNanColor(*NAN_COLOR, 1.0)
    return node


def keepNoValueGrey() -> None:
    """Make vertices without a value grey again whenever a scene file was opened: the file does not keep that colour."""
    _watch(slicer.mrmlScene.GetAddressAsString("vtkMRMLScene"))


def greyNoValue() -> None:
    """Make vertices without a value grey in every colour table of this module."""
    for node in slicer.util.getNodesByClass("vtkMRMLColorTableNode"):
        if node.GetName().startswith(COLOR_NODE_NAME) and node.GetLookupTable():
            node.GetLookupTable().SetNanColor(*NAN_COLOR, 1.0)
            node.Modified()


def colorBy(node: slicer.vtkMRMLModelNode, array: str, scalarRange: tuple[float, float]) -> None:
    """Colour a model by a point array, with the same light for every model of this module."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetAndObserveColorNodeID(thicknessColors().GetID())
        display.SetActiveScalar(array, vtk.vtkAssignAttribute.POINT_DATA)
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
        display.SetScalarRange(*scalarRange)
        display.SetScalarVisibility(True)
        display.SetInterpolation(slicer.vtkMRMLDisplayNode.PhongInterpolation)
        display.SetBackfaceCulling(False)
        # More ambient light than Slicer's default: a colour has to be read off the legend in the shade, too.
        display.SetAmbient(0.35)
        display.SetDiffuse(0.75)
        display.SetSpecular(0.0)


def addLegend(
    displayNode: slicer.vtkMRMLDisplayNode, title: str, *, left: bool = False
) -> slicer.vtkMRMLColorLegendDisplayNode:
    """Show the colour legend of a model with a title in the 3D views; return its node.

    :param left: at the left side of the view, beside another legend on the right.
    """
    logic = slicer.vtkSlicerColorLogic
    legend = logic.GetColorLegendDisplayNode(displayNode) or logic.AddDefaultColorLegendDisplayNode(displayNode)
    legend.SetTitleText(title)
    labels, labelFormat = _labels(*displayNode.GetScalarRange())
    legend.SetNumberOfLabels(labels)
    legend.SetLabelFormat(labelFormat)
    legend.SetMaxNumberOfColors(256)
    legend.SetPosition(0.05 if left else 0.95, 0.5)
    legend.SetVisibility(True)
    # Three slice views with the same legend would cover the CT.
    legend.SetVisibility2D(False)
    return legend


def hideLegend(displayNode: slicer.vtkMRMLDisplayNode) -> None:
    """Hide the colour legend of a model, if it has one."""
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(displayNode)
    if legend is not None:
        legend.SetVisibility(False)


@cache
def _watch(address: str) -> int:
    """Observe the scene, once."""
    return slicer.mrmlScene.AddObserver(slicer.mrmlScene.EndImportEvent, lambda caller, event: greyNoValue())


def _labels(low: float, high: float) -> tuple[int, str]:
    """Return how many labels fall on whole numbers, and their format; else five labels with a decimal."""
    span = round(high - low)
    if span == high - low and low == round(low):
        steps = next((steps for steps in (4, 5, 6, 3, 7, 2) if span % steps == 0), None)
        if steps:
            return steps + 1, "%.0f"
    return 5, "%.1f"


def _colors(count: int) -> np.ndarray:
    stops = np.array([[int(text[n : n + 2], 16) / 255 for n in (1, 3, 5)] for text in _STOPS])
    at = np.linspace(0, len(stops) - 1, count)
    return np.column_stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)])
