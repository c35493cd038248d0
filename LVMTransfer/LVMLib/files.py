"""Files that are whole or absent: atomic writing, hashing, JSON."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import StorageError

_REMEDIES = {
    errno.ENOSPC: "Free disk space and run the command again; nothing was left half-written.",
    errno.EDQUOT: "Free disk space or raise the quota and run the command again.",
    errno.EFBIG: "This disk cannot hold files so large (FAT32 ends at 4 GB): choose a folder on another disk.",
    errno.EROFS: "Choose a folder on a writable disk.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EIO: "Check the disk or the network drive, and run the command again.",
    errno.ENOTDIR: "A part of this path is a file: choose another folder.",
    errno.EISDIR: "A folder has this name: choose another name.",
    errno.EEXIST: "A file has the name of this folder: choose another name.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}

_ATTEMPTS = 100


@contextmanager
def storage_errors(path: str | os.PathLike) -> Iterator[None]:
    """Turn a full, read-only or forbidden disk, or a name that is taken, into a `StorageError` that names ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        raise StorageError(
            path, expected="a disk that can be written", found=os.strerror(error.errno), remedy=_REMEDIES[error.errno]
        ) from error


@contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` with the same suffixes; rename it to ``path`` on success.

    On any exception, Ctrl-C included, the temporary file and the folders that were made for it are removed, and
    ``path`` is what it was before.

    Raises
    ------
    StorageError
        The disk is full, read-only or forbidden.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:])
    with storage_errors(path), _beside(path, lambda parent: _empty_file(parent, suffix)) as temporary:
        try:
            yield temporary
            _sync(temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike, *, replaces: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; it takes the place of ``path`` on success, else it vanishes.

    Parameters
    ----------
    path : path
        A new or empty folder, or an earlier one of the same kind.
    replaces : str, optional
        A file by which an earlier folder of the same kind is known; a folder with other files is never replaced.

    Raises
    ------
    StorageError
        The disk is full, read-only or forbidden, or other files are there.
    """
    path = Path(path)
    _require_replaceable(path, replaces)
    with storage_errors(path), _beside(path, _empty_folder) as temporary:
        old = temporary.with_name(temporary.name + "-old")
        try:
            yield temporary
            temporary.chmod(0o755)
            if path.exists():
                path.replace(old)
            temporary.replace(path)
        except BaseException:
            if old.exists() and not path.exists():
                old.replace(path)
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def write_json(path: str | os.PathLike, value: object) -> None:
    """Write ``value`` as indented UTF-8 JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a file as lower-case hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _beside(path: Path, make: Callable[[Path], Path]) -> Iterator[Path]:
    """Make the folders that ``path`` needs and something in the last; new folders that stay empty vanish on failure."""
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        yield _made_in(path.parent, make)
    except BaseException:
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()
        raise


def _made_in(folder: Path, make: Callable[[Path], Path]) -> Path:
    """Make a folder and something in it; another writer that fails may take the empty folder away in between."""
    for _ in range(_ATTEMPTS):
        with suppress(FileNotFoundError, FileExistsError):
            folder.mkdir(parents=True, exist_ok=True)
            return make(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return make(folder)


def _empty_file(parent: Path, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=suffix, dir=parent)
    os.close(handle)
    return Path(name)


def _empty_folder(parent: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=".part-", dir=parent))


def _require_replaceable(path: Path, marker: str | None) -> None:
    with storage_errors(path):
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return
    if path.is_dir() and marker and (path / marker).is_file():
        return
    raise StorageError(
        path,
        expected="a new or empty folder" + (f", or an earlier one with {marker}" if marker else ""),
        found="a folder with other files" if path.is_dir() else "a file",
        remedy="Choose another folder; what is there was left as it is.",
    )


def _sync(path: Path) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
