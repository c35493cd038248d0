"""Numbers of a measured cycle: CSV, JSON and point arrays, and what they say where there is no value."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from LVMLib.thickness import cycle_summary, measure_cycle, surface_arrays, write_segments_csv, write_surface
from thickness_helpers import half_shell

vtk = pytest.importorskip("vtk")
vtk_to_numpy = pytest.importorskip("vtk.util.numpy_support").vtk_to_numpy


@pytest.fixture(scope="module")
def cycle():
    """ED of 8 mm, a phase without a wall, an unlabelled phase, ES of 11 mm."""
    ed, affine = half_shell(32, 24)
    es, _ = half_shell(29, 18)
    return measure_cycle([ed, np.where(ed == 1, 1, 0), np.zeros_like(ed), es], affine)


def test_the_csv_holds_every_measured_phase_segment_by_segment(cycle, tmp_path):
    write_segments_csv(tmp_path / "segments.csv", cycle)
    with open(tmp_path / "segments.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["phase"], row["role"]) for row in rows[::18]] == [("0", "ED"), ("3", "ES")]
    assert [int(row["segment"]) for row in rows] == [*range(1, 18), 0] * 2
    whole = {row["role"]: row for row in rows if row["segment"] == "0"}
    assert float(whole["ED"]["median_mm"]) == pytest.approx(8, abs=0.25)
    assert float(whole["ES"]["median_mm"]) == pytest.approx(11, abs=0.25)
    assert whole["ED"]["thickening_percent"] == ""
    assert float(whole["ES"]["thickening_percent"]) == pytest.approx(37.5, abs=3)
    assert int(whole["ED"]["count"]) + int(whole["ED"]["invalid"]) == len(cycle.ed_phase.result.points)


def test_the_summary_is_strict_json_and_names_what_failed(cycle):
    summary = json.loads(json.dumps(cycle_summary(cycle, model=16), allow_nan=False))
    assert (summary["ed"], summary["es"], summary["not_labelled"]) == (0, 3, [2])
    assert summary["median_mm"] == pytest.approx(8, abs=0.25)
    assert summary["thickening_percent"] == pytest.approx(37.5, abs=3)
    assert len(summary["segments"]) == 16 and summary["orientation"] == "estimated"
    assert summary["segments"][0]["es_median_mm"] == pytest.approx(11, abs=0.6)
    assert [row["phase"] for row in summary["phases"]] == [0, 1, 3]
    assert "myocardium" in summary["phases"][1]["error"] and summary["phases"][0]["error"] is None


def test_one_phase_has_no_thickening_and_no_nan_in_its_json():
    summary = cycle_summary(measure_cycle(*half_shell(32, 24)))
    json.dumps(summary, allow_nan=False)
    assert summary["thickening_percent"] is None and summary["ejection_percent"] is None
    assert "es_median_mm" not in summary["segments"][0]


def test_an_ed_that_cannot_be_measured_gives_none_instead_of_numbers(cycle):
    labels, affine = half_shell(32, 24)
    broken = measure_cycle([labels, np.where(labels == 1, 1, 0)], affine, ed=1)
    summary = json.loads(json.dumps(cycle_summary(broken), allow_nan=False))
    assert summary["median_mm"] is None and summary["vertices"] == 0 and summary["segments"] == []


def test_vtk_reads_thickness_at_ed_and_es_and_thickening_of_every_vertex(cycle, tmp_path):
    write_surface(tmp_path / "ed.vtp", cycle.ed_phase.result, surface_arrays(cycle))
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "ed.vtp"))
    reader.Update()
    data = reader.GetOutput().GetPointData()
    found = {data.GetArrayName(n): vtk_to_numpy(data.GetArray(n)) for n in range(data.GetNumberOfArrays())}
    ed, es = (found[name].astype(float) for name in ("thickness_mm", "thickness_es_mm"))
    assert np.allclose(found["thickening_percent"], 100 * (es - ed) / ed, atol=1e-2, equal_nan=True)
    assert np.array_equal(np.isnan(found["thickening_percent"]), found["thickening_reason"] > 0)
    assert set(found["segment"]) == set(range(1, 18))


def test_vtk_reads_the_endocardium_too(cycle, tmp_path):
    inner = cycle.ed_phase.result.endocardium
    write_surface(tmp_path / "endo.vtp", inner)
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(tmp_path / "endo.vtp"))
    reader.Update()
    assert reader.GetOutput().GetNumberOfPoints() == len(inner.points)
