"""Reader agreement against published and analytic values."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation.agreement import bland_altman, compare_readers, icc, pearson, staple
from LVMLib.errors import LabelError, LVMError
from LVMLib.measures import dice

GRID = cube_grid(104, (1.5, 1.5, 1.5))
BASE = grid_centre(GRID) + np.array([15, -15, 12])
TRUTH = half_ellipsoid(GRID, BASE)
WIDER = half_ellipsoid(GRID, BASE, endo=(24.0, 62.0), wall=7.0)


def test_two_readers_of_one_case_differ_by_the_drawn_amount():
    found = compare_readers(TRUTH, WIDER, GRID)
    expected = 2 / 3 * np.pi * np.array([22**2 * 60, 24**2 * 62]) / 1000
    assert np.allclose(found.cavity_ml, expected, rtol=0.02)
    assert 1.0 < found.surface[1].assd_mm < 2.5
    assert found.dice[1] == pytest.approx(2 * expected[0] / expected.sum(), abs=0.01)
    row = found.as_row()
    assert {"dice_blood_pool", "assd_mm_lvm", "mass_g_a", "cavity_ml_b"} <= set(row)


def test_icc_is_that_of_shrout_and_fleiss():
    # Table 2 of Shrout and Fleiss 1979: six targets, four judges, ICC(2,1) = 0.29.
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    assert icc(ratings) == pytest.approx(0.2898, abs=5e-4)
    assert icc(np.column_stack([ratings[:, 0], ratings[:, 0]])) == pytest.approx(1.0)


def test_bland_altman_of_a_constant_offset_is_the_offset():
    found = bland_altman([5, 6, 7, 8], [4, 5, 6, 7])
    assert (found.bias, found.sd, found.lower, found.upper, found.cases) == (1, 0, 1, 1, 4)
    found = bland_altman([1, 2, 3, np.nan], [0, 2, 4, 4])
    assert found.cases == 3 and found.sd == pytest.approx(1.0)
    assert found.upper == pytest.approx(1.96)


def test_pearson_matches_its_definition_and_is_nan_without_variation():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30))
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert np.isnan(pearson([1, 1, 1], [1, 2, 3]))


def test_staple_follows_the_two_readers_who_agree():
    rng = np.random.default_rng(1)
    careless = np.where(rng.random(TRUTH.shape) < 0.2, 0, TRUTH).astype(np.uint8)
    consensus = staple([TRUTH, careless, TRUTH])
    assert min(dice(consensus, TRUTH).values()) > 0.999


def test_staple_of_two_readers_lies_between_them():
    consensus = staple([TRUTH, WIDER])
    assert set(np.unique(consensus)) == {0, 1, 2}
    assert min(dice(consensus, TRUTH).values()) > 0.8 and min(dice(consensus, WIDER).values()) > 0.8


def test_too_little_to_compare_is_named():
    with pytest.raises(LVMError):
        bland_altman([1.0], [1.0])
    with pytest.raises(LVMError):
        bland_altman([1.0, 2.0], [1.0])
    with pytest.raises(LVMError):
        icc(np.ones((1, 2)))
    with pytest.raises(LabelError):
        staple([TRUTH])
    with pytest.raises(LabelError):
        compare_readers(TRUTH, TRUTH[1:], GRID)
