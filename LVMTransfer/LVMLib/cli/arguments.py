"""Arguments of the command line, refused in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn

BAD_INPUT = 2
# What is called the same in every command means the same.
COMMON_HELP = {
    "cohort": "cohort folder",
    "pairs": "folder of image-mask pairs",
    "image": "3D or 4D CT: NIfTI, NRRD or .seq.nrrd",
    "bundle": "folder of a model bundle",
    "--model": "model bundle, such as Resources/Site1",
    "--out": "folder for the results",
    "--case": "name of the case",
    "--seed": "of everything random (default 0)",
    "--epochs": "how long to train (default: as in the preset)",
    "--readers": "two readers of the same cases",
    "--device": "cpu, cuda or cuda:N (default: a GPU where there is one)",
}


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong with the arguments."""

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Add an argument; without a help of its own it has the one that is common to all commands."""
        options.setdefault("help", COMMON_HELP.get(names[0]))
        return super().add_argument(*names, **options)

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
