"""A case is open for one reader at a time."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from ...errors import InUseError
from ...files import storage_errors
from ...origin import now
from ..case import Case
from ..lock import lock_owner, owner_of, take

log = logging.getLogger(__name__)

OPEN_NAME = ".open"


def occupy(folder: Path, reader: str, *, take_over: bool = False) -> None:
    """Mark a case folder as open by ``reader`` in this process; a dead process' mark is taken over.

    Parameters
    ----------
    folder : Path
        The case folder.
    reader : str
        Who opens it.
    take_over : bool
        Open it although somebody else has it open: for a computer that crashed and cannot be asked.

    Raises
    ------
    InUseError
        Another reader, or another window of the same one, has the case open.
    StorageError
        The folder cannot be written.
    """
    path = folder / OPEN_NAME
    if take_over:
        with storage_errors(path):
            path.unlink(missing_ok=True)
    found = take(path, reader=reader, since=now())
    if found is None:
        return
    here = found.get("host") == socket.gethostname()
    place = "in this window" if here and found.get("pid") == os.getpid() else f"on {found.get('host', '?')}"
    raise InUseError(
        folder,
        expected="a case that nobody has open",
        found=f"reader {found.get('reader', '?')} {place} (process {found.get('pid', '?')}) "
        f"since {found.get('since', '?')}",
        remedy="Close it there; if that program is no longer running, open the case by taking over.",
    )


def vacate(folder: Path) -> None:
    """Remove this process' mark; another one's stays, and so does one on a disk that became read-only."""
    path = folder / OPEN_NAME
    found = owner_of(path)
    if found.get("host") == socket.gethostname() and found.get("pid") == os.getpid():
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s is left behind: %s", path, error.strerror)


def require_not_open(case: Case, reader: str) -> None:
    """Raise `InUseError` where this reader has the case open, whose next save would replace what is written now."""
    if opened_by(case.folder) == reader:
        raise InUseError(
            case.folder,
            expected=f"a case that {reader} has closed",
            found=f"it open by {reader}",
            remedy="Save and close it there first.",
        )


def opened_by(folder: Path) -> str | None:
    """Return the reader who has a case folder open now, or None."""
    found = lock_owner(folder, OPEN_NAME)
    return None if found is None else str(found.get("reader", "?"))
