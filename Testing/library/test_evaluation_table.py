"""Evaluation of models on pairs with a fake predictor, the statistics, and the report."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.cohort import open_pairs, write_pair
from LVMLib.errors import ImageError, PairError
from LVMLib.evaluation import (
    EvaluationTable,
    Row,
    describe_table,
    evaluate_pairs,
    paired_bootstrap,
    summarise,
    verdict,
    write_report,
)
from LVMLib.evaluation.charts import nice_ticks
from scipy import ndimage

GRID = cube_grid(96, (2.0, 2.0, 2.0))
BASE = grid_centre(GRID) + np.array([15, -15, 12])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    for number in range(3):
        ed = half_ellipsoid(GRID, BASE, endo=(21.0 + 2 * number, 55.0), wall=8.0 + number)
        es = half_ellipsoid(GRID, BASE, endo=(15.0 + number, 48.0), wall=11.0 + number)
        image = np.zeros((4, *GRID.shape), dtype=np.int16)
        write_pair(folder, f"case-{number}", image, {0: ed, 2: es}, GRID, ed=0, es=2, phantom=True)
    return open_pairs(folder)


def fake_predictor(pairs):
    """Return a predictor that knows the truth: ``poor`` takes it from the wall's outside, ``none`` finds nothing."""
    truths = {str(pair.folder): pair.read_mask() for pair in pairs}

    def predict(sequence, bundle, *, phases, device=None, progress=None):
        truth = next(mask for folder, mask in truths.items() if sequence.source.startswith(folder))
        result = {}
        for phase in phases:
            labels = truth[phase].copy()
            if bundle == "none":
                labels[:] = 0
            elif bundle == "poor":
                labels[(labels == 2) & ~ndimage.binary_erosion(labels > 0, iterations=2)] = 0
            result[phase] = labels
        return result

    return predict


@pytest.fixture(scope="module")
def table(pairs) -> EvaluationTable:
    return evaluate_pairs(pairs, {"site 1": "poor", "site 2": "good"}, predictor=fake_predictor(pairs))


def test_a_perfect_model_has_dice_1_and_no_error(table):
    for metric in table.measured():
        expected = 1.0 if metric.startswith("dice") else 0.0
        assert table.summary("site 2", metric).mean == pytest.approx(expected, abs=1e-9), metric
    assert table.thickness_correlation("site 2", "ED", "median") == pytest.approx(1.0)


def test_a_model_that_thins_the_wall_is_measured_so(table):
    rows = table.of("site 1", phase_name="ED")
    assert len(rows) == 3
    for row in rows:
        assert row.dice_blood_pool > 0.99
        assert row.dice_lvm < 0.85
        thinner = row.truth_thickness_median_mm - row.thickness_median_mm
        assert 2.0 < thinner < 5.0, "two voxels of 2 mm were taken from outside"
        assert row.mass_g < row.truth_mass_g
    assert {row.phase_name for row in table.rows} == {"ED", "ES"}


def test_truth_thickness_is_that_of_the_ellipsoids(table):
    found = [row.truth_thickness_median_mm for row in table.of("site 2", phase_name="ED")]
    assert np.allclose(found, [8, 9, 10], atol=1.0)


def test_the_better_model_is_called_better_and_phantom(table):
    better, sentence = verdict(table, "site 2")
    assert better is True
    assert "phantom" in sentence
    assert "PHANTOM" in describe_table(table)
    assert table.compare("hd95_mm_lvm", "site 2").better


def test_a_worse_model_is_never_called_better(pairs):
    turned = evaluate_pairs(
        pairs, {"site 1": "good", "site 2": "poor"}, thickness=False, predictor=fake_predictor(pairs)
    )
    better, sentence = verdict(turned, "site 2")
    assert better is False and "WORSE" in sentence
    assert not any("thickness" in name for name in turned.measured())


def test_a_model_that_finds_nothing_scores_zero_and_does_not_stop_the_table(pairs):
    found = evaluate_pairs(pairs, {"site 1": "none"}, predictor=fake_predictor(pairs))
    assert found.summary("site 1", "dice").mean == 0
    assert np.isnan(found.summary("site 1", "hd95_mm_lvm").mean)
    json.dumps(found.as_dict())


def test_nothing_to_evaluate_is_named(pairs):
    with pytest.raises(PairError):
        evaluate_pairs([], {"a": "good"}, predictor=fake_predictor(pairs))
    with pytest.raises(PairError):
        evaluate_pairs(pairs, {}, predictor=fake_predictor(pairs))


def test_json_and_csv_hold_every_row(table, tmp_path):
    table.write_json(tmp_path / "t.json")
    table.write_csv(tmp_path / "t.csv")
    stored = json.loads((tmp_path / "t.json").read_text())
    with open(tmp_path / "t.csv", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert len(stored["rows"]) == len(lines) == 12
    assert stored["phantom"] is True and {line["phantom"] for line in lines} == {"True"}
    assert float(lines[0]["dice_lvm"]) == pytest.approx(table.rows[0].dice_lvm)


def test_bootstrap_interval_covers_the_true_difference_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for number in range(150):
        before = rng.normal(0.8, 0.1, 30)
        after = before + rng.normal(0.03, 0.05, 30)
        found = paired_bootstrap(before, after, seed=number)
        hits += found.lower <= 0.03 <= found.upper
    assert 0.88 <= hits / 150 <= 0.99


def test_bootstrap_of_equal_differences_has_no_width_and_nan_is_left_out():
    found = paired_bootstrap([0.5, 0.6, np.nan], [0.6, 0.7, 0.9])
    assert (found.mean, found.lower, found.upper) == pytest.approx((0.1, 0.1, 0.1))
    assert found.cases == 2 and found.above_zero
    assert np.isnan(paired_bootstrap([1.0], [2.0]).lower)
    assert summarise([1.0, np.nan, 3.0]).mean == 2.0
    assert summarise([]).cases == 0


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.871, 0.934), (-3, 250), (5, 5), (0.7, 0.7 + 1e-15), (1e-5, 3e-5)])
def test_ticks_are_round_and_cover_the_data(low: float, high: float):
    ticks = nice_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high
    assert 3 <= len(ticks) <= 9
    assert np.allclose(np.diff(ticks), ticks[1] - ticks[0])


class Checker(HTMLParser):
    """Collects open tags and links; void elements have no end."""

    void = frozenset({"meta", "img", "br", "link", "hr", "circle", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href") and value]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.void:
            assert self.open.pop() == tag


def report_text(table, folder, **options) -> str:
    page = write_report(folder, table=table, **options)
    text = page.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert all(link.startswith("data:") for link in checker.links), "the page must stand alone"
    assert not re.search(r"url\(|@import|<script", text)
    return text


def test_the_report_stands_alone_and_says_phantom_and_research_use(table, tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    events = [{"event": "source", "dice": 0.7}]
    events += [{"event": "epoch", "epoch": n, "loss": 1 / n} for n in range(1, 9)]
    events += [{"event": "validation", "epoch": n, "blood_pool": 0.9, "lvm": 0.8, "dice": 0.85} for n in (4, 8)]
    text = report_text(
        table,
        tmp_path / "report",
        pictures=[(picture, "Short axis <before>", "Case 1"), (picture, "Short axis, after", "Case 1")],
        run_events=events,
        provenance={"seed": 7, "commit": "abc1234"},
    )
    for words in ("Research use only", "Phantom results", "site 2 is better", "abc1234", "Training loss", "case-2, ES"):
        assert words in text, words
    assert "&lt;before&gt;" in text and "Negative transfer" not in text
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "index.html",
        "evaluation.json",
        "evaluation.csv",
    }


def test_the_report_warns_of_negative_transfer(pairs, tmp_path):
    turned = evaluate_pairs(
        pairs, {"site 1": "good", "site 2": "poor"}, thickness=False, predictor=fake_predictor(pairs)
    )
    text = report_text(turned, tmp_path)
    assert "Negative transfer warning" in text and "Wall thickness</h2>" not in text


def test_the_report_of_patients_does_not_say_phantom(tmp_path):
    rows = tuple(Row(m, "p1", 0, "ED", 0.9, 0.8, 3, 4, 1, 1, 100, 101, 120, 121) for m in ("a", "b"))
    text = report_text(EvaluationTable(rows, ("a", "b"), False), tmp_path)
    assert "hantom" not in text
    assert "one case cannot show a difference" in text


def test_the_report_of_one_model_and_one_case_compares_nothing_and_shows_no_dice_above_1(tmp_path):
    row = Row("a", "p1", 0, "ED", 0.9, 0.8, 3, 4, 1, 1, 100, 101, 120, 121)
    text = report_text(EvaluationTable((row,), ("a",), True), tmp_path)
    assert "efore and after" not in text and "a model against the readers" in text
    assert "on 1 phantom case." in text and "1 phantom cases" not in text
    dots = text[text.index("Dice of the blood pool of each case") :].split("</svg>")[0]
    ticks = [float(number) for number in re.findall(r">(\d(?:\.\d+)?)</text>", dots)]
    assert ticks and max(ticks) <= 1


def test_a_missing_picture_is_named_and_nothing_is_written(table, tmp_path):
    with pytest.raises(ImageError, match=r"absent\.png"):
        write_report(tmp_path / "out", table=table, pictures=[(tmp_path / "absent.png", "x")])
    assert not (tmp_path / "out").exists()
