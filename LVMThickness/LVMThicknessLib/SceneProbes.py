"""Points that the radiologist sets on the wall: the thickness there, and its streamline. Markups, so all Slicer knows.

The points live in a point-list markup. Placing, dragging, undo and saving are Slicer's own; here each point gets its
thickness as its label, which the views draw beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from .SceneArrays import arrayOf, cellOffsets, pointsOf
from .SceneStreamlines import POTENTIAL, VERTEX, shownLines, tubes
from .SceneSurfaces import REASON, SEGMENT, THICKNESS, surfaceArray

# A point farther from every line and vertex is not on this wall.
REACH_MM = 5.0
# Beside any colour of the scale, and on black and white.
PROBE_COLOR = (1.0, 0.25, 0.55)


@dataclass(frozen=True)
class WallPoint:
    """What is known at a place of the wall.

    vertex: of the surface, -1 = no wall within `REACH_MM`. thicknessMm: NaN = no value. reason: key of ``REASONS``.
    segment: AHA, 0 = none. potential: 1 epicardium, 0 endocardium. distanceMm: from the place to the wall.
    """

    vertex: int
    thicknessMm: float
    reason: int
    segment: int
    potential: float
    distanceMm: float


def wallPointAt(
    point: np.ndarray, surface: slicer.vtkMRMLModelNode, lines: slicer.vtkMRMLModelNode | None
) -> WallPoint:
    """Return what is known at the vertex or line nearest to a point, world RAS mm; also inside the wall."""
    points = pointsOf(surface.GetPolyData())
    nowhere = WallPoint(-1, float("nan"), 0, 0, float("nan"), float("inf"))
    if not len(points):
        return nowhere
    toSurface = np.linalg.norm(points - np.asarray(point), axis=1)
    vertex, distance, potential = int(toSurface.argmin()), float(toSurface.min()), 1.0
    mesh = lines.GetPolyData() if lines is not None else None
    if mesh is not None and mesh.GetNumberOfPoints():
        toLines = np.linalg.norm(pointsOf(mesh) - np.asarray(point), axis=1)
        nearest = int(toLines.argmin())
        # Lines begin at vertices: only what is nearer than any vertex is a place inside the wall.
        if toLines[nearest] < distance - 1e-6:
            distance, potential = float(toLines[nearest]), float(arrayOf(mesh.GetPointData(), POTENTIAL)[nearest])
            vertex = int(arrayOf(mesh.GetCellData(), VERTEX)[_lineAt(mesh, nearest)])
    if distance > REACH_MM:
        return nowhere
    segments = surfaceArray(surface, SEGMENT)
    return WallPoint(
        vertex,
        float(surfaceArray(surface, THICKNESS)[vertex]),
        int(surfaceArray(surface, REASON)[vertex]),
        0 if segments is None else int(segments[vertex]),
        potential,
        distance,
    )


def definedPoints(markups: slicer.vtkMRMLMarkupsFiducialNode) -> list[int]:
    """Return which control points have been placed; the one that follows the mouse has not."""
    placed = slicer.vtkMRMLMarkupsNode.PositionDefined
    count = markups.GetNumberOfControlPoints() if markups is not None else 0
    return [n for n in range(count) if markups.GetNthControlPointPositionStatus(n) == placed]


def probeMarkups(name: str) -> slicer.vtkMRMLMarkupsFiducialNode:
    """Add a point list whose points stay on the surface they are placed on and show their thickness."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetControlPointLabelFormat("...")
    display = node.GetDisplayNode()
    display.SetSelectedColor(*PROBE_COLOR)
    display.SetTextScale(5.0)
    display.SetGlyphScale(2.0)
    display.SetSnapMode(slicer.vtkMRMLMarkupsDisplayNode.SnapModeToVisibleSurface)
    display.SetPointLabelsVisibility(True)
    return node


def labelProbes(markups: slicer.vtkMRMLMarkupsFiducialNode, labels: dict[int, str]) -> None:
    """Write the labels of control points, only where they differ: writing announces a change."""
    for number, label in labels.items():
        if markups.GetNthControlPointLabel(number) != label:
            markups.SetNthControlPointLabel(number, label)


def drawProbeLines(
    node: slicer.vtkMRMLModelNode, lines: slicer.vtkMRMLModelNode | None, vertices: list[int], radius: float
) -> None:
    """Show the streamlines of some vertices, thicker than the others and in the colour of the probes."""
    mesh = lines.GetPolyData() if lines is not None else None
    known = arrayOf(mesh.GetCellData(), VERTEX) if mesh is not None else None
    wanted = [] if known is None else np.intersect1d(known, vertices)
    node.SetAndObservePolyData(tubes(shownLines(mesh, vertices=wanted), radius) if len(wanted) else vtk.vtkPolyData())
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetScalarVisibility(False)
    display.SetColor(*PROBE_COLOR)
    display.SetAmbient(0.5)


def _lineAt(mesh: vtk.vtkPolyData, point: int) -> int:
    return int(np.searchsorted(cellOffsets(mesh.GetLines()), point, side="right") - 1)
