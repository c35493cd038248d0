"""Processes of their own: started, waited for, interrupted, and gone when the test is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 600.0
"""After this a test calls it a hang. A busy machine may be ten times slower; waiting ends with its condition."""


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until ``condition()`` holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def python_process(*arguments: object, **options: object) -> Iterator[subprocess.Popen]:
    """Start Python, which finds the tests' own helpers, in a process that does not outlive the block.

    Ctrl-C reaches it as if a person had typed the command; what a script starts in the background would ignore it.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    # A process ignores what its parent ignores at that moment.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([sys.executable, *map(str, arguments)], env=environment, text=True, **options)
    finally:
        signal.signal(signal.SIGINT, heard)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def wait_for_line(process: subprocess.Popen, text: str) -> None:
    """Wait until the process prints a line that holds ``text``."""
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"the process ended without saying {text!r}")
