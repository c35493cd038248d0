"""Work on several crops or cases at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """Threads that each compute on one CPU core, and never wait for each other within an item.

    Two threads on two crops need half the time of two threads on one crop after the other where other programs use the
    machine, too: torch's own threads meet after every operation, and the slowest of them sets the pace (measured with
    two busy cores: 0.5 against 3 seconds a crop).

    Parameters
    ----------
    count : int or None
        Threads; 0 = one per core, None = work in the calling thread with torch's own threads (for a GPU).
    """

    def __init__(self, count: int | None = 0) -> None:
        self._pool = None
        if count is not None:
            self._pool = ThreadPoolExecutor(count or _cores(), "lvm", initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: object) -> None:
        """Wait until nothing is at work any more, also after an error: what was begun is finished, the rest left."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Return the results in the order of the items; the first error is raised."""
        return map(work, items) if self._pool is None else self._pool.map(work, items)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
