"""4D convolution and normalisation against their definitions."""

import itertools

import pytest
import torch
from LVMLib.network import Conv4d, conv4d_loop
from LVMLib.network.conv4d import from_frames, to_frames
from LVMLib.network.norm import GroupNormReLU
from torch.nn import functional as F

CASES = list(itertools.product((1, 2, 3, 4, 7), (1, 2), (True, False)))


@pytest.mark.parametrize(("phases", "stride", "cyclic"), CASES)
def test_vectorised_4d_convolution_equals_the_loop_over_frames_forward_and_backward(phases, stride, cyclic):
    torch.manual_seed(phases)
    conv = Conv4d(3, 5, stride=stride, cyclic=cyclic)
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(2, 3, phases, 7, 6, 9, requires_grad=True)
    expected = conv4d_loop(x, conv.weight, conv.bias, stride=stride, cyclic=cyclic)
    toward = torch.randn_like(expected)
    truth = torch.autograd.grad((expected * toward).sum(), (x, conv.weight, conv.bias))
    found = conv(x)
    gradients = torch.autograd.grad((found * toward).sum(), (x, conv.weight, conv.bias))
    for value, wanted in zip((found, *gradients), (expected, *truth)):
        assert (value - wanted).abs().max() <= 1e-4 * max(1.0, wanted.abs().max())


@pytest.mark.parametrize("inputs", [1, 4, 8])
@pytest.mark.parametrize(("phases", "cyclic"), [(1, True), (2, True), (4, True), (4, False)])
def test_some_phases_of_a_4d_convolution_have_the_values_and_gradients_that_they_have_among_all(inputs, phases, cyclic):
    torch.manual_seed(phases)
    conv = Conv4d(inputs, 8, cyclic=cyclic)
    x = torch.randn(2, inputs, phases, 5, 6, 8, requires_grad=True)
    for wanted in ([0], [phases - 1], list(range(0, phases, 2))):
        found = from_frames(conv.frames(to_frames(x), 2, wanted), 2)
        expected = conv4d_loop(x, conv.weight, conv.bias, cyclic=cyclic)[:, :, wanted]
        toward, inputs_ = torch.randn_like(expected), (x, conv.weight, conv.bias)
        gradients = torch.autograd.grad((found * toward).sum(), inputs_)
        truth = torch.autograd.grad((expected * toward).sum(), inputs_)
        for value, wanted_value in zip((found, *gradients), (expected, *truth)):
            assert (value - wanted_value).abs().max() <= 1e-4 * max(1.0, wanted_value.abs().max())


@pytest.mark.parametrize("with_avx512", [False, True])
@pytest.mark.parametrize(
    ("size", "stride"), [((2, 3, 4), 1), ((2, 4, 5), 1), ((5, 4, 6), 1), ((2, 5, 4), 2), ((4, 4, 4), 2)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_3d_convolution_and_its_gradients_equal_double_precision_on_flat_volumes_too(
    dtype, size, stride, with_avx512, monkeypatch
):
    """Two slices in bfloat16: torch's own gradient of the kernel is not a number there."""
    from LVMLib.network import conv3d

    monkeypatch.setattr(conv3d, "_WITH_AVX512", with_avx512)
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 3, *size), torch.randn(8, 3, 3, 3, 3) / 9, torch.randn(8)
    given = [conv3d.channels_last(x.to(dtype)), weight.to(dtype), bias.to(dtype)]
    exact = [tensor.double().requires_grad_() for tensor in given]
    expected = F.conv3d(*exact, stride=stride, padding=1)
    found = conv3d.convolve(*given, stride=stride)
    toward = torch.randn(expected.shape).to(dtype)
    truth = torch.autograd.grad((expected * toward.double()).sum(), exact)
    gradients = [
        conv3d.input_gradient(toward, given[1], given[0].shape, stride=stride),
        *conv3d.weight_gradient(conv3d.channels_last(toward), given[0], given[1], stride=stride),
    ]
    near = 1e-5 if dtype == torch.float32 else 1e-2
    for value, wanted in zip((found, *gradients), (expected, *truth)):
        assert (value.double() - wanted).norm() <= near * wanted.norm()


def test_the_loop_is_a_convolution_in_four_dimensions():
    """Against the sum over all 81 taps, written out with numpy-like shifts."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 2, 4, 4, 5, 3, dtype=torch.float64), torch.randn(1, 2, 3, 3, 3, 3, dtype=torch.float64)
    padded = F.pad(x, (1, 1, 1, 1, 1, 1))
    total = torch.zeros(1, 1, 4, 4, 5, 3, dtype=torch.float64)
    for t, k, j, i in itertools.product(range(3), repeat=4):
        shifted = padded.roll(1 - t, dims=2)[:, :, :, k : k + 4, j : j + 5, i : i + 3]
        total[:, 0] += (shifted * weight[:, :, t, k, j, i].view(1, 2, 1, 1, 1, 1)).sum(1)
    torch.testing.assert_close(conv4d_loop(x, weight, torch.zeros(1, dtype=torch.float64)), total)


def test_cyclic_convolution_does_not_know_where_the_beat_begins():
    torch.manual_seed(0)
    conv, x = Conv4d(2, 2), torch.randn(1, 2, 5, 6, 6, 6)
    torch.testing.assert_close(conv(x.roll(2, dims=2)), conv(x).roll(2, dims=2))


@pytest.mark.parametrize("batch", [1, 2])
def test_group_norm_with_relu_equals_torch_over_time_and_space(batch):
    torch.manual_seed(0)
    x = (torch.randn(batch, 8, 3, 5, 4, 7, dtype=torch.float64) * 3 + 1).requires_grad_()
    norm = GroupNormReLU(8, groups=4).double()
    torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    found = from_frames(norm.frames(to_frames(x), batch), batch)
    expected = F.group_norm(x, 4, norm.weight, norm.bias, eps=norm.epsilon).relu()
    toward = torch.randn_like(expected)
    inputs = (x, norm.weight, norm.bias)
    gradients = torch.autograd.grad((found * toward).sum(), inputs)
    truth = torch.autograd.grad((expected * toward).sum(), inputs)
    torch.testing.assert_close(found, expected)
    for gradient, wanted in zip(gradients, truth):
        torch.testing.assert_close(gradient, wanted)


def test_group_norm_keeps_precision_in_bfloat16():
    torch.manual_seed(0)
    x = torch.randn(1, 8, 1, 16, 16, 16) * 2 + 4
    norm = GroupNormReLU(8)
    exact = from_frames(norm.frames(to_frames(x), 1), 1)
    rough = from_frames(norm.frames(to_frames(x.bfloat16()), 1), 1).float()
    assert (exact - rough).abs().max() < 0.06
    assert (exact - rough).abs().mean() < 0.01
