"""Where the left ventricle is, and how bright an image has to be for the network to see it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ...pieces import largest_piece
from .segment import Box, Model, probabilities

# Of neighbouring windows: finding needs no smooth seams.
_OVERLAP = 0.2
_MARGIN_VOXELS = 6
# Hardly opacified blood looks like muscle to a model that has learnt from good injections.
_BRIGHTER_HU = (30.0, 60.0, 90.0, 120.0)
# A ventricle is doubted whose blood pool is less than this part of a training crop (16 ml of 80 voxels of 2 mm), or of
# the ventricle; another brightness has to find as much more before it is believed.
_LEAST_OF_CROP, _LEAST_OF_VENTRICLE, _GAIN, _NEARLY = 0.004, 0.2, 1.5, 0.9


@dataclass(frozen=True)
class _Look:
    """What the network finds in the whole field of view: the voxels of the ventricle, and how many of each label."""

    ventricle: np.ndarray
    pool: int
    wall: int

    @property
    def found(self) -> float:
        """Geometric mean of pool and wall: large only where there are both."""
        return math.sqrt(self.pool * self.wall)

    def doubtful(self, crop: tuple[int, int, int]) -> bool:
        """Whether this can hardly be a whole left ventricle."""
        return self.pool < max(_LEAST_OF_CROP * math.prod(crop), _LEAST_OF_VENTRICLE * (self.pool + self.wall))


def find_ventricle(model: Model, frame: np.ndarray) -> tuple[Model, Box]:
    """Find the left ventricle; if what is found can hardly be one, look again at a brighter image.

    Parameters
    ----------
    model : Model
        Ready to predict.
    frame : ndarray (Z, Y, X) int16
        HU on the working grid; one phase.

    Returns
    -------
    Model
        With the brightness at which it finds the ventricle.
    Box
        Around the ventricle, at least a training crop where the volume allows; all of the volume if nothing is found.
    """
    look = _look(model, frame)
    if look.doubtful(model.crop):
        others = [replace(model, brighter_hu=model.brighter_hu + more) for more in _BRIGHTER_HU]
        looks = [_look(other, frame) for other in others]
        most = max(again.found for again in looks)
        if most > _GAIN * look.found:
            # The least change that finds nearly as much as the best of them.
            model, look = next((m, a) for m, a in zip(others, looks) if a.found >= _NEARLY * most)
    return model, _box(look.ventricle, model.crop)


def _look(model: Model, frame: np.ndarray) -> _Look:
    labels = probabilities(model, frame[None], overlap=_OVERLAP)[0].argmax(0).numpy()
    ventricle = largest_piece(labels > 0)
    pool = int(np.count_nonzero(ventricle & (labels == 1)))
    return _Look(ventricle, pool, int(np.count_nonzero(ventricle)) - pool)


def _box(ventricle: np.ndarray, crop: tuple[int, int, int]) -> Box:
    shape = ventricle.shape
    if not ventricle.any():
        return tuple(slice(0, n) for n in shape)
    box = ndimage.find_objects(ventricle.astype(np.uint8))[0]
    return tuple(_widened(s, side, n) for s, side, n in zip(box, crop, shape))


def _widened(extent: slice, side: int, size: int) -> slice:
    side = min(max(side, extent.stop - extent.start + 2 * _MARGIN_VOXELS), size)
    start = (extent.start + extent.stop - side) // 2
    start = min(max(start, 0), size - side)
    return slice(start, start + side)
