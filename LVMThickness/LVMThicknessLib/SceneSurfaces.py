"""The epicardium with its thickness, as a coloured model of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import slicer
import vtk
from LVMLib.errors import ThicknessError

from .SceneArrays import addArray, arrayOf, triangleCells, vtkPoints
from .ThicknessColors import addLegend, colorBy

if TYPE_CHECKING:
    from LVMLib.thickness import ThicknessResult

THICKNESS, REASON, SEGMENT, THICKENING = "thickness_mm", "reason", "aha_segment", "thickening_percent"
OUTLINE_PIXELS = 3
# What the surface can show: point array, title of the legend.
QUANTITIES = {
    "thickness": (THICKNESS, "LV wall thickness (mm)"),
    "thickening": (THICKENING, "LV wall thickening ED to ES (%)"),
}


def surfacePolyData(result: ThicknessResult, arrays: Mapping[str, np.ndarray] | None = None) -> vtk.vtkPolyData:
    """Return the epicardium, world RAS mm, with its thickness.

    :param arrays: more point arrays than `THICKNESS` (NaN = no value) and `REASON`.
    :raises ThicknessError: the surface is empty.
    """
    points, triangles = np.asarray(result.points, float), np.asarray(result.triangles)
    if not len(points) or not len(triangles):
        raise ThicknessError(
            "thickness surface",
            expected="an epicardial surface",
            found="none",
            remedy="Check that the segmentation has LV myocardium around the blood pool.",
        )
    return _mesh(points, triangles, {THICKNESS: result.thickness_mm, REASON: result.reasons, **(arrays or {})})


def endocardiumPolyData(result: ThicknessResult, arrays: Mapping[str, np.ndarray] | None = None) -> vtk.vtkPolyData:
    """Return the endocardium, world RAS mm: the epicardium carried along the streamlines, with the same arrays.

    Lines never cross, so that the triangles do not fold. Where no line arrives there is no surface.

    :param arrays: of the epicardium, as in :func:`surfacePolyData`.
    """
    arrived = np.isfinite(result.thickness_mm) & (np.diff(result.streamlines.offsets) > 1)
    triangles = result.triangles[arrived[result.triangles].all(axis=1)]
    used, triangles = np.unique(triangles, return_inverse=True)
    if not len(used):
        return vtk.vtkPolyData()
    ends = result.streamlines.points[result.streamlines.offsets[used + 1] - 1]
    named = {THICKNESS: result.thickness_mm, REASON: result.reasons, **(arrays or {})}
    return _mesh(ends, triangles.reshape(-1, 3), {name: values[used] for name, values in named.items()})


def thicknessModel(
    result: ThicknessResult, name: str, *, scalarRange: tuple[float, float] | None = None, legend: bool = True
) -> slicer.vtkMRMLModelNode:
    """Add the epicardial surface coloured by wall thickness, with a colour legend in mm.

    :param scalarRange: mm at the ends of the colours; None = 2nd to 98th percentile in whole mm. Give the same range to
      compare ED and ES, or two patients.
    :raises ThicknessError: the surface is empty.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    updateThicknessModel(node, result, scalarRange=scalarRange, legend=legend)
    return node


def updateThicknessModel(
    node: slicer.vtkMRMLModelNode,
    result: ThicknessResult,
    *,
    scalarRange: tuple[float, float] | None = None,
    legend: bool = True,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Put a result into a model node, new or made by :func:`thicknessModel`."""
    node.SetAndObservePolyData(surfacePolyData(result, arrays))
    showQuantity(node, "thickness", scalarRange or thicknessRange(result.thickness_mm), legend=legend)


def showQuantity(
    node: slicer.vtkMRMLModelNode, quantity: str, scalarRange: tuple[float, float], *, legend: bool = True
) -> None:
    """Colour a surface by one of `QUANTITIES`.

    :param scalarRange: at the ends of the colours, mm or %.
    """
    array, title = QUANTITIES[quantity]
    colorBy(node, array, scalarRange)
    node.GetDisplayNode().SetSliceIntersectionThickness(OUTLINE_PIXELS)
    if legend:
        addLegend(node.GetDisplayNode(), title)


def surfaceArray(node: slicer.vtkMRMLModelNode, name: str) -> np.ndarray | None:
    """Return a point array of a surface, or None."""
    mesh = node.GetPolyData() if node is not None else None
    return None if mesh is None else arrayOf(mesh.GetPointData(), name)


def thicknessRange(thicknessMm: np.ndarray) -> tuple[float, float]:
    """Return the ends of the colours in whole mm: 2nd to 98th percentile, at least 1 mm apart."""
    valid = np.asarray(thicknessMm, float)
    valid = valid[np.isfinite(valid)]
    if not len(valid):
        return 0.0, 1.0
    low, high = np.floor(np.percentile(valid, 2)), np.ceil(np.percentile(valid, 98))
    return float(low), float(max(high, low + 1.0))


def _mesh(points: np.ndarray, triangles: np.ndarray, arrays: Mapping[str, np.ndarray]) -> vtk.vtkPolyData:
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(vtkPoints(points))
    mesh.SetPolys(triangleCells(triangles))
    for name, values in arrays.items():
        addArray(mesh.GetPointData(), name, values)
    mesh = _withNormals(mesh)
    mesh.GetPointData().SetActiveScalars(THICKNESS)
    return mesh


def _withNormals(mesh: vtk.vtkPolyData) -> vtk.vtkPolyData:
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(mesh)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()
