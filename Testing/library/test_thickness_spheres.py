"""Wall thickness between spheres: the truth is the difference of the radii."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.thickness import measure_thickness, measure_thickness_from_sdf

CENTRE = np.array([0.2, -0.3, 0.1])


def _shell(step: float, *, inner: float = 12.0, outer: float = 20.0):
    """Labels, both signed distances and the affine of a spherical shell, RAS mm."""
    line = np.arange(-np.ceil((outer + 6) / step), np.ceil((outer + 6) / step) + 1) * step
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    radius = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2)
    labels = np.where(radius < inner, 1, np.where(radius < outer, 2, 0)).astype(np.uint8)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = line[0]
    return labels, radius - outer, radius - inner, affine


def test_thickness_of_concentric_spheres_is_the_radius_difference():
    labels, _, _, affine = _shell(1.0)
    result = measure_thickness(labels, affine)
    error = result.thickness_mm - 8.0
    assert not result.invalid.any()
    assert abs(error.mean()) < 0.015
    assert np.abs(error).mean() < 0.06
    assert np.abs(np.linalg.norm(result.points - CENTRE, axis=1) - 20).mean() < 0.05


def test_thickness_from_exact_distances_is_exact_to_a_hundredth_of_a_millimetre():
    _, epi, endo, affine = _shell(1.0)
    error = measure_thickness_from_sdf(epi, endo, affine).thickness_mm - 8.0
    assert np.abs(error).mean() < 0.01
    assert np.abs(error).max() < 0.05


@pytest.mark.parametrize("normal", [(0, 0, 1), (0, -1, 0), (1, 0, 0), (0.3, -0.4, 0.8)])
def test_a_cut_sphere_keeps_its_thickness_up_to_the_cut(normal):
    labels, _, _, affine = _shell(1.0)
    normal = np.array(normal, float) / np.linalg.norm(normal)
    k, j, i = np.indices(labels.shape)
    points = np.stack([i, j, k], -1) @ affine[:3, :3].T + affine[:3, 3]
    height = (points - CENTRE) @ normal
    labels[height > 0] = 0
    result = measure_thickness(labels, affine)
    error = np.abs(result.thickness_mm - 8.0)
    assert result.info["base"] == "found"
    assert not result.invalid.any()
    assert error.mean() < 0.1
    assert error.max() < 0.6
    assert ((result.points - CENTRE) @ normal).max() < 0.8
