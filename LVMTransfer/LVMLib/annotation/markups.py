"""Contours on disk as Slicer markups (closed curves in ``.mrk.json``)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import CurveError, LVMError
from ..files import write_json
from .valves import require_curve

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
COLORS = {
    "endocardium": [0.86, 0.12, 0.12],
    "epicardium": [0.12, 0.63, 0.35],
    "mitral": [0.0, 0.45, 0.70],
    "aortic": [0.80, 0.47, 0.65],
}
_TO_RAS = {"LPS": np.array([-1.0, -1.0, 1.0]), "RAS": np.ones(3)}
_REMEDY = "Save the contours as closed curves from Slicer's Markups module, or export them again."


def write_contours(
    path: str | PathLike,
    contours: dict[str, list[np.ndarray]],
    *,
    coordinate_system: str = "LPS",
    extra: Mapping[str, object] | None = None,
) -> None:
    """Write closed contours as one Slicer markups file.

    Parameters
    ----------
    path : path
        Should end in ``.mrk.json``.
    contours : dict of str to list of ndarray (N, 3)
        For example from `section_contours`; RAS mm. A curve is named ``endocardium-1`` and so on.
    coordinate_system : str
        ``"LPS"`` (as Slicer writes) or ``"RAS"``; stated in the file.
    extra : mapping of str to object, optional
        JSON-ready values beside the markups; Slicer passes over them.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    sign = _TO_RAS[coordinate_system]
    markups = [
        _curve(f"{name}-{number}", np.asarray(line, dtype=float) * sign, coordinate_system, COLORS.get(name))
        for name, lines in contours.items()
        for number, line in enumerate(lines, start=1)
    ]
    write_json(path, {"@schema": SCHEMA, "markups": markups, **(extra or {})})


def read_contours(path: str | PathLike, *, error: type[LVMError] = LVMError) -> dict[str, list[np.ndarray]]:
    """Read the closed curves of a Slicer markups file.

    Parameters
    ----------
    path : path
        A ``.mrk.json`` file of ours or of Slicer.
    error : type
        What to raise for a curve that cannot be used.

    Returns
    -------
    dict of str to list of ndarray (N, 3)
        RAS mm; the key is the curve's name (Slicer's files of one curve have none: the
        file's) without its number.

    Raises
    ------
    LVMError
        The file is no markups file, holds an open curve or a curve of fewer than 3 points, or a position is not finite.
    """
    path = Path(path)
    try:
        markups = json.loads(path.read_text(encoding="utf-8"))["markups"]
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as damaged:
        found = str(damaged)
        raise LVMError(path, expected="a Slicer markups file (.mrk.json)", found=found, remedy=_REMEDY) from damaged
    contours: dict[str, list[np.ndarray]] = {}
    for markup in markups:
        name = str(markup.get("name") or path.name.removesuffix(".mrk.json"))
        head, _, tail = name.rpartition("-")
        key = head if head and tail.isdigit() else name
        contours.setdefault(key, []).append(_positions(markup, f"{path}, {name}", error))
    return contours


def write_valve_curves(path: str | PathLike, curves: dict[str, np.ndarray]) -> None:
    """Write the mitral and aortic curves as one Slicer markups file.

    Parameters
    ----------
    path : path
        Should end in ``.mrk.json``.
    curves : dict of str to ndarray (N, 3)
        ``mitral`` and/or ``aortic``; control points in order, RAS mm.

    Raises
    ------
    CurveError
        A curve that cannot be used (`valves.require_curve`), or no such valve.
    StorageError
        The disk is full or read-only.
    """
    write_contours(path, {valve: [require_curve(curves[valve], f"{path}, {valve} curve")] for valve in curves})


def read_valve_curves(path: str | PathLike) -> dict[str, np.ndarray]:
    """Read the mitral and aortic curves of a Slicer markups file.

    Parameters
    ----------
    path : path
        ``.mrk.json`` of ours or of Slicer; a curve is recognised by "mitral" or "aort" in its name.

    Returns
    -------
    dict of str to ndarray (N, 3)
        ``mitral`` and/or ``aortic``; control points, RAS mm.

    Raises
    ------
    CurveError
        No such curve, two of one valve, an open curve, or one that crosses itself.
    LVMError
        No markups file.
    """
    found: dict[str, np.ndarray] = {}
    names = []
    for name, lines in read_contours(path, error=CurveError).items():
        names.append(name)
        valve = next((valve for valve, part in (("mitral", "mitral"), ("aortic", "aort")) if part in name.lower()), "")
        if not valve:
            continue
        if len(lines) > 1 or valve in found:
            raise CurveError(path, expected=f"one {valve} curve", found="two", remedy="Keep one of them.")
        found[valve] = require_curve(lines[0], f"{path}, {valve} curve")
    if not found:
        raise CurveError(
            path,
            expected="closed curves named 'mitral' and 'aortic'",
            found=", ".join(names) or "no curve",
            remedy="Name the curves in Slicer's Markups module.",
        )
    return found


def _positions(markup: dict, where: str, failure: type[LVMError]) -> np.ndarray:
    if markup.get("type") != "ClosedCurve":
        raise failure(where, expected="a closed curve", found=f"a markup of type {markup.get('type')}", remedy=_REMEDY)
    system = markup.get("coordinateSystem", "LPS")
    if system not in _TO_RAS:
        raise failure(where, expected="coordinate system LPS or RAS", found=repr(system), remedy=_REMEDY)
    controls = [point for point in markup.get("controlPoints", []) if point.get("positionStatus") in (None, "defined")]
    points = np.array([point.get("position") or [np.nan] * 3 for point in controls], dtype=float).reshape(-1, 3)
    if len(points) < 3 or not np.isfinite(points).all():
        raise failure(where, expected="3 or more defined points", found=f"{len(points)} points", remedy=_REMEDY)
    return points * _TO_RAS[system]


def _curve(name: str, positions: np.ndarray, system: str, color: list[float] | None) -> dict:
    points = [
        {
            "id": str(number),
            "label": "",
            "description": "",
            "associatedNodeID": "",
            "position": [round(float(value), 4) for value in position],
            "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, position in enumerate(positions, start=1)
    ]
    curve = {
        "type": "ClosedCurve",
        "name": name,
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": points,
    }
    if color:
        curve["display"] = {"visibility": True, "opacity": 1.0, "color": color, "selectedColor": color}
    return curve
