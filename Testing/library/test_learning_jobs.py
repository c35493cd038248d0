"""Training as a job: found again, asked to stop, on several processes, on a full disk, in little memory."""

import errno
import json
import os
import subprocess

import numpy as np
import pytest
import torch
from learning_helpers import ball_pair, tiny_config
from LVMLib.errors import LVMCancelled, StorageError, TrainingError
from LVMLib.learning import Normalisation, RunFolder, finetune, read_events
from LVMLib.learning.samples.cache import cache_pairs
from LVMLib.learning.samples.crops import Sampler
from LVMLib.learning.training import runfolder
from LVMLib.network import build_network
from LVMLib.processes import is_alive
from process_helpers import PATIENCE_S, python_process, wait_for
from safetensors.torch import load_file

SCRIPT = """
import sys, time
from LVMLib.cohort import open_pairs
from LVMLib.learning import finetune
from learning_helpers import tiny_config
pairs, options = open_pairs(sys.argv[1]), eval(sys.argv[3])
resume = options.pop("resume", False)
finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(**options), run_dir=sys.argv[2],
         resume=resume,
         progress=lambda fraction, message: time.sleep(0.02))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def pairs(folder):
    return [ball_pair(folder / "pairs", name) for name in ("a", "b", "c", "d")]


def training(folder, run, options, *, program=("-c", SCRIPT)):
    return python_process(*program, folder / "pairs", run, repr(options), stderr=subprocess.PIPE)


def epochs(run):
    return sum(event["event"] == "epoch" for event in read_events(run))


def test_a_running_job_is_found_stopped_by_its_file_and_found_crashed_after_a_kill(folder, pairs):
    run = RunFolder(folder / "found")
    assert run.state() == "absent"
    options = {"epochs": 10**6, "steps": 2, "validate_every": 10**6}  # ends only when it is asked to
    with training(folder, run.path, options) as process:
        wait_for(lambda: epochs(run.path) >= 1)
        assert run.state() == "running" and run.read()["pid"] == process.pid
        run.request_stop()
        assert process.wait(PATIENCE_S) != 0 and "continue with --resume" in process.stderr.read()
    assert run.state() == "cancelled"

    stopped = epochs(run.path)
    with training(folder, run.path, {**options, "resume": True}):
        wait_for(lambda: epochs(run.path) > stopped)  # the earlier request does not end the resumed run
    assert run.state() == "crashed"


def test_a_run_that_ends_while_somebody_looks_is_done_and_not_crashed(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    with run.working({"config": {}}, resume=False):
        pass
    assert run.state() == "crashed", "it left without a word"
    monkeypatch.setattr(runfolder, "lock_owner", lambda path: run.update(status="done"))
    assert run.state() == "done"


def test_a_process_is_alive_until_it_ends_even_if_nobody_waited_for_it():
    with python_process("-c", "input()", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert is_alive(process.pid) and is_alive(os.getpid())
        process.stdin.close()
        wait_for(lambda: not is_alive(process.pid))


def test_two_processes_train_as_one_with_twice_the_batch(folder, pairs):
    options = {"epochs": 2, "steps": 2, "batch": 1, "ema": 0.0, "validate_every": 2}
    script = folder / "script.py"
    script.write_text(SCRIPT)
    # Standalone: the processes agree on a port that is free when they take it.
    program = "-m torch.distributed.run --standalone --local-addr=127.0.0.1 --nproc-per-node=2".split()
    with training(folder, folder / "two", options, program=[*program, script]) as process:
        said = process.communicate(timeout=PATIENCE_S)[1]
    assert process.returncode == 0, said
    finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(**{**options, "batch": 2}), run_dir=folder / "one")
    two, one = (load_file(folder / name / "best/model.safetensors") for name in ("two", "one"))
    assert all(torch.allclose(one[key], two[key], atol=1e-5) for key in one)
    assert [event["event"] for event in read_events(folder / "two")].count("done") == 1


def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(folder, pairs, monkeypatch):
    from LVMLib.learning.training import checkpoint

    run = RunFolder(folder / "full")
    write = checkpoint.atomic_file
    calls = []

    def full(path):
        calls.append(path)
        if len(calls) > 1:
            raise StorageError(path, expected="space", found=os.strerror(errno.ENOSPC), remedy="Free disk space.")
        return write(path)

    monkeypatch.setattr(checkpoint, "atomic_file", full)
    config = tiny_config(epochs=3, steps=1)
    with pytest.raises(StorageError, match="Free disk space"):
        finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=run.path)
    assert run.state() == "failed"
    monkeypatch.undo()
    assert finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=run.path, resume=True).epochs == 3
    assert next(e for e in read_events(run.path) if e["event"] == "resumed")["epoch"] == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a file that takes nothing")
def test_a_run_whose_events_cannot_be_written_is_failed_and_not_crashed(folder, pairs):
    run = RunFolder(folder / "mute")
    run.path.mkdir()
    (run.path / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(StorageError, match="Free disk space"):
        finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(epochs=1, steps=1), run_dir=run.path)
    assert run.state() == "failed" and "Free disk space" in run.read()["error"]


@pytest.mark.parametrize("when", ["prepared case", "validating"])
def test_a_run_stops_when_asked_while_it_prepares_and_validates(folder, pairs, when):
    run = RunFolder(folder / when)

    def ask(fraction, message):
        if message.startswith(when):
            run.request_stop()

    with pytest.raises(LVMCancelled, match="--resume"):
        finetune(pairs[:1], pairs[2:], source=None, config=tiny_config(epochs=1), run_dir=run.path, progress=ask)
    assert run.state() == "cancelled"
    assert {event["event"] for event in read_events(run.path)} == {"cancelled"}
    assert not run.checkpoint.exists()


def test_what_follows_a_line_that_a_crash_cut_short_is_read(tmp_path):
    run = RunFolder(tmp_path)
    run.event("epoch", epoch=1)
    with open(tmp_path / "events.jsonl", "a") as stream:
        stream.write('{"event": "epo')
    run.event("resumed", epoch=1)
    run.event("epoch", epoch=2)
    assert [event["event"] for event in read_events(tmp_path)] == ["epoch", "resumed", "epoch"]
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("content", ["[]", '{"name": "other"}', '{"status": "fine"}', '{"sta', "\0\0"])
def test_a_file_of_another_program_is_no_run_and_is_left_alone(folder, pairs, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(TrainingError, match=r"run\.json: expected a training run"):
        RunFolder(tmp_path).state()
    for resume in (False, True):
        with pytest.raises(TrainingError, match="Choose another folder"):
            finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(), run_dir=tmp_path, resume=resume)
    assert (tmp_path / "run.json").read_text() == content


def test_a_long_epoch_tells_its_steps_and_where_the_pairs_lie(folder, pairs, monkeypatch):
    from LVMLib.learning.training import loop

    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_EVENTS", 0.0)
    run = RunFolder(folder / "steps")
    finetune(pairs[:3], pairs[3:], source=None, config=tiny_config(epochs=1, steps=3), run_dir=run.path)
    steps = [event for event in read_events(run.path) if event["event"] == "step"]
    assert [(event["epoch"], event["step"], event["steps"]) for event in steps] == [(1, 1, 3), (1, 2, 3), (1, 3, 3)]
    assert all(np.isfinite(event["loss"]) for event in steps)
    assert run.read()["pairs"] == str(folder / "pairs")


def test_a_run_folder_is_looked_at_without_torch(tmp_path):
    program = (
        "import sys\n"
        "from LVMLib.learning import RunFolder, read_events\n"
        "print(RunFolder(sys.argv[1]).state(), list(read_events(sys.argv[1])), 'torch' in sys.modules)"
    )
    with python_process("-c", program, tmp_path, stdout=subprocess.PIPE) as process:
        assert process.communicate(timeout=PATIENCE_S)[0].split() == ["absent", "[]", "False"]


def test_gradient_checkpointing_gives_the_same_gradients():
    torch.manual_seed(0)
    network = build_network("small")
    x = torch.randn(1, 1, 3, 8, 8, 8)

    def gradients():
        return torch.autograd.grad(network(x).square().mean(), list(network.parameters()))

    plain = gradients()
    network.recompute = True
    assert all(torch.equal(a, b) for a, b in zip(plain, gradients()))


def test_crops_are_no_larger_than_the_image(folder, pairs):
    cached = cache_pairs(pairs[:1], 2.0, folder / "cache")
    config = tiny_config(crop=(80, 40, 16), windows={1: 1.0})
    assert Sampler(cached, config, Normalisation()).draw(0).image.shape[-3:] == (24, 24, 16)


def test_the_source_is_measured_per_class_and_crop_and_phases_come_from_its_bundle(folder, pairs):
    first = tiny_config(epochs=1, context=2, crop=(20, 20, 20), cache_dir=str(folder / "cache"))
    source = finetune(pairs[:3], pairs[3:], source=None, config=first, run_dir=folder / "source")
    from LVMLib.learning import Bundle

    second = tiny_config(epochs=1, crop=None, windows=None, cache_dir=str(folder / "cache"))
    finetune(pairs[:3], pairs[3:], source=Bundle.load(source.bundle), config=second, run_dir=folder / "second")
    recorded = json.loads((folder / "second/run.json").read_text())["config"]
    assert (recorded["crop"], recorded["windows"]) == ([20, 20, 20], {"2": 1.0})
    event = next(e for e in read_events(folder / "second") if e["event"] == "source")
    assert event["dice"] == pytest.approx((event["blood_pool"] + event["lvm"]) / 2)
    assert np.isfinite(event["dice"])
