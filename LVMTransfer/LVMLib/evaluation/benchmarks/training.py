"""Training beside the same network written plainly with MONAI and torch, and memory against the number of cases."""

from __future__ import annotations

import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...grid import Grid
from ...learning import FinetuneConfig, Normalisation, sparse_dice_loss
from ...learning.device import choose_device
from ...learning.samples.cache import CachedPair, cache_pairs
from ...learning.samples.crops import Sampler
from ...learning.training.ranks import Ranks
from ...learning.training.step import Place, StepTaker
from ...learning.workers import Workers
from ...network import Conv4d, build_network, conv4d_loop
from ...network.conv4d import from_frames, to_frames
from ...network.norm import GroupNormReLU
from . import Row

_REPEATS, _WARM_UP = 5, 2
_PHASES, _SIDE, _VOLUME, _CASES = 4, 32, 72, 4
# Sampler makes the sides of a crop of four phases shorter by 4^(-1/3).
_CROP = round(_SIDE * _PHASES ** (1 / 3))
_FEW, _MANY = 10, 95


class _PlainConvolution(nn.Module):
    """Loop over frames and temporal taps."""

    def __init__(self, conv: Conv4d) -> None:
        super().__init__()
        self.conv = conv

    def frames(self, frames: Tensor, batch: int, phases: None = None) -> Tensor:
        """Convolve frames as `Conv4d` does, all phases of them."""
        x = from_frames(frames, batch)
        return to_frames(conv4d_loop(x, self.conv.weight, self.conv.bias, stride=self.conv.stride))


class _PlainNorm(nn.Module):
    """torch's group norm, then its ReLU."""

    def __init__(self, norm: GroupNormReLU) -> None:
        super().__init__()
        self.norm = norm

    def frames(self, frames: Tensor, batch: int) -> Tensor:
        """Normalise frames as `GroupNormReLU` does."""
        x = from_frames(frames, batch)
        return to_frames(F.relu(F.group_norm(x, self.norm.groups, self.norm.weight, self.norm.bias, self.norm.epsilon)))


def run() -> list[Row]:
    """Measure training steps with their crops, and the peak memory of short runs with 10 and with 95 cases."""
    return [*_steps(), *_memory()]


def _steps() -> list[Row]:
    """Measure a step: two augmented crops of 4 phases of 32³ voxels, sparse Dice on one phase, gradients, Adam."""
    torch.manual_seed(0)
    device = choose_device()
    ours = build_network("cnn4d").to(device.name)
    plain = _plainly(copy.deepcopy(ours))
    image = torch.randn(1, 1, _PHASES, _SIDE, _SIDE, _SIDE, device=device.name)
    with torch.no_grad():
        difference = float((ours(image) - plain(image)).abs().max() / plain(image).abs().max())
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        cases = _cases(Path(folder), _CASES)
        works = {
            "ours": _our_step(copy.deepcopy(ours), cases, precision="auto"),
            "single": _our_step(copy.deepcopy(ours), cases, precision="fp32"),
            "plain": _plain_step(plain, cases, device.name),
        }
        times: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(_REPEATS + _WARM_UP):
            for name, work in works.items():
                start = time.perf_counter()
                work()
                if turn >= _WARM_UP:
                    times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    peer = {"peer": "MONAI CacheDataset, plain torch", "peer_value": median["plain"] * 1e3}
    return [
        Row.at_most("training step with its crops", median["ours"] * 1e3, "ms", **peer),
        Row.at_most("training step with its crops, single precision", median["single"] * 1e3, "ms", **peer),
        Row.at_least("training step with its crops: times faster", median["plain"] / median["ours"], "x", goal=2.0),
        Row.at_most("largest relative difference of the logits, single precision", difference, "", goal=1e-3),
    ]


def _our_step(network: nn.Module, cases: list[CachedPair], *, precision: str) -> Callable[[], object]:
    config = FinetuneConfig(batch=2, crop=(_CROP,) * 3, windows={_PHASES: 1.0}, precision=precision)
    device = choose_device(precision=precision)
    workers = Workers(None if device.is_gpu else 0)
    sampler = Sampler(cases, config, Normalisation(), device=device.name)
    steps = StepTaker(
        network, sampler, config, device=device, workers=workers, ranks=Ranks(), from_source=True
    )  # fmt: skip
    numbers = iter(range(1000))
    return lambda: steps.take(Place(step=next(numbers), fraction=0.0, rate=1e-4, shrink=1.0))


def _plain_step(network: nn.Module, cases: list[CachedPair], device: str) -> Callable[[], object]:
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    batches = _plain_batches(cases)

    def work() -> None:
        batch = next(batches)
        image, labels = batch["image"].to(device)[:, None], batch["label"].to(device)
        optimiser.zero_grad()
        sparse_dice_loss(network(image), labels, [0]).backward()
        optimiser.step()
        if image.is_cuda:
            torch.cuda.synchronize()

    return work


def _plain_batches(cases: list[CachedPair]) -> Iterator[dict[str, Tensor]]:
    """Yield batches of two crops of all phases, cached, cropped and augmented by MONAI."""
    from monai import transforms as t
    from monai.data import CacheDataset, DataLoader

    both, modes = ["image", "label"], ("bilinear", "nearest")
    normalise = Normalisation()
    items = [
        {"image": normalise(case.image.astype(np.float32)), "label": np.array(case.mask[:1]).astype(np.float32)}
        for case in cases
    ]
    side = (_SIDE,) * 3
    chain = t.Compose([
        t.EnsureTyped(both),
        t.RandCropByPosNegLabeld(both, "label", side, pos=9, neg=1, num_samples=1),
        t.RandAffined(both, prob=0.75, rotate_range=0.35, scale_range=0.2, mode=modes, padding_mode="border"),
        t.RandScaleIntensityd("image", 0.12, prob=0.5),
        t.RandGaussianSmoothd("image", prob=0.35),
        t.RandGaussianNoised("image", prob=0.5, std=0.2),
    ])  # fmt: skip
    loader = DataLoader(CacheDataset(items, chain, progress=False), batch_size=2, shuffle=True)
    while True:
        yield from loader


def _memory() -> list[Row]:
    """Measure the peak memory of a process that trains on few and on many cases."""
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        _cases(Path(folder), _MANY)
        few, many = (_peak_mib(Path(folder), count) for count in (_FEW, _MANY))
    return [
        Row.at_most(f"peak memory of training on {_MANY} cases", many, "MiB", peer=f"{_FEW} cases", peer_value=few),
        Row.at_most("peak memory: growth from 10 to 95 cases", max(many / few - 1, 0.0) * 100, "%", goal=5.0),
    ]


def _peak_mib(folder: Path, count: int) -> float:
    library = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "LVMLib.evaluation.benchmarks.training_memory", str(folder), str(count)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)["mib"]


def _cases(folder: Path, count: int) -> list[CachedPair]:
    """Return cached cases of a bright ball in a wall, labelled at the first phase."""
    from ...cohort import write_pair

    z, y, x = np.mgrid[:_VOLUME, :_VOLUME, :_VOLUME] - _VOLUME / 2
    radius = np.sqrt(z**2 + y**2 + x**2)
    labels = np.where(radius < 12, 1, np.where(radius < 18, 2, 0)).astype(np.uint8)
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


def _plainly(network: nn.Module) -> nn.Module:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Conv4d):
                setattr(module, name, _PlainConvolution(child))
            elif isinstance(child, GroupNormReLU):
                setattr(module, name, _PlainNorm(child))
    for module in network.modules():
        if isinstance(module, nn.ModuleList):
            for index, child in enumerate(module):
                if isinstance(child, Conv4d):
                    module[index] = _PlainConvolution(child)
    return network
