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
    with storage_errors(path):
        _take(path, time.monotonic() + wait_s)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path, deadline: float) -> None:
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid()})
    while True:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            found = _owner(path)
            if _is_stale(found):
                path.unlink(missing_ok=True)
            elif time.monotonic() < deadline:
                time.sleep(0.02)
            else:
                raise _in_use(path, found) from None
            continue
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(owner)
        except OSError:
            path.unlink(missing_ok=True)
            raise
        return


def _in_use(path: Path, owner: dict) -> CohortError:
    return CohortError(
        path.parent,
        expected="no other process writing here",
        found=f"process {owner.get('pid', '?')} on {owner.get('host', '?')}",
        remedy=f"Wait until it is done; if it is no longer running, delete {path.name}.",
    )


def lock_owner(folder: Path) -> dict | None:
    """Return ``host`` and ``pid`` of who holds the lock of a folder; None if nobody of this computer is alive there."""
    path = folder / LOCK_NAME
    if not path.is_file():
        return None
    owner = _owner(path)
    return None if _is_stale(owner) else owner


def _owner(path: Path) -> dict:
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
