"""Whether another process of this computer is still there."""

from __future__ import annotations

import os

_WINDOWS_QUERY, _WINDOWS_STILL_ACTIVE = 0x1000, 259


def is_alive(pid: int) -> bool:
    """Return whether a process of this computer runs; asks, and never signals it."""
    if os.name == "nt":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _is_defunct(pid)


def _is_defunct(pid: int) -> bool:
    """Whether a process has ended and only waits for its parent to notice (Linux)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False


def _is_alive_on_windows(pid: int) -> bool:
    # os.kill(pid, 0) does not ask there, it interrupts.
    import ctypes

    kernel = ctypes.windll.kernel32
    handle = kernel.OpenProcess(_WINDOWS_QUERY, False, pid)
    if not handle:
        return False
    try:
        code = ctypes.c_ulong()
        return bool(kernel.GetExitCodeProcess(handle, ctypes.byref(code))) and code.value == _WINDOWS_STILL_ACTIVE
    finally:
        kernel.CloseHandle(handle)
