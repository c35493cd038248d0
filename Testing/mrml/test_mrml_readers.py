"""Readers' nodes in a real scene: cases come and go, differences and valve curves keep their meaning."""

from __future__ import annotations

import numpy as np
import pytest
from mrml_helpers import axial, noise, oblique, shell

PHASES = 3


@pytest.fixture
def opened(scene, tmp_path):
    """A case with labels of the model, open for anna in the scene; and the nodes that the scene had before."""
    from LVMLib.cohort import Cohort
    from LVMLib.imaging import ArrayFrames, Sequence
    from LVMTransferLib.SceneCases import SceneCases
    from LVMTransferLib.SceneReading import SceneReadings
    from LVMTransferLib.SceneReviews import SceneReviews

    class Logic(SceneCases, SceneReadings, SceneReviews):
        pass

    grid = axial()
    cohort = Cohort.create(tmp_path / "cohort", site="Test")
    case = cohort.add_case(Sequence(grid, ArrayFrames(noise(grid, PHASES)), (), {}, "p"), case_id="c1", ed=0, es=1)
    for phase in (0, 1):
        case.write_labels("model", phase, shell(grid, inner=10.0 - 2 * phase))
    logic, before = Logic(), {node.GetID() for node in nodes(scene)}
    reading = logic.openReading(tmp_path / "cohort", "c1", "anna")
    reading.toScene()
    yield reading, before
    logic.closeReading()


def test_a_case_that_leaves_the_scene_leaves_no_node_behind(scene, opened):
    reading, before = opened
    from LVMTransferLib.SceneValves import newValveNode

    newValveNode(reading.volumeNode, "mitral", 0)
    reading.removeFromScene()
    left = [node.GetID() for node in nodes(scene) if not node.IsA("vtkMRMLSubjectHierarchyNode")]
    assert set(left) - before == set()


def nodes(scene) -> list:
    """All nodes of the scene."""
    return [scene.GetNthNode(number) for number in range(scene.GetNumberOfNodes())]


def test_labels_of_a_phase_are_read_whichever_phase_is_shown(opened):
    reading, _ = opened
    logic = reading._logic
    for shown in range(PHASES):
        logic.showPhase(reading.volumeNode, shown)
        np.testing.assert_array_equal(reading.labels(0), reading.case.labels("model", 0))
        np.testing.assert_array_equal(reading.labels(1), reading.case.labels("model", 1))
        assert not reading.labels(2).any()


@pytest.mark.parametrize("leftHanded", [False, True])
def test_labels_on_the_grid_of_the_ct_come_back_under_a_transform_too(scene, leftHanded):
    import slicer
    from LVMTransferLib import MRMLAdapter

    grid = oblique(leftHanded=leftHanded)
    labels = shell(grid, inner=4.0, outer=7.0)
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "labels")
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, grid=grid), labels)
    shift = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = grid.affine[:3, 0] * 2  # two voxels along i
    shift.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(shift.GetID())
    np.testing.assert_array_equal(
        MRMLAdapter.labelsFromSegmentation(node, grid=grid)[:, :, 2:], labels[:, :, :-2]
    )  # fmt: skip


def test_a_difference_names_and_counts_its_kinds_and_takes_the_place_of_the_one_before(scene):
    import slicer
    from LVMLib.annotation import reader_difference
    from LVMTransferLib.SceneDifferences import differenceLegend, differenceToScene, removeDifference

    grid = axial()
    a = shell(grid)
    b = a.copy()
    b[20, 24, 20:23] = 2
    for _ in range(2):
        node, place = differenceToScene(reader_difference(a, b, names=("anna", "bert")), grid, "anna against bert")
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1
    np.testing.assert_allclose(place, grid.to_ras(np.array([21, 24, 20])), atol=1e-6)
    assert node.GetSegmentation().GetNumberOfSegments() == 1
    assert "blood pool for anna only: 3" in differenceLegend()
    removeDifference()
    assert differenceLegend() == ""


def test_valve_curves_belong_to_their_phase_and_survive_a_saved_scene(scene, opened, tmp_path):
    import slicer
    from LVMTransferLib.SceneValves import showValvesOf, valveCurves, valveNode, valvesToScene

    reading, _ = opened
    turn = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    curve = np.column_stack([12 * np.cos(turn), 12 * np.sin(turn), np.full(8, 3.0)])
    valvesToScene(reading.volumeNode, 1, {"mitral": curve})
    assert valveCurves(reading.volumeNode, 0) == {}
    np.testing.assert_allclose(valveCurves(reading.volumeNode, 1)["mitral"], curve, atol=1e-6)
    showValvesOf(reading.volumeNode, 0)
    assert not valveNode(reading.volumeNode, "mitral", 1).GetDisplayVisibility()
    name = reading.volumeNode.GetName()
    node = valveNode(reading.volumeNode, "mitral", 1)
    assert node.GetNodeReference("LVM.Volume") is reading.volumeNode
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(tmp_path / "curve.mrk.json"))
    assert node.GetStorageNode().WriteData(node)
    scene.SetURL(str(tmp_path / "scene.mrml"))
    scene.Commit()
    scene.Clear(0)
    scene.Import()
    volume = slicer.util.getNode(name)
    np.testing.assert_allclose(valveCurves(volume, 1)["mitral"], curve, atol=1e-4)
