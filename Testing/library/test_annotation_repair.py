"""Mask repair against a left ventricle that was damaged on purpose."""

from __future__ import annotations

import time

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation.repair import count_defects, find_holes, find_papillary, keep_largest, repair_labels
from LVMLib.errors import LabelError
from LVMLib.grid import Grid
from LVMLib.measures import dice
from scipy import ndimage

GRID = cube_grid(80)
BASE = grid_centre(GRID) + np.array([12, -12, 9])
SIZE = {"endo": (17.0, 42.0), "wall": 8.0}
TRUTH = half_ellipsoid(GRID, BASE, **SIZE)


def with_salt(labels: np.ndarray, *, part: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.where(rng.random(labels.shape) < part, 0, labels).astype(np.uint8)


def with_gap(labels: np.ndarray) -> np.ndarray:
    """Remove the voxels on both sides of the endocardium, as a contour line drawn on it does."""
    cavity, wall = labels == 1, labels == 2
    line = (ndimage.binary_dilation(cavity) & wall) | (ndimage.binary_dilation(wall) & cavity)
    return np.where(line, 0, labels).astype(np.uint8)


def assert_repaired(damaged: np.ndarray, *, at_least: float = 0.99) -> None:
    repair = repair_labels(damaged, GRID)
    overlap = dice(repair.labels, TRUTH)
    assert min(overlap.values()) >= at_least, overlap
    assert (repair.holes_after, repair.gaps_after) == (0, 0)
    assert not find_holes(repair.labels).any()
    assert np.array_equal(repair.changed, repair.labels != damaged)


def test_a_clean_mask_stays_as_it_is():
    repair = repair_labels(TRUTH, GRID)
    assert not repair.changed.any()
    assert all(count == 0 for count in repair.counts().values())


def test_the_notch_between_mitral_plane_and_outflow_tract_is_not_filled():
    labels = half_ellipsoid(GRID, BASE, outflow=np.array([1.0, 1.0, 1.0]), **SIZE)
    repair = repair_labels(labels, GRID)
    assert np.count_nonzero(repair.changed) <= 5, "at most a pixelation pit in the corner"
    assert (repair.holes_before, repair.gaps_before) == (0, 0)


def test_salt_holes_are_counted_and_filled():
    damaged = with_salt(TRUTH, part=0.02, seed=1)
    repair = repair_labels(damaged, GRID)
    enclosed = ndimage.binary_fill_holes(damaged > 0) & (damaged == 0)
    assert 0 < repair.holes_before <= ndimage.label(enclosed)[1] * 1.1
    assert_repaired(damaged)


def test_a_gap_along_the_endocardium_is_counted_and_closed():
    damaged = with_gap(TRUTH)
    repair = repair_labels(damaged, GRID)
    lost = np.count_nonzero(damaged != TRUTH)
    assert 0.95 * lost <= repair.gaps_before <= lost
    assert_repaired(damaged)


def test_detached_islands_vanish():
    damaged = TRUTH.copy()
    damaged[2:5, 2:5, 2:5], damaged[70:73, 5:9, 5:9] = 1, 2
    assert_repaired(damaged, at_least=1.0)
    assert repair_labels(damaged, GRID).islands_removed == 27 + 48


def test_all_defects_together_are_repaired():
    damaged = with_gap(with_salt(TRUTH, part=0.01, seed=2))
    damaged[2:6, 2:6, 2:6] = 1
    assert_repaired(damaged)


def test_a_large_enclosed_hole_is_filled_whatever_the_radius():
    damaged = TRUTH.copy()
    cavity = ndimage.distance_transform_edt(TRUTH == 1) >= 9
    damaged[cavity] = 0
    repair = repair_labels(damaged, GRID, radius_voxels=3)
    assert repair.holes_before == 1
    assert np.array_equal(repair.labels, TRUTH)


def test_papillary_muscles_inside_the_cavity_become_blood_pool():
    damaged = TRUTH.copy()
    muscle = ndimage.distance_transform_edt(TRUTH == 1) >= 11
    damaged[muscle] = 2
    assert find_papillary(damaged).sum() == muscle.sum()
    repair = repair_labels(damaged, GRID)
    assert np.array_equal(repair.labels, TRUTH)


def test_a_wall_cut_in_two_by_a_missing_slice_keeps_both_parts():
    damaged = TRUTH.copy()
    damaged[40] = 0
    repair = repair_labels(damaged, GRID)
    assert min(dice(repair.labels, TRUTH).values()) > 0.99


def test_a_heart_cut_by_the_image_border_is_repaired_too():
    labels, grid = TRUTH[:45], GRID.cropped((0, 0, 0), (45, 80, 80))
    assert not repair_labels(labels, grid).changed.any()
    repair = repair_labels(with_gap(labels), grid)
    assert min(dice(repair.labels, labels).values()) > 0.99


def test_anisotropic_voxels_are_repaired_with_a_ball_in_millimetres():
    grid = cube_grid(80, (1.0, 1.0, 2.5))
    truth = half_ellipsoid(grid, grid_centre(grid) + np.array([12, -12, 9]), **SIZE)
    repair = repair_labels(with_gap(truth), grid)
    assert min(dice(repair.labels, truth).values()) > 0.98
    assert (repair.holes_after, repair.gaps_after) == (0, 0)


def test_repairing_twice_changes_nothing_more():
    first = repair_labels(with_gap(with_salt(TRUTH, part=0.05, seed=3)), GRID)
    second = repair_labels(first.labels, GRID)
    assert not second.changed.any()
    assert count_defects(first.labels, GRID)[:2] == (0, 0)


def test_keep_largest_leaves_one_body():
    damaged = TRUTH.copy()
    damaged[0, 0, 0] = 1
    assert np.array_equal(keep_largest(damaged), TRUTH)


@pytest.mark.parametrize("value", [0, 7])
def test_empty_and_strange_labels_are_named(value: int):
    with pytest.raises(LabelError):
        repair_labels(np.full(GRID.shape, value, dtype=np.uint8), GRID)


def seconds(labels: np.ndarray, grid: Grid) -> float:
    """Return the CPU seconds of a repair, the least of three: other programs only ever add."""
    times = []
    for _ in range(3):
        started = time.thread_time()
        repair_labels(labels, grid)
        times.append(time.thread_time() - started)
    return min(times)


def test_repair_in_a_whole_chest_costs_little_more_than_in_the_heart_alone():
    heart = with_gap(TRUTH)
    chest = np.zeros((200, 200, 200), dtype=np.uint8)
    chest[40:120, 50:130, 60:140] = heart
    assert chest.size > 15 * heart.size
    assert seconds(chest, cube_grid(200)) < 3 * seconds(heart, GRID)
