"""What made a result: the command, the commit and the time, for run folders, bundles and reports."""

from __future__ import annotations

import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path


def command_line() -> str:
    """Return the command that runs now, without the path of its program."""
    program = Path(sys.argv[0]).name or "python"
    return shlex.join(["lvm" if program == "main.py" else program, *sys.argv[1:]])


def commit() -> str:
    """Return the commit of the software, or ``unknown`` outside a checkout."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    folder = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
