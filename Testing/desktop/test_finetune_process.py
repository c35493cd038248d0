"""Step 6 of LVMTransfer with a real training process: start, follow, stop, compare, take the new model."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from desktop_helpers import labelled_sequence, tiny_bundle

SECONDS = 80.0


@pytest.fixture
def panel(desktop):
    """The module's widget; a process that a test leaves behind is ended."""
    widget = desktop.open_module("LVMTransfer")
    yield widget
    widget.finetunePanel.training.kill()
    desktop.leave_module("LVMTransfer")


@pytest.fixture(scope="module")
def folders(started, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder, and a pairs folder with a few exported cases."""
    import slicer

    root = tmp_path_factory.mktemp("finetune")
    logic = started.open_module("LVMTransfer").logic
    for seed in range(3):
        volume_node, segmentation_node, _ = labelled_sequence(seed=seed)
        logic.exportCase(
            volume_node, segmentation_node, cohortPath=root / "cohort", pairsPath=root / "pairs", reader="expert",
            ed=0, es=2, spacing=3.0,
        )  # fmt: skip
        slicer.mrmlScene.Clear(0)
    started.leave_module("LVMTransfer")
    return tiny_bundle(root / "tiny"), root / "pairs"


def wait(desktop, condition) -> None:
    """Let Qt run until ``condition()`` holds."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < SECONDS, "waited too long"
        desktop.process_events()
        time.sleep(0.02)


def fill(panel, folders, run: Path, *, minutes: float) -> None:
    """Give step 6 what it needs, with a time limit."""
    parameters = panel.parameters
    parameters.bundlePath, parameters.pairsPath = folders
    parameters.runPath, parameters.timeLimit = run, minutes
    parameters.device = type(parameters.device).CPU


def test_training_runs_beside_the_panel_and_its_model_is_offered(desktop, panel, folders, tmp_path):
    fill(panel, folders, tmp_path / "run", minutes=0.01)
    assert panel.ui.finetuneButton.enabled, panel.ui.finetuneButton.toolTip
    assert not panel.ui.useModelButton.enabled
    panel.ui.finetuneButton.click()
    assert panel.finetunePanel.training.running, panel.ui.statusLabel.text
    assert panel.ui.stopFinetuneButton.enabled
    assert not panel.ui.finetuneButton.enabled
    wait(desktop, lambda: not panel.finetunePanel.training.running)
    assert panel.ui.finetuneStatusLabel.text.startswith("Finished"), panel.ui.finetuneStatusLabel.text
    assert panel.ui.finetuneProgressBar.value == 100
    table = panel.ui.resultTable
    assert table.rowCount == 3
    after = float(table.item(0, 2).text())
    done = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()][-1]
    assert after == pytest.approx(done["dice"], abs=5e-4)
    panel.ui.useModelButton.click()
    assert panel.ui.bundlePathEdit.currentPath == str(tmp_path / "run" / "best")


def test_stop_ends_the_process_and_the_run_can_be_resumed(desktop, panel, folders, tmp_path):
    fill(panel, folders, tmp_path / "run", minutes=0)
    panel.ui.finetuneButton.click()
    training = panel.finetunePanel.training
    events = tmp_path / "run" / "events.jsonl"
    wait(desktop, lambda: events.is_file() or not training.running)
    assert training.running, panel.ui.finetuneStatusLabel.text
    process = panel.finetunePanel.training._process
    panel.ui.stopFinetuneButton.click()
    wait(desktop, lambda: not panel.finetunePanel.training.running)
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    assert "stopped" in panel.ui.finetuneStatusLabel.text
    from LVMTransferLib.TrainingProcess import finetuneArguments

    options = {"recipe": "smoke", "epochs": 2, "minutes": 0, "device": "cpu"}
    assert "--resume" in finetuneArguments(folders[1], folders[0], tmp_path / "run", **options)


def test_a_training_that_cannot_start_shows_why(desktop, panel, folders, tmp_path):
    fill(panel, folders, tmp_path / "run", minutes=0)
    empty = tmp_path / "no pairs"
    empty.mkdir()
    panel.parameters.pairsPath = empty
    with desktop.expected_messages() as shown:
        panel.ui.finetuneButton.click()
        wait(desktop, lambda: not panel.finetunePanel.training.running)
    assert len(shown) == 1
    assert "no pairs" in shown[0]
    assert panel.ui.finetuneButton.enabled


def test_a_process_that_ignores_the_request_is_terminated(desktop, panel, monkeypatch, tmp_path):
    from LVMTransferLib import TrainingProcess as module

    ends = []
    stubborn = (
        "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    monkeypatch.setattr(module, "SECONDS_TO_STOP", 0.5)
    launch = module._launch
    monkeypatch.setattr(module, "_launch", lambda command, keep: launch([command[0], "-c", stubborn], keep))
    training = module.TrainingProcess(lambda event: None, lambda status, output: ends.append(status))
    training.start([], tmp_path)
    wait(desktop, lambda: training._lines == ["up"])
    training.stop()
    wait(desktop, lambda: bool(ends))
    assert ends[0] != 0


def test_before_slicer_5_12_the_process_is_launched_without_its_help(desktop, monkeypatch, tmp_path):
    import slicer
    from LVMTransferLib import TrainingProcess as module

    monkeypatch.setattr(slicer.util, "launchConsoleProcess", lambda args, useStartupEnvironment=True: None)
    ends = []
    training = module.TrainingProcess(lambda event: None, lambda status, output: ends.append((status, output)))
    training.start(["--version"], tmp_path)
    wait(desktop, lambda: bool(ends))
    assert ends[0][0] == 0
    assert ends[0][1].startswith("lvm ")
