"""One beating heart: a voxel grid, the phases of the cardiac cycle, and where their voxels come from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Protocol, runtime_checkable

import numpy as np

from ..errors import ImageError
from ..grid import Grid


@runtime_checkable
class FrameSource(Protocol):
    """Where the voxels of a sequence come from; reads one phase at a time."""

    def __len__(self) -> int:
        """Return the number of phases."""
        ...

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)``, int16 or float32."""
        ...


class ArrayFrames:
    """The phases of an array in memory.

    Parameters
    ----------
    array : ndarray (T, Z, Y, X) or (Z, Y, X)
        HU; a 3D array is one phase.
    """

    def __init__(self, array: np.ndarray) -> None:
        self._array = array[np.newaxis] if array.ndim == 3 else array

    def __len__(self) -> int:
        return len(self._array)

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)``."""
        return self._array[t]


class CallableFrames:
    """Phases that a function makes when they are asked for.

    Parameters
    ----------
    count : int
        Number of phases.
    read : callable
        ``read(t)`` returns phase ``t``, HU, ``(Z, Y, X)``.
    """

    def __init__(self, count: int, read: Callable[[int], np.ndarray]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)``."""
        return self._read(t)


@dataclass(frozen=True, eq=False)
class Sequence:
    """A 4D CT: one grid, T phases, read one at a time.

    Parameters
    ----------
    grid : Grid
        The grid that all phases share.
    frames : FrameSource
        Reads the phases; `ArrayFrames` for an array in memory.
    rr_percent : tuple of float
        Nominal percentage of the R-R interval of each phase; empty = uniform, ``100 t / T``.
    info : mapping
        Facts without patient identity: scanner, kernel, kVp, heart rate, modality.
    source : str
        The file or folder for error messages; never stored in a case.

    Raises
    ------
    ImageError
        No phase, or as many R-R percentages as there are no phases.
    GridError
        The grid is sheared.
    """

    grid: Grid
    frames: FrameSource
    rr_percent: tuple[float, ...] = ()
    info: Mapping[str, object] = field(default_factory=dict)
    source: str = "image"

    def __post_init__(self) -> None:
        self.grid.require_orthogonal(self.source)
        count = len(self.frames)
        percent = tuple(float(value) for value in self.rr_percent) or uniform_rr_percent(count)
        if count < 1 or len(percent) != count:
            raise ImageError(
                self.source,
                expected="at least one phase, and one R-R percentage for each",
                found=f"{count} phases and {len(percent)} R-R percentages",
                remedy="Correct the sidecar file, or remove it so that the phases are taken as uniform.",
            )
        object.__setattr__(self, "rr_percent", percent)

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, t: int) -> np.ndarray:
        """Return phase ``t``, HU, ``(Z, Y, X)``, int16 or float32.

        Raises
        ------
        IndexError
            There is no phase ``t``.
        ImageError
            The file is truncated, or the phase holds NaN or infinite voxels.
        """
        if not 0 <= t < len(self):
            raise IndexError(f"phase {t} of a sequence with {len(self)} phases")
        volume = self.frames.frame(t)
        if volume.shape != self.grid.shape:
            raise ImageError(
                f"{self.source}, phase {t}",
                expected=f"{self.grid.shape} voxels (Z, Y, X) like phase 0",
                found=f"{volume.shape}",
                remedy="Export all phases with the same matrix, field of view and slice range.",
            )
        return require_finite(volume, f"{self.source}, phase {t}")

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.frame(t) for t in range(len(self)))


def uniform_rr_percent(count: int) -> tuple[float, ...]:
    """Return the R-R percentages of ``count`` uniform phases: 0, 100/count, …"""
    return tuple(round(100.0 * t / count, 4) for t in range(count))


def require_finite(volume: np.ndarray, where: str | PathLike) -> np.ndarray:
    """Return ``volume`` if every voxel is finite, else raise `ImageError` naming ``where``."""
    if volume.dtype.kind == "f":
        strange = int(volume.size - np.count_nonzero(np.isfinite(volume)))
        if strange:
            raise ImageError(
                where,
                expected="finite Hounsfield units in every voxel",
                found=f"{strange} NaN or infinite voxels",
                remedy="Export the image again, or replace those voxels, for example by -1024 HU.",
            )
    return volume


def to_int16(volume: np.ndarray) -> np.ndarray:
    """Return HU rounded to int16 and clipped to its range."""
    if volume.dtype == np.int16:
        return volume
    limits = np.iinfo(np.int16)
    if volume.dtype.kind == "f":
        volume = np.rint(volume)
    return np.clip(volume, limits.min, limits.max).astype(np.int16)


def scaled(volume: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Return ``slope * volume + intercept`` as int16 where that is exact for integers, else as float32."""
    whole = volume.dtype.kind in "iub" and float(slope).is_integer() and float(intercept).is_integer()
    if not whole:
        if (slope, intercept) == (1, 0):
            return volume.astype(np.float32)
        return (volume.astype(np.float64) * slope + intercept).astype(np.float32)
    if (slope, intercept) != (1, 0):
        volume = volume.astype(np.int32) * int(slope) + int(intercept)
    return to_int16(volume)
