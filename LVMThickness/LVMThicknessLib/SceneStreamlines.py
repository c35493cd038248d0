"""Heat-flow lines in the scene: all of them as a model of lines, and those shown as tubes.

The model of lines has no display. It is what the tubes are drawn from, so that radius, density and colour can be
changed in a scene that was opened from a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from LVMLib.errors import ThicknessError

from .SceneArrays import addArray, arrayOf, cellOffsets, packedCells, pointsOf, vtkPoints
from .SceneSurfaces import THICKNESS, thicknessRange
from .ThicknessColors import addLegend, hideLegend
from .ThicknessColors import colorBy as colorNodeBy

if TYPE_CHECKING:
    from LVMLib.thickness import ThicknessResult

ARC_LENGTH, POTENTIAL, VERTEX = "arc_length_mm", "potential", "vertex"
# What a tube can be coloured by: point array, title of the legend.
COLOR_BY = {
    "thickness": (THICKNESS, "LV wall thickness (mm)"),
    "arclength": (ARC_LENGTH, "Distance from the epicardium (mm)"),
    "potential": (POTENTIAL, "Potential (1 epicardium, 0 endocardium)"),
}
TUBE_SIDES = 8


def linesPolyData(result: ThicknessResult) -> vtk.vtkPolyData:
    """Return the lines of all measured vertices as polylines, epicardium first, world RAS mm.

    Point array `POTENTIAL`; cell arrays `VERTEX` (of the surface, where the line begins) and `THICKNESS` (mm).
    """
    offsets = np.asarray(result.streamlines.offsets)
    counts = np.diff(offsets)
    vertices = np.flatnonzero((counts > 1) & np.isfinite(result.thickness_mm))
    source, starts = _packed(offsets, vertices)
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(vtkPoints(np.asarray(result.streamlines.points)[source]))
    mesh.SetLines(packedCells(starts, np.arange(starts[-1])))
    addArray(mesh.GetPointData(), POTENTIAL, result.streamlines.potential[source])
    addArray(mesh.GetCellData(), VERTEX, vertices)
    addArray(mesh.GetCellData(), THICKNESS, np.asarray(result.thickness_mm, np.float32)[vertices])
    return mesh


def shownLines(lines: vtk.vtkPolyData, *, density: float = 1.0, vertices: np.ndarray | None = None) -> vtk.vtkPolyData:
    """Return a part of the lines with the point arrays of `COLOR_BY` and the cell array `VERTEX`.

    :param lines: from :func:`linesPolyData`.
    :param density: part of the lines to show, 0 to 1; the same lines stay when there are more.
    :param vertices: instead, the lines that begin at these vertices.
    :raises ThicknessError: there is no line.
    """
    known = arrayOf(lines.GetCellData(), VERTEX)
    if known is None or not len(known):
        raise ThicknessError(
            "streamlines",
            expected="at least one line through the wall",
            found="none",
            remedy="Check that the wall is closed around the blood pool.",
        )
    chosen = _spread(len(known), density) if vertices is None else np.flatnonzero(np.isin(known, vertices))
    source, starts = _packed(cellOffsets(lines.GetLines()), chosen)
    counts = np.diff(starts)
    points = pointsOf(lines)[source].astype(float)
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(vtkPoints(points))
    mesh.SetLines(packedCells(starts, np.arange(starts[-1])))
    addArray(mesh.GetPointData(), THICKNESS, np.repeat(arrayOf(lines.GetCellData(), THICKNESS)[chosen], counts))
    addArray(mesh.GetPointData(), ARC_LENGTH, _along(points, starts))
    addArray(mesh.GetPointData(), POTENTIAL, arrayOf(lines.GetPointData(), POTENTIAL)[source])
    addArray(mesh.GetCellData(), VERTEX, known[chosen])
    return mesh


def drawTubes(
    node: slicer.vtkMRMLModelNode,
    lines: vtk.vtkPolyData,
    *,
    radius: float = 0.25,
    density: float = 0.2,
    colorBy: str = "thickness",
    scalarRange: tuple[float, float] | None = None,
    legend: bool = False,
) -> None:
    """Draw lines as tubes into a model node.

    :param lines: from :func:`linesPolyData`; without any, nothing is shown.
    :param radius: of the tubes, mm.
    :param density: part of the lines to show, 0 to 1.
    :param colorBy: "thickness", "arclength" or "potential".
    :param scalarRange: at the ends of the colours; None = as the surface, or what the lines span.
    :raises ThicknessError: another ``colorBy``.
    """
    array, title = _requireColorBy(colorBy)
    if lines is None or lines.GetNumberOfLines() == 0:
        node.SetAndObservePolyData(vtk.vtkPolyData())
        return
    shown = shownLines(lines, density=density)
    mesh = tubes(shown, radius)
    mesh.GetPointData().SetActiveScalars(array)
    node.SetAndObservePolyData(mesh)
    if scalarRange is None:
        scalarRange = {
            "thickness": lambda: thicknessRange(arrayOf(lines.GetCellData(), THICKNESS)),
            "potential": lambda: (0.0, 1.0),
        }.get(colorBy, lambda: (0.0, float(np.ceil(arrayOf(shown.GetPointData(), array).max()))))()
    colorNodeBy(node, array, scalarRange)
    if legend:
        addLegend(node.GetDisplayNode(), title, left=True)
    else:
        hideLegend(node.GetDisplayNode())


def streamlineTubes(result: ThicknessResult, name: str, **display: object) -> slicer.vtkMRMLModelNode:
    """Add the streamlines of a result as coloured tubes; options as :func:`drawTubes`.

    :raises ThicknessError: there is no streamline, or another ``colorBy``.
    """
    _requireColorBy(str(display.get("colorBy", "thickness")))
    lines = linesPolyData(result)
    shownLines(lines, density=0.0)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    drawTubes(node, lines, **display)
    return node


def tubes(lines: vtk.vtkPolyData, radius: float) -> vtk.vtkPolyData:
    """Return tubes about lines, radius in mm."""
    source = vtk.vtkTubeFilter()
    source.SetInputData(lines)
    source.SetRadius(radius)
    source.SetNumberOfSides(TUBE_SIDES)
    source.CappingOn()
    source.Update()
    return source.GetOutput()


def _packed(offsets: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which points the chosen lines have, one after the other, and the new offsets."""
    counts = np.diff(offsets)[chosen]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.arange(starts[-1]) + np.repeat(offsets[chosen] - starts[:-1], counts), starts


def _along(points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the length of the line from its first point to every point, mm."""
    step = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1)
    step[starts[:-1]] = 0.0
    along = np.cumsum(step)
    return along - np.repeat(along[starts[:-1]], np.diff(starts))


def _spread(count: int, density: float) -> np.ndarray:
    """Return a part of the lines, spread evenly; the choice for a low density is part of that for a higher one."""
    order = np.random.default_rng(0).permutation(count)
    shown = max(int(np.ceil(np.clip(density, 0.0, 1.0) * count)), 1)
    return np.sort(order[:shown])


def _requireColorBy(colorBy: str) -> tuple[str, str]:
    if colorBy in COLOR_BY:
        return COLOR_BY[colorBy]
    raise ThicknessError(
        "colorBy", expected=" or ".join(COLOR_BY), found=repr(colorBy), remedy="Choose one of these colourings."
    )
