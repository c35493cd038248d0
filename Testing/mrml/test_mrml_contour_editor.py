"""Contours dragged in a real scene: curves, mask, models and views follow one state of the surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from contour_helpers import APEX, AXES, MITRAL, ct_grid, drag_point, outwards, points_of, ventricle_in_scene
from LVMLib.annotation.surfaces import contours
from LVMLib.errors import LabelError, LVMError
from LVMTransferLib import ContourDrags as contour_drags_module
from LVMTransferLib import MRMLAdapter, SceneViews
from LVMTransferLib.ContourCurves import spread
from LVMTransferLib.ContourDrags import ContourDrags
from LVMTransferLib.ContourEditor import ContourEditor
from LVMTransferLib.ContourMemory import ContourMemory


@pytest.fixture
def case(scene):
    """CT and segmentation of the ventricle in the scene, with three slice views."""
    with ventricle_in_scene() as case:
        yield case


@pytest.fixture
def editor(case):
    """Contours through the clicks, watched; every action is in ``editor.said``."""
    said = []
    editor = ContourEditor(case[0], case[1], lambda name, message: said.append((name, message)))
    editor.makeFromClicks(AXES)
    editor.said, editor.problems = said, []
    editor.drags = ContourDrags(editor, onProblem=editor.problems.append)
    yield editor
    editor.drags.release()


def labels_in_scene(editor) -> np.ndarray:
    return MRMLAdapter.labelsFromSegmentation(editor.segmentationNode, editor.volumeNode)


def assert_mask_is_that_of_the_surfaces(editor) -> None:
    np.testing.assert_array_equal(labels_in_scene(editor), editor.current.state.to_labels(editor.grid))


def off_surface(editor, node) -> float:
    """How far the control points of a curve are from the line in which its surface meets the view, mm."""
    plane = SceneViews.planeOf(SceneViews.sliceNodeOf(editor.curves.viewOf(node)))
    found = contours(editor.current.state, plane)[editor.curves.surfaceOf(node)]
    closed = bool(node.IsA("vtkMRMLMarkupsClosedCurveNode"))
    lines = np.concatenate([spread(line, 3000, closed=closed) for line in found])
    return max(np.linalg.norm(lines - point, axis=1).min() for point in points_of(node))


def test_short_axis_contours_are_closed_curves_and_long_axis_contours_open_ones(editor):
    kinds = {(editor.curves.viewOf(n), editor.curves.surfaceOf(n)): n.GetClassName() for n in editor.curves.nodes}
    closed, opened = "vtkMRMLMarkupsClosedCurveNode", "vtkMRMLMarkupsCurveNode"
    assert kinds == {
        ("Red", "endocardium"): closed, ("Red", "epicardium"): closed,
        ("Green", "endocardium"): opened, ("Green", "epicardium"): opened, ("Green", "base"): opened,
        ("Yellow", "endocardium"): opened, ("Yellow", "epicardium"): opened, ("Yellow", "base"): opened,
    }  # fmt: skip


def test_every_curve_lies_in_the_plane_of_its_view_and_on_its_surface(editor):
    for node in editor.curves.nodes:
        plane = SceneViews.planeOf(SceneViews.sliceNodeOf(editor.curves.viewOf(node)))
        assert np.abs((points_of(node) - plane[:3, 3]) @ plane[:3, 2]).max() < 1e-3
        if editor.curves.surfaceOf(node) != "base":
            assert off_surface(editor, node) < 0.1


@pytest.mark.parametrize(("view", "surface", "number"), [
    ("Red", "endocardium", 7), ("Red", "epicardium", 0), ("Green", "endocardium", 5), ("Green", "epicardium", 11),
    ("Yellow", "endocardium", 12), ("Yellow", "epicardium", 4),
])  # fmt: skip
def test_a_drag_in_any_view_moves_the_surface_the_other_views_the_models_and_the_mask(editor, view, surface, number):
    before = {node.GetName(): points_of(node) for node in editor.curves.nodes}
    model = next(m for m in editor.models.nodes if m.GetAttribute("LVM.ContourModel") == surface)
    mesh_before = slicer.util.arrayFromModelPoints(model).copy()
    node = editor.curves.node(view, surface)
    dropped = drag_point(node, number, outwards(node, number, 4.0))
    np.testing.assert_allclose(points_of(node)[number], dropped, atol=0.1)
    assert np.linalg.norm(editor.current.state.nearest(surface, dropped) - dropped) < 0.06
    changed = [
        name for name, points in before.items() if np.abs(points - points_of(slicer.util.getNode(name))).max() > 0.3
    ]
    assert len({name.split("(")[1] for name in changed}) >= 2, changed
    assert all(off_surface(editor, n) < 0.1 for n in editor.curves.nodes if editor.curves.surfaceOf(n) != "base")
    assert_mask_is_that_of_the_surfaces(editor)
    assert np.abs(slicer.util.arrayFromModelPoints(model) - mesh_before).max() > 0.5


def test_one_drag_with_many_mouse_moves_is_one_step_of_undo(editor):
    before, names = labels_in_scene(editor), len(editor.said)
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 3, outwards(node, 3, 5.0), moves=9)
    assert editor.said[names:] == [("drag endocardium", "")]
    after = labels_in_scene(editor)
    assert (after != before).any()
    editor.undo()
    np.testing.assert_array_equal(labels_in_scene(editor), before)
    editor.redo()
    np.testing.assert_array_equal(labels_in_scene(editor), after)


def test_everything_follows_while_the_mouse_is_still_down(editor):
    node = editor.curves.node("Red", "epicardium")
    green = points_of(editor.curves.node("Yellow", "epicardium"))
    before = labels_in_scene(editor)
    start, by = points_of(node)[0], outwards(node, 0, 5.0)
    node.InvokeEvent(node.PointStartInteractionEvent)
    node.SetNthControlPointPositionWorld(0, *(start + by))
    assert (labels_in_scene(editor) != before).any()
    assert np.abs(points_of(editor.curves.node("Yellow", "epicardium")) - green).max() > 0.5
    assert editor.current.history.undo_name == "contours from clicks"
    node.SetNthControlPointPositionWorld(0, *start)
    node.InvokeEvent(node.PointEndInteractionEvent)


def test_on_a_slow_computer_the_mask_waits_for_the_drop(editor, monkeypatch):
    monkeypatch.setattr(contour_drags_module, "LIVE_SECONDS", 0.0)
    node = editor.curves.node("Red", "epicardium")
    start, by = points_of(node)[3], outwards(node, 3, 2.0)
    node.InvokeEvent(node.PointStartInteractionEvent)
    node.SetNthControlPointPositionWorld(3, *(start + by))
    once = labels_in_scene(editor)
    node.SetNthControlPointPositionWorld(3, *(start + 2 * by))
    np.testing.assert_array_equal(labels_in_scene(editor), once)
    node.InvokeEvent(node.PointEndInteractionEvent)
    assert (labels_in_scene(editor) != once).any()
    assert_mask_is_that_of_the_surfaces(editor)


def test_a_click_without_movement_is_no_action(editor):
    node = editor.curves.node("Red", "epicardium")
    said = list(editor.said)
    node.InvokeEvent(node.PointStartInteractionEvent)
    node.InvokeEvent(node.PointEndInteractionEvent)
    assert editor.said == said


def test_a_drag_across_the_axis_stops_and_says_why(editor):
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 3, outwards(node, 3, -60.0))
    name, message = editor.said[-1]
    assert name == "drag endocardium"
    assert message
    assert off_surface(editor, node) < 0.1


def test_a_whole_curve_moved_or_drawn_anew_is_followed(editor):
    node = editor.curves.node("Red", "endocardium")
    middle = points_of(node).mean(axis=0)
    wider = middle + 1.08 * (points_of(node) - middle)
    slicer.util.updateMarkupsControlPointsFromArray(node, wider, world=True)
    gap = [np.linalg.norm(editor.current.state.nearest("endocardium", point) - point) for point in wider]
    assert np.mean(gap) < 0.5
    assert node.GetNumberOfControlPoints() == 24


def test_scrolling_a_view_takes_its_contours_along_and_changes_nothing(editor):
    said, red = list(editor.said), SceneViews.sliceNodeOf("Red")
    labels = labels_in_scene(editor)
    red.SetSliceOffset(red.GetSliceOffset() + 9.0)
    node = editor.curves.node("Red", "epicardium")
    plane = SceneViews.planeOf(red)
    assert np.abs((points_of(node) - plane[:3, 3]) @ plane[:3, 2]).max() < 1e-3
    assert editor.said == said
    np.testing.assert_array_equal(labels_in_scene(editor), labels)


def test_contours_stay_in_the_scanners_planes_and_vanish_beside_the_heart(editor):
    SceneViews.showScannerPlanes()
    red = SceneViews.sliceNodeOf("Red")
    red.SetSliceOffset(float(MITRAL[2] + APEX[2]) / 2)
    assert editor.curves.node("Red", "epicardium").GetDisplayNode().GetVisibility()
    red.SetSliceOffset(200.0)
    assert not editor.curves.node("Red", "epicardium").GetDisplayNode().GetVisibility()


def test_contours_from_labels_leave_the_labels_until_the_first_edit_and_an_undo_brings_them_back(case):
    volume, segmentation, _ = case
    labels = MRMLAdapter.labelsFromSegmentation(segmentation, volume)
    hole = labels.copy()
    hole[tuple(np.argwhere(labels == 1).mean(axis=0).astype(int))] = 0
    MRMLAdapter.updateSegmentationFromLabels(segmentation, hole, ct_grid())
    editor = ContourEditor(volume, segmentation)
    fit = editor.makeFromLabels()
    assert min(fit.dice.values()) > 0.97
    np.testing.assert_array_equal(labels_in_scene(editor), hole)
    drags = ContourDrags(editor)
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 2, outwards(node, 2, 2.0))
    assert_mask_is_that_of_the_surfaces(editor)
    editor.undo()
    np.testing.assert_array_equal(labels_in_scene(editor), hole)
    drags.release()


def test_push_pull_smooth_lock_and_copy_are_actions_with_undo(editor):
    start = labels_in_scene(editor)
    point = points_of(editor.curves.node("Red", "epicardium"))[5]
    assert editor.nearestWall(point) == "epicardium"
    editor.push(None, point, 3.0, 30.0)
    editor.push("endocardium", point, -2.0, 30.0)
    editor.smooth(None, point, 30.0)
    editor.copySlice(None, SceneViews.sliceNodeOf("Red"), 8.0, towardsApex=True)
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 3, outwards(node, 3, 2.0))
    editor.interpolate("endocardium")
    editor.lock("endocardium")
    assert editor.isLocked("endocardium")
    names = [name for name, _ in editor.said[1:]]
    assert names == [
        "push epicardium", "pull endocardium", "smooth epicardium", "copy to the next slice", "drag endocardium",
        "interpolate between slices", "lock endocardium",
    ]  # fmt: skip
    for _ in names:
        editor.undo()
    np.testing.assert_array_equal(labels_in_scene(editor), start)
    assert not editor.isLocked("endocardium")


def test_a_locked_wall_stays_where_it_is(editor):
    editor.lock("epicardium")
    before = points_of(editor.curves.node("Red", "epicardium"))
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 3, outwards(node, 3, 11.0))
    np.testing.assert_array_equal(points_of(editor.curves.node("Red", "epicardium")), before)
    assert "locked" in editor.said[-1][1]


def test_copying_to_the_next_slice_goes_towards_the_apex_and_back(editor):
    red = SceneViews.sliceNodeOf("Red")
    here = SceneViews.planeOf(red)[:3, 3]
    editor.copySlice("epicardium", red, 8.0, towardsApex=True)
    assert (SceneViews.planeOf(red)[:3, 3] - here) @ AXES.axis == pytest.approx(8.0)
    editor.copySlice("epicardium", red, 8.0, towardsApex=False)
    np.testing.assert_allclose(SceneViews.planeOf(red)[:3, 3], here, atol=1e-9)


def test_interpolation_needs_two_edited_slices(editor):
    with pytest.raises(LVMError, match="two short-axis slices"):
        editor.interpolate(None)


def test_labels_that_segment_editor_left_become_the_contours(editor):
    labels = labels_in_scene(editor)
    shifted = np.roll(labels, 2, axis=2)
    MRMLAdapter.updateSegmentationFromLabels(editor.segmentationNode, shifted, editor.grid)
    assert editor.isForeign()
    fit = editor.takeLabels()
    assert min(fit.dice.values()) > 0.95
    np.testing.assert_array_equal(labels_in_scene(editor), shifted)
    assert not editor.isForeign()
    editor.undo()
    np.testing.assert_array_equal(labels_in_scene(editor), labels)


def test_labels_without_a_cavity_are_refused_and_the_contours_stay(editor):
    state = editor.current.state
    empty = np.zeros(editor.grid.shape, np.uint8)
    MRMLAdapter.updateSegmentationFromLabels(editor.segmentationNode, empty, editor.grid)
    with pytest.raises(LabelError):
        editor.takeLabels()
    assert editor.current.state is state


def test_other_segments_survive_edits(editor):
    segmentation = editor.segmentationNode.GetSegmentation()
    other = segmentation.AddEmptySegment("Aorta", "Aorta")
    mask = np.zeros(editor.grid.shape, np.uint8)
    mask[2:6, 2:6, 2:6] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, editor.segmentationNode, other, editor.volumeNode)
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 2, outwards(node, 2, 3.0))
    found = slicer.util.arrayFromSegmentBinaryLabelmap(editor.segmentationNode, other, editor.volumeNode)
    np.testing.assert_array_equal(found, mask)
    assert_mask_is_that_of_the_surfaces(editor)


def test_a_deleted_curve_or_model_comes_back_and_others_markups_are_left_alone(editor):
    mine = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "mine")
    slicer.util.updateMarkupsControlPointsFromArray(mine, np.eye(3) * 10, world=True)
    slicer.mrmlScene.RemoveNode(editor.curves.node("Red", "endocardium"))
    slicer.mrmlScene.RemoveNode(editor.models.nodes[0])
    node = editor.curves.node("Red", "endocardium")
    dropped = drag_point(node, 3, outwards(node, 3, 3.0))
    np.testing.assert_allclose(points_of(node)[3], dropped, atol=0.1)
    assert len(editor.models.nodes) == 2
    editor.remove()
    assert mine.GetScene() is slicer.mrmlScene
    np.testing.assert_array_equal(points_of(mine), np.eye(3) * 10)


def test_a_deleted_segmentation_ends_the_watching_without_an_error(case):
    gone = []
    editor = ContourEditor(case[0], case[1])
    editor.makeFromClicks(AXES)
    drags = ContourDrags(editor, onGone=lambda: gone.append(True))
    slicer.mrmlScene.RemoveNode(case[1])
    assert gone
    drags.release()


def test_nothing_is_observed_any_more_after_release(editor):
    editor.drags.release()
    said = list(editor.said)
    node = editor.curves.node("Red", "endocardium")
    drag_point(node, 3, outwards(node, 3, 3.0))
    assert editor.said == said


def test_a_closed_scene_leaves_nothing_and_raises_nothing(editor):
    slicer.mrmlScene.Clear(0)
    assert ContourMemory.node() is None
    assert not slicer.util.getNodesByClass("vtkMRMLMarkupsCurveNode")


def test_after_save_and_reload_nothing_differs_and_dragging_goes_on(editor, tmp_path):
    node = editor.curves.node("Yellow", "epicardium")
    drag_point(node, 4, outwards(node, 4, 3.0))
    editor.copySlice(None, SceneViews.sliceNodeOf("Red"), 8.0, towardsApex=True)
    before = {n.GetName(): points_of(n) for n in editor.curves.nodes}
    labels, control = labels_in_scene(editor), editor.current.state.control
    planes = editor.current.editedPlanes("endocardium")
    editor.drags.release()
    path = str(tmp_path / "scene.mrb")
    slicer.mrmlScene.WriteToMRB(path, None)
    slicer.mrmlScene.Clear(0)
    assert slicer.mrmlScene.ReadFromMRB(path, True, None)
    again = ContourEditor.resume()
    assert {n.GetName(): n.GetNumberOfControlPoints() for n in again.curves.nodes} == {
        n: len(p) for n, p in before.items()
    }
    for curve in again.curves.nodes:
        np.testing.assert_allclose(points_of(curve), before[curve.GetName()], atol=2e-3)
    for part, values in control.items():
        np.testing.assert_array_equal(again.current.state.control[part], values)
    np.testing.assert_array_equal(labels_in_scene(again), labels)
    np.testing.assert_allclose(again.current.editedPlanes("endocardium"), planes)
    assert not again.isForeign()
    drags = ContourDrags(again)
    node = again.curves.node("Red", "endocardium")
    dropped = drag_point(node, 2, outwards(node, 2, 3.0))
    np.testing.assert_allclose(points_of(node)[2], dropped, atol=0.1)
    assert_mask_is_that_of_the_surfaces(again)
    drags.release()


def test_a_damaged_memory_is_named_with_the_remedy(editor):
    ContourMemory.node().SetText('{"format": 1, "phases": {"0": {}}}')
    with pytest.raises(LVMError, match="Delete this node"):
        ContourEditor.resume()


def test_random_actions_never_part_mask_from_contours_and_undo_leads_back(editor):
    rng, start = np.random.default_rng(5), labels_in_scene(editor)
    before = len(editor.said)
    for action in rng.choice(["drag", "scroll", "undo", "redo", "push", "delete", "redraw", "planes"], 30):
        shown = [node for node in editor.curves.nodes if node.GetDisplayNode().GetVisibility()]
        if not shown:
            SceneViews.showPlanes(editor.axes())
            continue
        node = shown[rng.integers(len(shown))]
        if action == "drag":
            editor.drags.radiusMm = float(rng.uniform(5, 60))
            drag_point(node, int(rng.integers(node.GetNumberOfControlPoints())), rng.normal(0, 4.0, 3), moves=2)
        elif action == "scroll":
            SceneViews.shiftSlice(SceneViews.sliceNodeOf(editor.curves.viewOf(node)), float(rng.normal(0, 10)))
        elif action == "push":
            editor.push(None, points_of(node)[0], float(rng.normal(0, 3)), 30.0)
        elif action == "delete":
            slicer.mrmlScene.RemoveNode(node)
        elif action == "redraw":
            slicer.util.updateMarkupsControlPointsFromArray(node, points_of(node) + rng.normal(0, 1.0, 3), world=True)
        elif action == "planes":
            SceneViews.showScannerPlanes() if rng.integers(2) else SceneViews.showPlanes(editor.axes())
        else:
            getattr(editor, action)()
    assert_mask_is_that_of_the_surfaces(editor)
    assert len(editor.said) > before + 8
    while editor.current.history.undo_name != "contours from clicks":
        editor.undo()
    np.testing.assert_array_equal(labels_in_scene(editor), start)
