"""The LVMThickness panel on the stand-in desktop, on a shell whose wall thickness is known."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from desktop_helpers import settle


def belonging(panel, role):
    """The node that belongs to the panel's surface in a role."""
    return panel.parameters.surface.GetNodeReference(role)


@pytest.fixture
def shell(desktop):
    """Volume and segmentation of a 10 mm wall in the scene."""
    from LVMTransferLib.SelfTest import shellInScene

    return shellInScene()


@pytest.fixture
def panel(desktop, shell):
    """The module's widget, opened on the shell."""
    widget = desktop.open_module("LVMThickness")
    yield widget
    desktop.leave_module("LVMThickness")


def test_the_module_depends_on_the_module_that_holds_the_library(desktop):
    module = desktop.load_module("LVMThickness")
    assert module.dependencies == ["LVMTransfer"]
    assert module.categories == ["Cardiac"]
    assert "Gupta" in module.acknowledgementText


def test_the_segments_are_found_by_terminology_and_apply_is_ready(panel, shell):
    assert panel.parameters.segmentation is shell[1]
    assert "LV" in panel.ui.segmentsLabel.text
    assert panel.ui.applyButton.enabled


def test_a_segmentation_without_terminology_says_so_and_keeps_apply_off(panel):
    import slicer

    plain = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "plain")
    plain.GetSegmentation().AddEmptySegment("LV myocardium")
    panel.ui.segmentationSelector.setCurrentNode(plain)
    assert not panel.ui.applyButton.enabled
    assert "terminology" in panel.ui.applyButton.toolTip
    assert "plain" in panel.ui.segmentsLabel.text


def test_apply_measures_ten_millimetres_and_fills_surface_tubes_and_table(desktop, panel):
    import slicer

    panel.ui.applyButton.click()
    settle(desktop)
    surface, tubes = panel.parameters.surface, belonging(panel, "LVM.Streamlines")
    assert surface is not None, panel.ui.statusLabel.text
    thickness = slicer.util.arrayFromModelPointData(surface, "thickness_mm")
    assert np.nanmedian(thickness) == pytest.approx(10.0, abs=0.2)
    assert tubes.GetPolyData().GetNumberOfPoints() > 1000
    statistics = belonging(panel, "LVM.Statistics")
    assert statistics.GetTable().GetValueByName(0, "Statistic").ToString() == "Median"
    assert panel.ui.statisticsTableView.mrmlTableNode() is statistics
    assert "Median 10." in panel.ui.statusLabel.text or "Median 9.9" in panel.ui.statusLabel.text


def test_what_is_wrong_with_the_mask_stands_beside_the_number(desktop, panel, monkeypatch):
    measure, note = panel.logic.measure, "The wall is in several pieces."
    monkeypatch.setattr(panel.logic, "measure", lambda *given, **more: replace(measure(*given, **more), notes=(note,)))
    panel.ui.applyButton.click()
    settle(desktop)
    assert "Median" in panel.ui.statusLabel.text and note in panel.ui.statusLabel.text


def test_applying_again_reuses_the_output_nodes(panel):
    panel.ui.applyButton.click()
    roles = ("LVM.Lines", "LVM.Streamlines", "LVM.Statistics", "LVM.Segments", "LVM.HistogramTable")
    first = [panel.parameters.surface, *(belonging(panel, role) for role in roles)]
    assert None not in first
    panel.ui.applyButton.click()
    assert [panel.parameters.surface, *(belonging(panel, role) for role in roles)] == first


def test_an_earlier_result_can_be_looked_at_again(desktop, panel):
    panel.ui.applyButton.click()
    first, tubes = panel.parameters.surface, belonging(panel, "LVM.Streamlines")
    panel.ui.surfaceSelector.setCurrentNode(None)
    panel.ui.applyButton.click()
    assert panel.parameters.surface is not first
    assert belonging(panel, "LVM.Streamlines") is not tubes
    panel.ui.surfaceSelector.setCurrentNode(first)
    settle(desktop)
    assert panel.ui.statisticsTableView.mrmlTableNode() is belonging(panel, "LVM.Statistics")


def test_an_empty_output_node_of_the_radiologist_is_used(panel):
    own = panel.ui.surfaceSelector.addNode()
    own.SetName("my surface")
    panel.ui.applyButton.click()
    assert panel.parameters.surface is own
    assert own.GetPolyData().GetNumberOfPoints() > 0
    assert own.GetDisplayNode().GetScalarVisibility()
    assert own.GetName() == "my surface"


def test_density_radius_and_color_redraw_the_tubes(desktop, panel):
    panel.ui.applyButton.click()
    settle(desktop)
    tubes = belonging(panel, "LVM.Streamlines")
    before = tubes.GetPolyData().GetNumberOfPoints()
    panel.ui.densitySlider.value = 5
    settle(desktop)
    assert tubes.GetPolyData().GetNumberOfPoints() < before / 2
    panel.ui.colorByComboBox.currentIndex = 1
    settle(desktop)
    assert tubes.GetDisplayNode().GetActiveScalarName() == "potential"
    assert tubes.GetDisplayNode().GetScalarRange() == (0.0, 1.0)
    panel.ui.showStreamlinesCheckBox.checked = False
    settle(desktop)
    assert not tubes.GetDisplayNode().GetVisibility()


def test_the_color_range_of_the_panel_is_that_of_the_surface(desktop, panel):
    panel.ui.applyButton.click()
    settle(desktop)
    display = panel.parameters.surface.GetDisplayNode()
    assert display.GetScalarRange() == (panel.parameters.rangeMinimum, panel.parameters.rangeMaximum)
    panel.ui.rangeMaximumSpinBox.value = 15.0
    settle(desktop)
    assert display.GetScalarRange()[1] == 15.0


def test_a_plane_markup_cuts_the_base_whichever_way_it_looks(panel):
    import slicer

    plane = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "base")
    plane.SetOriginWorld(0.0, 0.0, -4.0)
    for normal in ((0.0, 0.0, 1.0), (0.0, 0.0, -1.0)):
        plane.SetNormalWorld(*normal)
        panel.ui.baseFromComboBox.currentIndex = 1
        panel.ui.basePlaneSelector.setCurrentNode(plane)
        panel.ui.applyButton.click()
        points = slicer.util.arrayFromModelPoints(panel.parameters.surface)
        assert points[:, 2].max() < -3.0, panel.ui.statusLabel.text


def test_closed_curves_along_the_valves_cut_the_base(desktop, panel):
    import slicer

    curve = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "mitral")
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        curve.AddControlPoint(20 * np.cos(angle), 20 * np.sin(angle), -6.0)
    panel.ui.baseFromComboBox.currentIndex = 2
    assert not panel.ui.applyButton.enabled
    assert "mitral" in panel.ui.applyButton.toolTip
    panel.ui.mitralCurveSelector.setCurrentNode(curve)
    panel.ui.applyButton.click()
    points = slicer.util.arrayFromModelPoints(panel.parameters.surface)
    assert points[:, 2].max() < -5.0, panel.ui.statusLabel.text


def test_a_plane_that_misses_the_heart_shows_the_remedy(desktop, panel):
    import slicer

    plane = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "far")
    plane.SetOriginWorld(0.0, 0.0, 300.0)
    plane.SetNormalWorld(0.0, 0.0, 1.0)
    panel.ui.baseFromComboBox.currentIndex = 1
    panel.parameters.basePlane = plane
    with desktop.expected_messages() as shown:
        panel.ui.applyButton.click()
    assert len(shown) == 1
    assert "plane" in shown[0]
    assert panel.ui.statusLabel.text == shown[0]


def test_cancel_stops_the_measurement_and_makes_no_nodes(panel):
    def measure(node, **options):
        options["progress"](0.2, "surfaces")
        panel.ui.cancelButton.click()
        options["progress"](0.3, "solving")
        raise AssertionError("the measurement went on after Cancel")

    panel.logic.measure = measure
    try:
        panel.ui.applyButton.click()
    finally:
        del panel.logic.measure
    assert panel.ui.statusLabel.text == "Cancelled. Nothing was changed."
    assert panel.parameters.surface is None


@pytest.mark.parametrize("fraction", [0.15, 0.4])
def test_cancel_ends_a_real_measurement_at_its_next_report(panel, fraction):
    measure, reports, threads = panel.logic.measure, [], set(threading.enumerate())

    def cancelled(node, *, progress, **options):
        def report(done, message):
            reports.append(done)
            if done >= fraction:
                panel.ui.cancelButton.click()
            progress(done, message)

        return measure(node, progress=report, **options)

    panel.logic.measure = cancelled
    try:
        panel.ui.applyButton.click()
    finally:
        del panel.logic.measure
    assert sum(done >= fraction for done in reports) == 1
    assert set(threading.enumerate()) <= threads
    assert panel.ui.statusLabel.text == "Cancelled. Nothing was changed."
    assert panel.parameters.surface is None


def test_a_defect_is_shown_and_raised_not_swallowed(desktop, panel):
    from host.proxy import clear_slot_errors

    def measure(node, **options):
        raise ZeroDivisionError("a defect")

    panel.logic.measure = measure
    try:
        with desktop.expected_messages() as shown:
            panel.ui.applyButton.click()
    finally:
        del panel.logic.measure
    assert [type(error) for error in clear_slot_errors()] == [ZeroDivisionError]
    assert "defect" in shown[0]
    assert panel.ui.applyButton.enabled


def test_closing_the_scene_forgets_the_measurement(panel):
    import slicer

    panel.ui.applyButton.click()
    slicer.mrmlScene.Clear(0)
    assert not panel.ui.probeButton.enabled
    assert not panel.ui.applyButton.enabled
    assert panel.ui.statisticsTableView.mrmlTableNode() is None


def test_the_modules_own_self_test_passes(panel):
    sys.modules["LVMThickness"].LVMThicknessTest().runTest()
