"""Overlap, surface distance and volume against analytic shapes and brute force."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre
from LVMLib.errors import LabelError
from LVMLib.grid import Grid
from LVMLib.measures import (
    dice,
    ejection_fraction,
    mass_g,
    surface_distances,
    surface_points,
    volumes_ml,
)


def sphere(grid: Grid, radius: float, shift: float = 0.0) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    ras = grid.to_ras(np.stack([i, j, k], axis=-1))
    return np.linalg.norm(ras - grid_centre(grid) - [shift, 0, 0], axis=-1) <= radius


def test_dice_counts_as_its_definition_says():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 3, (2, 9, 8, 7)).astype(np.uint8)
    for label, value in dice(a, b).items():
        both = np.sum((a == label) & (b == label))
        assert value == pytest.approx(2 * both / (np.sum(a == label) + np.sum(b == label)))
    assert dice(a, a) == {1: 1.0, 2: 1.0}


def test_dice_of_an_absent_class_is_nan_and_of_a_missed_one_zero():
    a, b = np.zeros((2, 4, 4, 4), dtype=np.uint8)
    a[0] = 1
    found = dice(a, b)
    assert found[1] == 0 and np.isnan(found[2])
    with pytest.raises(LabelError):
        dice(a, b[1:])


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 1.6)])
def test_concentric_spheres_are_their_radius_difference_apart(spacing: tuple[float, float, float]):
    grid = cube_grid(64, spacing)
    found = surface_distances(sphere(grid, 20), sphere(grid, 25), grid.spacing)
    assert found.assd_mm == pytest.approx(5, abs=0.25)
    assert found.mean_mm == pytest.approx(5, abs=0.25)
    assert found.hd95_mm == pytest.approx(5, abs=0.8)
    assert found.max_mm >= found.hd95_mm >= found.assd_mm


def test_shifted_spheres_have_the_analytic_mean_distance():
    # From a sphere to the same sphere shifted by s, the distance to first order is s |cos t|: mean s / 2, P95 0.95 s.
    grid, shift = cube_grid(80), 4.0
    found = surface_distances(sphere(grid, 28, -shift / 2), sphere(grid, 28, shift / 2), grid.spacing)
    assert found.assd_mm == pytest.approx(shift / 2, abs=0.12)
    assert found.hd95_mm == pytest.approx(0.95 * shift, abs=0.4)


def test_distances_equal_brute_force_over_all_pairs_of_faces():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 6, 7, 8)) < 0.3
    spacing = np.array([0.7, 1.1, 1.9])
    found = surface_distances(a, b, spacing)
    (pa, wa), (pb, wb) = surface_points(a, spacing), surface_points(b, spacing)
    table = np.sqrt(((pa[:, None] - pb[None]) ** 2).sum(-1))
    ab, ba = table.min(axis=1), table.min(axis=0)
    assert found.max_mm == pytest.approx(max(ab.max(), ba.max()))
    assert found.assd_mm == pytest.approx((ab @ wa + ba @ wb) / (wa.sum() + wb.sum()))
    repeated = np.repeat(ab, np.rint(wa / 0.7 / 1.1 / 1.9 * 1000).astype(int))
    other = np.repeat(ba, np.rint(wb / 0.7 / 1.1 / 1.9 * 1000).astype(int))
    expected = max(np.percentile(repeated, 95), np.percentile(other, 95))
    assert found.hd95_mm == pytest.approx(expected, abs=0.05)


def test_the_faces_of_a_box_have_its_area():
    mask = np.zeros((5, 6, 7), dtype=bool)
    mask[1:3, 1:4, 1:5] = True
    points, areas = surface_points(mask, np.array([1.0, 2.0, 3.0]))
    sides = np.array([4.0, 6.0, 6.0])
    assert areas.sum() == pytest.approx(2 * (sides[0] * sides[1] + sides[1] * sides[2] + sides[0] * sides[2]))
    assert np.allclose(points.min(axis=0), np.array([0.5, 1.0, 1.5]))


def test_equal_masks_are_zero_apart_and_an_empty_one_has_no_distance():
    grid = cube_grid(40)
    ball = sphere(grid, 10)
    assert surface_distances(ball, ball, grid.spacing).max_mm == 0
    assert np.isnan(surface_distances(ball, ball & False, grid.spacing).assd_mm)


def test_volume_mass_and_ejection_fraction_have_their_units():
    grid = cube_grid(64, (0.8, 0.8, 1.6))
    volumes = volumes_ml(sphere(grid, 25).astype(np.uint8), grid)
    assert volumes[1] == pytest.approx(4 / 3 * np.pi * 25**3 / 1000, rel=0.01)
    assert volumes[2] == 0
    assert mass_g(100.0) == pytest.approx(105.0)
    assert ejection_fraction(120.0, 48.0) == pytest.approx(60.0)
    assert np.isnan(ejection_fraction(0.0, 0.0))
