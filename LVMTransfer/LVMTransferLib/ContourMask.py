"""The mask and the models that follow the surfaces of one phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from LVMLib.grid import BLOOD_POOL, LVM, Grid
from vtk.util import numpy_support

from .SceneContours import COLORS
from .SceneSegmentations import labelsFromSegmentation, orientedImage, segmentIdOf
from .SceneVolumes import gridFromVolume, transformToWorld

if TYPE_CHECKING:
    from LVMLib.annotation.surfaces import WallSurfaces

# Room around the labels, so that most drags stay within the image that is there.
MARGIN_MM = 12.0
FILL_OPACITY = 0.15
MODEL_ATTRIBUTE = "LVM.ContourModel"
MODEL_OPACITY = {"endocardium": 1.0, "epicardium": 0.35}


class SurfaceMask:
    """The labels of a phase, and the label map that shows them, rewritten only where the surfaces moved.

    The label map holds the part of the CT around the heart. On a left-handed grid it runs along k the other way,
    because Slicer's surfaces would face inwards otherwise.

    :param grid: grid of the CT in world RAS mm.
    """

    def __init__(self, state: WallSurfaces, grid: Grid) -> None:
        self.grid, self.state, self.labels = grid, state, state.to_labels(grid)
        self._turned = np.linalg.det(grid.affine[:3, :3]) < 0
        self.image = self._start = self._voxels = None

    def follow(self, state: WallSurfaces) -> None:
        """Take the labels of another state."""
        if state is self.state:
            return
        box = state.update_labels(self.labels, self.state, self.grid)
        self.state = state
        if box is None or self.image is None:
            return
        box = self._inImage(box)
        start, stop = (np.array([getattr(side, edge) for side in box]) - self._start for edge in ("start", "stop"))
        if (start < 0).any() or (stop > self._voxels.shape).any():
            self.image = None
            return
        self._voxels[tuple(map(slice, start, stop))] = self._shown()[box]
        self.image.GetPointData().GetScalars().Modified()
        self.image.Modified()

    def spoil(self) -> None:
        """Another tool has written into the label map: make a new one when it is needed again."""
        self.image = None

    def attach(self, segmentationNode: object) -> None:
        """Make this the label map of blood pool and LVM of a segmentation; other segments keep theirs."""
        if self.image is None:
            self._makeImage()
        affine = np.array(self.grid.affine)
        if self._turned:
            affine = affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, self.grid.shape[0] - 1], [0, 0, 0, 1.0]])
        attachImage(segmentationNode, self.image, affine)

    def _makeImage(self) -> None:
        room = np.ceil(MARGIN_MM / self.grid.spacing[::-1]).astype(int)
        box = self._inImage(self.state.box(self.grid))
        start = np.array([max(side.start - more, 0) for side, more in zip(box, room)])
        stop = np.array([min(side.stop + more, size) for side, more, size in zip(box, room, self.grid.shape)])
        stop = np.maximum(stop, start + 1)
        self._start = start
        self._voxels = np.ascontiguousarray(self._shown()[tuple(map(slice, start, stop))])
        if self._voxels.base is not None:
            self._voxels = self._voxels.copy()
        scalars = numpy_support.numpy_to_vtk(self._voxels.reshape(-1), deep=False)
        scalars.SetName("ImageScalars")
        self.image = slicer.vtkOrientedImageData()
        self.image.SetExtent(*[int(edge) for axis in (2, 1, 0) for edge in (start[axis], stop[axis] - 1)])
        self.image.GetPointData().SetScalars(scalars)

    def _shown(self) -> np.ndarray:
        return self.labels[::-1] if self._turned else self.labels

    def _inImage(self, box: tuple[slice, slice, slice]) -> tuple[slice, slice, slice]:
        """Return a box (k, j, i) of the CT in the order of the label map."""
        if not self._turned:
            return box
        size = self.grid.shape[0]
        return (slice(size - box[0].stop, size - box[0].start), *box[1:])


def attachImage(segmentationNode: object, image: object, affine: np.ndarray) -> None:
    """Make ``image`` the label map of blood pool and LVM.

    :param affine: index to world RAS mm, (4, 4).
    :raises LabelError: the segmentation has not the two segments.
    """
    affine = np.linalg.inv(transformToWorld(segmentationNode)) @ affine
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(affine))
    segmentation = segmentationNode.GetSegmentation()
    segmentation.SetSourceRepresentationName(_labelMapName())
    for label in (BLOOD_POOL, LVM):
        segment = segmentation.GetSegment(segmentIdOf(segmentationNode, label))
        segment.SetLabelValue(label)
        segment.AddRepresentation(_labelMapName(), image)
    image.Modified()


def fadeSegments(segmentationNode: object) -> tuple[float, bool]:
    """Let the image be seen through the mask and the curves show its borders; return opacity and outline before."""
    display = segmentationNode.GetDisplayNode()
    before = display.GetOpacity2DFill(), bool(display.GetVisibility2DOutline())
    display.SetOpacity2DFill(FILL_OPACITY)
    display.SetVisibility2DOutline(False)
    return before


def isAttached(segmentationNode: object, image: object) -> bool:
    """Whether ``image`` is the label map of blood pool and LVM; a tool may have given them another one."""
    segmentation = segmentationNode.GetSegmentation()
    found = [
        segmentation.GetSegment(segmentIdOf(segmentationNode, label)).GetRepresentation(_labelMapName())
        for label in (BLOOD_POOL, LVM)
    ]
    return image is not None and all(one is image for one in found)


def _labelMapName() -> str:
    return slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()


def emptyLabels(volumeNode: object) -> np.ndarray:
    """Return labels ``(Z, Y, X)`` without anything in them, on the grid of a CT."""
    return np.zeros(gridFromVolume(volumeNode).shape, np.uint8)


class ForeignMask:
    """Labels that did not come from the surfaces (model, Segment Editor), kept to be put back by an undo."""

    def __init__(self, segmentationNode: object, grid: Grid) -> None:
        self.labels, self._grid = labelsFromSegmentation(segmentationNode, grid=grid, allowEmpty=True), grid
        self.image = None

    def attach(self, segmentationNode: object) -> None:
        """Make these the labels of the segmentation again."""
        if not self.labels.any():
            for label in (BLOOD_POOL, LVM):
                segment = segmentationNode.GetSegmentation().GetSegment(segmentIdOf(segmentationNode, label))
                segment.RemoveRepresentation(_labelMapName())
            return
        self.image = orientedImage(self.labels, self._grid)
        matrix = vtk.vtkMatrix4x4()
        self.image.GetImageToWorldMatrix(matrix)
        attachImage(segmentationNode, self.image, slicer.util.arrayFromVTKMatrix(matrix))


class SurfaceModels:
    """Endocardium and epicardium as models for the 3D view; only their points change."""

    def __init__(self) -> None:
        self._nodes, self._state = {}, None

    def adopt(self) -> None:
        """Take the models that a scene file brought."""
        self._state = None
        found = slicer.util.getNodesByClass("vtkMRMLModelNode")
        self._nodes = {node.GetAttribute(MODEL_ATTRIBUTE): node for node in found if node.GetAttribute(MODEL_ATTRIBUTE)}

    @property
    def nodes(self) -> list:
        """The model nodes that are in the scene."""
        return [node for node in self._nodes.values() if node.GetScene() is not None]

    def follow(self, state: WallSurfaces) -> None:
        """Show the surfaces of a state."""
        from LVMLib.annotation.surfaces import mesh

        for surface in MODEL_OPACITY:
            node = self._nodes.get(surface)
            if node is None or node.GetScene() is None or node.GetPolyData() is None:
                self._nodes[surface] = _newModel(surface, *mesh(state, surface))
            elif state is not self._state:
                points, _ = mesh(state, surface)
                numpy_support.vtk_to_numpy(node.GetPolyData().GetPoints().GetData())[:] = points
                node.GetPolyData().GetPoints().Modified()
                node.GetPolyData().Modified()
            if not self._nodes[surface].GetDisplayVisibility():
                self._nodes[surface].SetDisplayVisibility(True)
        self._state = state

    def hide(self) -> None:
        """Hide the models: the phase shown has no contours."""
        for node in self.nodes:
            node.SetDisplayVisibility(False)

    def remove(self) -> None:
        """Take the models out of the scene."""
        for node in self.nodes:
            slicer.mrmlScene.RemoveNode(node)
        self._nodes, self._state = {}, None


def _newModel(surface: str, points: np.ndarray, triangles: np.ndarray) -> object:
    mesh = vtk.vtkPolyData()
    places = vtk.vtkPoints()
    places.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    mesh.SetPoints(places)
    cells = vtk.vtkCellArray()
    flat = np.hstack([np.full((len(triangles), 1), 3), triangles]).astype(np.int64).ravel()
    cells.ImportLegacyFormat(numpy_support.numpy_to_vtkIdTypeArray(flat, deep=True))
    mesh.SetPolys(cells)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", f"{surface.capitalize()} surface")
    node.SetAttribute(MODEL_ATTRIBUTE, surface)
    node.SetAndObservePolyData(mesh)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*COLORS[surface])
    display.SetOpacity(MODEL_OPACITY[surface])
    # The curves show the lines in the slice views, exactly and draggable.
    display.SetVisibility2D(False)
    return node
