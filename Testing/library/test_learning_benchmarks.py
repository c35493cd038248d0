"""The benchmarks of network and training, at sizes that take a moment: rows, goals, and peers that compute the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from learning_helpers import LPS_2MM, ball_phase, saved_bundle
from LVMLib.evaluation.benchmarks import Row, conv4d, inference, inference_process, training
from LVMLib.evaluation.benchmarks.training_peer import PlainCNN4d
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, Sequence
from LVMLib.network import CNN4d


def by_name(rows: list[Row]) -> dict[str, Row]:
    """Return the rows by name, each of which has a finite value; a goal is judged, and only a goal."""
    for row in rows:
        assert np.isfinite(row.value) and row.unit is not None
        assert (row.goal is None) == (row.met is None)
        assert (row.peer is None) == (row.peer_value is None)
        if row.goal:
            sign, limit = row.goal.split()
            assert row.met == (row.value <= float(limit) if sign == "<=" else row.value >= float(limit))
    assert len({row.name for row in rows}) == len(rows)
    return {row.name: row for row in rows}


def test_the_convolution_benchmark_compares_equal_results():
    rows = by_name(conv4d.run(shape=(3, 4, 6, 8)))
    assert rows["4D convolution, largest difference"].met
    assert rows["4D convolution, largest relative difference of a gradient"].met
    assert rows["4D convolution, with gradients: times faster"].goal == ">= 5"


@pytest.mark.parametrize("shape", [(1, 8, 8, 8), (4, 8, 10, 12), (3, 7, 9, 8)])
def test_the_plain_network_gives_the_logits_and_gradients_of_ours(shape):
    torch.manual_seed(0)
    network = CNN4d()
    x = torch.randn(1, 1, *shape)
    plain = PlainCNN4d(network, channels_last=shape[0] == 4)
    torch.testing.assert_close(network(x), plain(x), rtol=1e-3, atol=1e-4)
    kernels = [p for p in network.parameters() if p.ndim > 1]
    ours, theirs = (torch.autograd.grad(way(x).square().mean(), kernels) for way in (network, plain))
    for gradient, wanted in zip(ours, theirs):
        assert (gradient - wanted).norm() <= 1e-3 * wanted.norm()


def test_the_training_benchmark_takes_its_ratio_turn_by_turn():
    times = {"ours": [1.0, 2.0, 1.0], "plain": [3.0, 8.0, 2.0]}
    assert training._ratio(times, "ours") == 3.0


def test_the_training_benchmark_trains_both_ways():
    rows = by_name(training.step_rows(side=16, volume=24, repeats=1))
    assert rows["largest relative difference of the logits, single precision"].met
    assert rows["training step with its crops: times faster"].goal == ">= 2"
    step = rows["training step with its crops"]
    assert step.unit == "ms" and step.ratio == pytest.approx(step.peer_value / step.value)


def test_the_memory_benchmark_measures_processes_of_their_own():
    rows = by_name(training.memory_rows(few=1, many=2, volume=24, steps=1))
    peak = rows["peak memory of training on 2 cases"]
    assert peak.peer == "1 cases" and peak.value > 100 and peak.peer_value > 100
    growth = rows["peak memory: growth from 1 to 2 cases"]
    assert growth.value == pytest.approx(max(peak.value / peak.peer_value - 1, 0) * 100)


@pytest.fixture
def case():
    """A beating ball of four phases: HU, labels and grid."""
    rng = np.random.default_rng(0)
    frames = [ball_phase(phase, np.full(3, 8.0), 16, rng) for phase in (0.0, 0.25, 0.5, 0.75)]
    hu, labels = (np.stack(parts) for parts in zip(*frames))
    return hu, labels, Grid((16,) * 3, LPS_2MM)


def test_monais_windows_and_ours_give_the_same_labels_where_one_window_holds_the_case(case, tmp_path):
    hu, _, grid = case
    bundle = saved_bundle(tmp_path / "tiny")
    sequence = Sequence(grid, ArrayFrames(hu))
    ours, monai = (inference_process.WAYS[way](sequence, bundle) for way in ("ours", "monai"))
    assert list(ours) == list(monai) == [0, 1, 2, 3]
    assert any(ours[phase].any() for phase in ours), "choose another seed: this one finds nothing"
    for phase, labels in ours.items():
        np.testing.assert_array_equal(labels, monai[phase])


def test_the_inference_benchmark_judges_time_and_dice(case):
    _, truth, grid = case
    worse = truth.copy()
    worse[:, 8] = 0
    fast, slow = inference.Found(worse, 1.0, 100.0), inference.Found(truth, 3.0, 150.0)
    rows = by_name(inference.rows(fast, slow, truth, grid))
    assert rows["inference, 4 phases of 16x16x16 (phantom): times faster"].value == 3.0
    assert rows["inference: peak memory of the process"].ratio == 1.5
    assert rows["inference: mean Dice over the phases (phantom)"].peer_value == 1.0
    assert rows["inference: Dice lost to the peer (phantom)"].met is False
    equal = by_name(inference.rows(slow, slow, truth, grid))
    assert equal["inference: Dice lost to the peer (phantom)"].met
    assert equal["inference, 4 phases of 16x16x16 (phantom): times faster"].met is False
