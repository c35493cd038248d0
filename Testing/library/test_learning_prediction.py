"""Prediction of whole cases: labels in little memory, smooth volume curves, labels carried along the cycle."""

import numpy as np
import pytest
import torch
from learning_helpers import ball_pair, ball_phase, tiny_config
from LVMLib.imaging import ArrayFrames, Sequence
from LVMLib.learning import Bundle, finetune, volume_jitter_ml
from LVMLib.learning.models import predict
from LVMLib.learning.models.label_store import LabelStore
from LVMLib.learning.models.predict import covers_cycle
from LVMLib.learning.samples.cache import cache_pairs
from LVMLib.learning.samples.carry import UNKNOWN, carried_labels, carry_labels
from LVMLib.measures import dice


def test_labels_come_back_from_the_store_also_where_there_are_none():
    rng = np.random.default_rng(0)
    labels = np.zeros((20, 30, 40), np.uint8)
    labels[3:9, 10:20, 5:7] = rng.integers(0, 3, (6, 10, 2))
    store = LabelStore(labels.shape)
    store.put(7, np.zeros_like(labels))
    store.put(2, labels)
    assert list(store) == [2, 7] and len(store) == 2
    np.testing.assert_array_equal(store[2], labels)
    assert not store[7].any()
    store.put(7, labels)
    np.testing.assert_array_equal(store[7], labels)


def test_phases_go_around_the_beat_unless_a_part_of_it_is_missing():
    assert covers_cycle(tuple(np.arange(0, 100, 5.0)))
    assert covers_cycle((0.0, 10.0, 30.0, 40.0, 70.0, 80.0)) and covers_cycle((75.0,))
    assert not covers_cycle((30.0, 40.0, 50.0, 60.0, 70.0, 80.0))


@pytest.mark.parametrize(
    ("percent", "first", "around"), [((0, 20, 40, 60, 80), 4, True), ((30, 40, 50, 60, 70), 0, False)]
)
def test_time_goes_on_or_ends_where_the_phases_do(tmp_path, monkeypatch, percent, first, around):
    pairs = [ball_pair(tmp_path / "pairs", name) for name in ("a", "b")]
    config = tiny_config(epochs=1, steps=1, context=3)
    bundle = Bundle.load(finetune(pairs[:1], pairs[1:], source=None, config=config, run_dir=tmp_path / "run").bundle)
    # The darkest voxel of each phase tells its number.
    image = np.stack([np.full((24, 24, 24), -100 + t, np.int16) for t in range(5)])
    seen = []

    def look(model, frames, variants):
        cyclic = {module.cyclic for module in model.network.modules() if hasattr(module, "cyclic")}
        seen.append(([int(frame.min()) + 100 for frame in frames], cyclic))
        return torch.full((len(frames), 3, *frames.shape[1:]), 1 / 3)

    monkeypatch.setattr(predict, "with_variants", look)
    sequence = Sequence(pairs[0].grid, ArrayFrames(image), tuple(map(float, percent)))
    list(predict.predict_phases(sequence, bundle, phases=[0, 2], device="cpu"))
    assert seen == [([first, 0, 1] if around else [0, 1, 2], {around}), ([1, 2, 3], {around})]


def test_jitter_is_the_error_of_a_phase_and_not_the_beat_of_the_heart():
    turn = 2 * np.pi * np.arange(20) / 20
    beat = 120 + 40 * np.cos(turn) + 10 * np.sin(2 * turn) + 4 * np.cos(3 * turn)
    assert volume_jitter_ml(dict(enumerate(beat))) == pytest.approx(0, abs=1e-9)
    rng = np.random.default_rng(1)
    found = [volume_jitter_ml(dict(enumerate(beat + rng.normal(0, 3.0, 20)))) for _ in range(200)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(3.0, rel=0.06)
    assert np.isnan(volume_jitter_ml({0: 100.0, 1: 90.0, 2: 95.0}))


def test_labels_carried_along_the_cycle_are_right_where_both_ways_agree():
    rng = np.random.default_rng(2)
    centre = np.array([16.0, 15.0, 17.0])
    frames, truth = zip(*(ball_phase(t / 8, centre, 32, rng) for t in range(8)))
    found = carry_labels(np.stack(frames), {0: truth[0], 4: truth[4]})
    np.testing.assert_array_equal(found[0], truth[0])
    for phase in (1, 2, 3, 5, 6, 7):
        known = found[phase] != UNKNOWN
        overlap = dice(np.where(known, found[phase], 0), np.where(known, truth[phase], 0))
        assert min(overlap.values()) > 0.93
        assert 0.5 < known[truth[phase] > 0].mean() <= 1.0


def test_carried_labels_are_made_once_and_kept_beside_the_case(tmp_path):
    (case,) = cache_pairs([ball_pair(tmp_path / "pairs", "a")], 2.0, tmp_path / "cache")
    labels, box = carried_labels(case)
    stamp = (case.folder / "carried.npy").stat().st_mtime_ns
    again, _ = carried_labels(case)
    assert (case.folder / "carried.npy").stat().st_mtime_ns == stamp
    assert labels.shape[0] == 4 and labels.shape[1:] == tuple(s.stop - s.start for s in box)
    np.testing.assert_array_equal(again[2], np.array(case.mask[(1, *box)]))
