"""Step 7 of LVMTransfer with a real training process: start, follow, stop, find again, resume, compare, take over."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from desktop_helpers import beating_shell, tiny_bundle, wait_until

MODULE = "LVMTransfer"
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals and /dev/full are not on Windows")


@pytest.fixture
def panel(desktop) -> Iterator[object]:
    """The module's widget; a process that a test leaves behind is ended, and the last run forgotten."""
    import slicer
    from LVMTransferLib.FinetunePanel import LAST_RUN

    yield desktop.open_module(MODULE)
    training = desktop.open_module(MODULE).finetunePanel.training
    if training.active:
        training.process.end(force=True)
    training.release()
    slicer.app.settings().remove(LAST_RUN)
    desktop.leave_module(MODULE)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder, and a pairs folder with a few cases."""
    from LVMLib.cohort import write_pair

    root = tmp_path_factory.mktemp("finetune")
    for seed in range(3):
        voxels, labels, grid = beating_shell(seed=seed)
        masks = {phase: labels[phase] for phase in (0, 2)}
        write_pair(root / "pairs", f"case-{seed}", voxels, masks, grid, ed=0, es=2, site="Test", phantom=True)
    return tiny_bundle(root / "tiny"), root / "pairs"


def fill(panel, folders: tuple[Path, Path], run: Path, *, epochs: int) -> None:
    """Give step 7 what it needs."""
    parameters = panel.parameters
    parameters.bundlePath, parameters.pairsPath = folders
    parameters.runPath, parameters.epochs = run, epochs
    parameters.device = type(parameters.device).CPU


def run_to_its_end(desktop, panel) -> str:
    """Press Start, wait for the end, and return what the panel says then."""
    panel.ui.finetuneButton.click()
    wait_until(desktop, lambda: not panel.finetunePanel.training.active)
    return panel.ui.finetuneStatusLabel.text


def table(panel) -> list[list[str]]:
    """Return the texts of the comparison."""
    shown = panel.ui.resultTable
    return [[shown.item(row, column).text() for column in range(4)] for row in range(shown.rowCount)]


def written_run(path: Path, *, better: bool) -> Path:
    """Write a finished run as the library does, without training."""
    from LVMLib.learning.training.runfolder import RunFolder

    folder, after = RunFolder(path), 0.9 if better else 0.6
    with folder.working({"command": "lvm finetune", "source": None, "config": {}}, resume=False):
        folder.event("source", dice=0.7, blood_pool=0.8, lvm=0.6, cases={"a": 0.7})
        for epoch, dice in ((1, after), (2, after - 0.2)):
            folder.event("validation", epoch=epoch, dice=dice, blood_pool=dice + 0.1, lvm=dice - 0.1, cases={"a": dice})
        folder.event("done", dice=after, source_dice=0.7, better=better, phantom=True)
        folder.update(status="done")
    (path / "best").mkdir()
    (path / "best" / "bundle.json").write_text("{}")
    return path


def test_training_runs_beside_the_panel_and_its_model_is_offered_for_the_next_case(desktop, panel, folders, tmp_path):
    ui, training = panel.ui, panel.finetunePanel.training
    fill(panel, folders, Path(), epochs=1)
    panel.parameters.trainingCases = 1
    assert "a run folder" in ui.finetuneButton.toolTip
    ui.newRunButton.click()
    run = panel.parameters.runPath
    assert run == folders[1].parent / "run-001"
    assert ui.finetuneButton.enabled, ui.finetuneButton.toolTip
    assert not ui.useModelButton.enabled
    ui.finetuneButton.click()
    assert training.active, ui.statusLabel.text
    assert ui.stopFinetuneButton.enabled
    assert not ui.finetuneButton.enabled
    states = []
    wait_until(desktop, lambda: states.append(training.record.state) or not training.active)
    # A fast machine trains between two looks of the panel.
    assert {"starting", "done"} <= set(states) <= {"starting", "running", "done"}
    assert states == sorted(states, key=["starting", "running", "done"].index)
    assert ui.finetuneProgressBar.value == 100
    assert ui.finetuneDeviceValue.text == "Processor (CPU)"
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    source, after, done = events[0], max(e["dice"] for e in events if e["event"] == "validation"), events[-1]
    assert table(panel)[0][1:] == [f"{source['dice']:.3f}", f"{after:.3f}", f"{after - source['dice']:+.3f}"]
    assert [row[0] for row in table(panel)[:3]] == ["Mean", "LV blood pool", "LV myocardium"]
    assert done["better"], "choose another seed: this test takes the new model"
    assert ui.finetuneStatusLabel.text.startswith("Finished. The new model is better than its source")
    assert "a new run folder" in ui.finetuneButton.toolTip
    ui.useModelButton.click()
    assert ui.bundlePathEdit.currentPath == str(run / "best")
    assert ui.sourcePathEdit.currentPath == str(folders[0])


@POSIX
def test_a_run_is_found_again_after_a_restart_and_resumed_after_a_crash(desktop, panel, folders, tmp_path):
    import slicer
    from LVMTransferLib.SceneTraining import trainingChart

    run = tmp_path / "run"
    fill(panel, folders, run, epochs=2000)
    panel.ui.finetuneButton.click()
    wait_until(desktop, lambda: panel.finetunePanel.training.record.epochs)
    assert panel.ui.finetuneDetailLabel.text.startswith("Epoch ")
    desktop.close_module(MODULE)
    slicer.mrmlScene.Clear(0)

    panel = desktop.open_module(MODULE)
    ui, training = panel.ui, panel.finetunePanel.training
    assert panel.parameters.runPath == run
    assert training.active
    assert ui.stopFinetuneButton.enabled
    ui.trainingPlotButton.click()
    losses = trainingChart(run).GetNthPlotSeriesNode(0).GetTableNode()
    shown = losses.GetTable().GetNumberOfRows()
    wait_until(desktop, lambda: losses.GetTable().GetNumberOfRows() > shown)

    os.kill(json.loads((run / "run.json").read_text())["pid"], signal.SIGKILL)
    wait_until(desktop, lambda: not training.active)
    assert "cut short" in ui.finetuneStatusLabel.text
    assert ui.finetuneButton.text == "Resume"
    reached = len(training.record.epochs)
    # The scene of a new Slicer knows neither pairs nor recipe: the run folder does.
    assert ui.finetuneButton.enabled, ui.finetuneButton.toolTip
    ui.finetuneButton.click()
    wait_until(desktop, lambda: len(training.record.epochs) > reached)
    assert '"resumed"' in (run / "events.jsonl").read_text()
    assert [event["epoch"] for event in training.record.epochs] == list(range(1, len(training.record.epochs) + 1))

    pid = json.loads((run / "run.json").read_text())["pid"]
    ui.stopFinetuneButton.click()
    assert ui.finetuneStatusLabel.text.startswith("Stopping")
    wait_until(desktop, lambda: not training.active)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert ui.finetuneStatusLabel.text.startswith("Stopped.")
    assert ui.finetuneButton.text == "Resume"


def test_a_training_that_cannot_start_says_why_and_what_to_do(desktop, panel, folders, tmp_path):
    fill(panel, folders, tmp_path / "run", epochs=1)
    panel.parameters.trainingCases = 50
    said = run_to_its_end(desktop, panel)
    assert "50 asked for" in said
    assert "Ask for fewer cases" in said
    assert panel.ui.finetuneButton.text == "Start fine-tuning"
    assert panel.ui.finetuneButton.enabled


@POSIX
def test_a_full_disk_ends_the_run_with_its_remedy(desktop, panel, folders, tmp_path):
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    fill(panel, folders, tmp_path, epochs=2)
    assert "Free disk space" in run_to_its_end(desktop, panel)
    assert panel.ui.finetuneButton.text == "Start fine-tuning"


def test_a_loss_that_is_no_number_ends_the_run_with_its_remedy(desktop, panel, folders, tmp_path):
    fill(panel, (tiny_bundle(tmp_path / "wild", factor=1e30), folders[1]), tmp_path / "run", epochs=2)
    said = run_to_its_end(desktop, panel)
    assert "expected a finite loss" in said
    assert "learning rate" in said
    # Nothing of it is worth keeping: another model is chosen, and the same button starts anew in the same folder.
    assert panel.ui.finetuneButton.text == "Start fine-tuning"
    panel.parameters.bundlePath = folders[0]
    assert run_to_its_end(desktop, panel).startswith("Finished.")


@pytest.mark.parametrize("better", [True, False])
def test_a_model_that_is_not_better_than_its_source_is_refused_and_not_offered(panel, tmp_path, better):
    panel.parameters.runPath = written_run(tmp_path / "run", better=better)
    after = 0.9 if better else 0.6
    assert table(panel) == [
        ["Mean", "0.700", f"{after:.3f}", f"{after - 0.7:+.3f}"],
        ["LV blood pool", "0.800", f"{after + 0.1:.3f}", f"{after - 0.7:+.3f}"],
        ["LV myocardium", "0.600", f"{after - 0.1:.3f}", f"{after - 0.7:+.3f}"],
        ["Case a", "0.700", f"{after:.3f}", f"{after - 0.7:+.3f}"],
    ]
    assert panel.ui.finetuneStatusLabel.text.startswith("Finished." if better else "REFUSED:")
    assert "phantom validation cases" in panel.ui.finetuneStatusLabel.text
    assert panel.ui.useModelButton.enabled == better
    assert ("refused" in panel.ui.useModelButton.toolTip) != better


def test_closing_the_scene_loses_no_run_and_a_model_in_use_is_not_brought_up_again(desktop, panel, tmp_path):
    import slicer
    from LVMTransferLib.FinetunePanel import LAST_RUN
    from LVMTransferLib.SceneTraining import updateTrainingChart

    run = written_run(tmp_path / "run", better=True)
    slicer.app.settings().setValue(LAST_RUN, str(run))
    panel.parameters.runPath = run
    updateTrainingChart(run, panel.finetunePanel.training.record)
    slicer.mrmlScene.Clear(0)
    assert panel.parameters.runPath == run
    assert len(table(panel)) == 4
    panel.ui.useModelButton.click()
    slicer.mrmlScene.Clear(0)
    assert panel.ui.runPathEdit.currentPath == ""
    assert panel.ui.finetuneStatusLabel.text.startswith("Not started")
    assert table(panel) == []


def test_a_run_that_the_command_line_started_is_followed_and_its_end_is_seen(desktop, panel, tmp_path):
    from LVMLib.learning.training.runfolder import RunFolder

    folder = RunFolder(tmp_path)
    with folder.working({"command": "lvm finetune", "source": None, "config": {}}, resume=False):
        panel.parameters.runPath = tmp_path
        assert panel.ui.stopFinetuneButton.enabled
        assert not panel.ui.finetuneButton.enabled
        folder.event("out_of_memory", action="smaller crops")
        folder.event("source", dice=0.7, blood_pool=0.8, lvm=0.6, cases={})
        wait_until(desktop, lambda: "not enough memory" in panel.ui.finetuneStatusLabel.text)
        panel.ui.stopFinetuneButton.click()
        assert folder.stop_requested()
        folder.event("cancelled")
        folder.update(status="cancelled")
    wait_until(desktop, lambda: not panel.finetunePanel.training.active)
    assert panel.ui.finetuneStatusLabel.text.startswith("Stopped.")
    # Its words name no absolute folders: pairs and model have to be chosen.
    assert "a pairs folder" in panel.ui.finetuneButton.toolTip


def test_a_long_epoch_moves_the_progress(panel, tmp_path):
    from LVMLib.learning.training.runfolder import RunFolder

    folder = RunFolder(tmp_path)
    with folder.working({"command": "lvm finetune", "source": None, "config": {}}, resume=False):
        folder.event("step", epoch=1, epochs=10, step=15, steps=20, loss=0.5, seconds=5.0, device="cpu")
        panel.parameters.runPath = tmp_path
        assert panel.ui.finetuneProgressBar.value == 8
        assert panel.ui.finetuneDetailLabel.text == "Epoch 1 of 10, step 15 of 20, loss 0.500"
        assert panel.ui.finetuneDeviceValue.text == "Processor (CPU)"
        folder.update(status="cancelled")


def test_a_run_that_was_started_with_relative_folders_is_resumed_with_the_folders_that_it_noted(tmp_path):
    from LVMLib.learning.training.runfolder import RunFolder
    from LVMTransferLib.TrainingProcess import resumeArguments

    facts = {"command": "lvm finetune pairs --from model --out run --epochs 3 --resume", "config": {}}
    with RunFolder(tmp_path).working({**facts, "pairs": "/site/pairs", "source": "/site/model"}, resume=False):
        pass
    words = ["finetune", "/site/pairs", "--from", "/site/model", "--epochs", "3", "--out", str(tmp_path), "--resume"]
    assert resumeArguments(tmp_path) == words


def test_a_folder_with_another_programs_run_shows_no_run(panel, tmp_path):
    (tmp_path / "run.json").write_text("[]")
    (tmp_path / "events.jsonl").write_text('[1]\nnot json\n{"event": "epoch"')
    panel.parameters.runPath = tmp_path
    assert panel.ui.finetuneStatusLabel.text.startswith("Not started")
    assert not panel.ui.trainingPlotButton.enabled


@POSIX
def test_a_process_that_ignores_the_request_is_ended_with_its_children(desktop, monkeypatch, tmp_path):
    from LVMLib.processes import is_alive
    from LVMTransferLib import TrainingProcess as module

    stubborn = tmp_path / "stubborn"
    stubborn.write_text("#!/bin/sh\ntrap '' INT TERM\nsleep 60 &\necho $!\nsleep 60\n")
    stubborn.chmod(0o755)
    monkeypatch.setattr(module, "pythonExecutable", lambda: str(stubborn))
    monkeypatch.setattr(module, "SECONDS_TO_STOP", 0.1)
    monkeypatch.setattr(module, "SECONDS_TO_TERMINATE", 0.2)
    process = module.TrainingProcess(tmp_path / "run")
    process.start([])
    wait_until(desktop, process.lastLine)
    process.askToStop()
    assert (tmp_path / "run" / "stop").exists()
    wait_until(desktop, lambda: process.insist() or process.state() != "starting")
    wait_until(desktop, lambda: not is_alive(int(process.lastLine())))


def locked_run(path: Path, *, host: str, pid: int) -> None:
    """Write a run folder in which a process says that it trains."""
    (path / "run.json").write_text('{"status": "running"}')
    (path / ".lock").write_text(json.dumps({"host": host, "pid": pid}))


@POSIX
def test_a_program_that_got_the_number_of_a_dead_training_is_left_alone(tmp_path):
    from LVMTransferLib.TrainingProcess import TrainingProcess

    other = subprocess.Popen(["sleep", "30"])
    locked_run(tmp_path, host=socket.gethostname(), pid=other.pid)
    TrainingProcess(tmp_path).end(force=True)
    # What a kill does to a child is known as soon as the child is waited for.
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(0.2)
    other.kill()
    other.wait()


def test_a_training_on_another_computer_is_shown_asked_to_stop_and_never_ended_from_here(panel, tmp_path):
    locked_run(tmp_path, host="reading-room", pid=os.getpid())
    panel.parameters.runPath = tmp_path
    assert "on the computer reading-room" in panel.ui.finetuneStatusLabel.text
    panel.ui.stopFinetuneButton.click()
    assert (tmp_path / "stop").exists()
    panel.finetunePanel.training.process.end(force=True)
    (tmp_path / ".lock").unlink()


def test_a_resumed_run_keeps_its_recipe_and_takes_a_new_time_limit(tmp_path):
    from LVMTransferLib.TrainingProcess import finetuneArguments, resumeArguments

    pairs, source, run = tmp_path / "my pairs", tmp_path / "site 1", tmp_path / "run"
    given = finetuneArguments(pairs, source, run, recipe="best", cases=5, epochs=7, minutes=3, device="cpu")
    run.mkdir()
    import shlex

    (run / "run.json").write_text(json.dumps({"status": "cancelled", "command": shlex.join(["lvm", *given])}))
    resumed = resumeArguments(run, minutes=9)
    assert resumed[:2] == ["finetune", str(pairs)]
    for option, value in (("--from", str(source)), ("--preset", "best"), ("--cases", "5"), ("--epochs", "7")):
        assert resumed[resumed.index(option) + 1] == value
    assert resumed[resumed.index("--seconds") + 1] == "540"
    assert "--resume" in resumed
    assert "--device" not in resumed
    (run / "run.json").write_text(
        json.dumps({"status": "cancelled", "command": "lvm finetune pairs --from s --out run"})
    )
    assert resumeArguments(run) is None, "relative paths are of another folder"
