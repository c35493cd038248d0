"""The course of a training as a plot chart of the scene: loss and Dice over the epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import slicer
import vtk

from LVMTransferLib.TrainingRecord import TrainingRecord

EPOCH, LOSS = "Epoch", "Training loss"
DICE, SOURCE_DICE, POOL_DICE, WALL_DICE = (
    "Validation Dice",
    "Source model's Dice",
    "LV blood pool Dice",
    "LV myocardium Dice",
)
# Chart and tables of a run are known by this attribute, which a saved scene keeps.
RUN, ROLE = "LVM.TrainingRun", "LVM.TrainingRole"
CHART, LOSS_TABLE, DICE_TABLE = "chart", "loss", "dice"
# Dark for what is learnt from, the colours of the labels for their Dice.
SERIES = {
    LOSS: (LOSS_TABLE, (0.35, 0.35, 0.35), False),
    DICE: (DICE_TABLE, (0.12, 0.35, 0.75), False),
    POOL_DICE: (DICE_TABLE, (0.85, 0.30, 0.25), False),
    WALL_DICE: (DICE_TABLE, (0.20, 0.60, 0.25), False),
    SOURCE_DICE: (DICE_TABLE, (0.12, 0.35, 0.75), True),
}


def updateTrainingChart(runPath: Path, record: TrainingRecord) -> slicer.vtkMRMLPlotChartNode:
    """Fill the tables of a run's chart again, one change for each; chart and tables are made where they are missing.

    Loss and validation have a table each, because a recipe may validate less often than every epoch.
    """
    _fill(_node(runPath, LOSS_TABLE, "vtkMRMLTableNode"), (EPOCH, LOSS), _losses(record))
    _fill(
        _node(runPath, DICE_TABLE, "vtkMRMLTableNode"),
        (EPOCH, DICE, POOL_DICE, WALL_DICE, SOURCE_DICE),
        _validations(record),
    )
    shown = [column for column in SERIES if record.source or column != SOURCE_DICE]
    return trainingChart(runPath) or _makeChart(runPath, shown)


def trainingChart(runPath: Path) -> slicer.vtkMRMLPlotChartNode | None:
    """Return the chart of a run that is in the scene."""
    return _existing(runPath, CHART, "vtkMRMLPlotChartNode")


def _losses(record: TrainingRecord) -> list[tuple]:
    return [(event["epoch"], event["loss"]) for event in record.epochs]


def _validations(record: TrainingRecord) -> list[tuple]:
    before = record.source["dice"] if record.source else float("nan")
    return [(event["epoch"], event["dice"], event["blood_pool"], event["lvm"], before) for event in record.validations]


def _makeChart(runPath: Path, columns: Sequence[str]) -> slicer.vtkMRMLPlotChartNode:
    chart = _node(runPath, CHART, "vtkMRMLPlotChartNode")
    kinds = slicer.vtkMRMLPlotSeriesNode
    for column in columns:
        role, color, dashed = SERIES[column]
        series = _node(runPath, column, "vtkMRMLPlotSeriesNode")
        series.SetName(column)
        series.SetAndObserveTableNodeID(_node(runPath, role, "vtkMRMLTableNode").GetID())
        series.SetXColumnName(EPOCH)
        series.SetYColumnName(column)
        series.SetPlotType(kinds.PlotTypeScatter)
        series.SetLineStyle(kinds.LineStyleDash if dashed else kinds.LineStyleSolid)
        series.SetMarkerStyle(kinds.MarkerStyleNone if dashed else kinds.MarkerStyleCircle)
        series.SetColor(*color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(runPath.name)
    chart.SetXAxisTitle(EPOCH)
    chart.SetYAxisTitle("Loss, Dice")
    chart.SetLegendVisibility(True)
    return chart


def _node(runPath: Path, role: str, kind: str) -> object:
    node = _existing(runPath, role, kind)
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass(kind, f"{runPath.name} {role}")
        node.SetAttribute(RUN, str(runPath))
        node.SetAttribute(ROLE, role)
    return node


def _existing(runPath: Path, role: str, kind: str) -> object | None:
    found = (slicer.mrmlScene.GetNthNodeByClass(n, kind) for n in range(slicer.mrmlScene.GetNumberOfNodesByClass(kind)))
    return next((node for node in found if _marks(node) == (str(runPath), role)), None)


def _marks(node: object) -> tuple[str | None, str | None]:
    return node.GetAttribute(RUN), node.GetAttribute(ROLE)


def _fill(node: slicer.vtkMRMLTableNode, titles: Sequence[str], rows: Iterable[Sequence[float]]) -> None:
    table = vtk.vtkTable()
    columns = []
    for title in titles:
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        columns.append(column)
    for row in rows:
        for column, value in zip(columns, row):
            column.InsertNextValue(value)
    for column in columns:
        table.AddColumn(column)
    node.SetAndObserveTable(table)
