"""Protocol checks and reader agreement over a cohort on disk."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.cohort import Cohort
from LVMLib.errors import CohortError
from LVMLib.evaluation import agree_cohort, check_cohort
from LVMLib.imaging import ArrayFrames, Sequence

GRID = cube_grid(96, (2.0, 2.0, 2.0))
BASE = grid_centre(GRID) + np.array([15, -15, 12])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    cohort = Cohort.create(tmp_path_factory.mktemp("cohorts") / "cohort", site="Site 2")
    frames = np.zeros((4, *GRID.shape), dtype=np.int16)
    for number in range(3):
        case = cohort.add_case(Sequence(GRID, ArrayFrames(frames)), case_id=f"c{number}", source="phantom")
        case.set_phases(ed=0, es=2)
        for reader, shift in (("anna", 0.0), ("ben", 1.0)):
            ed = half_ellipsoid(GRID, BASE, endo=(24.0 + 2 * number + shift, 58.0), wall=8.0)
            es = half_ellipsoid(GRID, BASE, endo=(16.0 + 2 * number + shift, 50.0), wall=11.0)
            case.write_labels(reader, 0, ed)
            case.write_labels(reader, 2, es)
    cohort.case("c0").write_labels("carl", 0, half_ellipsoid(GRID, BASE))
    return cohort


def test_every_case_and_reader_is_checked(cohort):
    rows = check_cohort(cohort)
    assert {(row["case"], row["reader"]) for row in rows} >= {("c0", "anna"), ("c2", "ben"), ("c0", "carl")}
    assert {row["passed"] for row in rows} <= {True, False, None}
    assert not [row for row in rows if row["check"] in ("holes", "gaps", "components") and row["passed"] is False]
    only = check_cohort(cohort, reader="carl")
    assert {row["case"] for row in only} == {"c0"}
    assert [row["passed"] for row in only if row["check"] == "mass_constant"] == [None]


def test_checking_a_reader_without_labels_is_named(cohort):
    with pytest.raises(CohortError, match="nobody"):
        check_cohort(cohort, reader="nobody")


def test_readers_who_differ_by_one_millimetre_have_that_bias(cohort):
    rows, summary = agree_cohort(cohort, ["anna", "ben"])
    assert len(rows) == 6
    assert summary["phantom"] is False
    assert 0.85 < summary["dice_blood_pool"]["mean"] < 1
    assert summary["cavity_ml"]["bland_altman"]["bias"] < 0, "ben draws the larger cavity"
    assert summary["cavity_ml"]["pearson"] > 0.99
    assert 0.8 < summary["cavity_ml"]["icc"] < 1
    assert 0.3 < summary["assd_mm_blood_pool"]["mean"] < 1.2


def test_wrong_readers_are_named(cohort):
    with pytest.raises(CohortError):
        agree_cohort(cohort, ["anna"])
    with pytest.raises(CohortError):
        agree_cohort(cohort, ["anna", "zoe"])
