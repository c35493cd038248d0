"""Finding the left ventricle, also where the injection was poor."""

from __future__ import annotations

import numpy as np
import torch
from LVMLib.learning import Normalisation
from LVMLib.learning.device import choose_device
from LVMLib.learning.models.find import find_ventricle
from LVMLib.learning.models.segment import Model, probabilities
from torch import Tensor, nn

CENTRE, INNER, OUTER = (30, 20, 26), 8, 12


class ByBrightness(nn.Module):
    """Takes everything above 150 HU for blood, and from 60 to 150 HU for muscle."""

    looks = 0

    def forward(self, hu: Tensor) -> Tensor:
        """Return certain logits."""
        self.looks += 1
        pool, wall = hu > 150, (hu > 60) & (hu <= 150)
        return 30.0 * torch.cat([~(pool | wall), pool, wall], 1).float()


def model() -> Model:
    """Return a model that sees HU as they are."""
    normalisation = Normalisation(low=-2000, high=4000, centre=0, scale=1)
    return Model(ByBrightness(), normalisation, (24, 24, 24), 1, choose_device("cpu"))


def heart(pool: float, wall: float) -> np.ndarray:
    """Return a ball of blood in a shell of muscle, in fat."""
    z, y, x = np.indices((48, 40, 44))
    distance = np.sqrt((z - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (x - CENTRE[2]) ** 2)
    return np.where(distance < INNER, pool, np.where(distance < OUTER, wall, -100)).astype(np.int16)


def test_a_well_injected_heart_is_found_at_one_look_and_seen_as_it_is():
    given = model()
    found, box = find_ventricle(given, heart(350, 100))
    assert found is given
    assert given.network.looks == 1
    assert all(s.start <= c - OUTER + 1 and s.stop >= c + OUTER for s, c in zip(box, CENTRE))


def test_a_poorly_injected_heart_is_seen_with_the_least_change_that_shows_its_blood():
    image = heart(108, 31)
    found, box = find_ventricle(model(), image)
    assert found.brighter_hu == 60
    labels = probabilities(found, image[None])[0].argmax(0).numpy()
    assert np.array_equal(labels, np.where(image == 108, 1, np.where(image == 31, 2, 0)))
    assert all(s.start <= c - OUTER + 1 and s.stop >= c + OUTER for s, c in zip(box, CENTRE))


def test_where_no_brightness_shows_a_heart_the_whole_volume_is_looked_at_as_it_is():
    given = model()
    found, box = find_ventricle(given, np.full((20, 24, 28), -900, np.int16))
    assert found is given
    assert box == (slice(0, 20), slice(0, 24), slice(0, 28))
