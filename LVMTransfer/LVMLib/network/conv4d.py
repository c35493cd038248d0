"""4D convolution over a stack of frames, without a loop over frames.

A tensor ``(B, C, T, Z, Y, X)`` is held as *frames* ``(B·T, C, Z, Y, X)`` in ``channels_last_3d`` memory. A frame and
its two neighbours in time stand side by side in the channels, and one 3D convolution of ``3·C`` channels does it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .conv3d import channels_last, convolve, input_gradient, weight_gradient


def to_frames(x: Tensor) -> Tensor:
    """Fold ``(B, C, T, Z, Y, X)`` into frames ``(B·T, C, Z, Y, X)``, channels last in memory."""
    return channels_last(x.transpose(1, 2).flatten(0, 1))


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

    def frames(self, frames: Tensor, batch: int, phases: Sequence[int] | None = None) -> Tensor:
        """Convolve frames ``(B·T, C, Z, Y, X)`` of ``batch`` sequences.

        Parameters
        ----------
        frames : Tensor (B·T, C, Z, Y, X)
        batch : int
        phases : sequence of int, optional
            Compute only these phases of the result, of a convolution with stride 1.
        """
        count = frames.shape[0] // batch
        weight = _spatial_weight(self.weight, count, cyclic=self.cyclic)
        centres = tuple(range(0, count, self.stride) if phases is None else phases)
        return _StackedConvolution.apply(frames, weight, self.bias, batch, centres, self.stride, self.cyclic)


class _StackedConvolution(torch.autograd.Function):
    """3D convolution of each frame with its neighbours; stacks them anew for the gradient instead of keeping them.

    The stack is three times as large as the frames, which the network keeps anyway.
    """

    @staticmethod
    def forward(ctx, frames, weight, bias, batch, centres, stride, cyclic):  # noqa: PLR0917
        ctx.save_for_backward(frames, weight)
        ctx.options = batch, centres, stride, cyclic
        return convolve(_stacked(frames, batch, _sources(frames, batch, centres, cyclic)), weight, bias, stride=stride)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        frames, weight = ctx.saved_tensors
        batch, centres, stride, cyclic = ctx.options
        # Under autocast the forward pass was in the precision that the gradient has.
        gradient, kernel = channels_last(gradient), weight.to(gradient.dtype)
        sources = _sources(frames, batch, centres, cyclic)
        to_frames, to_weight, to_bias = None, None, None
        if any(ctx.needs_input_grad[1:3]):
            stacked = _stacked(frames.to(gradient.dtype), batch, sources)
            to_weight, to_bias = weight_gradient(gradient, stacked, kernel, stride=stride)
            to_weight, to_bias = to_weight.to(weight.dtype), to_bias.to(weight.dtype)
            del stacked
        if ctx.needs_input_grad[0]:
            work = _frames_gradient if stride == 1 else _strided_frames_gradient
            to_frames = work(gradient, kernel, frames, batch, sources).to(frames.dtype)
        return to_frames, to_weight, to_bias, None, None, None, None


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
    """Return the 3D kernel ``(outputs, n·C, 3, 3, 3)`` that belongs to `_shifts`."""
    if phases == 1:
        return weight.sum(2) if cyclic else weight[:, :, 1]
    if phases == 2 and cyclic:
        return torch.cat([weight[:, :, 1], weight[:, :, 0] + weight[:, :, 2]], dim=1)
    return weight.transpose(1, 2).flatten(1, 2)


def _shifts(phases: int, *, cyclic: bool) -> tuple[int, ...]:
    """Return the neighbours in time, as phases from the centre.

    One phase is its own neighbour, so that a static heart costs no more than a 3D convolution; of two phases each is
    both neighbours of the other.
    """
    if phases == 1:
        return (0,)
    return (0, 1) if phases == 2 and cyclic else (-1, 0, 1)


def _sources(frames: Tensor, batch: int, centres: Sequence[int], cyclic: bool) -> list[list[int | None]]:
    """Return for every phase of the result which phases lie side by side in its stack; None: beyond the ends."""
    count = frames.shape[0] // batch
    shifts = _shifts(count, cyclic=cyclic)
    return [[(c + s) % count if cyclic or 0 <= c + s < count else None for s in shifts] for c in centres]


def _stacked(frames: Tensor, batch: int, sources: list[list[int | None]]) -> Tensor:
    """Put phases side by side in the channels, channels last in memory, as `_sources` says; zeros for None."""
    frames = channels_last(frames)
    if sources == [[phase] for phase in range(frames.shape[0] // batch)]:
        return frames
    rows = frames.permute(0, 2, 3, 4, 1).unflatten(0, (batch, -1))
    stack = rows.new_empty(batch, len(sources), *rows.shape[2:5], len(sources[0]) * rows.shape[5])
    words = _words(rows)
    source, target = rows.view(words), stack.view(words).unflatten(5, (len(sources[0]), -1))
    for number, phases in enumerate(sources):
        for place, phase in enumerate(phases):
            if phase is None:
                target[:, number, ..., place, :] = 0
            else:
                target[:, number, ..., place, :] = source[:, phase]
    return stack.flatten(0, 1).permute(0, 4, 1, 2, 3)


def _words(rows: Tensor) -> torch.dtype:
    """Return the type as which channels are copied: in the longest words that they fill, much faster on a CPU."""
    steps = (rows.storage_offset(), rows.shape[-1], *rows.stride()[:-1])
    aligned = all(step * rows.element_size() % 16 == 0 for step in steps)
    return torch.complex128 if rows.device.type == "cpu" and aligned else rows.dtype


def _frames_gradient(gradient: Tensor, weight: Tensor, frames: Tensor, batch: int, sources: list[list[int | None]]):
    """Return the gradient of the frames from that of the output, with stride 1: a convolution, too.

    What stands beside each other are the output phases that an input phase went into; one that went into none has no
    gradient, and costs nothing.
    """
    count, taps = frames.shape[0] // batch, len(sources[0])
    places = [{phases[tap]: number for number, phases in enumerate(sources)} for tap in range(taps)]
    back = {phase: [place.get(phase) for place in places] for phase in range(count)}
    reached = [phase for phase in range(count) if any(number is not None for number in back[phase])]
    # Input and output channels change places within each tap; `input_gradient` mirrors the kernel in space.
    kernel = weight.unflatten(1, (taps, -1)).transpose(0, 1).flatten(0, 1)
    stacked = _stacked(gradient, batch, [back[phase] for phase in reached])
    found = input_gradient(stacked, kernel, torch.Size((len(reached) * batch, *frames.shape[1:])))
    if len(reached) == count:
        return found
    result = channels_last(torch.zeros_like(frames, dtype=found.dtype))
    result.unflatten(0, (batch, count))[:, reached] = found.unflatten(0, (batch, -1))
    return result


def _strided_frames_gradient(
    gradient: Tensor, weight: Tensor, frames: Tensor, batch: int, sources: list[list[int | None]]
) -> Tensor:
    """Return the gradient of the frames with stride 2: that of the stack, added up."""
    shape = torch.Size((len(sources) * batch, weight.shape[1], *frames.shape[2:]))
    stacked = input_gradient(gradient, weight, shape, stride=2).unflatten(0, (batch, -1))
    result = channels_last(torch.zeros_like(frames, dtype=stacked.dtype))
    rows = result.unflatten(0, (batch, -1))
    for place, part in enumerate(stacked.split(frames.shape[1], dim=2)):
        for number, phases in enumerate(sources):
            if phases[place] is not None:
                rows[:, phases[place]] += part[:, number]
    return result
