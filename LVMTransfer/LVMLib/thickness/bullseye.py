"""The bull's-eye of the AHA segments: its geometry and colours as plain data, and as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from os import PathLike

import numpy as np

from ..errors import LVMError
from ..files import atomic_file
from .segments import SEGMENT_NAMES, require_model

# Outer radius of the basal, mid and apical ring and of the apex, as parts of the disk: rings of one width.
RADII = (1.0, 0.75, 0.5, 0.25)
STEP_DEGREES = 3.0
# Nine stops of viridis (van der Walt and Smith 2015, CC0): lightness rises evenly, safe for colour-blind readers.
_STOPS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
NO_VALUE = (190, 190, 190)
# Name, direction of the text's place (x right, y down), and how far it is turned, degrees.
SIDES = (("lateral", (1, 0), 90), ("anterior", (0, -1), 0), ("septal", (-1, 0), -90), ("inferior", (0, 1), 0))

SIZE, RADIUS, TOP = (470, 460), 165, 52
_CENTRE = (205, TOP + RADIUS + 12)
_BAR = (420, 14)


@dataclass(frozen=True, eq=False)
class BullseyeSegment:
    """One field of the bull's-eye, in a disk of radius 1: x to the lateral, y to the anterior wall.

    Parameters
    ----------
    segment : int
        AHA number.
    name : str
    polygon : ndarray (N, 2)
        Outline, counter-clockwise, not repeated at its end.
    centre : ndarray (2,)
        Where a label goes.
    """

    segment: int
    name: str
    polygon: np.ndarray
    centre: np.ndarray


def bullseye_geometry(model: int = 17) -> tuple[BullseyeSegment, ...]:
    """Return the fields of the bull's-eye in order: anterior on top, septal to the left, as seen from the apex.

    Without an apex (16 segments) the apical fields meet in the middle.

    Raises
    ------
    LVMError
        Another model than 16 or 17.

    References
    ----------
    Cerqueira et al. (2002), doi 10.1161/hc0402.102975, Figure 4.
    """
    require_model(model)
    fields = []
    for ring, (first, count, start) in enumerate(((1, 6, 60.0), (7, 6, 60.0), (13, 4, 45.0))):
        inner = RADII[ring + 1] if ring < 2 or model == 17 else 0.0
        width = 360.0 / count
        for number in range(count):
            low = start + number * width
            fields.append(_field(first + number, inner, RADII[ring], (low, low + width)))
    if model == 17:
        fields.append(BullseyeSegment(17, SEGMENT_NAMES[17], _arc(RADII[3], 0.0, 360.0)[:-1], np.zeros(2)))
    return tuple(fields)


def _field(segment, inner, outer, degrees):
    low, high = degrees
    back = _arc(inner, high, low) if inner > 0 else np.zeros((1, 2))
    angle, radius = np.radians((low + high) / 2), (inner + outer) / 2 if inner > 0 else 0.6 * outer
    centre = radius * np.array([np.cos(angle), np.sin(angle)])
    return BullseyeSegment(segment, SEGMENT_NAMES[segment], np.vstack([_arc(outer, low, high), back]), centre)


def _arc(radius, low, high):
    angles = np.radians(np.linspace(low, high, round(abs(high - low) / STEP_DEGREES) + 1))
    return radius * np.column_stack([np.cos(angles), np.sin(angles)])


def colours_of(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Return (N, 3) uint8 red, green, blue of ``values`` (N,) between two limits; `NO_VALUE` where they are NaN."""
    stops = np.array([[int(text[n : n + 2], 16) for n in (1, 3, 5)] for text in _STOPS], float)
    values = np.asarray(values, float)
    low, high = limits
    known = np.isfinite(values)
    at = np.clip((np.where(known, values, low) - low) / max(high - low, 1e-12), 0, 1) * (len(stops) - 1)
    rgb = np.column_stack([np.interp(at, np.arange(len(stops)), stops[:, channel]) for channel in range(3)])
    rgb[~known] = NO_VALUE
    return np.rint(rgb).astype(np.uint8)


def nice_limits(values: np.ndarray) -> tuple[float, float]:
    """Return round limits that hold all finite values; 0 to 1 without one."""
    values = np.asarray(values, float)
    known = values[np.isfinite(values)]
    if known.size == 0:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    step = _nice_step(max(high - low, 1e-3 * max(abs(high), 1.0)) / 8)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return (low, high) if high > low else (low - step, high + step)


def _nice_step(step):
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= step * (1 - 1e-9)) * power


def bullseye_svg(
    values: Sequence[float],
    *,
    model: int = 17,
    title: str = "Wall thickness",
    unit: str = "mm",
    limits: tuple[float, float] | None = None,
    note: str = "",
) -> str:
    """Return the bull's-eye as a picture that needs nothing else: colours, numbers, legend; hatched = no value.

    Parameters
    ----------
    values : sequence of float
        One a segment, from segment 1; NaN = no value.
    model : {17, 16}
    title, unit, note : str
        Heading; unit of the values; a line below the picture, for example that the orientation is estimated.
    limits : tuple of float, optional
        Values of the two ends of the colour scale; by default round numbers about the values.

    Raises
    ------
    LVMError
        Another number of values than the model has segments, or another model.
    """
    fields = bullseye_geometry(model)
    values = np.asarray(values, float).ravel()
    if values.size != model:
        raise LVMError(
            "bull's-eye",
            expected=f"{model} values, one a segment",
            found=f"{values.size}",
            remedy="Pass the values of segment_table without its last row.",
        )
    limits = limits or nice_limits(values)
    drawn = [_drawn(field, value, rgb) for field, value, rgb in zip(fields, values, colours_of(values, limits))]
    return "\n".join([_head(title), *drawn, _sides(), _legend(limits, unit), _foot(values, unit, note), "</svg>\n"])


def write_bullseye_svg(path: str | PathLike, values: Sequence[float], **options) -> None:
    """Write `bullseye_svg`, with the same options, to a file.

    Raises
    ------
    LVMError, StorageError
        As `bullseye_svg`; the disk is full, read-only or forbidden.
    """
    text = bullseye_svg(values, **options)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _head(title):
    width, height = SIZE
    hatch = (
        '<defs><pattern id="novalue" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{_hex(NO_VALUE)}"/><rect width="2" height="7" fill="#777"/></pattern></defs>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#222">\n'
        f"<title>{escape(title)}</title>\n{hatch}\n<rect width='{width}' height='{height}' fill='#fff'/>\n"
        f'<text x="{_CENTRE[0]}" y="22" text-anchor="middle" font-size="16">{escape(title)}</text>'
    )


def _drawn(field, value, rgb):
    points = " ".join(f"{_CENTRE[0] + RADIUS * x:.1f},{_CENTRE[1] - RADIUS * y:.1f}" for x, y in field.polygon)
    x, y = _CENTRE[0] + RADIUS * field.centre[0], _CENTRE[1] - RADIUS * field.centre[1]
    known = math.isfinite(value)
    said = _number(value) if known else "–"
    # The lighter half of the colours carries dark text: relative luminance of ITU-R BT.709.
    ink = "#fff" if known and rgb @ np.array([0.2126, 0.7152, 0.0722]) < 128 else "#111"
    fill = _hex(rgb) if known else "url(#novalue)"
    halo = "" if known else ' paint-order="stroke" stroke="#fff" stroke-width="3"'
    return (
        f'<polygon points="{points}" fill="{fill}" stroke="#fff" stroke-width="1.5"><title>{field.segment} '
        f"{escape(field.name)}: {said if known else 'no value'}</title></polygon>"
        f'<g text-anchor="middle" fill="{ink}"{halo}><text x="{x:.1f}" y="{y - 4:.1f}" font-size="9">{field.segment}'
        f'</text><text x="{x:.1f}" y="{y + 10:.1f}" font-size="13">{said}</text></g>'
    )


def _sides():
    text = []
    for name, (right, down), turn in SIDES:
        x, y = _CENTRE[0] + (RADIUS + 12) * right, _CENTRE[1] + (RADIUS + 12) * down
        text.append(
            f'<text x="{x}" y="{y}" text-anchor="middle" dominant-baseline="central" '
            f'transform="rotate({turn} {x} {y})">{name}</text>'
        )
    return "\n".join(text)


def _legend(limits, unit):
    left, width = _BAR
    top, height = _CENTRE[1] - RADIUS, 2 * RADIUS
    low, high = limits
    stops = "".join(
        f'<stop offset="{n / (len(_STOPS) - 1):.4f}" stop-color="{colour}"/>' for n, colour in enumerate(_STOPS)
    )
    out = [
        f'<linearGradient id="scale" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient>',
        f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="url(#scale)"/>',
    ]
    step = _nice_step((high - low) / 6)
    for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        y = top + height * (high - number * step) / (high - low)
        out.append(f'<path d="M{left + width} {y:.1f}h4" stroke="#222"/>')
        out.append(f'<text x="{left + width + 7}" y="{y + 4:.1f}" font-size="11">{_said(number * step)}</text>')
    out.append(f'<text x="{left + width / 2}" y="{top - 9}" text-anchor="middle">{escape(unit)}</text>')
    return "\n".join(out)


def _foot(values, unit, note):
    y = _CENTRE[1] + RADIUS + 34
    said = [f"Number of the AHA segment, and its value in {unit}."]
    if not np.isfinite(values).all():
        said[0] += " Hatched: no value."
    said += [note] if note else []
    return "\n".join(
        f'<text x="{_CENTRE[0]}" y="{y + 16 * n}" text-anchor="middle" font-size="11" fill="#555">{escape(line)}</text>'
        for n, line in enumerate(said)
    )


def _number(value):
    return f"{value:.1f}".replace("-", "−") if abs(value) < 100 else _said(round(value))


def _said(value):
    return f"{value:g}".replace("-", "−")


def _hex(rgb):
    return "#{:02x}{:02x}{:02x}".format(*(int(channel) for channel in rgb))
