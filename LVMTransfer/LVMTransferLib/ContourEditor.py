"""Contours of the left ventricle in the scene: whatever the reader does with them, everything follows. No Qt.

Curves in the slice views, the mask in the segmentation and the models all show one state of the surfaces; every action
is a new state with an undo. Usable from the Python console and on the `slicer-core` wheel::

    editor = ContourEditor(volumeNode, segmentationNode)
    editor.makeFromLabels()
    editor.push("endocardium", point, 2.0)
    editor.undo()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import slicer
from LVMLib.errors import LVMError

from . import SceneViews
from .ContourCurves import ContourCurves
from .ContourMask import ForeignMask, SurfaceModels
from .ContourMemory import ContourMemory
from .ContourPhase import ContourPhase
from .SceneVolumes import browserOf, gridFromVolume

if TYPE_CHECKING:
    from LVMLib.annotation import LVAxes
    from LVMLib.annotation.surfaces import Edit, Fit, WallSurfaces

ENDOCARDIUM, EPICARDIUM, BASE = "endocardium", "epicardium", "base"
WALLS = (ENDOCARDIUM, EPICARDIUM)
ED_TO_ES = 0.75


class ContourEditor:
    """The contours of a case.

    :param onEdit: called after every action that changed the contours, with its name and a message ("" if all went as
      asked).
    """

    def __init__(
        self,
        volumeNode: object,
        segmentationNode: object,
        onEdit: Callable[[str, str], None] = lambda name, message: None,
    ) -> None:
        self.volumeNode, self.segmentationNode, self.onEdit = volumeNode, segmentationNode, onEdit
        self.browserNode = browserOf(volumeNode)
        self.grid = gridFromVolume(volumeNode)
        self.phases: dict[int, ContourPhase] = {}
        self.phase = self.phaseShown()
        self.curves, self.models, self.memory = ContourCurves(), SurfaceModels(), ContourMemory()
        self.drawing = False
        self._shown: WallSurfaces | None = None
        self._planes: dict[str, tuple] = {}

    # -- what there is -------------------------------------------------------------------------------------------------

    def phaseShown(self) -> int:
        """Return the phase of the CT that the views show; 0 of a volume that is no sequence."""
        return 0 if self.browserNode is None else max(self.browserNode.GetSelectedItemNumber(), 0)

    @property
    def current(self) -> ContourPhase | None:
        """The contours of the phase shown, or None."""
        return self.phases.get(self.phase)

    @property
    def isWhole(self) -> bool:
        """Whether CT and segmentation are still in the scene."""
        return all(node.GetScene() is not None for node in (self.volumeNode, self.segmentationNode))

    def axes(self) -> LVAxes:
        """Return the axes of the ventricle in the phase shown: of its contours, else of its labels.

        :raises LabelError: there are neither.
        """
        if self.current is not None:
            return self.current.state.axes
        return SceneViews.axesOfLabels(self.volumeNode, self.segmentationNode)

    # -- begin and end -------------------------------------------------------------------------------------------------

    def makeFromLabels(self) -> Fit:
        """Make the contours of the phase shown from its labels; the labels stay as they are until the first edit.

        :raises LabelError: the phase has no labels, or no segment with the right terminology.
        """
        from LVMLib.annotation.surfaces import fit_labels

        foreign = ForeignMask(self.segmentationNode, self.grid)
        fit = fit_labels(foreign.labels, self.grid)
        self._begin(ContourPhase(fit.surfaces, self.grid, foreign=foreign, fit=fit))
        return fit

    def make(self, state: WallSurfaces) -> None:
        """Begin the contours of the phase shown with surfaces from elsewhere; the labels stay until the first edit."""
        self._begin(ContourPhase(state, self.grid, foreign=ForeignMask(self.segmentationNode, self.grid)))

    def makeFromClicks(self, axes: LVAxes, clicks: Mapping[str, list] | None = None) -> None:
        """Make the contours of the phase shown from its axes, through clicked points of endo- and epicardium.

        :param clicks: "endocardium" and "epicardium" to points, RAS mm.
        """
        from LVMLib.annotation.surfaces import surfaces_from_points

        self.make(surfaces_from_points(axes, **(clicks or {})))
        self.act("contours from clicks", lambda now: now)

    @classmethod
    def resume(cls, onEdit: Callable[[str, str], None] = lambda name, message: None) -> ContourEditor | None:
        """Return the contours that a scene file brought, or None.

        :raises LVMError: the text node that keeps them is damaged.
        """
        if ContourMemory.node() is None:
            return None
        volumeNode, segmentationNode, phases = ContourMemory().read()
        if volumeNode is None or segmentationNode is None:
            return None
        editor = cls(volumeNode, segmentationNode, onEdit)
        editor.curves.adopt()
        editor.models.adopt()
        for phase, (state, planes) in phases.items():
            editor.phases[phase] = ContourPhase(state, editor.grid)
            editor.phases[phase].keepPlanes(planes)
        editor.enterPhase()
        return editor

    def remove(self) -> None:
        """Take curves and models out of the scene; the mask stays as the contours made it."""
        self.curves.remove()
        self.models.remove()
        self.memory.remove()
        self.phases, self._shown, self._planes = {}, None, {}

    def _begin(self, phase: ContourPhase) -> None:
        self.phases[self.phase] = phase
        self.redraw()
        self._remember()

    # -- actions -------------------------------------------------------------------------------------------------------

    def act(
        self, name: str, change: Callable[[WallSurfaces], object], *, planes: dict[str, np.ndarray] | None = None
    ) -> str:
        """Do an action: one step of undo.

        :param change: takes the state and returns an `Edit` of the library, or another state.
        :param planes: short-axis planes by surface that the action set.
        :return: why it stopped short of what was asked; "" if it did not.
        :raises LVMError: the action makes no sense here; nothing is changed.
        """
        phase = self._required()
        result = change(phase.state)
        state, message = getattr(result, "surfaces", result), getattr(result, "message", "")
        phase.do(state, name, planes=planes)
        self.redraw(mask=True)
        self._remember()
        self.onEdit(name, message)
        return message

    def push(self, surface: str | None, point: np.ndarray, distanceMm: float, radiusMm: float) -> str:
        """Push a surface outwards at a point, RAS mm, or pull it inwards (below 0); None = the nearer wall."""
        from LVMLib.annotation.surfaces import push

        surface = surface or self.nearestWall(point)
        name = ("push " if distanceMm > 0 else "pull ") + surface
        return self.act(name, lambda state: push(state, surface, point, distance_mm=distanceMm, radius_mm=radiusMm))

    def smooth(self, surface: str | None, point: np.ndarray, radiusMm: float) -> str:
        """Smooth a surface about a point, RAS mm; None = the nearer wall."""
        from LVMLib.annotation.surfaces import smooth

        surface = surface or self.nearestWall(point)
        return self.act(f"smooth {surface}", lambda state: smooth(state, surface, point, radius_mm=radiusMm))

    def nearestWall(self, point: np.ndarray) -> str:
        """Return the wall that is nearer to a point, RAS mm."""
        state = self._required().state
        return min(WALLS, key=lambda surface: np.linalg.norm(state.nearest(surface, np.asarray(point, float)) - point))

    def copySlice(self, surface: str | None, sliceNode: object, distanceMm: float, towardsApex: bool) -> str:
        """Copy the contours of a short-axis view to the next slice, and go there.

        :param surface: None = both walls.
        :raises LVMError: the view shows no short axis, or the wall is not in it.
        """
        from LVMLib.annotation.surfaces import copy_slice

        here = SceneViews.planeOf(sliceNode)
        sign = 1.0 if (float(here[:3, 2] @ self.axes().axis) > 0) == towardsApex else -1.0
        there = here.copy()
        there[:3, 3] += sign * distanceMm * here[:3, 2]
        walls = WALLS if surface is None else (surface,)

        def change(state: WallSurfaces) -> Edit:
            return _inTurn(state, walls, lambda now, wall: copy_slice(now, wall, here, there, radius_mm=distanceMm))

        message = self.act("copy to the next slice", change, planes=dict.fromkeys(walls, there))
        SceneViews.shiftSlice(sliceNode, sign * distanceMm)
        return message

    def interpolate(self, surface: str | None) -> str:
        """Let the walls run smoothly between the short-axis slices that the reader edited; None = both walls.

        :raises LVMError: fewer than two slices were edited.
        """
        from LVMLib.annotation.surfaces import interpolate_between

        phase = self._required()
        walls = WALLS if surface is None else (surface,)
        planes = {wall: phase.editedPlanes(wall) for wall in walls}
        enough = [wall for wall in walls if len(planes[wall]) >= 2]
        if not enough:
            raise LVMError(
                "interpolation",
                expected="two or more short-axis slices with edited contours",
                found=str(max(len(found) for found in planes.values())),
                remedy="Correct the contour in two short-axis slices first.",
            )
        return self.act(
            "interpolate between slices",
            lambda state: _inTurn(state, enough, lambda now, wall: interpolate_between(now, wall, planes[wall])),
        )

    def copyPhase(self, source: int, scale: float | None = None) -> str:
        """Give the phase shown the shape of another one, scaled to its own size.

        :param scale: cavity radius against that of the source; None = as it is, or `ED_TO_ES` where there are no
          contours yet.
        :raises LVMError: the source has no contours.
        """
        from LVMLib.annotation.surfaces import copy_phase

        if source not in self.phases or source == self.phase:
            raise LVMError(
                f"phase {source}",
                expected="contours of another phase to copy",
                found="none" if source != self.phase else "the phase shown",
                remedy="Make the contours of the other phase first.",
            )
        origin = self.phases[source].state
        if self.current is None:
            self.make(origin)
            scale = scale or ED_TO_ES
        return self.act(f"copy from phase {source}", lambda state: copy_phase(state, origin, scale=scale))

    def lock(
        self, surface: str | None, *, plane: np.ndarray | None = None, widthMm: float = 8.0, locked: bool = True
    ) -> str:
        """Lock a wall, or both with the base (None), against every edit; or only in a short-axis slice."""
        from LVMLib.annotation.surfaces import lock

        name = ("lock " if locked else "unlock ") + (surface or "all") + ("" if plane is None else " in this slice")
        return self.act(name, lambda state: lock(state, surface, plane=plane, width_mm=widthMm, locked=locked))

    def isLocked(self, surface: str) -> bool:
        """Whether any part of a surface is locked in the phase shown."""
        return self.current is not None and surface in self.current.state.locked

    def undo(self) -> None:
        """Take the last action in the phase shown back."""
        self._step("undo", self._required().history.undo_name)

    def redo(self) -> None:
        """Do the last undone action again."""
        self._step("redo", self._required().history.redo_name)

    def _step(self, way: str, name: str | None) -> None:
        if name is not None:
            getattr(self.current, way)()
            self.redraw(mask=True)
            self._remember()
            self.onEdit(f"{way} {name}", "")

    # -- labels of others ----------------------------------------------------------------------------------------------

    def isForeign(self) -> bool:
        """Whether the segmentation holds other labels than the contours say: Segment Editor, repair, another tool."""
        phase = self.current
        return phase is not None and not np.array_equal(
            ForeignMask(self.segmentationNode, self.grid).labels, phase.expected()
        )

    def takeLabels(self) -> Fit:
        """Make the contours follow the labels where another tool edited the segmentation; its labels stay as they are.

        :return: with the error of the fit.
        :raises LabelError: the labels are no left ventricle; the contours stay.
        """
        from LVMLib.annotation.surfaces import fit_labels

        phase = self._required()
        foreign = ForeignMask(self.segmentationNode, self.grid)
        fit = fit_labels(foreign.labels, self.grid, before=phase.state)
        phase.fit = fit
        phase.spoil()
        phase.do(fit.surfaces, "labels of another tool", foreign=foreign)
        self.redraw()
        self._remember()
        self.onEdit("labels of another tool", "")
        return fit

    # -- drawing -------------------------------------------------------------------------------------------------------

    def enterPhase(self, *, turnViews: bool = False) -> None:
        """Show the contours of the phase that the views show now.

        :param turnViews: turn the views to the axes of that phase.
        """
        before = self.current
        if self.browserNode is not None:
            slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(self.browserNode)
        self.phase = self.phaseShown()
        if turnViews and before is not None and self.current is not None:
            SceneViews.followAxes(before.state.axes, self.current.state.axes)
        self.redraw()

    def redraw(self, state: WallSurfaces | None = None, *, grip: tuple | None = None, mask: bool = False) -> None:
        """Let curves and models show a state; only what changed is drawn.

        :param state: of a drag that still goes on; None = the current one.
        :param grip: see `ContourCurves.show`.
        :param mask: the segmentation too. Only an action writes into it: another tool may be at work there.
        """
        phase = self.current
        with slicer.util.RenderBlocker(), self._drawing():
            if phase is None:
                self.curves.hide()
                self.models.hide()
                self._shown, self._planes = None, {}
                return
            state = state or phase.state
            for sliceNode in SceneViews.contourViews():
                self._drawCurves(state, sliceNode, grip)
            if state is not self._shown or len(self.models.nodes) < len(WALLS):
                self.models.follow(state)
            if mask:
                phase.showMask(self.segmentationNode, state)
            self._shown = state

    def _drawCurves(self, state: WallSurfaces, sliceNode: object, grip: tuple | None) -> None:
        from LVMLib.annotation.surfaces import contours

        plane, view = SceneViews.planeOf(sliceNode), sliceNode.GetLayoutName()
        drawn = state, plane.tobytes(), self.curves.count(view)
        if grip is None and self._planes.get(view) == drawn:
            return
        self.curves.show(contours(state, plane), sliceNode, grip=grip)
        self._planes[view] = state, plane.tobytes(), self.curves.count(view)

    @contextmanager
    def _drawing(self):
        """Changes of nodes meanwhile are our own, not the reader's."""
        before, self.drawing = self.drawing, True
        try:
            yield
        finally:
            self.drawing = before

    def _remember(self) -> None:
        with self._drawing():
            self.memory.write(self.volumeNode, self.segmentationNode, self.phases)

    def _required(self) -> ContourPhase:
        if self.current is None:
            raise LVMError(
                f"phase {self.phase}",
                expected="contours",
                found="none",
                remedy="Make the contours of this phase first.",
            )
        return self.current


def _inTurn(state: WallSurfaces, surfaces: tuple, edit: Callable) -> Edit:
    """Edit one surface after the other; return the last edit with what any of them had to say."""
    messages = []
    for surface in surfaces:
        result = edit(state, surface)
        state = result.surfaces
        messages.append(result.message)
    return type(result)(state, not any(messages), " ".join(message for message in messages if message))
