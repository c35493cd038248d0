"""A measurement of several phases as sequences of surfaces and lines in the browser of the segmentation."""

from __future__ import annotations

from collections.abc import Mapping

import slicer
import vtk

ED_ATTRIBUTE, ES_ATTRIBUTE = "LVM.EDPhase", "LVM.ESPhase"


def phasesToScene(
    node: slicer.vtkMRMLModelNode,
    meshes: Mapping[int, vtk.vtkPolyData],
    browserNode: slicer.vtkMRMLSequenceBrowserNode,
    *,
    ed: int,
    es: int,
) -> slicer.vtkMRMLSequenceNode:
    """Let a model node follow the phases of a browser; return the sequence.

    :param meshes: phase to mesh; in other phases the node is empty, since nothing was measured there.
    :param ed, es: phases of end-diastole and end-systole.
    """
    from LVMTransferLib.SceneVolumes import newSequenceNode

    master = browserNode.GetMasterSequenceNode()
    endPhases(node)
    sequenceNode = newSequenceNode(f"{node.GetName()} phases")
    sequenceNode.SetIndexName(master.GetIndexName())
    sequenceNode.SetIndexUnit(master.GetIndexUnit())
    template = slicer.vtkMRMLModelNode()
    template.SetName(node.GetName())
    for phase in range(master.GetNumberOfDataNodes()):
        template.SetAndObservePolyData(meshes.get(phase) or vtk.vtkPolyData())
        sequenceNode.SetDataNodeAtValue(template, master.GetNthIndexValue(phase))
    sequenceNode.SetAttribute(ED_ATTRIBUTE, str(ed))
    sequenceNode.SetAttribute(ES_ATTRIBUTE, str(es))
    # In one change: between both steps the application would make a proxy of its own.
    with slicer.util.NodeModify(browserNode):
        browserNode.AddSynchronizedSequenceNode(sequenceNode)
        browserNode.AddProxyNode(node, sequenceNode, False)
    browserNode.SetOverwriteProxyName(sequenceNode, False)
    browserNode.SetSaveChanges(sequenceNode, False)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browserNode)
    return sequenceNode


def endPhases(node: slicer.vtkMRMLModelNode) -> None:
    """Let a model node stop following phases, and remove the sequence of its meshes."""
    browserNode, sequenceNode = browserAndSequence(node)
    if sequenceNode is not None:
        browserNode.RemoveSynchronizedSequenceNode(sequenceNode.GetID())
        slicer.mrmlScene.RemoveNode(sequenceNode)


def browserAndSequence(node: slicer.vtkMRMLModelNode | None) -> tuple[object, object]:
    """Return the browser that a model follows and the sequence of its meshes, or (None, None)."""
    browserNode = node and slicer.modules.sequences.logic().GetFirstBrowserNodeForProxyNode(node)
    sequenceNode = browserNode.GetSequenceNode(node) if browserNode else None
    return (browserNode, sequenceNode) if sequenceNode is not None else (None, None)


def measuredPhases(node: slicer.vtkMRMLModelNode | None) -> list[int]:
    """Return the phases in which a model that follows a browser has a mesh."""
    _, sequenceNode = browserAndSequence(node)
    if sequenceNode is None:
        return []
    meshes = [sequenceNode.GetNthDataNode(n).GetPolyData() for n in range(sequenceNode.GetNumberOfDataNodes())]
    return [n for n, mesh in enumerate(meshes) if mesh is not None and mesh.GetNumberOfPoints()]


def edAndEs(node: slicer.vtkMRMLModelNode | None) -> tuple[int, int] | None:
    """Return the phases of end-diastole and end-systole of a measurement of several phases, or None."""
    _, sequenceNode = browserAndSequence(node)
    if sequenceNode is None or sequenceNode.GetAttribute(ED_ATTRIBUTE) is None:
        return None
    return int(sequenceNode.GetAttribute(ED_ATTRIBUTE)), int(sequenceNode.GetAttribute(ES_ATTRIBUTE))


def showPhase(browserNode: slicer.vtkMRMLSequenceBrowserNode, phase: int) -> None:
    """Show a phase in the views."""
    browserNode.SetSelectedItemNumber(phase)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browserNode)
