"""The run folder: what a training run is, where it stands, and what it made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...cohort.lock import lock_owner, writing
from ...errors import TrainingError
from ...files import storage_errors, write_json
from ...origin import now

RUN_NAME, EVENTS_NAME, STOP_NAME = "run.json", "events.jsonl", "stop"


class RunFolder:
    """``run.json``, ``events.jsonl``, ``checkpoints/`` and ``best/`` of one training run.

    Parameters
    ----------
    path : path
        The folder; made by `start`.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)

    @property
    def checkpoint(self) -> Path:
        """The last complete checkpoint."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best(self) -> Path:
        """Bundle of the best epoch so far."""
        return self.path / "best"

    @property
    def cache(self) -> Path:
        """Cases at the model's spacing."""
        return self.path / "cache"

    @contextmanager
    def working(self, facts: dict, *, resume: bool) -> Iterator[None]:
        """Hold the run while training; a new one needs a free folder, a resumed one the run that was started there.

        Raises
        ------
        TrainingError
            There is a run already, or none to resume, or it was started with other data or parameters.
        CohortError
            Another process is training in this folder.
        """
        earlier = self.read() if self.exists() else None
        if earlier and not resume:
            raise TrainingError(
                self.path, expected="a folder without a run", found=f"a run that is {earlier['status']}",
                remedy="Continue it with --resume, or choose another folder.",
            )  # fmt: skip
        if resume and not earlier:
            raise TrainingError(
                self.path, expected="a run to resume", found=f"no {RUN_NAME}", remedy="Start it without --resume."
            )
        if earlier:
            self._require_same(earlier, facts)
        created = earlier["created"] if earlier else now()
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with writing(self.path):
            (self.path / STOP_NAME).unlink(missing_ok=True)
            write_json(self.path / RUN_NAME, {**facts, "created": created, "status": "running", "pid": os.getpid()})
            yield

    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / RUN_NAME).is_file()

    def state(self) -> str:
        """Return how the run stands, as a process that comes later finds it.

        ``absent``, ``running``, ``done``, ``cancelled``, ``failed``, or ``crashed``: said to be running, but its
        process is gone. All but ``absent``, ``running`` and ``done`` can be resumed.
        """
        if not self.exists():
            return "absent"
        status = self.read()["status"]
        return "crashed" if status == "running" and lock_owner(self.path) is None else status

    def request_stop(self) -> None:
        """Ask the process that trains here to stop after its step; works across processes and on every system."""
        with storage_errors(self.path):
            (self.path / STOP_NAME).touch()

    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop."""
        return (self.path / STOP_NAME).exists()

    def read(self) -> dict:
        """Return ``run.json``."""
        return json.loads((self.path / RUN_NAME).read_text(encoding="utf-8"))

    def update(self, **facts: object) -> None:
        """Change entries of ``run.json``."""
        write_json(self.path / RUN_NAME, {**self.read(), **facts})

    def event(self, kind: str, **facts: object) -> None:
        """Append one line to ``events.jsonl``."""
        line = json.dumps({"event": kind, "time": now(), **facts})
        with storage_errors(self.path / EVENTS_NAME), open(self.path / EVENTS_NAME, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")

    def _require_same(self, earlier: dict, facts: dict) -> None:
        # Time, threads and device may change between the parts of a run; what is learnt from may not.
        free = {"max_seconds", "threads", "device", "cache_dir", "recompute"}
        for name in ("training", "validation", "source_sha256"):
            if earlier.get(name) != facts.get(name):
                self._raise_changed(name, earlier.get(name), facts.get(name))
        recorded = json.loads(json.dumps(facts["config"]))
        for name, value in recorded.items():
            if name not in free and earlier["config"].get(name) != value:
                self._raise_changed(name, earlier["config"].get(name), value)

    def _raise_changed(self, name: str, expected: object, found: object) -> None:
        raise TrainingError(
            self.path, expected=f"the run's own {name} ({expected})", found=str(found),
            remedy="Resume with the same cases and parameters, or start a new run in another folder.",
        )  # fmt: skip


def read_events(path: str | os.PathLike) -> Iterator[dict]:
    """Yield the events of a run folder; a line that a crash cut short is left out."""
    file = Path(path) / EVENTS_NAME
    if not file.is_file():
        return
    with open(file, encoding="utf-8") as stream:
        for line in stream:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue
