"""DICOM headers of a folder, without voxels: which files are CT slices, and what each says about itself."""

from __future__ import annotations

import logging
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from ..errors import DicomError
from ..progress import Progress, silent

log = logging.getLogger(__name__)

_PIXEL_DATA = 0x7FE00010
_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
_NATIVE = {"1.2.840.10008.1.2": "<", "1.2.840.10008.1.2.1": "<", "1.2.840.10008.1.2.2": ">"}
_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID",
    "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "FrameOfReferenceUID", "Modality", "ImageType",
    "ConvolutionKernel", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation",
    "BitsAllocated", "BitsStored", "PixelRepresentation", "PixelSpacing", "ImagePositionPatient",
    "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept", "NominalPercentageOfCardiacPhase", "TriggerTime",
    "NominalCardiacTriggerDelayTime", "TemporalPositionIdentifier", "AcquisitionNumber", "InstanceNumber",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "Manufacturer", "ManufacturerModelName",
    "SoftwareVersions", "KVP", "SliceThickness", "HeartRate", "NominalInterval", "ContrastBolusAgent",
]  # fmt: skip


@dataclass(frozen=True)
class PixelLayout:
    """How the voxels of a slice are stored.

    Parameters
    ----------
    offset : int or None
        Byte offset of the file's first pixel; None = compressed.
    byte_order : str
        ``<`` or ``>``.
    bits_allocated, bits_stored : int
    signed : bool
    slope, intercept : float
        HU = slope * stored + intercept.
    """

    offset: int | None
    byte_order: str
    bits_allocated: int
    bits_stored: int
    signed: bool
    slope: float
    intercept: float


@dataclass(frozen=True)
class SliceHeader:
    """One slice: where it is in the patient (LPS mm), in the heart beat, and in its file.

    ``depth`` is its position along its own normal, mm.
    """

    path: Path
    frame: int
    uid: str
    patient: str
    study: str
    series: str
    series_number: int
    description: str
    kernel: str
    rows: int
    columns: int
    spacing: tuple[float, float]
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    percent: float | None
    trigger_ms: float | None
    temporal: float | None
    acquisition: float | None
    instance: int
    pixels: PixelLayout
    depth: float


@dataclass(frozen=True)
class Scan:
    """What a folder holds.

    Parameters
    ----------
    slices : list of SliceHeader
    facts : dict
        Per series UID the scanner facts, without patient identity.
    skipped : Counter
        Reasons for leaving files out, with their number.
    """

    slices: list[SliceHeader] = field(default_factory=list)
    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    skipped: Counter = field(default_factory=Counter)


class _Skip(Exception):
    """A file that is no CT slice; says why."""


def slice_normal(orientation: tuple[float, ...]) -> np.ndarray:
    """Return the unit normal of a slice, LPS, from ImageOrientationPatient."""
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    return np.array([b * f - c * e, c * d - a * f, a * e - b * d])


def scan_folder(folder: Path, *, progress: Progress = silent) -> Scan:
    """Read the headers of all CT slices below ``folder``, or of one file.

    Localizers, dose reports, screenshots and foreign files are left out, with a log line.

    Raises
    ------
    DicomError
        A CT slice is damaged, or there is none.
    """
    files = [folder] if folder.is_file() else sorted(_files(folder))
    scan, seen = Scan(), set()
    for number, path in enumerate(files):
        if number % 50 == 0:
            progress(number / len(files), f"reading DICOM headers, {number} of {len(files)} files")
        try:
            for header in _read_file(path, scan.facts):
                # Some exporters give one UID to different slices: a copy also agrees in place and time.
                identity = (header.uid, header.frame, header.series, header.position, *_moment(header))
                if identity in seen:
                    scan.skipped["copy of a slice"] += 1
                    continue
                seen.add(identity)
                scan.slices.append(header)
        except _Skip as reason:
            scan.skipped[str(reason)] += 1
    for reason, count in scan.skipped.items():
        log.info("%s: left out %d file(s): %s", folder, count, reason)
    if not scan.slices:
        raise _nothing(folder, scan.skipped)
    return scan


def _moment(header: SliceHeader) -> tuple[float | None, ...]:
    return header.percent, header.trigger_ms, header.temporal, header.acquisition, header.instance


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(root, name) for name in names if not name.startswith(".") and name != "DICOMDIR")


def _nothing(folder: Path, skipped: Counter) -> DicomError:
    found = ", ".join(f"{count} × {reason}" for reason, count in skipped.most_common(3)) or "no file"
    return DicomError(
        folder,
        expected="CT slices in DICOM",
        found=found,
        remedy="Choose the folder of the cardiac CT series as exported from the scanner or PACS.",
    )


def _read_file(path: Path, facts: dict[str, dict[str, object]]) -> Iterator[SliceHeader]:
    with open(path, "rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream.seek(128)
        magic = stream.read(4) == b"DICM"
        if not os.fstat(stream.fileno()).st_size and path.suffix.lower() in ("", ".dcm", ".ima"):
            raise _damaged(path, "an empty file")
        if not magic and path.suffix.lower() not in (".dcm", ".ima"):
            raise _Skip("not DICOM")
        stream.seek(0)
        try:
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=not magic, specific_tags=_TAGS)
            at = stream.tell()
            _require_ct(dataset)
            pixels_at = _pixels_at(stream, at, dataset)
            yield from _headers(path, dataset, pixels_at)
        except (InvalidDicomError, EOFError) as error:
            raise _Skip("not DICOM") from error
        except (AttributeError, TypeError, ValueError, KeyError, IndexError, NotImplementedError) as error:
            if isinstance(error, DicomError):
                raise
            raise _damaged(path, f"a damaged header ({error})") from error
    series = str(dataset.SeriesInstanceUID)
    if series not in facts:
        facts[series] = _facts(dataset)


def _damaged(path: Path, found: str) -> DicomError:
    return DicomError(
        path,
        expected="a whole CT slice with its position in the patient",
        found=found,
        remedy="The file may be truncated: export the series again.",
    )


def _require_ct(dataset: Dataset) -> None:
    promised = dataset.file_meta.get("MediaStorageSOPClassUID") if dataset.file_meta else None
    if promised in _CT_CLASSES and "SOPClassUID" not in dataset:
        raise ValueError("it ends before it says what it is")
    if dataset.get("Modality") != "CT" or "SOPClassUID" not in dataset:
        raise _Skip(f"modality {dataset.get('Modality') or 'unknown'}, not a CT image")
    kind = {str(part).upper() for part in dataset.get("ImageType", None) or ()}
    if "LOCALIZER" in kind:
        raise _Skip("localizer (scout)")
    if dataset.SOPClassUID not in _CT_CLASSES or "SCREEN SAVE" in kind:
        raise _Skip("secondary capture or report")
    if int(dataset.get("SamplesPerPixel", 1)) != 1 or not str(
        dataset.get("PhotometricInterpretation", "MONOCHROME2")
    ).startswith("MONOCHROME"):
        raise _Skip("colour image")


def _pixels_at(stream: object, at: int, dataset: Dataset) -> int | None:
    """Return the byte offset of uncompressed pixel data, or None where it is compressed."""
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "1.2.840.10008.1.2")) if dataset.file_meta else None
    order = _NATIVE.get(syntax or "1.2.840.10008.1.2")
    if order is None:
        return None
    stream.seek(at)
    tag = stream.read(4)
    group, element = (int.from_bytes(tag[n : n + 2], "little" if order == "<" else "big") for n in (0, 2))
    if (group << 16 | element) != _PIXEL_DATA:
        raise ValueError("no pixel data")
    start = at + (8 if syntax in (None, "1.2.840.10008.1.2") else 12)
    needed = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8
    needed *= int(dataset.get("NumberOfFrames", None) or 1)
    found = os.fstat(stream.fileno()).st_size - start
    if found < needed:
        raise ValueError(f"{found} of {needed} bytes of pixels")
    return start


def _headers(path: Path, dataset: Dataset, pixels_at: int | None) -> Iterator[SliceHeader]:
    if "PerFrameFunctionalGroupsSequence" not in dataset:
        yield _header(path, dataset, [dataset], pixels_at, 0)
        return
    shared = list(dataset.get("SharedFunctionalGroupsSequence", None) or [])
    for number, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        parts = [item for source in (group, *shared) for item in _items(source)]
        yield _header(path, dataset, [*parts, dataset], pixels_at, number)


def _items(group: Dataset) -> Iterator[Dataset]:
    for element in group:
        if element.VR == "SQ" and len(element.value):
            yield element.value[0]


def _header(path: Path, dataset: Dataset, parts: list[Dataset], pixels_at: int | None, frame: int) -> SliceHeader:
    def required(name: str) -> object:
        value = _first(parts, name)
        if value is None:
            raise ValueError(f"no {name}")
        return value

    trigger = _number(parts, "TriggerTime")
    orientation = tuple(float(x) for x in required("ImageOrientationPatient"))
    position = tuple(float(x) for x in required("ImagePositionPatient"))
    return SliceHeader(
        path=path,
        frame=frame,
        uid=str(dataset.SOPInstanceUID),
        patient=_patient(dataset),
        study=str(dataset.StudyInstanceUID),
        series=str(dataset.SeriesInstanceUID),
        series_number=int(_number(parts, "SeriesNumber") or 0),
        description=str(dataset.get("SeriesDescription", None) or ""),
        kernel=_text(_first(parts, "ConvolutionKernel")),
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        spacing=tuple(float(x) for x in required("PixelSpacing")),
        position=position,
        orientation=orientation,
        percent=_number(parts, "NominalPercentageOfCardiacPhase"),
        trigger_ms=_number(parts, "NominalCardiacTriggerDelayTime") if trigger is None else trigger,
        temporal=_number(parts, "TemporalPositionIdentifier", "TemporalPositionIndex"),
        acquisition=_number(parts, "AcquisitionNumber"),
        instance=int(_number(parts, "InstanceNumber") or frame),
        pixels=_layout(dataset, parts, pixels_at),
        depth=float(np.dot(slice_normal(orientation), position)),
    )


def _layout(dataset: Dataset, parts: list[Dataset], pixels_at: int | None) -> PixelLayout:
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", "")) if dataset.file_meta else ""
    return PixelLayout(
        offset=pixels_at,
        byte_order=_NATIVE.get(syntax, "<"),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.BitsStored),
        signed=int(dataset.get("PixelRepresentation", 0)) == 1,
        slope=float(_number(parts, "RescaleSlope") or 1.0),
        intercept=float(_number(parts, "RescaleIntercept") or 0.0),
    )


def _patient(dataset: Dataset) -> str:
    """Return a key that tells patients apart; it never leaves this room."""
    return str(dataset.get("PatientID", None) or "").strip() or str(dataset.get("PatientName", None) or "").strip()


def _first(parts: list[Dataset], *names: str) -> object:
    for name in names:
        for part in parts:
            value = part.get(name, None)
            if value is not None and value != "":
                return value
    return None


def _number(parts: list[Dataset], *names: str) -> float | None:
    value = _first(parts, *names)
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else " ".join(str(part) for part in value)


def _facts(dataset: Dataset) -> dict[str, object]:
    """Return the scanner facts that a case may keep: nothing that names or dates a patient."""
    heart_rate, interval = _number([dataset], "HeartRate"), _number([dataset], "NominalInterval")
    if heart_rate is None and interval:
        heart_rate = 60000 / interval
    facts = {
        "modality": "CT",
        "manufacturer": _text(dataset.get("Manufacturer", None)),
        "model": _text(dataset.get("ManufacturerModelName", None)),
        "software": _text(dataset.get("SoftwareVersions", None)),
        "kernel": _text(dataset.get("ConvolutionKernel", None)),
        "kvp": _number([dataset], "KVP"),
        "slice_thickness_mm": _number([dataset], "SliceThickness"),
        "heart_rate_bpm": heart_rate,
        "contrast_agent": bool(dataset.get("ContrastBolusAgent", None)),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}
