"""What a person and a machine see of a command: progress, tables, JSON, exit codes."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TextIO

BAR_SECONDS = 0.2


@dataclass(frozen=True)
class Outcome:
    """What a command gives back: a JSON-ready result, the text for a person, and whether all goals were met."""

    result: object
    text: str = ""
    failed: bool = False


class ProgressBar:
    """A progress bar on a terminal; a line per tenth of the work where there is none."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.started, self.drawn, self.tenth = stream, time.monotonic(), 0.0, -1

    def __call__(self, fraction: float, message: str) -> None:
        """Draw the bar; matches `LVMLib.progress.Progress`."""
        now = time.monotonic()
        if self.stream.isatty():
            if now - self.drawn >= BAR_SECONDS or fraction >= 1:
                self.drawn = now
                self.stream.write("\r" + self._line(fraction, message, now) + "\x1b[K")
                self.stream.flush()
        elif int(fraction * 10) > self.tenth:
            self.tenth = int(fraction * 10)
            self.stream.write(f"{fraction:4.0%} {message}\n")
            self.stream.flush()

    def _line(self, fraction: float, message: str, now: float) -> str:
        elapsed = now - self.started
        left = f", {elapsed * (1 - fraction) / fraction:.0f} s left" if 0.02 < fraction < 1 else ""
        filled = int(24 * min(max(fraction, 0.0), 1.0))
        line = f"[{'=' * filled}{' ' * (24 - filled)}] {fraction:4.0%} {message} ({elapsed:.0f} s{left})"
        return line[: shutil.get_terminal_size().columns - 1]

    def close(self) -> None:
        """End the bar's line."""
        if self.stream.isatty() and self.drawn:
            self.stream.write("\n")
            self.stream.flush()


@contextmanager
def clean_standard_output() -> Iterator[TextIO]:
    """Yield the real standard output while everything that libraries print goes to standard error.

    The redirection is of the file descriptor, so that compiled libraries and child processes obey it too.
    """
    sys.stdout.flush()
    real = os.dup(1)
    os.dup2(2, 1)
    stream = os.fdopen(os.dup(real), "w", encoding="utf-8")
    try:
        yield stream
    finally:
        with suppress(OSError):  # what could not be written was said when it was flushed
            stream.close()
        sys.stdout.flush()
        os.dup2(real, 1)
        os.close(real)


def print_json(stream: TextIO, value: object) -> None:
    """Print one JSON document; NaN and infinities become null, as JSON has none."""
    stream.write(json.dumps(_plain(value), ensure_ascii=False) + "\n")
    stream.flush()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        return _plain(value.item())
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a plain text table: text left, numbers right, missing values as a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(header), *cells]) for column in range(len(header))]
    right = [
        all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
        for column in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            text.rjust(width) if numeric else text.ljust(width) for text, width, numeric in zip(row, widths, right)
        ).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *(line(row) for row in cells)])


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
