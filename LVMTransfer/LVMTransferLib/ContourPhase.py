"""The contours of one phase: its states with undo and redo, and the mask that belongs to each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ContourMask import ForeignMask, SurfaceMask, isAttached

if TYPE_CHECKING:
    from LVMLib.annotation.surfaces import Fit, WallSurfaces
    from LVMLib.grid import Grid


class ContourPhase:
    """What the reader did in one phase.

    Labels that did not come from the surfaces stay in the segmentation as they are until the next edit of a contour,
    and an undo of that edit brings them back, voxel by voxel.

    :param foreign: the labels that the surfaces were made from; None = the surfaces' own.
    :param fit: how well the surfaces show those labels.
    """

    def __init__(
        self, state: WallSurfaces, grid: Grid, *, foreign: ForeignMask | None = None, fit: Fit | None = None
    ) -> None:
        from LVMLib.annotation.surfaces import History

        self.history, self.mask, self.fit = History(state), SurfaceMask(state, grid), fit
        self._foreign = {} if foreign is None else {0: foreign}
        self._planes: dict[int, dict[str, np.ndarray]] = {}
        self._shown: object = foreign
        self._depth = 0

    @property
    def state(self) -> WallSurfaces:
        """The state after the last action."""
        return self.history.current

    @property
    def changed(self) -> bool:
        """Whether there is an action to undo."""
        return self.history.undo_name is not None

    def do(
        self,
        state: WallSurfaces,
        name: str,
        *,
        planes: dict[str, np.ndarray] | None = None,
        foreign: ForeignMask | None = None,
    ) -> None:
        """Make the result of an action the current state.

        :param planes: short-axis planes (4, 4) by surface in which the reader set a contour.
        :param foreign: the labels that the state was made from.
        """
        self.history.do(state, name)
        self._depth += 1
        for kept in (self._foreign, self._planes):
            for depth in [depth for depth in kept if depth >= self._depth]:
                del kept[depth]
        if planes:
            self._planes[self._depth] = planes
        if foreign is not None:
            self._foreign[self._depth] = self._shown = foreign

    def undo(self) -> None:
        """Take the last action back."""
        if self.history.undo_name is not None:
            self.history.undo()
            self._depth -= 1

    def redo(self) -> None:
        """Do the last undone action again."""
        if self.history.redo_name is not None:
            self.history.redo()
            self._depth += 1

    def editedPlanes(self, surface: str) -> list[np.ndarray]:
        """Return the short-axis planes (4, 4) in which the reader has set contours of a surface."""
        done = [planes for depth, planes in sorted(self._planes.items()) if depth <= self._depth]
        return [planes[surface] for planes in done if surface in planes]

    def keepPlanes(self, planes: list[dict[str, np.ndarray]]) -> None:
        """Take the planes that a scene file brought; they came before the first action that can be undone."""
        self._planes = {number - len(planes): one for number, one in enumerate(planes)}

    def allPlanes(self) -> list[dict[str, np.ndarray]]:
        """Return the planes of all actions that stand, in order."""
        return [planes for depth, planes in sorted(self._planes.items()) if depth <= self._depth]

    def showMask(self, segmentationNode: object, state: WallSurfaces) -> None:
        """Let the segmentation show the labels of a state.

        :param state: the current one, or one of a drag that still goes on.
        """
        foreign = self._foreign.get(self._depth) if state is self.state else None
        if foreign is not None:
            if self._shown is not foreign:
                foreign.attach(segmentationNode)
        else:
            self.mask.follow(state)
            if self._shown is not self.mask or not isAttached(segmentationNode, self.mask.image):
                self.mask.attach(segmentationNode)
        self._shown = foreign or self.mask

    def spoil(self) -> None:
        """Another tool has changed the segmentation: what was put there is no longer sure to be there."""
        self.mask.spoil()
        self._shown = None

    def expected(self) -> np.ndarray:
        """Return the labels ``(Z, Y, X)`` on the grid of the CT that the segmentation should hold."""
        return self._foreign.get(self._depth, self.mask).labels
