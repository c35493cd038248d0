"""DICOM SEG: labels as an object that a PACS keeps beside the images that it refers to.

Codes as in ``.seg.nrrd`` (`terminology`); one BINARY segment for each label (DICOM PS3.3, A.51), which more viewers
read than label maps. highdicom writes it; reading needs pydicom alone.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom

from .. import __version__
from ..errors import DicomError, GridError, ImageError, LabelError
from ..files import atomic_file
from ..grid import LABEL_NAMES, Grid, require_labels
from ..terminology import CATEGORY, TERMS, label_of_code
from .dicom_headers import SliceHeader

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
MANUFACTURER = "SlicerLVM (research software)"
# Voxel centres may miss the image's by this share of a voxel: positions are rounded in files.
_INDEX_TOLERANCE = 0.1
_EXPORT_AGAIN = "Export the segmentation again for this image, or use .seg.nrrd."


def write_dicom_seg(
    path: str | os.PathLike,
    labels: np.ndarray,
    slices: Sequence[SliceHeader],
    *,
    description: str,
    creator: str,
    series_number: int = 1000,
    automatic: bool = False,
) -> None:
    """Write labels of one phase as DICOM SEG, atomically; patient and study are those of the images.

    Parameters
    ----------
    path : path
        ``.dcm``.
    labels : ndarray (Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LV myocardium.
    slices : sequence of SliceHeader
        The DICOM slices of the phase in the order of k, as `dicom.open_stacks` gives them.
    description, creator : str
        Series description, and who drew the labels.
    series_number : int
        Of the new series.
    automatic : bool
        Whether a model made the labels, uncorrected.

    Raises
    ------
    LabelError
        Other values, an empty map, or another shape than the slices have.
    DicomError
        The slices are frames of a multi-frame file, or highdicom is not installed.
    StorageError
        The disk is full or read-only.
    """
    labels = require_labels(labels, path)
    shape = (len(slices), slices[0].rows, slices[0].columns)
    if labels.shape != shape:
        raise LabelError(path, expected=f"{shape} voxels", found=f"{labels.shape}", remedy=_EXPORT_AGAIN)
    if len({header.path for header in slices}) < len(slices):
        raise DicomError(
            slices[0].path,
            expected="one DICOM file for each slice",
            found="a multi-frame file",
            remedy="Export the series as single slices, or use .seg.nrrd.",
        )
    segments = [label for label in TERMS if (labels == label).any()]
    numbered = np.zeros_like(labels)
    for number, label in enumerate(segments, start=1):
        numbered[labels == label] = number
    dataset = _segmentation(
        [pydicom.dcmread(header.path, stop_before_pixels=True) for header in slices],
        numbered,
        segments,
        facts={
            "series_description": description[:64],
            "content_creator_name": f"{creator}^",  # a name of one part
            "series_number": series_number,
        },
        automatic=automatic,
    )
    with atomic_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _segmentation(
    images: list[pydicom.Dataset], labels: np.ndarray, segments: Sequence[int], *, facts: dict, automatic: bool
) -> pydicom.Dataset:
    try:
        import highdicom as hd
    except ImportError as error:
        raise DicomError(
            "DICOM SEG", expected="the package highdicom", found="none", remedy="Install it: pip install highdicom."
        ) from error
    algorithm = hd.AlgorithmIdentificationSequence(
        name="SlicerLVM", family=hd.sr.CodedConcept("123110", "DCM", "Artificial Intelligence"), version=__version__
    )
    kind = hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC if automatic else hd.seg.SegmentAlgorithmTypeValues.MANUAL
    category = hd.sr.CodedConcept(CATEGORY[1], CATEGORY[0], CATEGORY[2])
    descriptions = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=LABEL_NAMES[label],
            segmented_property_category=category,
            segmented_property_type=hd.sr.CodedConcept(TERMS[label].code, "SCT", TERMS[label].meaning),
            algorithm_type=kind,
            algorithm_identification=algorithm if automatic else None,
            display_color=hd.color.CIELabColor.from_rgb(*(round(255 * part) for part in TERMS[label].color)),
        )
        for number, label in enumerate(segments, start=1)
    ]
    return hd.seg.Segmentation(
        source_images=images,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=hd.UID(),
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name="SlicerLVM",
        software_versions=__version__,
        device_serial_number="0",
        content_description="Left ventricle",
        content_label="LV",
        **facts,
    )


def read_dicom_seg(path: str | os.PathLike, *, reference: Grid) -> np.ndarray:
    """Read a DICOM SEG, of ours or of another tool, onto the grid of its image.

    Parameters
    ----------
    path : path
        A file with binary segments.
    reference : Grid
        The image's grid; the frames may come in any order and leave out empty slices.

    Returns
    -------
    ndarray (Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LV myocardium.

    Raises
    ------
    ImageError
        No DICOM SEG with binary segments.
    LabelError
        No segment has the terminology of LV blood pool or LV myocardium.
    GridError
        The frames do not lie on ``reference``.
    """
    dataset = _read(Path(path))
    wanted = _segments(path, dataset)
    frames = _bits(dataset)
    labels = np.zeros(reference.shape, dtype=np.uint8)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    order = sorted(range(len(frames)), key=lambda n: -wanted.get(_segment_number(dataset, n), 0))
    for number in order:  # where segments overlap the blood pool, written last, wins
        label = wanted.get(_segment_number(dataset, number))
        if label is not None:
            groups = dataset.PerFrameFunctionalGroupsSequence[number]
            k = _slice_of(path, frames[number].shape, groups, shared, reference)
            labels[k][frames[number]] = label
    return labels


def _read(path: Path) -> pydicom.Dataset:
    dataset = pydicom.dcmread(path)
    if dataset.SOPClassUID != SEG_CLASS or dataset.get("SegmentationType") != "BINARY":
        raise ImageError(
            path,
            expected="a DICOM SEG with binary segments",
            found=f"{dataset.SOPClassUID.name}, {dataset.get('SegmentationType', 'no segmentation')}",
            remedy="Export the segmentation as binary DICOM SEG or as .seg.nrrd.",
        )
    if dataset.file_meta.TransferSyntaxUID.is_compressed:
        dataset.decompress()
    return dataset


def _segments(path: str | os.PathLike, dataset: pydicom.Dataset) -> dict[int, int]:
    """Return the label of each segment number."""
    found, names = {}, []
    for segment in dataset.SegmentSequence:
        codes = segment.get("SegmentedPropertyTypeCodeSequence") or [None]
        label = None if codes[0] is None else label_of_code(codes[0].CodingSchemeDesignator, codes[0].CodeValue)
        names.append(str(segment.get("SegmentLabel", segment.SegmentNumber)))
        if label is not None:
            found[int(segment.SegmentNumber)] = label
    if not found:
        raise LabelError(
            path,
            expected="segments with the SNOMED CT codes of left ventricle and its myocardium",
            found="segments " + ", ".join(names),
            remedy="Set the terminology of the segments in the tool that made them.",
        )
    return found


def _bits(dataset: pydicom.Dataset) -> np.ndarray:
    """Return the frames ``(n, rows, columns)`` of bool; bits are packed without a gap between frames."""
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    bits = np.unpackbits(np.frombuffer(dataset.PixelData, dtype=np.uint8), bitorder="little")
    return bits[: int(np.prod(shape))].reshape(shape).astype(bool)


def _segment_number(dataset: pydicom.Dataset, frame: int) -> int:
    """Return the segment of a frame, which stands in the shared groups where there is only one."""
    groups = dataset.PerFrameFunctionalGroupsSequence[frame]
    if "SegmentIdentificationSequence" not in groups:
        groups = dataset.SharedFunctionalGroupsSequence[0]
    return int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def _slice_of(
    path: str | os.PathLike, shape: tuple[int, int], groups: pydicom.Dataset, shared: pydicom.Dataset, reference: Grid
) -> int:
    """Return the k of a frame whose rows and columns are those of ``reference``, or raise `GridError`."""

    def found(sequence: str, attribute: str) -> np.ndarray:
        place = groups if sequence in groups else shared
        return np.array(getattr(place[sequence][0], attribute), dtype=float)

    position = found("PlanePositionSequence", "ImagePositionPatient") * [-1, -1, 1]
    turn = found("PlaneOrientationSequence", "ImageOrientationPatient").reshape(2, 3) * [-1, -1, 1]
    rows, columns = found("PixelMeasuresSequence", "PixelSpacing")
    corner = position + turn[0] * columns * (shape[1] - 1) + turn[1] * rows * (shape[0] - 1)
    first, last = reference.to_ijk(np.stack([position, corner]))
    k = round(float(first[2]))
    expected = np.array([[0, 0, k], [reference.shape[2] - 1, reference.shape[1] - 1, k]])
    inside = 0 <= k < reference.shape[0] and shape == reference.shape[1:]
    if not inside or np.abs(np.stack([first, last]) - expected).max() > _INDEX_TOLERANCE:
        raise GridError(
            path,
            expected=f"frames on the image's grid ({reference.describe()})",
            found=f"a frame of {shape[1]} x {shape[0]} pixels at RAS ({', '.join(f'{x:.1f}' for x in position)})",
            remedy="Choose the image that the segmentation was drawn on.",
        )
    return k
