"""Statistics over cases: means, paired bootstrap, correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..annotation.agreement import pearson

__all__ = ["Interval", "Summary", "paired_bootstrap", "pearson", "summarise"]

RESAMPLES = 10_000


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (n − 1), least and largest of ``cases`` finite values; NaN where there are none."""

    mean: float
    sd: float
    least: float
    largest: float
    cases: int


@dataclass(frozen=True)
class Interval:
    """A mean difference with its confidence interval, over ``cases`` pairs; NaN limits for fewer than two."""

    mean: float
    lower: float
    upper: float
    cases: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval lies above zero."""
        return bool(self.lower > 0)


def summarise(values: Sequence[float]) -> Summary:
    """Summarise values over cases; those that are not finite are left out."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not known.size:
        return Summary(*[float("nan")] * 4, 0)
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    return Summary(float(known.mean()), sd, float(known.min()), float(known.max()), known.size)


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], *, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Return the mean of ``after − before`` with a percentile bootstrap interval over cases.

    Parameters
    ----------
    before, after : sequence of float
        One value a case, in the same order; pairs with a NaN are left out.
    confidence : float
        For example 0.95.
    seed : int
        Of the 10,000 resamples.

    References
    ----------
    Efron and Tibshirani 1993, chapter 13.
    """
    difference = np.asarray(after, dtype=float) - np.asarray(before, dtype=float)
    difference = difference[np.isfinite(difference)]
    if not difference.size:
        return Interval(*[float("nan")] * 3, 0)
    if difference.size < 2:
        return Interval(float(difference.mean()), float("nan"), float("nan"), 1)
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, difference.size, (RESAMPLES, difference.size))].mean(axis=1)
    tail = 100 * (1 - confidence) / 2
    lower, upper = np.percentile(means, [tail, 100 - tail])
    return Interval(float(difference.mean()), float(lower), float(upper), difference.size)
