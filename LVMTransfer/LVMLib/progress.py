"""Progress of long work, and the way to stop it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and what is being done; raises `LVMCancelled` to stop the work."""


def silent(fraction: float, message: str) -> None:
    """Ignore progress."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Return a progress that maps its own 0 to 1 onto ``start`` to ``stop`` of the whole."""
    return lambda fraction, message: progress(start + (stop - start) * fraction, message)
