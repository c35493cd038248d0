"""Wall thickness of the library as nodes of the MRML scene: surface, streamline tubes, table."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from LVMLib.errors import ThicknessError
from LVMLib.thickness import ThicknessResult
from vtk.util import numpy_support

from .ThicknessColors import addLegend, thicknessColors

THICKNESS, ARC_LENGTH, DEPTH, REASON = "thickness_mm", "arc_length_mm", "depth", "reason"
# What a tube can be coloured by: name for the user, point array, title of the legend.
COLOR_BY = {
    "thickness": (THICKNESS, "LV wall thickness (mm)"),
    "arclength": (ARC_LENGTH, "Distance from the epicardium (mm)"),
    "depth": (DEPTH, "Depth (0 epicardium, 1 endocardium)"),
}


def thicknessModel(
    result: ThicknessResult, name: str, *, scalarRange: tuple[float, float] | None = None, legend: bool = True
) -> slicer.vtkMRMLModelNode:
    """Add the epicardial surface coloured by wall thickness, with a colour legend in mm.

    :param result: points in world RAS mm.
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
) -> None:
    """Put a result into a model node, new or made by :func:`thicknessModel`."""
    points, triangles = np.asarray(result.points, float), np.asarray(result.triangles)
    if not len(points) or not len(triangles):
        raise ThicknessError(
            node.GetName(),
            expected="an epicardial surface",
            found="none",
            remedy="Check that the segmentation has LV myocardium around the blood pool.",
        )
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(_vtkPoints(points))
    mesh.SetPolys(_vtkCells(triangles))
    _addArray(mesh.GetPointData(), THICKNESS, result.thickness_mm)
    _addArray(mesh.GetPointData(), REASON, result.reasons)
    mesh = _withNormals(mesh)
    mesh.GetPointData().SetActiveScalars(THICKNESS)
    node.SetAndObservePolyData(mesh)
    _colorBy(node, THICKNESS, scalarRange or thicknessRange(result.thickness_mm))
    if legend:
        addLegend(node.GetDisplayNode(), COLOR_BY["thickness"][1])


def streamlineTubes(
    result: ThicknessResult,
    name: str,
    *,
    radius: float = 0.25,
    density: float = 0.2,
    colorBy: str = "thickness",
    scalarRange: tuple[float, float] | None = None,
    legend: bool = False,
) -> slicer.vtkMRMLModelNode:
    """Add the streamlines from epicardium to endocardium as coloured tubes.

    :param radius: of the tubes, mm.
    :param density: part of the streamlines to show, 0 to 1; the same lines stay when there are more.
    :param colorBy: "thickness", "arclength" or "depth".
    :param scalarRange: at the ends of the colours; None = as :func:`thicknessModel`, or what the lines span.
    :raises ThicknessError: there is no streamline, or another ``colorBy``.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", name)
    updateStreamlineTubes(
        node, result, radius=radius, density=density, colorBy=colorBy, scalarRange=scalarRange, legend=legend
    )
    return node


def updateStreamlineTubes(
    node: slicer.vtkMRMLModelNode,
    result: ThicknessResult,
    *,
    radius: float = 0.25,
    density: float = 0.2,
    colorBy: str = "thickness",
    scalarRange: tuple[float, float] | None = None,
    legend: bool = False,
) -> None:
    """Draw the tubes of :func:`streamlineTubes` again with another radius, density or colour."""
    array, title = _requireColorBy(colorBy)
    lines = streamlinePolyData(result, density=density)
    tubes = vtk.vtkTubeFilter()
    tubes.SetInputData(lines)
    tubes.SetRadius(radius)
    tubes.SetNumberOfSides(8)
    tubes.CappingOn()
    tubes.Update()
    mesh = tubes.GetOutput()
    mesh.GetPointData().SetActiveScalars(array)
    node.SetAndObservePolyData(mesh)
    if scalarRange is None:
        spanned = lines.GetPointData().GetArray(array).GetRange()
        scalarRange = thicknessRange(result.thickness_mm) if colorBy == "thickness" else spanned
    _colorBy(node, array, scalarRange)
    if legend:
        addLegend(node.GetDisplayNode(), title)


def streamlinePolyData(result: ThicknessResult, *, density: float = 1.0) -> vtk.vtkPolyData:
    """Return the streamlines of measured vertices as polylines with the point arrays of `COLOR_BY`, world RAS mm.

    The cell array "vertex" tells where on the surface a line begins.

    :raises ThicknessError: there is no streamline.
    """
    offsets = np.asarray(result.streamlines.offsets)
    counts = np.diff(offsets)
    chosen = _chosen(np.flatnonzero((counts > 1) & np.isfinite(result.thickness_mm)), density)
    if not len(chosen):
        raise ThicknessError(
            "streamlines",
            expected="at least one line through the wall",
            found="none",
            remedy="Check that the wall is closed around the blood pool, or show a larger part of the lines.",
        )
    counts = counts[chosen]
    starts = np.concatenate([[0], np.cumsum(counts)])
    source = np.arange(starts[-1]) + np.repeat(offsets[chosen] - starts[:-1], counts)
    points = np.asarray(result.streamlines.points)[source].astype(float)
    step = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1)
    step[starts[:-1]] = 0.0
    along = np.cumsum(step)
    along -= np.repeat(along[starts[:-1]], counts)
    cells = vtk.vtkCellArray()
    cells.SetData(_ids(starts), _ids(np.arange(starts[-1])))
    mesh = vtk.vtkPolyData()
    mesh.SetPoints(_vtkPoints(points))
    mesh.SetLines(cells)
    _addArray(mesh.GetPointData(), THICKNESS, np.repeat(result.thickness_mm[chosen], counts))
    _addArray(mesh.GetPointData(), ARC_LENGTH, along)
    _addArray(mesh.GetPointData(), DEPTH, along / np.repeat(along[starts[1:] - 1], counts))
    _addArray(mesh.GetCellData(), "vertex", chosen)
    return mesh


def statisticsTable(result: ThicknessResult, name: str) -> slicer.vtkMRMLTableNode:
    """Add a table of the thickness over the surface: median, mean, P5, P95, minimum, maximum, and how many vertices."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    updateStatisticsTable(node, result)
    return node


def updateStatisticsTable(node: slicer.vtkMRMLTableNode, result: ThicknessResult) -> None:
    """Fill a table made by :func:`statisticsTable` again."""
    rows = thicknessStatistics(result.thickness_mm)
    table = vtk.vtkTable()
    for title, values in zip(("Statistic", "Value", "Unit"), zip(*rows)):
        column = vtk.vtkDoubleArray() if title == "Value" else vtk.vtkStringArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.SetUseColumnTitleAsColumnHeader(True)


def thicknessStatistics(thicknessMm: np.ndarray) -> list[tuple[str, float, str]]:
    """Return (statistic, value, unit) rows; NaN vertices are counted as invalid and left out of the rest."""
    thickness = np.asarray(thicknessMm, float)
    valid = thickness[np.isfinite(thickness)]
    measures = {
        "Median": np.median,
        "Mean": np.mean,
        "P5": lambda values: np.percentile(values, 5),
        "P95": lambda values: np.percentile(values, 95),
        "Minimum": np.min,
        "Maximum": np.max,
    }
    rows = [(name, float(measure(valid)) if len(valid) else float("nan"), "mm") for name, measure in measures.items()]
    return [
        *rows,
        ("Vertices", float(len(thickness)), ""),
        ("Invalid vertices", float(len(thickness) - len(valid)), ""),
    ]


def thicknessRange(thicknessMm: np.ndarray) -> tuple[float, float]:
    """Return the ends of the colours in whole mm: 2nd to 98th percentile, at least 1 mm apart."""
    valid = np.asarray(thicknessMm, float)
    valid = valid[np.isfinite(valid)]
    if not len(valid):
        return 0.0, 1.0
    low, high = np.floor(np.percentile(valid, 2)), np.ceil(np.percentile(valid, 98))
    return float(low), float(max(high, low + 1.0))


def _requireColorBy(colorBy: str) -> tuple[str, str]:
    if colorBy in COLOR_BY:
        return COLOR_BY[colorBy]
    raise ThicknessError(
        "colorBy", expected=" or ".join(COLOR_BY), found=repr(colorBy), remedy="Choose one of these colourings."
    )


def _chosen(vertices: np.ndarray, density: float) -> np.ndarray:
    """Return a part of ``vertices``, spread evenly; the choice for a low density is part of that for a higher one."""
    order = np.random.default_rng(0).permutation(len(vertices))
    count = int(np.ceil(np.clip(density, 0.0, 1.0) * len(vertices)))
    return vertices[np.sort(order[:count])]


def _colorBy(node: slicer.vtkMRMLModelNode, array: str, scalarRange: tuple[float, float]) -> None:
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(thicknessColors().GetID())
    display.SetActiveScalar(array, vtk.vtkAssignAttribute.POINT_DATA)
    display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
    display.SetScalarRange(*scalarRange)
    display.SetScalarVisibility(True)
    display.SetInterpolation(slicer.vtkMRMLDisplayNode.PhongInterpolation)
    display.SetBackfaceCulling(False)
    # More ambient light than Slicer's default: a colour has to be read off the legend in the shade, too.
    display.SetAmbient(0.35)
    display.SetDiffuse(0.75)
    display.SetSpecular(0.0)


def _vtkPoints(points: np.ndarray) -> vtk.vtkPoints:
    result = vtk.vtkPoints()
    result.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    return result


def _vtkCells(triangles: np.ndarray) -> vtk.vtkCellArray:
    cells = vtk.vtkCellArray()
    cells.SetData(_ids(np.arange(0, 3 * len(triangles) + 1, 3)), _ids(triangles.reshape(-1)))
    return cells


def _ids(values: np.ndarray) -> vtk.vtkIdTypeArray:
    return numpy_support.numpy_to_vtkIdTypeArray(np.ascontiguousarray(values, np.int64), deep=True)


def _withNormals(mesh: vtk.vtkPolyData) -> vtk.vtkPolyData:
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(mesh)
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.Update()
    return normals.GetOutput()


def _addArray(attributes: vtk.vtkDataSetAttributes, name: str, values: np.ndarray) -> None:
    kind = np.float32 if np.asarray(values).dtype.kind == "f" else np.int32
    array = numpy_support.numpy_to_vtk(np.ascontiguousarray(values, kind), deep=True)
    array.SetName(name)
    attributes.AddArray(array)
