"""Statistics, AHA segments and histogram of a thickness surface, as tables and a chart of the scene.

All of them are read from the surface's own arrays, so that they can be made again in a scene that was opened from a
file, and for the phase that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import slicer
import vtk

from .SceneSurfaces import SEGMENT, THICKENING, THICKNESS, surfaceArray

BIN_MM = 0.5
# What a reader can use: a hundredth of a millimetre is far below what a mask tells.
DECIMALS = 2
HISTOGRAM_COLUMNS = ("Thickness (mm)", "Share of the surface points (%)")
SEGMENT_COLUMNS = ("Segment", "Name", "Median mm", "Mean mm", "P95 mm", "Maximum mm", "Points", "No value")
THICKENING_COLUMN = "Thickening %"
CYCLE_COLUMNS = ("Phase", "Place in the cycle", "Median mm", "Mean mm", "P95 mm", "Maximum mm")
# Of the viridis scale; median and P95 of a cycle, histogram.
DARK, LIGHT = (0.27, 0.0, 0.33), (0.13, 0.57, 0.55)


def statisticsTable(thicknessMm: np.ndarray, name: str) -> slicer.vtkMRMLTableNode:
    """Add a table of the thickness over the surface: median, mean, P5, P95, minimum, maximum, and how many vertices."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", name)
    updateStatisticsTable(node, thicknessMm)
    return node


def updateStatisticsTable(node: slicer.vtkMRMLTableNode, thicknessMm: np.ndarray) -> None:
    """Fill a table made by :func:`statisticsTable` again."""
    _fill(node, ("Statistic", "Value", "Unit"), thicknessStatistics(thicknessMm))


def thicknessStatistics(thicknessMm: np.ndarray) -> list[tuple[str, float, str]]:
    """Return (statistic, value, unit) rows; NaN vertices are counted as invalid and left out of the rest."""
    thickness = np.asarray(thicknessMm, float)
    valid = thickness[np.isfinite(thickness)]
    measures = {
        "Median": np.median,
        "Mean": np.mean,
        "P5": lambda values: np.percentile(values, 5),
        "P95": lambda values: np.percentile(values, 95),
        "Minimum": np.min,
        "Maximum": np.max,
    }
    rows = [(name, float(measure(valid)) if len(valid) else float("nan"), "mm") for name, measure in measures.items()]
    return [
        *rows,
        ("Vertices", float(len(thickness)), ""),
        ("Invalid vertices", float(len(thickness) - len(valid)), ""),
    ]


def updateSegmentTable(node: slicer.vtkMRMLTableNode, surface: slicer.vtkMRMLModelNode, model: int) -> None:
    """Fill a table with a row for each AHA segment and one for all, from the arrays of a surface.

    The column `THICKENING_COLUMN` is there when the surface has thickening. Without segments the table is empty.

    :param model: 16 or 17.
    """
    from LVMLib.thickness.segments import segment_table

    segments, thickness = surfaceArray(surface, SEGMENT), surfaceArray(surface, THICKNESS)
    if segments is None or thickness is None:
        node.SetAndObserveTable(vtk.vtkTable())
        return
    segments = np.where(segments <= model, segments, 0)
    columns, rows = list(SEGMENT_COLUMNS), []
    for row in segment_table(thickness, segments, model=model):
        number = str(row.segment) if row.segment else ""
        rows.append(
            [number, row.name, row.median_mm, row.mean_mm, row.p95_mm, row.max_mm, float(row.count), float(row.invalid)]
        )
    thickening = surfaceArray(surface, THICKENING)
    if thickening is not None:
        columns.insert(3, THICKENING_COLUMN)
        for row, of in zip(rows, segment_table(thickening, segments, model=model)):
            row.insert(3, of.median_mm)
    _fill(node, columns, rows)


def segmentValues(node: slicer.vtkMRMLTableNode, column: str) -> np.ndarray:
    """Return a column of a segment table without its last row; empty when there is no such column."""
    table = node.GetTable() if node is not None else None
    values = table.GetColumnByName(column) if table is not None else None
    if values is None:
        return np.empty(0)
    return np.array([values.GetVariantValue(row).ToDouble() for row in range(table.GetNumberOfRows() - 1)])


def updateHistogram(table: slicer.vtkMRMLTableNode, thicknessMm: np.ndarray) -> None:
    """Fill the table of a histogram: bins of `BIN_MM`, share of the vertices that have a value."""
    known = np.asarray(thicknessMm, float)
    known = known[np.isfinite(known)]
    last = max(int(np.ceil(known.max() / BIN_MM)), 1) if len(known) else 1
    counts, edges = np.histogram(known, bins=np.arange(last + 1) * BIN_MM)
    share = 100.0 * counts / max(len(known), 1)
    _fill(table, HISTOGRAM_COLUMNS, list(zip((edges[:-1] + BIN_MM / 2).tolist(), share.tolist())))


def updateCycleTable(node: slicer.vtkMRMLTableNode, phases: Sequence[tuple[int, str, np.ndarray]]) -> None:
    """Fill a table with a row for each measured phase: its number, its place in the cycle, and its thickness.

    :param phases: number, index value of the sequence (percent of the R-R interval as a rule), thickness in mm.
    """
    rows = []
    for phase, place, thicknessMm in phases:
        values = {name: value for name, value, _unit in thicknessStatistics(thicknessMm)}
        rows.append((float(phase), float(place), *(values[name] for name in ("Median", "Mean", "P95", "Maximum"))))
    _fill(node, CYCLE_COLUMNS, rows)


def histogramChart(table: slicer.vtkMRMLTableNode, name: str) -> slicer.vtkMRMLPlotChartNode:
    """Add the chart of a histogram table."""
    return _chart(table, name, *HISTOGRAM_COLUMNS, {HISTOGRAM_COLUMNS[1]: LIGHT}, bars=True)


def cycleChart(table: slicer.vtkMRMLTableNode, name: str) -> slicer.vtkMRMLPlotChartNode:
    """Add the chart of a cycle table: median and 95th percentile over the cycle."""
    place = f"{CYCLE_COLUMNS[1]} (%)"
    return _chart(table, name, place, "Thickness (mm)", {"Median mm": DARK, "P95 mm": LIGHT}, bars=False)


def removeChart(chart: slicer.vtkMRMLPlotChartNode) -> None:
    """Remove a chart and its series from the scene."""
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    for node in (chart, *series):
        slicer.mrmlScene.RemoveNode(node)


def _chart(
    table: slicer.vtkMRMLTableNode, name: str, xTitle: str, yTitle: str, columns: Mapping[str, tuple], *, bars: bool
) -> slicer.vtkMRMLPlotChartNode:
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", name)
    kinds = slicer.vtkMRMLPlotSeriesNode
    for column, color in columns.items():
        series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", column)
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetXColumnName(HISTOGRAM_COLUMNS[0] if bars else CYCLE_COLUMNS[1])
        series.SetYColumnName(column)
        series.SetPlotType(kinds.PlotTypeScatterBar if bars else kinds.PlotTypeScatter)
        series.SetColor(*color)
        chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(name)
    chart.SetXAxisTitle(xTitle)
    chart.SetYAxisTitle(yTitle)
    chart.SetLegendVisibility(len(columns) > 1)
    return chart


def _fill(node: slicer.vtkMRMLTableNode, titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = vtk.vtkTable()
    for title, values in zip(titles, zip(*rows)):
        column = vtk.vtkStringArray() if isinstance(values[0], str) else vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value if isinstance(value, str) else round(value, DECIMALS))
        table.AddColumn(column)
    node.SetAndObserveTable(table)
    node.SetUseColumnTitleAsColumnHeader(True)
