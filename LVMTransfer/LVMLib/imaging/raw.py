"""Phases that lie one after the other in a file, plain or gzip-compressed."""

from __future__ import annotations

import gzip
import os
import threading
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ImageError
from .sequence import scaled


class RawFrames:
    """Read phases from a file that stores them phase by phase, X fastest.

    Only the asked phase is in memory. A compressed file is read forward; going back to an earlier phase starts it anew.

    Parameters
    ----------
    path : path
        The file with the voxels.
    shape : tuple of int
        ``(T, Z, Y, X)``.
    dtype : dtype
        As stored, byte order included.
    offset : int
        Bytes before the first voxel (after decompression).
    slope, intercept : float
        HU = slope * stored + intercept.
    compressed : bool
        Whether the file (for a detached header the data file) is a gzip stream.
    skip : int
        Bytes before a gzip stream that begins inside the file (a NRRD header).
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        shape: tuple[int, int, int, int],
        dtype: np.dtype,
        offset: int = 0,
        slope: float = 1.0,
        intercept: float = 0.0,
        compressed: bool = False,
        skip: int = 0,
    ) -> None:
        self._path, self._shape, self._dtype = Path(path), tuple(shape), np.dtype(dtype)
        self._offset, self._slope, self._intercept = int(offset), float(slope), float(intercept)
        self._compressed, self._skip = compressed, int(skip)
        self._bytes = int(np.prod(self._shape[1:], dtype=np.int64)) * self._dtype.itemsize
        self._stream: tuple[int, BinaryIO, BinaryIO] | None = None
        self._lock = threading.Lock()
        if not compressed:
            self._require_size()

    def __len__(self) -> int:
        return self._shape[0]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_stream": None, "_lock": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, ``(Z, Y, X)``, int16 or float32, native byte order."""
        return scaled(self.stored(t), self._slope, self._intercept)

    def stored(self, t: int) -> np.ndarray:
        """Return phase ``t`` as it is stored, without slope and intercept, ``(Z, Y, X)``, native byte order."""
        volume = np.empty(self._shape[1:], dtype=self._dtype)
        with self._lock:
            try:
                stream = self._open()
                stream.seek(self._offset + t * self._bytes)
                read = _read_into(stream, memoryview(volume).cast("B"))
                if t == len(self) - 1 and self._compressed:
                    stream.read(1)  # reaches the stream's end, where gzip compares its checksum
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                self._close()
                raise self._truncated(f"a damaged compressed stream ({error})") from error
            if t == len(self) - 1 or read != self._bytes:
                self._close()
        if read != self._bytes:
            raise self._truncated(f"the end of the file within phase {t}")
        return volume.astype(self._dtype.newbyteorder("="), copy=False)

    def _open(self) -> BinaryIO:
        if self._stream is None or self._stream[0] != os.getpid():
            # Kept open between phases: going forward in gzip must not start anew. A forked worker opens its own.
            file = open(self._path, "rb")
            stream = file
            if self._compressed:
                file.seek(self._skip)
                stream = gzip.GzipFile(fileobj=_Window(file, self._skip), mode="rb")
            self._stream = (os.getpid(), stream, file)
        return self._stream[1]

    def _close(self) -> None:
        if self._stream is not None:
            _, stream, file = self._stream
            self._stream = None
            stream.close()
            file.close()

    def _require_size(self) -> None:
        needed = self._offset + len(self) * self._bytes
        found = self._path.stat().st_size
        if found < needed:
            raise self._truncated(f"{found} bytes")

    def _truncated(self, found: str) -> ImageError:
        t, z, y, x = self._shape
        total = self._offset + len(self) * self._bytes
        return ImageError(
            self._path,
            expected=f"{total} bytes for {x} x {y} x {z} voxels in {t} phase(s)",
            found=found,
            remedy="The file is truncated or damaged: copy or export it again.",
        )


class _Window:
    """A file whose position 0 is ``start``: gzip rewinds to 0 when an earlier phase is read."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self._stream, self._start = stream, start

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        shift = self._start if whence == 0 else 0
        return self._stream.seek(position + shift, whence) - self._start

    def tell(self) -> int:
        return self._stream.tell() - self._start

    def seekable(self) -> bool:
        return True


def _read_into(stream: BinaryIO, view: memoryview) -> int:
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])
        if not count:
            break
        done += count
    return done
