"""A short training run in a process of its own: ``training_memory FOLDER CASES STEPS`` prints its peak memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ...errors import LVMError
from ...learning import FinetuneConfig, Normalisation
from ...learning.device import choose_device
from ...learning.samples.cache import CachedPair
from ...learning.samples.crops import Sampler
from ...learning.training.ranks import Ranks
from ...learning.training.step import Place, StepTaker
from ...learning.workers import Workers
from ...network import build_network


def main(folder: Path, count: int, steps: int) -> None:
    """Train for some steps on the first ``count`` cached cases and print the peak memory of the process, MiB."""
    cases = [CachedPair.open(path) for path in sorted((folder / "cache").iterdir())[:count]]
    config = FinetuneConfig(batch=2, crop=(32, 32, 32), windows={4: 1.0})
    device, network = choose_device("cpu"), build_network("small")
    sampler = Sampler(cases, config, Normalisation())
    with Workers(2) as workers:
        taker = StepTaker(
            network, sampler, config, device=device, workers=workers, ranks=Ranks(), from_source=False
        )  # fmt: skip
        for number in range(steps):
            taker.take(Place(step=number, fraction=0.0, rate=1e-4, shrink=1.0))
    sys.stdout.write(json.dumps({"mib": peak_bytes() / 1024**2}) + "\n")


def peak_bytes() -> int:
    """Return the peak memory of this process.

    Raises
    ------
    LVMError
        Not on Linux.
    """
    # The kernel's own mark: ru_maxrss of a child also counts the parent that started it.
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise LVMError("memory", expected="Linux", found="no /proc", remedy="Run this benchmark on Linux.") from error
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024


def run_apart(module: str, *arguments: object) -> dict:
    """Run a module of the benchmarks in a process of its own and return the JSON that it prints."""
    library = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(library), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", f"{__package__}.{module}", *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
