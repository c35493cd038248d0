"""Where and how exactly to compute."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from ..errors import TrainingError


@dataclass(frozen=True)
class Device:
    """A torch device and its precision.

    Attributes
    ----------
    name : str
        ``cpu``, ``cuda:0`` …
    precision : str
        Of the convolutions: ``bf16``, ``fp16`` or ``fp32``; weights, statistics and loss stay in single precision.
    """

    name: str
    precision: str

    @property
    def is_gpu(self) -> bool:
        """Whether the computing is done beside the CPU."""
        return self.name != "cpu"

    @property
    def needs_scaling(self) -> bool:
        """Whether small gradients would vanish in this precision."""
        return self.precision == "fp16"

    def autocast(self) -> AbstractContextManager:
        """Return the context for the forward pass."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.name).type, dtype=_DTYPES[self.precision])

    def memory_bytes(self) -> int:
        """Return the peak memory on the device, or of the process on a CPU."""
        if self.name.startswith("cuda"):
            return torch.cuda.max_memory_allocated(self.name)
        try:
            import resource
        except ImportError:  # Windows
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def free(self) -> None:
        """Give back what the device holds for later."""
        if self.name.startswith("cuda"):
            torch.cuda.empty_cache()


def choose_device(name: str | None = None, *, precision: str = "auto") -> Device:
    """Return the named device, or a GPU where there is one.

    Parameters
    ----------
    name : str, optional
        ``cpu``, ``cuda``, ``cuda:1`` …
    precision : str
        ``auto``: bfloat16 where the device has it in hardware, half precision on older GPUs, else single.

    Raises
    ------
    TrainingError
        The device is not there.
    """
    name = name or ("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            "device", expected="a device of this machine", found=f"{name}: {reason}", remedy="Choose cpu."
        ) from error
    return Device(name, _fastest(name) if precision == "auto" else precision)


def slow_convolutions(name: str) -> str | None:
    """Return a warning where 3D convolutions are known to be slow on a GPU, else None.

    torch 2.9 with a cuDNN before 9.15 takes several times longer for them in reduced precision (pytorch#166122).
    """
    if not name.startswith("cuda"):
        return None
    version = torch.backends.cudnn.version() or 0
    if 91000 <= version < 91500:
        return f"cuDNN {version} is slow for 3D convolutions in reduced precision: update nvidia-cudnn to 9.15 or later"
    return None


_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _fastest(name: str) -> str:
    if name.startswith("cuda"):
        # Before Ampere bfloat16 is emulated.
        return "bf16" if torch.cuda.get_device_capability(name)[0] >= 8 else "fp16"
    # bfloat16 without the instructions is emulated and several times slower.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return "bf16" if name == "cpu" and supported and supported() else "fp32"
