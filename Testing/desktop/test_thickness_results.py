"""What the LVMThickness panel shows of a measurement: phases, points on the wall, segments; reopened scenes, too."""

from __future__ import annotations

import time

import numpy as np
import pytest
from desktop_helpers import labelled_sequence, settle, wait_until

PHASES = (0, 1, 2, 3)
TUBES = "LVM.Streamlines"


@pytest.fixture
def measured(desktop):
    """The panel after all phases of a beating shell were measured: its wall is 8 mm at phase 0, 16 mm at phase 2."""
    volume, segmentation, _labels = labelled_sequence(phases=PHASES)
    widget = desktop.open_module("LVMThickness")
    widget.parameters.segmentation = segmentation
    widget.parameters.referenceVolume = volume
    widget.ui.phasesComboBox.currentIndex = 1
    widget.ui.applyButton.click()
    settle(desktop)
    assert widget.parameters.surface is not None, widget.ui.statusLabel.text
    yield widget
    desktop.leave_module("LVMThickness")


@pytest.fixture
def reopened(desktop, measured, tmp_path):
    """The same panel after the scene was saved with a point on the wall, closed and opened again."""
    import slicer

    panel = measured
    panel.ui.probeButton.click()
    panel.logic.probes(panel.parameters.surface).AddControlPoint(0.0, 0.0, -32.0)
    panel.parameters.density = 50.0
    settle(desktop)
    path = str(tmp_path / "scene.mrb")
    assert slicer.mrmlScene.WriteToMRB(path)
    slicer.mrmlScene.Clear(0)
    settle(desktop)
    assert panel.parameters.surface is None
    assert slicer.mrmlScene.ReadFromMRB(path, False)
    settle(desktop)
    return panel


def median(panel):
    import slicer

    return float(np.nanmedian(slicer.util.arrayFromModelPointData(panel.parameters.surface, "thickness_mm")))


def picture(label):
    """The bull's-eye's pixels (H, W, 3) and its middle."""
    image = label._object.pixmap().toImage().convertToFormat(_rgb888())
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def _rgb888():
    from PySide6.QtGui import QImage

    return QImage.Format.Format_RGB888


def test_every_phase_has_its_own_thickness_and_the_slider_shows_it(desktop, measured):
    from LVMThicknessLib import MRMLAdapter as Adapter

    assert Adapter.measuredPhases(measured.parameters.surface) == list(PHASES)
    assert "4 phases measured" in measured.ui.statusLabel.text
    found = []
    for phase in PHASES:
        measured.ui.phaseSeekWidget.slider().value = phase
        settle(desktop)
        found.append(median(measured))
    np.testing.assert_allclose(found, [8.0, 12.0, 16.0, 12.0], atol=0.5)


def test_ed_and_es_are_the_widest_and_the_narrowest_phase(desktop, measured):
    measured.ui.esButton.click()
    settle(desktop)
    assert "end-systole" in measured.ui.phaseLabel.text
    assert median(measured) == pytest.approx(16.0, abs=0.5)
    measured.ui.edButton.click()
    settle(desktop)
    assert "end-diastole" in measured.ui.phaseLabel.text
    assert median(measured) == pytest.approx(8.0, abs=0.5)


def test_tubes_tables_and_bullseye_follow_the_phase(desktop, measured):
    table = measured.ui.statisticsTableView.mrmlTableNode().GetTable
    tubes = measured.parameters.surface.GetNodeReference(TUBES)
    before, pixels = tubes.GetPolyData().GetMTime(), picture(measured.ui.bullseyeLabel).copy()
    assert table().GetValueByName(0, "Value").ToDouble() == pytest.approx(8.0, abs=0.5)
    measured.ui.esButton.click()
    settle(desktop)
    assert table().GetValueByName(0, "Value").ToDouble() == pytest.approx(16.0, abs=0.5)
    assert tubes.GetPolyData().GetMTime() > before
    assert (picture(measured.ui.bullseyeLabel) != pixels).any()


def test_the_bullseye_says_of_which_phase_its_numbers_are(desktop, measured, monkeypatch):
    from LVMThicknessLib.BullseyeView import BullseyeView

    written = []
    monkeypatch.setattr(BullseyeView, "_write", staticmethod(lambda _painter, text, *_rest: written.append(text)))
    for button, phase in ((measured.ui.esButton, "ES"), (measured.ui.edButton, "ED")):
        button.click()
        settle(desktop)
        assert f"Median wall thickness per segment (mm), {phase}" in written


def test_the_tubes_follow_the_phase_also_when_another_module_is_shown(desktop, measured):
    from LVMThicknessLib import MRMLAdapter as Adapter

    surface, tubes = measured.parameters.surface, measured.parameters.surface.GetNodeReference(TUBES)
    before = tubes.GetPolyData().GetMTime()
    desktop.leave_module("LVMThickness")
    Adapter.showPhase(Adapter.browserAndSequence(surface)[0], 2)
    settle(desktop)
    assert tubes.GetPolyData().GetMTime() > before
    desktop.open_module("LVMThickness")


def test_play_runs_through_the_measured_phases_and_stop_ends_it(desktop, measured):
    from LVMThicknessLib import MRMLAdapter as Adapter

    browser, _ = Adapter.browserAndSequence(measured.parameters.surface)
    seen = set()
    tag = browser.AddObserver("ModifiedEvent", lambda caller, event: seen.add(caller.GetSelectedItemNumber()))
    measured.parameters.playRate = 25.0
    measured.ui.playButton.click()
    assert measured.ui.playButton.text == "Stop"
    wait_until(desktop, lambda: seen == set(PHASES))
    browser.RemoveObserver(tag)
    measured.ui.playButton.click()
    assert measured.ui.playButton.text == "Play"
    stopped, begin = browser.GetSelectedItemNumber(), time.monotonic()
    wait_until(desktop, lambda: time.monotonic() - begin > 5 / measured.parameters.playRate)
    assert browser.GetSelectedItemNumber() == stopped


def test_ed_to_es_leaves_out_the_way_back(desktop, measured):
    from LVMThicknessLib import MRMLAdapter as Adapter

    browser, _ = Adapter.browserAndSequence(measured.parameters.surface)
    measured.ui.playEDToESCheckBox.checked = True
    panel = next(panel for panel in measured.panels if type(panel).__name__ == "PhasePanel")
    seen = []
    for _ in range(5):
        panel.step()
        seen.append(browser.GetSelectedItemNumber())
    assert seen == [1, 2, 0, 1, 2]


def test_the_surface_shows_thickening_of_the_wall_in_percent(desktop, measured):
    measured.ui.surfaceShowsComboBox.currentIndex = 1
    settle(desktop)
    display = measured.parameters.surface.GetDisplayNode()
    assert display.GetActiveScalarName() == "thickening_percent"
    assert display.GetScalarRange() == (measured.parameters.thickeningMinimum, measured.parameters.thickeningMaximum)
    import slicer

    percent = slicer.util.arrayFromModelPointData(measured.parameters.surface, "thickening_percent")
    assert np.nanmedian(percent) == pytest.approx(100.0, abs=10.0)
    columns = [measured.ui.segmentTableView.mrmlTableNode().GetColumnName(n) for n in range(4)]
    assert "Thickening %" in columns


def test_one_phase_has_no_animation_and_no_thickening_and_says_why(desktop, measured):
    measured.ui.phasesComboBox.currentIndex = 0
    measured.ui.applyButton.click()
    settle(desktop)
    assert not measured.ui.playButton.enabled
    assert "all labelled phases" in measured.ui.playButton.toolTip
    assert not measured.ui.surfaceShowsComboBox.enabled
    assert "all labelled phases" in measured.ui.surfaceShowsComboBox.toolTip


def test_a_phase_that_was_not_measured_shows_no_surface_and_no_old_numbers(desktop, measured):
    slider = measured.ui.phaseSeekWidget.slider()
    slider.value = 2
    settle(desktop)
    measured.ui.phasesComboBox.currentIndex = 0
    measured.ui.applyButton.click()
    settle(desktop)
    assert "measured" in measured.ui.phaseLabel.text
    assert median(measured) == pytest.approx(16.0, abs=0.5)
    slider.value = 1
    settle(desktop)
    assert "not measured" in measured.ui.phaseLabel.text
    assert measured.parameters.surface.GetPolyData().GetNumberOfPoints() == 0
    assert measured.parameters.surface.GetNodeReference(TUBES).GetPolyData().GetNumberOfPoints() == 0
    assert measured.ui.statisticsTableView.mrmlTableNode() is None
    slider.value = 2
    settle(desktop)
    assert median(measured) == pytest.approx(16.0, abs=0.5)
    assert measured.ui.statisticsTableView.mrmlTableNode() is not None


def test_all_phases_need_a_4d_segmentation_and_an_automatic_base(desktop):
    from LVMTransferLib.SelfTest import shellInScene

    shellInScene()
    panel = desktop.open_module("LVMThickness")
    panel.ui.phasesComboBox.currentIndex = 1
    assert not panel.ui.applyButton.enabled
    assert "4D" in panel.ui.applyButton.toolTip
    panel.ui.baseFromComboBox.currentIndex = 2
    assert "one phase only" in panel.ui.applyButton.toolTip
    assert "mitral valve" in panel.ui.applyButton.toolTip
    desktop.leave_module("LVMThickness")


def test_a_click_shows_the_thickness_there_and_highlights_its_streamline(desktop, measured):
    import slicer
    from LVMThicknessLib import MRMLAdapter as Adapter

    surface = measured.parameters.surface
    assert measured.ui.probeLabel.text == "No point yet"
    measured.ui.probeButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    markups = Adapter.belonging(surface, Adapter.PROBES)
    assert selection.GetActivePlaceNodeID() == markups.GetID()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    markups.AddControlPoint(0.0, 0.0, -32.0)
    settle(desktop)
    assert markups.GetNthControlPointLabel(0) == measured.ui.probeLabel.text.split(" ", 1)[1].split(",")[0]
    assert float(markups.GetNthControlPointLabel(0).split()[0]) == pytest.approx(8.0, abs=1.0)
    assert "apex (17)" in measured.ui.probeLabel.text
    line = slicer.util.arrayFromModelPoints(Adapter.belonging(surface, Adapter.PROBE_LINES))
    assert np.abs(line[:, :2]).max() < 3.0
    assert np.ptp(line[:, 2]) == pytest.approx(8.0, abs=1.0)
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)


def test_a_dragged_point_and_a_new_phase_change_its_label(desktop, measured):
    markups = measured.logic.probes(measured.parameters.surface)
    measured.refresh()
    markups.AddControlPoint(0.0, 0.0, -32.0)
    settle(desktop)
    before = markups.GetNthControlPointLabel(0)
    measured.ui.esButton.click()
    settle(desktop)
    assert float(markups.GetNthControlPointLabel(0).split()[0]) > float(before.split()[0]) + 6.0
    markups.SetNthControlPointPosition(0, 0.0, 0.0, 200.0)
    settle(desktop)
    assert markups.GetNthControlPointLabel(0) == "no wall"
    measured.ui.clearProbesButton.click()
    settle(desktop)
    assert measured.ui.probeLabel.text == "No point yet"
    assert not measured.ui.clearProbesButton.enabled


def test_the_bullseye_has_the_surfaces_colours_and_the_table_seventeen_segments(desktop, measured):
    from LVMLib.thickness.bullseye import colours_of

    table = measured.ui.segmentTableView.mrmlTableNode().GetTable()
    assert table.GetNumberOfRows() == 18
    apex = table.GetValueByName(16, "Median mm").ToDouble()
    limits = measured.parameters.rangeMinimum, measured.parameters.rangeMaximum
    pixels = picture(measured.ui.bullseyeLabel)
    expected = colours_of(np.array([apex]), limits)[0]
    assert (np.abs(pixels.astype(int) - expected).max(axis=-1) <= 1).sum() > 500
    measured.ui.segmentModelComboBox.currentIndex = 1
    settle(desktop)
    assert measured.ui.segmentTableView.mrmlTableNode().GetTable().GetNumberOfRows() == 17


def test_without_an_rv_insertion_the_segments_are_said_to_be_estimated(desktop, measured):
    import slicer

    assert "ESTIMATED" in measured.ui.orientationLabel.text
    points = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "RV insertion")
    points.AddControlPoint(0.0, 32.0, -10.0)
    measured.parameters.rvInsertion = points
    measured.ui.applyButton.click()
    settle(desktop)
    assert "ESTIMATED" not in measured.ui.orientationLabel.text
    assert "anterior RV insertion" in measured.ui.orientationLabel.text


def test_the_histogram_is_a_chart_of_the_scene_in_a_plot_layout(desktop, measured):
    import slicer
    from LVMThicknessLib import MRMLAdapter as Adapter

    measured.ui.histogramButton.click()
    chart = Adapter.belonging(measured.parameters.surface, Adapter.HISTOGRAM)
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == chart.GetID()
    table = chart.GetNthPlotSeriesNode(0).GetTableNode().GetTable()
    share = [table.GetValue(row, 1).ToDouble() for row in range(table.GetNumberOfRows())]
    assert sum(share) == pytest.approx(100.0, abs=0.2)
    measured.ui.histogramButton.click()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1


def test_the_thickness_over_the_cycle_is_a_chart_and_goes_with_the_phases(desktop, measured):
    import slicer

    measured.ui.cycleButton.click()
    surface = measured.parameters.surface
    chart = surface.GetNodeReference("LVM.Cycle")
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlotChartID() == chart.GetID()
    table = surface.GetNodeReference("LVM.CycleTable").GetTable()
    medians = [table.GetValueByName(row, "Median mm").ToDouble() for row in range(4)]
    np.testing.assert_allclose(medians, [8.0, 12.0, 16.0, 12.0], atol=0.5)
    measured.ui.phasesComboBox.currentIndex = 0
    measured.ui.applyButton.click()
    settle(desktop)
    assert not measured.ui.cycleButton.enabled
    assert surface.GetNodeReference("LVM.Cycle") is None


def test_a_reopened_scene_needs_no_new_measurement(desktop, reopened):
    tubes = reopened.parameters.surface.GetNodeReference(TUBES)
    before = tubes.GetPolyData().GetNumberOfPoints()
    reopened.ui.densitySlider.value = 10
    reopened.ui.colorByComboBox.currentIndex = 1
    settle(desktop)
    assert tubes.GetPolyData().GetNumberOfPoints() < before / 4
    assert tubes.GetDisplayNode().GetActiveScalarName() == "potential"
    reopened.ui.esButton.click()
    settle(desktop)
    assert median(reopened) == pytest.approx(16.0, abs=0.5)
    assert float(reopened.ui.probeLabel.text.split()[1]) == pytest.approx(16.0, abs=1.0)
    assert reopened.ui.segmentTableView.mrmlTableNode().GetTable().GetNumberOfRows() == 18
    assert "ESTIMATED" in reopened.ui.orientationLabel.text
    assert reopened.ui.playButton.enabled
    assert picture(reopened.ui.bullseyeLabel).std() > 10
    reopened.ui.surfaceShowsComboBox.currentIndex = 1
    settle(desktop)
    assert reopened.parameters.surface.GetDisplayNode().GetActiveScalarName() == "thickening_percent"


def test_no_value_is_still_grey_in_a_reopened_scene(reopened):
    from LVMThicknessLib.ThicknessColors import NAN_COLOR

    for node in (reopened.parameters.surface, reopened.parameters.surface.GetNodeReference(TUBES)):
        table = node.GetDisplayNode().GetColorNode().GetLookupTable()
        np.testing.assert_allclose(table.GetNanColor()[:3], NAN_COLOR)


def test_a_second_legend_explains_lines_in_other_colours_than_the_surface(desktop, measured):
    import slicer

    def shown():
        legends = slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode")
        return {
            legend.GetTitleText().split(" (")[0]: legend.GetPosition()[0]
            for legend in legends
            if legend.GetVisibility()
        }

    assert list(shown()) == ["LV wall thickness"]
    measured.ui.colorByComboBox.currentIndex = 1
    settle(desktop)
    found = shown()
    assert set(found) == {"LV wall thickness", "Potential"}
    assert found["Potential"] < 0.5 < found["LV wall thickness"]
    measured.ui.colorByComboBox.currentIndex = 0
    settle(desktop)
    assert list(shown()) == ["LV wall thickness"]


def test_the_segmentation_does_not_cover_the_thickness_and_the_outline_lies_on_the_ct(desktop, measured):
    segmentation, display = (
        measured.parameters.segmentation.GetDisplayNode(),
        measured.parameters.surface.GetDisplayNode(),
    )
    assert not segmentation.GetVisibility3D()
    assert segmentation.GetVisibility()
    assert display.GetVisibility3D() and display.GetVisibility2D()
    measured.ui.showOutlineCheckBox.checked = False
    settle(desktop)
    assert display.GetVisibility3D() and not display.GetVisibility2D()
    measured.ui.showSurfaceCheckBox.checked = False
    measured.ui.showEndocardiumCheckBox.checked = True
    settle(desktop)
    assert not display.GetVisibility()
    endocardium = measured.parameters.surface.GetNodeReference("LVM.Endocardium").GetDisplayNode()
    assert endocardium.GetVisibility3D()
    assert endocardium.GetActiveScalarName() == "thickness_mm"
    assert endocardium.GetScalarRange() == display.GetScalarRange()


@pytest.mark.parametrize("role", [TUBES, "LVM.Lines", "LVM.Statistics", "LVM.Segments", "LVM.HistogramTable"])
def test_a_deleted_part_of_the_result_breaks_nothing(desktop, measured, role):
    import slicer

    slicer.mrmlScene.RemoveNode(measured.parameters.surface.GetNodeReference(role))
    measured.ui.esButton.click()
    measured.parameters.tubeRadius = 0.4
    measured.logic.probes(measured.parameters.surface).AddControlPoint(0.0, 0.0, -32.0)
    settle(desktop)
    measured.ui.applyButton.click()
    settle(desktop)
    assert measured.parameters.surface.GetNodeReference(role) is not None


def test_a_deleted_surface_leaves_an_empty_panel(desktop, measured):
    import slicer

    slicer.mrmlScene.RemoveNode(measured.parameters.surface)
    settle(desktop)
    assert not measured.ui.probeButton.enabled
    assert not measured.ui.playButton.enabled
    assert measured.ui.statisticsTableView.mrmlTableNode() is None
    measured.ui.applyButton.click()
    settle(desktop)
    assert measured.ui.probeButton.enabled


def test_moving_a_display_slider_leaves_the_tables_alone(desktop, measured):
    calls, summarize = [], measured.logic.summarize
    measured.logic.summarize = lambda *arguments: calls.append(summarize(*arguments))
    try:
        measured.ui.tubeRadiusSlider.value = 0.5
        settle(desktop)
        assert calls == []
        measured.ui.esButton.click()
        settle(desktop)
        assert len(calls) == 1
    finally:
        del measured.logic.summarize


def test_many_slider_moves_are_drawn_once(desktop, measured):
    calls, draw = [], measured.logic.drawStreamlines
    measured.logic.drawStreamlines = lambda *arguments, **options: calls.append(draw(*arguments, **options))
    try:
        for value in np.linspace(10, 90, 30):
            measured.ui.densitySlider.value = float(value)
        settle(desktop)
    finally:
        del measured.logic.drawStreamlines
    assert len(calls) == 1
