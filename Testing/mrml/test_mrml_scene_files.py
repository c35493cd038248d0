"""A saved scene holds everything: phases, labels, contours, thickness, colours."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from LVMLib.imaging.sequence import ArrayFrames, Sequence
from LVMThicknessLib import MRMLAdapter as ThicknessAdapter
from LVMThicknessLib.ThicknessColors import NAN_COLOR, thicknessColors
from LVMTransferLib import MRMLAdapter
from mrml_helpers import axial, noise, oblique, shell, spherical_result

RR = (0.0, 35.0, 75.0)


@pytest.fixture
def reloaded(scene, tmp_path):
    """A scene with everything in it, saved, emptied and opened again; and what it held."""
    grid = oblique(shape=(24, 30, 30))
    truth = {
        "grid": grid,
        "voxels": noise(grid, phases=3),
        "labels": {0: shell(grid, inner=5.0, outer=8.0), 2: np.random.default_rng(3).integers(0, 3, grid.shape)},
        "contour": np.random.default_rng(4).normal(size=(12, 3)),
        "result": spherical_result(),
    }
    volume, _, browser = MRMLAdapter.sequenceToScene(
        Sequence(grid, ArrayFrames(truth["voxels"]), RR, {}, "test"), "case"
    )
    MRMLAdapter.segmentationSequence(truth["labels"], grid, "LV", volume)
    MRMLAdapter.segmentationFromLabels(truth["labels"][0], grid, "ED", volume)
    MRMLAdapter.contourToScene(truth["contour"], "endocardium")
    ThicknessAdapter.thicknessModel(truth["result"], "thickness")
    ThicknessAdapter.streamlineTubes(truth["result"], "lines", colorBy="potential")
    ThicknessAdapter.statisticsTable(truth["result"].thickness_mm, "statistics")
    MRMLAdapter.selectPhase(browser, 2)
    path = tmp_path / "scene.mrb"
    assert scene.WriteToMRB(str(path))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(path), False)
    return truth


def node(name):
    return slicer.util.getNode(name)


def test_all_phases_and_their_percentages_are_there(reloaded):
    found = MRMLAdapter.sequenceFromScene(node("case"))
    assert found.rr_percent == RR
    assert found.grid.matches(reloaded["grid"], tolerance_mm=1e-4)
    for phase, voxels in enumerate(reloaded["voxels"]):
        np.testing.assert_array_equal(found.frame(phase), voxels)
    assert MRMLAdapter.browserOf(node("case")).GetSelectedItemNumber() == 2
    assert node("case").GetDisplayNode().GetWindow() == 900.0


def test_the_labels_of_every_phase_are_there_and_only_those(reloaded):
    found = MRMLAdapter.labelsFromSegmentationSequence(node("LV"), node("case"))
    assert sorted(found) == [0, 2]
    for phase, labels in found.items():
        np.testing.assert_array_equal(labels, reloaded["labels"][phase])


def test_a_single_segmentation_keeps_terminology_and_reference_volume(reloaded):
    np.testing.assert_array_equal(MRMLAdapter.labelsFromSegmentation(node("ED")), reloaded["labels"][0])


def test_an_edit_after_opening_stays_in_its_phase(reloaded):
    browser = MRMLAdapter.browserOf(node("case"))
    edited = shell(reloaded["grid"], inner=4.0, outer=7.0)
    MRMLAdapter.selectPhase(browser, 0)
    MRMLAdapter.updateSegmentationFromLabels(node("LV"), edited, reloaded["grid"])
    MRMLAdapter.selectPhase(browser, 2)
    found = MRMLAdapter.labelsFromSegmentationSequence(node("LV"), node("case"))
    np.testing.assert_array_equal(found[0], edited)
    np.testing.assert_array_equal(found[2], reloaded["labels"][2])


def test_the_contour_keeps_points_surface_and_colour(reloaded):
    contour = node("Endocardium")
    np.testing.assert_allclose(MRMLAdapter.contourFromNode(contour), reloaded["contour"], atol=1e-5)
    assert contour.GetAttribute("LVM.Surface") == "endocardium"
    assert contour.GetDisplayNode().GetSelectedColor()[0] > 0.9


def test_thickness_colours_range_legend_and_table_are_there(reloaded):
    surface = node("thickness")
    np.testing.assert_allclose(
        slicer.util.arrayFromModelPointData(surface, "thickness_mm"), reloaded["result"].thickness_mm, atol=1e-4
    )
    display = surface.GetDisplayNode()
    assert display.GetScalarRange() == (4.0, 8.0)
    assert display.GetColorNode().GetNumberOfColors() == 256
    np.testing.assert_allclose(
        display.GetColorNode().GetLookupTable().GetTableValue(255)[:3], (0.99, 0.9, 0.15), atol=0.02
    )
    np.testing.assert_allclose(display.GetColorNode().GetLookupTable().GetNanColor()[:3], NAN_COLOR)
    assert thicknessColors() == display.GetColorNode()
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(display)
    assert legend.GetTitleText() == "LV wall thickness (mm)"
    assert node("lines").GetDisplayNode().GetActiveScalarName() == "potential"
    assert node("statistics").GetTable().GetValueByName(0, "Value").ToDouble() > 4.0


def test_a_left_handed_ct_is_at_the_same_place_after_opening(scene, tmp_path):
    """Slicer turns the voxels of a left-handed volume when it opens one; places in the patient do not change."""
    grid = oblique(leftHanded=True)
    labels = shell(grid, inner=4.0, outer=6.0)
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    MRMLAdapter.segmentationFromLabels(labels, grid, "LV", volume)
    before = {tuple(p) for p in np.round(grid.to_ras(np.argwhere(labels == 1)[:, ::-1]), 3)}
    assert scene.WriteToMRB(str(tmp_path / "left.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "left.mrb"), False)
    found = MRMLAdapter.labelsFromSegmentation(node("LV"), node("ct"))
    after = np.round(MRMLAdapter.gridFromVolume(node("ct")).to_ras(np.argwhere(found == 1)[:, ::-1]), 3)
    assert {tuple(p) for p in after} == before


def test_a_segmentation_without_any_label_can_be_saved_and_opened(scene, tmp_path):
    grid = axial(shape=(6, 7, 8))
    MRMLAdapter.segmentationFromLabels(np.zeros(grid.shape, np.uint8), grid, "LV")
    assert scene.WriteToMRB(str(tmp_path / "empty.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "empty.mrb"), False)
    assert not MRMLAdapter.labelsFromSegmentation(node("LV"), grid=grid, allowEmpty=True).any()
