"""The protocol file and its checks, on a left ventricle that breaks one rule at a time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation import Finding, check_labels
from LVMLib.annotation.protocol import CHECKS, Protocol
from LVMLib.annotation.wall import papillary_wall, wall_thickness
from LVMLib.errors import CurveError, LabelError, ProtocolError
from LVMLib.phantom.case import heart_grid, render_phase
from LVMLib.phantom.cohort import case_subject
from LVMLib.phantom.sites import SITES
from scipy import ndimage
from valve_helpers import flooded, true_annuli

GRID = cube_grid(110, (1.25, 1.25, 1.25))
AXIS = np.array([-0.62, 0.62, -0.48]) / np.linalg.norm([-0.62, 0.62, -0.48])
BASE = grid_centre(GRID) + np.array([18, -18, 14])
ED = half_ellipsoid(GRID, BASE, endo=(26.0, 62.0), wall=8.0)
ES = half_ellipsoid(GRID, BASE, endo=(18.0, 54.0), wall=12.0)
PROTOCOL = Protocol.default()
SUBJECT = case_subject(SITES["2"], 7, 2)
HEART = heart_grid(SUBJECT, spacing_mm=1.5)
RAS = GRID.to_ras(np.stack(np.indices(GRID.shape)[::-1], axis=-1)).astype(np.float32)


def outcome(findings: list[Finding], check: str, phase: str | None = None) -> bool | None:
    passed = [f.passed for f in findings if f.check == check and phase in (None, f.phase)]
    assert passed
    return None if None in passed else all(passed)


def ball(point: np.ndarray, radius: float) -> np.ndarray:
    return np.linalg.norm(RAS - point, axis=-1) <= radius


def test_a_sound_heart_passes_every_check():
    curve = {0: 100.0, 5: 60.0, 8: 44.0, 12: 70.0}
    findings = check_labels(ED, ES, GRID, PROTOCOL, volume_curve=curve, ed=0, es=8)
    failed = [f for f in findings if f.passed is not True and f.check != "mass_constant"]
    assert not failed, failed
    assert {f.check for f in findings} == set(CHECKS)
    json.dumps([f.as_dict() for f in findings])


def test_one_phase_is_checked_and_the_cycle_is_not_applicable():
    findings = check_labels(ED, None, GRID, PROTOCOL)
    assert {f.phase for f in findings if f.passed is not None} == {"ED"}
    assert outcome(findings, "ejection_fraction") is None
    assert outcome(findings, "mass_constant") is None
    assert outcome(findings, "extreme_phases") is None


def test_a_hole_in_the_wall_is_found_where_it_is():
    side = np.cross(AXIS, [0, 0, 1])
    spot = BASE + 35 * AXIS + side / np.linalg.norm(side) * 26
    labels = np.where(ball(spot, 10) & (ED == 2), 0, ED).astype(np.uint8)
    finding = next(f for f in check_labels(labels, None, GRID, PROTOCOL) if f.check == "wall_closed")
    assert finding.passed is False
    assert finding.value > 50
    assert np.linalg.norm(np.array(finding.where_ras) - spot) < 12


def test_holes_gaps_and_islands_fail_and_point_there():
    labels = ED.copy()
    spot = BASE + 25 * AXIS
    labels[ball(spot, 4)] = 0
    findings = check_labels(labels, ES, GRID, PROTOCOL)
    hole = next(f for f in findings if f.check == "holes" and f.phase == "ED")
    assert hole.passed is False and hole.value == 1
    assert np.linalg.norm(np.array(hole.where_ras) - spot) < 5
    assert outcome(findings, "holes", "ES") is True
    line = ndimage.binary_dilation(ED == 1) & (ED == 2)
    assert outcome(check_labels(np.where(line, 0, ED), None, GRID, PROTOCOL), "gaps") is False
    labels = ED.copy()
    labels[1:5, 1:5, 1:5] = 2
    assert outcome(check_labels(labels, None, GRID, PROTOCOL), "components") is False


def test_a_papillary_muscle_in_the_wall_label_fails_although_it_stands_on_the_wall():
    labels = ED.copy()
    side = np.cross(AXIS, [0, 0, 1])
    side /= np.linalg.norm(side)
    for step in np.arange(0, 40, 2.0):
        labels[ball(BASE + (20 + step) * AXIS + 8 * side, 4) & (ED == 1)] = 2
    assert papillary_wall(labels).any()
    assert outcome(check_labels(labels, None, GRID, PROTOCOL), "papillary_inside") is False
    assert not papillary_wall(ED).any()


def test_a_cavity_that_runs_into_the_atrium_fails_and_a_short_outflow_tract_passes():
    offset = RAS - BASE
    along = offset @ AXIS
    across = np.linalg.norm(offset - along[..., None] * AXIS, axis=-1)
    atrium = np.where((along < 0) & (along > -25) & (across < 25), 1, ED).astype(np.uint8)
    finding = next(f for f in check_labels(atrium, None, GRID, PROTOCOL) if f.check == "base_truncated")
    assert finding.passed is False
    assert (np.array(finding.where_ras) - BASE) @ AXIS < 0
    outflow = half_ellipsoid(GRID, BASE, endo=(26.0, 62.0), wall=8.0, outflow=np.array([1.0, 0.8, 0.6]))
    assert outcome(check_labels(outflow, None, GRID, PROTOCOL), "base_truncated") is True


def test_implausible_volume_mass_and_wrong_phases_fail():
    small = half_ellipsoid(GRID, BASE, endo=(8.0, 20.0), wall=2.0)
    findings = check_labels(small, None, GRID, PROTOCOL)
    assert outcome(findings, "volume") is outcome(findings, "mass") is outcome(findings, "thickness") is False
    thick = half_ellipsoid(GRID, BASE, endo=(18.0, 54.0), wall=16.0)
    assert outcome(check_labels(ED, thick, GRID, PROTOCOL), "mass_constant") is False
    assert outcome(check_labels(ES, ED, GRID, PROTOCOL), "ejection_fraction") is False
    findings = check_labels(ED, ES, GRID, PROTOCOL, volume_curve={0: 90.0, 1: 100.0, 8: 44.0}, ed=0, es=8)
    assert outcome(findings, "extreme_phases", "ED") is False
    assert outcome(findings, "extreme_phases", "ES") is True


def test_rough_thickness_is_that_of_the_ellipsoid_shell():
    from LVMLib.annotation.axes import find_axes

    values = wall_thickness(ED, GRID, find_axes(ED, GRID))
    assert np.median(values) == pytest.approx(8.0, abs=0.8)


def test_missing_and_empty_labels_are_named():
    with pytest.raises(LabelError):
        check_labels(None, None, GRID, PROTOCOL)
    with pytest.raises(LabelError, match="ES"):
        check_labels(ED, ED * 0, GRID, PROTOCOL)


def test_a_wall_without_cavity_is_reported_not_raised():
    findings = check_labels(np.where(ED == 1, 0, ED), None, GRID, PROTOCOL)
    assert outcome(findings, "wall_closed") is None
    assert outcome(findings, "volume") is False


def test_the_shipped_protocol_holds_the_three_rules_and_every_check():
    assert [rule.id for rule in PROTOCOL.rules][:3] == ["papillary_muscles", "atrioventricular_margin", "outflow_tract"]
    assert {check for rule in PROTOCOL.rules for check in rule.checks} == set(CHECKS)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"version": "one"}, "version"),
        ({"format": "other"}, "format"),
        ({"rules": []}, "rules"),
        ({"limits": {"mass_g": [300, 40]}}, "limits.mass_g"),
        ({"limits": {"mass_kg": [0, 1]}}, "limits.mass_kg"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_wrong_entry_of_a_protocol_is_named(tmp_path, change: dict, named: str):
    path = tmp_path / "protocol.json"
    path.write_text(json.dumps(PROTOCOL.model_dump(mode="json") | change))
    with pytest.raises(ProtocolError, match=named.replace(".", r"\.")) as caught:
        Protocol.load(path)
    assert "protocol.json" in str(caught.value)


def test_a_protocol_that_is_no_file_or_no_json_is_named(tmp_path):
    with pytest.raises(ProtocolError):
        Protocol.load(tmp_path / "absent.json")
    (tmp_path / "text.json").write_text("hello")
    with pytest.raises(ProtocolError):
        Protocol.load(tmp_path / "text.json")


def test_a_site_can_tighten_a_limit(tmp_path):
    path = tmp_path / "site.json"
    edited = PROTOCOL.model_dump(mode="json") | {
        "version": "1.1.0-site2",
        "rules": [rule | {"picture": None} for rule in PROTOCOL.model_dump(mode="json")["rules"]],
        "limits": {"mass_g": [0, 1]},
    }
    path.write_text(json.dumps(edited))
    protocol = Protocol.load(path)
    assert protocol.limits.cavity_ed_ml == PROTOCOL.limits.cavity_ed_ml
    assert outcome(check_labels(ED, None, GRID, protocol), "mass") is False


def test_every_finding_says_where_to_look_and_in_which_phase():
    curve = {0: 100.0, 5: 60.0, 8: 44.0, 12: 30.0}
    findings = check_labels(ED, ES, GRID, PROTOCOL, volume_curve=curve, ed=0, es=8)
    assert all(f.where_ras is not None for f in findings)
    assert {f.phase_index for f in findings if f.phase == "ED"} == {0}
    wrong = next(f for f in findings if f.check == "extreme_phases" and f.phase == "ES")
    assert wrong.passed is False and wrong.phase_index == 12, "the phase that is really the smallest"
    middle = GRID.to_ras(np.argwhere(ED > 0).mean(axis=0)[::-1])
    passed = next(f for f in findings if f.check == "holes" and f.phase == "ED")
    assert np.linalg.norm(np.array(passed.where_ras) - middle) < 1


def test_valves_that_a_reader_drew_judge_the_end_of_the_cavity_instead_of_the_rim():
    hu, truth = render_phase(SUBJECT, 0.0, HEART, scanner=False)
    annuli = true_annuli(SUBJECT, 0.0)
    flood = flooded(truth, hu, HEART, annuli)
    for labels, expected in ((truth, True), (flood, False)):
        findings = check_labels(labels, None, HEART, PROTOCOL, valves={"ED": annuli})
        assert outcome(findings, "base_truncated") is outcome(findings, "outflow_truncated") is expected
        guessed = check_labels(labels, None, HEART, PROTOCOL)
        assert outcome(guessed, "base_truncated") is expected, "the rim alone tells it too"
    wrong = next(f for f in findings if f.check == "outflow_truncated")
    assert np.linalg.norm(np.array(wrong.where_ras) - annuli["aortic"].mean(axis=0)) < 20
    assert wrong.rule == "outflow_tract"
    with pytest.raises(CurveError, match="ED"):
        check_labels(truth, None, HEART, PROTOCOL, valves={"ED": {"mitral": annuli["mitral"] + 90}})


def test_every_rule_has_a_picture_and_a_site_gets_a_copy_that_it_can_edit(tmp_path):
    assert all(PROTOCOL.picture_of(rule).is_file() for rule in PROTOCOL.rules)
    copy = PROTOCOL.copy_to(tmp_path / "site")
    assert Protocol.load(copy).fingerprint == PROTOCOL.fingerprint
    content = json.loads(copy.read_text())
    content["limits"]["mass_g"] = [30, 500]
    copy.write_text(json.dumps(content))
    with pytest.raises(ProtocolError, match="version"):
        Protocol.load(copy)
    copy.write_text(json.dumps(content | {"version": "1.1.0-here"}))
    assert Protocol.load(copy).limits.mass_g == (30, 500)
    Protocol.load(copy).picture_of(PROTOCOL.rules[0]).unlink()
    with pytest.raises(ProtocolError, match=r"papillary-muscles\.png"):
        Protocol.load(copy)
