"""What a training run has told so far, in the terms of the panel; no Qt, no scene."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from LVMLib.learning.training.states import ABSENT, EVENTS_NAME, RUNNING

# Beside the states of the library, what only who started a run knows: on its way to its first event.
STARTING = "starting"
ACTIVE = (STARTING, RUNNING)
# What `EventReader` says before the events of a run that took the place of another one in its folder.
REPLACED = "replaced"


@dataclass
class TrainingRecord:
    """The events of a run folder, put together.

    epochs: the ``epoch`` events, one an epoch. step: the last ``step`` event of the epoch that is being trained, None
    where epochs are short. validations: the ``validation`` events. source: Dice of the model that
    the run started from, as the ``source`` event has it; None for random weights. done: the ``done`` event.
    shortOfMemory: how often the run went on with less. message: what the run said when it failed.
    """

    state: str = ABSENT
    epochs: list = field(default_factory=list)
    step: dict | None = None
    validations: list = field(default_factory=list)
    source: dict | None = None
    done: dict | None = None
    shortOfMemory: int = 0
    message: str = ""

    def take(self, event: dict) -> None:
        """Add one event; a resumed run repeats the epochs after its last checkpoint."""
        kind = event.get("event")
        if kind == "epoch":
            self.epochs.append(event)
            self.step = None
        elif kind == "step":
            self.step = event
        elif kind == "validation":
            self.validations.append(event)
        elif kind == "source":
            self.source = event
        elif kind == "resumed":
            self.epochs = [item for item in self.epochs if item["epoch"] <= event["epoch"]]
            self.validations = [item for item in self.validations if item["epoch"] <= event["epoch"]]
            self.message, self.step = "", None
        elif kind == "out_of_memory":
            self.shortOfMemory += 1
        elif kind == "failed":
            self.message = event.get("message", "")
        elif kind == "done":
            self.done = event
        elif kind == REPLACED:
            vars(self).update(vars(TrainingRecord(state=self.state)))

    @property
    def last(self) -> dict | None:
        """The last epoch's event."""
        return self.epochs[-1] if self.epochs else None

    @property
    def best(self) -> dict | None:
        """The validation of the model that is kept: the first of the highest mean Dice."""
        return max(self.validations, key=lambda event: event["dice"], default=None)

    @property
    def refused(self) -> bool:
        """Whether the guard against negative transfer refused the new model: it is not better than its source."""
        return self.done is not None and self.done.get("better") is False


class EventReader:
    """Reads what is new in a run's ``events.jsonl``; the last line may still be being written."""

    def __init__(self, runPath: Path) -> None:
        self._path, self._offset, self._first = runPath / EVENTS_NAME, 0, b""

    def new(self) -> list[dict]:
        """Return the events since the last call; a line that a crash cut short is left out."""
        if not self._path.is_file():
            return []
        with open(self._path, "rb") as stream:
            first = stream.readline()
            # Every line has its time, so that another first line is another run's.
            replaced = bool(self._first) and first != self._first
            if replaced:
                self._offset = 0
            stream.seek(self._offset)
            block = stream.read()
        whole = block[: block.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._first = first if self._offset else b""
        events = [event for event in map(_parsed, whole.splitlines()) if event is not None]
        return [{"event": REPLACED}, *events] if replaced else events


def _parsed(line: bytes) -> dict | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None
