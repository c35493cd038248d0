"""Wall thickness of a segmentation of the scene, as nodes of the scene. No Qt.

Usable from the Python console and, after ``startHeadlessCore()``, from a script on the `slicer-core` wheel.
"""

from __future__ import annotations

import numpy as np
import slicer
from LVMTransferLib.PlaceMode import startPlacing

from . import MRMLAdapter as Adapter
from .SceneMeasuring import SceneMeasuring


class SceneThickness(SceneMeasuring):
    """Measures a segmentation; shows the measurement as surface, streamlines, tables, histogram and probes.

    The surface node stands for the measurement: all else belongs to it by node references.
    """

    # -- show ----------------------------------------------------------------------------------------------------------

    def show(
        self,
        measurement: object,
        name: str,
        *,
        segmentationNode: object = None,
        surface: object = None,
        segmentModel: int = 17,
    ) -> object:
        """Put a measurement into nodes; return the surface node, to which all others belong.

        :param segmentationNode: the one that was measured; if a browser moves it through phases, the surface follows
          and is empty where nothing was measured.
        :param surface: model node of an earlier measurement, which this one replaces, or of your own; None = a new one.
        :param segmentModel: AHA segments in the table, 16 or 17.
        """
        result = measurement.result
        surface = surface or self._newModel(name)
        Adapter.endPhases(surface)
        Adapter.updateThicknessModel(surface, result, arrays=measurement.arrays(measurement.ed))
        self._attachOutputs(surface, name)
        endocardium, lines = (Adapter.belonging(surface, role) for role in (Adapter.ENDOCARDIUM, Adapter.LINES))
        for node, mesh in zip((endocardium, lines), self._inside(measurement, measurement.ed)):
            Adapter.endPhases(node)
            node.SetAndObservePolyData(mesh)
        Adapter.showQuantity(endocardium, "thickness", Adapter.thicknessRange(result.thickness_mm), legend=False)
        # Not on the surface: a browser that changes the phase replaces a node's attributes.
        segments = Adapter.belonging(surface, Adapter.SEGMENT_TABLE)
        segments.SetAttribute(Adapter.ORIENTATION, measurement.orientation)
        segments.SetAttribute(Adapter.NOTES, "\n".join(measurement.notes))
        self._removeCycle(surface)
        browserNode = self._browserOf(segmentationNode)
        if browserNode is not None:
            self._followPhases(measurement, surface, browserNode)
        self.drawStreamlines(surface)
        self.summarize(surface, segmentModel)
        return surface

    def drawStreamlines(self, surface: object, **display: object) -> None:
        """Draw the tubes again from the lines of the phase shown.

        :param display: radius (mm), density (0 to 1), colorBy, scalarRange; see ``MRMLAdapter.drawTubes``.
        """
        lines, tubes = (Adapter.belonging(surface, role) for role in (Adapter.LINES, Adapter.TUBES))
        if lines is not None and tubes is not None:
            Adapter.drawTubes(tubes, lines.GetPolyData(), **display)

    def summarize(self, surface: object, segmentModel: int = 17) -> None:
        """Fill statistics, segment table and histogram from the surface of the phase shown."""
        thickness = Adapter.surfaceArray(surface, Adapter.THICKNESS)
        thickness = np.empty(0) if thickness is None else thickness
        for role, fill in (
            (Adapter.STATISTICS, lambda node: Adapter.updateStatisticsTable(node, thickness)),
            (Adapter.SEGMENT_TABLE, lambda node: Adapter.updateSegmentTable(node, surface, segmentModel)),
            (Adapter.HISTOGRAM_TABLE, lambda node: Adapter.updateHistogram(node, thickness)),
        ):
            node = Adapter.belonging(surface, role)
            if node is not None:
                fill(node)

    def thicknessRange(self, measurement: object) -> tuple[float, float]:
        """Return the colour range that suits all phases of a measurement, mm."""
        return Adapter.thicknessRange(np.concatenate([result.thickness_mm for result in measurement.results.values()]))

    def thickeningRange(self, measurement: object) -> tuple[float, float]:
        """Return the colour range that suits the thickening of a measurement, in tens of percent; 0 is in it."""
        known = np.concatenate(list(measurement.thickening.values()))
        known = known[np.isfinite(known)]
        if not len(known):
            return 0.0, 100.0
        low, high = np.percentile(known, [2, 98])
        return max(10.0 * np.floor(min(low, 0.0) / 10), -100.0), min(max(10.0 * np.ceil(high / 10), 10.0), 400.0)

    # -- look closer ---------------------------------------------------------------------------------------------------

    def probes(self, surface: object) -> object:
        """Return the point list of the surface, made at the first call; its points show the thickness."""
        found = Adapter.belonging(surface, Adapter.PROBES)
        return found or Adapter.attach(surface, Adapter.PROBES, Adapter.probeMarkups(f"{surface.GetName()} probes"))

    def updateProbes(self, surface: object, radius: float = 0.5) -> list[object]:
        """Label every placed point with the thickness there and highlight its streamline; return the wall points.

        :param radius: of the highlighted streamlines, mm.
        """
        markups, lines = (Adapter.belonging(surface, role) for role in (Adapter.PROBES, Adapter.LINES))
        found = {}
        for number in Adapter.definedPoints(markups):
            world, local = np.zeros(3), np.zeros(3)
            markups.GetNthControlPointPositionWorld(number, world)
            surface.TransformPointFromWorld(world, local)
            found[number] = Adapter.wallPointAt(local, surface, lines)
        if markups is not None:
            Adapter.labelProbes(markups, {number: self._label(point) for number, point in found.items()})
        vertices = [point.vertex for point in found.values() if np.isfinite(point.thicknessMm)]
        shown = Adapter.belonging(surface, Adapter.PROBE_LINES)
        if vertices and shown is None:
            shown = Adapter.attach(surface, Adapter.PROBE_LINES, self._newModel(f"{surface.GetName()} probe lines"))
        if shown is not None:
            Adapter.drawProbeLines(shown, lines, vertices, radius)
        return list(found.values())

    def startProbing(self, surface: object) -> object:
        """Let the next click in a view place a point on the wall; return the point list."""
        markups = self.probes(surface)
        startPlacing(markups)
        return markups

    def histogram(self, surface: object) -> object:
        """Return the chart of the surface's histogram, made at the first call."""
        return self._chart(surface, Adapter.HISTOGRAM, Adapter.HISTOGRAM_TABLE, Adapter.histogramChart, "histogram")

    def cycleCurve(self, surface: object) -> object:
        """Return the chart of the thickness over the cycle, or None when one phase was measured."""
        return self._chart(surface, Adapter.CYCLE, Adapter.CYCLE_TABLE, Adapter.cycleChart, "over the cycle")

    # -- inside --------------------------------------------------------------------------------------------------------

    @staticmethod
    def _chart(surface: object, role: str, tableRole: str, make: object, suffix: str) -> object:
        table, found = Adapter.belonging(surface, tableRole), Adapter.belonging(surface, role)
        if found is not None or table is None:
            return found
        return Adapter.attach(surface, role, make(table, f"{surface.GetName()} {suffix}"))

    def _attachOutputs(self, surface: object, name: str) -> None:
        for role, className, suffix in (
            (Adapter.ENDOCARDIUM, "vtkMRMLModelNode", "endocardium"),
            (Adapter.LINES, "vtkMRMLModelNode", "lines"),
            (Adapter.TUBES, "vtkMRMLModelNode", "streamlines"),
            (Adapter.STATISTICS, "vtkMRMLTableNode", "statistics"),
            (Adapter.SEGMENT_TABLE, "vtkMRMLTableNode", "AHA segments"),
            (Adapter.HISTOGRAM_TABLE, "vtkMRMLTableNode", "histogram table"),
        ):
            if Adapter.belonging(surface, role) is None:
                Adapter.attach(surface, role, slicer.mrmlScene.AddNewNodeByClass(className, f"{name} {suffix}"))

    @staticmethod
    def _inside(measurement: object, phase: int) -> tuple:
        """Return the meshes of endocardium and lines of a phase."""
        result = measurement.results[phase]
        return Adapter.endocardiumPolyData(result, measurement.arrays(phase)), Adapter.linesPolyData(result)

    def _followPhases(self, measurement: object, surface: object, browserNode: object) -> None:
        meshes = {phase: self._inside(measurement, phase) for phase in measurement.results}
        ends = {"ed": measurement.ed, "es": measurement.es}
        surfaces = {
            phase: Adapter.surfacePolyData(result, measurement.arrays(phase))
            for phase, result in measurement.results.items()
        }
        Adapter.phasesToScene(surface, surfaces, browserNode, **ends)
        for number, role in enumerate((Adapter.ENDOCARDIUM, Adapter.LINES)):
            node = Adapter.belonging(surface, role)
            Adapter.phasesToScene(node, {t: each[number] for t, each in meshes.items()}, browserNode, **ends)
        if len(measurement.results) > 1:
            self._tabulateCycle(measurement, surface, browserNode)
        Adapter.showPhase(browserNode, measurement.ed)

    @staticmethod
    def _tabulateCycle(measurement: object, surface: object, browserNode: object) -> None:
        table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", f"{surface.GetName()} over the cycle")
        Adapter.attach(surface, Adapter.CYCLE_TABLE, table)
        master = browserNode.GetMasterSequenceNode()
        Adapter.updateCycleTable(
            table,
            [
                (phase, master.GetNthIndexValue(phase), result.thickness_mm)
                for phase, result in measurement.results.items()
            ],
        )

    @staticmethod
    def _removeCycle(surface: object) -> None:
        """Forget the cycle of an earlier measurement."""
        chart, table = (Adapter.belonging(surface, role) for role in (Adapter.CYCLE, Adapter.CYCLE_TABLE))
        if chart is not None:
            Adapter.removeChart(chart)
        if table is not None:
            slicer.mrmlScene.RemoveNode(table)

    @staticmethod
    def _newModel(name: str) -> object:
        return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)

    @staticmethod
    def _label(point: object) -> str:
        if point.vertex < 0:
            return "no wall"
        return f"{point.thicknessMm:.1f} mm" if np.isfinite(point.thicknessMm) else "no value"
