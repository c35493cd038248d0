"""Does the ventricle move smoothly from phase to phase?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def volume_jitter_ml(volumes_ml: Mapping[int, float]) -> float:
    """Return how far the cavity volume jumps between phases beyond what a heart does, ml.

    Parameters
    ----------
    volumes_ml : mapping of int to float
        Volume of every phase of one cycle.

    Returns
    -------
    float
        Standard deviation of independent errors per phase that would give the fast half of the curve's spectrum (more
        than a quarter of a turn a phase); NaN for fewer than four phases.

    Notes
    -----
    The cycle closes, so that the Fourier coefficients are exact; a heart's volume curve has little beyond its first
    five harmonics.
    """
    curve = np.array([volumes_ml[phase] for phase in sorted(volumes_ml)], dtype=float)
    if len(curve) < 4:
        return float("nan")
    turns = np.abs(np.fft.fftfreq(len(curve)))
    fast = turns > 0.25
    power = np.abs(np.fft.fft(curve)[fast]) ** 2 / len(curve)
    return float(np.sqrt(power.mean()))
