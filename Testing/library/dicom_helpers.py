"""Small DICOM series for tests, written with pydicom."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT_STORAGE, ENHANCED_CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
PATIENT_NAME, PATIENT_ID = "Musterfrau^Erika", "HOSP-4711"

# Pixel spacing (row distance, column distance), slice distance and first position, LPS mm.
SPACING, STEP, ORIGIN = (0.5, 0.4), 0.7, (-20.0, -35.0, 110.0)
AXIAL = (1, 0, 0, 0, 1, 0)


def heart_volumes(phases: int = 3, shape: tuple[int, int, int] = (6, 5, 4), seed: int = 0) -> np.ndarray:
    """Return ``(T, Z, Y, X)`` int16 HU, every voxel of its own value range."""
    return np.random.default_rng(seed).integers(-1000, 1500, (phases, *shape), dtype=np.int16)


def ras_affine() -> np.ndarray:
    """Return the affine that the importer must find for an axial series, by hand from the DICOM standard."""
    return np.array(
        [[-0.4, 0, 0, 20.0], [0, -0.5, 0, 35.0], [0, 0, 0.7, 110.0], [0, 0, 0, 1.0]],
    )


def write_series(
    folder: Path,
    volumes: np.ndarray,
    *,
    one_series: bool = False,
    percents: list[float] | None = None,
    triggers: list[float] | None = None,
    descriptions: list[str] | None = None,
    study: str | None = None,
    orientation: tuple[float, ...] = AXIAL,
    change: Callable[[FileDataset, int, int], bool | None] | None = None,
    shuffle_seed: int = 1,
) -> list[Path]:
    """Write ``(T, Z, Y, X)`` HU as CT slices under unhelpful file names.

    ``change(dataset, t, k)`` may alter each slice before it is written; it returns False to leave the slice out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    study = study or generate_uid(entropy_srcs=[str(folder), "study"])
    single = generate_uid(entropy_srcs=[str(folder), "series"])
    normal = np.cross(orientation[:3], orientation[3:])
    order = np.random.default_rng(shuffle_seed).permutation(volumes.shape[0] * volumes.shape[1])
    paths = []
    for number in order:
        t, k = divmod(int(number), volumes.shape[1])
        dataset = ct_slice(volumes[t, k])
        dataset.StudyInstanceUID = study
        dataset.SeriesInstanceUID = single if one_series else generate_uid(entropy_srcs=[single, str(t)])
        dataset.SeriesNumber = 3 if one_series else 100 - t
        dataset.SeriesDescription = (descriptions or ["CCTA 0.7 Bv36"] * len(volumes))[t]
        dataset.ImagePositionPatient = [float(x) for x in np.add(ORIGIN, normal * STEP * k)]
        dataset.ImageOrientationPatient = [float(x) for x in orientation]
        dataset.InstanceNumber = int(number) + 1
        if percents is not None:
            dataset.NominalPercentageOfCardiacPhase = percents[t]
        if triggers is not None:
            dataset.TriggerTime = triggers[t]
        if change is not None and change(dataset, t, k) is False:
            continue
        paths.append(save(dataset, folder / f"IM{number:05d}.dcm"))
    return paths


def ct_slice(pixels: np.ndarray) -> FileDataset:
    """Return a CT slice with HU = 2 * stored - 1024 where the values allow it, else stored - 1024."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CT_STORAGE
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT_STORAGE, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = PATIENT_NAME, PATIENT_ID, "19500101"
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer, dataset.ManufacturerModelName = "Maker", "Scanner 3"
    dataset.ConvolutionKernel, dataset.KVP, dataset.HeartRate = "Bv36", 100, 60
    dataset.SliceThickness = STEP
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelSpacing = list(SPACING)
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelData = (pixels.astype(np.int32) + 1024).astype("<u2").tobytes()
    return dataset


def enhanced(volumes: np.ndarray, percents: list[float]) -> FileDataset:
    """Return all phases as one enhanced multi-frame CT."""
    dataset = ct_slice(volumes[0, 0])
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_CT_STORAGE
    for name in ("PixelSpacing", "RescaleSlope", "RescaleIntercept", "SliceThickness"):
        delattr(dataset, name)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.NumberOfFrames = volumes.shape[0] * volumes.shape[1]
    shared = Dataset()
    shared.PixelMeasuresSequence = _item(PixelSpacing=list(SPACING), SliceThickness=STEP)
    shared.PlaneOrientationSequence = _item(ImageOrientationPatient=list(AXIAL))
    shared.PixelValueTransformationSequence = _item(RescaleSlope=1, RescaleIntercept=-1024)
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    frames, pixels = [], []
    for k in range(volumes.shape[1]):
        for t in reversed(range(volumes.shape[0])):
            frame = Dataset()
            frame.PlanePositionSequence = _item(ImagePositionPatient=[ORIGIN[0], ORIGIN[1], ORIGIN[2] + STEP * k])
            frame.CardiacSynchronizationSequence = _item(NominalPercentageOfCardiacPhase=percents[t])
            frames.append(frame)
            pixels.append((volumes[t, k].astype(np.int32) + 1024).astype("<u2").tobytes())
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    dataset.PixelData = b"".join(pixels)
    return dataset


def save(dataset: FileDataset, path: Path) -> Path:
    """Write a data set as a DICOM file, with pydicom 2 or 3."""
    if int(pydicom.__version__.split(".")[0]) >= 3:
        dataset.save_as(path, enforce_file_format=True)
    else:
        dataset.is_little_endian, dataset.is_implicit_VR = True, False
        dataset.save_as(path, write_like_original=False)
    return path


def _item(**values: object) -> DicomSequence:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return DicomSequence([item])
