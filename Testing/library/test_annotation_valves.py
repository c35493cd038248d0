"""Mitral and aortic curves: what they cut off, and which of them cannot be used."""

from __future__ import annotations

import json

import numpy as np
import pytest
from LVMLib.annotation import (
    read_valve_curves,
    require_curve,
    truncate_by_curves,
    valve_sheets,
    write_valve_curves,
)
from LVMLib.annotation.sheet import fit_sheet
from LVMLib.errors import CurveError, LVMError
from LVMLib.measures import dice
from LVMLib.phantom.case import heart_grid, render_phase
from LVMLib.phantom.cohort import case_subject
from LVMLib.phantom.sites import SITES
from valve_helpers import flooded, true_annuli

SUBJECT = case_subject(SITES["2"], 7, 2)
GRID = heart_grid(SUBJECT, spacing_mm=1.5)


def circle(radius: float = 15.0, count: int = 12, *, centre=(0.0, 0.0, 0.0), bend: float = 0.0) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), bend * np.cos(2 * turn)])
    return ring + np.asarray(centre)


@pytest.fixture(scope="module")
def heart() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """A phantom at ED: its labels, those of a flood fill, and the true annuli."""
    hu, labels = render_phase(SUBJECT, 0.0, GRID, scanner=False)
    annuli = true_annuli(SUBJECT, 0.0)
    return labels, flooded(labels, hu, GRID, annuli), annuli


@pytest.mark.parametrize("scale", [1.0, 0.85])
def test_the_true_annuli_cut_a_flooded_cavity_back_to_the_ventricle_also_when_drawn_too_small(heart, scale):
    truth, labels, _ = heart
    assert dice(labels, truth)[1] < 0.96, "the flood fill has to spoil something"
    found = truncate_by_curves(labels, GRID, true_annuli(SUBJECT, 0.0, scale=scale))
    assert dice(found.labels, truth)[1] > 0.985
    assert dice(found.labels, truth)[2] > 0.98
    assert found.removed["mitral"] > 3000 and found.removed["aortic"] > 1500
    assert (found.changed == (found.labels != labels)).all()
    assert sum(found.removed.values()) == found.changed.sum()


def test_labels_that_end_at_the_valves_are_hardly_changed_by_them(heart):
    truth, _, annuli = heart
    found = truncate_by_curves(truth, GRID, annuli)
    assert found.changed.sum() < 0.02 * (truth > 0).sum(), "only where the leaflets are domed"


def test_one_valve_alone_leaves_the_other_open(heart):
    truth, labels, annuli = heart
    found = truncate_by_curves(labels, GRID, {"mitral": annuli["mitral"]})
    assert set(found.removed) == {"mitral"}
    aorta = (labels == 1) & (truth == 0) & ~found.changed
    assert aorta.sum() > 1000


def test_a_sheet_passes_through_its_saddle_shaped_curve_and_bends_in_between():
    curve = circle(bend=3.0, count=24)
    sheet = fit_sheet(curve, apical=np.array([0.0, 0.0, -50.0]))
    assert np.abs(sheet.height(curve)).max() < 0.2, "a raster of half a millimetre"
    assert sheet.height(np.zeros((1, 3)))[0] == pytest.approx(0.0, abs=0.05), "middle of a saddle, by symmetry"
    assert sheet.height(np.array([[0.0, 0.0, 10.0]]))[0] == pytest.approx(10.0, abs=0.05), (
        "away from the apex is positive"
    )
    assert sheet.distance_outside(np.array([[20.0, 0, 0], [0, 0, 0]])) == pytest.approx([5.0, -15.0], abs=0.5)
    points, triangles = sheet.mesh()
    corners = points[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
    assert area == pytest.approx(np.pi * 15**2, rel=0.2)


def test_curves_that_cannot_be_used_are_named():
    assert len(require_curve(circle(), "here")) == 12
    doubled = np.vstack([circle(), circle()[-1:], circle()[:1]])
    assert len(require_curve(doubled, "here")) == 12, "a double click and a repeated first point"
    arc = circle(count=16)[:9]
    for curve, found in (
        (circle()[:3], "3 usable points"),
        (arc, "an open one: 30 mm"),
        (circle() * [1, 1, np.nan], "usable points"),
        (np.array([[0, 0, 0], [20, 20, 0], [20, 0, 0], [0, 20, 0.0]]), "a crossing at RAS"),
        (circle(2.0), "13 mm²"),
        (circle(60.0), "mm²"),
    ):
        with pytest.raises(CurveError, match=found):
            require_curve(curve, "mitral curve")


def test_a_curve_far_from_the_cavity_is_refused_with_its_distance(heart):
    _, labels, annuli = heart
    before = labels.copy()
    with pytest.raises(CurveError, match=r"mitral curve: expected a curve within 10 mm .* found a curve \d+ mm"):
        truncate_by_curves(labels, GRID, {"mitral": annuli["mitral"] + [0, 0, 70.0]})
    assert (labels == before).all()


def test_a_curve_around_the_middle_of_the_ventricle_is_refused(heart):
    _, labels, annuli = heart
    apical = GRID.to_ras(np.argwhere(labels == 2)[:, ::-1].mean(axis=0))
    middle = annuli["mitral"] + 0.9 * (apical - annuli["mitral"].mean(axis=0))
    with pytest.raises(CurveError):
        truncate_by_curves(labels, GRID, {"mitral": middle})


def test_valves_that_run_through_each_other_are_refused(heart):
    _, labels, annuli = heart
    centre, normal = (
        annuli["mitral"].mean(axis=0),
        np.linalg.svd(annuli["mitral"] - annuli["mitral"].mean(axis=0))[2][2],
    )
    turned = centre + 8 * np.column_stack([np.cos(t := np.linspace(0, 2 * np.pi, 12, endpoint=False)), np.sin(t)]) @ [
        normal,
        np.linalg.svd(annuli["mitral"] - centre)[2][0],
    ]
    with pytest.raises(CurveError, match="do not cross"):
        valve_sheets({"mitral": annuli["mitral"], "aortic": turned}, labels, GRID)
    with pytest.raises(CurveError, match="tricuspid"):
        valve_sheets({"tricuspid": annuli["mitral"]}, labels, GRID)


def test_curves_survive_their_file_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "00-valves.mrk.json"
    curves = {"mitral": circle(centre=(10, -20, 30), bend=2.0), "aortic": circle(11.0)}
    write_valve_curves(path, curves)
    back = read_valve_curves(path)
    assert set(back) == {"mitral", "aortic"}
    assert np.abs(back["mitral"] - curves["mitral"]).max() < 1e-3
    content = json.loads(path.read_text())
    content["markups"][0]["type"] = "Curve"
    path.write_text(json.dumps(content))
    with pytest.raises(CurveError, match="closed curve"):
        read_valve_curves(path)
    content["markups"][0] |= {"type": "ClosedCurve", "name": "Mitral annulus"}
    content["markups"][1]["name"] = "mitral 2"
    path.write_text(json.dumps(content))
    with pytest.raises(CurveError, match="two"):
        read_valve_curves(path)
    path.write_text("{}")
    with pytest.raises(LVMError, match="markups"):
        read_valve_curves(path)
