"""Labels become segmentations with terminology, on any grid, and come back the same."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from LVMLib.errors import GridError, LabelError
from LVMLib.grid import BLOOD_POOL, LVM, Grid
from LVMLib.imaging.segmentation import read_segmentation, write_segmentation
from LVMLib.imaging.sequence import ArrayFrames, Sequence
from LVMLib.terminology import TERMS
from LVMTransferLib import MRMLAdapter
from mrml_helpers import axial, centreOf, noise, oblique, shell

pytestmark = pytest.mark.usefixtures("scene")
TAG = "TerminologyEntry"


def randomLabels(grid: Grid, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, grid.shape).astype(np.uint8)


def surfaceOf(node, label):
    mesh = vtk.vtkPolyData()
    node.GetClosedSurfaceRepresentation(MRMLAdapter.segmentIdOf(node, label), mesh)
    return mesh


@pytest.mark.parametrize("leftHanded", [False, True])
def test_labels_come_back_exactly_from_an_oblique_segmentation(leftHanded):
    grid = oblique(leftHanded=leftHanded)
    labels = randomLabels(grid)
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "LV", volume)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node), labels)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, volume), labels)


@pytest.mark.parametrize("leftHanded", [False, True])
def test_slicer_exports_the_same_masks(leftHanded):
    grid = oblique(leftHanded=leftHanded)
    labels = shell(grid, inner=4.0, outer=6.5)
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "LV", volume)
    for label in (BLOOD_POOL, LVM):
        mask = slicer.util.arrayFromSegmentBinaryLabelmap(node, MRMLAdapter.segmentIdOf(node, label), volume)
        np.testing.assert_array_equal(mask > 0, labels == label)


def test_a_mask_painted_with_slicers_own_function_is_read():
    grid = oblique()
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "LV", volume)
    painted = shell(grid, inner=4.0, outer=6.5)
    for label in (LVM, BLOOD_POOL):
        segmentId = MRMLAdapter.segmentIdOf(node, label)
        slicer.util.updateSegmentBinaryLabelmapFromArray((painted == label).astype(np.uint8), node, segmentId, volume)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, volume), painted)


def test_the_segments_carry_name_colour_and_snomed_terminology():
    grid = oblique()
    segmentation = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "LV").GetSegmentation()
    assert segmentation.GetNumberOfSegments() == 2
    for n, (code, name) in enumerate([("87878005", "LV blood pool"), ("49848007", "LV myocardium")]):
        segment = segmentation.GetNthSegment(n)
        entry = vtk.reference("")
        segment.GetTag(TAG, entry)
        assert segment.GetName() == name
        assert f"SCT^{code}^" in str(entry)
        np.testing.assert_allclose(segment.GetColor(), TERMS[n + 1].color)


def test_slicers_terminology_logic_understands_the_entries():
    logic = slicer.modules.terminologies.logic()
    for term in TERMS.values():
        entry = slicer.vtkSlicerTerminologyEntry()
        assert logic.DeserializeTerminologyEntry(term.entry, entry)
        assert entry.GetTypeObject().GetCodeValue() == term.code
        assert entry.GetCategoryObject().GetCodeMeaning() == "Anatomical Structure"


def test_segments_are_found_by_terminology_whatever_their_name_and_order():
    grid = oblique()
    labels = randomLabels(grid)
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "LV", volume)
    segmentation = node.GetSegmentation()
    segmentation.GetNthSegment(0).SetName("LV myocardium")
    segmentation.GetNthSegment(1).SetName("cavity")
    segmentation.ReorderSegments(list(reversed(segmentation.GetSegmentIDs())))
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node), labels)


def test_the_myocardium_code_of_totalsegmentator_is_understood():
    grid = oblique()
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "LV")
    entry = TERMS[LVM].entry.replace("49848007^Left Ventricle Myocardium", "74281007^Myocardium")
    node.GetSegmentation().GetNthSegment(1).SetTag(TAG, entry)
    assert MRMLAdapter.segmentIdOf(node, LVM) == node.GetSegmentation().GetNthSegmentID(1)


def test_a_segmentation_without_terminology_is_refused_with_the_remedy():
    grid = oblique()
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "mine")
    node.GetSegmentation().GetNthSegment(1).RemoveTag(TAG)
    with pytest.raises(LabelError, match=r"mine.*Left Ventricle Myocardium.*0 among.*Segmentations module"):
        MRMLAdapter.labelsFromSegmentation(node, grid=grid)


def test_two_segments_with_one_terminology_are_refused():
    grid = oblique()
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "mine")
    node.GetSegmentation().GetNthSegment(1).SetTag(TAG, TERMS[BLOOD_POOL].entry)
    with pytest.raises(LabelError, match="2 among"):
        MRMLAdapter.segmentIdOf(node, BLOOD_POOL)


def test_labels_without_a_reference_volume_are_refused():
    node = MRMLAdapter.segmentationFromLabels(randomLabels(oblique()), oblique(), "mine")
    with pytest.raises(LabelError, match="CT"):
        MRMLAdapter.labelsFromSegmentation(node)


def test_strange_labels_and_a_wrong_grid_are_refused():
    with pytest.raises(LabelError, match="7"):
        MRMLAdapter.segmentationFromLabels(np.full(oblique().shape, 7, np.uint8), oblique(), "LV")
    with pytest.raises(GridError):
        MRMLAdapter.segmentationFromLabels(np.ones((4, 4, 4), np.uint8), oblique(), "LV")


def test_an_empty_segmentation_is_refused_unless_it_is_allowed():
    grid = oblique()
    node = MRMLAdapter.segmentationFromLabels(np.zeros(grid.shape, np.uint8), grid, "LV")
    assert not MRMLAdapter.labelsFromSegmentation(node, grid=grid, allowEmpty=True).any()
    with pytest.raises(LabelError, match="empty"):
        MRMLAdapter.labelsFromSegmentation(node, grid=grid)


def test_labels_reach_another_grid_at_the_same_place():
    grid, other = axial(), oblique(shape=(40, 50, 60))
    centre = centreOf(other)
    moved = Grid(grid.shape, grid.affine + np.array([[0, 0, 0, d] for d in [*(centre - centreOf(grid)), 0]]))
    node = MRMLAdapter.segmentationFromLabels(shell(moved, centre=centre), moved, "LV")
    found = MRMLAdapter.labelsFromSegmentation(node, grid=other)
    truth = shell(other, centre=centre)
    assert np.mean(found == truth) > 0.95  # nearest neighbour at 1.5 mm
    np.testing.assert_allclose(other.to_ras(np.argwhere(found == 1)[:, ::-1]).mean(axis=0), centre, atol=0.2)


def test_where_segments_overlap_the_blood_pool_wins():
    grid = oblique()
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    labels = shell(grid, inner=4.0, outer=6.5)
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "LV", volume)
    segmentId = MRMLAdapter.segmentIdOf(node, LVM)
    node.GetSegmentation().SeparateSegmentLabelmap(segmentId)
    slicer.util.updateSegmentBinaryLabelmapFromArray((labels > 0).astype(np.uint8), node, segmentId, volume)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, volume), labels)


def test_a_segmentation_under_a_linear_transform_is_read_in_the_world():
    grid = axial()
    labels = shell(grid)
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "LV")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = grid.affine[:3, 0] * 2 + grid.affine[:3, 2]  # two voxels along i, one along k
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_array_equal(
        MRMLAdapter.labelsFromSegmentation(node, grid=grid), np.roll(labels, (1, 2), axis=(0, 2))
    )
    MRMLAdapter.updateSegmentationFromLabels(node, labels, grid)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, grid=grid), labels)


def test_an_update_replaces_both_segments_and_keeps_a_third():
    grid = oblique()
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "LV")
    node.GetSegmentation().AddEmptySegment("aorta", "aorta")
    labels = randomLabels(grid, seed=2)
    MRMLAdapter.updateSegmentationFromLabels(node, labels, grid)
    assert node.GetSegmentation().GetNumberOfSegments() == 3
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, grid=grid), labels)


@pytest.mark.parametrize("grid", [axial(), oblique(shape=(40, 50, 60)), oblique(leftHanded=True, shape=(40, 50, 60))])
def test_the_closed_surfaces_enclose_the_spheres(grid):
    node = MRMLAdapter.segmentationFromLabels(shell(grid), grid, "LV")
    measure = vtk.vtkMassProperties()
    measure.SetInputData(surfaceOf(node, BLOOD_POOL))
    assert (measure.GetVolume() / (4 / 3 * np.pi)) ** (1 / 3) == pytest.approx(10.0, abs=0.2)
    np.testing.assert_allclose(surfaceOf(node, BLOOD_POOL).GetCenter(), centreOf(grid), atol=0.3)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(surfaceOf(node, BLOOD_POOL))
    normals.ConsistencyOff()
    normals.Update()
    mesh = normals.GetOutput()
    points = vtk.util.numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()) - centreOf(grid)
    outward = (vtk.util.numpy_support.vtk_to_numpy(mesh.GetPointData().GetNormals()) * points).sum(axis=1)
    assert np.mean(outward > 0) > 0.99


def test_the_segmentation_lies_beside_its_volume_in_the_tree():
    grid = oblique()
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = tree.CreateStudyItem(tree.GetSceneItemID(), "study")
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    tree.CreateItem(study, volume)
    node = MRMLAdapter.segmentationFromLabels(randomLabels(grid), grid, "LV", volume)
    assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study


def test_a_file_of_the_library_opens_in_slicer_and_a_file_of_slicer_in_the_library(tmp_path):
    grid = oblique()
    labels = randomLabels(grid)
    write_segmentation(tmp_path / "ours.seg.nrrd", labels, grid)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "LV")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(tmp_path / "ours.seg.nrrd"))
    assert storage.ReadData(node)
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node, grid=grid), labels)
    storage.SetFileName(str(tmp_path / "slicers.seg.nrrd"))
    assert storage.WriteData(node)
    found, foundGrid = read_segmentation(tmp_path / "slicers.seg.nrrd", reference=grid)
    np.testing.assert_array_equal(found, labels)
    assert foundGrid.matches(grid)


# -- several phases ----------------------------------------------------------------------------------------------------


@pytest.fixture
def case():
    grid = oblique()
    voxels = noise(grid, phases=4)
    volume, _, browser = MRMLAdapter.sequenceToScene(Sequence(grid, ArrayFrames(voxels), (), {}, "test"), "case")
    labels = {0: randomLabels(grid), 2: shell(grid, inner=4.0, outer=6.5)}
    node, sequenceNode = MRMLAdapter.segmentationSequence(labels, grid, "LV", volume)
    return grid, volume, browser, labels, node, sequenceNode


def test_ed_and_es_labels_come_back_and_other_phases_stay_unlabelled(case):
    _, volume, browser, labels, node, sequenceNode = case
    for phase in (3, 1, 0, 2):
        MRMLAdapter.selectPhase(browser, phase)
    for source in (node, sequenceNode):
        found = MRMLAdapter.labelsFromSegmentationSequence(source, volume)
        assert sorted(found) == [0, 2]
        for phase, mask in found.items():
            np.testing.assert_array_equal(mask, labels[phase])


def test_the_segmentation_shown_follows_the_phase(case):
    grid, volume, browser, labels, node, _ = case
    for phase in (2, 0, 1):
        MRMLAdapter.selectPhase(browser, phase)
        shown = MRMLAdapter.labelsFromSegmentation(node, volume, allowEmpty=True)
        np.testing.assert_array_equal(shown, labels.get(phase, np.zeros(grid.shape)))
    assert node.GetName() == "LV"


def test_an_edit_stays_in_its_phase(case):
    grid, volume, browser, labels, node, _ = case
    MRMLAdapter.selectPhase(browser, 2)
    edited = randomLabels(grid, seed=5)
    MRMLAdapter.updateSegmentationFromLabels(node, edited, grid)
    MRMLAdapter.selectPhase(browser, 0)
    MRMLAdapter.selectPhase(browser, 2)
    found = MRMLAdapter.labelsFromSegmentationSequence(node, volume)
    np.testing.assert_array_equal(found[2], edited)
    np.testing.assert_array_equal(found[0], labels[0])


def test_drawing_on_an_unlabelled_phase_labels_that_phase(case):
    grid, volume, browser, labels, node, _ = case
    MRMLAdapter.selectPhase(browser, 1)
    drawn = shell(grid, inner=3.0, outer=5.0)
    for label in (LVM, BLOOD_POOL):
        segmentId = MRMLAdapter.segmentIdOf(node, label)
        slicer.util.updateSegmentBinaryLabelmapFromArray((drawn == label).astype(np.uint8), node, segmentId, volume)
    MRMLAdapter.selectPhase(browser, 0)
    found = MRMLAdapter.labelsFromSegmentationSequence(node, volume)
    assert sorted(found) == [0, 1, 2]
    np.testing.assert_array_equal(found[1], drawn)
    np.testing.assert_array_equal(found[0], labels[0])


def test_labels_of_a_phase_that_the_ct_lacks_are_refused(case):
    grid, volume, *_ = case
    with pytest.raises(LabelError, match="phases 0 to 3"):
        MRMLAdapter.segmentationSequence({9: randomLabels(grid)}, grid, "LV", volume)
