"""Contours cut from labels, against circles and ellipses, and as Slicer markups on disk."""

from __future__ import annotations

import json

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation.axes import find_axes_from_points
from LVMLib.annotation.contours import closed_lines, crosses_itself, resample_closed, section_contours, signed_area
from LVMLib.annotation.markups import read_contours, write_contours
from LVMLib.annotation.views import view_planes
from LVMLib.errors import LVMError

GRID = cube_grid(110)
AXIS = np.array([-0.62, 0.62, -0.48]) / np.linalg.norm([-0.62, 0.62, -0.48])
BASE = grid_centre(GRID) + np.array([18, -18, 14])
LABELS = half_ellipsoid(GRID, BASE)
AXES = find_axes_from_points(BASE + 60 * AXIS, BASE, BASE + 30 * AXIS + np.array([20.0, 20.0, 0.0]))
PLANES = view_planes(AXES)


def test_short_axis_contours_are_the_analytic_circles_within_a_quarter_voxel():
    contours = section_contours(LABELS, GRID, PLANES["short_axis"])
    centre = BASE + 30 * AXIS
    for name, half_axes in (("endocardium", (22.0, 60.0)), ("epicardium", (31.0, 69.0))):
        (line,) = contours[name]
        radius = half_axes[0] * np.sqrt(1 - (30 / half_axes[1]) ** 2)
        error = np.linalg.norm(line - centre, axis=1) - radius
        assert abs(error.mean()) < 0.1
        assert np.abs(error).max() < 0.5
        assert error.std() < 0.15


def test_points_lie_in_the_plane_and_run_counter_clockwise():
    plane = PLANES["four_chamber"]
    contours = section_contours(LABELS, GRID, plane, points=80)
    for line in contours["endocardium"] + contours["epicardium"]:
        local = (line - plane[:3, 3]) @ plane[:3, :3]
        assert len(line) == 80
        assert np.abs(local[:, 2]).max() < 1e-9
        assert signed_area(local[:, :2]) > 0
        assert not crosses_itself(local[:, :2])


def test_long_axis_contours_close_at_the_mitral_plane():
    contours = section_contours(LABELS, GRID, PLANES["two_chamber"])
    (endo,), (epi,) = contours["endocardium"], contours["epicardium"]
    for line in (endo, epi):
        assert np.min((line - BASE) @ AXIS) == pytest.approx(0, abs=0.8)
    assert np.max((endo - BASE) @ AXIS) == pytest.approx(60, abs=0.5)
    assert np.max((epi - BASE) @ AXIS) == pytest.approx(69, abs=0.5)
    plane = PLANES["two_chamber"]
    area = signed_area((endo - plane[:3, 3]) @ plane[:3, :2])
    assert area == pytest.approx(np.pi * 22 * 60 / 2, rel=0.01)


def test_a_plane_beside_the_heart_has_no_contours():
    plane = PLANES["short_axis"].copy()
    plane[:3, 3] += 500 * AXIS
    assert section_contours(LABELS, GRID, plane) == {"endocardium": [], "epicardium": []}
    assert section_contours(LABELS * 0, GRID, PLANES["short_axis"]) == {"endocardium": [], "epicardium": []}


def test_a_fleck_is_no_contour():
    labels = LABELS.copy()
    i, j, k = np.rint(GRID.to_ijk(BASE + 30 * AXIS + AXES.septal * 45)).astype(int)
    labels[k, j, i] = 1
    contours = section_contours(labels, GRID, PLANES["short_axis"])
    assert len(contours["endocardium"]) == len(contours["epicardium"]) == 1


@pytest.mark.parametrize("radius", [3.3, 10.0, 27.5])
def test_marching_squares_give_the_circle_of_a_distance_field(radius: float):
    y, x = np.mgrid[:64, :64]
    (line,) = closed_lines(radius - np.hypot(x - 31.3, y - 30.8), 0.0)
    assert np.abs(np.hypot(line[:, 0] - 31.3, line[:, 1] - 30.8) - radius).max() < 0.05
    assert signed_area(line) == pytest.approx(np.pi * radius**2, rel=0.02)


def test_every_line_of_a_random_field_is_closed_and_encloses_the_right_count():
    rng = np.random.default_rng(3)
    for _ in range(20):
        mask = rng.random((12, 15)) < 0.5
        lines = closed_lines(mask.astype(float), 0.5)
        for line in lines:
            step = np.diff(np.concatenate([line, line[:1]]), axis=0)
            assert np.linalg.norm(step, axis=1).max() <= np.sqrt(0.5) + 1e-9 or np.abs(step).max() <= 1 + 1e-9
            assert not crosses_itself(line)
        # Winding number of every sample = the sample's own value: an oracle that knows nothing of cells.
        for row, column in np.ndindex(mask.shape):
            assert round(sum(_winding(line, (column, row)) for line in lines)) == int(mask[row, column])


def _winding(line: np.ndarray, point: tuple[int, int]) -> float:
    offset = line - np.array(point)
    angles = np.arctan2(offset[:, 1], offset[:, 0])
    turn = np.diff(np.concatenate([angles, angles[:1]]))
    return float(np.sum((turn + np.pi) % (2 * np.pi) - np.pi) / (2 * np.pi))


def test_resampling_spaces_points_equally():
    square = np.array([[0, 0], [1, 0], [1, 0], [4, 0], [4, 4], [0, 4]], dtype=float)
    even = resample_closed(square, 16)
    assert np.allclose(even[:5], [[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]])
    with pytest.raises(LVMError):
        resample_closed(square[:1].repeat(5, axis=0), 8)


def test_a_figure_of_eight_crosses_itself():
    assert crosses_itself(np.array([[0, 0], [1, 1], [1, 0], [0, 1]], dtype=float))
    assert not crosses_itself(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float))


@pytest.mark.parametrize("system", ["LPS", "RAS"])
def test_contours_come_back_from_disk_as_they_were(tmp_path, system: str):
    contours = section_contours(LABELS, GRID, PLANES["short_axis"], points=40)
    write_contours(tmp_path / "ed.mrk.json", contours, coordinate_system=system)
    stored = json.loads((tmp_path / "ed.mrk.json").read_text())["markups"][0]
    sign = -1 if system == "LPS" else 1
    assert stored["coordinateSystem"] == system
    assert stored["controlPoints"][0]["position"][0] == pytest.approx(sign * contours["endocardium"][0][0, 0], abs=1e-4)
    back = read_contours(tmp_path / "ed.mrk.json")
    assert set(back) == set(contours)
    for name in contours:
        assert np.allclose(back[name][0], contours[name][0], atol=1e-4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"markups": [{"type": "Curve", "controlPoints": []}]}',
        '{"markups": [{"type": "ClosedCurve", "coordinateSystem": "LPS", "controlPoints": [{"position": [0, 0, 0]}]}]}',
        '{"markups": [{"type": "ClosedCurve", "coordinateSystem": "IJK", "controlPoints": []}]}',
    ],
)
def test_files_that_are_no_closed_curves_are_named(tmp_path, text: str):
    path = tmp_path / "bad.mrk.json"
    path.write_text(text)
    with pytest.raises(LVMError, match=r"bad\.mrk\.json"):
        read_contours(path)
