"""The peer of our training: the same network written plainly in torch, and MONAI's cached, cropped, augmented cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...learning import Normalisation, sparse_dice_loss
from ...learning.samples.cache import CachedPair
from ...network import CNN4d, Conv4d, conv4d_loop
from ...network.norm import GroupNormReLU


class PlainCNN4d(nn.Module):
    """A `CNN4d` over ``(B, C, T, Z, Y, X)`` with a loop over frames and torch's own group norm.

    Parameters
    ----------
    network : CNN4d
        Whose weights it uses.
    channels_last : bool
        Lay every result out with the channels last in memory, which torch's convolutions are faster on; not the default
        of torch.
    """

    def __init__(self, network: CNN4d, *, channels_last: bool = False) -> None:
        super().__init__()
        self.network, self.channels_last = network, channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Map an image ``(B, 1, T, Z, Y, X)`` to the logits of all phases."""
        network, skips = self.network, []
        x = self._level(network.encoder[0], self._convolution(network.stem, x))
        for down, level in zip(network.down, network.encoder[1:]):
            skips.append(x)
            x = self._level(level, self._convolution(down, x))
        for up, level, skip in reversed(list(zip(network.up, network.decoder, skips))):
            x = self._level(level, skip + _doubled(_each_frame(up, x), skip.shape))
        return _each_frame(network.head, x)

    def _level(self, blocks: nn.ModuleList, x: Tensor) -> Tensor:
        for block in blocks:
            inside = self._convolution(block.conv1, self._norm(block.norm1, x))
            x = x + self._convolution(block.conv2, self._norm(block.norm2, inside))
        return x

    def _convolution(self, conv: Conv4d, x: Tensor) -> Tensor:
        return self._laid(conv4d_loop(x, conv.weight, conv.bias, stride=conv.stride, cyclic=conv.cyclic))

    def _norm(self, norm: GroupNormReLU, x: Tensor) -> Tensor:
        return self._laid(F.relu(F.group_norm(x, norm.groups, norm.weight, norm.bias, norm.epsilon)))

    def _laid(self, x: Tensor) -> Tensor:
        return x.movedim(1, -1).contiguous().movedim(-1, 1) if self.channels_last else x


def plain_step(
    network: nn.Module, cases: list[CachedPair], device: str, *, side: int, batch: int
) -> Callable[[], None]:
    """Return what takes one training step plainly: cached cases, cropped and augmented by MONAI, torch's Adam."""
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    batches = _batches(cases, side=side, batch=batch)

    def work() -> None:
        found = next(batches)
        image, labels = found["image"].to(device)[:, None], found["label"].to(device)
        optimiser.zero_grad()
        sparse_dice_loss(network(image), labels, [0]).backward()
        optimiser.step()
        if image.is_cuda:
            torch.cuda.synchronize()

    return work


def _batches(cases: list[CachedPair], *, side: int, batch: int) -> Iterator[dict[str, Tensor]]:
    """Yield batches of crops of all phases, for ever; the phases are MONAI's channels."""
    from monai import transforms as t
    from monai.data import CacheDataset, DataLoader

    both, modes, normalise = ["image", "label"], ("bilinear", "nearest"), Normalisation()
    items = [
        {"image": normalise(case.image.astype(np.float32)), "label": np.array(case.mask[:1]).astype(np.float32)}
        for case in cases
    ]
    chain = t.Compose([
        t.EnsureTyped(both),
        t.RandCropByPosNegLabeld(both, "label", (side,) * 3, pos=9, neg=1, num_samples=1),
        t.RandAffined(both, prob=0.75, rotate_range=0.35, scale_range=0.2, mode=modes, padding_mode="border"),
        t.RandScaleIntensityd("image", 0.12, prob=0.5),
        t.RandGaussianSmoothd("image", prob=0.35),
        t.RandGaussianNoised("image", prob=0.5, std=0.2),
    ])  # fmt: skip
    loader = DataLoader(CacheDataset(items, chain, progress=False), batch_size=batch, shuffle=True)
    while True:
        yield from loader


def _each_frame(work: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return work(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (x.shape[0], -1)).transpose(1, 2)


def _doubled(x: Tensor, shape: Sequence[int]) -> Tensor:
    doubled = _each_frame(lambda frames: F.interpolate(frames, scale_factor=2, mode="nearest"), x)
    phases, *size = shape[2:]
    return doubled.repeat_interleave(2, dim=2)[:, :, :phases, : size[0], : size[1], : size[2]]
