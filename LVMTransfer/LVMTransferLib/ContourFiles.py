"""The contours of an open case on disk, beside its labels: ``contours/<reader>/<phase>.mrk.json``. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from LVMLib.errors import LVMError

if TYPE_CHECKING:
    from LVMLib.annotation.surfaces import WallSurfaces
    from LVMLib.grid import Grid

    from .ContourPhase import ContourPhase


class ContourFiles:
    """Writes the contours of a reader's case, and finds them again.

    :param reading: the open case, a `CaseReading`.
    """

    def __init__(self, reading: object) -> None:
        self._folder = Path(reading.case.folder) / "contours" / reading.reader
        self._written: dict[int, WallSurfaces] = {}

    def path(self, phase: int) -> Path:
        """Return the file of a phase, which Slicer opens as closed curves."""
        return self._folder / f"{phase:02d}.mrk.json"

    def write(self, phases: Mapping[int, ContourPhase]) -> None:
        """Write the phases that the reader has edited and that are not on disk yet.

        :raises StorageError: the disk is full or read-only.
        """
        from LVMLib.annotation.surfaces import write_surfaces

        for number, phase in phases.items():
            if self._written.get(number) is not phase.state and (phase.changed or number in self._written):
                self._folder.mkdir(parents=True, exist_ok=True)
                write_surfaces(self.path(number), phase.state)
                self._written[number] = phase.state

    def matching(self, phase: int, labels: np.ndarray, grid: Grid) -> WallSurfaces | None:
        """Return the surfaces that gave just these labels; None if there are none, or another tool has changed them."""
        from LVMLib.annotation.surfaces import read_surfaces

        if not self.path(phase).is_file():
            return None
        try:
            state = read_surfaces(self.path(phase))
        except LVMError:
            return None
        return state if np.array_equal(state.to_labels(grid), labels) else None
