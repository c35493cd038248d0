"""Contours of the library (RAS polylines) as closed curve markups, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from LVMLib.errors import ProtocolError

ENDOCARDIUM, EPICARDIUM = "endocardium", "epicardium"
COLORS = {ENDOCARDIUM: (0.95, 0.25, 0.20), EPICARDIUM: (0.25, 0.85, 0.35), "base": (1.0, 0.8, 0.2)}
SURFACE_ATTRIBUTE = "LVM.Surface"


def contourToScene(
    points: np.ndarray,
    surface: str,
    name: str | None = None,
    *,
    controlPoints: int | None = None,
    closed: bool = True,
) -> slicer.vtkMRMLMarkupsCurveNode:
    """Add a curve that the reader can drag.

    :param points: ``(N, 3)`` world RAS mm, in order, without repeating the first.
    :param surface: "endocardium" or "epicardium": colour, name and attribute.
    :param controlPoints: None = every point; else so many at equal arc length of the closed line.
    :param closed: a closed curve; else an open one, as in a long-axis view.
    :raises ProtocolError: fewer than three points, or points that are not finite.
    """
    className = "vtkMRMLMarkupsClosedCurveNode" if closed else "vtkMRMLMarkupsCurveNode"
    node = slicer.mrmlScene.AddNewNodeByClass(className, name or surface.capitalize())
    node.SetAttribute(SURFACE_ATTRIBUTE, surface)
    display = plainDisplay(node, COLORS[surface])
    display.SetGlyphTypeFromString("Circle2D")
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(2.0)
    updateContour(node, points, controlPoints=controlPoints)
    return node


def plainDisplay(node: slicer.vtkMRMLMarkupsNode, color: Sequence[float]) -> slicer.vtkMRMLMarkupsDisplayNode:
    """Show a markup in one colour and without any words; return its display node."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*color)
    display.SetSelectedColor(*color)
    display.SetPropertiesLabelVisibility(False)
    display.SetPointLabelsVisibility(False)
    return display


def updateContour(
    node: slicer.vtkMRMLMarkupsCurveNode, points: np.ndarray, *, controlPoints: int | None = None
) -> None:
    """Replace the control points of a contour; see :func:`contourToScene`."""
    points = _requireContour(points, node.GetName())
    if controlPoints is not None:
        points = evenlySpaced(points, controlPoints)
    slicer.util.updateMarkupsControlPointsFromArray(node, points, world=True)


def contourFromNode(node: slicer.vtkMRMLMarkupsClosedCurveNode) -> np.ndarray:
    """Return the control points, ``(N, 3)`` world RAS mm.

    :raises ProtocolError: the curve is not closed or has fewer than three points.
    """
    if not node.IsA("vtkMRMLMarkupsClosedCurveNode"):
        raise ProtocolError(
            f"markup '{node.GetName()}'",
            expected="a closed curve",
            found=node.GetNodeTagName(),
            remedy="Draw the contour as a closed curve (Markups module, Closed Curve).",
        )
    return _requireContour(slicer.util.arrayFromMarkupsControlPoints(node, world=True), node.GetName())


def curveFromNode(node: slicer.vtkMRMLMarkupsClosedCurveNode) -> np.ndarray:
    """Return the smooth curve through the control points, ``(N, 3)`` world RAS mm, closed, no point repeated."""
    contourFromNode(node)
    curve = slicer.util.arrayFromMarkupsCurvePoints(node, world=True)
    return curve[:-1] if len(curve) > 1 and np.allclose(curve[0], curve[-1]) else curve


def evenlySpaced(points: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` points at equal arc length along the closed polyline ``points`` ``(N, 3)``."""
    closed = np.vstack([points, points[:1]])
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], count, endpoint=False)
    return np.column_stack([np.interp(at, length, closed[:, axis]) for axis in range(3)])


def _requireContour(points: np.ndarray, name: str) -> np.ndarray:
    points = np.asarray(points, dtype=float)
    if points.ndim == 2 and points.shape[1:] == (3,) and len(points) >= 3 and np.isfinite(points).all():
        return points
    raise ProtocolError(
        f"markup '{name}'",
        expected="a contour of at least three points in RAS mm",
        found=f"{len(points)} points",
        remedy="Place at least three points around the contour.",
    )
