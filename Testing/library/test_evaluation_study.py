"""Learning curves: arms, and a study that is stopped and goes on."""

import json

import pytest
from learning_helpers import ball_pair, tiny_config
from LVMLib.cohort import nested_splits, training_groups, write_splits
from LVMLib.errors import LVMCancelled, TrainingError
from LVMLib.evaluation.study import describe_study, plan, recipe_config, run_study
from LVMLib.learning import Bundle, RunFolder, finetune, read_events

SHARED = {"epochs": 1, "steps": 2, "crop": [16, 16, 16], "network": "small", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    pairs = [ball_pair(folder / "pairs", f"ball-{number}", seed=number) for number in range(6)]
    write_splits(folder / "pairs", nested_splits([pair.id for pair in pairs], test=2, validation=1, groups=[1, 3]))
    finetune(pairs[:1], pairs[1:2], source=None, config=tiny_config(epochs=1), run_dir=folder / "source")
    return folder


def test_a_recipe_is_a_preset_with_changes():
    config = recipe_config("best+anchor=0.5+unlabelled=carried", epochs=3)
    assert (config.anchor, config.unlabelled, config.epochs) == (0.5, "carried", 3)
    with pytest.raises(TrainingError, match="preset"):
        recipe_config("finest")
    with pytest.raises(TrainingError, match="training option"):
        recipe_config("best+momentum=1")
    with pytest.raises(TrainingError, match="FIELD=VALUE"):
        recipe_config("best+anchor")


def test_the_control_shares_everything_but_the_source():
    arms = plan(["paper", "best"], [5, 10], [30], epochs=4)
    assert [arm.name for arm in arms] == ["paper-5", "paper-10", "best-5", "best-10", "random-30"]
    assert arms[-1].config == arms[0].config and not arms[-1].from_source


def test_a_stopped_study_goes_on_and_keeps_what_is_finished(folder):
    source = Bundle.load(folder / "source/best")
    arms = plan(["paper", "best+variants=1"], training_groups(folder / "pairs")[:1], [3], control="paper", **SHARED)

    def stop(fraction, message):
        if fraction > 0.45:
            raise LVMCancelled("stop")

    with pytest.raises(LVMCancelled):
        run_study(folder / "pairs", source, arms, out=folder / "out", progress=stop)
    first = RunFolder(folder / "out/runs/paper-1")
    assert first.state() == "done"
    told = list(read_events(first.path))
    table = run_study(folder / "pairs", source, arms, out=folder / "out")
    assert list(read_events(first.path)) == told
    assert table.models == ("source", "paper-1", "best+variants=1-1", "random-3") and table.phantom
    again = run_study(folder / "pairs", source, arms, out=folder / "out")
    assert [(row.model, row.case, row.dice) for row in again.rows] == [(r.model, r.case, r.dice) for r in table.rows]
    text = describe_study(table, arms)
    assert "PHANTOM" in text and "paper-1 − random-3" in text
    recorded = json.loads((folder / "out/study.json").read_text())
    assert [arm["cases"] for arm in recorded["arms"]] == [1, 1, 3]
    assert (folder / "out/index.html").is_file() and "<svg" in (folder / "out/curve.svg").read_text()


def test_a_study_that_needs_more_cases_than_there_are_is_refused_before_training(folder):
    source = Bundle.load(folder / "source/best")
    with pytest.raises(ValueError, match="training cases"):
        run_study(folder / "pairs", source, plan(["paper"], [30], []), out=folder / "many")
    assert not (folder / "many").exists()
