"""The thickness logic from a script, without a desktop: measure, show, ask at a point, save and open again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import slicer
from LVMLib.errors import LabelError, LVMError
from LVMLib.imaging.sequence import ArrayFrames, Sequence
from LVMThicknessLib import MRMLAdapter as Adapter
from LVMThicknessLib.SceneThickness import SceneThickness
from LVMTransferLib import MRMLAdapter
from LVMTransferLib.SelfTest import shellInScene, shellLabels
from mrml_helpers import axial, noise, shell

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("scene")
# Radii of the cavity at each phase, mm; the outer radius is 26 mm.
INNER = (20.0, 17.0, 14.0)
# What every measurement has, then what is made when it is asked for.
ROLES = (
    Adapter.ENDOCARDIUM, Adapter.LINES, Adapter.TUBES, Adapter.STATISTICS, Adapter.SEGMENT_TABLE,
    Adapter.HISTOGRAM_TABLE, Adapter.HISTOGRAM, Adapter.CYCLE_TABLE, Adapter.CYCLE, Adapter.PROBES,
    Adapter.PROBE_LINES,
)  # fmt: skip


@pytest.fixture
def logic():
    return SceneThickness()


def beating(phases=(0, 1, 2)):
    """A 4D CT of three phases with labels at some of them: concentric half shells."""
    grid = axial(shape=(48, 44, 44))
    volume, _, _ = MRMLAdapter.sequenceToScene(
        Sequence(grid, ArrayFrames(noise(grid, phases=3)), (0.0, 30.0, 60.0), {}, "ct"), "ct"
    )
    labels = {}
    for phase in phases:
        labels[phase] = shell(grid, inner=INNER[phase], outer=26.0)
        labels[phase][30:] = 0
    node, _ = MRMLAdapter.segmentationSequence(labels, grid, "LV", volume)
    return volume, node


def fiducials(*points):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")
    for point in points:
        node.AddControlPoint(*[float(value) for value in point])
    return node


def test_one_phase_is_measured_and_shown(logic):
    _, node = shellInScene()
    measurement = logic.measure(node)
    assert measurement.result.statistics.median_mm == pytest.approx(10.0, abs=0.1)
    assert (measurement.ed, measurement.es, measurement.thickening) == (0, 0, {})
    surface = logic.show(measurement, "shell")
    for role in (
        Adapter.ENDOCARDIUM,
        Adapter.LINES,
        Adapter.TUBES,
        Adapter.STATISTICS,
        Adapter.SEGMENT_TABLE,
        Adapter.HISTOGRAM_TABLE,
    ):
        assert Adapter.belonging(surface, role) is not None, role
    assert Adapter.browserAndSequence(surface) == (None, None)
    assert logic.cycleCurve(surface) is None


def test_measuring_does_not_touch_the_scene(logic):
    _, node = shellInScene()
    before = slicer.mrmlScene.GetNumberOfNodes()
    logic.measure(node)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_every_labelled_phase_is_measured_and_unlabelled_ones_stay_empty(logic):
    _, node = beating(phases=(0, 2))
    measurement = logic.measureCycle(node)
    assert list(measurement.results) == [0, 2]
    assert (measurement.ed, measurement.es) == (0, 2)
    medians = [result.statistics.median_mm for result in measurement.results.values()]
    np.testing.assert_allclose(medians, [6.0, 12.0], atol=0.15)
    surface = logic.show(measurement, "LV", segmentationNode=node)
    browser, _ = Adapter.browserAndSequence(surface)
    assert Adapter.measuredPhases(surface) == [0, 2]
    Adapter.showPhase(browser, 1)
    assert surface.GetPolyData().GetNumberOfPoints() == 0
    logic.summarize(surface)
    logic.drawStreamlines(surface)
    assert Adapter.belonging(surface, Adapter.TUBES).GetPolyData().GetNumberOfPoints() == 0


def test_the_endocardium_has_the_thickness_segments_and_thickening_of_the_wall_over_it(logic):
    _, node = beating()
    surface = logic.show(logic.measureCycle(node), "LV", segmentationNode=node)
    browser, _ = Adapter.browserAndSequence(surface)
    for phase, wall in ((0, 6.0), (2, 12.0)):
        Adapter.showPhase(browser, phase)
        endocardium = Adapter.belonging(surface, Adapter.ENDOCARDIUM)
        points = slicer.util.arrayFromModelPoints(endocardium)
        radius = np.linalg.norm(points - points[:, :].mean(0), axis=1)
        assert radius.max() < 26.0
        assert np.nanmedian(Adapter.surfaceArray(endocardium, Adapter.THICKNESS)) == pytest.approx(wall, abs=0.2)
        assert np.nanmedian(Adapter.surfaceArray(endocardium, Adapter.THICKENING)) == pytest.approx(100.0, abs=6.0)
        own, over = (Adapter.surfaceArray(each, Adapter.SEGMENT) for each in (endocardium, surface))
        assert set(own) == set(over)


def test_thickening_is_the_same_at_corresponding_places_of_every_phase(logic):
    _, node = beating()
    measurement = logic.measureCycle(node)
    for phase, percent in measurement.thickening.items():
        assert len(percent) == len(measurement.results[phase].points)
        assert np.isfinite(percent).mean() > 0.8
        assert np.nanmedian(percent) == pytest.approx(100.0, abs=6.0)


def test_new_measurements_leave_no_stray_nodes(logic):
    _, node = beating()
    measurement = logic.measureCycle(node)
    surface = logic.show(measurement, "LV", segmentationNode=node)
    counts = [slicer.mrmlScene.GetNumberOfNodesByClass(name) for name in ("vtkMRMLModelNode", "vtkMRMLSequenceNode")]
    assert counts == [4, 5]
    logic.show(measurement, "LV", segmentationNode=node, surface=surface)
    logic.show(logic.measure(node), "LV", surface=surface)
    counts = [slicer.mrmlScene.GetNumberOfNodesByClass(name) for name in ("vtkMRMLModelNode", "vtkMRMLSequenceNode")]
    assert counts == [4, 2]


def test_a_single_segmentation_has_no_cycle_and_says_what_to_do(logic):
    _, node = shellInScene()
    with pytest.raises(LabelError, match="Measure the phase shown"):
        logic.measureCycle(node)


def test_rv_insertions_turn_the_segments(logic):
    _, node = shellInScene()
    assert logic.measure(node).orientation == "estimated"
    measurement = logic.measure(node, rvInsertion=fiducials((0, 25, -10)))
    assert measurement.orientation == "one insertion"
    result, segments = measurement.result, measurement.arrays(0)[Adapter.SEGMENT]
    # 30 degrees beyond the anterior insertion, away from the septum, lies the middle of the anterior segment.
    frame = measurement.frames[0]
    at = frame.base + 10 * frame.axis + 25 * (np.cos(np.pi / 6) * np.array([0, 1, 0]))
    away = at - 25 * np.sin(np.pi / 6) * np.cross(frame.axis, [0, 1, 0])
    nearest = np.linalg.norm(result.points - away, axis=1).argmin()
    assert segments[nearest] in (1, 7)
    with pytest.raises(LVMError, match="axis"):
        logic.measure(node, rvInsertion=fiducials((0, 0, -10)))


def test_a_point_inside_the_wall_belongs_to_the_streamline_beside_it(logic):
    _, node = shellInScene()
    surface = logic.show(logic.measure(node), "shell")
    markups = logic.probes(surface)
    for z in (-30.0, -25.0, -10.0):
        markups.AddControlPoint(0.0, 0.0, z)
    outside, inside, cavity = logic.updateProbes(surface)
    assert outside.potential == 1.0
    # Between concentric spheres the potential is (1/20 - 1/r) / (1/20 - 1/30).
    assert inside.potential == pytest.approx((1 / 20 - 1 / 25) / (1 / 20 - 1 / 30), abs=0.1)
    assert outside.thicknessMm == pytest.approx(10.0, abs=0.1)
    assert inside.thicknessMm == pytest.approx(10.0, abs=0.1)
    assert cavity.vertex == -1
    labels = [markups.GetNthControlPointLabel(n) for n in range(3)]
    assert labels[0] == f"{outside.thicknessMm:.1f} mm"
    assert labels[2] == "no wall"


def test_a_point_on_grey_surface_says_why_there_is_no_value(logic):
    from LVMLib.thickness import REASONS

    labels, grid = shellLabels()
    k, j, i = np.indices(labels.shape) - 36
    labels[(i < 0) & (j**2 + (k + 12) ** 2 < 36) & (labels == 2)] = 0
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = MRMLAdapter.segmentationFromLabels(labels, grid, "holed", volume)
    surface = logic.show(logic.measure(node), "shell")
    thickness = Adapter.surfaceArray(surface, Adapter.THICKNESS)
    grey = np.flatnonzero(np.isnan(thickness))
    assert len(grey)
    logic.probes(surface).AddControlPoint(*surface.GetPolyData().GetPoint(int(grey[0])))
    (found,) = logic.updateProbes(surface)
    assert np.isnan(found.thicknessMm)
    assert found.reason in set(REASONS) - {0}


def test_probes_move_with_a_transformed_surface(logic):
    _, node = shellInScene()
    surface = logic.show(logic.measure(node), "shell")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = 100.0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    surface.SetAndObserveTransformNodeID(transform.GetID())
    logic.probes(surface).AddControlPoint(100.0, 100.0, 70.0)
    (found,) = logic.updateProbes(surface)
    assert found.thicknessMm == pytest.approx(10.0, abs=0.1)


def test_the_segment_table_is_that_of_the_library(logic):
    from LVMLib.thickness import segment_table

    _, node = shellInScene()
    measurement = logic.measure(node)
    surface = logic.show(measurement, "shell", segmentModel=16)
    segments = measurement.arrays(0)[Adapter.SEGMENT]
    expected = segment_table(measurement.result.thickness_mm, np.where(segments == 17, 0, segments), model=16)
    found = Adapter.segmentValues(Adapter.belonging(surface, Adapter.SEGMENT_TABLE), "Median mm")
    np.testing.assert_allclose(found, [row.median_mm for row in expected[:-1]], atol=0.006)


def test_the_histogram_counts_every_measured_vertex_once(logic):
    _, node = shellInScene()
    measurement = logic.measure(node)
    surface = logic.show(measurement, "shell")
    table = Adapter.belonging(surface, Adapter.HISTOGRAM_TABLE).GetTable()
    centers, share = (
        np.array([table.GetValue(row, column).ToDouble() for row in range(table.GetNumberOfRows())])
        for column in (0, 1)
    )
    assert share.sum() == pytest.approx(100.0, abs=0.1)
    thickness = measurement.result.thickness_mm
    inside = np.mean((thickness >= 9.5) & (thickness < 10.0)) / np.isfinite(thickness).mean()
    assert share[np.isclose(centers, 9.75)][0] == pytest.approx(100 * inside, abs=0.01)
    chart = logic.histogram(surface)
    assert chart.GetNthPlotSeriesNode(0).GetTableNode() is Adapter.belonging(surface, Adapter.HISTOGRAM_TABLE)


def test_a_saved_scene_holds_phases_lines_points_and_charts(logic, scene, tmp_path):
    _, node = beating()
    surface = logic.show(logic.measureCycle(node), "LV thickness", segmentationNode=node)
    logic.probes(surface).AddControlPoint(*surface.GetPolyData().GetPoint(500))
    logic.updateProbes(surface)
    logic.histogram(surface)
    logic.cycleCurve(surface)
    before = {role: Adapter.belonging(surface, role).GetName() for role in ROLES}
    thickness = Adapter.surfaceArray(surface, Adapter.THICKNESS).copy()
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"), False)
    surface = slicer.util.getNode("LV thickness")
    assert {role: Adapter.belonging(surface, role).GetName() for role in ROLES} == before
    np.testing.assert_array_equal(Adapter.surfaceArray(surface, Adapter.THICKNESS), thickness)
    assert Adapter.edAndEs(surface) == (0, 2)
    assert Adapter.measuredPhases(surface) == [0, 1, 2]
    browser, _ = Adapter.browserAndSequence(surface)
    Adapter.showPhase(browser, 2)
    logic.summarize(surface)
    logic.drawStreamlines(surface, density=0.5, colorBy="potential")
    tubes = Adapter.belonging(surface, Adapter.TUBES)
    assert tubes.GetDisplayNode().GetActiveScalarName() == "potential"
    (found,) = logic.updateProbes(surface)
    assert found.thicknessMm == pytest.approx(12.0, abs=0.5)
    table = Adapter.belonging(surface, Adapter.SEGMENT_TABLE)
    assert table.GetAttribute(Adapter.ORIENTATION) == "estimated"


def test_the_script_of_the_guide_runs_and_prints_what_it_says(tmp_path):
    """The block in Docs/LVMThickness.md that needs no desktop, run as it stands."""
    text = (ROOT / "Docs" / "LVMThickness.md").read_text(encoding="utf-8")
    (script,) = [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "startHeadlessCore" in block]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"LVM_OUT": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = re.findall(r"^print\(.*#\s*(.+)$", script, re.MULTILINE)
    assert expected
    assert done.stdout.split("\n")[: len(expected)] == expected
    assert (tmp_path / "shell.mrb").stat().st_size > 10_000
