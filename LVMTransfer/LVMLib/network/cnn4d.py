"""The 4D convolutional network of Myronenko et al. 2019 (arXiv:1906.07295, Table 1)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .conv3d import Conv3dFrames, chosen_frames
from .conv4d import Conv4d, from_frames, to_frames
from .norm import GroupNormReLU


class Block(nn.Module):
    """GroupNorm, ReLU, Conv, GroupNorm, ReLU, Conv, plus identity."""

    def __init__(self, channels: int, *, conv, groups: int) -> None:
        super().__init__()
        self.norm1 = GroupNormReLU(channels, groups=groups)
        self.conv1 = conv(channels, channels)
        self.norm2 = GroupNormReLU(channels, groups=groups)
        self.conv2 = conv(channels, channels)

    def frames(self, frames: Tensor, batch: int, phases: Sequence[int] | None = None) -> Tensor:
        """Apply the block to frames ``(B·T, C, Z, Y, X)``; ``phases``: return only these."""
        x = self.conv1.frames(self.norm1.frames(frames, batch), batch)
        return chosen_frames(frames, batch, phases) + self.conv2.frames(self.norm2.frames(x, batch), batch, phases)


class CNN4d(nn.Module):
    """Encoder–decoder over time and space with added skips.

    Parameters
    ----------
    classes : int
        Output channels, background included.
    widths : sequence of int
        Channels per level; each level below the first halves space and time.
    blocks : sequence of int
        Residual blocks per encoder level; each decoder level has one.
    groups : int
        Groups of the group normalisation.
    cyclic : bool
        The phases cover the cardiac cycle, so that time wraps around. One phase then equals a heart at rest.
    temporal : bool
        False: 3D kernels, every frame on its own statistics and its own neighbours in space only.

    Attributes
    ----------
    recompute : bool
        Gradient checkpointing: keep only the input of each block for the gradient.
    """

    def __init__(
        self,
        *,
        classes: int = 3,
        widths=(8, 16, 32),
        blocks=(1, 2, 4),
        groups: int = 8,
        cyclic: bool = True,
        temporal: bool = True,
    ) -> None:
        super().__init__()
        self.temporal, self.recompute = temporal, False

        def conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
            if temporal:
                return Conv4d(inputs, outputs, stride=stride, cyclic=cyclic)
            return Conv3dFrames(inputs, outputs, stride=stride)

        def level(width: int, count: int) -> nn.ModuleList:
            return nn.ModuleList(Block(width, conv=conv, groups=groups) for _ in range(count))

        self.stem = conv(1, widths[0])
        self.encoder = nn.ModuleList(level(width, count) for width, count in zip(widths, blocks))
        self.down = nn.ModuleList(conv(a, b, 2) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in itertools.pairwise(widths))
        self.decoder = nn.ModuleList(level(width, 1) for width in widths[:-1])
        self.head = nn.Conv3d(widths[0], classes, 1)

    def forward(self, x: Tensor, phases: Sequence[int] | None = None) -> Tensor:
        """Map an image ``(B, 1, T, Z, Y, X)``, any T ≥ 1 and any size, to logits ``(B, classes, T, Z, Y, X)``.

        With ``phases`` the logits are those of these phases only, and what they do not need is not computed.
        """
        if phases is not None and not self.temporal:
            x, phases = x[:, :, list(phases)], None
        batch = x.shape[0]
        # Without temporal kernels each frame is a sample of its own, statistics included.
        samples = batch if self.temporal else batch * x.shape[2]
        frames = self.stem.frames(to_frames(x), samples)
        frames = self._level(self.encoder[0], frames, samples)
        skips = []
        for down, level in zip(self.down, self.encoder[1:]):
            skips.append(frames)
            frames = self._level(level, down.frames(frames, samples), samples)
        for up, level, skip in reversed(list(zip(self.up, self.decoder, skips))):
            last = level is self.decoder[0]
            frames = self._level(level, skip + _upsample(up(frames), skip, samples), samples, phases if last else None)
        return from_frames(self.head(frames), batch)

    def stages(self) -> list[nn.ModuleList]:
        """Return the parts in the order in which the image passes them: stem, encoder, decoder, head."""
        encoder = [[down, level] for down, level in zip(self.down, self.encoder[1:])]
        decoder = [[up, level] for up, level in reversed(list(zip(self.up, self.decoder)))]
        parts = [[self.stem], [self.encoder[0]], *encoder, *decoder, [self.head]]
        return [nn.ModuleList(part) for part in parts]

    def _level(self, blocks: nn.ModuleList, frames: Tensor, batch: int, phases: Sequence[int] | None = None) -> Tensor:
        # Made anew for the gradient, a block's inside costs a second pass and no memory.
        recompute = self.recompute and torch.is_grad_enabled()
        for block in blocks:
            wanted = phases if block is blocks[-1] else None
            if recompute:
                frames = checkpoint(block.frames, frames, batch, wanted, use_reentrant=False)
            else:
                frames = block.frames(frames, batch, wanted)
        return frames


def _upsample(frames: Tensor, skip: Tensor, batch: int) -> Tensor:
    """Double space and time by nearest neighbour and cut to the size of ``skip``."""
    # A voxel of the coarse level lies on every second voxel of the fine one, also where the size is odd.
    phases = skip.shape[0] // batch
    if phases > 1:
        frames = frames.unflatten(0, (batch, -1)).repeat_interleave(2, dim=1)[:, :phases].flatten(0, 1)
    doubled = F.interpolate(frames, scale_factor=2, mode="nearest")
    size = skip.shape[2:]
    if doubled.shape[2:] != size:
        doubled = doubled[:, :, : size[0], : size[1], : size[2]]
    return doubled
