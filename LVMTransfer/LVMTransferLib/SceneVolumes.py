"""CT volumes and 4D sequences of the scene as the library's arrays and grids, and back."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from LVMLib.errors import GridError, ImageError
from LVMLib.grid import Grid
from LVMLib.imaging.sequence import CallableFrames, Sequence, to_int16
from vtk.util import numpy_support

INDEX_NAME, INDEX_UNIT = "R-R", "%"
# Coronary CT angiography: cavity with contrast (300 to 550 HU) light, myocardium (80 to 150 HU) mid-grey, lung black.
WINDOW_HU, LEVEL_HU = 900.0, 250.0


# -- volumes -----------------------------------------------------------------------------------------------------------


def gridFromVolume(volumeNode: slicer.vtkMRMLVolumeNode) -> Grid:
    """Return the voxel grid of a volume in world RAS mm.

    :raises ImageError: the volume is empty.
    :raises GridError: the volume is under a transform that is not linear, or its axes are sheared.
    """
    image = volumeNode.GetImageData()
    if image is None or 0 in image.GetDimensions():
        raise ImageError(
            volumeNode.GetName(), expected="a volume with voxels", found="none", remedy="Load or choose another volume."
        )
    ijkToRAS = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRAS)
    affine = transformToWorld(volumeNode) @ slicer.util.arrayFromVTKMatrix(ijkToRAS)
    grid = Grid(image.GetDimensions()[::-1], affine)
    grid.require_orthogonal(volumeNode.GetName())
    return grid


def volumeFromNode(volumeNode: slicer.vtkMRMLVolumeNode) -> tuple[np.ndarray, Grid]:
    """Return the voxels ``(Z, Y, X)`` of a scalar volume, int16 or float32 HU, and its grid in world RAS mm.

    :raises ImageError: the volume is empty or has several components (colour).
    :raises GridError: see :func:`gridFromVolume`.
    """
    grid = gridFromVolume(volumeNode)
    return _voxels(volumeNode, grid.shape), grid


def volumeToScene(voxels: np.ndarray, grid: Grid, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a scalar volume with CT angiography window and level; the voxels are shared, not copied."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    _setVoxels(node, voxels, grid)
    _showAsAngiography(node)
    return node


def transformToWorld(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """Return the linear parent transform of ``node``, (4, 4), or refuse another one."""
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise GridError(
            node.GetName(),
            expected="no transform, or a linear one",
            found=f"the deforming transform '{transform.GetName()}'",
            remedy="Harden the transform (Data module, right-click on the transform column) and try again.",
        )
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def _voxels(node: slicer.vtkMRMLVolumeNode, shape: tuple[int, int, int]) -> np.ndarray:
    scalars = node.GetImageData().GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        raise ImageError(
            node.GetName(),
            expected="one value (HU) in every voxel",
            found="no voxels" if scalars is None else f"{scalars.GetNumberOfComponents()} components (a colour image)",
            remedy="Choose the CT volume; convert a colour image with the Vector to Scalar Volume module.",
        )
    voxels = numpy_support.vtk_to_numpy(scalars).reshape(shape)
    return voxels.astype(np.float32, copy=False) if voxels.dtype.kind == "f" else to_int16(voxels)


def _setVoxels(node: slicer.vtkMRMLVolumeNode, voxels: np.ndarray, grid: Grid) -> None:
    """Give ``node`` the voxels without copying them where VTK can share the memory."""
    if voxels.shape != grid.shape:
        raise GridError(
            node.GetName(),
            expected=f"{grid.shape} voxels (Z, Y, X)",
            found=f"{voxels.shape}",
            remedy="Give the voxels together with their own grid.",
        )
    scalars = numpy_support.numpy_to_vtk(_shareable(voxels).reshape(-1), deep=False)
    scalars.SetName("ImageScalars")
    image = vtk.vtkImageData()
    image.SetDimensions(grid.shape[::-1])
    image.GetPointData().SetScalars(scalars)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.array(grid.affine)))
    node.SetAndObserveImageData(image)


def _shareable(voxels: np.ndarray) -> np.ndarray:
    """Return contiguous voxels that VTK may write to; a read-only file is mapped copy-on-write, an array copied."""
    if isinstance(voxels, np.memmap) and not voxels.flags.writeable and voxels.flags.c_contiguous:
        # A view of a memory map keeps the map's own offset, so the place in the file comes from the addresses.
        whole = voxels
        while isinstance(whole.base, np.memmap):
            whole = whole.base
        offset = whole.offset + voxels.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        return np.memmap(whole.filename, voxels.dtype, "c", offset, voxels.shape)
    if voxels.dtype == bool or voxels.dtype.byteorder == ">":
        voxels = voxels.astype(np.uint8 if voxels.dtype == bool else voxels.dtype.newbyteorder("="))
    return np.require(voxels, requirements=["C", "W"])


def _showAsAngiography(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(WINDOW_HU, LEVEL_HU)
    display.InterpolateOn()


# -- 4D sequences ------------------------------------------------------------------------------------------------------


def sequenceToScene(
    sequence: Sequence, name: str
) -> tuple[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLSequenceNode, slicer.vtkMRMLSequenceBrowserNode]:
    """Add a 4D CT: the volume shown now, the sequence of phases by R-R %, and the browser that moves through them.

    Voxels are shared with ``sequence``: memory-mapped phases stay on disk until they are shown.
    """
    sequenceNode = newSequenceNode(f"{name} phases")
    template = slicer.vtkMRMLScalarVolumeNode()
    template.SetName(name)
    for phase, value in enumerate(sequence.rr_percent):
        sequenceNode.SetDataNodeAtValue(template, _indexValue(value))
        _setVoxels(sequenceNode.GetNthDataNode(phase), sequence.frame(phase), sequence.grid)
    browserNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    browserNode.SetAndObserveMasterSequenceNodeID(sequenceNode.GetID())
    browserNode.SetIndexDisplayFormat("%.0f")
    proxy = addProxy(sequenceNode, browserNode, name)
    _showAsAngiography(proxy)
    return proxy, sequenceNode, browserNode


def sequenceFromScene(node: slicer.vtkMRMLNode) -> Sequence:
    """Return the 4D CT behind a sequence browser, a sequence, or a volume (its sequence, or itself as one phase).

    R-R % are the index values when their unit is %, else the phases are taken as uniform.

    :raises ImageError: no volume is behind the node, or it has colour.
    :raises GridError: the phases differ in geometry, or see :func:`gridFromVolume`.
    """
    volumes, rrPercent, toWorld = _volumesBehind(node)
    local = [_localGrid(volume) for volume in volumes]
    for phase, grid in enumerate(local[1:], start=1):
        local[0].require_match(grid, f"{node.GetName()}, phase {phase}")
    grid = Grid(local[0].shape, toWorld @ local[0].affine)
    for volume in volumes:
        _voxels(volume, grid.shape)
    frames = CallableFrames(len(volumes), lambda phase: _voxels(volumes[phase], grid.shape))
    return Sequence(grid, frames, rrPercent, {}, node.GetName())


def selectPhase(browserNode: slicer.vtkMRMLSequenceBrowserNode, phase: int) -> None:
    """Show phase ``phase`` in the views, and wait until the proxy nodes hold it."""
    browserNode.SetSelectedItemNumber(phase)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browserNode)


def browserOf(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLSequenceBrowserNode | None:
    """Return the browser of a sequence or of a volume shown by one, or None."""
    logic = slicer.modules.sequences.logic()
    if node.IsA("vtkMRMLSequenceBrowserNode"):
        return node
    if node.IsA("vtkMRMLSequenceNode"):
        return logic.GetFirstBrowserNodeForSequenceNode(node)
    return logic.GetFirstBrowserNodeForProxyNode(node)


def newSequenceNode(name: str) -> slicer.vtkMRMLSequenceNode:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    node.SetIndexType(slicer.vtkMRMLSequenceNode.NumericIndex)
    node.SetIndexName(INDEX_NAME)
    node.SetIndexUnit(INDEX_UNIT)
    return node


def _indexValue(rrPercent: float) -> str:
    return f"{rrPercent:.6g}"


def addProxy(
    sequenceNode: slicer.vtkMRMLSequenceNode, browserNode: slicer.vtkMRMLSequenceBrowserNode, name: str
) -> slicer.vtkMRMLNode:
    logic = slicer.modules.sequences.logic()
    logic.AddSynchronizedNode(sequenceNode, None, browserNode)
    browserNode.SetOverwriteProxyName(sequenceNode, False)
    logic.UpdateProxyNodesFromSequences(browserNode)
    proxy = browserNode.GetProxyNode(sequenceNode)
    proxy.SetName(name)
    return proxy


def _volumesBehind(node: slicer.vtkMRMLNode) -> tuple[list, tuple[float, ...], np.ndarray]:
    """Return the volume nodes of all phases, their R-R % (empty = unknown) and the transform to the world."""
    browserNode = browserOf(node)
    sequenceNode = node
    proxy = None
    if browserNode is not None and not node.IsA("vtkMRMLSequenceNode"):
        sequenceNode = browserNode.GetMasterSequenceNode() if node == browserNode else browserNode.GetSequenceNode(node)
    if browserNode is not None and sequenceNode is not None:
        proxy = browserNode.GetProxyNode(sequenceNode)
    if sequenceNode is not None and sequenceNode.IsA("vtkMRMLSequenceNode"):
        volumes = [sequenceNode.GetNthDataNode(n) for n in range(sequenceNode.GetNumberOfDataNodes())]
        rrPercent = _rrPercent(sequenceNode)
    else:
        volumes, rrPercent, proxy = [node], (), node
    if not volumes or not all(volume.IsA("vtkMRMLScalarVolumeNode") for volume in volumes):
        raise ImageError(
            node.GetName(),
            expected="a CT volume or a sequence of CT volumes",
            found="no volume" if not volumes else volumes[0].GetNodeTagName(),
            remedy="Choose the volume, sequence or sequence browser that holds the CT.",
        )
    return volumes, rrPercent, np.eye(4) if proxy is None else transformToWorld(proxy)


def _rrPercent(sequenceNode: slicer.vtkMRMLSequenceNode) -> tuple[float, ...]:
    if sequenceNode.GetIndexUnit() != INDEX_UNIT:
        return ()
    return tuple(float(sequenceNode.GetNthIndexValue(n)) for n in range(sequenceNode.GetNumberOfDataNodes()))


def _localGrid(volumeNode: slicer.vtkMRMLVolumeNode) -> Grid:
    """Return the grid of a node of a sequence, which has no scene transform of its own."""
    if volumeNode.GetImageData() is None:
        return gridFromVolume(volumeNode)
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return Grid(volumeNode.GetImageData().GetDimensions()[::-1], slicer.util.arrayFromVTKMatrix(matrix))
