"""Undo and redo: every state comes back to the bit, and each step keeps only what it changed."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .state import Pin, WallSurfaces


@dataclass(frozen=True, eq=False)
class _Patch:
    """A rectangle of control points before and after an edit."""

    place: tuple[slice, ...]
    before: np.ndarray
    after: np.ndarray


@dataclass(frozen=True, eq=False)
class _Step:
    name: str
    patches: Mapping[str, _Patch]
    pins: tuple[tuple[Pin, ...], tuple[Pin, ...]]
    locked: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
    whole: tuple[WallSurfaces, WallSurfaces] | None = None


class History:
    """The states of one phase, in the order of the reader's actions.

    Parameters
    ----------
    state : WallSurfaces
        Where it begins.
    limit : int
        How many actions can be undone; the oldest are forgotten first.
    """

    def __init__(self, state: WallSurfaces, *, limit: int = 20_000) -> None:
        self._state = state
        self._done: deque[_Step] = deque(maxlen=limit)
        self._undone: list[_Step] = []

    @property
    def current(self) -> WallSurfaces:
        """The state now."""
        return self._state

    @property
    def undo_name(self) -> str | None:
        """Name of the action that `undo` takes back; None = nothing to undo."""
        return self._done[-1].name if self._done else None

    @property
    def redo_name(self) -> str | None:
        """Name of the action that `redo` does again; None = nothing to redo."""
        return self._undone[-1].name if self._undone else None

    def do(self, state: WallSurfaces, name: str) -> WallSurfaces:
        """Make ``state``, the result of an action, the current one, and return it.

        A state in another frame (from labels anew) is kept whole.
        """
        old = self._state
        same = state.frame is old.frame
        patches = _patches(old, state) if same else {}
        whole = None if same else (old, state)
        self._done.append(_Step(name, patches, (old.pins, state.pins), (old.locked, state.locked), whole))
        self._undone.clear()
        self._state = state
        return state

    def undo(self) -> WallSurfaces:
        """Take the last action back; return the state, the current one if there is nothing to undo."""
        if self._done:
            step = self._done.pop()
            self._undone.append(step)
            self._state = _applied(self._state, step, 0)
        return self._state

    def redo(self) -> WallSurfaces:
        """Do the last undone action again; return the state, the current one if there is none."""
        if self._undone:
            step = self._undone.pop()
            self._done.append(step)
            self._state = _applied(self._state, step, 1)
        return self._state

    @property
    def nbytes(self) -> int:
        """Memory of the control points that are kept for undo and redo, bytes."""
        steps = [*self._done, *self._undone]
        return sum(p.before.nbytes + p.after.nbytes for step in steps for p in step.patches.values())


def _patches(old: WallSurfaces, new: WallSurfaces) -> dict[str, _Patch]:
    found = {}
    for part, after in new.control.items():
        before = old.control[part]
        if after is before:
            continue
        where = np.argwhere(after != before)
        if len(where):
            place = tuple(slice(int(a), int(b) + 1) for a, b in zip(where.min(axis=0), where.max(axis=0)))
            found[part] = _Patch(place, before[place].copy(), after[place].copy())
    return found


def _applied(state: WallSurfaces, step: _Step, side: int) -> WallSurfaces:
    if step.whole is not None:
        return step.whole[side]
    control = dict(state.control)
    for part, patch in step.patches.items():
        control[part] = np.array(control[part])
        control[part][patch.place] = patch.after if side else patch.before
    return replace(state, control=control, pins=step.pins[side], locked=step.locked[side])
