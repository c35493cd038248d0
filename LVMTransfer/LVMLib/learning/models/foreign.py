"""Weights from elsewhere: a ``.pt`` file becomes a bundle, without executing what is in it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from torch import Tensor

from ... import __version__
from ...errors import BundleError
from ...files import sha256
from ...origin import command_line, commit, now
from .bundle import Bundle, require_tensors
from .manifest import Origin

# Before 2.6 weights_only could be made to execute code (CVE-2025-32434).
_SAFE_TORCH = (2, 6)
_WRAPPERS = ("state_dict", "model", "network", "model_state_dict")


def bundle_from_checkpoint(path: str | os.PathLike, out: str | os.PathLike, *, like: Bundle, site: str) -> Bundle:
    """Make a bundle of a checkpoint's weights.

    Parameters
    ----------
    path : path
        A state dict that `torch.save` wrote, or a dict that holds one as ``state_dict``, ``model`` or ``network``.
    out : path
        Folder of the new bundle.
    like : Bundle
        A bundle of the same network: architecture, voxel size, normalisation, crop and phases are taken from it.
    site : str
        Who trained it, for the provenance.

    Raises
    ------
    BundleError
        The file holds more than tensors, other tensors, or this torch cannot read it safely.
    """
    state = _state(Path(path))
    network = like.network()
    require_tensors(Path(path), network.state_dict(), state)
    network.load_state_dict(state)
    origin = Origin(
        site=site, training_cases=0, validation_cases=0, phantom=False, init=f"checkpoint {sha256(path)[:12]}",
        command=command_line(), commit=commit(), version=__version__, seed=0, epochs=0, finished=now(),
    )  # fmt: skip
    manifest = like.manifest.model_copy(
        update={"name": f"LVM segmentation, site {site}", "provenance": (origin,), "better_than_source": None}
    )
    return Bundle.save(out, network, manifest)


def _state(path: Path) -> dict[str, Tensor]:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _SAFE_TORCH:
        raise BundleError(
            path, expected="PyTorch 2.6 or later to read checkpoints from elsewhere", found=torch.__version__,
            remedy="Update PyTorch, or ask for a bundle with safetensors weights.",
        )  # fmt: skip
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, AttributeError, KeyError) as error:
        raise BundleError(
            path, expected="a checkpoint that holds tensors only", found=str(error).splitlines()[0][:120],
            remedy="Ask for the state dict alone (torch.save(network.state_dict(), …)), or for a bundle.",
        ) from error  # fmt: skip
    for name in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise BundleError(
            path, expected="a state dict", found=type(content).__name__,
            remedy="Ask for the state dict alone (torch.save(network.state_dict(), …)).",
        )  # fmt: skip
    return {str(name).removeprefix("module."): value.float() for name, value in content.items()}
