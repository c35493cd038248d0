"""What of a source is changed, what unlabelled phases teach, and steps on a GPU as far as a CPU can show them."""

import dataclasses

import numpy as np
import pytest
import torch
from learning_helpers import ball_pair, tiny_config
from LVMLib.errors import TrainingError
from LVMLib.learning import FinetuneConfig, Normalisation, sparse_dice_loss
from LVMLib.learning.device import Device, choose_device
from LVMLib.learning.samples.cache import cache_pairs
from LVMLib.learning.samples.carry import UNKNOWN
from LVMLib.learning.samples.crops import Sampler
from LVMLib.learning.training.ranks import Ranks
from LVMLib.learning.training.step import Place, StepTaker, _Feed
from LVMLib.learning.workers import Workers
from LVMLib.network import build_network


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    folder = tmp_path_factory.mktemp("transfer")
    return cache_pairs([ball_pair(folder / "pairs", name) for name in ("a", "b")], 2.0, folder / "cache")


def taker(cached, *, device=None, from_source=True, **options):
    torch.manual_seed(0)
    config = tiny_config(**options)
    sampler = Sampler(cached, config, Normalisation())
    device = device or choose_device("cpu", precision="fp32")
    return StepTaker(
        build_network("small"), sampler, config, device=device, workers=Workers(1), ranks=Ranks(),
        from_source=from_source,
    )  # fmt: skip


def take(steps, count=3, rate=1e-2):
    for number in range(count):
        steps.take(Place(step=number, fraction=0.5, rate=rate, shrink=1.0))


def changed(steps, before):
    now = steps.network.state_dict()
    return {name for name in before if not torch.equal(before[name], now[name])}


def weights(steps):
    return {name: value.clone() for name, value in steps.network.state_dict().items()}


def test_what_is_frozen_stays_as_it_was(cached):
    decoder, norms, everything = (taker(cached, trainable=which) for which in ("decoder", "norm_head", "all"))
    before = weights(decoder)
    for steps in (decoder, norms, everything):
        take(steps)
    assert changed(everything, before) == set(before)
    assert changed(decoder, before) == {name for name in before if name.split(".")[0] in ("up", "decoder", "head")}
    assert changed(norms, before) == {name for name in before if "norm" in name or name.startswith("head")}


def test_random_weights_are_all_trained_whatever_the_recipe_holds_of_a_source(cached):
    steps = taker(cached, from_source=False, trainable="norm_head", anchor=100.0, rate_decay=0.1)
    before = weights(steps)
    take(steps)
    assert changed(steps, before) == set(before)
    assert {group["factor"] for group in steps.trainable.groups} == {1.0}


def test_an_anchor_keeps_the_weights_near_their_source(cached):
    free, held = taker(cached), taker(cached, anchor=30.0)
    before = weights(free)
    for steps in (free, held):
        take(steps, 6)

    def distance(steps):
        return sum(float((steps.network.state_dict()[name] - before[name]).square().sum()) for name in before)

    assert distance(held) < 0.8 * distance(free)


def test_discriminative_rates_fall_from_the_head_to_the_stem(cached):
    factors = [group["factor"] for group in taker(cached, rate_decay=0.5).trainable.groups]
    assert factors == [0.5**n for n in reversed(range(len(factors)))]


@pytest.mark.parametrize("unlabelled", ["carried", "teacher", "both"])
def test_unlabelled_phases_are_drawn_and_learnt_from(cached, unlabelled):
    steps = taker(cached, unlabelled=unlabelled, unlabelled_share=1.0, windows={1: 1.0}, ema=0.9)
    sample = steps.sampler.draw(0)
    assert sample.labelled_phases == () and sample.guessed_phases == (0,)
    known = sample.guessed != UNKNOWN
    assert known.any() == (unlabelled != "teacher")
    before = weights(steps)
    take(steps)
    assert changed(steps, before)


def test_a_teacher_needs_a_running_mean():
    with pytest.raises(TrainingError, match="running mean"):
        FinetuneConfig(unlabelled="both")


def test_unknown_voxels_get_exactly_zero_gradient():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 1, 4, 4, 4, requires_grad=True)
    labels = torch.randint(0, 3, (1, 1, 4, 4, 4))
    labels[..., :2] = UNKNOWN
    sparse_dice_loss(logits, labels, [0], cross_entropy=1.0).backward()
    assert (logits.grad[..., :2] == 0).all() and (logits.grad[..., 2:] != 0).all()
    nothing = sparse_dice_loss(logits, torch.full_like(labels, UNKNOWN), [0], cross_entropy=1.0)
    assert nothing.item() == 0.0


def test_crops_made_ahead_are_those_that_would_have_been_drawn(cached):
    config = tiny_config(windows={2: 1.0})
    sampler = Sampler(cached, config, Normalisation())
    feed = _Feed(sampler, config.batch, Ranks())
    for step, item, shrink in ((0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0), (1, 0, 0.8), (1, 1, 0.8), (2, 0, 0.8)):
        ahead = feed.draw(Place(step=step, fraction=0.0, rate=0.0, shrink=shrink), item)
        assert torch.equal(ahead.image, sampler.draw(step, item=item, shrink=shrink).image)


def test_half_precision_leaves_out_a_step_that_overflowed_and_scales_less(cached, monkeypatch):
    steps = taker(cached, device=Device("cpu", "fp16"), ema=0.0, clip_norm=0.0)
    before, scale = weights(steps), steps.state()["scale"][0]
    fine = [torch.ones_like(p) * scale for p in steps.trainable.parameters]
    broken = [fine[0] * np.inf, *fine[1:]]
    for gradients in (broken, fine):
        monkeypatch.setattr(steps, "_item", lambda item, place, g=gradients: (0.5, [0.1, 0.2], tuple(g)))
        take(steps, 1)
        assert bool(changed(steps, before)) == (gradients is fine)
        assert steps.state()["scale"][0] == scale / 2
    restored = taker(cached, device=Device("cpu", "fp16"), ema=0.0)
    restored.restore(steps.state())
    assert restored.state()["scale"] == steps.state()["scale"]


def test_a_recipe_follows_the_model_where_it_does_not_say_otherwise():
    paper = FinetuneConfig.preset("paper")
    assert paper.resolved(crop=(64, 48, 32), context=1).windows == {1: 1.0}
    assert paper.resolved(crop=(64, 48, 32), context=0).windows == {4: 1.0}
    given = dataclasses.replace(paper, crop=(16, 16, 16)).resolved(crop=(64, 48, 32), context=1)
    assert given.crop == (16, 16, 16)
