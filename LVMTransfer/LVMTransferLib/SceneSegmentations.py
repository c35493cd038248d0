"""Label arrays of the library as segmentation nodes with terminology, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from LVMLib.errors import LabelError
from LVMLib.grid import BLOOD_POOL, LVM, Grid, require_labels
from LVMLib.terminology import TERMS, label_of_entry
from vtk.util import numpy_support

from .SceneVolumes import addProxy, browserOf, gridFromVolume, newSequenceNode, transformToWorld

# Slicer's own default: smooth enough for a ventricle at 1 mm, and the surface stays within half a voxel.
SURFACE_SMOOTHING = 0.5
# As in the .seg.nrrd files of LVMLib.imaging: stable names for scripts, never used to recognise a segment.
_SEGMENT_IDS = {BLOOD_POOL: "LVBloodPool", LVM: "LVMyocardium"}


def segmentationFromLabels(
    labels: np.ndarray,
    grid: Grid,
    name: str,
    referenceVolume: slicer.vtkMRMLVolumeNode | None = None,
    *,
    closedSurface: bool = True,
) -> slicer.vtkMRMLSegmentationNode:
    """Add a segmentation with the segments "LV blood pool" and "LV myocardium" and their SNOMED CT terminology.

    :param labels: ``(Z, Y, X)``, 0 background, 1 blood pool, 2 LVM; empty is allowed.
    :param grid: grid of ``labels``, world RAS mm.
    :param referenceVolume: the volume that was segmented: gives the geometry for editing and the place in the tree.
    :param closedSurface: make the surfaces for the 3D view now.
    :raises LabelError: other label values.
    :raises GridError: ``labels`` do not fit ``grid``, or its axes are sheared.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    if referenceVolume is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(referenceVolume)
    updateSegmentationFromLabels(node, labels, grid, closedSurface=closedSurface)
    _placeBeside(node, referenceVolume)
    return node


def updateSegmentationFromLabels(
    node: slicer.vtkMRMLSegmentationNode, labels: np.ndarray, grid: Grid, *, closedSurface: bool = True
) -> None:
    """Replace the blood pool and the LVM of a segmentation; other segments stay.

    :raises LabelError: other label values than 0, 1, 2.
    :raises GridError: see :func:`segmentationFromLabels`, or the node is under a deforming transform.
    """
    labels = require_labels(labels, node.GetName(), allow_empty=True)
    grid.require_match(Grid(labels.shape, grid.affine), node.GetName())
    grid.require_orthogonal(node.GetName())
    affine = np.linalg.inv(transformToWorld(node)) @ grid.affine
    _fillSegmentation(node.GetSegmentation(), labels, Grid(grid.shape, affine), closedSurface=closedSurface)


def labelsFromSegmentation(
    node: slicer.vtkMRMLSegmentationNode,
    referenceVolume: slicer.vtkMRMLVolumeNode | None = None,
    *,
    grid: Grid | None = None,
    allowEmpty: bool = False,
) -> np.ndarray:
    """Return the labels ``(Z, Y, X)`` uint8 on the reference volume; where segments overlap the blood pool wins.

    Segments are found by terminology, never by name or order.

    :param referenceVolume: None = the volume that the segmentation was drawn on.
    :param grid: world RAS mm, instead of a volume.
    :raises LabelError: a segment is absent or there twice, all are empty, or there is no reference volume.
    :raises GridError: the segmentation or the volume is under a deforming transform.
    """
    grid = grid or gridFromVolume(referenceVolume or _referenceVolume(node))
    labels = np.zeros(grid.shape, np.uint8)
    toWorld = transformToWorld(node)
    for label in (LVM, BLOOD_POOL):
        mask = _segmentMask(node.GetSegmentation().GetSegment(segmentIdOf(node, label)), toWorld, grid)
        labels[mask] = label
    return require_labels(labels, node.GetName(), allow_empty=allowEmpty)


def segmentIdOf(node: slicer.vtkMRMLSegmentationNode, label: int) -> str:
    """Return the ID of the segment whose terminology means ``label`` (1 blood pool, 2 LVM).

    :raises LabelError: there is none, or more than one.
    """
    segmentation = node.GetSegmentation()
    found = [segmentId for segmentId in segmentation.GetSegmentIDs() if _labelOf(segmentation, segmentId) == label]
    if len(found) == 1:
        return found[0]
    term = TERMS[label]
    names = ", ".join(f"'{segmentation.GetSegment(i).GetName()}'" for i in (found or segmentation.GetSegmentIDs()))
    raise LabelError(
        f"segmentation '{node.GetName()}'",
        expected=f"one segment with the terminology {term.meaning} (SNOMED CT {term.code})",
        found=f"{len(found)} among the segments {names}" if names else "no segment",
        remedy=f"In the Segmentations module double-click the colour of the {term.name} segment and choose "
        f"'{term.meaning}'."
        if len(found) == 0
        else f"Merge them, or give only one the terminology {term.meaning}.",
    )


def segmentationSequence(
    labelsByPhase: Mapping[int, np.ndarray],
    grid: Grid,
    name: str,
    volumeOrBrowser: slicer.vtkMRMLNode,
) -> tuple[slicer.vtkMRMLSegmentationNode, slicer.vtkMRMLSequenceNode]:
    """Add segmentations of some phases (ED and ES, or all) to the browser of a 4D CT; return the one shown, and all.

    Edits of the segmentation shown are kept in its phase. A phase without labels has both segments, empty, so that a
    reader can begin to draw there.

    :param labelsByPhase: phase index of the CT to labels ``(Z, Y, X)``.
    :param volumeOrBrowser: the CT in the scene, see :func:`MRMLAdapter.sequenceToScene`.
    :raises LabelError: other label values, or the CT has no such phase.
    """
    browserNode = browserOf(volumeOrBrowser)
    master = browserNode.GetMasterSequenceNode() if browserNode else None
    count = master.GetNumberOfDataNodes() if master else 0
    if not labelsByPhase or not set(labelsByPhase) <= set(range(count)):
        raise LabelError(
            name,
            expected=f"labels of phases 0 to {count - 1}" if count else "a 4D CT in the scene",
            found=f"labels of the phases {sorted(labelsByPhase)}",
            remedy="Choose the 4D CT that the labels belong to.",
        )
    sequenceNode = newSequenceNode(f"{name} phases")
    template = slicer.vtkMRMLSegmentationNode()
    template.SetName(name)
    empty = np.zeros(grid.shape, np.uint8)
    for phase in range(count):
        labels = require_labels(labelsByPhase.get(phase, empty), f"{name}, phase {phase}", allow_empty=True)
        sequenceNode.SetDataNodeAtValue(template, master.GetNthIndexValue(phase))
        segmentation = sequenceNode.GetNthDataNode(phase).GetSegmentation()
        _fillSegmentation(segmentation, labels, grid, closedSurface=phase in labelsByPhase)
    proxy = addProxy(sequenceNode, browserNode, name)
    browserNode.SetSaveChanges(sequenceNode, True)
    proxy.CreateDefaultDisplayNodes()
    volume = browserNode.GetProxyNode(master)
    proxy.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    _placeBeside(proxy, volume)
    return proxy, sequenceNode


def labelsFromSegmentationSequence(
    node: slicer.vtkMRMLNode, volumeOrBrowser: slicer.vtkMRMLNode, *, grid: Grid | None = None
) -> dict[int, np.ndarray]:
    """Return the labels of every phase that has some: phase index of the CT to ``(Z, Y, X)`` uint8 on the CT's grid.

    :param node: a segmentation shown by the browser of the CT, or the sequence of segmentations itself.
    :raises LabelError: see :func:`labelsFromSegmentation`.
    """
    browserNode = browserOf(volumeOrBrowser)
    master = browserNode.GetMasterSequenceNode()
    grid = grid or gridFromVolume(browserNode.GetProxyNode(master))
    sequenceNode = node if node.IsA("vtkMRMLSequenceNode") else browserNode.GetSequenceNode(node)
    labels = {}
    for item in range(sequenceNode.GetNumberOfDataNodes()):
        phase = master.GetItemNumberFromIndexValue(sequenceNode.GetNthIndexValue(item))
        found = labelsFromSegmentation(sequenceNode.GetNthDataNode(item), grid=grid, allowEmpty=True)
        if phase >= 0 and found.any():
            labels[phase] = found
    return labels


def _fillSegmentation(
    segmentation: slicer.vtkSegmentation, labels: np.ndarray, grid: Grid, *, closedSurface: bool
) -> None:
    """Set the two segments from one shared label map, cropped to the labels with a margin of one voxel."""
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    segmentation.SetSourceRepresentationName(representation)
    segmentation.SetConversionParameter("Smoothing factor", str(SURFACE_SMOOTHING))
    image = orientedImage(labels, grid) if labels.any() else None
    for label, term in TERMS.items():
        for segmentId in list(segmentation.GetSegmentIDs()):
            if _labelOf(segmentation, segmentId) == label:
                segmentation.RemoveSegment(segmentId)
        segment = slicer.vtkSegment()
        segment.SetName(term.name)
        segment.SetColor(*term.color)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), term.entry)
        segment.SetLabelValue(label)
        if image is not None:
            # Slicer crashes when it opens a file with an empty label map (5.12.4): an empty segment has none.
            segment.AddRepresentation(representation, image)
        segmentation.AddSegment(segment, _SEGMENT_IDS[label])
    if closedSurface and image is not None:
        segmentation.CreateRepresentation(slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName())


def orientedImage(labels: np.ndarray, grid: Grid) -> slicer.vtkOrientedImageData:
    """Return ``labels`` as a label map at its place, cropped to its content with a margin of one voxel."""
    if np.linalg.det(grid.affine[:3, :3]) < 0:
        # On a left-handed grid Slicer's surfaces face inwards, so the label map runs along k the other way.
        affine = grid.affine @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, grid.shape[0] - 1], [0, 0, 0, 1.0]])
        labels, grid = labels[::-1], Grid(grid.shape, affine)
    where = np.argwhere(labels)
    start, stop = where.min(0), where.max(0) + 1
    start, stop = np.maximum(start - 1, 0), np.minimum(stop + 1, labels.shape)
    cropped = np.ascontiguousarray(labels[tuple(map(slice, start, stop))])
    image = slicer.vtkOrientedImageData()
    image.SetExtent(start[2], stop[2] - 1, start[1], stop[1] - 1, start[0], stop[0] - 1)
    image.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(np.array(grid.affine)))
    scalars = numpy_support.numpy_to_vtk(cropped.reshape(-1), deep=True)
    scalars.SetName("ImageScalars")
    image.GetPointData().SetScalars(scalars)
    return image


def _segmentMask(segment: slicer.vtkSegment, toWorld: np.ndarray, grid: Grid) -> np.ndarray:
    """Return the voxels of ``grid`` that lie in the segment, bool ``(Z, Y, X)``."""
    mask = np.zeros(grid.shape, bool)
    representation = slicer.vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
    image = segment.GetRepresentation(representation)
    if image is None or image.IsEmpty():
        return mask
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    affine = toWorld @ slicer.util.arrayFromVTKMatrix(matrix)
    if np.allclose(affine, grid.affine, rtol=0, atol=1e-6):  # mm: nothing to resample
        return _pasted(image, segment.GetLabelValue(), mask)
    placed = slicer.vtkOrientedImageData()
    placed.ShallowCopy(image)
    placed.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(affine))
    reference = slicer.vtkOrientedImageData()
    reference.SetExtent(0, grid.shape[2] - 1, 0, grid.shape[1] - 1, 0, grid.shape[0] - 1)
    reference.SetImageToWorldMatrix(slicer.util.vtkMatrixFromArray(np.array(grid.affine)))
    result = slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        placed, reference, result, False, True
    )
    return _pasted(result, segment.GetLabelValue(), mask)


def _pasted(image: slicer.vtkOrientedImageData, value: int, mask: np.ndarray) -> np.ndarray:
    """Mark the voxels of ``image`` that have ``value`` in ``mask`` ``(Z, Y, X)``, whose grid it shares; return it."""
    extent = image.GetExtent()
    start, stop = np.array(extent[4::-2]), np.array(extent[5::-2]) + 1
    values = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(stop - start)
    low, high = np.maximum(start, 0), np.minimum(stop, mask.shape)
    if (high > low).all():
        inside = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start))
        mask[tuple(map(slice, low, high))] = values[inside] == value
    return mask


def _labelOf(segmentation: slicer.vtkSegmentation, segmentId: str) -> int | None:
    entry = vtk.reference("")
    segmentation.GetSegment(segmentId).GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry)
    return label_of_entry(str(entry))


def _referenceVolume(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLVolumeNode:
    volume = node.GetNodeReference(slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole())
    if volume is None:
        raise LabelError(
            f"segmentation '{node.GetName()}'",
            expected="the CT that it was drawn on",
            found="none",
            remedy="Choose the CT volume.",
        )
    return volume


def _placeBeside(node: slicer.vtkMRMLNode, volume: slicer.vtkMRMLVolumeNode | None) -> None:
    """Put ``node`` in the same folder or study of the subject hierarchy as the volume."""
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    if tree is None:
        return
    volumeItem = tree.GetItemByDataNode(volume) if volume else 0
    parent = tree.GetItemParent(volumeItem) if volumeItem else tree.GetSceneItemID()
    item = tree.GetItemByDataNode(node)
    if item:
        tree.SetItemParent(item, parent)
    else:
        tree.CreateItem(parent, node)
