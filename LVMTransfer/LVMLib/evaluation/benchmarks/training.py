"""A training step beside the same network written plainly."""

from __future__ import annotations

import copy
import statistics
import time

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...learning import sparse_dice_loss
from ...learning.device import choose_device
from ...network import Conv4d, build_network, conv4d_loop
from ...network.conv4d import from_frames, to_frames
from ...network.norm import GroupNormReLU
from . import Row

_REPEATS = 5
_PHASES, _SIDE = 4, 32


class _PlainConvolution(nn.Module):
    """Loop over frames and temporal taps."""

    def __init__(self, conv: Conv4d) -> None:
        super().__init__()
        self.conv = conv

    def frames(self, frames: Tensor, batch: int) -> Tensor:
        """Convolve frames as `Conv4d` does."""
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
    """Measure one step (forward, sparse Dice on one of 4 phases, gradients, Adam) on a crop of 32³ voxels."""
    torch.manual_seed(0)
    device = choose_device()
    ours = build_network("cnn4d").to(device.name)
    plain = _plainly(copy.deepcopy(ours))
    image = torch.randn(1, 1, _PHASES, _SIDE, _SIDE, _SIDE, device=device.name)
    labels = torch.randint(0, 3, (1, 1, _SIDE, _SIDE, _SIDE), device=device.name)
    with torch.no_grad():
        difference = float((ours(image) - plain(image)).abs().max() / plain(image).abs().max())
    times: dict[str, list[float]] = {"ours": [], "single": [], "plain": []}
    steps = {"ours": (ours, device.autocast), "single": (copy.deepcopy(ours), None), "plain": (plain, None)}
    optimisers = {name: torch.optim.Adam(network.parameters(), lr=1e-4) for name, (network, _) in steps.items()}
    for turn in range(_REPEATS + 1):
        for name, (network, autocast) in steps.items():
            start = time.perf_counter()
            _step(network, autocast, optimisers[name], image, labels)
            if turn:
                times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(values) for name, values in times.items()}
    peer = {"peer": "the same network, plain torch", "peer_value": median["plain"] * 1e3}
    return [
        Row.at_most("training step", median["ours"] * 1e3, "ms", **peer),
        Row.at_most("training step, single precision", median["single"] * 1e3, "ms", **peer),
        Row.at_least("training step: times faster", median["plain"] / median["ours"], "x", goal=2.0),
        Row.at_most("largest relative difference of the logits, single precision", difference, "", goal=1e-3),
    ]


def _step(network: nn.Module, autocast, optimiser: torch.optim.Optimizer, image: Tensor, labels: Tensor) -> None:
    optimiser.zero_grad()
    if autocast is None:
        logits = network(image)
    else:
        with autocast():
            logits = network(image)
    sparse_dice_loss(logits, labels, [1]).backward()
    optimiser.step()
    if image.is_cuda:
        torch.cuda.synchronize()


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
