"""Sign-off that an edit invalidates, blinded readings that stay blind, and the consensus of readers."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.annotation import Protocol
from LVMLib.cohort.readers import (
    ReaderSession,
    blind_study,
    finish_reading,
    make_consensus,
    read_consensus,
    read_reading,
    sign,
    sign_off_state,
    start_blind_study,
    study_state,
    withdraw,
)
from LVMLib.cohort.readers.content import content_hash
from LVMLib.errors import BlindedError, CohortError, SignOffError
from LVMLib.grid import Grid
from reader_helpers import ED, ES, GRID, heart_cohort

PASSED = [{"rule": "clean_mask", "passed": True}]
FAILED = [*PASSED, {"rule": "plausible_numbers", "passed": False}]
PROTOCOL = Protocol.default()


def test_a_signature_says_who_when_and_under_which_protocol_and_an_edit_takes_its_force(tmp_path):
    case = heart_cohort(tmp_path / "cohort", readers=("anna",)).case("c1")
    assert sign_off_state(case, "anna").state == "unsigned"
    sign(case, "anna", by="Dr A", findings=PASSED, protocol=PROTOCOL)
    found = sign_off_state(case, "anna")
    assert found.state == "signed"
    assert (found.signed.signed_by, found.signed.protocol_version) == ("Dr A", PROTOCOL.version)
    assert found.signed.signed_at.startswith("20") and set(found.signed.content) == {0, 2}
    edited = ED.copy()
    edited[tuple(np.argwhere(ED == 2)[500])] = 1
    case.write_labels("anna", 0, edited)
    found = sign_off_state(case, "anna")
    assert (found.state, found.changed) == ("changed", ("phase 0 was edited",))
    case.write_labels("anna", 0, ED)
    assert sign_off_state(case, "anna").state == "signed", "the same voxels again are what was signed"
    case.write_labels("anna", 1, ED)
    assert sign_off_state(case, "anna").changed == ("phase 1 was added",)
    case.labels_path("anna", 1).unlink()
    case.set_phases(ed=0, es=3)
    assert "ES is now phase 3, was 2" in sign_off_state(case, "anna").changed
    withdraw(case, "anna")
    assert sign_off_state(case, "anna").state == "unsigned"
    with pytest.raises(SignOffError):
        withdraw(case, "anna")


def test_labels_that_fail_are_signed_only_with_a_reason_which_is_kept(tmp_path):
    case = heart_cohort(tmp_path / "cohort", readers=("anna",)).case("c1")
    with pytest.raises(SignOffError, match="plausible_numbers"):
        sign(case, "anna", by="Dr A", findings=FAILED, protocol=PROTOCOL)
    with pytest.raises(SignOffError, match="name"):
        sign(case, "anna", by=" ", findings=PASSED, protocol=PROTOCOL)
    signed = sign(case, "anna", by="Dr A", findings=FAILED, protocol=PROTOCOL, reason="hypertrophy, seen by two")
    assert signed.failed == ("plausible_numbers",) and signed.reason == "hypertrophy, seen by two"
    with pytest.raises(CohortError, match="no phase"):
        sign(case, "ben", by="Dr B", findings=PASSED, protocol=PROTOCOL)


def test_the_hash_is_of_voxels_and_their_place_not_of_the_file():
    moved = GRID.affine.copy()
    moved[0, 3] += 1
    other = ED.copy()
    other[tuple(np.argwhere(ED == 2)[0])] = 1
    assert content_hash(ED, GRID) == content_hash(np.asfortranarray(ED.astype(np.int16)), GRID)
    assert len({content_hash(ED, GRID), content_hash(ED, Grid(GRID.shape, moved)), content_hash(other, GRID)}) == 3
    assert content_hash(ED * 0, GRID) != content_hash(ED, GRID)


def test_five_blinded_cases_are_one_guided_flow(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=3)
    cohort.case("c1").write_labels("carl", 0, ED)
    with pytest.raises(CohortError, match="5 cases"):
        start_blind_study(cohort, ["anna", "ben"])
    study = start_blind_study(cohort, ["anna", "ben"], 2)
    assert blind_study(cohort) == study and study.cases == ("c1", "c2")
    with pytest.raises(CohortError, match="blind"):
        start_blind_study(cohort, ["anna", "ben"], 1)
    said = []
    while not (state := study_state(cohort, study)).complete:
        said.append(state.next)
        step = state.next_step
        with ReaderSession.open(cohort, step.case, step.reader) as session:
            assert session.blinded and session.readers() == [step.reader]
            for hidden in {"anna", "ben", "carl", "model"} - {step.reader}:
                with pytest.raises(BlindedError):
                    session.labels_of(hidden, 0)
            session.autosave(0, ED)
            session.autosave(2, ES)
            session.finish()
    assert said[0].startswith("Next: anna reads c1 (4 of 4") and len(said) == 4
    reading = read_reading(cohort.case("c1"), "ben")
    assert reading.blinded and reading.finished and not reading.proposal_seen
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert not session.blinded and "ben" in session.readers()
        assert (session.labels_of("ben", 0) == ED).all()
    with ReaderSession.open(cohort, "c3", "anna") as session:
        assert not session.blinded, "only the cases of the study are blinded"


def test_a_reading_that_is_changed_after_it_was_finished_blinds_again_and_is_named(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=1)
    study = start_blind_study(cohort, ["anna", "ben"], ["c1"], proposal=True)
    case = cohort.case("c1")
    case.write_labels("model", 0, ED)
    with ReaderSession.open(cohort, "c1", "anna") as session:
        assert (session.labels_of("model", 0) == ED).all(), "the proposal is allowed in this study"
        with pytest.raises(CohortError):
            session.finish()
    assert study_state(cohort, study).steps[0].state == "in work"
    for reader in ("anna", "ben"):
        case.write_labels(reader, 0, ED)
        case.write_labels(reader, 2, ES)
        finish_reading(case, reader)
    assert study_state(cohort, study).complete
    assert read_reading(case, "anna").proposal_seen and not read_reading(case, "ben").proposal_seen
    case.write_labels("ben", 0, np.where(ES > 0, ES, ED))
    state = study_state(cohort, study)
    assert state.next_step.state == "altered" and "ben changed c1 after finishing it" in state.next


def test_a_study_needs_two_readers_and_cases_that_nobody_of_them_has_seen(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=2, readers=("anna",))
    for readers, cases in ((["anna", "ben"], ["c1"]), (["anna"], 1), (["ben", "carl"], ["c9"]), (["ben", "carl"], [])):
        with pytest.raises(CohortError):
            start_blind_study(cohort, readers, cases)
    assert blind_study(cohort) is None


def test_the_consensus_says_whose_labels_it_came_from(tmp_path):
    case = heart_cohort(tmp_path / "cohort", readers=("anna", "ben", "carl")).case("c1")
    wider = np.where((ED == 0) & (np.roll(ED, 1, axis=2) > 0), 2, ED).astype(np.uint8)
    case.write_labels("carl", 0, wider)
    made = make_consensus(case, ["anna", "ben", "carl"], "staple")
    assert (made.method, made.phases) == ("staple", (0, 2))
    assert np.count_nonzero(case.labels("consensus", 0) != ED) < 20, "two of three agree"
    assert read_consensus(case).sources["carl"][0] == content_hash(wider, GRID)
    assert make_consensus(case, ["anna", "carl"], "carl").method == "carl"
    assert (case.labels("consensus", 0) == wider).all()
    for readers, method in ((["anna"], "staple"), (["anna", "ben"], "carl"), (["anna", "zoe"], "staple")):
        with pytest.raises(CohortError):
            make_consensus(case, readers, method)
