"""A small cohort with true hearts, and disks that fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from annotation_helpers import cube_grid, grid_centre, half_ellipsoid
from LVMLib.cohort import Cohort
from LVMLib.imaging import ArrayFrames, Sequence

GRID = cube_grid(96, (2.0, 2.0, 2.0))
BASE = grid_centre(GRID) + np.array([15, -15, 12])
ED = half_ellipsoid(GRID, BASE, endo=(24.0, 58.0), wall=8.0)
ES = half_ellipsoid(GRID, BASE, endo=(16.0, 50.0), wall=11.0)


def heart_cohort(path: Path, *, cases: int = 1, readers: tuple[str, ...] = (), phases: int = 4) -> Cohort:
    """Make a cohort of ellipsoid hearts, ED phase 0 and ES phase 2, labelled by ``readers``."""
    cohort = Cohort.create(path, site="Site 2")
    frames = np.zeros((phases, *GRID.shape), dtype=np.int16)
    for number in range(1, cases + 1):
        case = cohort.add_case(Sequence(GRID, ArrayFrames(frames)), case_id=f"c{number}", source="phantom")
        case.set_phases(ed=0, es=2)
        for reader in readers:
            case.write_labels(reader, 0, ED)
            case.write_labels(reader, 2, ES)
    return cohort


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a real file system of ``size`` (for example ``2m``) on a folder, or skip where that is not allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs the rights of an administrator")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def fill(folder: Path, *, leave: int) -> Path:
    """Fill a disk up to ``leave`` bytes; return the file that does it."""
    path = folder / "ballast"
    free = os.statvfs(folder)
    path.write_bytes(b"\0" * (free.f_bavail * free.f_frsize - leave))
    return path


def read_only(folder: Path) -> None:
    """Make a mounted disk read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, capture_output=True)
