"""Work that follows changes of the scene, done once for many of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import qt

# Below what an eye sees as delay, above what a slider sends in one drag.
MILLISECONDS = 40


class Later:
    """Calls a function once, a moment after the first of many requests: a slider that moves asks many times."""

    def __init__(self, call: Callable[[], None], milliseconds: int = MILLISECONDS) -> None:
        self._call, self._milliseconds, self.waiting = call, milliseconds, False

    def request(self, caller: object = None, event: object = None) -> None:
        """Ask for the call; can be given to a node as its observer."""
        if not self.waiting:
            self.waiting = True
            qt.QTimer.singleShot(self._milliseconds, self._due)

    def now(self) -> None:
        """Call at once."""
        self.waiting = False
        self._call()

    def drop(self) -> None:
        """Forget what was asked for."""
        self.waiting = False

    def _due(self) -> None:
        if self.waiting:
            self.now()


class Settled(Later):
    """As :class:`Later`, but calls only when no request came for as long: a drag is one edit, and ends before."""

    _last = 0.0

    def request(self, caller: object = None, event: object = None) -> None:
        """Ask for the call, and put it off if it was asked for already."""
        self._last = time.monotonic()
        super().request(caller, event)

    def _due(self) -> None:
        left = round(self._milliseconds - 1000 * (time.monotonic() - self._last))
        if self.waiting and left > 0:
            qt.QTimer.singleShot(left, self._due)
        else:
            super()._due()


class Watch:
    """Calls a function, as :class:`Later` does, when one of some nodes announces a change.

    :param later: how it is called; None = a moment after the first change.
    """

    def __init__(self, call: Callable[[], None], later: Later | None = None) -> None:
        self.later, self._observed = later or Later(call), []

    def follow(self, *watched: tuple[object, Sequence[int]]) -> None:
        """Watch these (node, events) from now on, and no others; a node may be None."""
        wanted = [(node, event) for node, events in watched if node is not None for event in events]
        if wanted == [(node, event) for node, event, _ in self._observed]:
            return
        self.release()
        self._observed = [(node, event, node.AddObserver(event, self.later.request)) for node, event in wanted]

    def release(self) -> None:
        """Watch nothing, and forget what was asked for."""
        for node, _event, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        self.later.drop()
