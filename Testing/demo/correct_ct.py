"""Contours of a real heart CT before and after a few drags: ``python Testing/demo/correct_ct.py IMAGE PNG [LABELS]``.

The model's labels become contours; four points are dragged where the reader disagrees, as the mouse would, and all that
is seen is drawn by Slicer's displayable managers. LABELS: made with ``lvm segment`` before. The places are those of the
CT that the guide shows.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from steps import SITE_1, lvm, say

SIZE, FIELD_OF_VIEW_MM = 440, 125.0
VIEWS = {
    "Yellow": ("three_chamber", "3-chamber"),
    "Red": ("short_axis", "Short axis"),
    "Green": ("two_chamber", "2-chamber"),
}
# View, surface, and where its point is taken and dropped: mm to the right of the middle of the view, and upwards.
DRAGS = (
    ("Green", "base", (10.9, -47.7), (10.9, -42.3)),
    ("Green", "endocardium", (-26.3, -31.7), (-20.6, -33.8)),
    ("Red", "epicardium", (41.4, 2.1), (42.8, 2.1)),
    ("Yellow", "endocardium", (-28.7, -28.7), (-27.0, -28.7)),
)
REACH_MM = 22.0
BEFORE_COLOR = (1.0, 1.0, 1.0)


def main(image: Path, out: Path, labels: Path | None = None) -> int:
    """Draw two rows, before and after the drags, of three views each."""
    from LVMLib.imaging import read_image, read_labels
    from LVMTransferLib.HeadlessCore import startHeadlessCore

    startHeadlessCore()
    with tempfile.TemporaryDirectory() as folder:
        if labels is None:
            labels = Path(folder) / "labels.nii.gz"
            lvm("segment", image, labels, "--model", SITE_1)
        sequence, (mask, _) = read_image(image), read_labels(labels)
    _draw(sequence, mask, out)
    return 0


def _draw(sequence: object, mask: np.ndarray, out: Path) -> None:
    from LVMTransferLib import MRMLAdapter, SceneViews
    from LVMTransferLib.ContourDrags import ContourDrags
    from LVMTransferLib.ContourEditor import ContourEditor
    from LVMTransferLib.ContourMask import fadeSegments
    from LVMTransferLib.OffscreenViews import OffscreenViews
    from LVMTransferLib.Pictures import joinPictures

    volume = MRMLAdapter.volumeToScene(np.asarray(sequence.frame(0)), sequence.grid, "CT")
    segmentation = MRMLAdapter.segmentationFromLabels(mask, sequence.grid, "Labels", volume)
    options = {"size": (SIZE, SIZE), "fieldOfViewMm": FIELD_OF_VIEW_MM, "smooth": True, "names": tuple(VIEWS)}
    with OffscreenViews(volume, **options) as views:
        SceneViews.showLeftVentricle(volume, segmentation, [plane for plane, _ in VIEWS.values()])
        views.zoom(FIELD_OF_VIEW_MM)
        editor = ContourEditor(
            volume, segmentation, lambda name, message: say(f"  {name}{': ' * bool(message)}{message}")
        )
        fit = editor.makeFromLabels()
        say(f"contours follow the labels: Dice {fit.dice[1]:.3f} (blood pool), {fit.dice[2]:.3f} (LVM)")
        fadeSegments(segmentation)
        drags = ContourDrags(editor, onProblem=say)
        drags.radiusMm = REACH_MM
        views.caption({view: f"{name}, as predicted" for view, (_, name) in VIEWS.items()})
        before, start = joinPictures(views.pictures()), editor.current.state
        for drag in DRAGS:
            _drag(editor, *drag)
        drags.release()
        _outline(MRMLAdapter, start.to_labels(editor.grid), editor.grid)
        views.caption({view: f"{name}, after {len(DRAGS)} drags" for view, (_, name) in VIEWS.items()})
        joinPictures([before, joinPictures(views.pictures())], vertical=True, path=out)


def _drag(editor: object, view: str, surface: str, taken: tuple, dropped: tuple) -> None:
    """Press the point nearest to a place, move it and drop it."""
    import slicer
    from LVMTransferLib import SceneViews

    plane = SceneViews.planeOf(SceneViews.sliceNodeOf(view))
    node = editor.curves.node(view, surface)
    points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    start, goal = (plane[:3, 3] + place[0] * plane[:3, 0] + place[1] * plane[:3, 1] for place in (taken, dropped))
    number = int(np.argmin(np.linalg.norm(points - start, axis=1)))
    node.InvokeEvent(node.PointStartInteractionEvent)
    for part in (0.5, 1.0):
        node.SetNthControlPointPositionWorld(number, *(points[number] + part * (goal - points[number])))
    node.InvokeEvent(node.PointEndInteractionEvent)


def _outline(adapter: object, labels: np.ndarray, grid: object) -> None:
    """Show where the contours were, as thin white lines."""
    colors = {"endocardium": BEFORE_COLOR, "epicardium": BEFORE_COLOR}
    node = adapter.outlinesToScene(labels, grid, "before", colors=colors, lineWidth=1)
    node.GetDisplayNode().SetOpacity2DOutline(0.5)


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:])))
