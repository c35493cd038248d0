"""The mouse on a contour, through the markups widget that Slicer itself uses in its slice views."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from contour_helpers import AXES, outwards, points_of, ventricle_in_scene
from LVMTransferLib import MRMLAdapter
from LVMTransferLib.ContourDrags import ContourDrags
from LVMTransferLib.ContourEditor import ContourEditor

MOVE, PRESS, RELEASE = (
    vtk.vtkCommand.MouseMoveEvent,
    vtk.vtkCommand.LeftButtonPressEvent,
    vtk.vtkCommand.LeftButtonReleaseEvent,
)


class Mouse:
    """Sends mouse events of a slice view to the manager of its markups, as Slicer's interactor style does."""

    def __init__(self, view) -> None:
        self._view, self._focused = view, False
        self._manager = view.group.GetDisplayableManagerByClassName("vtkMRMLMarkupsDisplayableManager")

    def send(self, kind: int, point: np.ndarray) -> bool:
        """Send an event at a RAS point in the plane of the view; return whether a markup took it."""
        event = slicer.vtkMRMLInteractionEventData()
        event.SetType(kind)
        event.SetViewNode(self._view.node)
        event.SetRenderer(self._view.renderer)
        toRAS = slicer.util.arrayFromVTKMatrix(self._view.node.GetXYToRAS())
        event.SetDisplayPosition([round(value) for value in np.linalg.solve(toRAS, [*point, 1.0])[:2]])
        event.SetWorldPosition(list(point))
        event.SetMouseMovedSinceButtonDown(kind != PRESS)
        if not self._manager.CanProcessInteractionEvent(event, vtk.reference(0.0)):
            return False
        if not self._focused:
            self._manager.SetHasFocus(True, event)
            self._focused = True
        return bool(self._manager.ProcessInteractionEvent(event))

    def drag(self, start: np.ndarray, goal: np.ndarray, *, moves: int = 5) -> None:
        """Hover over a point, press, move and release."""
        assert self.send(MOVE, start)
        assert self.send(PRESS, start)
        for part in np.linspace(0, 1, moves + 1)[1:]:
            assert self.send(MOVE, start + part * (goal - start))
        assert self.send(RELEASE, goal)


@pytest.mark.parametrize(("view", "surface", "number"), [
    ("Red", "endocardium", 4), ("Red", "epicardium", 15), ("Green", "endocardium", 6), ("Yellow", "epicardium", 11),
])  # fmt: skip
def test_a_point_dragged_with_the_mouse_stays_under_it_and_is_one_action(scene, view, surface, number):
    said = []
    with ventricle_in_scene(size=400) as (volume, segmentation, views):
        editor = ContourEditor(volume, segmentation, lambda name, message: said.append((name, message)))
        editor.makeFromClicks(AXES)
        drags = ContourDrags(editor)
        views.render()
        node, before = editor.curves.node(view, surface), len(said)
        start = points_of(node)[number]
        goal = start + outwards(node, number, 4.0)
        Mouse(views.views[view]).drag(start, goal)
        # The mouse moves in whole pixels of 0.33 mm.
        assert np.linalg.norm(points_of(node)[number] - goal) < 0.3
        assert said[before:] == [(f"drag {surface}", "")]
        found = MRMLAdapter.labelsFromSegmentation(segmentation, volume)
        np.testing.assert_array_equal(found, editor.current.state.to_labels(editor.grid))
        drags.release()
