"""How long a drag takes in a real scene: surfaces, curves, mask, models, and three slice views rendered.

`lvm bench editing` runs it where the `slicer-core` wheel is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import slicer
from LVMLib.evaluation.benchmarks import Row

from . import MRMLAdapter, SceneViews
from .ContourDrags import ContourDrags
from .ContourEditor import WALLS, ContourEditor
from .ContourMask import fadeSegments
from .HeadlessCore import startHeadlessCore
from .OffscreenViews import OffscreenViews
from .Pictures import renderThreeD

if TYPE_CHECKING:
    from LVMLib.annotation.surfaces import WallSurfaces
    from LVMLib.grid import Grid

HU = np.array([-50, 400, 110], np.int16)
SIZE = (400, 400)
DRAGS, WARM_UP, CONVERSIONS = 60, 6, 5
GOAL_MS = 100.0
SEED = 11


def rows(labels: np.ndarray, grid: Grid, surfaces: WallSurfaces) -> list[Row]:
    """Return the times of a series of drags and of their undo.

    :param labels: ``(Z, Y, X)`` at 1 mm, in the segmentation at first.
    :param surfaces: the contours at first.
    """
    startHeadlessCore().Clear(0)
    noise = np.random.default_rng(SEED).normal(0.0, 20.0, labels.shape)
    volumeNode = MRMLAdapter.volumeToScene((HU[labels] + noise).astype(np.int16), grid, "phantom")
    segmentationNode = MRMLAdapter.segmentationFromLabels(labels, grid, "labels", volumeNode)
    peer = _conversion(segmentationNode)
    with OffscreenViews(volumeNode, size=SIZE) as views:
        SceneViews.showPlanes(surfaces.axes)
        editor = ContourEditor(volumeNode, segmentationNode)
        editor.make(surfaces)
        fadeSegments(segmentationNode)
        drags = ContourDrags(editor)
        dragged = [_drag(editor, views, number) for number in range(DRAGS + WARM_UP)][WARM_UP:]
        undone = [_timed(editor.undo, views) for _ in range(DRAGS)]
        drags.release()
        threeD = _median([_seconds(lambda: renderThreeD(size=SIZE, show=editor.models.nodes)) for _ in range(3)])
        editor.remove()
    slicer.mrmlScene.Clear(0)
    return [*_rows("drag", dragged, peer), *_rows("undo", undone, peer), _threeDRow(threeD)]


def _rows(name: str, seconds: list[tuple[float, float]], peer: float) -> list[Row]:
    whole = 1e3 * np.sum(seconds, axis=1)
    scene, views = 1e3 * np.median(seconds, axis=0)
    what = "with three slice views (phantom, 1 mm)"
    against = {"peer": "Slicer, closed surfaces to label map, no views", "peer_value": 1e3 * peer}
    return [
        Row.at_most(f"{name} {what}, median", float(np.median(whole)), "ms", goal=GOAL_MS),
        Row.at_most(f"{name} {what}, P95", float(np.percentile(whole, 95)), "ms"),
        Row.at_most(f"of the {name}: surfaces, curves, mask, models", float(scene), "ms", **against),
        Row.at_most(f"of the {name}: rendering of the slice views", float(views), "ms"),
    ]


def _threeDRow(seconds: float) -> Row:
    return Row.at_most("3D view apart, made anew by software rendering", 1e3 * seconds, "ms")


def _drag(editor: ContourEditor, views: OffscreenViews, number: int) -> tuple[float, float]:
    """Press, move and drop a point of the series; time from the last move on."""
    rng = np.random.default_rng([SEED, number])
    node = editor.curves.node(list(views.views)[number % 3], WALLS[number % 2])
    points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    point = int(rng.integers(1, len(points) - 1))
    way = points[point] - points.mean(axis=0)
    goal = points[point] + rng.normal(0.0, 2.0) * way / np.linalg.norm(way)
    node.InvokeEvent(node.PointStartInteractionEvent)

    def drop() -> None:
        node.SetNthControlPointPositionWorld(point, *goal)
        node.InvokeEvent(node.PointEndInteractionEvent)

    return _timed(drop, views)


def _timed(call: Callable[[], object], views: OffscreenViews) -> tuple[float, float]:
    """Return the seconds of a call, and of the rendering after it."""
    return _seconds(call), _seconds(views.render)


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _conversion(segmentationNode: object) -> float:
    """Return the seconds in which Slicer makes the label map of both segments from their closed surfaces."""
    segmentation = segmentationNode.GetSegmentation()
    names = slicer.vtkSegmentationConverter
    labelMap, surface = names.GetBinaryLabelmapRepresentationName(), names.GetClosedSurfaceRepresentationName()
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(segmentation)
    copy.CreateRepresentation(surface)
    copy.SetSourceRepresentationName(surface)
    found = []
    for _ in range(CONVERSIONS + 1):
        copy.RemoveRepresentation(labelMap)
        found.append(_seconds(lambda: copy.CreateRepresentation(labelMap, True)))
    return _median(found[1:])
