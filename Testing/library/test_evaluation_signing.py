"""From check to signature to pair, the agreement report, and the list of work."""

from __future__ import annotations

import json

import numpy as np
import pytest
from LVMLib.annotation import Protocol
from LVMLib.annotation.temporal import phase_disagreement
from LVMLib.cohort import Pair
from LVMLib.cohort.prediction import read_prediction, write_prediction
from LVMLib.cohort.readers import ReaderSession, finish_reading, sign_off_state, start_blind_study
from LVMLib.errors import BlindedError, ProtocolError, SignOffError
from LVMLib.evaluation import (
    agree_cohort,
    check_case,
    export_with_checks,
    protocol_of,
    set_protocol,
    sign_case,
    worklist,
    write_agreement_report,
)
from reader_helpers import ED, ES, heart_cohort

PROTOCOL = Protocol.default()


def shifted(labels: np.ndarray, by: int = 1) -> np.ndarray:
    return np.roll(labels, by, axis=2)


def test_only_signed_and_passing_cases_become_pairs_and_the_pair_says_by_whom(tmp_path):
    case = heart_cohort(tmp_path / "cohort", readers=("anna",)).case("c1")
    with pytest.raises(SignOffError, match="no signature"):
        export_with_checks(case, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()
    sign_case(case, "anna", by="Dr A", protocol=PROTOCOL)
    pair = export_with_checks(case, tmp_path / "pairs", spacing_mm=3.0)
    found = Pair.open(pair.folder).manifest
    assert (found.signed_by, found.override, found.protocol_version) == ("Dr A", None, PROTOCOL.version)
    assert found.signed_at == sign_off_state(case, "anna").signed.signed_at
    assert all(found.checks.values()) and set(found.checks) == {rule.id for rule in PROTOCOL.rules}
    case.write_labels("anna", 0, shifted(ED))
    with pytest.raises(SignOffError, match=r"signature of Dr A .* but phase 0 was edited"):
        export_with_checks(case, tmp_path / "pairs", spacing_mm=3.0)
    pair = export_with_checks(case, tmp_path / "pairs", spacing_mm=3.0, override=" pilot, not for training ")
    assert (pair.manifest.signed_by, pair.manifest.override) == (None, "pilot, not for training")


def test_labels_that_fail_become_a_pair_only_with_a_reason(tmp_path):
    case = heart_cohort(tmp_path / "cohort", readers=("anna",)).case("c1")
    holed = ED.copy()
    holed[tuple(slice(n - 2, n + 2) for n in np.rint(np.argwhere(ED == 1).mean(axis=0)).astype(int))] = 0
    case.write_labels("anna", 0, holed)
    with pytest.raises(SignOffError, match="clean_mask"):
        sign_case(case, "anna", by="Dr A", protocol=PROTOCOL)
    sign_case(case, "anna", by="Dr A", protocol=PROTOCOL, reason="a pacing lead")
    manifest = export_with_checks(case, tmp_path / "pairs", spacing_mm=3.0).manifest
    assert (manifest.checks["clean_mask"], manifest.override) == (False, "a pacing lead")


def test_a_cohort_can_have_its_own_protocol(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", readers=("anna",))
    copy = PROTOCOL.copy_to(tmp_path / "site")
    content = json.loads(copy.read_text())
    content["limits"]["mass_g"] = [0, 1]
    copy.write_text(json.dumps(content | {"version": "1.1.0-here"}))
    assert protocol_of(cohort).version == PROTOCOL.version
    set_protocol(cohort, copy)
    own = protocol_of(cohort)
    assert own.version == "1.1.0-here" and own.picture_of(own.rules[0]).is_file()
    rows = check_case(cohort.case("c1"), "anna", own)
    assert [row["passed"] for row in rows if row["check"] == "mass"] == [False, False]
    copy.write_text("{}")
    with pytest.raises(ProtocolError):
        set_protocol(cohort, copy)
    assert protocol_of(cohort).version == "1.1.0-here"


def test_readers_of_a_running_blinded_study_cannot_be_compared(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort")
    start_blind_study(cohort, ["anna", "ben"], ["c1"])
    for reader in ("anna", "ben"):
        case = cohort.case("c1")
        with pytest.raises(BlindedError, match="Next:"):
            agree_cohort(cohort, ["anna", "ben"], thickness=False)
        case.write_labels(reader, 0, ED)
        case.write_labels(reader, 2, ES)
        finish_reading(case, reader)
    rows, _ = agree_cohort(cohort, ["anna", "ben"], thickness=False)
    assert [row["dice_lvm"] for row in rows] == [1.0, 1.0]


def test_the_agreement_report_holds_the_numbers_the_plots_and_every_case(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=3, readers=("anna",))
    for number, name in enumerate(cohort.case_ids()):
        cohort.case(name).write_labels("ben", 0, shifted(ED, number + 1))
        cohort.case(name).write_labels("ben", 2, np.where(shifted(ES) > 0, shifted(ES), 0))
    rows, summary = agree_cohort(cohort, ["anna", "ben"], thickness=False)
    page = write_agreement_report(tmp_path / "report", rows, summary, readers=["anna", "ben"]).read_text()
    for text in (
        "Bland–Altman",
        "ICC(2,1)",
        "bias",
        "+1.96 SD",
        "c3, ES (2)",
        "A = anna, B = ben",
        "Research use only",
    ):
        assert text in page, text
    assert page.count("<svg") == 5 and "phantom" not in page.split("Where these")[0].replace("synthetic", "")
    stored = json.loads((tmp_path / "report" / "agreement.json").read_text())
    assert len(stored["cases"]) == 6 and stored["summary"]["cavity_ml"]["by_phase"]["ED"]["bland_altman"]["cases"] == 3


def test_the_agreement_report_lists_phases_in_cycle_order_and_says_why_a_thickness_is_missing(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=2, readers=("anna",))
    for name, phases in zip(cohort.case_ids(), ({2: ES}, {0: ED, 1: ED, 2: ES})):
        for reader in ("anna", "ben"):
            for phase, labels in phases.items():
                cohort.case(name).write_labels(reader, phase, labels)
    bare = np.where(ED == 2, 0, ED)
    bare[tuple(np.argwhere(ED == 2)[0])] = 2
    cohort.case(cohort.case_ids()[1]).write_labels("ben", 1, bare)
    rows, summary = agree_cohort(cohort, ["anna", "ben"])
    middle = f"{cohort.case(cohort.case_ids()[1]).rr_percent[1]:.0f} %"
    assert list(summary["cavity_ml"]["by_phase"]) == ["ED", middle, "ES"]
    (missing,) = (row["thickness_missing"] for row in rows if row["thickness_missing"])
    assert missing.startswith("ben: ") and "without myocardium" in missing
    page = write_agreement_report(tmp_path / "report", rows, summary, readers=["anna", "ben"]).read_text()
    assert f"{middle} (1): ben: " in page and "without myocardium" in page
    assert "over 4 case-phases of 2 case(s). Phases of one heart are not independent" in page
    assert page.index(">ED<") < page.index(f">{middle}<") < page.index(">ES<")


def beating(wobble: int = 0) -> dict[int, np.ndarray]:
    """Return a cycle of eight phases; ``wobble`` moves phase 3 sideways."""
    turn = np.cos(2 * np.pi * np.arange(8) / 8)
    cycle = {}
    for phase, level in enumerate(turn):
        size = 10 + 2 * level
        z, y, x = np.indices((32, 32, 32)) - 16 + np.reshape([0, 0, wobble * (phase == 3)], (3, 1, 1, 1))
        radius = np.sqrt(x**2 + y**2 + z**2)
        cycle[phase] = np.where(radius < size, 1, np.where(radius < (size**3 + 1200) ** (1 / 3), 2, 0)).astype(np.uint8)
    return cycle


def test_phases_that_contradict_their_neighbours_are_found_and_smooth_motion_is_not():
    smooth, jumping = phase_disagreement(beating()), phase_disagreement(beating(wobble=4))
    assert max(smooth.values()) < 0.2, "only where the wall turns round"
    assert sorted(smooth.values())[-3] == 0.0
    assert max(jumping, key=jumping.get) == 3 and jumping[3] > 0.2
    assert np.mean(list(jumping.values())) > 2 * np.mean(list(smooth.values()))
    assert phase_disagreement({0: smooth_labels(), 1: smooth_labels()}) == {}


def smooth_labels() -> np.ndarray:
    return beating()[0]


def test_the_list_leads_to_the_case_that_contradicts_itself_most(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=4, readers=("anna",))
    found = worklist(cohort)
    assert found.next_case == "c1" and "no case has a prediction" in found.why
    assert {item.status for item in found.items} == {"in work"} and found.items[0].failed is None
    for name, wobble in (("c1", 0), ("c2", 2), ("c3", 5)):
        write_prediction(cohort.case(name), "Site 1", beating(wobble), jitter_ml=float("nan"))
    gains = {item.case: item.expected_gain for item in worklist(cohort).items}
    assert gains["c1"] < gains["c2"] < gains["c3"] and gains["c4"] is None
    assert worklist(cohort).next_case == "c3"
    sign_case(cohort.case("c3"), "anna", by="Dr A", protocol=PROTOCOL, reason="the balls shrink most in phase 4")
    assert worklist(cohort).next_case == "c2"
    with ReaderSession.open(cohort, "c2", "ben"):
        found = worklist(cohort)
        assert found.next_case == "c1" and found.items[1].open_by == "ben"
    cohort.case("c3").write_labels("anna", 0, shifted(ED))
    found = worklist(cohort)
    assert found.next_case == "c3" and found.items[2].status == "changed" and found.items[2].signed_by == "Dr A"
    assert read_prediction(cohort.case("c2")).model == "Site 1"


def test_the_list_of_a_reader_tells_nothing_of_others_and_follows_the_blinded_study(tmp_path):
    cohort = heart_cohort(tmp_path / "cohort", cases=3)
    cohort.case("c1").write_labels("model", 0, ED)
    cohort.case("c2").write_labels("carl", 0, ED)
    start_blind_study(cohort, ["anna", "ben"], ["c3"])
    found = worklist(cohort, reader="anna")
    assert [item.status for item in found.items] == ["predicted", "imported", "imported"]
    assert found.next_case == "c3" and "blinded study" in found.why
    for phase, labels in ((0, ED), (2, ES)):
        cohort.case("c3").write_labels("anna", phase, labels)
    finish_reading(cohort.case("c3"), "anna")
    check_case(cohort.case("c3"), "anna", PROTOCOL)
    found = worklist(cohort, reader="anna")
    assert found.items[2].status == "to sign" and found.next_case == "c1"
    for name in ("c1", "c2", "c3"):
        for phase, labels in ((0, ED), (2, ES)):
            cohort.case(name).write_labels("anna", phase, labels)
        sign_case(cohort.case(name), "anna", by="anna", protocol=PROTOCOL)
    found = worklist(cohort, reader="anna")
    assert found.next_case is None and found.why == "Nothing is left to do."
