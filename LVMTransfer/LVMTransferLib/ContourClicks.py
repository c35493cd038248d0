"""Clicks in any view: Slicer's own placing of points, for the axis of the ventricle and the tools of the contours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import slicer

from LVMTransferLib.Later import Later
from LVMTransferLib.PlaceMode import startPlacing

AXIS_ATTRIBUTE = "LVM.AxisClicks"
AXIS_POINTS = ("Apex", "Mitral valve", "Septum")


class ContourClicks:
    """Waits for clicks and hands each on; the point itself does not stay, except those of the axis.

    :param onStopped: called when the reader ends the clicking (right click, Esc), or it is over.
    """

    def __init__(self, onStopped: Callable[[], None]) -> None:
        self._onStopped, self._call, self._node, self._tags = onStopped, None, None, []
        self._later = Later(self._take, 0)
        self._keep = 0

    @property
    def active(self) -> bool:
        """Whether a click is waited for."""
        return self._node is not None

    def start(self, call: Callable[[np.ndarray], None]) -> None:
        """Call ``call(point)``, RAS mm, for every click until the reader ends it."""
        self._begin("Contour click", call, keep=0)

    def startAxis(self, call: Callable[[np.ndarray], None]) -> None:
        """Call ``call(points)``, (3, 3) RAS mm, after clicks on apex, mitral valve and septum; the points stay."""
        for node in axisNodes():
            slicer.mrmlScene.RemoveNode(node)
        self._begin("LV axis", call, keep=len(AXIS_POINTS))
        self._node.SetAttribute(AXIS_ATTRIBUTE, "1")
        self._node.GetDisplayNode().SetPointLabelsVisibility(True)

    def stop(self) -> None:
        """Wait for no click any more."""
        if self._node is None:
            return
        node, self._node = self._node, None
        self._later.drop()
        for watched, tag in self._tags:
            watched.RemoveObserver(tag)
        self._tags = []
        interaction = _interactionNode()
        interaction.SetPlaceModePersistence(0)
        interaction.SwitchToViewTransformMode()
        unfinished = self._keep == 0 or node.GetNumberOfDefinedControlPoints() < self._keep
        if unfinished and node.GetScene() is not None and not slicer.mrmlScene.IsClosing():
            slicer.mrmlScene.RemoveNode(node)
        self._onStopped()

    def _begin(self, name: str, call: Callable, *, keep: int) -> None:
        self.stop()
        self._call, self._keep = call, keep
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetPointLabelsVisibility(False)
        startPlacing(node, persistent=True)
        interaction = _interactionNode()
        self._node = node
        self._tags = [
            (node, node.AddObserver(node.PointPositionDefinedEvent, self._later.request)),
            (interaction, interaction.AddObserver(interaction.InteractionModeChangedEvent, self._onMode)),
        ]

    def _onMode(self, caller: object, event: str) -> None:
        if self._node is not None and caller.GetCurrentInteractionMode() != caller.Place:
            self.stop()

    def _take(self) -> None:
        """Hand on what was clicked since the last time."""
        node = self._node
        if node is None or node.GetScene() is None:
            return
        points = [
            np.array(node.GetNthControlPointPositionWorld(n))
            for n in range(node.GetNumberOfControlPoints())
            if node.GetNthControlPointPositionStatus(n) == node.PositionDefined
        ]
        if self._keep:
            for number, label in zip(range(len(points)), AXIS_POINTS):
                node.SetNthControlPointLabel(number, label)
            if len(points) >= self._keep:
                call = self._call
                self.stop()
                call(np.array(points[: self._keep]))
            return
        for number in reversed(range(node.GetNumberOfControlPoints())):
            if node.GetNthControlPointPositionStatus(number) == node.PositionDefined:
                node.RemoveNthControlPoint(number)
        for point in points:
            self._call(point)


def axisNodes() -> list:
    """Return the nodes with the clicked axis."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsFiducialNode")
    return [node for node in nodes if node.GetAttribute(AXIS_ATTRIBUTE)]


def clickedAxis() -> np.ndarray | None:
    """Return apex, mitral valve and septum (3, 3) RAS mm as they were clicked, or None."""
    for node in axisNodes():
        if node.GetNumberOfDefinedControlPoints() >= len(AXIS_POINTS):
            return slicer.util.arrayFromMarkupsControlPoints(node, world=True)[: len(AXIS_POINTS)]
    return None


def _interactionNode() -> object:
    return slicer.app.applicationLogic().GetInteractionNode()
