"""The process that trains: started so that it outlives Slicer, found again by its run folder, asked to stop, ended.

The process is ``python -m LVMLib.cli.main finetune ...``. What it says goes to ``output.log`` in the run folder, not to
a pipe: a pipe would end with Slicer, and the training with the pipe.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from LVMLib.errors import LVMError
from LVMLib.learning.training.states import ABSENT, FAILED, RUNNING

from LVMTransferLib.TrainingRecord import STARTING

LIBRARY_FOLDER = Path(__file__).resolve().parents[1]
OUTPUT = "output.log"
# After being asked, a run ends at its next step; half a minute is a long step. Then it is told to, then made to.
SECONDS_TO_STOP, SECONDS_TO_TERMINATE = 30.0, 15.0
LINES_SHOWN = 40


def finetuneArguments(
    pairsPath: Path,
    sourcePath: Path,
    runPath: Path,
    *,
    recipe: str,
    cases: int = 0,
    epochs: int = 0,
    minutes: float = 0.0,
    device: str | None = None,
) -> list[str]:
    """Return the arguments of ``lvm finetune`` for a new run.

    :param recipe: preset of the library.
    :param cases: train on the first so many training cases; 0 = all.
    :param epochs: 0 = as many as the recipe has.
    :param minutes: stop then with the best model so far; 0 = no limit.
    """
    # Absolute: a later Slicer, with another current folder, resumes by the same words.
    pairs, source, run = (str(path.absolute()) for path in (pairsPath, sourcePath, runPath))
    arguments = ["finetune", pairs, "--from", source, "--out", run, "--preset", recipe]
    if cases:
        arguments += ["--cases", str(cases)]
    if epochs:
        arguments += ["--epochs", str(epochs)]
    return arguments + _free(minutes, device)


def resumeArguments(runPath: Path, *, minutes: float = 0.0, device: str | None = None) -> list[str] | None:
    """Return the arguments that go on with the run in a folder as it was started; None if that is not known.

    Time limit and device may change between the parts of a run, so they are the ones given here.
    """
    from LVMLib.learning.training.runfolder import RunFolder

    run = RunFolder(runPath).read()
    words = shlex.split(run.get("command", ""))
    if words[:2] != ["lvm", "finetune"] or "--out" not in words:
        return None
    words = _without(words[1:], {"--seconds": 1, "--device": 1, "--out": 1, "--resume": 0})
    # The command line may have named them relative to a folder that nobody knows any more.
    words[1] = run.get("pairs") or words[1]
    named = [words[1]]
    if "--from" in words:
        place = words.index("--from") + 1
        words[place] = run.get("source") or words[place]
        named.append(words[place])
    if not all(Path(path).is_absolute() for path in named):
        return None
    return [*words, "--out", str(runPath), "--resume", *_free(minutes, device)]


def startedFrom(runPath: Path) -> Path | None:
    """Return the model that the run in a folder started from; None for random weights, or if there is no run."""
    from LVMLib.learning.training.runfolder import RunFolder

    folder = RunFolder(runPath)
    source = folder.read().get("source") if folder.exists() else None
    return Path(source) if source else None


def startsAnew(runPath: Path) -> bool:
    """Whether the run in a folder ended before it had anything to keep, so that a new one may take its place."""
    from LVMLib.learning.training.runfolder import RunFolder

    try:
        return RunFolder(runPath).replaceable()
    except LVMError:
        # Not a run of ours: nothing to go on with. lvm finetune refuses to start there, and says so.
        return True


def _free(minutes: float, device: str | None) -> list[str]:
    limit = ["--seconds", f"{60 * minutes:g}"] if minutes > 0 else []
    return limit + (["--device", device] if device else [])


def _without(words: Sequence[str], options: dict[str, int]) -> list[str]:
    """Return the words without these options; each is followed by so many values."""
    kept, skip = [], 0
    for word in words:
        if skip:
            skip -= 1
        elif word in options:
            skip = options[word]
        else:
            kept.append(word)
    return kept


class TrainingProcess:
    """The process that trains in a run folder, whoever started it: this Slicer, an earlier one, or the command line."""

    def __init__(self, runPath: Path) -> None:
        self.runPath = runPath
        self._child, self._begun = None, False
        self._stopAt, self._told = None, False

    def start(self, arguments: Sequence[str]) -> None:
        """Start ``lvm`` with these arguments; returns at once.

        :raises StorageError: the run folder cannot be made or written.
        """
        from LVMLib.files import storage_errors

        command = [pythonExecutable(), "-m", "LVMLib.cli.main", *arguments]
        paths = [str(LIBRARY_FOLDER), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUNBUFFERED": "1"}
        self._begun, self._stopAt, self._told = False, None, False
        with storage_errors(self.runPath):
            self.runPath.mkdir(parents=True, exist_ok=True)
            with open(self.runPath / OUTPUT, "wb") as output:
                self._child = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **_onItsOwn()
                )

    def state(self) -> str:
        """Return how the run stands, one of the states of :mod:`TrainingRecord`."""
        # The process first: what one that has ended left in its folder is final.
        status = self._child.poll() if self._child is not None else 0
        state = self._folderState()
        if status is None:
            # A resumed run is what it was until the new process has come to its folder; one that is done still ends.
            self._begun = self._begun or state == RUNNING
            return RUNNING if self._begun else STARTING
        # It ended by itself and unasked, with an error: its last line says why, also where its folder could not be
        # written. A process that a signal ended has a negative status.
        return FAILED if status > 0 and not self.stopping else state

    def _folderState(self) -> str:
        from LVMLib.learning.training.runfolder import RunFolder

        try:
            return RunFolder(self.runPath).state()
        except LVMError:
            # Not a run of ours: lvm finetune refuses to start there, and says so.
            return ABSENT

    def askToStop(self) -> None:
        """Ask the training to stop after its step; the request is a file, so it works on every system."""
        from LVMLib.errors import StorageError
        from LVMLib.learning.training.runfolder import RunFolder

        if self._stopAt is not None:
            return
        self._stopAt = time.monotonic()
        try:
            RunFolder(self.runPath).request_stop()
        except StorageError:
            # The disk takes no file, as when it is full: tell the process itself.
            self._told = True
            self.end(force=False)

    @property
    def stopping(self) -> bool:
        """Whether the training was asked to stop."""
        return self._stopAt is not None

    def insist(self) -> None:
        """End a training that was asked to stop and did not: told to after a while, made to a little later."""
        waited = 0.0 if self._stopAt is None else time.monotonic() - self._stopAt
        if waited > SECONDS_TO_STOP + SECONDS_TO_TERMINATE:
            self.end(force=True)
        elif waited > SECONDS_TO_STOP and not self._told:
            # Once: a second signal would disturb it while it leaves its folder in order.
            self._told = True
            self.end(force=False)

    def end(self, *, force: bool) -> None:
        """End the process and those that it started; its last checkpoint stays, and the run can be resumed.

        A process on another computer cannot be ended from here, nor one whose number now belongs to something else.
        """
        if self._child is not None:
            if self._child.poll() is None:
                _endTree(self._child.pid, force=force, group=True)
            return
        pid = (self._owner() or {}).get("pid")
        if self.elsewhere() is None and isinstance(pid, int) and _isPython(pid):
            _endTree(pid, force=force, group=False)

    def elsewhere(self) -> str | None:
        """Return the name of the computer that trains, if it is not this one."""
        host = (self._owner() or {}).get("host")
        return host if host != socket.gethostname() else None

    def lastLine(self) -> str:
        """Return the last line that the process said; an error of the library is one line, with its remedy."""
        try:
            text = (self.runPath / OUTPUT).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(text.splitlines()[-LINES_SHOWN:]) if line.strip()), "")

    def _owner(self) -> dict | None:
        from LVMLib.cohort.lock import lock_owner

        return lock_owner(self.runPath)


def pythonExecutable() -> str:
    """Return Slicer's own Python, or this Python outside Slicer.

    PythonSlicer is a launcher, which would keep a signal to itself and leave the training running; the environment that
    it sets is inherited from Slicer already, so the Python behind it is preferred.
    """
    return shutil.which("python-real") or shutil.which("PythonSlicer") or sys.executable


def _onItsOwn() -> dict:
    """Return what makes a process live on when Slicer ends, and lead the group of those that it starts."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _endTree(pid: int, *, force: bool, group: bool) -> None:
    """End a process and its children; ``group``: it leads a group of its own."""
    if os.name == "nt":
        _call("taskkill", "/PID", str(pid), "/T", "/F")
        return
    number = signal.SIGKILL if force else signal.SIGTERM
    try:
        if group or os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def _isPython(pid: int) -> bool:
    """Whether a process is a Python: the number of one that ended may have gone to another program."""
    if os.name == "nt":
        said = _call("tasklist", "/FI", f"PID eq {pid}", "/NH")
    else:
        said = _call("ps", "-o", "args=", "-p", str(pid))
    return "python" in said.lower() or "lvm" in said.lower()


def _call(*command: str) -> str:
    flags = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10, **flags).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
