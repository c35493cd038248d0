"""A real command line in the test's own process, and small things to give it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from learning_helpers import LPS_2MM, ball_phase, saved_bundle
from LVMLib.cli.main import main
from LVMLib.cohort import Case, Cohort
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, Sequence, write_labels, write_sequence_nifti

SIZE = 16
GRID = Grid((SIZE,) * 3, LPS_2MM)


def ball(phases: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Return HU ``(T, Z, Y, X)`` and labels of a beating ball."""
    rng = np.random.default_rng(5)
    frames = [ball_phase(t / phases, np.full(3, SIZE / 2), SIZE, rng) for t in range(phases)]
    return np.stack([hu for hu, _ in frames]), np.stack([labels for _, labels in frames])


def image_file(path: Path, phases: int = 2) -> Path:
    """Write the ball as an image."""
    write_sequence_nifti(path, ball(phases)[0], GRID, phases=phases)
    return path


def mask_file(path: Path) -> Path:
    """Write the ball's labels of one phase."""
    write_labels(path, ball()[1][0], GRID)
    return path


def cohort_folder(path: Path, *, cases: int = 1, readers: tuple[str, ...] = ("model",)) -> Case:
    """Make a cohort of balls with labels at ED and ES; return its first case."""
    hu, labels = ball()
    cohort = Cohort.open_or_create(path, site="test")
    for number in range(cases):
        case = cohort.add_case(Sequence(GRID, ArrayFrames(hu + np.int16(number))), ed=0, es=1)
        for reader in readers:
            for phase in (0, 1):
                case.write_labels(reader, phase, labels[phase])
    return cohort.case("case-001")


def untrained_bundle(path: Path) -> Path:
    """Write a bundle that verifies and has learnt nothing."""
    return saved_bundle(path).path


def run(*arguments: object) -> int:
    """Run a command as a person types it; return its exit status."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as stop:  # argparse
        return stop.code


def said(err: str) -> list[str]:
    """Return the lines of standard error that are not progress."""
    return [line for line in err.splitlines() if line and not line[:4].strip().rstrip("%").isdigit()]


def refused(capfd, *arguments: object) -> str:
    """Run a command that must refuse its input: exit status 2, one whole line, nothing on standard output."""
    status = run(*arguments)
    captured = capfd.readouterr()
    lines = said(captured.err)
    assert status == 2, captured.err
    assert len(lines) == 1, captured.err
    assert captured.out == ""
    assert "expected" in lines[0] and "found" in lines[0] and lines[0].endswith("."), lines[0]
    return lines[0]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
