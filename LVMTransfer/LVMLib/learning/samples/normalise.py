"""From Hounsfield units to network input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

AIR_HU = -1024
"""What stands outside the field of view."""


@dataclass(frozen=True)
class Normalisation:
    """Clip to a window and scale: ``(clip(HU, low, high) - centre) / scale``.

    The default window keeps lung, fat, muscle and contrast apart and lets nothing above dense contrast (calcium,
    metal, bone) stand out. The centre lies near the myocardium, so that a convolution's zero padding looks like muscle.

    Parameters
    ----------
    low, high : float
        Window, HU.
    centre, scale : float
        HU that maps to 0, and HU per unit of input.
    """

    low: float = -300.0
    high: float = 700.0
    centre: float = 100.0
    scale: float = 200.0

    def __call__(self, hu):
        """Normalise an ndarray or a tensor of HU."""
        return (hu.clip(self.low, self.high) - self.centre) / self.scale

    def as_dict(self) -> dict[str, float]:
        """Return the four numbers by name."""
        return asdict(self)


def measured_normalisation(blood_hu: Sequence[float], wall_hu: Sequence[float]) -> Normalisation:
    """Return the normalisation that gives a site's own contrast the values that the default gives a typical one.

    Parameters
    ----------
    blood_hu, wall_hu : sequence of float
        Median HU of the LV blood pool and of the LVM, one value a case.

    Notes
    -----
    Typical: blood pool 400 HU and LVM 110 HU. The map from the site's HU to input stays affine and keeps the clipping
    window in place relative to both.
    """
    blood, wall = float(np.median(blood_hu)), float(np.median(wall_hu))
    default = Normalisation()
    gain = max(blood - wall, 50.0) / 290.0
    return Normalisation(
        low=wall + (default.low - 110.0) * gain,
        high=wall + (default.high - 110.0) * gain,
        centre=wall + (default.centre - 110.0) * gain,
        scale=default.scale * gain,
    )
