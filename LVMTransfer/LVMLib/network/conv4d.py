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
        # Under autocast the forward pass was in the precision that the gradient has.
        kernel = weight.to(gradient.dtype)
        stacked = _neighbours(frames.to(gradient.dtype), batch, stride=stride, cyclic=cyclic)
        _, to_weight, to_bias = torch.ops.aten.convolution_backward(
            gradient, stacked, kernel, [weight.shape[0]], [stride] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1,
            [False, True, True],
        )  # fmt: skip
        del stacked
        to_frames = None
        if ctx.needs_input_grad[0]:
            to_frames = _input_gradient(gradient, kernel, frames, batch, stride=stride, cyclic=cyclic).to(frames.dtype)
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
    """Put the neighbours in time of every output frame side by side in the channels, channels last in memory.

    One phase is its own neighbour, so that a static heart costs no more than a 3D convolution; of two phases each is
    both neighbours of the other.
    """
    rows = frames.contiguous(memory_format=torch.channels_last_3d).permute(0, 2, 3, 4, 1).unflatten(0, (batch, -1))
    phases = rows.shape[1]
    parts = [_shifted(rows, shift, stride=stride, cyclic=cyclic) for shift in _shifts(phases, cyclic=cyclic)]
    return torch.cat(parts, dim=-1).flatten(0, 1).permute(0, 4, 1, 2, 3)


def _shifts(phases: int, *, cyclic: bool) -> tuple[int, ...]:
    """Return the neighbours in the order of `_spatial_weight`, as phases from the centre."""
    return (0, 1) if phases == 2 and cyclic else (-1, 0, 1)


def _shifted(rows: Tensor, shift: int, *, stride: int, cyclic: bool) -> Tensor:
    """Return the frames ``shift`` after every output frame, of rows ``(B, T, …)``; zeros beyond the ends."""
    phases = rows.shape[1]
    wanted = torch.arange(0, phases, stride, device=rows.device) + shift
    taken = rows if stride == 1 and shift == 0 else rows.index_select(1, wanted % phases)
    if cyclic or shift == 0:
        return taken
    inside = ((wanted >= 0) & (wanted < phases)).view(1, -1, *[1] * (rows.ndim - 2))
    return taken * inside


def _input_gradient(gradient: Tensor, weight: Tensor, frames: Tensor, batch: int, *, stride: int, cyclic: bool):
    """Return the gradient of the frames from that of the output.

    With stride 1 it is itself a convolution, of the neighbours of the gradient with the mirrored kernel. With stride 2
    the gradient of the stack is added up.
    """
    phases, channels = frames.shape[0] // batch, frames.shape[1]
    shifts = _shifts(phases, cyclic=cyclic)
    if stride == 1:
        # The tap that looks one phase ahead passes its gradient one phase back; of two phases both are the same.
        taps = weight.unflatten(1, (len(shifts), channels)).flip(3, 4, 5)
        taps = taps if len(shifts) == 2 else taps.flip(1)
        mirrored = taps.permute(2, 1, 0, 3, 4, 5).flatten(1, 2).contiguous(memory_format=torch.channels_last_3d)
        return F.conv3d(_neighbours(gradient, batch, stride=1, cyclic=cyclic), mirrored, padding=1)
    size = (frames.shape[0] // batch + stride - 1) // stride * batch, weight.shape[1], *frames.shape[2:]
    stacked = torch.ops.aten.convolution_backward(
        gradient, gradient.new_empty(1).expand(size), weight, None, [stride] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1,
        [True, False, False],
    )[0]  # fmt: skip
    parts = stacked.unflatten(0, (batch, -1)).split(channels, dim=2)
    result = torch.zeros_like(frames, dtype=stacked.dtype, memory_format=torch.channels_last_3d)
    rows = result.unflatten(0, (batch, phases))
    for part, shift in zip(parts, shifts):
        for number, centre in enumerate(range(0, phases, stride)):
            if cyclic or 0 <= centre + shift < phases:
                rows[:, (centre + shift) % phases] += part[:, number]
    return result
