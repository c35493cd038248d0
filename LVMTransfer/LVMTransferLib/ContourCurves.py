"""The lines in which the surfaces meet the slice views: markups curves whose points the reader drags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer

from .SceneContours import contourToScene

VIEW_ATTRIBUTE, SURFACE_ATTRIBUTE = "LVM.ContourView", "LVM.Surface"
# Few enough to take hold of, near enough that the curve through them lies within 0.1 mm of the surface.
POINTS_CLOSED, POINTS_OPEN, POINTS_BASE = 24, 17, 5
# Points on a contour are about 1 mm apart: a line whose ends are nearer than this is a closed one.
JOINED_MM = 3.0
LINE_THICKNESS = 0.3


class ContourCurves:
    """One curve for each slice view and surface; hidden where the view does not meet the surface.

    A curve is seen in its own view only. Nodes that the reader deletes come back with the next update; nodes of the
    reader are never touched.
    """

    def __init__(self) -> None:
        self._nodes, self._written = {}, {}

    def adopt(self) -> None:
        """Take the curves that a scene file brought."""
        self._nodes, self._written = {}, {}
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsCurveNode"):
            view = node.GetAttribute(VIEW_ATTRIBUTE)
            if view:
                self._keep(view, node.GetAttribute(SURFACE_ATTRIBUTE), node)

    @property
    def nodes(self) -> list:
        """The curve nodes that are in the scene."""
        return [node for node in self._nodes.values() if node.GetScene() is not None]

    def count(self, view: str) -> int:
        """Return how many curves of a view are in the scene."""
        return sum(1 for name, surface in self._nodes if name == view and self.node(name, surface) is not None)

    def surfaceOf(self, node: object) -> str:
        """Return the surface that a curve shows."""
        return node.GetAttribute(SURFACE_ATTRIBUTE)

    def viewOf(self, node: object) -> str:
        """Return the layout name of the slice view of a curve."""
        return node.GetAttribute(VIEW_ATTRIBUTE)

    def node(self, view: str, surface: str) -> object:
        """Return the curve of a surface in a view, or None."""
        node = self._nodes.get((view, surface))
        return node if node is not None and node.GetScene() is not None else None

    def show(self, lines: dict, sliceNode: object, *, grip: tuple[object, int, np.ndarray] | None = None) -> None:
        """Let the curves of a view follow new lines.

        :param lines: surface to lines ``(N, 3)`` RAS mm, longest first, as from ``contours`` of the library.
        :param grip: the curve, point number and place (RAS mm) under the mouse: that point stays there.
        """
        view = sliceNode.GetLayoutName()
        for surface, found in lines.items():
            held = grip if grip is not None and grip[0] is self.node(view, surface) else None
            line = _nearest(found, held[2]) if held else (found[0] if found else None)
            if line is None:
                self._hide(view, surface)
            else:
                self._draw(sliceNode, surface, line, held)

    def hide(self) -> None:
        """Hide every curve: the phase shown has no contours."""
        for view, surface in list(self._nodes):
            self._hide(view, surface)

    def remove(self) -> None:
        """Take every curve out of the scene."""
        for node in self.nodes:
            slicer.mrmlScene.RemoveNode(node)
        self._nodes, self._written = {}, {}

    def moved(self, node: object) -> list[int] | None:
        """Return which points are not where they were last drawn; None if points were added or taken away."""
        written = self._written[node.GetID()]
        if node.GetNumberOfControlPoints() != len(written):
            return None
        now = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
        return np.flatnonzero((now != written).any(axis=1)).tolist()

    def written(self, node: object) -> np.ndarray:
        """Return where the points ``(N, 3)`` of a curve were last drawn, world RAS mm."""
        return self._written[node.GetID()]

    def _keep(self, view: str, surface: str, node: object) -> None:
        self._nodes[view, surface] = node
        self._written[node.GetID()] = slicer.util.arrayFromMarkupsControlPoints(node, world=True)

    def _hide(self, view: str, surface: str) -> None:
        node = self.node(view, surface)
        if node is not None and node.GetDisplayNode() is not None:
            node.GetDisplayNode().SetVisibility(False)

    def _draw(self, sliceNode: object, surface: str, line: np.ndarray, grip: tuple | None) -> None:
        closed = float(np.linalg.norm(line[0] - line[-1])) < JOINED_MM
        node = self._nodeOf(sliceNode, surface, closed, line)
        count = _count(surface, closed)
        if grip is not None:
            anchor = grip[1:]
        elif closed and len(self.written(node)):
            anchor = (0, self.written(node)[0])
        else:
            anchor = (0, line[0])
        points = spread(line, count, closed=closed, anchor=anchor)
        if node.GetNumberOfControlPoints() != count:
            slicer.util.updateMarkupsControlPointsFromArray(node, points, world=True)
        else:
            # Several times as fast as the call above, which makes every control point anew.
            with slicer.util.NodeModify(node):
                for number, point in enumerate(points):
                    node.SetNthControlPointPositionWorld(number, *point)
        self._keep(sliceNode.GetLayoutName(), surface, node)
        if not node.GetDisplayNode().GetVisibility():
            node.GetDisplayNode().SetVisibility(True)

    def _nodeOf(self, sliceNode: object, surface: str, closed: bool, line: np.ndarray) -> object:
        view = sliceNode.GetLayoutName()
        node = self.node(view, surface)
        className = "vtkMRMLMarkupsClosedCurveNode" if closed else "vtkMRMLMarkupsCurveNode"
        if node is not None and node.GetClassName() == className and node.GetDisplayNode() is not None:
            return node
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
        points = spread(line, _count(surface, closed), closed=closed, anchor=(0, line[0]))
        node = contourToScene(points, surface, f"{surface.capitalize()} ({view})", closed=closed)
        node.SetAttribute(VIEW_ATTRIBUTE, view)
        display = node.GetDisplayNode()
        display.AddViewNodeID(sliceNode.GetID())
        display.SetVisibility3D(False)
        display.SetCurveLineSizeMode(display.UseLineThickness)
        display.SetLineThickness(LINE_THICKNESS)
        self._keep(view, surface, node)
        return node


def _count(surface: str, closed: bool) -> int:
    if closed:
        return POINTS_CLOSED
    return POINTS_BASE if surface == "base" else POINTS_OPEN


def spread(
    line: np.ndarray, count: int, *, closed: bool, anchor: tuple[int, np.ndarray] = (0, np.zeros(3))
) -> np.ndarray:
    """Return ``count`` points at equal arc length along a line ``(N, 3)``, one of them at a given place.

    :param anchor: number of that point, and the place on the line (or near it) where it goes.
    """
    number, place = anchor
    whole = np.vstack([line, line[:1]]) if closed else line
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1))])
    length, at = along[-1], _arcPosition(whole, along, place)
    if closed:
        wanted = np.mod(at + (np.arange(count) - number) * (length / count), length)
    elif number in (0, count - 1):
        wanted = np.linspace(0.0, length, count)
    else:
        wanted = np.concatenate([np.linspace(0.0, at, number + 1), np.linspace(at, length, count - number)[1:]])
    return np.column_stack([np.interp(wanted, along, whole[:, axis]) for axis in range(3)])


def _arcPosition(line: np.ndarray, along: np.ndarray, place: np.ndarray) -> float:
    """Return how far along a polyline its point nearest to ``place`` lies, mm."""
    step = np.diff(line, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-12)
    part = np.clip(((place - line[:-1]) * step).sum(axis=1) / square, 0.0, 1.0)
    gap = np.linalg.norm(line[:-1] + part[:, None] * step - place, axis=1)
    best = int(np.argmin(gap))
    return float(along[best] + part[best] * np.sqrt(square[best]))


def _nearest(lines: Sequence[np.ndarray], place: np.ndarray) -> np.ndarray | None:
    return min(lines, key=lambda line: np.linalg.norm(line - place, axis=1).min(), default=None)
