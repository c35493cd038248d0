"""Wall thickness of the library as nodes of the MRML scene: the one door between both.

Everything that the panel needs later hangs on the surface node by node references, so that it is saved, renamed and
opened again with the scene.
"""

from __future__ import annotations

import slicer

from .ScenePhases import browserAndSequence, edAndEs, endPhases, measuredPhases, phasesToScene, showPhase
from .SceneProbes import (
    definedPoints,
    drawProbeLines,
    labelProbes,
    probeMarkups,
    wallPointAt,
)
from .SceneStreamlines import COLOR_BY, drawTubes, linesPolyData, shownLines, streamlineTubes
from .SceneSurfaces import (
    QUANTITIES,
    REASON,
    SEGMENT,
    THICKENING,
    THICKNESS,
    endocardiumPolyData,
    showQuantity,
    surfaceArray,
    surfacePolyData,
    thicknessModel,
    thicknessRange,
    updateThicknessModel,
)
from .SceneTables import (
    THICKENING_COLUMN,
    cycleChart,
    histogramChart,
    removeChart,
    segmentValues,
    statisticsTable,
    thicknessStatistics,
    updateCycleTable,
    updateHistogram,
    updateSegmentTable,
    updateStatisticsTable,
)
from .ThicknessColors import greyNoValue, keepNoValueGrey

# Roles of the nodes that belong to a surface.
LINES, TUBES, STATISTICS, SEGMENT_TABLE = "LVM.Lines", "LVM.Streamlines", "LVM.Statistics", "LVM.Segments"
HISTOGRAM_TABLE, HISTOGRAM, PROBES, PROBE_LINES = "LVM.HistogramTable", "LVM.Histogram", "LVM.Probes", "LVM.ProbeLines"
CYCLE_TABLE, CYCLE, ENDOCARDIUM = "LVM.CycleTable", "LVM.Cycle", "LVM.Endocardium"
# How the AHA segments were oriented, and what else a reader must know.
ORIENTATION, NOTES = "LVM.Orientation", "LVM.Notes"


def belonging(surface: slicer.vtkMRMLModelNode | None, role: str) -> slicer.vtkMRMLNode | None:
    """Return the node that belongs to a surface in a role, or None."""
    return surface.GetNodeReference(role) if surface is not None else None


def attach(surface: slicer.vtkMRMLModelNode, role: str, node: slicer.vtkMRMLNode) -> slicer.vtkMRMLNode:
    """Let a node belong to a surface; return the node."""
    surface.SetNodeReferenceID(role, node.GetID())
    return node


__all__ = [
    "COLOR_BY",
    "CYCLE",
    "CYCLE_TABLE",
    "ENDOCARDIUM",
    "HISTOGRAM",
    "HISTOGRAM_TABLE",
    "LINES",
    "NOTES",
    "ORIENTATION",
    "PROBES",
    "PROBE_LINES",
    "QUANTITIES",
    "REASON",
    "SEGMENT",
    "SEGMENT_TABLE",
    "STATISTICS",
    "THICKENING",
    "THICKENING_COLUMN",
    "THICKNESS",
    "TUBES",
    "attach",
    "belonging",
    "browserAndSequence",
    "cycleChart",
    "definedPoints",
    "drawProbeLines",
    "drawTubes",
    "edAndEs",
    "endPhases",
    "endocardiumPolyData",
    "greyNoValue",
    "histogramChart",
    "keepNoValueGrey",
    "labelProbes",
    "linesPolyData",
    "measuredPhases",
    "phasesToScene",
    "probeMarkups",
    "removeChart",
    "segmentValues",
    "showPhase",
    "showQuantity",
    "shownLines",
    "statisticsTable",
    "streamlineTubes",
    "surfaceArray",
    "surfacePolyData",
    "thicknessModel",
    "thicknessRange",
    "thicknessStatistics",
    "updateCycleTable",
    "updateHistogram",
    "updateSegmentTable",
    "updateStatisticsTable",
    "updateThicknessModel",
    "wallPointAt",
]
