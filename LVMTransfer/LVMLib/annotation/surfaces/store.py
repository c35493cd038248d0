"""Surfaces on disk: a Slicer markups file with the contours, which also holds the exact state."""

from __future__ import annotations

import base64
import json
from os import PathLike
from pathlib import Path

import numpy as np

from ...errors import LVMError
from ..contours import resample_closed
from ..markups import write_contours
from ..views import short_axis_stack
from .frame import Frame
from .sections import contours
from .state import BASE, PARTS, Pin, WallSurfaces, control_shapes

KEY = "lvmSurfaces"
"""Where the state stands in the file, beside the markups that every program reads."""
FORMAT = 1
SLICE_MM = 8.0
POINTS = 32
"""Control points of a contour in the file: few enough to drag."""
_REMEDY = "Make the surfaces from the labels of this phase again."


def write_surfaces(path: str | PathLike, state: WallSurfaces) -> None:
    """Write the surfaces of one phase as a Slicer markups file.

    Parameters
    ----------
    path : path
        Should end in ``.mrk.json``. Slicer and other programs find the short-axis contours, every 8 mm, as closed
        curves; `read_surfaces` gives the same state to the bit.
    state : WallSurfaces

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    curves: dict[str, list[np.ndarray]] = {}
    for plane in short_axis_stack(state.axes, SLICE_MM):
        for surface, lines in contours(state, plane, closed=True).items():
            if surface != BASE and lines:
                curves.setdefault(surface, []).append(resample_closed(lines[0], POINTS))
    write_contours(path, curves, extra={KEY: as_dict(state)})


def read_surfaces(path: str | PathLike) -> WallSurfaces:
    """Read surfaces that `write_surfaces` wrote.

    Raises
    ------
    LVMError
        No such file, no surfaces of ours in it (contours of another program), or damaged ones.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))[KEY]
        return from_dict(stored)
    except LVMError as error:
        raise error.at(path) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LVMError(path, expected="surfaces of this software", found=repr(error), remedy=_REMEDY) from error


def as_dict(state: WallSurfaces) -> dict[str, object]:
    """Return a state as JSON-ready values.

    Control points are base64 of little-endian 64-bit floats, row by row: every bit comes back, in a small file.
    """
    frame = state.frame
    return {
        "format": FORMAT,
        "frame": {
            "centre": frame.centre.tolist(),
            "turn": frame.turn.tolist(),
            "cap_mm": frame.cap_mm,
            "top_mm": frame.top_mm,
            "reach_mm": frame.reach_mm,
        },
        "control": {part: _text(state.control[part]) for part in PARTS},
        "locked": {part: np.flatnonzero(mask).tolist() for part, mask in state.locked.items()},
        "pins": [{"surface": pin.surface, "point": list(pin.point)} for pin in state.pins],
        "aortic": None if state.aortic is None else np.asarray(state.aortic).tolist(),
    }


def from_dict(stored: dict) -> WallSurfaces:
    """Return the state of `as_dict`.

    Raises
    ------
    LVMError
        Another format, or numbers that are no surfaces.
    """
    if stored["format"] != FORMAT:
        raise LVMError("surfaces", expected=f"format {FORMAT}", found=repr(stored["format"]), remedy=_REMEDY)
    frame = Frame(**stored["frame"])
    shapes = control_shapes(frame)
    control = {part: _array(stored["control"][part], shapes[part]) for part in PARTS}
    locked = {}
    for part, places in stored["locked"].items():
        locked[part] = np.zeros(control[part].shape, bool)
        locked[part].flat[places] = True
    pins = tuple(Pin(pin["surface"], tuple(map(float, pin["point"]))) for pin in stored["pins"])
    aortic = None if stored["aortic"] is None else np.array(stored["aortic"], dtype=float)
    state = WallSurfaces(frame, control, locked, pins, aortic)
    if not all(np.isfinite(array).all() for array in (frame.centre, frame.turn, *control.values())):
        raise LVMError("surfaces", expected="finite numbers", found="NaN or infinity", remedy=_REMEDY)
    return state


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode("ascii")


def _array(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text, validate=True), "<f8").astype(float).reshape(shape)
