"""The mitral and aortic curves of each phase as closed curve markups: placed, dragged and undone by Slicer itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer

from .SceneContours import plainDisplay

VALVE_ATTRIBUTE, PHASE_ATTRIBUTE, VOLUME_ROLE = "LVM.Valve", "LVM.Phase", "LVM.Volume"


def valveNode(volumeNode: object, valve: str, phase: int) -> slicer.vtkMRMLMarkupsClosedCurveNode | None:
    """Return the curve of a valve in a phase of a CT, or None."""
    for node in valveNodes(volumeNode):
        if (node.GetAttribute(VALVE_ATTRIBUTE), node.GetAttribute(PHASE_ATTRIBUTE)) == (valve, str(phase)):
            return node
    return None


def newValveNode(volumeNode: object, valve: str, phase: int) -> slicer.vtkMRMLMarkupsClosedCurveNode:
    """Return the curve of a valve in a phase, without points: an existing one is emptied."""
    from LVMLib.annotation.markups import COLORS

    node = valveNode(volumeNode, valve, phase)
    if node is not None:
        node.RemoveAllControlPoints()
        return node
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLMarkupsClosedCurveNode", f"{volumeNode.GetName()} {valve} annulus, phase {phase}"
    )
    node.SetAttribute(VALVE_ATTRIBUTE, valve)
    node.SetAttribute(PHASE_ATTRIBUTE, str(phase))
    node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
    plainDisplay(node, COLORS[valve])
    return node


def valvesToScene(volumeNode: object, phase: int, curves: Mapping[str, np.ndarray]) -> None:
    """Show curves, ``mitral`` and/or ``aortic`` to control points ``(N, 3)`` RAS mm, at a phase of a CT."""
    for valve, points in curves.items():
        node = newValveNode(volumeNode, valve, phase)
        slicer.util.updateMarkupsControlPointsFromArray(node, np.asarray(points, float), world=True)


def valveCurves(volumeNode: object, phase: int) -> dict:
    """Return valve to placed control points ``(N, 3)`` RAS mm of a phase; a curve without points is none."""
    curves = {}
    for node in valveNodes(volumeNode):
        if node.GetAttribute(PHASE_ATTRIBUTE) == str(phase):
            points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
            placed = [
                n
                for n in range(node.GetNumberOfControlPoints())
                if node.GetNthControlPointPositionStatus(n) == slicer.vtkMRMLMarkupsNode.PositionDefined
            ]
            if placed:
                curves[node.GetAttribute(VALVE_ATTRIBUTE)] = np.array(points[placed], float)
    return curves


def showValvesOf(volumeNode: object, phase: int) -> None:
    """Show the curves of one phase, and hide those of the others."""
    for node in valveNodes(volumeNode):
        visible = node.GetAttribute(PHASE_ATTRIBUTE) == str(phase)
        if node.GetDisplayVisibility() != visible:
            node.SetDisplayVisibility(visible)


def removeValves(volumeNode: object) -> None:
    """Remove the curves of a CT from the scene."""
    for node in valveNodes(volumeNode):
        removeShown(node)


def removeShown(node: slicer.vtkMRMLDisplayableNode) -> None:
    """Remove a node with its display and storage nodes, which the scene would keep."""
    displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
    for doomed in (node, *displays, node.GetStorageNode()):
        if doomed is not None and slicer.mrmlScene.IsNodePresent(doomed):
            slicer.mrmlScene.RemoveNode(doomed)


def valveNodes(volumeNode: object) -> list:
    """Return the curves of a CT, of every phase."""
    nodes = slicer.util.getNodesByClass("vtkMRMLMarkupsClosedCurveNode")
    return [
        node
        for node in nodes
        if node.GetAttribute(VALVE_ATTRIBUTE) and node.GetNodeReference(VOLUME_ROLE) is volumeNode
    ]
