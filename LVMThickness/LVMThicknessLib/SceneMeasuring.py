"""Wall thickness of a segmentation of the scene: nodes in, measurement out. No Qt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from LVMLib.errors import LabelError, LVMError
from LVMLib.progress import Progress, part, silent

from . import MRMLAdapter as Adapter
from .Measurement import Measurement, ofCycle

SEGMENT_LABELS = (1, 2)


class SceneMeasuring:
    """Measures the phase of a segmentation that is shown, or all phases of its browser."""

    def segmentNames(self, segmentationNode: object) -> list[str]:
        """Return the names of the blood pool and the LVM segment, found by terminology.

        :raises LabelError: one of them is missing or there are two.
        """
        from LVMTransferLib import MRMLAdapter

        segmentation = segmentationNode.GetSegmentation()
        segmentIds = [MRMLAdapter.segmentIdOf(segmentationNode, label) for label in SEGMENT_LABELS]
        return [segmentation.GetSegment(segmentId).GetName() for segmentId in segmentIds]

    def phaseCount(self, segmentationNode: object) -> int:
        """Return how many phases the browser of a segmentation has; 1 without one."""
        browserNode = self._browserOf(segmentationNode)
        return browserNode.GetNumberOfItems() if browserNode is not None else 1

    def measure(
        self,
        segmentationNode: object,
        *,
        referenceVolume: object = None,
        basePlane: object = None,
        baseCurves: Sequence[object] = (),
        rvInsertion: object = None,
        progress: Progress = silent,
    ) -> object:
        """Measure the phase of a segmentation that is shown.

        :param referenceVolume: volume whose voxels are used; None = the volume that the segmentation was drawn on.
        :param basePlane: plane markup that cuts the ventricle at its base.
        :param baseCurves: instead, closed curve markups along the mitral valve and, if wanted, the aortic one; without
          plane and curves the base is found from the mask.
        :param rvInsertion: point list with the anterior, and if wanted the inferior, insertion of the right ventricle;
          None = the septum is estimated.
        :return: the :class:`Measurement.Measurement`, in world RAS mm.
        :raises LVMError: no such segments, no wall, a base that misses the heart, or impossible insertions.
        """
        from LVMLib.thickness import measure_thickness
        from LVMTransferLib import MRMLAdapter

        progress(0.0, "reading the segmentation")
        volumeNode = referenceVolume or self._drawnOn(segmentationNode)
        labels = MRMLAdapter.labelsFromSegmentation(segmentationNode, volumeNode)
        grid = MRMLAdapter.gridFromVolume(volumeNode)
        base, plane = {}, None
        if basePlane is not None:
            plane = np.array(basePlane.GetOriginWorld()), np.array(basePlane.GetNormalWorld())
            plane = base["base_plane"] = self._awayFromApex(*plane, labels, grid)
        elif baseCurves:
            base["base_curves"] = [MRMLAdapter.curveFromNode(curve) for curve in baseCurves]
            plane = self._awayFromApex(*self._planeThrough(base["base_curves"][0]), labels, grid)
        frame, notes = self._frame(labels, grid, self._points(rvInsertion), plane)
        result = measure_thickness(labels, grid.affine, **base, progress=part(progress, 0.1, 0.95))
        browserNode = self._browserOf(segmentationNode)
        phase = 0 if browserNode is None else browserNode.GetSelectedItemNumber()
        frames = {} if frame is None else {phase: frame}
        return Measurement({phase: result}, frames, phase, phase, notes=(*result.notes, *notes))

    def measureCycle(
        self,
        segmentationNode: object,
        *,
        referenceVolume: object = None,
        rvInsertion: object = None,
        ed: int | None = None,
        es: int | None = None,
        progress: Progress = silent,
    ) -> object:
        """Measure every labelled phase of a 4D segmentation, and the wall thickening from ED to ES.

        The base of every phase is found from its mask; parameters and errors as :meth:`measure`.

        :param ed, es: phases of end-diastole and end-systole; None = largest and smallest cavity.
        """
        from LVMLib.thickness import measure_cycle
        from LVMTransferLib import MRMLAdapter

        progress(0.0, "reading the segmentation")
        volumeNode = referenceVolume or self._drawnOn(segmentationNode)
        browserNode = self._browserOf(segmentationNode)
        if browserNode is None:
            raise LabelError(
                f"segmentation '{segmentationNode.GetName()}'",
                expected="segmentations of several phases in a sequence browser",
                found="one segmentation",
                remedy="Measure the phase shown, or load the 4D case with LVM Transfer.",
            )
        grid = MRMLAdapter.gridFromVolume(volumeNode)
        byPhase = MRMLAdapter.labelsFromSegmentationSequence(segmentationNode, browserNode, grid=grid)
        notLabelled = np.zeros(grid.shape, np.uint8)
        labels = [byPhase.get(phase, notLabelled) for phase in range(browserNode.GetNumberOfItems())]
        cycle = measure_cycle(
            labels,
            grid.affine,
            ed=ed,
            es=es,
            rv_insertion=self._points(rvInsertion),
            progress=part(progress, 0.05, 0.95),
        )
        return ofCycle(cycle)

    @staticmethod
    def _browserOf(segmentationNode: object) -> object:
        """Return the browser that shows the phases of a segmentation, or None; needs no packages."""
        if segmentationNode is None:
            return None
        browserNode = slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(segmentationNode)
        found = browserNode is not None and browserNode.GetSequenceNode(segmentationNode) is not None
        return browserNode if found else None

    @staticmethod
    def _frame(labels: np.ndarray, grid: object, insertion: np.ndarray | None, basePlane: tuple | None) -> tuple:
        """Return the ventricle's frame and notes; without an insertion a ventricle may have no frame, and says so."""
        from LVMLib.thickness.ventricle import find_lv_frame

        try:
            return find_lv_frame(labels, grid.affine, rv_insertion=insertion, base_plane=basePlane), ()
        except LVMError as error:
            if insertion is not None:
                raise
            return None, (str(error),)

    @staticmethod
    def _points(markups: object) -> np.ndarray | None:
        """Return the placed points of a point list, world RAS mm, or None."""
        placed = Adapter.definedPoints(markups)
        if not placed:
            return None
        points = np.zeros((len(placed), 3))
        for row, number in enumerate(placed):
            markups.GetNthControlPointPositionWorld(number, points[row])
        return points

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
    def _planeThrough(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the middle of a curve ``(N, 3)`` and the normal of the plane that fits it best."""
        center = curve.mean(axis=0)
        return center, np.linalg.svd(curve - center)[2][2]

    @staticmethod
    def _awayFromApex(origin: np.ndarray, normal: np.ndarray, labels: np.ndarray, grid: object) -> tuple:
        """Return a plane's point and its normal, turned away from the apex, RAS mm."""
        center = grid.to_ras(np.argwhere(labels > 0).mean(axis=0)[::-1])
        return origin, normal if normal @ (center - origin) < 0 else -normal
