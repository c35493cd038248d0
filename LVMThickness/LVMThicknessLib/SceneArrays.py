"""numpy arrays as points, cells and named arrays of a mesh, and back."""

from __future__ import annotations

import numpy as np
import vtk
from vtk.util import numpy_support


def vtkPoints(points: np.ndarray) -> vtk.vtkPoints:
    """Return points ``(N, 3)`` as float32."""
    result = vtk.vtkPoints()
    result.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points, np.float32), deep=True))
    return result


def triangleCells(triangles: np.ndarray) -> vtk.vtkCellArray:
    """Return triangles ``(T, 3)`` of point numbers."""
    return packedCells(np.arange(0, 3 * len(triangles) + 1, 3), triangles.reshape(-1))


def packedCells(offsets: np.ndarray, points: np.ndarray) -> vtk.vtkCellArray:
    """Return cells: cell ``c`` has the point numbers ``points[offsets[c]:offsets[c + 1]]``."""
    cells = vtk.vtkCellArray()
    cells.SetData(*(_ids(values) for values in (offsets, points)))
    return cells


def cellOffsets(cells: vtk.vtkCellArray) -> np.ndarray:
    """Return the offsets of :func:`packedCells`."""
    return numpy_support.vtk_to_numpy(cells.GetOffsetsArray()).astype(np.int64)


def addArray(attributes: vtk.vtkDataSetAttributes, name: str, values: np.ndarray) -> None:
    """Add a named array: float32 for floats, else int32."""
    kind = np.float32 if np.asarray(values).dtype.kind == "f" else np.int32
    array = numpy_support.numpy_to_vtk(np.ascontiguousarray(values, kind), deep=True)
    array.SetName(name)
    attributes.AddArray(array)


def arrayOf(attributes: vtk.vtkDataSetAttributes, name: str) -> np.ndarray | None:
    """Return a named array, or None."""
    array = attributes.GetArray(name)
    return None if array is None else numpy_support.vtk_to_numpy(array)


def pointsOf(mesh: vtk.vtkPolyData) -> np.ndarray:
    """Return the points ``(N, 3)``."""
    if mesh is None or mesh.GetNumberOfPoints() == 0:
        return np.empty((0, 3))
    return numpy_support.vtk_to_numpy(mesh.GetPoints().GetData())


def _ids(values: np.ndarray) -> vtk.vtkIdTypeArray:
    return numpy_support.numpy_to_vtkIdTypeArray(np.ascontiguousarray(values, np.int64), deep=True)
