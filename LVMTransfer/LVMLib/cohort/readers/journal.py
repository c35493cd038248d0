"""Every edit on disk at once, beside the labels: what a crash leaves is read back."""

from __future__ import annotations

import errno
import json
import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...files import atomic_file, storage_errors
from ...origin import now

_MAGIC, _HEAD = b"LVMJ", struct.Struct("<4sIII")


@dataclass(frozen=True, eq=False)
class Recovered:
    """Edits that were made and not saved.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) of uint8
        The labels after the last edit that is whole on disk.
    edits : int
        How many.
    action : str
        What the last one was.
    when : str
        When it was made, UTC.
    """

    labels: np.ndarray
    edits: int
    action: str
    when: str


class Journal:
    """The edits of one phase since it was saved, one record each.

    A record holds the labels of the box that an edit changed, compressed, with a checksum, and is forced to the disk
    before `append` returns. The first record holds all labels. A record that a crash cut off is left out on reading.

    Parameters
    ----------
    path : Path
        The journal file; made by the first edit.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._before: np.ndarray | None = None

    @property
    def exists(self) -> bool:
        """Whether there are edits on disk."""
        return self.path.is_file() and self.path.stat().st_size > 0

    def append(self, labels: np.ndarray, action: str) -> None:
        """Record the labels ``(Z, Y, X)`` uint8 after an edit.

        Raises
        ------
        StorageError
            The disk is full or read-only; the journal is what it was before, and the next edit tries again.
        """
        box = _box(labels > 0) if self._before is None else _changed(self._before, labels)
        if box is None and self._before is not None:
            return
        box = box or (slice(0, 0),) * 3
        part = np.ascontiguousarray(labels[box])
        where = [(side.start, side.stop) for side in box]
        head = {"shape": labels.shape, "box": where, "action": action, "when": now()}
        self._write(json.dumps(head).encode(), zlib.compress(part.tobytes(), 1), self._before is None)
        if self._before is None:
            self._before = labels.copy()
        else:
            self._before[box] = part

    def _write(self, head: bytes, body: bytes, first: bool) -> None:
        record = _HEAD.pack(_MAGIC, len(head), len(body), zlib.crc32(head + body)) + head + body
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if first:  # an earlier journal stays until the new one is whole on the disk
                with atomic_file(self.path) as temporary:
                    temporary.write_bytes(record)
            else:
                self._add(record)

    def _add(self, record: bytes) -> None:
        size = self.path.stat().st_size
        try:
            with open(self.path, "ab", buffering=0) as stream:
                if stream.write(record) < len(record):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                os.truncate(self.path, size)
            raise

    def read(self) -> Recovered | None:
        """Return the labels after the last whole record; None where there is none."""
        if not self.exists:
            return None
        content, at, edits = self.path.read_bytes(), 0, 0
        labels, last = None, {}
        while at + _HEAD.size <= len(content):
            magic, head_size, body_size, checksum = _HEAD.unpack_from(content, at)
            at += _HEAD.size
            record = content[at : at + head_size + body_size]
            if magic != _MAGIC or len(record) < head_size + body_size or zlib.crc32(record) != checksum:
                break
            last = json.loads(record[:head_size])
            box = tuple(slice(*side) for side in last["box"])
            labels = np.zeros(last["shape"], dtype=np.uint8) if labels is None else labels
            part = np.frombuffer(zlib.decompress(record[head_size:]), dtype=np.uint8)
            labels[box] = part.reshape(labels[box].shape)
            at, edits = at + head_size + body_size, edits + 1
        return None if labels is None else Recovered(labels, edits, last["action"], last["when"])

    def clear(self) -> None:
        """Forget the edits: the labels are saved."""
        with storage_errors(self.path):
            self.path.unlink(missing_ok=True)
        self._before = None

    def discard(self) -> None:
        """Set the edits aside, in a file that is kept until the next time."""
        with storage_errors(self.path):
            if self.path.is_file():
                self.path.replace(self.path.with_suffix(".discarded"))
        self._before = None


def _box(mask: np.ndarray) -> tuple[slice, slice, slice] | None:
    found = ndimage.find_objects(mask.astype(np.uint8))
    return found[0] if found else None


def _changed(before: np.ndarray, after: np.ndarray) -> tuple[slice, slice, slice] | None:
    """Return the box in which two label maps differ, or None; most slices are only compared, since an edit is small."""
    slices = [k for k, (a, b) in enumerate(zip(before, after)) if not np.array_equal(a, b)]
    if not slices:
        return None
    first, last = slices[0], slices[-1] + 1
    box = _box(before[first:last] != after[first:last])
    return slice(box[0].start + first, box[0].stop + first), box[1], box[2]
