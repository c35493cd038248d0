"""Do labels of neighbouring phases fit together?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

LEAST_PHASES = 4


def phase_disagreement(labels: Mapping[int, np.ndarray]) -> dict[int, float]:
    """Return for each phase which part of it contradicts both of its neighbours in time.

    Parameters
    ----------
    labels : mapping of int to ndarray (Z, Y, X)
        Labels of every phase of one cycle; taken one after the other.

    Returns
    -------
    dict of int to float
        Voxels that have one label in the phase before and in the phase after and another one in this phase, over the
        voxels that are labelled in this phase; empty for fewer than four phases. What merely moves does not count,
        since a passing surface changes a voxel's label for good.
    """
    phases = sorted(labels)
    if len(phases) < LEAST_PHASES:
        return {}
    before, here = labels[phases[-1]], labels[phases[0]]
    result = {}
    for number, phase in enumerate(phases):
        after = labels[phases[(number + 1) % len(phases)]]
        alone = np.count_nonzero((before == after) & (here != before))
        result[phase] = alone / max(np.count_nonzero(here), 1)
        before, here = here, after
    return result
