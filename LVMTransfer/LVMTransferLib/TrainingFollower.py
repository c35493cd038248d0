"""Keeps an eye on a run folder and tells once, for all that is new, how the training there stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import qt
from LVMLib.learning.training.states import CRASHED, FAILED

from LVMTransferLib.TrainingProcess import TrainingProcess
from LVMTransferLib.TrainingRecord import ACTIVE, STARTING, EventReader, TrainingRecord

# Often enough for a person who waits, seldom enough for a network drive.
POLL_MILLISECONDS = 400


class TrainingFollower:
    """Follows the training in one run folder at a time, also one that an earlier Slicer or a command line started.

    :param onNews: called in the main thread when there is something new; many events at once are one call.
    """

    def __init__(self, onNews: Callable[[], None]) -> None:
        self.onNews = onNews
        self.runPath, self.record = None, TrainingRecord()
        self.process, self._reader, self._waiting = None, None, False

    @property
    def active(self) -> bool:
        """Whether something trains in the run folder, as far as is known."""
        return self.record.state in ACTIVE

    def follow(self, runPath: Path | None) -> None:
        """Turn to another run folder and read what is there; None: to none."""
        self.runPath, self.record = runPath, TrainingRecord()
        self.process = self._reader = None
        if runPath is not None:
            self.process, self._reader = TrainingProcess(runPath), EventReader(runPath)
            self.look()

    def start(self, arguments: Sequence[str]) -> None:
        """Start a training in the run folder.

        :raises StorageError: the run folder cannot be made or written.
        """
        self.process.start(arguments)
        self.record.state, self.record.message = STARTING, ""
        self._schedule()

    def stop(self) -> None:
        """Ask the training to stop; if it does not, it is ended after a while."""
        self.process.askToStop()

    def release(self) -> None:
        """Look no more; the training goes on."""
        self.process = self._reader = None
        self.record = TrainingRecord()

    def look(self) -> None:
        """Read what is new now."""
        if self.process is None:
            return
        # The state first: what a run wrote before it ended is then among the events.
        state = self.process.state()
        events = self._reader.new()
        for event in events:
            self.record.take(event)
        changed, self.record.state = state != self.record.state, state
        if state in (FAILED, CRASHED) and not self.record.message:
            self.record.message = self.process.lastLine()
        if self.active:
            if self.process.stopping:
                self.process.insist()
            self._schedule()
        if events or changed:
            self.onNews()

    def _schedule(self) -> None:
        if not self._waiting:
            self._waiting = True
            qt.QTimer.singleShot(POLL_MILLISECONDS, self._due)

    def _due(self) -> None:
        self._waiting = False
        self.look()
