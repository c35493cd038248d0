"""The pictures of the consensus protocol, drawn as SVG and written as PNG beside the protocol.

``.venv/bin/python Testing/host/protocol_pictures.py``; look at every one of them afterwards.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "Protocol"
WIDTH, HEIGHT, PIXELS_PER_UNIT = 760, 400, 1.5
BLOOD, OTHER_BLOOD, MUSCLE, EDGE = "#f6d7cf", "#ece8e6", "#b98277", "#7d5a52"
ENDO, EPI, MITRAL, AORTIC = "#dc1f1f", "#1fa159", "#0072b2", "#b0508a"
GOOD, BAD, INK = "#1b7f5c", "#b3261e", "#1f2933"

WALL = (
    "M 64 128 C 52 240 96 330 170 348 C 244 330 290 240 278 128 L 250 128 "
    "C 256 222 216 296 170 304 C 124 296 84 222 92 128 Z"
)
CAVITY = "M 92 128 C 84 222 124 296 170 304 C 216 296 256 222 250 128 L 168 128 L 158 110 L 98 92 Z"
ENDO_LINE = "M 92 128 C 84 222 124 296 170 304 C 216 296 256 222 250 128"
EPI_LINE = "M 64 128 C 52 240 96 330 170 348 C 244 330 290 240 278 128"
ATRIUM = "M 168 128 L 250 128 C 300 100 296 36 240 30 C 196 26 176 56 168 128 Z"
AORTA = "M 98 92 L 158 110 C 176 84 172 48 152 10 L 84 10 C 84 40 84 66 98 92 Z"


def page(*parts: str) -> str:
    """Return a picture of the parts."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="DejaVu Sans, sans-serif" '
        f'font-size="15" fill="{INK}"><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{"".join(parts)}</svg>'
    )


def panel(x: float, title: str, color: str, *parts: str) -> str:
    """Return a half of the picture with its verdict below."""
    return (
        f'<g transform="translate({x} 0)">{"".join(parts)}'
        f'<text x="180" y="386" text-anchor="middle" font-weight="bold" fill="{color}">{title}</text></g>'
    )


def path(data: str, *, fill: str = "none", stroke: str = "none", width: float = 3, extra: str = "") -> str:
    """Return a filled or stroked path."""
    return f'<path d="{data}" fill="{fill}" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round" {extra}/>'


def text(x: float, y: float, words: str, *, color: str = INK, anchor: str = "middle") -> str:
    """Return a word on the picture."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}">{words}</text>'


def dots(points: list[tuple[float, float]], color: str) -> str:
    """Return control points."""
    circles = (f'<circle cx="{x}" cy="{y}" r="5" fill="{color}" stroke="#fff" stroke-width="1.5"/>' for x, y in points)
    return "".join(circles)


def ring(*inside: str) -> str:
    """Return a short-axis slice."""
    return (
        f'<circle cx="180" cy="185" r="150" fill="{MUSCLE}"/><circle cx="180" cy="185" r="104" fill="{BLOOD}"/>'
        + "".join(inside)
        + path("M 180 35 a 150 150 0 1 0 0.1 0 Z", stroke=EPI)
    )


def heart() -> str:
    """Return a long-axis view with atrium and aortic root."""
    shapes = path(ATRIUM, fill=OTHER_BLOOD, stroke=EDGE, width=2) + path(AORTA, fill=OTHER_BLOOD, stroke=EDGE, width=2)
    shapes += path(WALL, fill=MUSCLE) + path(CAVITY, fill=BLOOD)
    return shapes + text(238, 70, "LA") + text(122, 44, "aorta") + text(172, 215, "LV")


def leaflets() -> str:
    """Return mitral and aortic leaflets."""
    mitral = path("M 168 128 Q 196 142 208 146 M 250 128 Q 224 142 210 146", stroke=EDGE, width=3)
    return mitral + path("M 98 92 Q 118 112 128 106 M 158 110 Q 140 114 129 107", stroke=EDGE, width=3)


PAPILLARIES = [(112, 206, 27, 20, -35), (236, 232, 25, 19, 40)]


def papillary_muscles() -> str:
    """Rule 1."""
    muscles = "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{a}" ry="{b}" transform="rotate({turn} {x} {y})" fill="{MUSCLE}"/>'
        for x, y, a, b, turn in PAPILLARIES
    )
    words = text(180, 130, "cavity") + text(180, 312, "myocardium", color="#ffffff")
    inside = path("M 180 81 a 104 104 0 1 0 0.1 0 Z", stroke=ENDO)
    around = (
        "M 180 81 C 248 81 284 130 284 185 C 284 212 272 212 262 208 "
        "C 240 194 202 212 206 240 C 210 262 238 264 230 274 "
        "C 200 294 150 294 116 268 C 96 250 92 232 104 232 C 128 232 146 206 138 190 C 126 172 84 196 78 192 "
        "C 70 130 122 81 180 81 Z"
    )
    return page(
        panel(10, "right: along the compacted wall", GOOD, ring(muscles, inside, words)),
        panel(390, "wrong: around the papillary muscles", BAD, ring(muscles, path(around, stroke=ENDO), words)),
    )


def atrioventricular_margin() -> str:
    """Rule 2."""
    curve = path("M 158 110 L 168 128 Q 196 142 209 146 Q 224 142 250 128", stroke=MITRAL, width=5)
    points = dots([(158, 110), (168, 128), (209, 146), (250, 128)], MITRAL)
    lines = path(ENDO_LINE, stroke=ENDO) + path(EPI_LINE, stroke=EPI)
    high = path("M 168 128 C 176 92 186 74 200 72 C 236 72 262 92 250 128 Z", fill=BLOOD)
    wrong = high + path("M 168 128 C 176 92 186 74 200 72 C 236 72 262 92 250 128", stroke=MITRAL, width=5)
    return page(
        panel(10, "right: along the leaflets to the aortic root", GOOD, heart(), leaflets(), lines, curve, points),
        panel(390, "wrong: the curve bulges into the atrium", BAD, heart(), wrong, leaflets(), lines),
    )


def outflow_tract() -> str:
    """Rule 3."""
    curve = path("M 98 92 Q 118 112 128 106 Q 140 114 158 110", stroke=AORTIC, width=5)
    points = dots([(98, 92), (128, 106), (158, 110)], AORTIC)
    lines = path(ENDO_LINE, stroke=ENDO) + path(EPI_LINE, stroke=EPI)
    short = path("M 90 150 L 168 142 L 168 128 L 158 110 L 98 92 L 92 128 Z", fill=OTHER_BLOOD)
    wrong = short + path("M 90 150 L 168 142", stroke=AORTIC, width=5)
    return page(
        panel(10, "right: ends at the aortic leaflets", GOOD, heart(), leaflets(), lines, curve, points),
        panel(390, "wrong: the outflow tract is cut off", BAD, heart(), wrong, leaflets(), lines),
    )


def clean_mask() -> str:
    """One cavity, one wall, nothing missing."""
    inside = path("M 180 81 a 104 104 0 1 0 0.1 0 Z", stroke=ENDO)
    hole = '<circle cx="150" cy="150" r="20" fill="#fff"/>'
    gap = path("M 256 110 A 104 104 0 0 1 262 250", stroke="#fff", width=14)
    open_wall = path("M 70 262 L 24 300 L 60 336 L 108 286 Z", fill="#fff")
    words = text(150, 156, "hole", color=BAD) + text(236, 190, "gap", color=BAD) + text(64, 352, "open wall", color=BAD)
    island = f'<circle cx="336" cy="60" r="12" fill="{MUSCLE}"/>' + text(336, 92, "island", color=BAD)
    return page(
        panel(10, "right: closed", GOOD, ring(inside)),
        panel(390, "wrong: repair closes these", BAD, ring(hole, gap, open_wall), words, island),
    )


def plausible_numbers() -> str:
    """Volumes, mass, thickness."""
    axes = path("M 60 40 L 60 320 L 700 320", stroke=INK, width=2)
    volume = path(
        "M 60 110 C 150 110 190 250 280 258 C 370 260 420 170 500 160 C 570 152 620 112 700 110", stroke=ENDO, width=4
    )
    mass = path("M 60 80 L 700 80", stroke=EPI, width=4)
    marks = dots([(60, 110), (280, 258)], ENDO)
    words = text(76, 100, "ED: largest cavity", anchor="start") + text(280, 290, "ES: smallest cavity")
    words += text(690, 180, "cavity volume", color=ENDO, anchor="end")
    words += text(690, 68, "myocardial mass: the same, within 10 %", color=EPI, anchor="end")
    return page(axes, volume, mass, marks, words, text(380, 350, "phase of the heart beat"))


PICTURES = {
    "papillary-muscles": papillary_muscles,
    "atrioventricular-margin": atrioventricular_margin,
    "outflow-tract": outflow_tract,
    "clean-mask": clean_mask,
    "plausible-numbers": plausible_numbers,
}


def main() -> int:
    """Write every picture."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QByteArray
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication(sys.argv[:1])
    for name, draw in PICTURES.items():
        image = QImage(int(WIDTH * PIXELS_PER_UNIT), int(HEIGHT * PIXELS_PER_UNIT), QImage.Format.Format_RGB32)
        painter = QPainter(image)
        QSvgRenderer(QByteArray(draw().encode())).render(painter)
        painter.end()
        image.save(str(FOLDER / f"{name}.png"))
    application.quit()
    return 0


if __name__ == "__main__":
    sys.exit(main())
