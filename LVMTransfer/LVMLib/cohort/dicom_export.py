"""Labels of a case as DICOM SEG, beside the DICOM images that it came from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import CohortError
from ..imaging.dicom_pixels import DicomFrames
from ..imaging.sequence import to_int16
from ..progress import Progress, silent
from .case import Case
from .export import chosen_phases, chosen_reader

MODEL_READER = "model"


def export_dicom_seg(
    case: Case,
    dicom: str | os.PathLike,
    out: str | os.PathLike,
    *,
    reader: str | None = None,
    phases: Iterable[int] | None = None,
    series: str | None = None,
    progress: Progress = silent,
) -> dict[int, Path]:
    """Write one DICOM SEG for each phase; return the files.

    A case holds nothing that names the patient, so patient, study and references are taken from the DICOM folder that
    was imported. Its voxels must be those of the case: labels never reach another patient's study.

    Parameters
    ----------
    case : Case
        The case.
    dicom : path
        The folder that it was imported from.
    out : path
        Folder for ``<case>-<reader>-<phase>.dcm``.
    reader : str, optional
        Whose labels; None = ``consensus``, or the only reader.
    phases : iterable of int, optional
        None = ED and ES.
    series : str, optional
        As for `imaging.read_image`.

    Raises
    ------
    CohortError
        No reader or several to choose from, phases not labelled, or the folder holds another patient or series.
    DicomError
        The folder cannot be read, or highdicom is not installed.
    StorageError
        The disk is full or read-only.
    """
    from ..imaging.dicom import open_stacks
    from ..imaging.dicom_seg import write_dicom_seg

    reader = chosen_reader(case, reader)
    wanted = chosen_phases(case, reader, phases)
    grid, stacks = open_stacks(dicom, series=series)
    if len(stacks) != len(case.rr_percent) or not grid.matches(case.grid):
        raise _another(case, dicom, f"{len(stacks)} phases of {grid.describe()}")
    frames, image, written = DicomFrames(tuple(stacks)), case.image(), {}
    for number, phase in enumerate(wanted):
        progress(number / len(wanted), f"DICOM SEG of phase {phase}")
        if not np.array_equal(to_int16(frames.frame(phase)), to_int16(image.frame(phase))):
            raise _another(case, dicom, f"other voxels in phase {phase}")
        path = Path(out) / f"{case.id}-{reader}-{phase:02d}.dcm"
        name = {case.ed: "ED", case.es: "ES"}.get(phase, f"{case.rr_percent[phase]:.0f} %")
        write_dicom_seg(
            path, case.labels(reader, phase), stacks[phase], description=f"LV segmentation {name} {reader}",
            creator=reader, series_number=1000 + phase, automatic=reader == MODEL_READER,
        )  # fmt: skip
        written[phase] = path
    progress(1.0, f"{len(written)} DICOM SEG")
    return written


def _another(case: Case, dicom: str | os.PathLike, found: str) -> CohortError:
    return CohortError(
        dicom,
        expected=f"the DICOM images of case {case.id} ({len(case.rr_percent)} phases of {case.grid.describe()})",
        found=found,
        remedy="Give the folder that this case was imported from.",
    )
