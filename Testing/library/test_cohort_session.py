"""A reader at work: one at a time, every edit on disk, nothing lost by a crash or a full disk."""

from __future__ import annotations

import subprocess
import time

import numpy as np
import pytest
from LVMLib.cohort import Cohort
from LVMLib.cohort.readers import ReaderSession, opened_by, read_reading
from LVMLib.cohort.readers.journal import Journal
from LVMLib.errors import CohortError, InUseError, LabelError, StorageError
from LVMLib.imaging import read_segmentation
from process_helpers import python_process, wait_for_line
from reader_helpers import ED, ES, GRID, fill, heart_cohort, read_only, small_disk


def dented(labels: np.ndarray, number: int) -> np.ndarray:
    """Return labels after edit ``number``: a small box of the wall becomes cavity."""
    wall = np.argwhere(labels == 2)[137 * (number + 1)]
    result = labels.copy()
    result[tuple(slice(n, n + 3) for n in wall)] = 1
    return result


def test_a_session_shows_saves_and_counts_the_time_without_the_pauses(tmp_path):
    cohort, clock = (
        heart_cohort(tmp_path / "cohort", readers=("anna",)),
        iter([0.0, 10, 10, 1000, 1020, 1020, 1025, 1025, 1025]),
    )
    with ReaderSession.open(cohort, "c1", "anna", clock=lambda: next(clock, 1025.0)) as session:
        assert (session.labels(0) == ED).all() and session.phases() == [0, 2]
        session.autosave(0, dented(ED, 0))
        session.touch()
        session.save()
        assert session.seconds <= 50, "the pause of 990 seconds is not work"
    case = cohort.case("c1")
    assert (case.labels("anna", 0) == dented(ED, 0)).all()
    assert not list((case.folder / "labels" / "anna").glob(".*"))
    assert 20 <= read_reading(case, "anna").seconds <= 50
    assert opened_by(case.folder) is None


def test_a_second_reader_is_told_who_has_the_case_open_and_a_dead_one_is_not_in_the_way(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna", "ben"))
    with ReaderSession.open(cohort, "c1", "anna"):
        assert opened_by(cohort.case("c1").folder) == "anna"
        with pytest.raises(InUseError, match=r"reader anna in this window .* since 20"):
            ReaderSession.open(cohort, "c1", "ben")
    program = (
        "import sys, os; from LVMLib.cohort import Cohort; from LVMLib.cohort.readers import ReaderSession\n"
        "ReaderSession.open(Cohort.open(sys.argv[1]), 'c1', 'anna'); print('open', flush=True); sys.stdin.read()"
    )
    with python_process("-c", program, tmp_path / "cohort", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        wait_for_line(other, "open")
        with pytest.raises(InUseError, match=rf"reader anna on .* \(process {other.pid}\)"):
            ReaderSession.open(cohort, "c1", "ben")
    ReaderSession.open(cohort, "c1", "ben").close()


def test_a_case_of_a_computer_that_cannot_be_asked_can_be_taken_over(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort")
    (cohort.case("c1").folder / ".open").write_text(
        '{"host": "elsewhere", "pid": 1, "reader": "anna", "since": "2026"}'
    )
    with pytest.raises(InUseError, match="taking over"):
        ReaderSession.open(cohort, "c1", "ben")
    ReaderSession.open(cohort, "c1", "ben", take_over=True).close()


EDITOR = """
import sys
from test_cohort_session import dented, ED, ES
from LVMLib.cohort import Cohort
from LVMLib.cohort.readers import ReaderSession
session = ReaderSession.open(Cohort.open(sys.argv[1]), "c1", "anna")
ed = ED
for number in range(7):
    ed = dented(ed, number)
    session.autosave(0, ed, f"drag {number}")
session.autosave(3, ES, "copy to phase 3")
print("edited", flush=True)
sys.stdin.read()
"""


def test_edits_survive_kill_minus_9(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna",))
    with python_process("-c", EDITOR, tmp_path / "cohort", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as editor:
        wait_for_line(editor, "edited")
        editor.kill()
    expected = ED
    for number in range(7):
        expected = dented(expected, number)
    assert (cohort.case("c1").labels("anna", 0) == ED).all(), "what was saved is as it was"
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert sorted(session.recovered) == [0, 3]
        found = session.recovered[0]
        assert (found.edits, found.action) == (7, "drag 6") and found.when.startswith("20")
        assert (found.labels == expected).all()
        assert session.keep_recovered() == [0, 3]
        session.save()
    case = cohort.case("c1")
    assert (case.labels("anna", 0) == expected).all() and (case.labels("anna", 3) == ES).all()
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert not session.recovered


def test_recovered_edits_can_be_set_aside_and_a_cut_off_record_loses_only_itself(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna",))
    with ReaderSession.open(cohort, "c1", "anna") as session:
        session.autosave(0, dented(ED, 0), "one")
        session.autosave(0, dented(dented(ED, 0), 1), "two")
    path = cohort.case("c1").folder / "labels" / "anna" / ".00.journal"
    path.write_bytes(path.read_bytes()[:-5])
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert session.recovered[0].action == "one"
        assert (session.recovered[0].labels == dented(ED, 0)).all()
        session.discard_recovered()
        assert (session.labels(0) == ED).all()
    assert not path.exists() and path.with_suffix(".discarded").exists()
    with ReaderSession.open(cohort, "c1", "anna") as session:
        session.autosave(0, dented(ED, 2), "three")
    with ReaderSession.open(cohort, "c1", "anna") as session:
        session.autosave(0, dented(ED, 3), "four, without deciding about three")
        assert not session.recovered
    assert Journal(path.with_suffix(".discarded")).read().action == "three"
    path.write_bytes(b"nonsense")
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert not session.recovered


def test_an_edit_of_another_shape_or_value_is_refused(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna",))
    with ReaderSession.open(cohort, "c1", "anna") as session:
        with pytest.raises(LabelError):
            session.autosave(0, ED[1:])
        with pytest.raises(LabelError):
            session.autosave(0, ED * 3)
        with pytest.raises(CohortError):
            session.labels(1)
    with pytest.raises(CohortError):
        ReaderSession.open(cohort, "c1", "../anna")
    assert opened_by(cohort.case("c1").folder) is None


def test_a_full_disk_is_said_and_the_edit_goes_elsewhere_or_on_the_same_disk_once_there_is_room(tmp_path):
    rng = np.random.default_rng(3)
    noisy = np.where(ED == 2, rng.integers(1, 3, ED.shape), ED).astype(np.uint8)
    with small_disk(tmp_path / "disk", "6m") as disk:
        cohort = heart_cohort(disk / "cohort", readers=("anna",))
        with ReaderSession.open(cohort, "c1", "anna") as session:
            session.autosave(0, dented(ED, 0), "fits")
            ballast = fill(disk, leave=0)
            with pytest.raises(StorageError, match="No space left"):
                session.autosave(0, noisy, "does not fit")
            with pytest.raises(StorageError, match="No space left"):
                session.save()
            assert (cohort.case("c1").labels("anna", 0) == ED).all(), "what was saved is as it was"
            journal = Journal(disk / "cohort/cases/c1/labels/anna/.00.journal")
            assert journal.read().action == "fits", "the journal is whole up to the last edit that fitted"
            with pytest.raises(StorageError):
                Journal(journal.path).append(noisy, "the first edit of another session")
            assert journal.read().action == "fits", "an earlier journal stays until a new one is whole"
            rescued = session.rescue(tmp_path / "elsewhere")
            assert (read_segmentation(rescued[0], reference=GRID)[0] == noisy).all()
            ballast.unlink()
            session.autosave(0, dented(noisy, 1), "after making room")
            assert (journal.read().labels == dented(noisy, 1)).all()
            session.save()
        assert (cohort.case("c1").labels("anna", 0) == dented(noisy, 1)).all()


def test_a_read_only_disk_is_said_when_a_case_is_opened_and_when_it_becomes_so_meanwhile(tmp_path):
    with small_disk(tmp_path / "disk", "8m") as disk:
        cohort = heart_cohort(disk / "cohort", readers=("anna",))
        session = ReaderSession.open(cohort, "c1", "anna")
        read_only(disk)
        with pytest.raises(StorageError, match="Read-only"):
            session.autosave(0, dented(ED, 0))
        assert (session.labels(0) == dented(ED, 0)).all(), "it is still in memory"
        assert session.rescue(tmp_path / "elsewhere")
        with pytest.raises(StorageError, match="Read-only"):
            ReaderSession.open(cohort, "c1", "ben", take_over=True)


def test_an_autosave_takes_a_few_hundredths_of_a_second(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna",))
    with ReaderSession.open(cohort, "c1", "anna") as session:
        session.autosave(0, ED)
        labels, times = ED, []
        for number in range(10):
            labels = dented(labels, number)
            started = time.thread_time()
            session.autosave(0, labels)
            times.append(time.thread_time() - started)
        assert min(times) < 0.1, "CPU seconds, which other programs and a slow disk leave alone"
        size = (cohort.case("c1").folder / "labels/anna/.00.journal").stat().st_size
        assert size < 60_000, "only what changed is written"
    assert Cohort.open(tmp_path / "cohort").case("c1").labelled_phases("anna") == [0, 2]
