"""The contours section on the stand-in desktop: buttons, curves of a real scene, phases, clicks, reloaded scenes."""

from __future__ import annotations

import time

import numpy as np
import pytest
import slicer
from desktop_helpers import labelled_sequence, turns, wait_until


@pytest.fixture(scope="module", autouse=True)
def _each_fit_once():
    """The same labels give the same surfaces: fit them once for all tests of this file."""
    from LVMLib.annotation import surfaces

    fit_labels, known = surfaces.fit_labels, {}

    def fitted(labels, grid, axes=None, **options):
        if options:
            return fit_labels(labels, grid, axes, **options)
        key = labels.tobytes(), grid.affine.tobytes()
        if key not in known:
            known[key] = fit_labels(labels, grid, axes)
        return known[key]

    surfaces.fit_labels = fitted
    yield
    surfaces.fit_labels = fit_labels


@pytest.fixture
def panel(desktop):
    """The module's widget, open on an empty scene, with default parameters."""
    widget = desktop.open_module("LVMTransfer")
    yield widget
    desktop.leave_module("LVMTransfer")


@pytest.fixture
def contours(panel, desktop):
    """The contours section, with contours at phases 0 and 2 of a beating half shell."""
    volume_node, segmentation_node, _ = labelled_sequence()
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.parameters.edPhase, panel.parameters.esPhase = 0, 2
    panel.ui.leftVentricleViewsButton.click()
    panel.ui.makeContoursButton.click()
    desktop.process_events()
    return section(panel)


def section(panel):
    from LVMTransferLib.ContourPanel import ContourPanel

    return next(part for part in panel.panels if isinstance(part, ContourPanel))


def labels_now(panel) -> np.ndarray:
    from LVMTransferLib import MRMLAdapter

    return MRMLAdapter.labelsFromSegmentation(panel.parameters.segmentation, panel.parameters.inputVolume)


def drag(desktop, node, number: int, factor: float) -> np.ndarray:
    """Drag a point away from the middle of its curve."""
    points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    to = points.mean(axis=0) + factor * (points[number] - points.mean(axis=0))
    node.InvokeEvent(node.PointStartInteractionEvent)
    for part in (0.3, 0.6, 1.0):
        node.SetNthControlPointPositionWorld(number, *(points[number] + part * (to - points[number])))
        desktop.process_events()
    node.InvokeEvent(node.PointEndInteractionEvent)
    return to


def click(node, point: np.ndarray) -> None:
    node.AddControlPointWorld(*point)


def taken_over(desktop, contours) -> None:
    """Wait until labels of another tool are the contours."""
    wait_until(desktop, lambda: contours.editor.current.history.undo_name == "labels of another tool")


def test_without_a_case_every_button_says_what_is_missing(panel):
    for name in ("makeContoursButton", "pushButton", "copyToApexButton", "undoContourButton", "lockWallButton"):
        button = getattr(panel.ui, name)
        assert not button.enabled
        assert button.toolTip.startswith("Still missing:"), name


def test_contours_are_made_at_ed_and_es_and_the_error_of_the_fit_is_said(panel, contours):
    assert sorted(contours.editor.phases) == [0, 2]
    assert "Dice" in panel.ui.contourLabel.text
    assert len(contours.editor.curves.nodes) >= 6
    assert panel.ui.pushButton.enabled
    assert not panel.ui.undoContourButton.enabled


def test_a_drag_is_one_action_that_the_buttons_undo_and_redo(desktop, panel, contours):
    before = labels_now(panel)
    node = contours.editor.curves.node("Red", "endocardium")
    to = drag(desktop, node, 4, 1.15)
    after = labels_now(panel)
    assert (after != before).any()
    np.testing.assert_allclose(node.GetNthControlPointPositionWorld(4), to, atol=0.2)
    assert panel.ui.contourLabel.text == "Drag endocardium"
    panel.ui.undoContourButton.click()
    np.testing.assert_array_equal(labels_now(panel), before)
    panel.ui.redoContourButton.click()
    np.testing.assert_array_equal(labels_now(panel), after)


def test_the_phase_slider_takes_contours_and_views_along_and_keeps_the_edits(desktop, panel, contours):
    from LVMTransferLib import SceneViews

    panel.logic.showPhase(panel.parameters.inputVolume, 0)
    turns(desktop)
    node = contours.editor.curves.node("Red", "endocardium")
    drag(desktop, node, 4, 1.1)
    edited = labels_now(panel)
    wide = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    panel.ui.showEsButton.click()
    turns(desktop)
    assert contours.editor.phase == 2
    narrow = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    assert np.ptp(narrow, axis=0).max() < np.ptp(wide, axis=0).max() - 2.0
    plane = SceneViews.planeOf(SceneViews.sliceNodeOf("Red"))
    assert abs(plane[:3, 2] @ contours.editor.current.state.axes.axis) == pytest.approx(1.0)
    panel.logic.showPhase(panel.parameters.inputVolume, 1)
    turns(desktop)
    assert not any(curve.GetDisplayNode().GetVisibility() for curve in contours.editor.curves.nodes)
    panel.ui.showEdButton.click()
    turns(desktop)
    np.testing.assert_array_equal(labels_now(panel), edited)


def test_the_other_phase_is_copied_scaled(desktop, panel, contours):
    panel.ui.showEsButton.click()
    turns(desktop)
    before = labels_now(panel)
    panel.ui.copyFromEdButton.click()
    after = labels_now(panel)
    assert (after != before).any()
    assert (after == 1).sum() == pytest.approx((before == 1).sum(), rel=0.25)


def test_a_tool_acts_at_every_click_until_it_is_put_away(desktop, panel, contours):
    panel.ui.pushButton.click()
    assert panel.ui.pushButton.checked
    node = contours.editor.curves.node("Red", "epicardium")
    place = slicer.util.arrayFromMarkupsControlPoints(node, world=True)[3]
    for _ in range(2):
        click(contours.clicks._node, place)
        turns(desktop)
    history = contours.editor.current.history
    assert history.undo_name == "push epicardium"
    history_length = len(history._done)
    assert history_length == 2
    panel.ui.pushButton.click()
    assert not panel.ui.pushButton.checked
    assert not contours.clicks.active
    assert slicer.mrmlScene.GetFirstNodeByName("Contour click") is None


def test_slices_are_copied_interpolated_and_locked_from_the_panel(desktop, panel, contours):
    panel.ui.copyToApexButton.click()
    drag(desktop, contours.editor.curves.node("Red", "endocardium"), 3, 1.1)
    panel.ui.copyToBaseButton.click()
    panel.ui.interpolateButton.click()
    panel.ui.lockWallButton.click()
    assert contours.editor.isLocked("endocardium")
    panel.ui.unlockButton.click()
    assert not contours.editor.isLocked("endocardium")
    assert panel.ui.contourLabel.text == "Unlock all"


def test_an_action_that_makes_no_sense_is_said_in_the_section(panel, contours):
    panel.ui.interpolateButton.click()
    assert "two or more short-axis slices" in panel.ui.contourLabel.text


def test_three_clicks_turn_the_views_and_begin_contours_without_labels(desktop, panel):
    from LVMTransferLib import SceneViews

    volume_node, segmentation_node, _ = labelled_sequence(phases=(0,))
    panel.parameters.inputVolume, panel.parameters.segmentation = volume_node, segmentation_node
    panel.logic.showPhase(volume_node, 1)
    assert not panel.ui.contoursFromClicksButton.enabled
    panel.ui.clickAxisButton.click()
    for point in ([0.0, 1.0, -22.0], [0.0, 0.0, 6.0], [15.0, 12.0, -4.0]):
        click(section(panel).clicks._node, np.array(point))
        turns(desktop)
    plane = SceneViews.planeOf(SceneViews.sliceNodeOf("Red"))
    assert abs(plane[2, 2]) > 0.99
    assert panel.ui.contoursFromClicksButton.enabled
    panel.ui.contoursFromClicksButton.click()
    assert (labels_now(panel) == 1).sum() > 50
    names = [node.GetNthControlPointLabel(2) for node in slicer.util.getNodes("LV axis*").values()]
    assert names == ["Septum"]


def test_a_ct_without_any_segmentation_is_drawn_from_three_clicks(desktop, panel):
    from desktop_helpers import sequence_in_scene

    panel.parameters.inputVolume = sequence_in_scene()[0]
    panel.ui.clickAxisButton.click()
    for point in ([0.0, 1.0, -22.0], [0.0, 0.0, 6.0], [15.0, 12.0, -4.0]):
        click(section(panel).clicks._node, np.array(point))
        turns(desktop)
    panel.ui.threeChamberButton.click()
    panel.ui.contoursFromClicksButton.click()
    assert (labels_now(panel) == 1).sum() > 50
    drag(desktop, section(panel).editor.curves.node("Yellow", "endocardium"), 5, 1.1)
    assert panel.ui.contourLabel.text == "Drag endocardium"


def test_what_segment_editor_paints_becomes_the_contours_a_moment_later(desktop, panel, contours):
    from LVMTransferLib import MRMLAdapter

    painted = np.roll(labels_now(panel), 1, axis=1)
    segmentation_node = panel.parameters.segmentation
    MRMLAdapter.updateSegmentationFromLabels(
        segmentation_node, painted, MRMLAdapter.gridFromVolume(panel.parameters.inputVolume)
    )
    taken_over(desktop, contours)
    assert "Dice" in panel.ui.contourLabel.text
    np.testing.assert_array_equal(labels_now(panel), painted)


def test_while_another_module_is_shown_painting_waits_and_dragging_goes_on(desktop, panel, contours):
    from LVMTransferLib import MRMLAdapter

    segmentation_node, grid = panel.parameters.segmentation, MRMLAdapter.gridFromVolume(panel.parameters.inputVolume)
    painted = np.roll(labels_now(panel), 1, axis=1)
    desktop.leave_module("LVMTransfer")
    MRMLAdapter.updateSegmentationFromLabels(segmentation_node, painted, grid)
    begin = time.monotonic()
    wait_until(desktop, lambda: time.monotonic() - begin > 0.8)
    assert contours.editor.current.history.undo_name is None
    desktop.open_module("LVMTransfer")
    taken_over(desktop, contours)


def test_removing_the_contours_leaves_the_labels_and_the_display_as_they_were(desktop, panel, contours):
    drag(desktop, contours.editor.curves.node("Red", "endocardium"), 4, 1.1)
    labels = labels_now(panel)
    panel.ui.removeContoursButton.click()
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsCurveNode")
    assert panel.parameters.segmentation.GetDisplayNode().GetVisibility2DOutline()
    np.testing.assert_array_equal(labels_now(panel), labels)
    assert not panel.ui.pushButton.enabled


def test_a_deleted_segmentation_takes_the_contours_along(desktop, panel, contours):
    slicer.mrmlScene.RemoveNode(panel.parameters.segmentation)
    turns(desktop)
    assert contours.editor is None
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsCurveNode")


def test_closing_the_scene_lets_go_of_everything(desktop, panel, contours):
    slicer.mrmlScene.Clear(0)
    turns(desktop)
    assert contours.editor is None
    assert contours.drags is None
    assert not panel.ui.pushButton.enabled


def test_a_reopened_scene_goes_on_with_its_contours(desktop, panel, contours, tmp_path):
    drag(desktop, contours.editor.curves.node("Red", "endocardium"), 4, 1.1)
    labels, phases = labels_now(panel), sorted(contours.editor.phases)
    path = str(tmp_path / "scene.mrb")
    slicer.mrmlScene.WriteToMRB(path, None)
    slicer.mrmlScene.Clear(0)
    slicer.mrmlScene.ReadFromMRB(path, True, None)
    turns(desktop)
    assert sorted(contours.editor.phases) == phases
    np.testing.assert_array_equal(labels_now(panel), labels)
    drag(desktop, contours.editor.curves.node("Red", "epicardium"), 2, 1.1)
    assert panel.ui.contourLabel.text == "Drag epicardium"
    assert (labels_now(panel) != labels).any()


def test_contours_of_an_open_case_are_on_disk_and_come_back_to_the_bit(desktop, panel, tmp_path):
    from desktop_helpers import beating_shell
    from LVMLib.annotation.surfaces import read_surfaces
    from LVMLib.cohort import Cohort
    from LVMLib.imaging import ArrayFrames, Sequence

    voxels, labels, grid = beating_shell()
    cohort = Cohort.create(tmp_path / "cohort", site="Test")
    sequence = Sequence(grid, ArrayFrames(voxels), (), {}, "p")
    case = cohort.add_case(sequence, case_id="c1", ed=0, es=0)
    case.write_labels("anna", 0, labels[0])
    panel.parameters.reader = "anna"
    panel.ui.cohortPathEdit.currentPath = str(tmp_path / "cohort")
    panel.readingPanel.open("c1")
    panel.ui.makeContoursButton.click()
    drag(desktop, section(panel).editor.curves.node("Red", "endocardium"), 4, 1.1)
    state, path = section(panel).editor.current.state, case.folder / "contours" / "anna" / "00.mrk.json"

    def stored() -> bool:
        control = read_surfaces(path).control if path.exists() else {}
        return np.array_equal(control.get("endocardium"), state.control["endocardium"])

    wait_until(desktop, stored)
    panel.ui.closeCaseButton.click()
    panel.readingPanel.open("c1")
    panel.ui.makeContoursButton.click()
    assert panel.ui.contourLabel.text == "Contours as they were saved with the case."
    again = section(panel).editor.current.state
    np.testing.assert_array_equal(again.control["epicardium"], state.control["epicardium"])
    panel.ui.closeCaseButton.click()
