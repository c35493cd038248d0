"""Wall thickness against analytic truths and beside pyezzi (``pip install pyezzi``, extra 'bench'), in one run."""

from __future__ import annotations

from . import Row, thickness_accuracy, thickness_speed


def run() -> list[Row]:
    """Return every goal of the thickness room as a row."""
    return thickness_speed.rows() + thickness_accuracy.rows()
