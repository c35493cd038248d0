"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..errors import TrainingError
from .cnn4d import CNN4d


class FrameUNet(nn.Module):
    """MONAI's 3D U-Net, applied to every frame on its own."""

    def __init__(self, *, classes: int = 3, channels=(16, 32, 64, 128), residual_units: int = 2) -> None:
        super().__init__()
        from monai.networks.nets import UNet

        self.factor = 2 ** (len(channels) - 1)
        self.unet = UNet(
            spatial_dims=3, in_channels=1, out_channels=classes, channels=channels,
            strides=(2,) * (len(channels) - 1), num_res_units=residual_units,
        )  # fmt: skip

    def forward(self, x: Tensor, phases: Sequence[int] | None = None) -> Tensor:
        """Map ``(B, 1, T, Z, Y, X)`` of any size to logits ``(B, classes, T, Z, Y, X)``, or those of some phases."""
        x = x if phases is None else x[:, :, list(phases)]
        batch, size = x.shape[0], x.shape[3:]
        frames = x.transpose(1, 2).flatten(0, 1)
        pad = [(-n) % self.factor for n in size]
        frames = nn.functional.pad(frames, (0, pad[2], 0, pad[1], 0, pad[0]), mode="replicate")
        logits = self.unet(frames)[..., : size[0], : size[1], : size[2]]
        return logits.unflatten(0, (batch, -1)).transpose(1, 2)


def _frame3d(*, classes: int = 3, **options) -> nn.Module:
    return CNN4d(classes=classes, temporal=False, **options)


def _small(*, classes: int = 3, widths=(4, 8), blocks=(1, 1), groups: int = 4, **options) -> nn.Module:
    return CNN4d(classes=classes, widths=widths, blocks=blocks, groups=groups, **options)


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "cnn4d": CNN4d,
    "frame3d": _frame3d,
    "unet3d": FrameUNet,
    "small": _small,
}
"""Name to constructor: the paper's 4D CNN, the same with 3D kernels, MONAI's U-Net per frame, a small 4D CNN."""


def build_network(name: str, *, classes: int = 3, **options) -> nn.Module:
    """Build a network by its registered name.

    Parameters
    ----------
    name : str
        A key of `NETWORKS`.
    classes : int
        Output channels, background included.
    **options
        Passed to the constructor.

    Raises
    ------
    TrainingError
        The name is not registered or an option is unknown.
    """
    if name not in NETWORKS:
        known = ", ".join(NETWORKS)
        raise TrainingError("network", expected=f"one of {known}", found=repr(name), remedy="Choose a known network.")
    try:
        return NETWORKS[name](classes=classes, **options)
    except TypeError as error:
        raise TrainingError(
            f"network {name}", expected="known options", found=str(error), remedy="Remove the unknown option."
        ) from error


def initialise_paper(network: nn.Module) -> None:
    """Draw every kernel from a normal distribution of mean 0 and standard deviation 1, as the paper prints it."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0.0, 1.0)
