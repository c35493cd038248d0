"""Axes and views of analytic left ventricles."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import APEX_DIRECTION, cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation.axes import find_axes, find_axes_from_points
from LVMLib.annotation.views import short_axis_stack, view_planes
from LVMLib.errors import LabelError, LVMError
from scipy import ndimage

GRID = cube_grid(110)
BASE = grid_centre(GRID) + np.array([18, -18, 14])
AXIS = APEX_DIRECTION / np.linalg.norm(APEX_DIRECTION)
LABELS = half_ellipsoid(GRID, BASE)


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))))


def test_axes_of_a_half_ellipsoid_are_its_own():
    axes = find_axes(LABELS, GRID)
    assert angle(axes.axis, AXIS) < 1.5
    assert np.linalg.norm(axes.mitral_centre - BASE) < 1.5
    assert np.linalg.norm(axes.apex - (BASE + 60 * AXIS)) < 2.0
    assert axes.length_mm == pytest.approx(60, abs=2)
    assert angle(axes.base_normal, -AXIS) < 2
    assert axes.aortic is None


@pytest.mark.parametrize("endo", [(22, 60), (30, 34), (18, 45)])
@pytest.mark.parametrize("direction", [(-0.6, 0.6, -0.5), (-0.9, 0.2, -0.3), (0, 0, -1), (0.5, -0.3, 0.8)])
def test_axes_hold_for_round_and_long_hearts_in_any_direction(endo, direction):
    grid = cube_grid(150, (1.5, 1.5, 1.5))
    direction = np.array(direction, dtype=float)
    base = grid_centre(grid) - 20 * direction
    axes = find_axes(half_ellipsoid(grid, base, direction, endo=endo), grid)
    assert angle(axes.axis, direction) < 4
    assert np.linalg.norm(axes.mitral_centre - base) < 2


def test_the_outflow_tract_is_found_and_does_not_tip_the_axis():
    towards = np.array([1.0, 0.8, 0.6])
    labels = half_ellipsoid(GRID, BASE, outflow=towards)
    axes = find_axes(labels, GRID)
    assert angle(axes.axis, AXIS) < 8
    assert axes.aortic is not None
    assert angle(axes.aortic, towards - AXIS * (towards @ AXIS)) < 20
    right = view_planes(axes)["three_chamber"][:3, 0]
    assert np.allclose(right, axes.aortic)


def test_predicted_labels_with_leaks_and_islands_give_nearly_the_same_axes():
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=LABELS.shape), 3)
    rough = np.where(noise > 2.2 * noise.std(), 0, LABELS)
    rough[5:9, 5:9, 5:9] = 1
    axes = find_axes(rough.astype(np.uint8), GRID)
    assert angle(axes.axis, AXIS) < 6
    assert np.linalg.norm(axes.mitral_centre - BASE) < 4


def test_a_cavity_that_the_wall_closes_still_has_an_axis():
    labels = LABELS.copy()
    shell = ndimage.binary_dilation(labels == 1, iterations=2) & (labels == 0)
    labels[shell] = 2
    axes = find_axes(labels, GRID)
    assert angle(axes.axis, AXIS) < 10


def test_the_septum_faces_right_and_front_without_more_knowledge():
    axes = find_axes(LABELS, GRID)
    assert axes.septum_from == "patient"
    assert abs(axes.septal @ axes.axis) < 1e-9
    assert axes.septal[0] > 0.5


def test_rv_insertion_points_set_the_septum():
    axes = find_axes(LABELS, GRID)
    points = axes.mitral_centre + 30 * axes.axis + np.array([axes.anterior * 25 + 10, axes.anterior * 25 - 10])
    turned = find_axes(LABELS, GRID, rv_insertion=points)
    assert turned.septum_from == "points"
    assert angle(turned.septal, axes.anterior) < 1e-3 + 15


def test_an_empty_cavity_is_named():
    with pytest.raises(LabelError, match="blood pool"):
        find_axes(np.where(LABELS == 1, 0, LABELS), GRID)


def test_three_clicks_give_the_axes():
    axes = find_axes_from_points([0, 0, -80], [0, 0, 0], [25, 5, -40])
    assert np.allclose(axes.axis, [0, 0, -1])
    assert angle(axes.septal, np.array([25, 5, 0])) < 1e-6
    assert axes.length_mm == 80


@pytest.mark.parametrize("points", [([0, 0, 0], [0, 0, 5], [9, 9, 9]), ([0, 0, -80], [0, 0, 0], [0, 1, -40])])
def test_clicks_that_make_no_ventricle_are_refused(points):
    with pytest.raises(LVMError):
        find_axes_from_points(*points)


def test_views_are_right_handed_and_hold_the_long_axis():
    axes = find_axes(LABELS, GRID)
    planes = view_planes(axes)
    assert set(planes) == {"short_axis", "two_chamber", "three_chamber", "four_chamber"}
    for name, plane in planes.items():
        assert np.allclose(plane[:3, :3].T @ plane[:3, :3], np.eye(3), atol=1e-9)
        assert np.linalg.det(plane[:3, :3]) == pytest.approx(1)
        if name != "short_axis":
            assert np.allclose(plane[:3, 1], axes.axis), "the apex is up"
    assert np.allclose(planes["short_axis"][:3, 2], axes.axis), "seen from the apex"


def test_views_show_anterior_up_and_septum_left_in_a_usual_heart():
    planes = view_planes(find_axes(LABELS, GRID))
    right, up = planes["short_axis"][:3, 0], planes["short_axis"][:3, 1]
    assert right[0] < -0.5, "the patient's left, the lateral wall, is on the right of the screen"
    assert up[2] > 0.5, "the anterior wall faces up in a patient whose apex points left, forward and down"
    assert planes["four_chamber"][:3, 0][0] < 0, "the right ventricle is on the left of the screen"


def test_short_axis_stack_goes_from_base_to_apex():
    axes = find_axes_from_points([0, 0, -82], [0, 0, 0], [25, 0, -40])
    stack = short_axis_stack(axes, 8.0)
    along = (stack[:, :3, 3] - axes.mitral_centre) @ axes.axis
    assert np.allclose(np.diff(along), 8.0)
    assert along[0] >= 0 and along[-1] <= 82 and len(stack) == 11
    with pytest.raises(LVMError):
        short_axis_stack(axes, 0)
