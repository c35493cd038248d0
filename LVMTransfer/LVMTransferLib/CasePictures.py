"""The pictures of a case for reports: contours in the three views, thickness and streamlines in 3D."""

from __future__ import annotations

from os import PathLike

import numpy as np
import slicer
from LVMLib.annotation import LVAxes, find_axes, view_planes
from LVMLib.grid import Grid
from LVMLib.thickness import ThicknessResult

from . import Pictures
from .SceneContours import COLORS, ENDOCARDIUM, EPICARDIUM
from .SceneOutlines import outlinesToScene

VIEWS = {"short_axis": "Short axis", "two_chamber": "2-chamber", "three_chamber": "3-chamber"}
# The other reader, or the labels before: told apart from red and green by lightness, too.
OTHER_COLORS = {ENDOCARDIUM: (1.0, 0.95, 0.35), EPICARDIUM: (0.35, 0.9, 1.0)}
# The walls by their angle in the AHA bull's-eye.
_WALLS = {"lateral": 0.0, "anterior": 90.0, "septal": 180.0, "inferior": 270.0}
# Where the names stand: this part of the way from the base to the apex, so far outside the wall.
_MARK_LEVEL, _BEYOND_WALL_MM = 0.68, 4.0
# A wall whose outward direction has less than this along the view's is behind the ventricle, and not named.
_BEHIND = -0.5
_DARK = (0.08, 0.08, 0.10)


def contourPicture(
    volumeNode: slicer.vtkMRMLVolumeNode,
    labels: np.ndarray,
    grid: Grid,
    path: str | PathLike | None = None,
    *,
    other: np.ndarray | None = None,
    names: tuple[str, str] = ("", "truth"),
    title: str = "",
    axes: LVAxes | None = None,
    fieldOfViewMm: float = 130.0,
    size: tuple[int, int] = (560, 560),
) -> np.ndarray:
    """Draw endocardium and epicardium in the short axis, 2-chamber and 3-chamber views, side by side.

    :param labels: of the phase shown, ``(Z, Y, X)``; red and green.
    :param other: labels to compare with (truth, another reader, before); yellow and cyan.
    :param names: of ``labels`` and ``other`` in the colour key.
    :param title: before the name of the first view, for example the case and phase.
    :param axes: the ventricle's axes; None = found from ``other`` if given, else from ``labels``.
    :return: RGB uint8.
    :raises LabelError: no ventricle in the labels.
    """
    planes = view_planes(axes or find_axes(labels if other is None else other, grid))
    key, nodes = [], []
    with Pictures.temporaryNodes():
        for mask, colors, name in ((other, OTHER_COLORS, names[1]), (labels, COLORS, names[0])):
            if mask is not None and np.any(mask):
                nodes.append(outlinesToScene(mask, grid, f"contours {name}", colors=colors))
                key += [(f"{which} {name}".strip(), colors[which]) for which in (ENDOCARDIUM, EPICARDIUM)]
        others = [node for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if node not in nodes]
        row = [
            Pictures.renderSlice(
                volumeNode,
                planes[view],
                fieldOfViewMm=fieldOfViewMm,
                size=size,
                caption=", ".join(filter(None, [title, caption])) if number == 0 else caption,
                key=key[::-1] if number == 0 else (),
                hide=others,
            )
            for number, (view, caption) in enumerate(VIEWS.items())
        ]
    return Pictures.joinPictures(row, path=path)


def thicknessPicture(
    result: ThicknessResult,
    axes: LVAxes,
    path: str | PathLike | None = None,
    *,
    title: str = "",
    size: tuple[int, int] = (700, 640),
    scalarRange: tuple[float, float] | None = None,
) -> np.ndarray:
    """Draw the wall thickness on the epicardium and the streamlines through the wall, side by side, apex down.

    :param axes: of the ventricle, for the direction of view: from the lateral wall, slightly from above.
    :param scalarRange: mm at the ends of the colours; None = from the result.
    :return: RGB uint8.
    """
    from LVMThicknessLib import MRMLAdapter

    viewFrom = axes.direction(20.0) - 0.25 * axes.axis
    marks = wallMarks(axes, result.points, viewFrom)
    captions = (", ".join(filter(None, [title, "wall thickness"])), "streamlines through the wall")
    with Pictures.temporaryNodes():
        surface = MRMLAdapter.thicknessModel(result, "thickness picture", scalarRange=scalarRange)
        lines = MRMLAdapter.streamlineTubes(
            result, "streamline picture", radius=0.22, density=0.35, scalarRange=scalarRange, legend=True
        )
        row = [
            Pictures.renderThreeD(
                viewFrom=viewFrom,
                viewUp=-axes.axis,
                size=size,
                background=_DARK,
                caption=caption,
                show=[node],
                marks=marks,
            )
            for node, caption in zip((surface, lines), captions)
        ]
    return Pictures.joinPictures(row, path=path)


def wallMarks(axes: LVAxes, points: np.ndarray, viewFrom: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the names of the walls that a 3D picture shows, and where to write them, RAS mm.

    :param points: (N, 3) of the epicardium, RAS mm.
    :param viewFrom: towards the viewer; a wall on the far side is not named.
    :return: "est." before each name where the septum is estimated from the patient's position.
    """
    offsets = points - axes.mitral_centre
    along = offsets @ axes.axis
    level = along.min() + _MARK_LEVEL * np.ptp(along)
    ring = offsets[np.abs(along - level) < 0.1 * np.ptp(along)]
    estimated = "est. " if axes.septum_from == "patient" else ""
    towards = viewFrom / np.linalg.norm(viewFrom)
    marks = []
    for name, angle in _WALLS.items():
        direction = axes.direction(angle)
        if direction @ towards > _BEHIND:
            reach = (ring @ direction).max() + _BEYOND_WALL_MM
            marks.append((estimated + name, axes.mitral_centre + level * axes.axis + reach * direction))
    return marks
