"""NRRD and Slicer's ``.seq.nrrd``: phases in and out without a whole 4D image in memory.

SimpleITK reads a ``.seq.nrrd`` only as a whole, as a 3D image with T components, and drops the header's order of keys;
the format is a text header and raw or gzip bytes (https://teem.sourceforge.net/nrrd/format.html), so it is read here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import GridError, ImageError
from ..files import atomic_file
from ..grid import Grid
from .nifti import gzip_writer, hashing_writer, require_count, write_frame
from .raw import RawFrames
from .sequence import ArrayFrames, FrameSource, Sequence

_TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
_DTYPES = {name: dtype for dtype, names in _TYPES.items() for name in names}
_NAMES = {"int16": "short", "uint8": "unsigned char", "float32": "float"}
_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_COLOUR_KINDS = ("color", "vector", "complex", "tensor", "matrix", "gradient", "normal", "quaternion")


@dataclass(frozen=True)
class NrrdHeader:
    """The header of a NRRD file.

    Parameters
    ----------
    fields : mapping
        ``field: value`` lines, names in lower case.
    keys : mapping
        ``key:=value`` lines.
    data_start : int
        Byte offset of the voxels in an attached file.
    """

    fields: Mapping[str, str]
    keys: Mapping[str, str]
    data_start: int


def read_header(path: str | os.PathLike) -> NrrdHeader:
    """Return the header of a NRRD file, or raise `ImageError`."""
    path = Path(path)
    if not path.is_file():
        raise ImageError(path, expected="an image file", found="no file", remedy="Check the path.")
    fields: dict[str, str] = {}
    keys: dict[str, str] = {}
    with open(path, "rb") as stream:
        if not stream.readline(64).startswith(b"NRRD"):
            raise _damaged(path, "a file that does not begin with NRRD")
        while line := stream.readline(1 << 20):
            text = line.decode("utf-8", errors="replace").rstrip("\r\n")
            if not text:
                break
            if text.startswith("#"):
                continue
            if ":=" in text and not re.match(r"^[A-Za-z ]+: ", text):
                key, value = text.split(":=", 1)
                keys[key] = value
            elif ":" in text:
                name, value = text.split(":", 1)
                fields[name.strip().lower()] = value.strip()
        else:
            if "data file" not in fields and "datafile" not in fields:
                raise _damaged(path, "a header without an end")
        return NrrdHeader(fields, keys, stream.tell())


def read_nrrd(path: str | os.PathLike, *, rr_percent: tuple[float, ...] = ()) -> Sequence:
    """Open a NRRD image or a Slicer volume sequence; phases are read when asked for.

    Parameters
    ----------
    path : path
        ``.nrrd``, ``.nhdr`` or ``.seq.nrrd``; 3D, or 4D with the list axis first or last.
    rr_percent : tuple of float
        R-R percentage of each phase; empty = the index values of the sequence if they are percentages, else uniform.

    Raises
    ------
    ImageError
        Truncated, a colour image, or neither 3D nor 4D.
    GridError
        No orientation, or a sheared one.
    """
    frames, grid, header = open_nrrd(path)
    percent = rr_percent or _rr_percent(header, len(frames))
    return Sequence(grid, frames, percent, {"format": "NRRD"}, str(path))


def open_nrrd(path: str | os.PathLike) -> tuple[FrameSource, Grid, NrrdHeader]:
    """Return the phases, the grid and the header of a NRRD file; errors as `read_nrrd`."""
    path = Path(path)
    header = read_header(path)
    try:
        sizes = [int(n) for n in header.fields["sizes"].split()]
        dtype = np.dtype(_DTYPES[header.fields["type"].lower()])
        encoding = header.fields["encoding"].lower()
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"a header without a usable {error}") from error
    if header.fields.get("endian", "little").lower() == "big":
        dtype = dtype.newbyteorder(">")
    list_axis = _list_axis(path, header, sizes)
    spatial = [n for axis, n in enumerate(sizes) if axis != list_axis]
    grid = _grid(path, header, spatial, list_axis)
    count = 1 if list_axis is None else sizes[list_axis]
    shape = (count, *spatial[::-1])
    if list_axis == 0 and count > 1:
        # The phases of a voxel lie side by side: the file has to be read as one.
        side_by_side = (1, *shape[1:3], shape[3] * count)
        whole = _frames(path, header, side_by_side, dtype, encoding).frame(0)
        return ArrayFrames(np.moveaxis(whole.reshape(*shape[1:], count), 3, 0)), grid, header
    return _frames(path, header, shape, dtype, encoding), grid, header


def write_sequence_nrrd(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray],
    grid: Grid,
    *,
    dtype: np.dtype | type = np.int16,
    phases: int | None = None,
    rr_percent: tuple[float, ...] = (),
    keys: Mapping[str, str] | None = None,
    compressed: bool = True,
) -> str:
    """Write a NRRD file, or a Slicer volume sequence, phase by phase and atomically.

    Parameters
    ----------
    path : path
        ``.nrrd``, or ``.seq.nrrd`` for a sequence that Slicer opens as one.
    frames : iterable of ndarray (Z, Y, X)
        Taken one at a time.
    grid : Grid
        Grid of every phase.
    dtype : dtype
        int16 (HU), uint8 (labels) or float32.
    phases : int, optional
        Number of phases; None = a 3D file.
    rr_percent : tuple of float
        Index values of the sequence; empty = 0, 1, 2 …
    keys : mapping, optional
        Further ``key:=value`` pairs.
    compressed : bool
        gzip (else raw).

    Returns
    -------
    str
        SHA-256 of the file.
    """
    dtype = np.dtype(dtype)
    text = _header_text(grid, dtype, phases=phases, rr_percent=rr_percent, keys=keys or {}, compressed=compressed)
    with atomic_file(path) as temporary, hashing_writer(temporary) as (stream, digest):
        stream.write(text.encode("utf-8"))
        with gzip_writer(stream, compressed=compressed) as out:
            count = 0
            for count, volume in enumerate(frames, 1):
                write_frame(out, volume, grid, dtype, f"{Path(path).name}, phase {count - 1}")
            require_count(path, count, phases or 1)
    return digest.hexdigest()


def _damaged(path: Path, found: str) -> ImageError:
    return ImageError(
        path, expected="a whole NRRD file", found=found, remedy="The file may be truncated: copy or export it again."
    )


def _list_axis(path: Path, header: NrrdHeader, sizes: list[int]) -> int | None:
    kinds = header.fields.get("kinds", "").lower().split()
    if any(colour in kind for kind in kinds for colour in _COLOUR_KINDS):
        raise ImageError(
            path,
            expected="grey values (Hounsfield units)",
            found="a colour or vector image",
            remedy="Export the CT itself, not a screenshot or a colour overlay.",
        )
    if len(sizes) == 3 and "list" not in kinds:
        return None
    axes = [axis for axis, vector in enumerate(_vectors(header)) if vector is None]
    axes = axes or [axis for axis, kind in enumerate(kinds) if kind in ("list", "time")]
    if len(sizes) == 4 and len(axes) <= 1:
        return axes[0] if axes else 3
    raise ImageError(
        path,
        expected="a 3D image, or a 4D image with one axis of phases",
        found=f"an image of {len(sizes)} dimensions {tuple(sizes)}",
        remedy="Export the CT as grey-value volumes, one per phase.",
    )


def _vectors(header: NrrdHeader) -> list[np.ndarray | None]:
    parts = re.findall(r"none|\([^)]*\)", header.fields.get("space directions", ""))
    return [None if part == "none" else np.array([float(x) for x in part[1:-1].split(",")]) for part in parts]


def _grid(path: Path, header: NrrdHeader, spatial: list[int], list_axis: int | None) -> Grid:
    signs = _SPACES.get(header.fields.get("space", "").lower().removesuffix("-time"))
    vectors = [vector for axis, vector in enumerate(_vectors(header)) if axis != list_axis]
    if signs is None or len(vectors) != 3 or any(v is None or v.shape != (3,) for v in vectors):
        raise GridError(
            path,
            expected="a space (RAS, LAS or LPS) and three space directions",
            found=f"space '{header.fields.get('space', '')}', directions '{header.fields.get('space directions', '')}'",
            remedy="Save the image again from a program that writes its orientation, for example 3D Slicer.",
        )
    origin = re.findall(r"[-+0-9.eE]+", header.fields.get("space origin", "(0,0,0)"))
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack(vectors)
    affine[:3, 3] = [float(x) for x in origin]
    grid = Grid(tuple(spatial[::-1]), np.diag([*signs, 1]) @ affine)
    grid.require_orthogonal(path)
    return grid


def _frames(path: Path, header: NrrdHeader, shape: tuple[int, ...], dtype: np.dtype, encoding: str) -> RawFrames:
    name = header.fields.get("data file", header.fields.get("datafile"))
    data, start = (path, header.data_start) if name is None else (path.parent / name, 0)
    skips = [header.fields.get(field, "0") for field in ("line skip", "lineskip", "byte skip", "byteskip")]
    if (
        encoding not in ("raw", "gzip", "gz")
        or set(skips) != {"0"}
        or (name and (len(name.split()) > 1 or name == "LIST"))
    ):
        raise ImageError(
            path,
            expected="raw or gzip encoding in one file",
            found=f"encoding '{encoding}', data file '{name or path.name}'",
            remedy="Save the image again from 3D Slicer.",
        )
    if not data.is_file():
        raise ImageError(path, expected=f"the voxels in {data.name}", found="no such file", remedy="Copy both files.")
    if encoding == "raw":
        return RawFrames(data, shape=shape, dtype=dtype, offset=start)
    return RawFrames(data, shape=shape, dtype=dtype, compressed=True, skip=start)


def _rr_percent(header: NrrdHeader, count: int) -> tuple[float, ...]:
    """Return the sequence's index values when they rise within 0 to 100 and its name says per cent."""
    for axis in range(4):
        values = header.keys.get(f"axis {axis} index values")
        label = header.fields.get("labels", "").lower()
        if values is None or not re.search(r"%|percent|r-r", label):
            continue
        try:
            numbers = tuple(float(value) for value in values.split())
        except ValueError:
            return ()
        if len(numbers) == count and all(0 <= value <= 100 for value in numbers):
            return numbers
    return ()


def _header_text(
    grid: Grid,
    dtype: np.dtype,
    *,
    phases: int | None,
    rr_percent: tuple[float, ...],
    keys: Mapping[str, str],
    compressed: bool,
) -> str:
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ grid.affine + 0.0
    vectors = " ".join("(" + ",".join(repr(float(x)) for x in lps[:3, axis]) + ")" for axis in range(3))
    sizes = " ".join(str(n) for n in grid.shape[::-1])
    origin = ",".join(repr(float(x)) for x in lps[:3, 3])
    four = phases is not None
    lines = [
        "NRRD0005",
        f"type: {_NAMES[dtype.name]}",
        f"dimension: {4 if four else 3}",
        "space: left-posterior-superior",
        f"sizes: {sizes} {phases}" if four else f"sizes: {sizes}",
        f"space directions: {vectors}" + (" none" if four else ""),
        "kinds: domain domain domain" + (" list" if four else ""),
        *([f'labels: "" "" "" "{"R-R percent" if rr_percent else "phase"}"'] if four else []),
        "endian: little",
        f"encoding: {'gzip' if compressed else 'raw'}",
        f"space origin: ({origin})",
    ]
    if four:
        values = " ".join(f"{value:g}" for value in rr_percent or range(phases))
        lines += ["axis 3 index type:=numeric", f"axis 3 index values:={values}"]
        lines += ["DataNodeClassName:=vtkMRMLScalarVolumeNode"]
    lines += [f"{key}:={value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n\n"
