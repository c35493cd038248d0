"""What the mouse does with curves, views, phases and segmentation, turned into actions on the contours. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import slicer
from LVMLib.errors import LVMError

from . import SceneViews
from .ContourEditor import BASE

if TYPE_CHECKING:
    from .ContourEditor import ContourEditor

# Longer than this, as with a CT of 0.5 mm, the mask is left until the drop, so that the curves keep up with the mouse.
LIVE_SECONDS = 0.1
_CURVE_EVENTS = ("PointModifiedEvent", "PointAddedEvent", "PointRemovedEvent")


class AtOnce:
    """Calls a function whenever asked: no event loop, as in a script. `Later.Later` is the one of the desktop."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.now = self._call = call

    def request(self, caller: object = None, event: object = None) -> None:
        """Call."""
        self._call()

    def drop(self) -> None:
        """Forget what was asked for; nothing ever waits."""


class _Never(AtOnce):
    """Does nothing when asked."""

    def request(self, caller: object = None, event: object = None) -> None:
        """Do nothing."""


class _Press:
    """A mouse button held on a point of a curve.

    :ivar fast: whether the mask can follow every movement; else it follows when the button is released.
    """

    def __init__(self, node: object, state: object, points: np.ndarray) -> None:
        self.node, self.state, self.points, self.edit = node, state, points, None
        self.fast = True


class ContourDrags:
    """Watches the scene for an editor.

    :param later: makes what coalesces many changes into one update; `AtOnce` or `Later.Later`.
    :param settled: makes what waits for the end of many changes, `Later.Settled`; None = labels of other tools are
      taken only when asked for (`takeForeign`).
    :param onProblem: called with the message of an edit that could not be done.
    :param onGone: called when CT or segmentation were deleted.
    """

    def __init__(
        self,
        editor: ContourEditor,
        *,
        later: Callable = AtOnce,
        settled: Callable | None = None,
        onProblem: Callable[[str], None] = lambda message: None,
        onGone: Callable[[], None] = lambda: None,
    ) -> None:
        self.editor, self.radiusMm, self.turnViews = editor, None, True
        self._onProblem, self._onGone = onProblem, onGone
        self._foreign, self.takesLabels = (settled or _Never)(self.takeForeign), True
        self._suspected = False
        self._update, self._touched, self._press = later(self.update), {}, None
        self._observed: dict[tuple, tuple] = {}
        self._watchScene()

    def release(self) -> None:
        """Watch nothing any more."""
        self._update.drop()
        self._foreign.drop()
        for node, tag in self._observed.values():
            node.RemoveObserver(tag)
        self._observed, self._touched, self._press = {}, {}, None

    def update(self) -> None:
        """Do what the changes since the last time ask for."""
        editor = self.editor
        if slicer.mrmlScene.IsClosing():
            return
        if not editor.isWhole:
            self._onGone()
            return
        if editor.phase != editor.phaseShown():
            self._press, self._touched = None, {}
            editor.enterPhase(turnViews=self.turnViews)
            self.suspect()
        touched, self._touched = self._touched, {}
        try:
            done = [self._edit(node) for node in touched.values() if node.GetScene() is not None]
        except LVMError as error:
            self._onProblem(str(error))
            done = []
        if not any(done):
            editor.redraw(self._press.edit.surfaces if self._press and self._press.edit else None)
        self._watchCurves()

    def suspect(self) -> None:
        """Look, when the changes have settled, whether another tool has changed the labels."""
        self._suspected = True
        if self.takesLabels:
            self._foreign.request()

    def takeForeign(self) -> None:
        """Let the contours follow the labels of another tool, if there are any."""
        self._suspected = False
        self._foreign.drop()
        if not self.editor.isWhole or slicer.mrmlScene.IsClosing():
            return
        try:
            if self.editor.isForeign():
                self.editor.takeLabels()
        except LVMError as error:
            self._onProblem(str(error))

    def _edit(self, node: object) -> bool:
        """Turn what happened to a curve into an edit; return whether it was drawn."""
        editor, press = self.editor, self._press if self._press and self._press.node is node else None
        moved = editor.curves.moved(node)
        if editor.current is None or (moved is not None and not moved):
            return False
        state = press.state if press else editor.current.state
        edit, grip = self._changed(node, moved, state, press)
        if press is None:
            self._commit(node, edit)
        else:
            press.edit, start = edit, time.perf_counter()
            editor.redraw(edit.surfaces, grip=grip, mask=press.fast)
            press.fast &= time.perf_counter() - start < LIVE_SECONDS
        return True

    def _changed(self, node: object, moved: list | None, state: object, press: _Press | None) -> tuple:
        """Return the edit that a moved point or a redrawn curve means, and what the mouse holds."""
        from LVMLib.annotation.surfaces import RADIUS_MM, Edit, drag, redraw

        surface = self.editor.curves.surfaceOf(node)
        if moved is not None and len(moved) == 1:
            to = np.array(node.GetNthControlPointPositionWorld(moved[0]))
            origin = (press.points if press else self.editor.curves.written(node))[moved[0]]
            edit = drag(state, surface, origin, to, radius_mm=self.radiusMm or RADIUS_MM)
            return edit, (node, moved[0], to)
        if surface == BASE:
            return Edit(state, False, "The base follows the drag of one point."), None
        curve = slicer.util.arrayFromMarkupsCurvePoints(node, world=True)
        closed = bool(node.IsA("vtkMRMLMarkupsClosedCurveNode"))
        return redraw(state, surface, curve, closed=closed), None

    def _commit(self, node: object, edit: object) -> None:
        curves, planes = self.editor.curves, None
        surface, sliceNode = curves.surfaceOf(node), SceneViews.sliceNodeOf(curves.viewOf(node))
        if sliceNode is not None and surface != BASE:
            plane = SceneViews.planeOf(sliceNode)
            if SceneViews.isShortOrLongAxis(plane, self.editor.current.state.axes, "short_axis"):
                planes = {surface: plane}
        self.editor.act(f"drag {surface}", lambda state: edit, planes=planes)

    # -- events --------------------------------------------------------------------------------------------------------

    def _onPoint(self, caller: object, event: str) -> None:
        undefined = caller.GetNumberOfControlPoints() != caller.GetNumberOfDefinedControlPoints()
        if not self.editor.drawing and not undefined:
            self._touched[caller.GetID()] = caller
            self._update.request()

    def _onPress(self, caller: object, event: str) -> None:
        if self._suspected:
            self.takeForeign()
        if self.editor.current is not None:
            self._press = _Press(caller, self.editor.current.state, self.editor.curves.written(caller).copy())

    def _onDrop(self, caller: object, event: str) -> None:
        self._update.now()
        press, self._press = self._press, None
        if press is not None and press.edit is not None:
            self._commit(press.node, press.edit)

    def _onView(self, caller: object, event: str) -> None:
        if not self.editor.drawing:
            self._update.request()

    def _onSegmentation(self, caller: object, event: str) -> None:
        if not self.editor.drawing and self.editor.current is not None:
            self.editor.current.spoil()
            self.suspect()

    def _onNodeRemoved(self, caller: object, event: str) -> None:
        if not self.editor.drawing and not slicer.mrmlScene.IsClosing():
            self._update.request()

    def _watchScene(self) -> None:
        scene, editor = slicer.mrmlScene, self.editor
        self._watch(scene, scene.NodeRemovedEvent, self._onNodeRemoved)
        segmentation = slicer.vtkSegmentation
        for event in (
            segmentation.SourceRepresentationModified,
            segmentation.SegmentAdded,
            segmentation.SegmentRemoved,
        ):
            self._watch(editor.segmentationNode, event, self._onSegmentation)
        if editor.browserNode is not None:
            self._watch(editor.browserNode, "ModifiedEvent", self._onView)
        self._watchCurves()

    def _watchCurves(self) -> None:
        """Watch the curves and views that there are now, and no longer those that are gone."""
        gone = [key for key in self._observed if key[0] is not slicer.mrmlScene and key[0].GetScene() is None]
        for key in gone:
            node, tag = self._observed.pop(key)
            node.RemoveObserver(tag)
        for sliceNode in SceneViews.contourViews():
            self._watch(sliceNode, "ModifiedEvent", self._onView)
        for node in self.editor.curves.nodes:
            for event in _CURVE_EVENTS:
                self._watch(node, getattr(node, event), self._onPoint)
            self._watch(node, node.PointStartInteractionEvent, self._onPress)
            self._watch(node, node.PointEndInteractionEvent, self._onDrop)

    def _watch(self, node: object, event: object, call: Callable) -> None:
        if (node, event) not in self._observed:
            self._observed[node, event] = node, node.AddObserver(event, call)
