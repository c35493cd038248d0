"""DICOM import, on small series written with pydicom."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_helpers import (
    AXIAL,
    PATIENT_ID,
    PATIENT_NAME,
    ct_slice,
    enhanced,
    heart_volumes,
    ras_affine,
    save,
    write_series,
)
from LVMLib.cohort import Cohort
from LVMLib.errors import DicomError, GridError, ImageError
from LVMLib.imaging import read_image
from pydicom.uid import RLELossless


def phases_of(sequence) -> np.ndarray:
    return np.stack([sequence.frame(t) for t in range(len(sequence))])


def message_of(folder: Path, kind: type[Exception] = DicomError, **options: object) -> str:
    with pytest.raises(kind) as error:
        read_image(folder, **options)
    text = str(error.value)
    assert "\n" not in text
    assert str(folder) in text
    assert PATIENT_ID not in text and "Musterfrau" not in text
    return text


@pytest.mark.parametrize("one_series", [True, False])
def test_phases_are_sorted_by_nominal_percentage_whatever_the_trigger_time(tmp_path, one_series):
    volumes = heart_volumes(4)
    write_series(tmp_path, volumes, one_series=one_series, percents=[5, 35, 70, 95], triggers=[9, 3, 2, 1])
    sequence = read_image(tmp_path)
    assert sequence.rr_percent == (5, 35, 70, 95)
    assert np.array_equal(phases_of(sequence), volumes)
    assert sequence.frame(0).dtype == np.int16
    assert np.allclose(sequence.grid.affine, ras_affine(), atol=1e-9)


@pytest.mark.parametrize("one_series", [True, False])
def test_without_percentage_the_trigger_time_sorts_and_the_heart_rate_gives_the_percentage(tmp_path, one_series):
    volumes = heart_volumes(3)
    write_series(tmp_path, volumes, one_series=one_series, triggers=[0, 350, 700])
    sequence = read_image(tmp_path)
    assert np.array_equal(phases_of(sequence), volumes)
    assert sequence.rr_percent == (0, 35, 70)


def test_trigger_times_that_differ_between_slabs_still_sort_the_phases(tmp_path):
    volumes = heart_volumes(3)

    def slab(dataset, t, k):
        dataset.TriggerTime = 100 * t + (40 if k >= 3 else 0)

    write_series(tmp_path, volumes, one_series=True, change=slab)
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_without_both_the_series_description_sorts(tmp_path):
    volumes = heart_volumes(3)
    names = ["CorCTA 0.75 Bv36 BestSyst 35 %", "CorCTA 0.75 Bv36 BestDiast 70 %", "CorCTA 0.75 Bv36 95%"]
    write_series(tmp_path, volumes, descriptions=names)
    sequence = read_image(tmp_path)
    assert sequence.rr_percent == (35, 70, 95)
    assert np.array_equal(phases_of(sequence), volumes)


def test_a_single_phase_is_a_sequence_of_one(tmp_path):
    volumes = heart_volumes(1)
    write_series(tmp_path, volumes, percents=[75])
    sequence = read_image(tmp_path)
    assert len(sequence) == 1 and sequence.rr_percent == (75,)
    assert np.array_equal(phases_of(sequence), volumes)


def test_slope_and_intercept_and_signed_twelve_bit_pixels_give_hounsfield_units(tmp_path):
    volumes = heart_volumes(1) & ~1

    def signed(dataset, t, k):
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.PixelRepresentation = 2, 10, 1
        stored = (volumes[t, k].astype(np.int32) - 10) // 2
        # The four bits above the twelve stored ones carry something else, as old overlays do.
        dataset.PixelData = ((stored & 0x0FFF) | 0x5000).astype("<u2").tobytes()

    write_series(tmp_path, volumes, change=signed)
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_compressed_slices_are_decoded(tmp_path):
    volumes = heart_volumes(2)

    def compress(dataset, t, k):
        dataset.compress(RLELossless)

    write_series(tmp_path, volumes, percents=[0, 50], change=compress)
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_lossless_jpeg_that_pydicom_cannot_decode_is_read_with_gdcm(tmp_path):
    volumes = heart_volumes(1, (4, 16, 16))
    for k, pixels in enumerate(volumes[0]):
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetCompressor("JPEG")
        writer.UseCompressionOn()
        writer.SetFileName(str(tmp_path / "jpeg"))
        image = sitk.GetImageFromArray(pixels)
        writer.Execute(image)
        dataset = ct_slice(pixels)
        jpeg = pydicom.dcmread(tmp_path / "jpeg", force=True)
        dataset.file_meta.TransferSyntaxUID = jpeg.file_meta.TransferSyntaxUID
        for name in ("BitsStored", "HighBit", "PixelRepresentation", "PixelData"):
            setattr(dataset, name, jpeg[name].value)
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
        dataset.RescaleIntercept = 0
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.3"
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, k], list(AXIAL)
        save(dataset, tmp_path / f"{k}.dcm")
    (tmp_path / "jpeg").unlink()
    assert str(dataset.file_meta.TransferSyntaxUID) == "1.2.840.10008.1.2.4.70"
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_enhanced_multi_frame_ct_is_read(tmp_path):
    volumes = heart_volumes(3)
    path = save(enhanced(volumes, [10, 40, 80]), tmp_path / "multi.dcm")
    for source in (tmp_path, path):
        sequence = read_image(source)
        assert sequence.rr_percent == (10, 40, 80)
        assert np.array_equal(phases_of(sequence), volumes)
        assert np.allclose(sequence.grid.affine, ras_affine(), atol=1e-9)


def test_an_oblique_series_is_placed_as_the_standard_says(tmp_path):
    volumes = heart_volumes(1)
    c, s = np.cos(0.3), np.sin(0.3)
    orientation = (c, s, 0, 0, 0, -1)
    write_series(tmp_path, volumes, orientation=orientation)
    sequence = read_image(tmp_path)
    # C.7.6.2.1.1: P = S + X Δj i + Y Δi j; the fourth voxel of the third row of the fifth slice, LPS to RAS.
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    lps = np.array([-20, -35, 110]) + 3 * 0.4 * row + 2 * 0.5 * column + 4 * 0.7 * np.cross(row, column)
    assert np.allclose(sequence.grid.to_ras([3, 2, 4]), lps * [-1, -1, 1], atol=1e-5)


def test_localizers_reports_screenshots_and_foreign_files_are_left_out(tmp_path):
    volumes = heart_volumes(2)
    write_series(tmp_path / "ct", volumes, percents=[0, 50])

    def localizer(dataset, t, k):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        dataset.SeriesDescription = "Topogram"

    def report(dataset, t, k):
        dataset.Modality, dataset.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.67"

    write_series(tmp_path / "scout", heart_volumes(1), change=localizer)
    write_series(tmp_path / "dose", heart_volumes(1), change=report)
    (tmp_path / "DICOMDIR").write_bytes(b"x")
    (tmp_path / "readme.txt").write_text("hello")
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_a_copy_of_a_file_does_no_harm(tmp_path):
    volumes = heart_volumes(2)
    paths = write_series(tmp_path, volumes, percents=[0, 50])
    (tmp_path / "copy.dcm").write_bytes(paths[0].read_bytes())
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_slices_that_share_a_uid_by_an_exporters_mistake_are_all_kept(tmp_path):
    volumes = heart_volumes(2)

    def same(dataset, t, k):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{k % 2}"

    write_series(tmp_path, volumes, percents=[0, 50], change=same)
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_the_only_series_with_several_phases_is_taken(tmp_path):
    volumes = heart_volumes(3)
    study = "1.2.3.4"
    write_series(tmp_path / "a", volumes, percents=[0, 30, 60], study=study)
    write_series(tmp_path / "b", heart_volumes(1, seed=5), descriptions=["Calcium score"], study=study)
    assert np.array_equal(phases_of(read_image(tmp_path)), volumes)


def test_several_reconstructions_are_named_and_can_be_chosen(tmp_path):
    soft, sharp = heart_volumes(2), heart_volumes(2, seed=9)
    study = "1.2.3.4"
    write_series(tmp_path / "a", soft, percents=[0, 50], descriptions=["CTA soft"] * 2, one_series=True, study=study)

    def kernel(dataset, t, k):
        dataset.ConvolutionKernel, dataset.SeriesNumber = "Bv60", 77

    options = {"percents": [0, 50], "descriptions": ["CTA sharp"] * 2, "one_series": True, "study": study}
    write_series(tmp_path / "b", sharp, change=kernel, **options)
    text = message_of(tmp_path)
    assert "CTA soft" in text and "CTA sharp" in text and "--series" in text
    assert np.array_equal(phases_of(read_image(tmp_path, series="sharp")), sharp)
    assert np.array_equal(phases_of(read_image(tmp_path, series="3")), soft)
    assert "'nothing'" in message_of(tmp_path, series="nothing")


def test_the_same_reconstruction_twice_is_refused(tmp_path):
    write_series(tmp_path / "a", heart_volumes(1), percents=[70], study="1.2.3")
    write_series(tmp_path / "b", heart_volumes(1), percents=[70], study="1.2.3")
    assert "same phase" in message_of(tmp_path)


def test_two_patients_are_refused_without_naming_them(tmp_path):
    def other(dataset, t, k):
        dataset.PatientID = "HOSP-4712"

    write_series(tmp_path / "a", heart_volumes(1))
    write_series(tmp_path / "b", heart_volumes(1), change=other)
    assert "found 2 patients" in message_of(tmp_path)


def test_a_missing_slice_is_named_with_its_place(tmp_path):
    write_series(tmp_path, heart_volumes(2), percents=[0, 35], change=lambda dataset, t, k: (t, k) != (1, 3))
    text = message_of(tmp_path)
    assert "1 missing slice(s) after 111.40 mm" in text and "cardiac phase 35" in text


def test_a_missing_slice_of_a_single_phase_is_named(tmp_path):
    write_series(tmp_path, heart_volumes(1), change=lambda dataset, t, k: k != 2)
    assert "1 missing slice(s) after 110.70 mm" in message_of(tmp_path)


def test_a_phase_that_lacks_its_last_slice_is_named(tmp_path):
    write_series(tmp_path, heart_volumes(3), percents=[0, 35, 70], change=lambda dataset, t, k: (t, k) != (1, 5))
    text = message_of(tmp_path, GridError)
    assert "5 slices" in text and "cardiac phase 35" in text


def test_two_slices_at_one_place_are_refused(tmp_path):
    volumes = heart_volumes(1)
    write_series(tmp_path, volumes, one_series=True)
    dataset = pydicom.dcmread(next(tmp_path.glob("*.dcm")))
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    save(dataset, tmp_path / "again.dcm")
    assert "two slices at" in message_of(tmp_path)


def test_uneven_spacing_is_refused(tmp_path):
    def uneven(dataset, t, k):
        dataset.ImagePositionPatient[2] += 0.2 if k == 4 else 0.0

    write_series(tmp_path, heart_volumes(1), change=uneven)
    assert "uneven spacing, 0.900 mm" in message_of(tmp_path)


def test_a_gantry_tilt_is_refused(tmp_path):
    def tilted(dataset, t, k):
        dataset.ImagePositionPatient[1] += 0.15 * k

    write_series(tmp_path, heart_volumes(1), change=tilted)
    assert "gantry tilt" in message_of(tmp_path, GridError)


@pytest.mark.parametrize("one_series", [True, False])
@pytest.mark.parametrize(
    ("attribute", "value", "found"),
    [
        ("ImageOrientationPatient", [0, 1, 0, -1, 0, 0], "orientation"),
        ("PixelSpacing", [0.6, 0.6], "0.6"),
    ],
)
def test_phases_that_differ_in_geometry_are_refused(tmp_path, one_series, attribute, value, found):
    def differ(dataset, t, k):
        if t == 1:
            setattr(dataset, attribute, value)

    write_series(tmp_path, heart_volumes(3), percents=[0, 35, 70], one_series=one_series, change=differ)
    text = message_of(tmp_path, GridError)
    assert found in text and "cardiac phase" in text


def test_a_phase_that_lies_elsewhere_is_refused(tmp_path):
    def shifted(dataset, t, k):
        dataset.ImagePositionPatient[2] += 0.3 * (t == 1)

    write_series(tmp_path, heart_volumes(3), percents=[0, 35, 70], change=shifted)
    assert "cardiac phase 35" in message_of(tmp_path, GridError)


def test_a_truncated_slice_is_named(tmp_path):
    paths = write_series(tmp_path, heart_volumes(2), percents=[0, 50])
    paths[3].write_bytes(paths[3].read_bytes()[:-7])
    text = message_of(tmp_path)
    assert paths[3].name in text and "33 of 40 bytes" in text


def test_a_folder_without_ct_says_what_it_holds(tmp_path):
    dataset = ct_slice(heart_volumes(1)[0, 0])
    dataset.Modality = "MR"
    save(dataset, tmp_path / "mr.dcm")
    (tmp_path / "note.txt").write_text("hello")
    assert "modality MR" in message_of(tmp_path)
    colour = ct_slice(heart_volumes(1)[0, 0])
    colour.SamplesPerPixel, colour.PhotometricInterpretation = 3, "RGB"
    save(colour, tmp_path / "rgb.dcm")
    assert "colour" in message_of(tmp_path)
    with pytest.raises(ImageError, match="nothing there"):
        read_image(tmp_path / "missing")


def test_the_case_holds_scanner_facts_and_no_patient_identity(tmp_path):
    folder = tmp_path / "Musterfrau_Erika_4711"
    volumes = heart_volumes(2)
    write_series(folder, volumes, percents=[0, 50], orientation=AXIAL)
    case = Cohort.create(tmp_path / "cohort", site="Site 2").add_case(read_image(folder), source=folder.name)
    assert case.id == "case-001"
    assert np.array_equal(phases_of(case.image()), volumes)
    scanner = json.loads((case.folder / "case.json").read_text())["scanner"]
    assert scanner["model"] == "Scanner 3" and scanner["kernel"] == "Bv36" and scanner["heart_rate_bpm"] == 60
    for path in (tmp_path / "cohort").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for identity in ("Musterfrau", "Erika", PATIENT_ID, PATIENT_NAME, "4711", "19500101"):
            assert identity.encode() not in content
            assert identity not in str(path.relative_to(tmp_path))
