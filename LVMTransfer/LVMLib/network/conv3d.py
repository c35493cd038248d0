"""3D convolution with a 3×3×3 kernel and padding 1, and its gradients, on frames that lie channels-last in memory.

On a processor with AVX-512 torch's convolutions (oneDNN) compute sixteen output channels in a vector; with eight, half
of it is empty. There two neighbouring voxels of a row share a vector: a kernel of width four in steps of two, with
twice the outputs. That is a third more arithmetic than needed in two thirds of the instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LANES = 16
_WITH_AVX512 = torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def chosen_frames(frames: Tensor, batch: int, phases: Sequence[int] | None) -> Tensor:
    """Return the frames of some phases; None: all."""
    if phases is None:
        return frames
    return frames.unflatten(0, (batch, -1))[:, list(phases)].flatten(0, 1)


class Conv3dFrames(nn.Module):
    """3×3×3 convolution of each frame on its own: the per-frame counterpart of `Conv4d`."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def frames(self, frames: Tensor, batch: int, phases: Sequence[int] | None = None) -> Tensor:
        """Convolve frames ``(B·T, C, Z, Y, X)``, or those of some phases."""
        return _Convolution.apply(chosen_frames(frames, batch, phases), self.weight, self.bias, self.stride)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1) -> Tensor:
    """Convolve ``(N, C, Z, Y, X)`` with ``(O, C, 3, 3, 3)``, padding 1; the result lies channels-last, too."""
    if not _pairs_up(x, weight, stride):
        return F.conv3d(x, channels_last(weight), bias, stride=stride, padding=1)
    twice = None if bias is None else bias.repeat(2)
    y = channels_last(F.conv3d(x, _paired(weight), twice, stride=(1, 1, 2), padding=1)).permute(0, 2, 3, 4, 1)
    return y.reshape(*y.shape[:3], x.shape[-1], weight.shape[0]).permute(0, 4, 1, 2, 3)


def weight_gradient(gradient: Tensor, x: Tensor, weight: Tensor, *, stride: int = 1) -> tuple[Tensor, Tensor]:
    """Return the gradients of kernel and bias of `convolve` from that of its result."""
    outputs = weight.shape[0]
    if gradient.dtype == torch.bfloat16 and x.shape[2] == 2 and not x.is_cuda:
        # oneDNN's gradient of two slices is not a number, or wrong, in bfloat16 (torch 2.13, AVX-512).
        gradient, x, weight = gradient.float(), x.float(), weight.float()
    if not _pairs_up(x, weight, stride):
        return _aten_gradients(gradient, x, weight, [stride] * 3, (False, True, True))[1:]
    rows = channels_last(gradient).permute(0, 2, 3, 4, 1)
    pairs = rows.reshape(*rows.shape[:3], x.shape[-1] // 2, 2 * outputs).permute(0, 4, 1, 2, 3)
    paired, bias = _aten_gradients(pairs, x, _paired(weight), [1, 1, 2], (False, True, True))[1:]
    first, second = paired.float().chunk(2)
    return first[..., :-1] + second[..., 1:], bias.float().view(2, outputs).sum(0)


def input_gradient(gradient: Tensor, weight: Tensor, shape: torch.Size, *, stride: int = 1) -> Tensor:
    """Return the gradient of the input, of shape ``(N, C, Z, Y, X)``, from that of the result of `convolve`."""
    if stride == 1:
        # Itself a convolution, with the mirrored kernel.
        return convolve(gradient, weight.flip(2, 3, 4).transpose(0, 1))
    # The input's values do not matter, and so take no memory.
    x = gradient.new_empty(1).expand(shape)
    return _aten_gradients(gradient, x, channels_last(weight), [stride] * 3, (True, False, False))[0]


def channels_last(x: Tensor) -> Tensor:
    """Lay ``(N, C, Z, Y, X)`` out in memory with the channels last; what lies so already is not copied."""
    return x.contiguous(memory_format=torch.channels_last_3d)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return convolve(x, weight, bias, stride=stride)

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors
        # Under autocast the forward pass was in the precision that the gradient has.
        kernel, to_x, to_weight, to_bias = weight.to(gradient.dtype), None, None, None
        if ctx.needs_input_grad[0]:
            to_x = input_gradient(gradient, kernel, x.shape, stride=ctx.stride).to(x.dtype)
        if any(ctx.needs_input_grad[1:3]):
            to_weight, to_bias = weight_gradient(gradient, x.to(gradient.dtype), kernel, stride=ctx.stride)
            to_weight, to_bias = to_weight.to(weight.dtype), to_bias.to(weight.dtype)
        return to_x, to_weight, to_bias, None


def _pairs_up(x: Tensor, weight: Tensor, stride: int) -> bool:
    fits = stride == 1 and 2 * weight.shape[0] <= _LANES and x.shape[-1] % 2 == 0
    return fits and _WITH_AVX512 and x.device.type == "cpu"


def _paired(weight: Tensor) -> Tensor:
    """Return the kernel ``(2·O, C, 3, 3, 4)`` for both voxels of a pair; the first O outputs are the left one's."""
    left, right = F.pad(weight, (0, 1)), F.pad(weight, (1, 0))
    return channels_last(torch.cat([left, right]))


def _aten_gradients(gradient: Tensor, x: Tensor, weight: Tensor, stride: list[int], wanted: tuple[bool, bool, bool]):
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, [weight.shape[0]], stride, [1] * 3, [1] * 3, False, [0] * 3, 1, list(wanted)
    )
