"""Training beside the same network written plainly with MONAI and torch, and memory against the number of cases."""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ...grid import Grid
from ...learning import FinetuneConfig, Normalisation
from ...learning.device import choose_device
from ...learning.samples.cache import CachedPair, cache_pairs
from ...learning.samples.crops import Sampler
from ...learning.training.ranks import Ranks
from ...learning.training.step import Place, StepTaker
from ...learning.workers import Workers
from ...network import build_network
from . import Row
from .training_memory import run_apart
from .training_peer import PlainCNN4d, plain_step

_REPEATS, _WARM_UP = 9, 2
_PHASES, _BATCH = 4, 2
_FEW, _MANY, _STEPS = 10, 95, 50


def run() -> list[Row]:
    """Measure training steps with their crops, and the peak memory of short runs with 10 and with 95 cases."""
    return [*step_rows(), *memory_rows()]


def step_rows(*, side: int = 32, volume: int = 72, repeats: int = _REPEATS) -> list[Row]:
    """Measure a step: two augmented crops of four phases, sparse Dice on the labelled one, gradients, Adam.

    The peer is the plain way in torch's own memory layout; a row without a goal has it with the channels last. All take
    turns, and the times faster are medians of the turns' ratios, so that a busy machine disturbs both.

    Parameters
    ----------
    side, volume : int
        Sides of the crops and of the four cases, voxels.
    repeats : int
        Turns, after the warm-up.
    """
    torch.manual_seed(0)
    device = choose_device()
    ours = build_network("cnn4d").to(device.name)
    plain = PlainCNN4d(copy.deepcopy(ours))
    image = torch.randn(1, 1, _PHASES, side, side, side, device=device.name)
    with torch.no_grad():
        difference = float((ours(image) - plain(image)).abs().max() / plain(image).abs().max())
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        cases = _cases(Path(folder), 4, volume)
        times = _in_turns(repeats, {
            "ours": _our_step(copy.deepcopy(ours), cases, side=side, precision="auto"),
            "single": _our_step(copy.deepcopy(ours), cases, side=side, precision="fp32"),
            "plain": plain_step(plain, cases, device.name, side=side, batch=_BATCH),
            "last": plain_step(
                PlainCNN4d(copy.deepcopy(ours), channels_last=True), cases, device.name, side=side, batch=_BATCH
            ),
        })  # fmt: skip
    median = {name: statistics.median(values) * 1e3 for name, values in times.items()}
    peer = {"peer": "MONAI CacheDataset, plain torch", "peer_value": median["plain"]}
    return [
        Row.at_most("training step with its crops", median["ours"], "ms", **peer),
        Row.at_most("training step with its crops, single precision", median["single"], "ms", **peer),
        Row.at_least("training step with its crops: times faster", _ratio(times, "ours"), "x", goal=2.0),
        Row.at_least(
            "training step with its crops: times faster than the plain way with channels last",
            _ratio(times, "ours", peer="last"),
            "x",
        ),
        Row.at_least("training step with its crops, single precision: times faster", _ratio(times, "single"), "x"),
        Row.at_most("largest relative difference of the logits, single precision", difference, "", goal=1e-3),
    ]


def memory_rows(*, few: int = _FEW, many: int = _MANY, volume: int = 72, steps: int = _STEPS) -> list[Row]:
    """Measure the peak memory of a process that trains on few and on many cases."""
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        _cases(Path(folder), many, volume)
        less, more = (run_apart("training_memory", folder, count, steps)["mib"] for count in (few, many))
    growth = max(more / less - 1, 0.0) * 100
    return [
        Row.at_most(f"peak memory of training on {many} cases", more, "MiB", peer=f"{few} cases", peer_value=less),
        Row.at_most(f"peak memory: growth from {few} to {many} cases", growth, "%", goal=5.0),
    ]


def _in_turns(repeats: int, works: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Return the seconds of each work in every turn after the warm-up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + _WARM_UP):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn >= _WARM_UP:
                times[name].append(time.perf_counter() - start)
    return times


def _ratio(times: dict[str, list[float]], name: str, *, peer: str = "plain") -> float:
    return statistics.median(plain / ours for ours, plain in zip(times[name], times[peer]))


def _our_step(network: nn.Module, cases: list[CachedPair], *, side: int, precision: str) -> Callable[[], object]:
    # Sampler makes the sides of a crop of four phases shorter by 4^(-1/3).
    crop = (round(side * _PHASES ** (1 / 3)),) * 3
    config = FinetuneConfig(batch=_BATCH, crop=crop, windows={_PHASES: 1.0}, precision=precision)
    device = choose_device(precision=precision)
    workers = Workers(None if device.is_gpu else 0)
    sampler = Sampler(cases, config, Normalisation(), device=device.name)
    steps = StepTaker(
        network, sampler, config, device=device, workers=workers, ranks=Ranks(), from_source=True
    )  # fmt: skip
    numbers = iter(range(1000))
    return lambda: steps.take(Place(step=next(numbers), fraction=0.0, rate=1e-4, shrink=1.0))


def _cases(folder: Path, count: int, volume: int) -> list[CachedPair]:
    """Return cached cases of a bright ball in a wall, labelled at the first phase."""
    from ...cohort import write_pair

    z, y, x = np.mgrid[:volume, :volume, :volume] - volume / 2
    radius = np.sqrt(z**2 + y**2 + x**2)
    labels = np.where(radius < volume / 6, 1, np.where(radius < volume / 4, 2, 0)).astype(np.uint8)
    hu = np.choose(labels, [-80, 420, 110]).astype(np.int16)
    grid = Grid(hu.shape, np.diag([-2.0, -2.0, 2.0, 1.0]))
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(count):
        image = np.stack([hu + rng.integers(-40, 40, hu.shape, dtype=np.int16) for _ in range(_PHASES)])
        pairs.append(write_pair(
            folder / "pairs", f"ball-{number}", image, {0: labels}, grid, phases=_PHASES, phantom=True, site="bench"
        ))  # fmt: skip
    return cache_pairs(pairs, 2.0, folder / "cache")
