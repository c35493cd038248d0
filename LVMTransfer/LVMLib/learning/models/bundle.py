"""A model bundle: weights, everything needed to predict, and where they come from."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ...errors import BundleError, LVMError
from ...files import atomic_folder, sha256
from ...grid import LABEL_NAMES
from ...network import build_network
from ..samples.normalise import Normalisation
from .card import model_card
from .manifest import ARCHITECTURE_VERSION, BundleManifest

WEIGHTS_NAME, MANIFEST_NAME, CARD_NAME = "model.safetensors", "bundle.json", "README.md"
SIGNATURE_NAME = "bundle.json.sig"


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified model.

    Parameters
    ----------
    path : Path
        Its folder.
    manifest : BundleManifest
        ``bundle.json``.
    state : dict of str to Tensor
        Weights, single precision, on the CPU.
    """

    path: Path
    manifest: BundleManifest
    state: dict[str, Tensor]

    @classmethod
    def load(cls, path: str | os.PathLike) -> Bundle:
        """Read and verify a bundle; only JSON and safetensors are read, so that loading never executes code.

        Raises
        ------
        BundleError
            A file is missing or altered; another format, label map or architecture; missing or extra tensors.
        """
        path = Path(path)
        manifest = _read_manifest(path)
        _require_files(path, manifest)
        _require_known(path, manifest)
        try:
            state = load_file(path / WEIGHTS_NAME)
        except (SafetensorError, OSError) as error:
            raise _error(path / WEIGHTS_NAME, "a safetensors file", str(error)) from error
        bundle = cls(path, manifest, state)
        bundle.network()
        return bundle

    @classmethod
    def save(cls, path: str | os.PathLike, network: nn.Module, manifest: BundleManifest) -> Bundle:
        """Write a bundle, whole or not at all, in place of an earlier one.

        Raises
        ------
        StorageError
            The disk is full or read-only, or the folder holds something else than a bundle.
        """
        path = Path(path)
        state = {name: tensor.detach().cpu().float().contiguous() for name, tensor in network.state_dict().items()}
        with atomic_folder(path, replaces=MANIFEST_NAME) as folder:
            (folder / WEIGHTS_NAME).write_bytes(save(state))
            *earlier, last = manifest.provenance
            last = last.model_copy(update={"weights_sha256": sha256(folder / WEIGHTS_NAME)})
            manifest = manifest.model_copy(update={"provenance": (*earlier, last)})
            (folder / CARD_NAME).write_text(model_card(manifest), encoding="utf-8")
            hashes = {name: sha256(folder / name) for name in (WEIGHTS_NAME, CARD_NAME)}
            manifest = manifest.model_copy(update={"sha256": hashes})
            (folder / MANIFEST_NAME).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return cls(path, manifest, state)

    def require_nothing_else(self) -> None:
        """Raise `BundleError` where the folder holds a file that the manifest does not vouch for."""
        files = (file for file in sorted(self.path.rglob("*")) if not file.is_dir())
        extra = [str(file.relative_to(self.path)) for file in files]
        extra = [name for name in extra if name not in (WEIGHTS_NAME, CARD_NAME, MANIFEST_NAME, SIGNATURE_NAME)]
        if extra:
            more = f" and {len(extra) - 5} more" if len(extra) > 5 else ""
            raise BundleError(
                self.path,
                expected=f"only the files that {MANIFEST_NAME} lists",
                found=", ".join(extra[:5]) + more,
                remedy="Open or run nothing of it; remove it, or ask the sender what it is for.",
            )

    def network(self) -> nn.Module:
        """Build the network with these weights, in evaluation mode."""
        architecture = self.manifest.architecture
        network = build_network(architecture.name, classes=len(self.manifest.labels), **architecture.options)
        require_tensors(self.path / WEIGHTS_NAME, network.state_dict(), self.state)
        network.load_state_dict(self.state)
        return network.eval()

    def copy_to(self, path: str | os.PathLike) -> Bundle:
        """Copy the bundle, verified, to another folder; errors as `save` and `load`."""
        with atomic_folder(path, replaces=MANIFEST_NAME) as folder:
            for name in (WEIGHTS_NAME, CARD_NAME, MANIFEST_NAME, SIGNATURE_NAME):
                if name != SIGNATURE_NAME or (self.path / name).is_file():
                    shutil.copyfile(self.path / name, folder / name)
        return Bundle.load(path)

    @property
    def spacing_mm(self) -> float:
        """Voxel size that the model was trained at, mm."""
        return self.manifest.spacing_mm

    @property
    def normalisation(self) -> Normalisation:
        """From HU to input."""
        return Normalisation(**self.manifest.normalisation.model_dump())


def _error(where: str | os.PathLike, expected: str, found: str) -> BundleError:
    return BundleError(where, expected=expected, found=found, remedy="Ask its sender for the bundle again.")


def _read_manifest(path: Path) -> BundleManifest:
    try:
        return BundleManifest.model_validate_json((path / MANIFEST_NAME).read_bytes())
    except OSError as error:
        raise BundleError(
            path,
            expected=f"a model bundle ({MANIFEST_NAME}, {WEIGHTS_NAME})",
            found=os.strerror(error.errno) if error.errno else str(error),
            remedy="Give the folder of a bundle, for example Resources/Site1 or RUN/best.",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise _error(path / MANIFEST_NAME, "a bundle manifest of format 1", f"{field}: {first['msg']}") from error


def _require_files(path: Path, manifest: BundleManifest) -> None:
    for name in (WEIGHTS_NAME, CARD_NAME):
        file = path / name
        if not file.is_file():
            raise _error(file, "a file of the bundle", "no such file")
        digest, promised = sha256(file), manifest.sha256.get(name, "no hash")
        if digest != promised:
            raise _error(
                file, f"SHA-256 {promised[:12]}… as in {MANIFEST_NAME}", f"{digest[:12]}…: the file was altered"
            )


def _require_known(path: Path, manifest: BundleManifest) -> None:
    if manifest.labels != LABEL_NAMES:
        raise _error(path / MANIFEST_NAME, f"labels {LABEL_NAMES}", f"{manifest.labels}")
    if manifest.architecture.version != ARCHITECTURE_VERSION:
        raise BundleError(
            path / MANIFEST_NAME,
            expected=f"architecture version {ARCHITECTURE_VERSION}",
            found=str(manifest.architecture.version),
            remedy="Update this software, or ask for a bundle of this version.",
        )
    try:
        with torch.device("meta"):
            build_network(manifest.architecture.name, classes=len(manifest.labels), **manifest.architecture.options)
    except LVMError as error:
        raise _error(path / MANIFEST_NAME, error.expected, error.found) from error


def require_tensors(where: Path, expected: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """Raise `BundleError` unless ``found`` has exactly the tensors of ``expected``, by name and shape, and finite."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        what = f"{len(missing)} missing {missing[:2]}, {len(extra)} extra {extra[:2]}"
        raise _error(where, f"the {len(expected)} tensors of the architecture", what)
    for name, tensor in expected.items():
        if tensor.shape != found[name].shape:
            raise _error(where, f"{name} of shape {tuple(tensor.shape)}", f"{tuple(found[name].shape)}")
        if not found[name].isfinite().all():
            raise _error(where, f"finite weights in {name}", "NaN or infinite values")
