"""Where two label maps differ, as coloured segments over the CT."""

from __future__ import annotations

import numpy as np
import slicer
from LVMLib.grid import Grid

from .SceneValves import removeShown

DIFFERENCE_ATTRIBUTE = "LVM.Difference"
FILL_OPACITY = 0.7


def differenceToScene(
    difference: object, grid: Grid, name: str
) -> tuple[slicer.vtkMRMLSegmentationNode, np.ndarray | None]:
    """Show a difference in place of the one shown before; return its node and the place to look at, RAS mm.

    Each kind of change is a segment, named with its number of voxels; none has a terminology, so that no measurement
    takes it for the ventricle.

    :param difference: the library's `Difference`.
    :param grid: grid of ``difference.labels``, world RAS mm.
    """
    from .SceneSegmentations import orientedImage

    removeDifference()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetAttribute(DIFFERENCE_ATTRIBUTE, name)
    node.CreateDefaultDisplayNodes()
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    node.GetSegmentation().SetSourceRepresentationName(representation)
    for code, count in difference.counts.items():
        segment = slicer.vtkSegment()
        segment.SetName(f"{difference.names[code]}: {count}")
        segment.SetColor(*difference.colors[code])
        segment.SetLabelValue(1)
        if count:
            mask = (difference.labels == code).astype(np.uint8)
            segment.AddRepresentation(representation, orientedImage(mask, grid))
            node.GetSegmentation().AddSegment(segment, f"Difference{code}")
    display = node.GetDisplayNode()
    display.SetVisibility3D(False)
    display.SetOpacity2DFill(FILL_OPACITY)
    index = difference.centre_index
    return node, None if index is None else grid.to_ras(np.array(index[::-1], float))


def removeDifference() -> None:
    """Take away the difference that is shown, if one is."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(DIFFERENCE_ATTRIBUTE):
            removeShown(node)


def differenceLegend() -> str:
    """Return name and coloured kinds of the difference that is shown, as rich text; empty where none is."""
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(DIFFERENCE_ATTRIBUTE):
            segmentation = node.GetSegmentation()
            segments = [segmentation.GetNthSegment(n) for n in range(segmentation.GetNumberOfSegments())]
            kinds = [
                f'<span style="color:{_hexadecimal(segment.GetColor())}">\N{BLACK SQUARE}</span> {segment.GetName()}'
                for segment in segments
            ]
            return "<br>".join([node.GetName(), *(kinds or ["-"])])
    return ""


def _hexadecimal(color: tuple) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in color)
