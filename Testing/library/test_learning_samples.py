"""From pairs to crops, and the loss on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_helpers import ball_pair, tiny_config
from LVMLib.errors import TrainingError
from LVMLib.grid import Grid
from LVMLib.learning import Augmentation, Normalisation, sparse_dice_loss
from LVMLib.learning.models.predict import to_native
from LVMLib.learning.samples.cache import cache_pairs
from LVMLib.learning.samples.crops import Sampler
from LVMLib.learning.samples.normalise import AIR_HU, measured_normalisation
from LVMLib.learning.samples.working_grid import to_working, working_grid

OBLIQUE_ORDER = np.array([[0, 0, 1.5, 10], [0.8, 0, 0, -30], [0, -0.7, 0, 50], [0, 0, 0, 1.0]])


@pytest.fixture
def cached(tmp_path):
    pairs = [ball_pair(tmp_path / "pairs", name) for name in ("a", "b", "c")]
    return cache_pairs(pairs, 2.0, tmp_path / "cache")


def field(grid: Grid) -> np.ndarray:
    """A linear function of RAS position, which linear interpolation keeps."""
    k, j, i = np.mgrid[: grid.shape[0], : grid.shape[1], : grid.shape[2]]
    return grid.to_ras(np.stack([i, j, k], -1)) @ [3.0, 5.0, -7.0] + 100


def test_the_working_grid_runs_left_back_and_up_whatever_the_order_in_the_file():
    grid = Grid((20, 30, 40), OBLIQUE_ORDER)
    target = working_grid(grid, 2.0)
    np.testing.assert_allclose(target.affine[:3, :3], np.diag([-2.0, -2.0, 2.0]), atol=1e-12)
    inside = (slice(2, -2),) * 3
    np.testing.assert_allclose(to_working(field(grid), grid, target)[inside], field(target)[inside], atol=0.51)


def test_probabilities_return_to_the_place_that_they_came_from():
    grid = Grid((40, 50, 60), OBLIQUE_ORDER)
    target = working_grid(grid, 2.0)
    centre = grid.to_ras((np.array(grid.shape[::-1]) - 1) / 2)

    def ball(g):
        k, j, i = np.mgrid[: g.shape[0], : g.shape[1], : g.shape[2]]
        return np.linalg.norm(g.to_ras(np.stack([i, j, k], -1)) - centre, axis=-1)

    wall = np.clip(0.5 + (12 - ball(target)) / 4, 0, 1)
    blood = np.clip(0.5 + (7 - ball(target)) / 4, 0, 1)
    shares = torch.from_numpy(np.stack([1 - wall, blood, wall - blood])).float()
    box = (slice(1, target.shape[0]), slice(0, target.shape[1] - 1), slice(2, target.shape[2]))
    labels = to_native(shares[(slice(None), *box)], target, box, grid)
    assert labels.dtype == np.uint8
    truth = np.where(ball(grid) < 7, 1, np.where(ball(grid) < 12, 2, 0))
    assert (labels != truth).mean() < 0.012
    assert not (labels[ball(grid) > 13.5] > 0).any()


def test_a_cached_case_is_memory_mapped_and_made_once(tmp_path, cached):
    assert isinstance(cached[0].image, np.memmap)
    assert cached[0].mask.shape == (2, 24, 24, 24)
    stamp = (cached[0].folder / "case.json").stat().st_mtime_ns
    again = cache_pairs([ball_pair(tmp_path / "pairs", "a")], 2.0, tmp_path / "cache")
    assert (again[0].folder / "case.json").stat().st_mtime_ns == stamp
    coarse = cache_pairs([ball_pair(tmp_path / "pairs", "a")], 4.0, tmp_path / "cache")
    assert coarse[0].image.shape == (4, 12, 12, 12)


def test_a_crop_without_augmentation_is_a_piece_of_the_image(cached):
    config = tiny_config(augmentation=Augmentation(pose_probability=0.0, scanner_probability=0.0), foreground=1.0)
    sampler = Sampler(cached, config, Normalisation(low=-2000, high=4000, centre=0, scale=1))
    for step in range(5):
        sample = sampler.draw(step)
        crop = sample.image[0, 0, sample.labelled_phases[0]].numpy()
        inside = crop[crop > AIR_HU + 200].astype(int)
        case = next(c for c in cached if c.id == sample.case)
        assert np.isin(inside, np.array(case.image)).all()
        blood = crop[sample.labels[0, 0].numpy() == 1]
        assert len(blood) and abs(np.median(blood) - 420) < 10


def test_augmentation_within_one_scanner_changes_intensities_less_than_across_scanners(cached):
    def change(name: str) -> float:
        augmentation = replace(tiny_config(augmentation=name).augmentation, pose_probability=0.0)
        config = tiny_config(augmentation=augmentation, foreground=1.0)
        plain = tiny_config(augmentation=replace(augmentation, scanner_probability=0.0), foreground=1.0)
        window = Normalisation(low=-2000, high=4000, centre=0, scale=1)
        pairs = [(Sampler(cached, c, window).draw(n).image for c in (config, plain)) for n in range(40)]
        return float(np.mean([(one - other).abs().mean() for one, other in pairs]))

    assert 0 < change("own_scanner") < 0.5 * change("any_scanner")


def test_an_unknown_augmentation_is_refused_with_the_known_ones():
    with pytest.raises(TrainingError, match="any_scanner, own_scanner"):
        tiny_config(augmentation="strong")


def test_every_crop_holds_a_labelled_phase_and_labels_of_all_classes_often(cached):
    sampler = Sampler(cached, tiny_config(windows={1: 1, 2: 1, 4: 1}), Normalisation())
    seen = []
    for step in range(30):
        sample = sampler.draw(step)
        assert sample.labelled_phases
        assert sample.labels.shape[1] == len(sample.labelled_phases)
        assert sample.labels.shape[2:] == sample.image.shape[3:]
        assert torch.isfinite(sample.image).all()
        seen.append(set(sample.labels.unique().tolist()) == {0, 1, 2})
    assert np.mean(seen) > 0.6


def test_crops_depend_on_seed_and_step_only(cached):
    config = tiny_config()
    one, other = Sampler(cached, config, Normalisation()), Sampler(cached, config, Normalisation())
    other.draw(3)
    assert torch.equal(one.draw(7).image, other.draw(7).image)
    changed = Sampler(cached, replace(config, seed=1), Normalisation())
    assert not torch.equal(one.draw(7).image[..., :8, :8, :8], changed.draw(7).image[..., :8, :8, :8])


def test_all_cases_are_drawn_equally_often(cached):
    sampler = Sampler(cached, tiny_config(batch=1), Normalisation())
    names = [sampler.draw(step).case for step in range(9)]
    assert sorted(names) == sorted([case.id for case in cached] * 3)


def test_contrast_of_the_target_site_is_mapped_to_the_usual_input():
    normalise = measured_normalisation([300.0, 320.0, 310.0], [90.0, 100.0, 95.0])
    assert normalise(np.array(310.0)) == pytest.approx(Normalisation()(np.array(400.0)))
    assert normalise(np.array(95.0)) == pytest.approx(Normalisation()(np.array(110.0)))


def test_unlabelled_phases_get_exactly_zero_gradient():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 5, 4, 4, 4, requires_grad=True)
    labels = torch.randint(0, 3, (1, 5, 4, 4, 4))
    sparse_dice_loss(logits, labels, [1, 3], cross_entropy=1.0).backward()
    assert (logits.grad[:, :, [0, 2, 4]] == 0).all()
    assert (logits.grad[:, :, [1, 3]] != 0).all()


def test_labels_of_all_phases_or_of_the_labelled_ones_give_the_same_loss():
    torch.manual_seed(0)
    logits, labels = torch.randn(2, 3, 4, 3, 3, 3), torch.randint(0, 3, (2, 4, 3, 3, 3))
    assert sparse_dice_loss(logits, labels, [0, 2]) == sparse_dice_loss(logits, labels[:, [0, 2]], [0, 2])


def test_the_dice_loss_of_a_perfect_and_of_an_uncertain_answer_is_known():
    labels = torch.zeros(1, 1, 10, 10, 10, dtype=torch.long)
    labels[..., :3], labels[..., 3:6] = 1, 2
    perfect = 40.0 * torch.nn.functional.one_hot(labels, 3).permute(0, 5, 1, 2, 3, 4).float()
    assert sparse_dice_loss(perfect, labels, [0]) < 1e-5
    # One third everywhere: overlap 100, sums 1000/3 and 300.
    expected = 1 - (200 + 1) / (1000 / 3 + 300 + 1)
    assert sparse_dice_loss(torch.zeros_like(perfect), labels, [0]).item() == pytest.approx(expected, rel=1e-4)
