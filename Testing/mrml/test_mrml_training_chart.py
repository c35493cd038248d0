"""The course of a training in the scene: events put together, tables, series and chart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

RUN = Path("/runs/run-001")


def events(epochs: int, *, every: int = 1) -> list[dict]:
    """Return the events of a run that validates every so many epochs."""
    told = [{"event": "source", "dice": 0.5, "blood_pool": 0.6, "lvm": 0.4, "cases": {"a": 0.5}}]
    for epoch in range(1, epochs + 1):
        if epoch % every == 0:
            dice = 0.5 + epoch / 100
            told.append(
                {"event": "validation", "epoch": epoch, "dice": dice, "blood_pool": dice + 0.1, "lvm": dice - 0.1,
                 "cases": {"a": dice}}
            )  # fmt: skip
        told.append({"event": "epoch", "epoch": epoch, "epochs": epochs, "loss": 1 / epoch})
    return told


def record_of(told: list[dict]):
    """Return the record of these events."""
    from LVMTransferLib.TrainingRecord import TrainingRecord

    record = TrainingRecord()
    for event in told:
        record.take(event)
    return record


def plotted(chart) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the points of every series of a chart, read as the plot view reads them."""
    import vtk.util.numpy_support as convert

    found = {}
    for number in range(chart.GetNumberOfPlotSeriesNodes()):
        series = chart.GetNthPlotSeriesNode(number)
        table = series.GetTableNode().GetTable()
        columns = (table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName()))
        found[series.GetName()] = tuple(convert.vtk_to_numpy(column).copy() for column in columns)
    return found


def test_the_chart_shows_loss_every_epoch_and_dice_where_it_was_validated(scene):
    from LVMTransferLib.SceneTraining import updateTrainingChart

    points = plotted(updateTrainingChart(RUN, record_of(events(6, every=2))))
    np.testing.assert_allclose(points["Training loss"], [range(1, 7), [1 / n for n in range(1, 7)]])
    np.testing.assert_allclose(points["Validation Dice"], [[2, 4, 6], [0.52, 0.54, 0.56]])
    np.testing.assert_allclose(points["LV blood pool Dice"][1], [0.62, 0.64, 0.66])
    np.testing.assert_allclose(points["LV myocardium Dice"][1], [0.42, 0.44, 0.46])
    np.testing.assert_allclose(points["Source model's Dice"][1], 0.5)


def test_new_epochs_go_into_the_same_nodes_and_each_table_changes_once(scene):
    import vtk
    from LVMTransferLib.SceneTraining import updateTrainingChart

    chart = updateTrainingChart(RUN, record_of(events(3)))
    nodes = scene.GetNumberOfNodes()
    changes = []
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    table.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda caller, event: changes.append(event))
    assert updateTrainingChart(RUN, record_of(events(300))) is chart
    assert len(changes) == 1
    assert scene.GetNumberOfNodes() == nodes
    assert len(plotted(chart)["Training loss"][0]) == 300


def test_what_was_deleted_from_the_scene_is_made_again_and_runs_do_not_mix(scene):
    from LVMTransferLib.SceneTraining import trainingChart, updateTrainingChart

    chart = updateTrainingChart(RUN, record_of(events(3)))
    other = updateTrainingChart(RUN.with_name("run-002"), record_of(events(5)))
    scene.RemoveNode(chart.GetNthPlotSeriesNode(0).GetTableNode())
    scene.RemoveNode(chart)
    assert trainingChart(RUN) is None
    assert len(plotted(updateTrainingChart(RUN, record_of(events(4))))["Training loss"][0]) == 4
    assert len(plotted(other)["Training loss"][0]) == 5


def test_random_weights_have_no_source_to_compare_with(scene):
    from LVMTransferLib.SceneTraining import updateTrainingChart

    chart = updateTrainingChart(RUN, record_of(events(3)[1:]))
    assert "Source model's Dice" not in plotted(chart)


def test_a_resumed_run_forgets_what_came_after_its_last_checkpoint():
    told = [*events(5), {"event": "resumed", "epoch": 3}]
    record = record_of(told)
    assert [event["epoch"] for event in record.epochs] == [1, 2, 3]
    assert [event["epoch"] for event in record.validations] == [1, 2, 3]
    assert record.source["dice"] == pytest.approx(0.5)


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path):
    from LVMTransferLib.TrainingRecord import EventReader

    reader, path = EventReader(tmp_path), tmp_path / "events.jsonl"
    assert reader.new() == []
    first, second = (json.dumps({"event": "epoch", "epoch": n}) for n in (1, 2))
    path.write_text(f"{first}\n{second[:9]}")
    assert [event["epoch"] for event in reader.new()] == [1]
    assert reader.new() == []
    path.write_text(f"{first}\n{second}\n")
    assert [event["epoch"] for event in reader.new()] == [2]


def test_a_line_that_a_crash_cut_short_is_left_out_and_the_next_one_is_read(tmp_path):
    from LVMLib.learning.training.runfolder import RunFolder
    from LVMTransferLib.TrainingRecord import EventReader

    (tmp_path / "events.jsonl").write_bytes(b'\x00\x00\n[1]\n{"event": "epo')
    RunFolder(tmp_path).event("resumed", epoch=2)
    assert [event["event"] for event in EventReader(tmp_path).new()] == ["resumed"]
