"""4D convolution over a stack of frames, without a loop over frames.

A tensor ``(B, C, T, Z, Y, X)`` is held as *frames* ``(B·T, C, Z, Y, X)`` in ``channels_last_3d`` memory. A frame and
its two neighbours in time stand side by side in the channels, and one 3D convolution of ``3·C`` channels does it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def to_frames(x: Tensor) -> Tensor:
    """Fold ``(B, C, T, Z, Y, X)`` into frames ``(B·T, C, Z, Y, X)``, channels last in memory."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last_3d)


def from_frames(frames: Tensor, batch: int) -> Tensor:
    """Unfold frames ``(B·T, C, Z, Y, X)`` into ``(B, C, T, Z, Y, X)``, a view."""
    return frames.unflatten(0, (batch, -1)).transpose(1, 2)


class Conv4d(nn.Module):
    """Convolution with a 3×3×3×3 kernel over time and space, zero padding in space.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    stride : int
        1, or 2 in time and space; output sizes are rounded up.
    cyclic : bool
        Time wraps around: the frame after the last is the first, as in a heart beat. Otherwise zeros.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, cyclic: bool = True) -> None:
        super().__init__()
        self.stride, self.cyclic = stride, cyclic
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, C, T, Z, Y, X)``; returns ``(B, outputs, ⌈T/stride⌉, ⌈Z/stride⌉, …)``."""
        return from_frames(self.frames(to_frames(x), x.shape[0]), x.shape[0])

    def frames(self, frames: Tensor, batch: int) -> Tensor:
        """Convolve frames ``(B·T, C, Z, Y, X)`` of ``batch`` sequences."""
        phases = frames.shape[0] // batch
        weight = _spatial_weight(self.weight, phases, cyclic=self.cyclic)
        weight = weight.contiguous(memory_format=torch.channels_last_3d)
        if phases == 1:
            return F.conv3d(frames, weight, self.bias, stride=self.stride, padding=1)
        return _StackedConvolution.apply(frames, weight, self.bias, batch, self.stride, self.cyclic)


class _StackedConvolution(torch.autograd.Function):
    """3D convolution of each frame with its neighbours; stacks them anew for the gradient instead of keeping them.

    The stack is three times as large as the frames, which the network keeps anyway.
    """

    @staticmethod
    def forward(ctx, frames: Tensor, weight: Tensor, bias: Tensor, batch: int, stride: int, cyclic: bool):  # noqa: PLR0917
        ctx.save_for_backward(frames, weight)
        ctx.options = batch, stride, cyclic
        stacked = _neighbours(frames, batch, stride=stride, cyclic=cyclic)
        return F.conv3d(stacked, weight, bias, stride=stride, padding=1)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        frames, weight = ctx.saved_tensors
        batch, stride, cyclic = ctx.options
        with torch.enable_grad():
            # Under autocast the forward pass was in the precision that the gradient has.
            frames = frames.detach().requires_grad_(ctx.needs_input_grad[0])
            stacked = _neighbours(frames.to(gradient.dtype), batch, stride=stride, cyclic=cyclic)
        to_stack, to_weight, to_bias = torch.ops.aten.convolution_backward(
            gradient, stacked.detach(), weight.to(gradient.dtype), [weight.shape[0]], [stride] * 3, [1] * 3, [1] * 3,
            False, [0] * 3, 1,
            [ctx.needs_input_grad[0], True, True],
        )  # fmt: skip
        to_frames = torch.autograd.grad(stacked, frames, to_stack)[0] if ctx.needs_input_grad[0] else None
        return to_frames, to_weight.to(weight.dtype), to_bias.to(weight.dtype), None, None, None


def conv4d_loop(x: Tensor, weight: Tensor, bias: Tensor, *, stride: int = 1, cyclic: bool = True) -> Tensor:
    """Convolve frame by frame, tap by tap: the definition that `Conv4d` is held against.

    Shapes as in `Conv4d`: ``x`` is ``(B, C, T, Z, Y, X)``, ``weight`` ``(outputs, C, 3, 3, 3, 3)``.
    """
    phases, result = x.shape[2], []
    for centre in range(0, phases, stride):
        total = bias.view(1, -1, 1, 1, 1)
        for tap in range(3):
            phase = centre + tap - 1
            if cyclic or 0 <= phase < phases:
                total = total + F.conv3d(x[:, :, phase % phases], weight[:, :, tap], stride=stride, padding=1)
        result.append(total)
    return torch.stack(result, dim=2)


def _spatial_weight(weight: Tensor, phases: int, *, cyclic: bool) -> Tensor:
    """Return the 3D kernel ``(outputs, n·C, 3, 3, 3)`` that belongs to `_neighbours`."""
    if phases == 1:
        return weight.sum(2) if cyclic else weight[:, :, 1]
    if phases == 2 and cyclic:
        return torch.cat([weight[:, :, 1], weight[:, :, 0] + weight[:, :, 2]], dim=1)
    return weight.transpose(1, 2).flatten(1, 2)


def _neighbours(frames: Tensor, batch: int, *, stride: int, cyclic: bool) -> Tensor:
    """Put the neighbours in time of every output frame side by side in the channels.

    One phase is its own neighbour, so that a static heart costs no more than a 3D convolution; of two phases each is
    both neighbours of the other.
    """
    phases = frames.shape[0] // batch
    if phases == 1:
        return frames
    centres = torch.arange(0, phases, stride, device=frames.device)
    if phases == 2 and cyclic:
        return torch.cat([_take(frames, centres + shift, batch) for shift in (0, 1)], dim=1)
    parts = [_take(frames, centres + shift, batch, cyclic=cyclic) for shift in (-1, 0, 1)]
    return torch.cat(parts, dim=1)


def _take(frames: Tensor, phases: Tensor, batch: int, *, cyclic: bool = True) -> Tensor:
    """Return the frames at ``phases`` of every sequence; zeros before the first and after the last unless cyclic."""
    count = frames.shape[0] // batch
    rows = torch.arange(batch, device=frames.device)[:, None] * count
    taken = frames.index_select(0, (rows + phases % count).flatten())
    if cyclic:
        return taken
    inside = ((phases >= 0) & (phases < count)).repeat(batch).view(-1, 1, 1, 1, 1)
    return torch.where(inside, taken, torch.zeros((), dtype=taken.dtype, device=taken.device))
