"""Label maps in the formats that radiologists' tools exchange."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ..errors import ImageError, LabelError
from ..grid import Grid, require_labels
from .nifti import open_nifti, write_sequence_nifti
from .nrrd import open_nrrd, write_sequence_nrrd
from .segmentation import read_segmentation, write_segmentation

LABEL_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".seg.nrrd")


def read_labels(
    path: str | os.PathLike, *, reference: Grid | None = None, allow_empty: bool = False
) -> tuple[np.ndarray, Grid]:
    """Read a label map.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, ``.nrrd``, ``.seg.nrrd``, or a DICOM SEG (``.dcm``, with ``reference`` only).
    reference : Grid, optional
        The image's grid, which the labels must lie on.
    allow_empty : bool
        Whether a mask without any label is accepted.

    Returns
    -------
    labels : ndarray (Z, Y, X) or (T, Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LV myocardium.
    grid : Grid

    Raises
    ------
    ImageError
        Unreadable, truncated or not grey.
    LabelError
        Values outside {0, 1, 2}, or an empty mask.
    GridError
        Sheared, or not on ``reference``.
    """
    path = Path(path)
    if path.suffix.lower() == ".dcm":
        return _read_dicom_seg(path, reference), reference
    suffix = label_suffix(path)
    if suffix == ".seg.nrrd":
        labels, grid = read_segmentation(path, reference=reference)
        return require_labels(labels, path, allow_empty=allow_empty), grid
    frames, grid = open_nifti(path) if suffix.startswith(".nii") else open_nrrd(path)[:2]
    if reference is not None:
        reference.require_match(grid, path)
    phases = [require_labels(frames.frame(t), path, allow_empty=True) for t in range(len(frames))]
    labels = phases[0] if len(phases) == 1 else np.stack(phases)
    if not labels.any() and not allow_empty:
        require_labels(labels, path)
    return labels, grid


def _read_dicom_seg(path: Path, reference: Grid | None) -> np.ndarray:
    from .dicom_seg import read_dicom_seg  # pydicom takes a second to import

    if reference is None:
        raise ImageError(
            path,
            expected="the image that a DICOM SEG belongs to",
            found="none",
            remedy="Bring it into the case of its image with 'lvm labels'.",
        )
    return read_dicom_seg(path, reference=reference)


def write_labels(path: str | os.PathLike, labels: np.ndarray, grid: Grid) -> str:
    """Write labels on exactly ``grid``, atomically, in the format that the suffix names.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.seg.nrrd`` (one phase).
    labels : ndarray (Z, Y, X) or (T, Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LV myocardium; may be empty.
    grid : Grid
        Grid of each phase.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    ImageError
        A suffix that is none of the four.
    LabelError
        Values outside {0, 1, 2}, or another shape.
    StorageError
        The disk is full or read-only.
    """
    path = Path(path)
    suffix = label_suffix(path)
    if suffix == ".seg.nrrd":
        return write_segmentation(path, labels, grid)
    labels = require_labels(labels, path, allow_empty=True)
    if labels.shape[-3:] != grid.shape or labels.ndim not in (3, 4):
        raise LabelError(
            path,
            expected=f"labels of shape {grid.shape} (Z, Y, X), or (T, Z, Y, X)",
            found=f"{labels.shape}",
            remedy="Give the labels on the image's grid.",
        )
    write = write_sequence_nifti if suffix.startswith(".nii") else write_sequence_nrrd
    phases, frames = (None, [labels]) if labels.ndim == 3 else (len(labels), labels)
    return write(path, frames, grid, dtype=np.uint8, phases=phases)


def write_code_map(path: str | os.PathLike, codes: np.ndarray, grid: Grid) -> str:
    """Write a map of other codes than labels, for example of a difference, atomically; return its SHA-256.

    Parameters
    ----------
    path : path
        ``.nii``, ``.nii.gz`` or ``.nrrd``.
    codes : ndarray (Z, Y, X) uint8
        Any values.
    grid : Grid
        Their grid.

    Raises
    ------
    ImageError
        Another suffix; a ``.seg.nrrd`` would give the codes the meaning of labels.
    StorageError
        The disk is full or read-only.
    """
    path = Path(path)
    suffix = label_suffix(path)
    if suffix == ".seg.nrrd":
        raise ImageError(
            path, expected="a file ending in .nrrd or .nii.gz", found=".seg.nrrd", remedy="Choose another name."
        )
    write = write_sequence_nifti if suffix.startswith(".nii") else write_sequence_nrrd
    return write(path, [codes], grid, dtype=np.uint8)


def write_label_phases(path: str | os.PathLike, phases: Collection[np.ndarray], grid: Grid) -> str:
    """Write the labels of one or several phases, one at a time; one phase becomes a 3D file.

    Parameters
    ----------
    path : path
        As `write_labels`.
    phases : collection of ndarray (Z, Y, X) uint8
        Labels of each phase, in the order of the image; taken one at a time.
    grid : Grid
        The image's grid.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    ImageError, LabelError, StorageError
        As `write_labels`.
    """
    path = Path(path)
    suffix = label_suffix(path)
    if len(phases) == 1 or suffix == ".seg.nrrd":
        return write_labels(path, next(iter(phases)) if len(phases) == 1 else np.stack(list(phases)), grid)
    write = write_sequence_nifti if suffix.startswith(".nii") else write_sequence_nrrd
    frames = (require_labels(labels, path, allow_empty=True) for labels in phases)
    return write(path, frames, grid, dtype=np.uint8, phases=len(phases))


def require_label_file(path: str | os.PathLike, *, phases: int = 1, image: str | os.PathLike | None = None) -> None:
    """Raise what `write_label_phases` would raise for ``path``, before hours of work and not after them.

    Parameters
    ----------
    path : path
        Where the labels shall go.
    phases : int
        How many phases.
    image : path, optional
        The image that is labelled, which must stay what it is.

    Raises
    ------
    LabelError
        A ``.seg.nrrd`` for several phases, a folder, or the image itself.
    ImageError
        A suffix that is no label file's.
    """
    path, found = Path(path), None
    if label_suffix(path) == ".seg.nrrd" and phases > 1:
        found = f"{phases} phases for one .seg.nrrd"
    elif path.is_dir():
        found = "a folder of this name"
    elif image is not None and path.exists() and path.samefile(image):
        found = "the image itself, which would be lost"
    if found:
        raise LabelError(
            path, expected="a label file to write", found=found, remedy="Choose another name, such as labels.nii.gz."
        )


def label_suffix(path: str | os.PathLike) -> str:
    """Return which of `LABEL_SUFFIXES` ends ``path``, or raise `ImageError`."""
    name = Path(path).name.lower()
    for suffix in sorted(LABEL_SUFFIXES, key=len, reverse=True):
        if name.endswith(suffix):
            return suffix
    raise ImageError(
        path,
        expected="a label file ending in " + ", ".join(LABEL_SUFFIXES),
        found=f"'{Path(path).name}'",
        remedy="Choose one of these formats.",
    )
