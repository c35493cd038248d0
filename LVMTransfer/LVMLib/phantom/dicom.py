"""The phantom as a scanner would send it: DICOM CT images of a 4D coronary CT angiogram, with an invented patient."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from ..files import atomic_folder
from ..grid import Grid
from ..imaging import Sequence
from ..progress import Progress, silent

MARKS = ("percentage", "trigger", "description")
"""Where scanners write the phase: Nominal Percentage of Cardiac Phase, Trigger Time, Series Description."""
FAKE_NAME, FAKE_ID = "FAKE^PHANTOM", "PHANTOM-0001"


def write_dicom_series(
    folder: str | os.PathLike,
    sequence: Sequence,
    *,
    per_phase_series: bool = False,
    marks: tuple[str, ...] = MARKS,
    heart_rate: int = 60,
    patient_name: str = FAKE_NAME,
    patient_id: str = FAKE_ID,
    progress: Progress = silent,
) -> Path:
    """Write a sequence as CT Image Storage, one file a slice, one phase in memory at a time.

    Parameters
    ----------
    folder : path
        New folder; it appears whole or not at all.
    sequence : Sequence
        HU on an orthogonal grid, such as `phantom.case_sequence` makes.
    per_phase_series : bool
        A series for each phase, as most vendors send it, or all phases in one series.
    marks : tuple of str
        Which of `MARKS` to write.
    heart_rate : int
        Beats per minute; it sets the trigger times.
    patient_name, patient_id : str
        Invented identity, so that de-identification can be tested.
    progress : Progress

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    folder, seed = Path(folder), f"{sequence.source} {patient_id} {sequence.grid.describe()}"
    with atomic_folder(folder) as temporary:
        for t in range(len(sequence)):
            volume = sequence.frame(t)
            place = temporary / f"phase{t:02d}" if per_phase_series else temporary
            place.mkdir(exist_ok=True)
            head = _phase_dataset(
                sequence, t, seed, per_phase_series=per_phase_series, marks=marks, heart_rate=heart_rate
            )
            head.PatientName, head.PatientID = patient_name, patient_id
            for k in range(volume.shape[0]):
                number = k + 1 if per_phase_series else t * volume.shape[0] + k + 1
                path = place / f"IM{number:06d}.dcm"
                _write_slice(path, head, volume[k], sequence.grid, k=k, number=number, seed=f"{seed} {t}")
                progress((t + k / volume.shape[0]) / len(sequence), f"phase {t + 1} of {len(sequence)}")
    progress(1.0, f"{len(sequence)} phases written")
    return folder


def _phase_dataset(
    sequence: Sequence, t: int, seed: str, *, per_phase_series: bool, marks: tuple[str, ...], heart_rate: int
) -> Dataset:
    """Return the attributes that all slices of a phase share."""
    percent, interval = sequence.rr_percent[t], 60000.0 / heart_rate
    series = f"{seed} series {t}" if per_phase_series else f"{seed} series"
    head = Dataset()
    head.SOPClassUID = CTImageStorage
    head.StudyInstanceUID = generate_uid(entropy_srcs=[seed, " study"])
    head.SeriesInstanceUID = generate_uid(entropy_srcs=[series])
    head.FrameOfReferenceUID = generate_uid(entropy_srcs=[seed, " frame"])
    head.PositionReferenceIndicator = ""
    head.Modality, head.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    head.StudyID, head.SeriesNumber = "1", 301 + t if per_phase_series else 301
    head.StudyDate = head.SeriesDate = head.AcquisitionDate = head.ContentDate = "20200101"
    head.StudyTime = head.SeriesTime = head.AcquisitionTime = head.ContentTime = "120000"
    head.AccessionNumber, head.ReferringPhysicianName = "FAKE-ACC-1", "FAKE^DOCTOR"
    head.PatientBirthDate, head.PatientSex, head.PatientPosition = "19600101", "O", "HFS"
    head.Manufacturer = str(sequence.info.get("manufacturer", "LVM phantom"))
    head.ManufacturerModelName = str(sequence.info.get("model", "phantom"))
    head.InstitutionName = "Fake Hospital"
    head.StudyDescription, head.ProtocolName = "4D coronary CT angiography", "CorCTA"
    head.KVP, head.ConvolutionKernel, head.AcquisitionNumber = 100, "Bv40", 1
    head.ContrastBolusAgent, head.SeriesDescription = "Iopromide 370", "CorCTA multiphase"
    head.HeartRate, head.CardiacSynchronizationTechnique = heart_rate, "RETROSPECTIVE"
    head.CardiacRRIntervalSpecified = interval
    if "percentage" in marks:
        head.NominalPercentageOfCardiacPhase = float(percent)
    if "trigger" in marks:
        head.TriggerTime = f"{percent / 100.0 * interval:.1f}"
    if "description" in marks and per_phase_series:
        head.SeriesDescription = f"CorCTA  0.6  Bv40  {percent:g}%"
    return head


def _write_slice(path: Path, head: Dataset, pixels: np.ndarray, grid: Grid, *, k: int, number: int, seed: str) -> None:
    flip = np.array([-1.0, -1.0, 1.0])  # RAS to LPS
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[seed, f" slice {k}"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset(str(path), head, file_meta=meta, preamble=b"\0" * 128)
    image.SOPInstanceUID, image.InstanceNumber = meta.MediaStorageSOPInstanceUID, number
    position = grid.to_ras(np.array([0.0, 0.0, k])) * flip
    image.ImagePositionPatient = [f"{value:.4f}" for value in position]
    along = np.concatenate([grid.directions[:, 0] * flip, grid.directions[:, 1] * flip])
    image.ImageOrientationPatient = [f"{value + 0.0:.6f}" for value in along]
    image.PixelSpacing = [f"{grid.spacing[1]:.6g}", f"{grid.spacing[0]:.6g}"]
    image.SliceThickness, image.SliceLocation = f"{grid.spacing[2]:.6g}", f"{position[2]:.4f}"
    image.Rows, image.Columns = pixels.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.RescaleIntercept, image.RescaleSlope, image.RescaleType = "-1024", "1", "HU"
    image.WindowCenter, image.WindowWidth = "300", "1000"
    image.PixelData = np.clip(pixels.astype(np.int32) + 1024, 0, 4095).astype("<u2").tobytes()
    image.save_as(path, enforce_file_format=True)
