"""What is written on pictures: captions, and colour legends from the legend nodes of the scene.

Slicer's own legend manager draws a view's legends, too, but without Slicer's VTK its texts fill the whole view
(tried on slicer-core 5.12.4 with VTK 9.6.0), and it takes only legends that are added after the view was made.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

_CAPTION, _KEY, _TITLE, _LABEL, _MARK = 0.042, 0.032, 0.030, 0.028, 0.030  # font size over picture height
_BAR_WIDTH, _BAR_HEIGHT, _RIGHT, _TOP = 0.028, 0.42, 0.90, 0.74  # parts of the picture
_STEPS, _TITLE_COLUMNS = 256, 16
LEGEND_WIDTH = 0.16  # part of the picture that a legend takes


def addCaption(renderer: vtk.vtkRenderer, text: str, height: int, *, dark: bool = False) -> None:
    """Write ``text`` into the upper left corner of a picture of ``height`` pixels."""
    if text:
        renderer.AddViewProp(_text(text, (0.02, 0.98), round(_CAPTION * height), dark, shadow=True, top=True))


def addKey(renderer: vtk.vtkRenderer, key: Sequence[tuple[str, Sequence[float]]], height: int) -> None:
    """Write what each colour means, in that colour, under the caption."""
    for line, (text, color) in enumerate(key):
        actor = _text(text, (0.02, 0.92 - 1.35 * _KEY * line), round(_KEY * height), False, top=True)
        actor.GetTextProperty().SetColor(*color)
        actor.GetTextProperty().SetBackgroundColor(0.0, 0.0, 0.0)
        actor.GetTextProperty().SetBackgroundOpacity(0.5)
        renderer.AddViewProp(actor)


def addMarks(renderer: vtk.vtkRenderer, marks: Sequence[tuple[str, Sequence[float]]], height: int) -> None:
    """Write each text over its point (RAS, mm) of a 3D picture, on a dark ground so that it is read on every colour."""
    for text, point in marks:
        actor = _text(text, (0.0, 0.0), round(_MARK * height), False)
        actor.GetTextProperty().SetJustificationToCentered()
        actor.GetTextProperty().SetBackgroundColor(0.0, 0.0, 0.0)
        actor.GetTextProperty().SetBackgroundOpacity(0.5)
        actor.GetPositionCoordinate().SetCoordinateSystemToWorld()
        actor.GetPositionCoordinate().SetValue(*point)
        renderer.AddViewProp(actor)


def addLegends(renderer: vtk.vtkRenderer, height: int, *, dark: bool = False) -> None:
    """Draw the colour legends of the models that are visible; a second one goes to the left side."""
    places = iter((_RIGHT, 0.03))
    for legend, colors in shownLegends():
        left = next(places, None)
        if left is not None:
            _addLegend(renderer, legend, colors.GetLookupTable(), (left, height), dark)


def shownLegends() -> list[tuple[slicer.vtkMRMLColorLegendDisplayNode, slicer.vtkMRMLColorNode]]:
    """Return the visible colour legends of visible models, with their colours."""
    found = []
    for legend in slicer.util.getNodesByClass("vtkMRMLColorLegendDisplayNode"):
        primary = legend.GetPrimaryDisplayNode()
        shown = primary is not None and primary.IsA("vtkMRMLModelDisplayNode") and primary.GetVisibility()
        colors = primary.GetColorNode() if shown and legend.GetVisibility() and primary.GetScalarVisibility() else None
        if colors is not None:
            found.append((legend, colors))
    return found


def _addLegend(
    renderer: vtk.vtkRenderer,
    legend: slicer.vtkMRMLColorLegendDisplayNode,
    table: vtk.vtkLookupTable,
    place: tuple[float, int],
    dark: bool,
) -> None:
    left, height = place
    renderer.AddViewProp(_bar(table, left))
    low, high = legend.GetPrimaryDisplayNode().GetScalarRange()
    count = max(2, legend.GetNumberOfLabels())
    for at in np.linspace(0.0, 1.0, count):
        text = legend.GetLabelFormat() % (low + at * (high - low))
        where = (left + _BAR_WIDTH + 0.012, _TOP - _BAR_HEIGHT * (1.0 - at))
        renderer.AddViewProp(_text(text, where, round(_LABEL * height), dark))
    lines = "\n".join(textwrap.wrap(legend.GetTitleText(), _TITLE_COLUMNS))
    title = _text(lines, (left, _TOP + 0.035), round(_TITLE * height), dark)
    title.GetTextProperty().SetVerticalJustificationToBottom()
    if left > 0.5:
        title.SetPosition(0.98, _TOP + 0.035)
        title.GetTextProperty().SetJustificationToRight()
    renderer.AddViewProp(title)


def _bar(table: vtk.vtkLookupTable, left: float) -> vtk.vtkActor2D:
    """Return the colours from bottom (low) to top (high), each as a cell of a plane."""
    bottom = _TOP - _BAR_HEIGHT
    plane = vtk.vtkPlaneSource()
    plane.SetOrigin(left, bottom, 0.0)
    plane.SetPoint1(left + _BAR_WIDTH, bottom, 0.0)
    plane.SetPoint2(left, _TOP, 0.0)
    plane.SetResolution(1, _STEPS)
    plane.Update()
    mesh = plane.GetOutput()
    low, high = table.GetTableRange()
    values = low + (high - low) * (np.arange(_STEPS) + 0.5) / _STEPS
    mesh.GetCellData().SetScalars(numpy_support.numpy_to_vtk(values, deep=True))
    coordinates = vtk.vtkCoordinate()
    coordinates.SetCoordinateSystemToNormalizedViewport()
    mapper = vtk.vtkPolyDataMapper2D()
    mapper.SetInputData(mesh)
    mapper.SetTransformCoordinate(coordinates)
    mapper.SetLookupTable(table)
    mapper.UseLookupTableScalarRangeOn()
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    return actor


def _text(
    text: str, where: tuple[float, float], points: int, dark: bool, *, shadow: bool = False, top: bool = False
) -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    style = actor.GetTextProperty()
    style.SetFontFamilyToArial()
    style.SetFontSize(max(10, points))
    style.SetColor(*((0.1, 0.1, 0.1) if dark else (1.0, 1.0, 1.0)))
    style.SetShadow(shadow and not dark)
    style.SetVerticalJustification(vtk.VTK_TEXT_TOP if top else vtk.VTK_TEXT_CENTERED)
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.SetPosition(*where)
    return actor
