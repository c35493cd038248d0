"""Eccentric spheres and truncated ellipsoids against the harmonic series of their potential."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.evaluation.benchmarks.thickness_accuracy import distance_errors, labels_of, mask_errors, wall_on_grid
from LVMLib.evaluation.benchmarks.thickness_truth import ECCENTRIC, SPHERES, VENTRICLE, Spheroid, Wall
from LVMLib.thickness import measure_thickness, measure_thickness_from_sdf


@pytest.mark.parametrize("wall", [SPHERES, ECCENTRIC, VENTRICLE], ids=["spheres", "eccentric", "ventricle"])
def test_the_true_potential_meets_both_surfaces(wall):
    print(f"largest error of the boundary condition: {wall.residual:.1e}")
    assert wall.residual < 1e-12


def test_the_truth_of_concentric_spheres_is_the_radius_difference():
    points = SPHERES.outer.points(np.linspace(0, np.pi, 7))
    lengths = SPHERES.thickness(np.stack([points[:, 0], 0 * points[:, 0], points[:, 1]], -1))
    assert np.allclose(lengths, 10, atol=1e-7)


def test_the_truth_of_eccentric_spheres_is_known_on_the_axis():
    assert ECCENTRIC.thickness(np.array([[0, 0, 30.0], [0, 0, -30.0]])) == pytest.approx([6, 14], abs=1e-7)


def test_the_signed_distance_of_a_spheroid_is_the_way_to_its_nearest_point():
    body = Spheroid(20, 30)
    ring = body.points(np.linspace(0, np.pi, 200001))
    for x, y, z in ((3.0, 4.0, 10.0), (18.0, 9.0, 21.0), (0.0, 1.0, 33.0), (0.5, 0.0, -2.0)):
        nearest = np.hypot(ring[:, 0] - np.hypot(x, y), ring[:, 1] - z).min()
        sign = -1 if body.inside(np.array(x), y, z) else 1
        assert body.distance(np.array([x]), np.array([y]), np.array([z]))[0] == pytest.approx(sign * nearest, abs=1e-4)


@pytest.mark.parametrize("wall", [ECCENTRIC, VENTRICLE], ids=["eccentric", "ventricle"])
def test_exact_distances_give_the_true_length_of_every_flow_line(wall):
    error = np.abs(distance_errors(wall, 1.0))
    assert not np.isnan(error).any()
    assert error.mean() < 0.01
    assert error.max() < 0.06


@pytest.mark.parametrize("wall", [ECCENTRIC, VENTRICLE], ids=["eccentric", "ventricle"])
def test_a_binary_mask_gives_the_true_length_to_a_twentieth_of_a_voxel(wall):
    error, height, invalid = mask_errors(wall, 1.0, shifts=np.array([[0.2, -0.3, 0.1]]))
    assert invalid == 0
    assert abs(error.mean()) < 0.02
    assert np.abs(error).mean() < 0.05
    assert np.percentile(np.abs(error), 95) < 0.15
    assert np.abs(error).max() < 0.4
    if wall is VENTRICLE:
        assert np.abs(error[height > -3]).mean() < 0.08


def test_walls_that_meet_the_base_at_an_angle_agree_with_their_exact_distances():
    wall = Wall(Spheroid(20, 27), Spheroid(13, 20))
    position, affine = wall_on_grid(wall, 1.0, shift=(0.2, -0.3, 0.5))
    labels = labels_of(wall, position)
    k = round(8 - affine[2, 3])
    labels[k + 1 :] = 0
    mask = measure_thickness(labels, affine)
    exact = measure_thickness_from_sdf(
        wall.outer.distance(*position), wall.inner.distance(*position), affine, base_plane=((0, 0, 8.5), (0, 0, 1))
    )
    order = np.argmin(((mask.points[::7, None] - exact.points[None]) ** 2).sum(-1), axis=1)
    error = np.abs(mask.thickness_mm[::7] - exact.thickness_mm[order])
    assert error.mean() < 0.08
    assert error.max() < 0.5
