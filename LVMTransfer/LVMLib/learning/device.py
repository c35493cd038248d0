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
    bf16 : bool
        Convolutions in bfloat16; weights, statistics and loss stay in single precision.
    """

    name: str
    bf16: bool

    def autocast(self) -> AbstractContextManager:
        """Return the context for the forward pass."""
        if not self.bf16:
            return nullcontext()
        return torch.autocast(torch.device(self.name).type, dtype=torch.bfloat16)

    def memory_bytes(self) -> int:
        """Return the peak memory on the device, or of the process on a CPU."""
        if self.name.startswith("cuda"):
            return torch.cuda.max_memory_allocated()
        try:
            import resource
        except ImportError:  # Windows
            return 0
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def choose_device(name: str | None = None, *, precision: str = "auto") -> Device:
    """Return the named device, or a GPU where there is one.

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
    return Device(name, {"bf16": True, "fp32": False}.get(precision, _bf16_is_fast(name)))


def _bf16_is_fast(name: str) -> bool:
    if name.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    # bfloat16 without the instructions is emulated and several times slower.
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(name == "cpu" and supported and supported())
