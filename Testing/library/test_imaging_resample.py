"""Resampling, against analytic fields and SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from LVMLib.grid import Grid
from LVMLib.imaging import resample_image, resample_labels

TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])


def grid_of(shape: tuple[int, int, int], spacing: tuple[float, ...], turn: np.ndarray | None = None) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) * spacing
    affine[:3, 3] = (-10.0, 5.0, 20.0)
    return Grid(shape, affine)


def points_of(grid: Grid) -> np.ndarray:
    k, j, i = np.indices(grid.shape)
    return grid.to_ras(np.stack([i, j, k], axis=-1))


def field(points: np.ndarray) -> np.ndarray:
    return (points @ [3.0, -2.0, 1.5] + 40).astype(np.float32)


@pytest.mark.parametrize("turn", [None, TURN])
def test_a_linear_field_is_reproduced_away_from_the_border(turn):
    grid, target = grid_of((12, 14, 16), (0.5, 0.7, 0.9)), grid_of((9, 9, 8), (0.8, 0.8, 0.8), turn)
    found = resample_image(field(points_of(grid)), grid, target, fill=np.nan)
    index = grid.to_ijk(points_of(target))
    inside = ((index >= 0) & (index <= np.array(grid.shape[::-1]) - 1)).all(axis=-1)
    assert inside.sum() > 50
    assert np.allclose(found[inside], field(points_of(target))[inside], atol=1e-3)
    beyond = ((index < -0.51) | (index > np.array(grid.shape[::-1]) - 0.49)).any(axis=-1)
    assert np.isnan(found[beyond]).all() and not np.isnan(found[~beyond]).any()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("turn", [None, TURN])
def test_values_agree_with_simpleitk(order, turn):
    rng = np.random.default_rng(0)
    grid, target = grid_of((10, 12, 14), (0.5, 0.6, 0.7), turn), grid_of((7, 8, 6), (0.75, 0.8, 0.9))
    volume = rng.normal(0, 300, grid.shape).astype(np.float32)

    def as_itk(array: np.ndarray, where: Grid) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(where.spacing.tolist())
        image.SetDirection(where.directions.ravel().tolist())
        image.SetOrigin(where.affine[:3, 3].tolist())
        return image

    reference = as_itk(np.zeros(target.shape, np.float32), target)
    how = [sitk.sitkNearestNeighbor, sitk.sitkLinear][order]
    expected = sitk.GetArrayFromImage(sitk.Resample(as_itk(volume, grid), reference, sitk.Transform(), how, -1024.0))
    found = resample_image(volume, grid, target, order=order)
    index = grid.to_ijk(points_of(target))
    inside = ((index > 0.01) & (index < np.array(grid.shape[::-1]) - 1.01)).all(axis=-1)
    tie = (np.abs(index - np.floor(index) - 0.5) < 1e-3).any(axis=-1) & (order == 0)
    assert np.allclose(found[inside & ~tie], expected[inside & ~tie], atol=0.05)


def test_the_isotropic_grid_covers_the_box_and_its_border_is_image_not_air():
    grid = grid_of((20, 25, 30), (0.4, 0.4, 0.7))
    target = grid.isotropic(1.0)
    found = resample_image(np.full(grid.shape, 77, np.int16), grid, target)
    assert found.dtype == np.int16 and (found == 77).all()
    assert np.allclose(target.spacing, 1.0)


def test_the_same_grid_returns_an_exact_copy():
    grid = grid_of((4, 5, 6), (0.5, 0.6, 0.7))
    volume = np.random.default_rng(0).integers(-1000, 1000, grid.shape, dtype=np.int16)
    found = resample_image(volume, grid, grid)
    assert np.array_equal(found, volume) and found is not volume
    labels = (volume > 0).astype(np.uint8)
    assert np.array_equal(resample_labels(labels, grid, grid), labels)


def shells(grid: Grid) -> np.ndarray:
    centre = grid.to_ras((np.array(grid.shape[::-1]) - 1) / 2)
    radius = np.linalg.norm(points_of(grid) - centre, axis=-1)
    return np.where(radius < 12, 1, np.where(radius < 18, 2, 0)).astype(np.uint8)


@pytest.mark.parametrize("turn", [None, TURN])
@pytest.mark.parametrize("spacing", [(0.4, 0.4, 0.7), (1.5, 1.5, 1.5)])
def test_volumes_of_concentric_spheres_survive_resampling_within_two_percent(spacing, turn):
    shape = tuple(int(40 / step) for step in spacing[::-1])
    grid = grid_of(shape, spacing, turn)
    target = grid_of(shape, spacing).isotropic(1.0) if turn is None else grid.isotropic(1.0)
    labels = resample_labels(shells(grid), grid, target)
    for value in (1, 2):
        before = (shells(grid) == value).sum() * grid.voxel_volume
        assert abs((labels == value).sum() * target.voxel_volume / before - 1) < 0.02


def test_halving_the_resolution_thins_neither_wall_nor_cavity():
    # Every second target centre lies midway between two voxels: ties everywhere.
    grid = grid_of((80, 80, 80), (0.5, 0.5, 0.5))
    affine = grid.affine @ np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] += 0.25
    target = Grid((39, 39, 39), affine)
    labels = resample_labels(shells(grid), grid, target)
    for value in (1, 2):
        before = (shells(grid) == value).sum() * grid.voxel_volume
        assert abs((labels == value).sum() * target.voxel_volume / before - 1) < 0.01


def test_labels_differ_from_the_truth_only_at_the_interfaces():
    grid = grid_of((58, 100, 100), (0.4, 0.4, 0.7))
    target = grid.isotropic(1.0)
    truth = shells(target)
    wrong = resample_labels(shells(grid), grid, target) != truth
    assert wrong.sum() < 0.03 * (truth > 0).sum()


def test_labels_off_the_target_and_empty_labels_give_background():
    grid = grid_of((6, 6, 6), (1, 1, 1))
    far = Grid((6, 6, 6), grid.affine + np.array([[0, 0, 0, 500]] * 3 + [[0, 0, 0, 0]]))
    assert not resample_labels(np.ones(grid.shape, np.uint8), grid, far).any()
    assert not resample_labels(np.zeros(grid.shape, np.uint8), grid, grid_of((3, 3, 3), (2, 2, 2))).any()
    assert (resample_image(np.zeros(grid.shape, np.int16), grid, far) == -1024).all()
