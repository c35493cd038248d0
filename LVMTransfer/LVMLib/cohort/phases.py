"""Which phases are end-diastole and end-systole."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from ..annotation.protocol import Limits
from ..errors import LabelError

log = logging.getLogger(__name__)

# From this many phases on, neighbours are close enough in time (≤ 12.5 % of R-R) to correct each other.
_SMOOTH_FROM_PHASES = 8
# Below this the extremes of the curve are more likely noise than contraction.
_LEAST_EJECTION_FRACTION = 0.03


def propose_phases(volumes_ml: Mapping[int, float]) -> tuple[int, int]:
    """Propose ED and ES: the largest and the smallest LV cavity of the cycle.

    With eight phases or more the curve is first freed of single failed phases (median of three neighbours around the
    cycle) and smoothed (1, 2, 1)/4.

    Parameters
    ----------
    volumes_ml : mapping of int to float
        LV cavity volume of each segmented phase, ml.

    Returns
    -------
    ed, es : int
        Phase indices; equal where there is one phase.

    Raises
    ------
    LabelError
        No phase, a volume that is no number, or no cavity in any phase.
    """
    phases = sorted(volumes_ml)
    curve = np.array([volumes_ml[phase] for phase in phases], dtype=float)
    if not len(curve) or not np.isfinite(curve).all() or curve.max() <= 0:
        raise LabelError(
            "LV cavity volumes",
            expected="a blood pool in at least one phase",
            found=f"{len(curve)} phases, none with a cavity" if len(curve) else "no segmented phase",
            remedy="Look at the segmentation, or set ED and ES by hand.",
        )
    if len(curve) >= _SMOOTH_FROM_PHASES:
        before, after = np.roll(curve, 1), np.roll(curve, -1)
        curve = np.median([before, curve, after], axis=0)
        curve = (np.roll(curve, 1) + 2 * curve + np.roll(curve, -1)) / 4
    ed, es = phases[int(np.argmax(curve))], phases[int(np.argmin(curve))]
    if len(curve) > 1 and curve.min() > (1 - _LEAST_EJECTION_FRACTION) * curve.max():
        log.warning("the cavity volume changes by less than 3 %%: ED (%d) and ES (%d) are uncertain", ed, es)
    return ed, es


def volume_doubts(volumes_ml: Mapping[int, float], limits: Limits) -> tuple[str, ...]:
    """Say in sentences why a model's cavity volumes (phase to ml) can be no left ventricle's; empty where they can.

    Judged are phases without a cavity, and the largest and the smallest one by the protocol's limits for ED and ES.
    """
    empty = [phase for phase, volume in sorted(volumes_ml.items()) if volume <= 0]
    said = ["no cavity at phase " + ", ".join(map(str, empty))] if empty else []
    ends = [("largest", max(volumes_ml.values()), limits.cavity_ed_ml)]
    if len(volumes_ml) > 1:
        ends.append(("smallest", min(volumes_ml.values()), limits.cavity_es_ml))
    for name, volume, (low, high) in ends:
        if not low <= volume <= high and volume > 0:
            said.append(f"the {name} cavity has {volume:.0f} ml, plausible are {low:g} to {high:g} ml")
    return tuple(said)
