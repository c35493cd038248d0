"""Python packages that Slicer does not bundle: installed when a step first needs them, never at import.

What only newer Slicer versions have (``slicer.packaging`` of 5.12) stays in this file.
"""

from __future__ import annotations

import importlib.util
import logging
import re
from pathlib import Path

from LVMLib.errors import LVMError

from LVMTransferLib.Translation import tr as _

REQUESTER = "LVM"
TORCH_REQUIREMENT = ">=2.1"


class DependencyError(LVMError):
    """A Python package that a step needs is not there."""


def ensurePackages(requirementsPath: str, *, torch: bool = False) -> None:
    """Install what is missing, after asking; do nothing when everything is there.

    :param requirementsPath: a module's ``Resources/requirements.txt``; it never names torch.
    :param torch: also PyTorch, through Slicer's PyTorch extension, which knows the graphics card.
    :raises DependencyError: declined, or the installation failed.
    """
    if torch:
        _ensureTorch()
    missing = missingRequirements(requirementsPath)
    if not missing:
        return
    try:
        _install(missing)
    except Exception as error:
        raise DependencyError(
            ", ".join(missing),
            expected="these Python packages in Slicer",
            found=f"no installation ({error})",
            remedy="Allow the installation when Slicer asks, or install them in the Python console with pip_install.",
        ) from error
    still = missingRequirements(requirementsPath)
    if still:
        raise DependencyError(
            ", ".join(still),
            expected="these Python packages in Slicer",
            found="none after the installation",
            remedy="Restart Slicer and try again; in testing mode install them beforehand.",
        )


def missingRequirements(requirementsPath: str) -> list[str]:
    """Return the lines of a requirements file whose package is not installed."""
    lines = Path(requirementsPath).read_text(encoding="utf-8").splitlines()
    requirements = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [line for line in requirements if not _isInstalled(re.split(r"[<>=!~\[; ]", line)[0])]


def _isInstalled(name: str) -> bool:
    from importlib import metadata

    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _ensureTorch() -> None:
    if importlib.util.find_spec("torch") is not None:
        return
    remedy = "Install the PyTorch extension in the Extensions Manager, restart Slicer and try again."
    try:
        import PyTorchUtils
    except ModuleNotFoundError as error:
        raise DependencyError("PyTorch", expected="the PyTorch extension", found="none", remedy=remedy) from error
    installed = PyTorchUtils.PyTorchUtilsLogic().installTorch(
        askConfirmation=True, torchVersionRequirement=TORCH_REQUIREMENT
    )
    if installed is None:
        raise DependencyError("PyTorch", expected="its installation", found="none", remedy="Allow it when Slicer asks.")


def _install(requirements: list[str]) -> None:
    logging.info("Installing %s", ", ".join(requirements))
    try:
        from slicer.packaging import pip_ensure
    except ModuleNotFoundError:
        _installBefore512(requirements)
        return
    pip_ensure(requirements, requester=REQUESTER)


def _installBefore512(requirements: list[str]) -> None:
    import slicer

    question = _("LVM needs these Python packages: {names}. Install them now?").format(names=", ".join(requirements))
    if not slicer.util.confirmOkCancelDisplay(question):
        raise RuntimeError(_("declined"))
    slicer.util.pip_install(requirements)
