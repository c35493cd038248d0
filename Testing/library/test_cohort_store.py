"""Cohorts and cases on disk: whole or absent, one writer, no identity."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from LVMLib.annotation.protocol import Protocol
from LVMLib.cohort import Case, Cohort, propose_phases, volume_doubts
from LVMLib.cohort.prediction import Prediction
from LVMLib.errors import CohortError, GridError, ImageError, LabelError, StorageError
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, CallableFrames, Sequence, write_segmentation
from process_helpers import PATIENCE_S, python_process, wait_for_line

SHAPE = (5, 6, 7)


def heart(phases: int = 4, **options: object) -> Sequence:
    volumes = np.random.default_rng(0).integers(-1000, 1500, (phases, *SHAPE), dtype=np.int16)
    return Sequence(Grid(SHAPE, np.diag([-0.5, -0.5, 0.7, 1.0])), ArrayFrames(volumes), **options)


def labels() -> np.ndarray:
    values = np.zeros(SHAPE, np.uint8)
    values[1:4, 1:5, 1:6] = 2
    values[2, 2:4, 2:5] = 1
    return values


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    return Cohort.create(tmp_path / "cohort", site="Site 2")


def assert_clean(cohort: Cohort, cases: list[str]) -> None:
    """Nothing half-written: these cases, no temporary folder, no lock."""
    assert cohort.case_ids() == cases
    assert sorted(path.name for path in (cohort.folder / "cases").iterdir()) == cases
    assert not (cohort.folder / ".lock").exists()


def test_a_case_holds_the_voxels_the_grid_and_the_facts(cohort):
    source = heart(rr_percent=(0, 20, 40, 80), info={"model": "X", "format": "DICOM", "PatientName": "Erika"})
    case = cohort.add_case(source)
    assert case.id == "case-001"
    again = Cohort.open(cohort.folder).case("case-001")
    assert np.array_equal(np.stack(list(again.image())), np.stack(list(source)))
    assert again.grid.matches(source.grid) and again.rr_percent == (0, 20, 40, 80)
    content = json.loads((again.folder / "case.json").read_text())
    assert content["scanner"]["model"] == "X" and content["spacing_mm"] == [0.5, 0.5, 0.7]
    assert "Erika" not in json.dumps(content)
    assert again.altered_files() == []
    assert json.loads((cohort.folder / "cohort.json").read_text())["labels"]["2"] == "LV myocardium"


def test_cases_are_numbered_unless_named_and_never_overwritten(cohort):
    assert [cohort.add_case(heart(1), case_id=name).id for name in (None, "study-7", None)] == [
        "case-001",
        "study-7",
        "case-002",
    ]
    for name in ("study-7", "../x", "", "Erika Mustermann", "a" * 65):
        with pytest.raises(CohortError):
            cohort.add_case(heart(1), case_id=name)
    assert_clean(cohort, ["case-001", "case-002", "study-7"])


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), OSError(28, "No space left on device"), "nan"])
def test_an_interrupted_import_leaves_nothing(cohort, interruption):
    def read(t: int) -> np.ndarray:
        volume = np.zeros(SHAPE, np.float32)
        if t == 2 and interruption == "nan":
            volume[0, 0, 0] = np.nan
        elif t == 2:
            raise interruption
        return volume

    kind = {"nan": ImageError}.get(interruption) if isinstance(interruption, str) else None
    kind = kind or (StorageError if isinstance(interruption, OSError) else KeyboardInterrupt)
    cohort.add_case(heart(1))
    with pytest.raises(kind):
        cohort.add_case(Sequence(heart().grid, CallableFrames(4, read)))
    assert_clean(cohort, ["case-001"])


_ENDLESS_IMPORT = """
import sys, time, numpy as np
from LVMLib.cohort import Cohort
from LVMLib.grid import Grid
from LVMLib.imaging import CallableFrames, Sequence
def read(t):
    print("phase", t, flush=True)
    while t:
        time.sleep(1)
    return np.zeros((5, 6, 7), np.int16)
Cohort.open(sys.argv[1]).add_case(Sequence(Grid((5, 6, 7), np.eye(4)), CallableFrames(3, read)))
"""


def test_while_one_process_imports_another_is_told_and_ctrl_c_leaves_nothing(cohort):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with python_process("-c", _ENDLESS_IMPORT, cohort.folder, **streams) as child:
        wait_for_line(child, "phase 1")
        with pytest.raises(CohortError, match=f"process {child.pid} on"):
            cohort.add_case(heart(1))
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE_S) != 0
        assert_clean(cohort, [])


def test_the_lock_of_a_dead_process_is_taken_over_and_a_foreign_one_is_named(cohort):
    with python_process("-c", "") as child:
        child.wait(PATIENCE_S)
    (cohort.folder / ".lock").write_text(json.dumps({"host": socket.gethostname(), "pid": child.pid}))
    assert cohort.add_case(heart(1)).id == "case-001"
    (cohort.folder / ".lock").write_text(json.dumps({"host": "reading-room-2", "pid": 1}))
    with pytest.raises(CohortError, match="process 1 on reading-room-2"):
        cohort.add_case(heart(1))


def test_labels_of_readers_and_phases_are_kept_apart(cohort):
    case = cohort.add_case(heart())
    case.write_labels("model", 0, labels())
    case.write_labels("anna", 3, np.where(labels() == 1, 2, labels()))
    case.write_labels("anna", 0, labels())
    again = cohort.case(case.id)
    assert again.readers() == ["anna", "model"]
    assert again.labelled_phases("anna") == [0, 3] and again.labelled_phases("nobody") == []
    assert np.array_equal(again.labels("model", 0), labels())
    assert not (again.labels("anna", 3) == 1).any()
    assert len(again.manifest.sha256) == 4
    with pytest.raises(CohortError, match="labels of 0, 3"):
        again.labels("anna", 1)


def test_wrong_labels_are_refused_and_the_earlier_ones_stay(cohort):
    case = cohort.add_case(heart())
    path = case.write_labels("anna", 0, labels())
    before = path.read_bytes()
    for wrong in (labels()[1:], labels() * 0, labels() + 2, np.full(SHAPE, np.nan)):
        with pytest.raises(LabelError, match=r"case-001, reader anna, phase 0"):
            case.write_labels("anna", 0, wrong)
    for reader, phase in (("anna", 4), ("anna", -1), ("../anna", 0)):
        with pytest.raises(CohortError):
            case.write_labels(reader, phase, labels())
    assert path.read_bytes() == before


def test_a_mask_that_another_program_saved_on_another_grid_is_refused(cohort):
    case = cohort.add_case(heart())
    path = case.write_labels("anna", 0, labels())
    write_segmentation(path, labels(), Grid(SHAPE, np.diag([-0.6, -0.6, 0.7, 1.0])))
    with pytest.raises(GridError, match=r"00\.seg\.nrrd"):
        case.labels("anna", 0)
    assert case.altered_files() == ["labels/anna/00.seg.nrrd"]


def test_ed_and_es_are_set_by_hand_and_seen_by_others(cohort):
    case = cohort.add_case(heart())
    other = cohort.case(case.id)
    assert case.ed is None and case.es is None
    case.set_phases(ed=3, es=1)
    other.write_labels("model", 1, labels())
    assert (cohort.case(case.id).ed, cohort.case(case.id).es) == (3, 1)
    with pytest.raises(CohortError, match="ES from 0 to 3"):
        case.set_phases(ed=0, es=4)


def test_damaged_and_missing_manifests_are_named(cohort, tmp_path):
    case = cohort.add_case(heart())
    path = case.folder / "case.json"
    content = json.loads(path.read_text())
    for damage in ("{", json.dumps({**content, "phases": 7}), json.dumps({**content, "ed": 9})):
        path.write_text(damage)
        with pytest.raises(CohortError, match=r"case\.json") as error:
            cohort.case(case.id)
        assert "\n" not in str(error.value)
    with pytest.raises(CohortError, match="a case 'x'"):
        cohort.case("x")
    with pytest.raises(CohortError, match="no such file"):
        Cohort.open(tmp_path / "nothing")
    with pytest.raises(CohortError, match="other files"):
        Cohort.create(tmp_path, site="Site 2")
    with pytest.raises(CohortError, match="found a cohort"):
        Cohort.create(cohort.folder, site="Site 2")


def test_a_truncated_image_is_named(cohort):
    case = cohort.add_case(heart())
    path = case.folder / "image.nii"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ImageError, match=r"image\.nii"):
        Case(case.folder, cohort.manifest).image()


def test_ed_is_the_largest_and_es_the_smallest_cavity():
    cycle = {t: 100 + 40 * np.cos(2 * np.pi * (t - 1) / 20) for t in range(20)}
    assert propose_phases(cycle) == (1, 11)
    assert propose_phases({0: 120.0, 7: 50.0}) == (0, 7)
    assert propose_phases({4: 120.0}) == (4, 4)


def test_one_failed_phase_does_not_become_ed_or_es():
    cycle = {t: 100 + 40 * np.cos(2 * np.pi * t / 20) for t in range(20)}
    for wrong in (0.0, 400.0):
        assert propose_phases({**cycle, 5: wrong}) == (0, 10)


@pytest.mark.parametrize("volumes", [{}, {0: 0.0, 1: 0.0}, {0: float("nan")}])
def test_without_a_cavity_no_phase_is_proposed(volumes):
    with pytest.raises(LabelError, match="by hand"):
        propose_phases(volumes)


@pytest.mark.parametrize(
    ("volumes", "said"),
    [
        ({0: 140.0, 1: 60.0}, ()),
        ({0: 140.0}, ()),
        ({0: 10.0, 1: 0.0}, ("no cavity at phase 1", "largest cavity has 10 ml, plausible are 40 to 400 ml")),
        ({0: 900.0, 1: 4.0}, ("largest cavity has 900 ml", "smallest cavity has 4 ml")),
        ({0: 20.0}, ("largest cavity has 20 ml",)),
    ],
)
def test_cavities_that_are_no_left_ventricles_are_doubted_in_words(volumes, said):
    doubts = volume_doubts(volumes, Protocol.default().limits)
    assert len(doubts) == len(said)
    assert all(words in sentence for words, sentence in zip(said, doubts))


def test_a_prediction_that_contradicts_itself_everywhere_is_expected_to_gain_the_whole_ventricle_and_no_more():
    wild = Prediction(
        model="m", made="now", cavity_ml={0: 10.0, 1: 0.0}, lvm_ml={0: 70.0, 1: 7.0}, disagreement={0: 0.4, 1: 3.6}
    )
    assert wild.expected_gain == 1.0


def test_a_heart_that_hardly_moves_is_reported(caplog):
    propose_phases({0: 100.0, 1: 99.0})
    assert "uncertain" in caplog.text
