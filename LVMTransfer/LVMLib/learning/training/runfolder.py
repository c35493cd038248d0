"""The run folder: what a training run is, where it stands, and what it made."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...cohort.lock import lock_owner, writing
from ...errors import LVMCancelled, LVMError, TrainingError
from ...files import storage_errors, write_json
from ...origin import now
from ...progress import Progress
from .states import ABSENT, CANCELLED, CRASHED, DONE, EVENTS_NAME, FAILED, RESUMABLE, RUNNING

RUN_NAME, STOP_NAME = "run.json", "stop"

_log = logging.getLogger(__name__)


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

        A new run takes the place of one that ended before it had anything to keep.

        Raises
        ------
        TrainingError
            There is a run already, or none to resume, or it was started with other data or parameters; or something
            else lies there.
        CohortError
            Another process is training in this folder.
        """
        earlier = self.read() if self.exists() else None
        if earlier and not resume and not self.replaceable():
            raise TrainingError(
                self.path, expected="a folder without a run", found=f"a run that is {earlier['status']}",
                remedy="Continue it with --resume, or choose another folder.",
            )  # fmt: skip
        if resume and not earlier:
            raise TrainingError(
                self.path, expected="a run to resume", found=f"no {RUN_NAME}", remedy="Start it without --resume."
            )
        if resume:
            self._require_same(earlier, facts)
        created = earlier.get("created", now()) if resume else now()
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with writing(self.path):
            (self.path / STOP_NAME).unlink(missing_ok=True)
            if earlier and not resume:
                (self.path / EVENTS_NAME).unlink(missing_ok=True)
            write_json(self.path / RUN_NAME, {**facts, "created": created, "status": RUNNING, "pid": os.getpid()})
            yield

    def exists(self) -> bool:
        """Whether a run was started here."""
        return (self.path / RUN_NAME).is_file()

    def state(self) -> str:
        """Return how the run stands, as a process that comes later finds it.

        ``absent``, ``running``, ``done``, ``cancelled``, ``failed``, or ``crashed``: said to be running, but its
        process is gone. All but ``absent``, ``running`` and ``done`` can be resumed.

        Raises
        ------
        TrainingError
            What lies there is not a run.
        """
        if not self.exists():
            return ABSENT
        status = self.read()["status"]
        if status == RUNNING and lock_owner(self.path) is None:
            # A run says how it ended before it unlocks its folder: it may have ended since its words were read.
            status = self.read()["status"]
            return CRASHED if status == RUNNING else status
        return status

    def replaceable(self) -> bool:
        """Whether the run here ended before its first checkpoint, so that a new one in its place loses nothing."""
        kept = self.checkpoint.exists() or self.best.exists()
        return not kept and self.state() in RESUMABLE

    def request_stop(self) -> None:
        """Ask the process that trains here to stop after its step; works across processes and on every system."""
        with storage_errors(self.path):
            (self.path / STOP_NAME).touch()

    def stop_requested(self) -> bool:
        """Whether somebody asked the run to stop."""
        return (self.path / STOP_NAME).exists()

    def heeding(self, progress: Progress) -> Progress:
        """Return a progress that also stops the work when somebody asked the run to stop."""

        def told(fraction: float, message: str) -> None:
            if self.stop_requested():
                raise LVMCancelled(f"{self.path}: asked to stop")
            progress(fraction, message)

        return told

    def read(self) -> dict:
        """Return ``run.json``.

        Raises
        ------
        TrainingError
            It is damaged, or another program's.
        """
        path = self.path / RUN_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _no_run(path, str(error)) from error
        if not isinstance(content, dict) or content.get("status") not in (RUNNING, DONE, CANCELLED, FAILED):
            raise _no_run(path, "other content")
        return content

    def update(self, **facts: object) -> None:
        """Change entries of ``run.json``."""
        write_json(self.path / RUN_NAME, {**self.read(), **facts})

    def event(self, kind: str, **facts: object) -> None:
        """Append one line to ``events.jsonl``; behind a line that a crash cut short, on a new one."""
        line = json.dumps({"event": kind, "time": now(), **facts}).encode() + b"\n"
        with storage_errors(self.path / EVENTS_NAME), open(self.path / EVENTS_NAME, "ab+") as stream:
            if stream.seek(0, os.SEEK_END):
                stream.seek(-1, os.SEEK_END)
                line = line if stream.read(1) == b"\n" else b"\n" + line
            stream.write(line)

    def end(self, status: str, facts: dict, **entries: object) -> None:
        """Leave word of how an unfinished run ended: ``status`` and ``entries`` in ``run.json``, ``facts`` as an event.

        A full disk may take one and not the other. What cannot be written is logged, and hides no earlier error.
        """
        for tell in (lambda: self.update(status=status, **entries), lambda: self.event(status, **facts)):
            try:
                tell()
            except (LVMError, OSError) as error:
                _log.warning("how the run ended could not be written: %s", error)

    def _require_same(self, earlier: dict, facts: dict) -> None:
        # Time, threads and device may change between the parts of a run; what is learnt from may not.
        free = {"max_seconds", "threads", "device", "cache_dir", "recompute"}
        for name in ("training", "validation", "source_sha256"):
            if earlier.get(name) != facts.get(name):
                self._raise_changed(name, earlier.get(name), facts.get(name))
        recorded, wanted = earlier.get("config"), json.loads(json.dumps(facts["config"]))
        if not isinstance(recorded, dict):
            raise _no_run(self.path / RUN_NAME, "no recipe")
        for name, value in wanted.items():
            if name not in free and recorded.get(name) != value:
                self._raise_changed(name, recorded.get(name), value)

    def _raise_changed(self, name: str, expected: object, found: object) -> None:
        raise TrainingError(
            self.path, expected=f"the run's own {name} ({expected})", found=str(found),
            remedy="Resume with the same cases and parameters, or start a new run in another folder.",
        )  # fmt: skip


def _no_run(path: Path, found: str) -> TrainingError:
    return TrainingError(
        path, expected="a training run of lvm finetune", found=found,
        remedy="Choose another folder; what is here was left as it is.",
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
