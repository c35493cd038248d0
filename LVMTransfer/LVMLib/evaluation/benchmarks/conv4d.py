"""4D convolution beside the loop over frames."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from ...network import Conv4d, conv4d_loop
from . import Row

_REPEATS = 5


def run(*, shape: tuple[int, int, int, int] = (16, 16, 48, 48)) -> list[Row]:
    """Measure 8 → 8 channels on ``shape`` (T, Z, Y, X), forward and with gradients, single precision."""
    torch.manual_seed(0)
    conv = Conv4d(8, 8)
    x = torch.randn(1, 8, *shape, requires_grad=True)
    inputs = (x, conv.weight, conv.bias)

    def loop() -> torch.Tensor:
        return conv4d_loop(x, conv.weight, conv.bias)

    with torch.no_grad():
        forward, forward_loop = _medians(lambda: conv(x), loop)
        difference = float((conv(x) - loop()).abs().max())
    toward = torch.randn_like(conv(x))
    both, both_loop = _medians(
        lambda: torch.autograd.grad(conv(x), inputs, toward), lambda: torch.autograd.grad(loop(), inputs, toward)
    )
    gradients = zip(
        torch.autograd.grad(conv(x), inputs, toward), torch.autograd.grad(loop(), inputs, toward), strict=True
    )
    # Sums over a million voxels: relative to the largest entry.
    relative = max(float((a - b).abs().max() / b.abs().max()) for a, b in gradients)
    return [
        Row.at_most(
            "4D convolution, forward", forward * 1e3, "ms", peer="loop over frames", peer_value=forward_loop * 1e3
        ),
        Row.at_most(
            "4D convolution, with gradients", both * 1e3, "ms", peer="loop over frames", peer_value=both_loop * 1e3
        ),
        Row.at_least("4D convolution, with gradients: times faster", both_loop / both, "x", goal=5.0),
        Row.at_most("4D convolution, largest difference", difference, "", goal=1e-4),
        Row.at_most("4D convolution, largest relative difference of a gradient", relative, "", goal=1e-4),
    ]


def _medians(*works: Callable[[], object]) -> list[float]:
    """Return the median seconds of each, measured in turns after one warm-up."""
    times: list[list[float]] = [[] for _ in works]
    for turn in range(_REPEATS + 1):
        for work, record in zip(works, times):
            start = time.perf_counter()
            work()
            if turn:
                record.append(time.perf_counter() - start)
    return [statistics.median(record) for record in times]
