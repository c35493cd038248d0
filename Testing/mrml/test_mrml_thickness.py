"""A thickness measurement becomes a coloured surface, tubes and a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk
from LVMLib.errors import ThicknessError
from LVMThicknessLib import MRMLAdapter
from mrml_helpers import spherical_result

pytestmark = pytest.mark.usefixtures("scene")


def array(node, name):
    return slicer.util.arrayFromModelPointData(node, name)


def test_the_surface_carries_the_thickness_of_every_vertex():
    result = spherical_result()
    node = MRMLAdapter.thicknessModel(result, "thickness")
    np.testing.assert_allclose(slicer.util.arrayFromModelPoints(node), result.points, atol=1e-5)
    np.testing.assert_allclose(array(node, "thickness_mm"), result.thickness_mm, atol=1e-5)
    np.testing.assert_array_equal(array(node, "reason"), result.reasons)
    assert node.GetPolyData().GetNumberOfPolys() == len(result.triangles)
    assert node.GetPolyData().GetPointData().GetNormals() is not None


def test_the_colours_span_the_thickness_in_whole_millimetres_and_grey_means_no_value():
    display = MRMLAdapter.thicknessModel(spherical_result(), "thickness").GetDisplayNode()
    assert display.GetScalarVisibility()
    assert display.GetActiveScalarName() == "thickness_mm"
    assert display.GetScalarRange() == (4.0, 8.0)
    table = display.GetColorNode().GetLookupTable()
    assert table.GetNumberOfColors() == 256
    assert len(set(np.round(table.GetNanColor()[:3], 3))) == 1
    lightness = [sum(np.array(table.GetTableValue(n)[:3]) * [0.2126, 0.7152, 0.0722]) for n in range(256)]
    assert (np.diff(lightness[::8]) > 0).all()


def test_ed_and_es_can_share_one_range_and_one_colour_table():
    first = MRMLAdapter.thicknessModel(spherical_result(), "ED", scalarRange=(0.0, 20.0)).GetDisplayNode()
    second = MRMLAdapter.thicknessModel(spherical_result(), "ES", scalarRange=(0.0, 20.0)).GetDisplayNode()
    assert first.GetScalarRange() == second.GetScalarRange() == (0.0, 20.0)
    assert first.GetColorNodeID() == second.GetColorNodeID()


def test_the_legend_says_what_and_in_which_unit():
    display = MRMLAdapter.thicknessModel(spherical_result(), "thickness").GetDisplayNode()
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(display)
    assert legend.GetTitleText() == "LV wall thickness (mm)"
    assert legend.GetVisibility()


@pytest.mark.parametrize(
    ("ends", "labels"), [((5.0, 10.0), 6), ((4.0, 12.0), 5), ((3.0, 16.0), None), ((0.0, 1.5), None)]
)
def test_every_label_of_the_legend_is_true(ends, labels):
    display = MRMLAdapter.thicknessModel(spherical_result(), "thickness", scalarRange=ends).GetDisplayNode()
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(display)
    values = np.linspace(*ends, legend.GetNumberOfLabels())
    assert labels is None or legend.GetNumberOfLabels() == labels
    np.testing.assert_allclose([float(legend.GetLabelFormat() % v) for v in values], values, atol=0.051)


def test_a_new_measurement_replaces_the_surface_in_the_same_node():
    node = MRMLAdapter.thicknessModel(spherical_result(), "thickness")
    MRMLAdapter.updateThicknessModel(node, spherical_result(outer=20.0), scalarRange=(1.0, 9.0))
    assert node.GetPolyData().GetBounds()[1] > 19.0
    assert node.GetDisplayNode().GetScalarRange() == (1.0, 9.0)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLColorLegendDisplayNode") == 1


def test_a_result_without_a_surface_is_refused():
    empty = replace(spherical_result(), triangles=np.zeros((0, 3), np.int32))
    with pytest.raises(ThicknessError, match="surface"):
        MRMLAdapter.thicknessModel(empty, "thickness")


def test_all_streamlines_run_from_the_epicardium_through_the_wall():
    result = spherical_result(invalid=3)
    lines = MRMLAdapter.shownLines(MRMLAdapter.linesPolyData(result))
    assert lines.GetNumberOfLines() == len(result.points) - 3
    ids = vtk.vtkIdList()
    lines.GetLines().GetCellAtId(10, ids)
    points = np.array([lines.GetPoint(ids.GetId(n)) for n in range(ids.GetNumberOfIds())])
    vertex = lines.GetCellData().GetArray("vertex").GetValue(10)
    np.testing.assert_allclose(points, result.streamlines[vertex], atol=1e-5)
    arc = lines.GetPointData().GetArray("arc_length_mm")
    last = ids.GetId(ids.GetNumberOfIds() - 1)
    assert arc.GetValue(ids.GetId(0)) == 0.0
    assert arc.GetValue(last) == pytest.approx(result.thickness_mm[vertex], abs=1e-4)
    potential = lines.GetPointData().GetArray("potential")
    assert (potential.GetValue(ids.GetId(0)), potential.GetValue(last)) == (1.0, 0.0)
    assert lines.GetPointData().GetArray("thickness_mm").GetValue(last) == pytest.approx(result.thickness_mm[vertex])


def test_tubes_have_the_radius_that_was_asked_for():
    result = spherical_result(invalid=0)
    result = replace(
        result,
        streamlines=replace(
            result.streamlines,
            points=result.streamlines.points[:7],
            potential=result.streamlines.potential[:7],
            offsets=np.array([0, 7]),
        ),
    )
    result = replace(result, thickness_mm=result.thickness_mm[:1])
    node = MRMLAdapter.streamlineTubes(result, "lines", radius=0.5, density=1.0)
    line = result.streamlines[0].astype(float)
    direction = (line[-1] - line[0]) / np.linalg.norm(line[-1] - line[0])
    offset = slicer.util.arrayFromModelPoints(node) - line[0]
    across = np.linalg.norm(offset - np.outer(offset @ direction, direction), axis=1)
    assert across.max() == pytest.approx(0.5, abs=1e-3)


def test_more_density_shows_the_same_lines_and_more():
    result = spherical_result()
    lines = MRMLAdapter.linesPolyData(result)
    shown = [
        set(vtk.util.numpy_support.vtk_to_numpy(mesh.GetCellData().GetArray("vertex")))
        for mesh in (MRMLAdapter.shownLines(lines, density=d) for d in (0.1, 0.5, 1.0))
    ]
    assert shown[0] < shown[1] < shown[2]
    assert len(shown[1]) == pytest.approx(len(shown[2]) / 2, abs=1)


@pytest.mark.parametrize("colorBy", ["thickness", "arclength", "potential"])
def test_tubes_are_coloured_by_what_was_asked_for(colorBy):
    node = MRMLAdapter.streamlineTubes(spherical_result(), "lines", colorBy=colorBy, legend=True)
    name, title = MRMLAdapter.COLOR_BY[colorBy]
    assert node.GetDisplayNode().GetActiveScalarName() == name
    low, high = node.GetDisplayNode().GetScalarRange()
    assert low < high
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node.GetDisplayNode())
    assert legend.GetTitleText() == title
    assert len(np.unique(array(node, name))) > 3


def test_an_unknown_colouring_or_no_lines_are_refused():
    with pytest.raises(ThicknessError, match="thickness or arclength or potential"):
        MRMLAdapter.streamlineTubes(spherical_result(), "lines", colorBy="mood")
    none = replace(spherical_result(), thickness_mm=np.full(len(spherical_result().points), np.nan))
    with pytest.raises(ThicknessError, match="line"):
        MRMLAdapter.streamlineTubes(none, "lines")


def test_the_table_counts_invalid_vertices_and_leaves_them_out():
    result = spherical_result(invalid=5)
    table = MRMLAdapter.statisticsTable(result.thickness_mm, "statistics").GetTable()
    rows = {table.GetValue(n, 0).ToString(): table.GetValue(n, 1).ToDouble() for n in range(table.GetNumberOfRows())}
    valid = result.thickness_mm[5:]
    assert rows["Median"] == pytest.approx(np.median(valid), abs=0.005)
    assert rows["P95"] == pytest.approx(np.percentile(valid, 95), abs=0.005)
    assert rows["Maximum"] == pytest.approx(valid.max(), abs=0.005)
    assert (rows["Vertices"], rows["Invalid vertices"]) == (len(result.points), 5)
    assert table.GetValue(0, 2).ToString() == "mm"


def test_statistics_of_nothing_are_nan_and_never_a_crash():
    rows = MRMLAdapter.thicknessStatistics(np.full(4, np.nan))
    assert np.isnan(rows[0][1])
    assert rows[-1] == ("Invalid vertices", 4.0, "")
    assert MRMLAdapter.thicknessRange(np.full(4, np.nan)) == (0.0, 1.0)
