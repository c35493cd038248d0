"""A folder with one 3D file for each phase."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import GridError, ImageError
from .nifti import open_nifti
from .nrrd import open_nrrd
from .sequence import FrameSource, Sequence

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|_?(?:pct|percent|prozent|rr)(?![a-z]))", re.IGNORECASE)


@dataclass(frozen=True)
class FileFrames:
    """One 3D file for each phase.

    Parameters
    ----------
    sources : tuple of FrameSource
        One for each phase, each with one phase.
    """

    sources: tuple[FrameSource, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)``."""
        return self.sources[t].frame(0)


def volume_files(folder: Path) -> list[Path]:
    """Return the NIfTI and NRRD files of a folder, hidden ones apart."""
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in files if path.name.lower().endswith(VOLUME_SUFFIXES))


def read_folder(folder: Path) -> Sequence:
    """Open a folder of 3D files as one sequence, sorted by the percentage or the number in their names.

    Raises
    ------
    ImageError
        No order can be read from the names, or a file is not 3D.
    GridError
        A phase lies on another grid than the first.
    """
    files, percent = phase_order(folder, volume_files(folder))
    sources, grid = [], None
    for path in files:
        frames, own = open_nifti(path) if ".nii" in path.name.lower() else open_nrrd(path)[:2]
        if len(frames) != 1:
            raise ImageError(
                path,
                expected="a 3D file for each phase",
                found=f"{len(frames)} phases in this file",
                remedy="Give the 4D file itself instead of its folder.",
            )
        grid = grid or own
        if not grid.matches(own):
            raise GridError(
                path,
                expected=f"the grid of {files[0].name} ({grid.describe()})",
                found=own.describe(),
                remedy="Reconstruct all phases with the same field of view and slices; keep other images out.",
            )
        sources.append(frames)
    return Sequence(grid, FileFrames(tuple(sources)), percent, {"format": "3D files"}, str(folder))


def phase_order(folder: Path, files: list[Path]) -> tuple[list[Path], tuple[float, ...]]:
    """Return the files in the order of the cardiac cycle, and their R-R percentages if the names give them.

    Raises
    ------
    ImageError
        The names hold no number that differs between all files.
    """
    if len(files) == 1:
        return files, ()
    percent = [_PERCENT.findall(path.name) for path in files]
    values = [float(found[-1]) for found in percent if found]
    if len(set(values)) == len(files) and max(values) <= 100:
        order = np.argsort(values)
        return [files[n] for n in order], tuple(values[n] for n in order)
    numbers = [[float(n) for n in _NUMBER.findall(path.name)] for path in files]
    for position in range(1, min(len(found) for found in numbers) + 1):
        keys = [found[-position] for found in numbers]
        if len(set(keys)) == len(files):
            return [files[n] for n in np.argsort(keys)], ()
    raise ImageError(
        folder,
        expected="a phase number or R-R percentage in each file name, such as phase_05.nii.gz or 25%.nrrd",
        found=", ".join(path.name for path in files[:3]) + (" …" if len(files) > 3 else ""),
        remedy="Rename the files, one per phase, and keep masks and other images out of the folder.",
    )
