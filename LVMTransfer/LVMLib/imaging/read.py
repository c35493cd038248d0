"""One way in for every image format."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..errors import ImageError
from ..progress import Progress, silent
from .folder import read_folder, volume_files
from .nifti import read_nifti
from .nrrd import read_nrrd
from .sequence import Sequence

_LEAST_RANGE_HU = 255.5


def read_image(path: str | os.PathLike, *, series: str | None = None, progress: Progress = silent) -> Sequence:
    """Open a 4D cardiac CT, or a 3D one as a single phase; voxels are read when asked for.

    Parameters
    ----------
    path : path
        DICOM folder (searched with its sub-folders), 3D or 4D NIfTI or NRRD, ``.seq.nrrd``, or a folder with one
        3D file for each phase. A sidecar ``<name>.json`` with ``"rr_percent": [...]`` names the phases.
    series : str, optional
        For a DICOM folder with several candidates: part of the description, the number, or the UID of the one.
    progress : Progress
        Called while DICOM headers are read.

    Returns
    -------
    Sequence
        RAS grid, HU.

    Raises
    ------
    ImageError
        Missing, truncated, colour, unknown format, a single slice, or a label map.
    DicomError
        Not one 4D CT of one patient.
    GridError
        Sheared, or phases on different grids.
    """
    path = Path(path)
    try:
        return _require_volume(path, _open(path, series, progress))
    except PermissionError as error:
        raise ImageError(
            error.filename or path,
            expected="a readable file",
            found="no permission",
            remedy="Ask its owner for access.",
        ) from error


def _open(path: Path, series: str | None, progress: Progress) -> Sequence:
    if not path.exists():
        raise ImageError(path, expected="an image file or folder", found="nothing there", remedy="Check the path.")
    name = path.name.lower()
    if path.is_dir():
        if volume_files(path):
            return read_folder(path)
        return _read_dicom(path, series, progress)
    if name.endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return read_nifti(path, rr_percent=sidecar_rr_percent(path))
    if name.endswith((".nrrd", ".nhdr")):
        return read_nrrd(path, rr_percent=sidecar_rr_percent(path))
    if is_dicom_file(path):
        return _read_dicom(path, series, progress)
    raise ImageError(
        path,
        expected="a DICOM folder, .nii, .nii.gz, .nrrd, .seq.nrrd or a folder of 3D files",
        found=f"'{path.suffix or path.name}'",
        remedy="Export the CT as DICOM, NIfTI or NRRD.",
    )


def _require_volume(path: Path, sequence: Sequence) -> Sequence:
    """Refuse single slices, and label maps or pictures: no CT of a chest has fewer than 256 grey values."""
    if min(sequence.grid.shape) < 2:
        raise ImageError(
            path,
            expected="a volume",
            found=f"a single slice ({sequence.grid.describe()})",
            remedy="Export the whole stack of slices.",
        )
    if sequence.info.get("format") == "DICOM":  # says by itself that it is a CT
        return sequence
    volume = sequence.frame(0)
    low, high = float(volume.min()), float(volume.max())
    if high - low < _LEAST_RANGE_HU:
        raise ImageError(
            path,
            expected="grey values of a CT (Hounsfield units)",
            found=f"values from {low:g} to {high:g} only",
            remedy="Choose the CT itself; this is a label map, a mask or a picture.",
        )
    return sequence


def is_dicom_file(path: Path) -> bool:
    """Whether a file carries the DICOM preamble."""
    with open(path, "rb") as stream:
        stream.seek(128)
        return stream.read(4) == b"DICM"


def sidecar_rr_percent(path: Path) -> tuple[float, ...]:
    """Return the R-R percentages of ``<name>.json`` beside an image, or nothing.

    Raises
    ------
    ImageError
        The sidecar is no JSON, or its percentages are not numbers from 0 to 100.
    """
    name = path.name
    for suffix in (".gz", ".nii", ".nrrd", ".nhdr", ".seq"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    sidecar = path.with_name(name + ".json")
    if not sidecar.is_file():
        return ()
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        percent = tuple(float(value) for value in content.get("rr_percent", ()))
        valid = all(0 <= value <= 100 for value in percent)
    except (ValueError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise ImageError(
            sidecar,
            expected='JSON with "rr_percent": a list of numbers from 0 to 100',
            found="something else",
            remedy="Correct the sidecar file, or remove it so that the phases are taken as uniform.",
        )
    return percent


def _read_dicom(path: Path, series: str | None, progress: Progress) -> Sequence:
    from .dicom import read_dicom  # pydicom takes a second to import; NIfTI users need not wait for it

    return read_dicom(path, series=series, progress=progress)
