"""Training runs: killed and resumed, refused, guarded, cancelled."""

import dataclasses
import json
import subprocess

import numpy as np
import pytest
import torch
from learning_helpers import LONG, ball_pair, ball_phase, tiny_config
from LVMLib.cohort.lock import writing
from LVMLib.errors import CohortError, LabelError, LVMCancelled, PairError, TrainingError
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, Sequence
from LVMLib.learning import Bundle, FinetuneConfig, RunFolder, finetune, predict, predict_sequence, read_events
from process_helpers import python_process, wait_for_line
from safetensors.torch import load_file

# Runs in a process of its own, so that it can be killed like one; in the midst of its third epoch it waits for that.
SCRIPT = """
import sys
from LVMLib.cohort import open_pairs
from LVMLib.learning import finetune
from learning_helpers import LONG, tiny_config
def progress(fraction, message):
    if message.startswith("epoch 3/5, step 2"):
        print("at work", flush=True)
        sys.stdin.read()
pairs = open_pairs(sys.argv[1])
finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(**LONG), run_dir=sys.argv[2], progress=progress)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def pairs(folder):
    return [ball_pair(folder / "pairs", name) for name in ("a", "b", "c", "d")]


@pytest.fixture(scope="module")
def trained(folder, pairs):
    """A tiny model that has learnt something: result and run folder."""
    config = tiny_config(epochs=3, steps=12, cache_dir=str(folder / "cache"), validate_every=3)
    result = finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=folder / "trained")
    return result, folder / "trained"


def test_a_killed_run_resumes_to_bitwise_the_same_weights(folder, pairs):
    whole, killed = folder / "whole", folder / "killed"
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with python_process("-c", SCRIPT, folder / "pairs", killed, **streams) as process:
        wait_for_line(process, "at work")
        process.kill()
    assert RunFolder(killed).read()["status"] == "running"
    config = tiny_config(**LONG)
    finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=killed, resume=True)
    finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=whole)
    assert [event["epoch"] for event in read_events(killed) if event["event"] == "resumed"] == [2]
    for name in ("network", "averaged"):
        one, other = (torch.load(run / "checkpoints/last.pt", weights_only=True)[name] for run in (whole, killed))
        assert all(torch.equal(one[key], other[key]) for key in one)
    one, other = (load_file(run / "best/model.safetensors") for run in (whole, killed))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_training_learns_and_says_what_it_did(trained):
    result, run = trained
    assert result.dice > 0.6
    assert result.better is None and "phantom" in result.describe()
    events = list(read_events(run))
    epoch = next(event for event in events if event["event"] == "epoch")
    assert {"loss", "dice", "seconds", "remaining_seconds", "device", "memory_bytes", "learning_rate"} <= set(epoch)
    assert json.loads((run / "run.json").read_text())["status"] == "done"
    origin = Bundle.load(result.bundle).manifest.provenance[-1]
    assert (origin.training_cases, origin.validation_cases, origin.phantom) == (3, 1, True)


def test_prediction_finds_the_ventricle_on_any_grid_and_in_one_phase(trained):
    bundle = Bundle.load(trained[0].bundle)
    rng = np.random.default_rng(5)
    hu, labels = ball_phase(0.0, np.array([11.0, 13.0, 12.0]), 24, rng)
    # The same heart, its file stored along other axes: x reversed and z, y exchanged.
    turned = Grid((24, 24, 24), np.array([[2.0, 0, 0, 0], [0, 0, -2.0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]]))
    stored = np.ascontiguousarray(hu.transpose(1, 0, 2)[:, :, ::-1])
    truth = labels.transpose(1, 0, 2)[:, :, ::-1]
    plain = predict(Sequence(Grid((24,) * 3, np.diag([-2.0, -2.0, 2.0, 1.0])), ArrayFrames(hu)), bundle, device="cpu")
    found = predict(Sequence(turned, ArrayFrames(stored)), bundle, device="cpu")
    assert list(found) == [0]
    np.testing.assert_array_equal(found[0], plain[0].transpose(1, 0, 2)[:, :, ::-1])
    overlap = (
        2 * np.count_nonzero((found[0] > 0) & (truth > 0)) / (np.count_nonzero(found[0]) + np.count_nonzero(truth))
    )
    assert overlap > 0.7


def test_all_phases_are_predicted_and_the_volume_curve_follows(trained, pairs):
    bundle = Bundle.load(trained[0].bundle)
    found = predict_sequence(pairs[3].image(), bundle, repaired=[0], device="cpu")
    assert list(found.volumes_ml) == [0, 1, 2, 3] and list(found.repairs) == [0]
    assert found.volumes_ml[0] > found.volumes_ml[2] and found.jitter_ml >= 0
    together = dataclasses.replace(bundle, manifest=bundle.manifest.model_copy(update={"context": 0}))
    assert set(predict(pairs[3].image(), together, phases=[1, 3], device="cpu", variants=2)) == {1, 3}
    with pytest.raises(TrainingError, match="phases between 0 and 3"):
        predict(pairs[3].image(), bundle, phases=[4])


def test_a_model_that_is_not_better_than_its_source_is_marked_so(folder, pairs, trained):
    source = Bundle.load(trained[0].bundle)
    config = tiny_config(epochs=1, steps=1, learning_rate=0.5, ema=0.0, cache_dir=str(folder / "cache"))
    result = finetune(pairs[:3], pairs[3:], source=source, config=config, run_dir=folder / "worse")
    assert result.better is False and "NOT better" in result.describe()
    bundle = Bundle.load(result.bundle)
    assert bundle.manifest.better_than_source is False
    assert "Not better than its source" in (bundle.path / "README.md").read_text()
    assert len(bundle.manifest.provenance) == 2


def test_training_on_a_validation_case_is_refused(folder, pairs):
    for validation in (pairs[2:], [ball_pair(folder / "copy", "a")]):
        with pytest.raises(TrainingError, match="in both"):
            finetune(pairs[:3], validation, source=None, config=tiny_config(), run_dir=folder / "overlap")
    assert not (folder / "overlap").exists()


def test_a_pair_without_labelled_phase_is_refused(folder, pairs):
    bare = dataclasses.replace(pairs[0], manifest=pairs[0].manifest.model_copy(update={"labelled_phases": ()}))
    with pytest.raises(PairError, match="labelled phase"):
        finetune([bare], pairs[3:], source=None, config=tiny_config(), run_dir=folder / "bare")


def test_labels_on_the_wrong_phases_are_refused_before_training(folder, tmp_path):
    from nibabel import Nifti1Image, load

    good = ball_pair(tmp_path / "pairs", "good")
    swapped = ball_pair(tmp_path / "pairs", "swapped", ed=2, es=0)
    with pytest.raises(PairError, match="exchanged"):
        finetune([swapped], [good], source=None, config=tiny_config(), run_dir=tmp_path / "run")
    path = swapped.folder / "mask.nii.gz"
    mask = load(path)
    Nifti1Image(np.roll(np.asarray(mask.dataobj), 1, axis=3), mask.affine, mask.header).to_filename(path)
    with pytest.raises((PairError, LabelError), match="phase"):
        finetune([swapped], [good], source=None, config=tiny_config(), run_dir=tmp_path / "shifted")
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_loss_that_is_no_number_ends_the_run_with_a_remedy(folder, pairs, trained):
    config = tiny_config(learning_rate=1e30, ema=0.0, epochs=3, cache_dir=str(folder / "cache"), validate_every=9)
    with pytest.raises(TrainingError, match=r"finite loss.*learning rate"):
        finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=folder / "nan")
    assert RunFolder(folder / "nan").read()["status"] == "failed"


def test_a_cancelled_run_can_be_resumed_and_a_used_folder_is_not_overwritten(folder, pairs, trained):
    config = tiny_config(cache_dir=str(folder / "cache"))

    def stop(fraction, message):
        if "epoch 2" in message:
            raise LVMCancelled("stop")

    where = folder / "cancelled"
    with pytest.raises(LVMCancelled, match="--resume"):
        finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=where, progress=stop)
    with pytest.raises(TrainingError, match="--resume"):
        finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=where)
    with pytest.raises(TrainingError, match="seed"):
        changed = dataclasses.replace(config, seed=9)
        finetune(pairs[:3], pairs[3:], source=None, config=changed, run_dir=where, resume=True)
    assert finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=where, resume=True).epochs == 2


def test_a_run_that_failed_before_its_first_checkpoint_is_replaced_by_the_corrected_one(folder, pairs, trained):
    where, options = folder / "corrected", {"epochs": 1, "cache_dir": str(folder / "cache")}
    with pytest.raises(TrainingError, match="finite loss"):
        wrong = tiny_config(learning_rate=1e30, ema=0.0, validate_every=9, **{**options, "epochs": 3})
        finetune(pairs[:3], pairs[3:], source=None, config=wrong, run_dir=where)
    config = tiny_config(**options)
    assert finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=where).epochs == 1
    assert "failed" not in {event["event"] for event in read_events(where)}, "the events of the run that was replaced"
    assert "error" not in RunFolder(where).read()
    for status in ("failed", "cancelled"):
        RunFolder(where).update(status=status)
        with pytest.raises(TrainingError, match="--resume"):
            finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=where)
    assert RunFolder(where).checkpoint.is_file()


def test_resuming_nothing_is_refused(folder, pairs):
    with pytest.raises(TrainingError, match="a run to resume"):
        finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(), run_dir=folder / "none", resume=True)


def test_lack_of_memory_is_answered_with_smaller_crops(folder, pairs, trained, monkeypatch):
    from LVMLib.learning.samples.crops import Sampler

    draw = Sampler.draw

    def greedy(self, step, *, item=0, shrink=1.0):
        if shrink > 0.9:
            raise RuntimeError("CUDA out of memory")
        return draw(self, step, item=item, shrink=shrink)

    monkeypatch.setattr(Sampler, "draw", greedy)
    config = tiny_config(epochs=1, cache_dir=str(folder / "cache"))
    finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=folder / "memory")
    found = [event for event in read_events(folder / "memory") if event["event"] == "out_of_memory"]
    assert [event["action"] for event in found] == ["gradient checkpointing", "smaller crops"]
    assert found[-1]["crop_factor"] == 0.8


def test_time_and_patience_end_a_run(folder, pairs, trained):
    base = {"cache_dir": str(folder / "cache"), "epochs": 10**6, "steps": 1}
    timed = tiny_config(**base, max_seconds=0.5, schedule="cosine", validate_every=10**6)
    assert finetune(pairs[:3], pairs[3:], source=None, config=timed, run_dir=folder / "time").stopped == "time"
    patient = tiny_config(**base, patience=2, learning_rate=1e-9, ema=0.0)
    result = finetune(pairs[:3], pairs[3:], source=None, config=patient, run_dir=folder / "patience")
    assert result.stopped == "patience" and result.epochs < 50, "a rate of 1e-9 changes nothing"


@pytest.mark.parametrize(
    "wrong", [{"loss": "mse"}, {"schedule": "step"}, {"epochs": 0}, {"optimiser": "sgd"}, {"precision": "int8"}]
)
def test_a_wrong_parameter_is_named(wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        FinetuneConfig(**wrong)


def test_presets_take_overrides_and_ignore_what_is_not_given():
    config = FinetuneConfig.preset("paper", epochs=3, seed=None, init="random")
    assert (config.epochs, config.seed, config.init) == (3, 0, "sane")
    with pytest.raises(TrainingError, match="preset"):
        FinetuneConfig.preset("worst")
    with pytest.raises(TrainingError, match="training option"):
        FinetuneConfig.preset("paper", momentum=0.9)


def test_an_absent_device_is_refused():
    from LVMLib.learning.device import choose_device

    with pytest.raises(TrainingError, match="device"):
        choose_device("cuda:77")


def test_two_processes_do_not_train_in_one_folder(tmp_path):
    pairs = [ball_pair(tmp_path / "pairs", f"ball-{n}", seed=n) for n in range(2)]
    run = tmp_path / "run"
    finetune(pairs[:1], pairs[1:], source=None, config=tiny_config(), run_dir=run)
    with writing(run), pytest.raises(CohortError, match="no other process"):
        finetune(pairs[:1], pairs[1:], source=None, config=tiny_config(), run_dir=run, resume=True)
