"""Fine-tuning as its own process, so that Slicer stays usable; what only newer Slicer versions have stays in this file.

The process is ``python -m LVMLib.cli.main finetune ...``; its progress is read from the run folder's ``events.jsonl``.
"""

from __future__ import annotations

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import slicer

LIBRARY_FOLDER = Path(__file__).resolve().parents[1]
POLL_MILLISECONDS = 250
SECONDS_TO_STOP, SECONDS_TO_TERMINATE = 20.0, 5.0
LINES_KEPT = 40


def finetuneArguments(
    pairsPath: Path, bundlePath: Path, runPath: Path, *, recipe: str, epochs: int, minutes: float, device: str | None
) -> list[str]:
    """Return the arguments of ``lvm finetune``; an interrupted run in the run folder is resumed.

    :param recipe: preset of the library.
    :param minutes: stop then with the best model so far; 0 = no limit.
    """
    arguments = ["finetune", str(pairsPath), "--from", str(bundlePath), "--out", str(runPath)]
    arguments += ["--preset", recipe, "--epochs", str(epochs)]
    if minutes > 0:
        arguments += ["--seconds", f"{60 * minutes:g}"]
    if device:
        arguments += ["--device", device]
    if (runPath / "run.json").is_file():
        arguments.append("--resume")
    return arguments


class TrainingProcess:
    """One training process: start, follow, stop.

    :param onEvent: called in the main thread with each new event of ``events.jsonl``.
    :param onFinished: called in the main thread with the exit status and the last lines of output.
    """

    def __init__(self, onEvent: Callable[[dict], None], onFinished: Callable[[int, str], None]) -> None:
        self.onEvent, self.onFinished = onEvent, onFinished
        self._process, self._eventsPath, self._offset = None, None, 0
        self._lines, self._stopAt, self._finished = [], None, True

    @property
    def running(self) -> bool:
        """Whether a process was started and its end was not reported yet."""
        return not self._finished

    def start(self, arguments: list[str], runPath: Path) -> None:
        """Start ``lvm`` with these arguments; returns at once.

        :raises RuntimeError: one is running already.
        """
        if self.running:
            raise RuntimeError("a training process is running already")
        self._eventsPath, self._lines, self._stopAt, self._finished = runPath / "events.jsonl", [], None, False
        # A resumed run appends to its events: what is there already was reported before.
        self._offset = self._eventsPath.stat().st_size if self._eventsPath.is_file() else 0
        command = [pythonExecutable(), "-m", "LVMLib.cli.main", *arguments]
        self._process = _launch(command, self._keepLine)
        self._schedule()

    def stop(self) -> None:
        """Ask the training to stop after the current step; if it does not, terminate it, then kill it."""
        if self.running and self._stopAt is None:
            self._stopAt = time.monotonic()
            _signal(self._process, signal.SIGINT)

    def kill(self) -> None:
        """End the process now and report nothing; the run folder stays resumable."""
        if self.running:
            self._finished = True
            self._process.kill()
            self._process.wait()

    def _keepLine(self, line: str) -> None:
        self._lines = [*self._lines, line][-LINES_KEPT:]

    def _schedule(self) -> None:
        import qt

        qt.QTimer.singleShot(POLL_MILLISECONDS, self._poll)

    def _poll(self) -> None:
        if self._finished:
            return
        status = self._process.poll()
        for event in self._newEvents():
            self.onEvent(event)
        if status is None:
            self._escalate()
            self._schedule()
            return
        self._finished = True
        self.onFinished(status, "\n".join(self._lines))

    def _escalate(self) -> None:
        if self._stopAt is None:
            return
        waited = time.monotonic() - self._stopAt
        if waited > SECONDS_TO_STOP + SECONDS_TO_TERMINATE:
            self._process.kill()
        elif waited > SECONDS_TO_STOP:
            self._process.terminate()

    def _newEvents(self) -> list[dict]:
        if not self._eventsPath.is_file():
            return []
        with open(self._eventsPath, "rb") as stream:
            stream.seek(self._offset)
            block = stream.read()
        # The last line may still be being written.
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines() if line.strip()]


def pythonExecutable() -> str:
    """Return Slicer's own Python, or this Python outside Slicer.

    PythonSlicer is a launcher, which would keep a signal to itself and leave the training running; the environment that
    it sets is inherited from Slicer already, so the Python behind it is preferred.
    """
    return shutil.which("python-real") or shutil.which("PythonSlicer") or sys.executable


def _launch(command: list[str], keepLine: Callable[[str], None]) -> subprocess.Popen:
    environment = {
        "PYTHONPATH": os.pathsep.join([str(LIBRARY_FOLDER), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    }
    launcher = getattr(slicer.util, "launchConsoleProcess", None)
    if launcher is not None and "blocking" in inspect.signature(launcher).parameters:
        return launcher(
            command,
            useStartupEnvironment=False,
            updateEnvironment=environment,
            blocking=False,
            logCallback=keepLine,
            completedCallback=lambda status: None,
        )
    return _launchBefore512(command, environment, keepLine)


def _launchBefore512(command: list[str], environment: dict, keepLine: Callable[[str], None]) -> subprocess.Popen:
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )

    def read() -> None:
        for line in process.stdout:
            keepLine(line.rstrip())

    threading.Thread(target=read, daemon=True).start()
    return process


def _signal(process: subprocess.Popen, number: int) -> None:
    """Send an interrupt; Windows has none for a process without a console, so there it is terminated."""
    if os.name == "nt":
        process.terminate()
    else:
        process.send_signal(number)
