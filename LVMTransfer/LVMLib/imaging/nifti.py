"""NIfTI: 3D and 4D images in, phase by phase, and out, with qform and sform."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import nibabel as nib
import numpy as np

from ..errors import ImageError
from ..files import atomic_file
from ..grid import Grid
from .raw import RawFrames
from .sequence import Sequence, to_int16

log = logging.getLogger(__name__)

# Noise does not compress: level 1 gives files 3 % larger than level 6 at a third of the time.
_GZIP_LEVEL = 1
_NIBABEL_ERRORS = (nib.filebasedimages.ImageFileError, nib.spatialimages.HeaderDataError)
_MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # NIfTI-1 xyzt_units: unknown, metre, millimetre, micrometre


def read_nifti(path: str | os.PathLike, *, rr_percent: tuple[float, ...] = ()) -> Sequence:
    """Open a NIfTI image; the phases are read when asked for.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz`` or ``.hdr``/``.img``; 3D (one phase) or 4D ``(X, Y, Z, T)``.
    rr_percent : tuple of float
        R-R percentage of each phase; empty = uniform.

    Raises
    ------
    ImageError
        No NIfTI file, truncated, a colour image, or neither 3D nor 4D.
    GridError
        The affine is sheared or not invertible.
    """
    frames, grid = open_nifti(path)
    return Sequence(grid, frames, rr_percent, {"format": "NIfTI"}, str(path))


def open_nifti(path: str | os.PathLike) -> tuple[RawFrames, Grid]:
    """Return the phases and the grid of a NIfTI file; errors as `read_nifti`."""
    path = Path(path)
    image = _load(path)
    header = image.header
    shape = _shape_4d(path, tuple(int(n) for n in header.get_data_shape()))
    _require_grey(path, header.get_data_dtype())
    affine = np.array(image.affine, dtype=float)
    affine[:3] *= _MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)
    if int(header["sform_code"]) == 0 and int(header["qform_code"]) == 0:
        log.warning("%s has neither sform nor qform: its orientation is a guess", path)
    grid = Grid(shape[2::-1], affine)
    grid.require_orthogonal(path)
    data = Path(image.file_map["image"].filename)
    frames = RawFrames(
        data,
        shape=shape[::-1],
        dtype=header.get_data_dtype(),
        offset=image.dataobj.offset,
        slope=image.dataobj.slope,
        intercept=image.dataobj.inter,
        compressed=data.suffix == ".gz",
    )
    return frames, grid


def write_sequence_nifti(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    grid: Grid,
    *,
    dtype: np.dtype | type = np.int16,
    phases: int | None = None,
) -> str:
    """Write phases one after the other as a NIfTI-1 file, atomically.

    Parameters
    ----------
    path : path
        ``.nii`` or ``.nii.gz``.
    frames : iterable of ndarray (Z, Y, X)
        Taken one at a time, so that a generator keeps one phase in memory.
    grid : Grid
        Grid of every phase; written as sform and qform, mm.
    dtype : dtype
        As stored: int16 (HU) or uint8 (labels).
    phases : int, optional
        Number of phases; None = a 3D file of one phase.

    Returns
    -------
    str
        SHA-256 of the file, lower-case hexadecimal.

    Raises
    ------
    ImageError
        Another number of phases came than was announced, or a phase has another shape.
    StorageError
        The disk is full or read-only.
    """
    path = Path(path)
    header = _header(grid, np.dtype(dtype), phases)
    with atomic_file(path) as temporary, hashing_writer(temporary) as (stream, digest):
        with gzip_writer(stream, compressed=path.suffix == ".gz") as out:
            out.write(header)
            count = 0
            for count, volume in enumerate(frames, 1):
                write_frame(out, volume, grid, dtype, f"{path.name}, phase {count - 1}")
            require_count(path, count, phases or 1)
    return digest.hexdigest()


@contextmanager
def hashing_writer(path: Path) -> Iterator[tuple[BinaryIO, hashlib._Hash]]:
    """Yield a stream to ``path`` and the SHA-256 of all that is written to it."""
    digest = hashlib.sha256()
    with open(path, "wb") as stream:
        yield _Hashing(stream, digest), digest


@contextmanager
def gzip_writer(stream: BinaryIO, *, compressed: bool) -> Iterator[BinaryIO]:
    """Yield ``stream``, or a gzip stream into it without name and time: equal content gives equal bytes."""
    if not compressed:
        yield stream
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, compresslevel=_GZIP_LEVEL, mtime=0) as out:
        yield out


def write_frame(out: BinaryIO, volume: np.ndarray, grid: Grid, dtype: np.dtype | type, where: str) -> None:
    """Write one phase ``(Z, Y, X)`` with X fastest, little endian."""
    if volume.shape != grid.shape:
        raise ImageError(
            where,
            expected=f"{grid.shape} voxels (Z, Y, X)",
            found=f"{volume.shape}",
            remedy="Give every phase on the same grid.",
        )
    dtype = np.dtype(dtype)
    volume = to_int16(volume) if dtype == np.int16 else volume
    out.write(memoryview(np.ascontiguousarray(volume, dtype=dtype.newbyteorder("<"))).cast("B"))


def require_count(where: str | os.PathLike, found: int, expected: int) -> None:
    """Raise `ImageError` unless as many phases came as were announced."""
    if found != expected:
        raise ImageError(
            where,
            expected=f"{expected} phases",
            found=f"{found}",
            remedy="Announce the number of phases that you write.",
        )


class _Hashing:
    """A stream that hashes what passes through."""

    def __init__(self, stream: BinaryIO, digest: hashlib._Hash) -> None:
        self._stream, self._digest = stream, digest

    def write(self, data: bytes | memoryview) -> int:
        self._digest.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


def _load(path: Path) -> nib.Nifti1Image:
    try:
        image = nib.load(path)
    except FileNotFoundError as error:
        raise ImageError(path, expected="an image file", found="no file", remedy="Check the path.") from error
    except (*_NIBABEL_ERRORS, EOFError, OSError, ValueError) as error:
        raise ImageError(
            path,
            expected="a NIfTI file",
            found=f"a damaged or foreign file ({error})",
            remedy="The file may be truncated: copy or export it again.",
        ) from error
    if not isinstance(image, nib.Nifti1Image | nib.Nifti1Pair):
        raise ImageError(
            path, expected="a NIfTI file", found=type(image).__name__, remedy="Convert it to NIfTI, NRRD or DICOM."
        )
    return image


def _shape_4d(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) == 3:
        return (*shape, 1)
    if len(shape) == 4 and min(shape) > 0:
        return shape
    raise ImageError(
        path,
        expected="a 3D image, or a 4D image (X, Y, Z, phases)",
        found=f"an image of {len(shape)} dimensions {shape}",
        remedy="Export the CT as grey-value volumes, one per phase.",
    )


def _require_grey(path: Path, dtype: np.dtype) -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise ImageError(
            path,
            expected="grey values (Hounsfield units)",
            found="a colour image" if dtype.fields else f"voxels of type {dtype}",
            remedy="Export the CT itself, not a screenshot or a colour overlay.",
        )


def _header(grid: Grid, dtype: np.dtype, phases: int | None) -> bytes:
    header = nib.Nifti1Header(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(grid.shape[::-1] if phases is None else (*grid.shape[::-1], phases))
    header.set_sform(grid.affine, code="scanner")
    header.set_qform(grid.affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1.0, 0.0)
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    return header.binaryblock + b"\0\0\0\0"
