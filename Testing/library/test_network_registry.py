"""The paper's network and its peers."""

import pytest
import torch
from LVMLib.errors import TrainingError
from LVMLib.network import NETWORKS, CNN4d, build_network, initialise_paper


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def small(name, **options):
    sizes = {"unet3d": {"channels": (4, 8, 16)}}
    return build_network(name, **sizes.get(name, {}), **options).eval()


def test_the_network_of_the_paper_has_863091_parameters():
    assert sum(p.numel() for p in build_network("cnn4d").parameters()) == 863_091


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 8, 8, 8), (3, 9, 7, 10), (5, 12, 8, 5)])
def test_every_network_takes_any_number_of_phases_and_odd_sizes(name, shape):
    with torch.no_grad():
        assert small(name)(torch.randn(2, 1, *shape)).shape == (2, 3, *shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_some_phases_are_as_among_all_and_the_others_get_no_gradient(name):
    network, x = small(name), torch.randn(1, 1, 4, 8, 8, 8)
    some, among_all = network(x, [1, 3]), network(x)[:, :, [1, 3]]
    torch.testing.assert_close(some, among_all)
    parameters = list(network.parameters())
    found, truth = (torch.autograd.grad(y.square().sum(), parameters) for y in (some, among_all))
    for gradient, wanted in zip(found, truth):
        torch.testing.assert_close(gradient, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("phases", [2, 3, 4, 5, 20])
def test_one_phase_is_a_heart_at_rest(phases):
    network, x = CNN4d().eval(), torch.randn(1, 1, 1, 9, 8, 7)
    with torch.no_grad():
        alone, still = network(x), network(x.expand(-1, -1, phases, -1, -1, -1))
    torch.testing.assert_close(still, alone.expand_as(still), rtol=1e-3, atol=1e-3)


def test_the_output_turns_with_the_cycle():
    network, x = CNN4d().eval(), torch.randn(1, 1, 8, 8, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(x.roll(4, dims=2)), network(x).roll(4, dims=2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["frame3d", "unet3d"])
def test_a_per_frame_network_does_not_look_at_other_frames(name):
    network, x = small(name), torch.randn(1, 1, 3, 8, 8, 8)
    with torch.no_grad():
        together, alone = network(x), network(x[:, :, 1:2])
    torch.testing.assert_close(together[:, :, 1:2], alone, rtol=1e-3, atol=1e-3)


def test_the_4d_network_sees_neighbouring_phases():
    network, x = CNN4d().eval(), torch.randn(1, 1, 3, 8, 8, 8)
    with torch.no_grad():
        assert not torch.allclose(network(x)[:, :, 1:2], network(x[:, :, 1:2]), atol=1e-2)


def test_bfloat16_agrees_with_single_precision():
    network, x = CNN4d().eval(), torch.randn(1, 1, 2, 16, 16, 16)
    with torch.no_grad():
        exact = network(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(x)
    assert (exact - rough).abs().mean() < 0.03 * exact.abs().mean() + 0.02


def test_the_initialisation_of_the_paper_is_standard_normal():
    network = build_network("cnn4d")
    initialise_paper(network)
    kernels = torch.cat([p.detach().flatten() for p in network.parameters() if p.ndim > 1])
    assert abs(kernels.mean()) < 0.01
    assert abs(kernels.std() - 1) < 0.01


@pytest.mark.parametrize(("name", "options"), [("resnet", {}), ("cnn4d", {"depth": 9})])
def test_an_unknown_network_or_option_is_a_training_error(name, options):
    with pytest.raises(TrainingError):
        build_network(name, **options)
