"""Surfaces and flow lines on disk, read back by VTK."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.errors import StorageError
from LVMLib.thickness import measure_thickness, write_streamlines, write_surface
from thickness_helpers import spherical_shell

vtk = pytest.importorskip("vtk")
vtk_to_numpy = pytest.importorskip("vtk.util.numpy_support").vtk_to_numpy


@pytest.fixture(scope="module")
def result():
    labels, _, affine = spherical_shell()
    affine[:3, 3] += (100, -50, 700)
    # The border of the image cuts the wall off: some vertices have no thickness.
    return measure_thickness(labels[:, :, 8:], affine)


def _read(path):
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def test_vtk_reads_the_surface_in_ras_with_its_thickness(result, tmp_path):
    write_surface(tmp_path / "epi.vtp", result)
    surface = _read(tmp_path / "epi.vtp")
    assert np.allclose(vtk_to_numpy(surface.GetPoints().GetData()), result.points, atol=1e-4)
    cells = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    assert np.array_equal(cells, result.triangles)
    thickness = vtk_to_numpy(surface.GetPointData().GetArray("thickness_mm"))
    assert np.allclose(thickness, result.thickness_mm, atol=1e-4, equal_nan=True)
    assert np.isnan(thickness).sum() == result.statistics.invalid > 0
    assert np.array_equal(vtk_to_numpy(surface.GetPointData().GetArray("reason")), result.reasons)
    assert surface.GetPointData().GetScalars().GetName() == "thickness_mm"


def test_the_closed_surface_is_a_manifold_that_holds_the_volume_of_the_mask(tmp_path):
    labels, _, affine = spherical_shell()
    write_surface(tmp_path / "epi.vtp", measure_thickness(labels, affine))
    edges, mass = vtk.vtkFeatureEdges(), vtk.vtkMassProperties()
    for each in (edges, mass):
        each.SetInputData(_read(tmp_path / "epi.vtp"))
    edges.FeatureEdgesOff()
    edges.Update()
    assert edges.GetOutput().GetNumberOfCells() == 0
    assert mass.GetVolume() == pytest.approx((labels > 0).sum(), rel=0.01)


def test_vtk_reads_the_flow_lines_with_the_way_from_the_epicardium(result, tmp_path):
    write_streamlines(tmp_path / "lines.vtp", result)
    lines = _read(tmp_path / "lines.vtp")
    valid = np.flatnonzero(~result.invalid)
    assert lines.GetNumberOfLines() == valid.size
    along = vtk_to_numpy(lines.GetPointData().GetArray("arc_length_mm"))
    offsets = vtk_to_numpy(lines.GetLines().GetOffsetsArray())
    assert np.allclose(along[offsets[1:] - 1], result.thickness_mm[valid], atol=1e-2)
    assert np.all(along[offsets[:-1]] == 0)
    assert np.array_equal(vtk_to_numpy(lines.GetPointData().GetArray("vertex"))[offsets[:-1]], valid)
    assert np.allclose(vtk_to_numpy(lines.GetPoints().GetData())[offsets[:-1]], result.points[valid], atol=1e-3)


def test_an_existing_file_stays_when_the_new_one_cannot_be_written(result, tmp_path, monkeypatch):
    path = tmp_path / "epi.vtp"
    path.write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("LVMLib.thickness.vtp._array", full)
    with pytest.raises(StorageError, match="Free disk space"):
        write_surface(path, result)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
