"""Arguments of the command line, refused in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

BAD_INPUT = 2


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with the arguments."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        text = f"{self.prog}: expected arguments as in '{self.prog} --help', found {message}. Correct the command."
        sys.stderr.write(" ".join(text.split()) + "\n")
        raise SystemExit(BAD_INPUT)


def whole(least: int = 0) -> Callable[[str], int]:
    """Return a converter of whole numbers from ``least``."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"'{text}' where a whole number from {least} belongs")
        return int(text)

    return convert


def numbers(text: str) -> list[int]:
    """Convert ``5,10,30``; empty text gives an empty list."""
    return [whole(1)(part) for part in text.split(",") if text]


def quantity(low: float, high: float, unit: str) -> Callable[[str], float]:
    """Return a converter of numbers from ``low`` to ``high``."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"'{text}' where {low:g} to {high:g} {unit} belong")
        return value

    return convert
