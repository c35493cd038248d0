"""The commands one after the other on a small beating ball, as a hospital would type them."""

import json
from pathlib import Path

import numpy as np
import pytest
from learning_helpers import LPS_2MM, ball_pair, ball_phase, tiny_config
from LVMLib.cli.main import main
from LVMLib.grid import BLOOD_POOL, LVM, Grid
from LVMLib.imaging import read_labels, write_label_phases, write_sequence_nifti
from LVMLib.learning import finetune

SIZE, PHASES = 28, 4


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """A small model, trained for some seconds on the ball."""
    folder = tmp_path_factory.mktemp("model")
    pairs = [ball_pair(folder / "pairs", f"ball-{n}", seed=n, size=SIZE) for n in range(4)]
    config = tiny_config(epochs=4, steps=15, learning_rate=2e-2)
    finetune(pairs[:3], pairs[3:], source=None, config=config, run_dir=folder / "run")
    return folder / "run" / "best"


@pytest.fixture(scope="module")
def ball(tmp_path_factory) -> tuple[Path, list[np.ndarray]]:
    """A 4D image of the ball, and its true labels."""
    rng = np.random.default_rng(9)
    frames = [ball_phase(t / PHASES, np.full(3, SIZE / 2), SIZE, rng) for t in range(PHASES)]
    path = tmp_path_factory.mktemp("image") / "ball.nii.gz"
    write_sequence_nifti(path, [hu for hu, _ in frames], Grid((SIZE,) * 3, LPS_2MM), phases=PHASES)
    return path, [labels for _, labels in frames]


def lvm(capfd, *arguments) -> dict:
    """Run a command that must succeed; return its JSON."""
    status = main([str(argument) for argument in (*arguments, "--json")])
    captured = capfd.readouterr()
    assert status == 0, captured.err
    return json.loads(captured.out)


def test_an_image_goes_through_the_whole_chain(ball, bundle, tmp_path, capfd):
    image, _ = ball
    cohort, pairs = tmp_path / "cohort", tmp_path / "pairs"
    for name in ("one", "two", "three"):
        assert lvm(capfd, "import", image, cohort, "--case", name)["phases"] == PHASES
    predicted = lvm(capfd, "predict", cohort, "--model", bundle)["cases"]
    assert {row["case"] for row in predicted} == {"one", "two", "three"}
    assert predicted[0]["ed_ml"] > predicted[0]["es_ml"]
    assert all(row["holes_after"] == 0 for row in predicted)
    assert all(isinstance(row["doubts"], list) for row in predicted)
    again = lvm(capfd, "predict", cohort, "--model", bundle, "--case", "one", "--es", 1)["cases"][0]
    assert (again["ed"], again["es"]) == (predicted[0]["ed"], 1)
    checked = lvm(capfd, "check", cohort)
    assert {finding["reader"] for finding in checked["findings"]} == {"model"}
    assert main(["export", str(cohort), str(pairs)]) == 2, "nobody has signed"
    assert "no signature" in capfd.readouterr().err and not pairs.exists()
    signed = lvm(capfd, "sign", cohort, "--reader", "model", "--by", "Dr A", "--reason", "a ball is no heart")
    assert [row["state"] for row in signed["cases"]] == ["signed"] * 3
    exported = lvm(capfd, "export", cohort, pairs, "--spacing", 2, "--test", 1, "--validation", 1)
    assert {(row["signed_by"], row["override"]) for row in exported["cases"]} == {("Dr A", "a ball is no heart")}
    assert len(exported["cases"][0]["labelled_phases"]) == 2
    evaluated = lvm(capfd, "evaluate", pairs, "--model", bundle, "--out", tmp_path / "report")
    assert evaluated["summary"]["best"]["dice"]["mean"] > 0.9
    assert Path(evaluated["report"]).is_file()
    mask = pairs / "one" / "mask.nii.gz"
    measured = lvm(capfd, "thickness", mask, "--out", tmp_path / "thickness")
    assert measured["median_mm"] == pytest.approx(6.0, abs=1.0)
    assert Path(measured["surface"]).is_file() and Path(measured["streamlines"]).is_file()


def test_segment_writes_labels_of_every_phase_on_the_grid_of_the_image(ball, bundle, tmp_path, capfd):
    image, truth = ball
    labels = tmp_path / "labels.nii.gz"
    found = lvm(capfd, "segment", image, labels, "--model", bundle)
    voxels, grid = read_labels(labels)
    assert grid.matches(Grid((SIZE,) * 3, LPS_2MM))
    assert voxels.shape == (PHASES, SIZE, SIZE, SIZE)
    for label in (BLOOD_POOL, LVM):
        overlap = 2 * np.count_nonzero((voxels == label) & (np.stack(truth) == label))
        assert overlap / (np.count_nonzero(voxels == label) + np.count_nonzero(np.stack(truth) == label)) > 0.8
    assert len(found["volumes_ml"]) == PHASES


def test_two_readers_are_compared_case_by_case(ball, bundle, tmp_path, capfd):
    image, truth = ball
    cohort = tmp_path / "cohort"
    lvm(capfd, "import", image, cohort, "--case", "one")
    lvm(capfd, "predict", cohort, "--model", bundle)
    from LVMLib.cohort import Cohort

    case = Cohort.open(cohort).case("one")
    case.write_labels("reader", case.ed, truth[case.ed])
    compared = lvm(capfd, "agree", cohort, "--readers", "model,reader")
    assert [row["phase"] for row in compared["cases"]] == [case.ed]
    assert compared["cases"][0]["dice_lvm"] > 0.7


def test_finetune_says_whether_the_new_model_is_better_and_pack_verifies_it(bundle, tmp_path, capfd):
    for n in range(3):
        ball_pair(tmp_path / "pairs", f"ball-{n}", seed=20 + n, size=SIZE)
    options = ("--preset", "smoke", "--epochs", 1, "--out", tmp_path / "run")
    trained = lvm(capfd, "finetune", tmp_path / "pairs", "--from", bundle, *options)
    assert trained["better"] in (True, False)
    lvm(capfd, "model", "pack", tmp_path / "run", tmp_path / "shared")
    assert lvm(capfd, "model", "verify", tmp_path / "shared")["verified"]
    assert "phantom" in lvm(capfd, "model", "card", tmp_path / "shared")["card"]


def test_thickness_takes_the_phase_that_is_asked_for_and_refuses_one_that_is_not_there(ball, tmp_path, capfd):
    _, truth = ball
    mask = tmp_path / "mask.nii.gz"
    empty = np.zeros_like(truth[0])
    write_label_phases(mask, [empty, truth[1]], Grid((SIZE,) * 3, LPS_2MM))
    assert lvm(capfd, "thickness", mask, "--out", tmp_path / "out")["median_mm"] == pytest.approx(6.0, abs=0.5)
    assert main(["thickness", str(mask), "--out", str(tmp_path / "none"), "--phase", "7"]) == 2
    assert "phase from 0 to 1" in capfd.readouterr().err
    assert not (tmp_path / "none").exists()
