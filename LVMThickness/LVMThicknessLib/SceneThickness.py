"""Wall thickness of a segmentation of the scene, as nodes of the scene. No Qt.

Usable from the Python console and, after ``startHeadlessCore()``, from a script on the `slicer-core` wheel.
"""

from __future__ import annotations

import numpy as np
from LVMLib.errors import LabelError
from LVMLib.progress import Progress, part, silent

SEGMENT_LABELS = (1, 2)


class SceneThickness:
    """Measures a segmentation and shows the result as surface, streamline tubes and table."""

    def segmentNames(self, segmentationNode: object) -> list[str]:
        """Return the names of the blood pool and the LVM segment, found by terminology.

        :raises LabelError: one of them is missing or there are two.
        """
        from LVMTransferLib import MRMLAdapter

        segmentation = segmentationNode.GetSegmentation()
        segmentIds = [MRMLAdapter.segmentIdOf(segmentationNode, label) for label in SEGMENT_LABELS]
        return [segmentation.GetSegment(segmentId).GetName() for segmentId in segmentIds]

    def measure(
        self,
        segmentationNode: object,
        *,
        referenceVolume: object = None,
        basePlane: object = None,
        progress: Progress = silent,
    ) -> object:
        """Measure the wall of a segmentation.

        :param referenceVolume: volume whose voxels are used; None = the volume that the segmentation was drawn on.
        :param basePlane: plane markup that cuts the ventricle at its base; None = found from the mask.
        :return: the `ThicknessResult`, in world RAS mm.
        :raises LVMError: no such segments, no wall, or a plane that misses the heart.
        """
        from LVMLib.thickness import measure_thickness
        from LVMTransferLib import MRMLAdapter

        progress(0.0, "reading the segmentation")
        volumeNode = referenceVolume or self._drawnOn(segmentationNode)
        labels = MRMLAdapter.labelsFromSegmentation(segmentationNode, volumeNode)
        grid = MRMLAdapter.gridFromVolume(volumeNode)
        plane = None if basePlane is None else self._plane(basePlane, labels, grid)
        return measure_thickness(labels, grid.affine, base_plane=plane, progress=part(progress, 0.1, 0.95))

    def showSurface(self, result: object, node: object, name: str) -> object:
        """Put the epicardium with its thickness into ``node``, or into a new model."""
        from LVMThicknessLib import MRMLAdapter

        if node is None or node.GetDisplayNode() is None:
            return self._replaced(node, MRMLAdapter.thicknessModel(result, name))
        MRMLAdapter.updateThicknessModel(node, result)
        return node

    def showStreamlines(self, result: object, node: object, name: str, **display: object) -> object:
        """Put the streamlines into ``node``, or into a new model.

        :param display: radius (mm), density (0 to 1), colorBy; see ``MRMLAdapter.streamlineTubes``.
        """
        from LVMThicknessLib import MRMLAdapter

        if node is None or node.GetDisplayNode() is None:
            return self._replaced(node, MRMLAdapter.streamlineTubes(result, name, **display))
        MRMLAdapter.updateStreamlineTubes(node, result, **display)
        return node

    def showStatistics(self, result: object, node: object, name: str) -> object:
        """Put the statistics into ``node``, or into a new table."""
        from LVMThicknessLib import MRMLAdapter

        if node is None:
            return MRMLAdapter.statisticsTable(result, name)
        MRMLAdapter.updateStatisticsTable(node, result)
        return node

    def thicknessRange(self, result: object) -> tuple[float, float]:
        """Return the colour range that suits a result, mm."""
        from LVMThicknessLib import MRMLAdapter

        return MRMLAdapter.thicknessRange(result.thickness_mm)

    @staticmethod
    def _replaced(node: object, made: object) -> object:
        """Keep the radiologist's own empty node: give it the mesh and the display of the new one."""
        if node is None:
            return made
        node.SetAndObserveMesh(made.GetMesh())
        node.SetAndObserveDisplayNodeID(made.GetDisplayNodeID())
        made.SetAndObserveDisplayNodeID(None)
        made.GetScene().RemoveNode(made)
        return node

    @staticmethod
    def _drawnOn(segmentationNode: object) -> object:
        volumeNode = segmentationNode.GetNodeReference(segmentationNode.GetReferenceImageGeometryReferenceRole())
        if volumeNode is None:
            raise LabelError(
                f"segmentation '{segmentationNode.GetName()}'",
                expected="the CT that it was drawn on",
                found="none",
                remedy="Choose the CT volume under Inputs.",
            )
        return volumeNode

    @staticmethod
    def _plane(planeNode: object, labels: np.ndarray, grid: object) -> tuple:
        """Return the plane's point and its normal, turned away from the apex, RAS mm."""
        origin, normal = np.array(planeNode.GetOriginWorld()), np.array(planeNode.GetNormalWorld())
        center = grid.to_ras(np.argwhere(labels > 0).mean(axis=0)[::-1])
        return origin, normal if normal @ (center - origin) < 0 else -normal
