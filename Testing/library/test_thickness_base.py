"""The base of the wall, given as a plane or as curves along the valves."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.errors import ThicknessError
from LVMLib.thickness import measure_thickness
from thickness_helpers import CENTRE, spherical_shell


def ring(height, *, radius=16.0, points=40, wave=0.0):
    """A closed curve about the axis of the shell, ``height`` mm above its centre, that rises and dips by ``wave``."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    z = height + wave * np.cos(2 * angle)
    return CENTRE + np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)


def test_a_flat_curve_is_the_plane_through_it():
    labels, _, affine = spherical_shell()
    by_curve = measure_thickness(labels, affine, base_curves=[ring(0.0)])
    by_plane = measure_thickness(labels, affine, base_plane=(CENTRE, (0, 0, -1)))
    other = measure_thickness(labels, affine, base_plane=(CENTRE, (0, 0, 1)))
    assert by_curve.info["base"] == "given"
    # Half a sphere has no side of its own: the curve alone cannot tell which one was meant.
    assert len(by_curve.points) in {len(by_plane.points), len(other.points)}
    assert np.abs(by_curve.thickness_mm - 8).mean() < 0.06


@pytest.mark.parametrize("wave", [0.0, 2.0])
def test_the_wall_ends_at_the_curve(wave):
    labels, _, affine = spherical_shell()
    result = measure_thickness(labels, affine, base_curves=[ring(6.0, wave=wave)])
    offset = result.points - CENTRE
    limit = 6.0 + wave * np.cos(2 * np.arctan2(offset[:, 1], offset[:, 0]))
    assert (offset[:, 2] - limit).max() < 0.7
    assert (offset[:, 2] - limit).max() > -0.5
    deep = (offset[:, 2] < limit - 4) & ~result.invalid
    assert np.abs(result.thickness_mm[deep] - 8).mean() < 0.08


def test_of_two_curves_the_outer_one_counts_in_every_direction():
    labels, _, affine = spherical_shell()
    aortic = CENTRE + (ring(9.0, radius=4.0) - CENTRE) + np.array([4.0, 0, 0])
    one = measure_thickness(labels, affine, base_curves=[ring(6.0)])
    two = measure_thickness(labels, affine, base_curves=[ring(6.0), aortic])
    height_one, height_two = ((result.points - CENTRE)[:, 2].max() for result in (one, two))
    assert abs(height_one - height_two) < 0.6


@pytest.mark.parametrize(
    ("curves", "words"),
    [
        ([], "no curve"),
        ([np.zeros((3, 3))], "shape"),
        ([np.full((9, 3), np.nan)], "shape"),
        ([np.outer(np.arange(9), [1.0, 2.0, 3.0])], "one line"),
        ([ring(60.0)], "misses the heart"),
    ],
    ids="none few nan line far".split(),
)
def test_curves_that_are_no_base_are_refused(curves, words):
    labels, _, affine = spherical_shell()
    with pytest.raises(ThicknessError, match=words):
        measure_thickness(labels, affine, base_curves=curves)


def test_a_plane_and_curves_together_are_refused():
    labels, _, affine = spherical_shell()
    with pytest.raises(ThicknessError, match="both"):
        measure_thickness(labels, affine, base_plane=(CENTRE, (0, 0, 1)), base_curves=[ring(6.0)])
