"""Small charts as inline SVG: no library, no script, sharp in print."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 300
# The least range of an axis of scores between 0 and 1.
LEAST_SPREAD = 0.1
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 46
# Distinguishable with colour-blindness and in grey print (Okabe and Ito 2008).
COLORS = ("#b35900", "#0b5fa5", "#1b7f5c", "#8e3a80", "#555555")


@dataclass(frozen=True)
class Series:
    """A named line or cloud of points; points that are not finite are left out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def points(self) -> list[tuple[float, float]]:
        """Return the finite points."""
        return [(x, y) for x, y in zip(self.x, self.y) if math.isfinite(x) and math.isfinite(y)]


@dataclass(frozen=True)
class _Frame:
    """The plot's box: data limits and their place on the page."""

    x: tuple[float, float]
    y: tuple[float, float]
    height: int = HEIGHT

    def px(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def py(self, value: float) -> float:
        low, high = self.height - BOTTOM, TOP
        return low + (value - self.y[0]) / (self.y[1] - self.y[0]) * (high - low)


def nice_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return about ``count`` round values that cover ``low`` to ``high``."""
    # A range of rounding errors, such as differences that are all the same, is one value.
    if not high - low > 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    step = 10 ** math.floor(math.log10((high - low) / count))
    step *= min((1, 2, 2.5, 5, 10), key=lambda factor: abs((high - low) / (factor * step) - count))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def line_chart(series: Sequence[Series], *, title: str, x_label: str, y_label: str, marks: bool = False) -> str:
    """Return a chart of lines over a common x as SVG; empty text if there is nothing to draw."""
    series = [item for item in series if item.points()]
    if not series:
        return ""
    frame, ticks = _frame(series)
    body = [_axes(frame, ticks, x_label, y_label)]
    for number, item in enumerate(series):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{frame.px(x):.1f},{frame.py(y):.1f}" for x, y in sorted(item.points()))
        dash = ' stroke-dasharray="6 3"' if number % 2 else ""
        body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        if marks or len(item.points()) < 3:
            body += [_dot(frame.px(x), frame.py(y), color, f"{item.name}: {y:.4g}") for x, y in item.points()]
    return _svg(body + [_legend([item.name for item in series])], title, frame.height)


def scatter_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    identity: bool = False,
    levels: Mapping[str, float] | None = None,
) -> str:
    """Return clouds of points as SVG; empty text if there is nothing to draw.

    Parameters
    ----------
    series : sequence of Series
        The clouds.
    title, x_label, y_label : str
        Texts.
    identity : bool
        Draw the line y = x, with equal axes.
    levels : mapping of str to float, optional
        Horizontal lines with their names, such as a bias and its limits.
    """
    series = [item for item in series if item.points()]
    if not series:
        return ""
    lines = {name: y for name, y in (levels or {}).items() if math.isfinite(y)}
    invisible = Series("", [series[0].points()[0][0]] * len(lines), list(lines.values()))
    frame, ticks = _frame([*series, invisible], square=identity)
    body = [_axes(frame, ticks, x_label, y_label)]
    for name, level in lines.items():
        y = frame.py(level)
        body.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#666" stroke-dasharray="5 4"/>'
        )
        body.append(f'<text x="{WIDTH - RIGHT}" y="{y - 4:.1f}" text-anchor="end" font-size="11">{escape(name)}</text>')
    if identity:
        (x0, x1), (y0, y1) = frame.x, frame.y
        ends = f'x1="{frame.px(x0):.1f}" y1="{frame.py(y0):.1f}" x2="{frame.px(x1):.1f}" y2="{frame.py(y1):.1f}"'
        body.append(f'<line {ends} stroke="#999" stroke-dasharray="4 4"/>')
    for number, item in enumerate(series):
        color = COLORS[number % len(COLORS)]
        body += [_dot(frame.px(x), frame.py(y), color, f"{item.name}: {x:.4g}, {y:.4g}") for x, y in item.points()]
    return _svg(body + [_legend([item.name for item in series])], title, frame.height)


def paired_dots(cases: Sequence[str], series: Sequence[Series], *, title: str, x_label: str) -> str:
    """Return one row for each case with a dot for each model, joined by a line, as SVG.

    Parameters
    ----------
    cases : sequence of str
        Names of the rows.
    series : sequence of Series
        One for each model: ``x`` the values, ``y`` the row numbers.
    """
    series = [item for item in series if item.points()]
    if not series:
        return ""
    row_height = 20 if len(cases) <= 24 else 12
    height = TOP + BOTTOM + row_height * len(cases)
    values = [x for item in series for x, _ in item.points()]
    # Equal values get an axis below them: a Dice above 1 must not seem possible.
    ticks = nice_ticks(min(*values, max(values) - LEAST_SPREAD), max(values))
    frame = _Frame((ticks[0], ticks[-1]), (len(cases) - 0.5, -0.5), height)
    body = [_x_axis(frame, ticks, x_label)]
    for row, name in enumerate(cases):
        y = frame.py(row)
        spots = [x for item in series for x, at in item.points() if at == row]
        label = name if len(name) <= 9 else name[:8] + "…"
        body.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="10">{escape(label)}</text>')
        if spots:
            ends = f'x1="{frame.px(min(spots)):.1f}" x2="{frame.px(max(spots)):.1f}" y1="{y:.1f}" y2="{y:.1f}"'
            body.append(f'<line {ends} stroke="#bbb" stroke-width="2"/>')
    for number, item in enumerate(series):
        color = COLORS[number % len(COLORS)]
        body += [
            _dot(frame.px(x), frame.py(row), color, f"{cases[int(row)]}, {item.name}: {x:.4g}")
            for x, row in item.points()
        ]
    return _svg(body + [_legend([item.name for item in series])], title, height)


def _frame(series: Sequence[Series], *, square: bool = False) -> tuple[_Frame, tuple[list[float], list[float]]]:
    xs = [x for item in series for x, _ in item.points()]
    ys = [y for item in series for _, y in item.points()]
    if square:
        xs = ys = xs + ys
    x_ticks, y_ticks = nice_ticks(min(xs), max(xs)), nice_ticks(min(ys), max(ys))
    return _Frame((x_ticks[0], x_ticks[-1]), (y_ticks[0], y_ticks[-1])), (x_ticks, y_ticks)


def _axes(frame: _Frame, ticks: tuple[list[float], list[float]], x_label: str, y_label: str) -> str:
    parts = [_x_axis(frame, ticks[0], x_label)]
    for value in ticks[1]:
        y = frame.py(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle = (TOP + frame.height - BOTTOM) / 2
    parts.append(
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">'
        f"{escape(y_label)}</text>"
    )
    return "".join(parts)


def _x_axis(frame: _Frame, ticks: list[float], label: str) -> str:
    bottom = frame.height - BOTTOM
    parts = []
    for value in ticks:
        x = frame.px(value)
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}" stroke="#efefef"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" stroke="#888"/>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle:.0f}" y="{bottom + 36}" text-anchor="middle">{escape(label)}</text>')
    return "".join(parts)


def _dot(x: float, y: float, color: str, tip: str) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{color}" fill-opacity="0.85" stroke="#fff">'
        f"<title>{escape(tip)}</title></circle>"
    )


def _legend(names: Sequence[str]) -> str:
    parts, x = [], float(LEFT)
    for number, name in enumerate(names):
        shown = name if len(name) <= 30 else name[:29] + "…"
        parts.append(f'<circle cx="{x + 5:.0f}" cy="16" r="5" fill="{COLORS[number % len(COLORS)]}"/>')
        parts.append(f'<text x="{x + 15:.0f}" y="20">{escape(shown)}</text>')
        x += 30 + 6.6 * len(shown)
    return "".join(parts)


def _svg(body: Sequence[str], title: str, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title, quote=True)}" '
        'font-family="system-ui, sans-serif" font-size="12" fill="#333" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(body)}</svg>"
    )
