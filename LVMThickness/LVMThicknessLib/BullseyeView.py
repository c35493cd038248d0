"""The AHA bull's-eye, painted into a label of the panel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import qt
from LVMTransferLib.Translation import tr as _

WIDTH, HEIGHT, RADIUS = 380, 330, 132
TITLE_HEIGHT = 26
INK, LINE = "#222222", "#ffffff"


class BullseyeView:
    """Paints one value for each AHA segment, in the colours of the surface; grey and a dash = no value."""

    def __init__(self, label: object) -> None:
        self._label = label

    def clear(self) -> None:
        """Show nothing."""
        self._label.clear()

    def show(
        self, values: Sequence[float], limits: tuple[float, float], title: str, model: int, *, decimals: int = 1
    ) -> None:
        """Show values by segment, from segment 1; without any, nothing.

        :param limits: values of the two ends of the colours.
        :param model: 16 or 17 segments.
        """
        if len(values) != model:
            self.clear()
            return
        pixmap = qt.QPixmap(WIDTH, HEIGHT)
        pixmap.fill(qt.QColor("#ffffff"))
        painter = qt.QPainter()
        painter.begin(pixmap)
        painter.setRenderHint(qt.QPainter.Antialiasing)
        self._write(painter, title, (WIDTH / 2, TITLE_HEIGHT / 2), INK)
        self._paint(painter, values, limits, model, decimals)
        painter.end()
        self._label.setPixmap(pixmap)

    def _paint(self, painter: object, values: Sequence[float], limits: tuple, model: int, decimals: int) -> None:
        from LVMLib.thickness.bullseye import bullseye_geometry, colours_of

        x0, y0 = WIDTH / 2, TITLE_HEIGHT + 20 + RADIUS
        for text, x, y in (
            (_("anterior"), x0, y0 - RADIUS - 10),
            (_("inferior"), x0, y0 + RADIUS + 10),
            (_("septal"), x0 - RADIUS - 28, y0),
            (_("lateral"), x0 + RADIUS + 28, y0),
        ):
            self._write(painter, text, (x, y), INK)
        for field, value, rgb in zip(bullseye_geometry(model), values, colours_of(values, limits)):
            red, green, blue = (int(channel) for channel in rgb)
            path = qt.QPainterPath()
            for number, (x, y) in enumerate(field.polygon):
                place = float(x0 + RADIUS * x), float(y0 - RADIUS * y)
                if number == 0:
                    path.moveTo(*place)
                else:
                    path.lineTo(*place)
            path.closeSubpath()
            painter.setBrush(qt.QBrush(qt.QColor(red, green, blue)))
            painter.setPen(qt.QPen(qt.QColor(LINE)))
            painter.drawPath(path)
            # Dark text on the lighter half of the colours: relative luminance of ITU-R BT.709.
            ink = LINE if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128 else INK
            text = f"{value:.{decimals}f}" if math.isfinite(value) else "–"
            x, y = field.centre
            self._write(painter, text, (x0 + RADIUS * x, y0 - RADIUS * y), ink)

    @staticmethod
    def _write(painter: object, text: str, center: tuple[float, float], color: str) -> None:
        painter.setPen(qt.QPen(qt.QColor(color)))
        box = qt.QRect(round(center[0]) - WIDTH // 2, round(center[1]) - 12, WIDTH, 24)
        painter.drawText(box, int(qt.Qt.AlignCenter), text)
