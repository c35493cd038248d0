"""VTK XML poly data (.vtp) that Slicer and ParaView open, written without VTK."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from os import PathLike

import numpy as np

from ..files import atomic_file
from .model import ThicknessResult, WallSurface

_TYPES = {"float32": "Float32", "float64": "Float64", "int32": "Int32", "int64": "Int64", "uint8": "UInt8"}


def write_surface(
    path: str | PathLike, result: ThicknessResult | WallSurface, arrays: Mapping[str, np.ndarray] | None = None
) -> None:
    """Write a surface of the wall, RAS mm, with point arrays ``thickness_mm`` (NaN = none) and ``reason``.

    Parameters
    ----------
    path : path
    result : ThicknessResult or WallSurface
        The epicardium, or ``result.endocardium``.
    arrays : mapping of name to ndarray (V,), optional
        Further point arrays: float32, float64, int32, int64 or uint8.

    Raises
    ------
    StorageError
        The disk is full, read-only or forbidden.
    """
    triangles = np.asarray(result.triangles, np.int64)
    _write(
        path,
        result.points.astype(np.float32),
        "Polys",
        (triangles.ravel(), 3 * np.arange(1, len(triangles) + 1)),
        {"thickness_mm": result.thickness_mm.astype(np.float32), "reason": result.reasons, **(arrays or {})},
    )


def write_streamlines(path: str | PathLike, result: ThicknessResult) -> None:
    """Write the flow lines, RAS mm, epicardium first, of the vertices that have a thickness.

    Point arrays ``thickness_mm`` (of the whole line), ``arc_length_mm`` (from the epicardium), ``potential`` (1 on the
    epicardium, 0 on the endocardium) and ``vertex``.

    Raises
    ------
    StorageError
        The disk is full, read-only or forbidden.
    """
    lines = result.streamlines
    counts = np.diff(lines.offsets)
    valid = ~result.invalid
    line = np.repeat(np.arange(counts.size), counts)
    keep = valid[line]
    points, line = lines.points[keep], line[keep]
    ends = np.cumsum(counts[valid])
    steps = np.linalg.norm(np.diff(points.astype(float), axis=0, prepend=points[:1]), axis=1)
    starts = ends - counts[valid]
    steps[starts] = 0
    along = np.cumsum(steps)
    along -= np.repeat(along[starts], counts[valid])
    arrays = {
        "thickness_mm": result.thickness_mm[line].astype(np.float32),
        "arc_length_mm": along.astype(np.float32),
        "potential": lines.potential[keep],
        "vertex": line.astype(np.int32),
    }
    _write(path, points, "Lines", (np.arange(len(points)), ends), arrays)


def _write(path, points, kind, cells, arrays):
    connectivity, offsets = cells
    count = len(offsets)
    counts = dict.fromkeys(("Verts", "Lines", "Strips", "Polys"), 0)
    counts[kind] = count
    numbers = " ".join(f'NumberOf{name}="{value}"' for name, value in counts.items())
    with atomic_file(path) as temporary, open(temporary, "w", encoding="ascii") as out:
        out.write('<?xml version="1.0"?>\n<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" ')
        out.write('header_type="UInt64" compressor="vtkZLibDataCompressor">\n<PolyData>\n')
        out.write(f'<Piece NumberOfPoints="{len(points)}" {numbers}>\n<PointData Scalars="thickness_mm">\n')
        for name, values in arrays.items():
            out.write(_array(values, name))
        out.write("</PointData>\n<Points>\n" + _array(points, "Points", 3) + f"</Points>\n<{kind}>\n")
        out.write(_array(connectivity.astype(np.int64), "connectivity"))
        out.write(_array(np.asarray(offsets, np.int64), "offsets"))
        out.write(f"</{kind}>\n</Piece>\n</PolyData>\n</VTKFile>\n")


def _array(values: np.ndarray, name: str, components: int = 1) -> str:
    """One DataArray element: zlib-compressed blocks with their sizes in front, in base64."""
    values = np.ascontiguousarray(values)
    raw = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    size = 1 << 20
    blocks = [zlib.compress(raw[start : start + size], 1) for start in range(0, len(raw), size)]
    last = len(raw) % size if len(raw) % size else 0
    header = np.array([len(blocks), size, last, *map(len, blocks)], "<u8").tobytes()
    text = base64.b64encode(header).decode() + base64.b64encode(b"".join(blocks)).decode()
    kind = _TYPES[values.dtype.name]
    return (
        f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{components}" format="binary">{text}</DataArray>\n'
    )
