"""Several GPUs: one process each, started by ``torchrun``; a single process is the case of one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed

from ..config import FinetuneConfig

# The others wait while the first process prepares the cases and validates.
_PATIENCE = timedelta(hours=6)


class Ranks:
    """The processes that train together.

    The first one decides (learning rate, stop, validation, what is written); the others follow.

    Attributes
    ----------
    rank, count : int
        Number of this process, and how many there are.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes and reports."""
        return self.rank == 0

    def agree(self, values: Sequence[float]) -> list[float]:
        """Return the first process's values in every process."""
        if self.count == 1:
            return list(values)
        told = [list(values)]
        distributed.broadcast_object_list(told, src=0)
        return told[0]

    def average(self, gradients: list[Tensor]) -> None:
        """Replace each tensor by its mean over the processes."""
        if self.count == 1:
            return
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.count > 1:
            distributed.barrier()


@contextmanager
def training_together(config: FinetuneConfig) -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started; without it, train alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    on_gpu = torch.cuda.is_available() and (config.device or "cuda").startswith("cuda")
    if on_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def own_device(config: FinetuneConfig) -> str | None:
    """Return the device of this process: under ``torchrun`` each takes the GPU of its number."""
    local = os.environ.get("LOCAL_RANK")
    if local is None or not torch.cuda.is_available() or not (config.device or "cuda").startswith("cuda"):
        return config.device
    return f"cuda:{local}"
