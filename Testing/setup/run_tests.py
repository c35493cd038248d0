"""Run every test suite with its time, and measure the coverage of LVMLib; run by ``make test``."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MINIMUM_COVERAGE = 85
# Widgets and render windows share one process-wide application, so those suites run unsplit.
SUITES = {"library": ["-n", "2"], "mrml": [], "desktop": []}


def run_suite(name: str, options: list[str]) -> tuple[int, float]:
    """Run one suite under coverage; return its exit status and its seconds."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", str(ROOT / "Testing" / name), *options]
    command += ["--cov", "--cov-append", "--cov-report="]
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode, time.monotonic() - started


def main() -> int:
    """Return 0 when every suite passed and the coverage is high enough."""
    coverage = [sys.executable, "-m", "coverage"]
    subprocess.run([*coverage, "erase"], cwd=ROOT, check=True)
    # In a new clone the kernels are not compiled yet, and the first suite leaves a core free.
    with subprocess.Popen([sys.executable, ROOT / "Testing" / "setup" / "compile_kernels.py"], cwd=ROOT) as compiling:
        outcomes = {"static": run_suite("static", [])}
        started = time.monotonic()
        outcomes["kernels"] = compiling.wait(), time.monotonic() - started
    outcomes |= {name: run_suite(name, options) for name, options in SUITES.items()}
    report = subprocess.run(
        [*coverage, "report", "--skip-covered", f"--fail-under={MINIMUM_COVERAGE}"], cwd=ROOT, check=False
    )
    for name, (status, seconds) in outcomes.items():
        print(f"{name:8s} {'passed' if status == 0 else 'FAILED'} in {seconds:.0f} s")
    return int(any(status for status, _ in outcomes.values()) or report.returncode)


if __name__ == "__main__":
    sys.exit(main())
