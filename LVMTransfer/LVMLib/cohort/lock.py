"""One writer at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import CohortError
from ..files import storage_errors
from ..processes import is_alive

LOCK_NAME = ".lock"


@contextmanager
def writing(folder: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a cohort or a case while writing to it.

    A lock that a dead process of this computer left behind is taken over.

    Parameters
    ----------
    folder : Path
        The cohort or case folder.
    wait_s : float
        How long to wait for another process, seconds.

    Raises
    ------
    CohortError
        Another process is writing.
    StorageError
        The folder cannot be written.
    """
    path = folder / LOCK_NAME
    deadline = time.monotonic() + wait_s
    while (found := take(path)) is not None:
        if time.monotonic() >= deadline:
            raise CohortError(
                folder,
                expected="no other process writing here",
                found=f"process {found.get('pid', '?')} on {found.get('host', '?')}",
                remedy=f"Wait until it is done; if it is no longer running, delete {LOCK_NAME}.",
            )
        time.sleep(0.02)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def take(path: Path, **facts: object) -> dict | None:
    """Make a lock file that names this process; return None, or what a living owner wrote there.

    Parameters
    ----------
    path : Path
        The lock file.
    **facts
        What the file says beside host and process.

    Raises
    ------
    StorageError
        The folder cannot be written.
    """
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), **facts})
    with storage_errors(path):
        while True:
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                found = owner_of(path)
                if not _is_stale(found):
                    return found
                path.unlink(missing_ok=True)
                continue
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as stream:
                    stream.write(owner)
            except OSError:
                path.unlink(missing_ok=True)
                raise
            return None


def lock_owner(folder: Path, name: str = LOCK_NAME) -> dict | None:
    """Return what the owner of a folder's lock wrote; None if nobody of this computer is alive there."""
    path = folder / name
    if not path.is_file():
        return None
    owner = owner_of(path)
    return None if _is_stale(owner) else owner


def owner_of(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_stale(owner: dict) -> bool:
    """Whether the owner was a process of this computer that is gone."""
    if owner.get("host") != socket.gethostname() or not isinstance(owner.get("pid"), int):
        return False
    return not is_alive(owner["pid"])
