"""Labels as DICOM SEG, read back by pydicom alone, by highdicom, and by ourselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from LVMLib.cohort import Case, Cohort
from LVMLib.cohort.dicom_export import export_dicom_seg
from LVMLib.errors import CohortError, DicomError, GridError, ImageError, LabelError
from LVMLib.grid import Grid
from LVMLib.imaging import ArrayFrames, Sequence, read_image, read_labels
from LVMLib.imaging.dicom import open_stacks
from LVMLib.imaging.dicom_seg import read_dicom_seg, write_dicom_seg
from LVMLib.imaging.nrrd import open_nrrd
from LVMLib.phantom.dicom import FAKE_ID, FAKE_NAME, write_dicom_series

hd = pytest.importorskip("highdicom")

SIZE = (12, 20, 24)


def oblique() -> Grid:
    turn = 0.2
    affine = np.diag([-1.5, -1.25, 2.0, 1.0])
    affine[:3, :3] = (
        np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]) @ affine[:3, :3]
    )
    affine[:3, 3] = (30, 40, -50)
    return Grid(SIZE, affine)


def image_frames(phases: int = 2) -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.integers(-900, 900, (phases, *SIZE)).astype(np.int16)


def labels_of(phase: int) -> np.ndarray:
    """Two boxes, one in the other, that are nowhere symmetric; slices at both ends stay empty."""
    labels = np.zeros(SIZE, dtype=np.uint8)
    labels[2:9, 3:15, 5 + phase : 20] = 2
    labels[4:8, 5:12, 8:17] = 1
    return labels


@pytest.fixture(scope="module")
def dicom(tmp_path_factory) -> Path:
    sequence = Sequence(oblique(), ArrayFrames(image_frames()), info={"phantom": True})
    return write_dicom_series(tmp_path_factory.mktemp("scan") / "dicom", sequence, per_phase_series=True)


@pytest.fixture(scope="module")
def case(dicom, tmp_path_factory) -> Case:
    cohort = Cohort.create(tmp_path_factory.mktemp("cohorts") / "cohort", site="test")
    case = cohort.add_case(read_image(dicom), ed=0, es=1)
    for phase in range(2):
        case.write_labels("anna", phase, labels_of(phase))
    return case


@pytest.fixture(scope="module")
def written(case, dicom, tmp_path_factory) -> dict[int, Path]:
    return export_dicom_seg(case, dicom, tmp_path_factory.mktemp("seg"))


def test_pydicom_alone_finds_the_same_voxels_at_the_same_places_with_the_same_codes(written, case, dicom):
    images = {str(path): pydicom.dcmread(path) for path in dicom.rglob("*.dcm")}
    by_uid = {image.SOPInstanceUID: image for image in images.values()}
    for phase, path in written.items():
        seg = pydicom.dcmread(path)
        assert seg.SOPClassUID.name == "Segmentation Storage" and seg.Modality == "SEG"
        assert (str(seg.PatientName), seg.PatientID) == (FAKE_NAME, FAKE_ID)
        first = next(iter(images.values()))
        assert seg.StudyInstanceUID == first.StudyInstanceUID
        assert seg.FrameOfReferenceUID == first.FrameOfReferenceUID
        codes = {
            int(segment.SegmentNumber): segment.SegmentedPropertyTypeCodeSequence[0] for segment in seg.SegmentSequence
        }
        assert {n: (c.CodingSchemeDesignator, c.CodeValue) for n, c in codes.items()} == {
            1: ("SCT", "87878005"),
            2: ("SCT", "49848007"),
        }
        bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
        frames = bits[: seg.NumberOfFrames * seg.Rows * seg.Columns].reshape(seg.NumberOfFrames, seg.Rows, seg.Columns)
        found = np.zeros(SIZE, dtype=np.uint8)
        heights = sorted({float(image.ImagePositionPatient[2]) for image in images.values()})
        for frame, groups in zip(frames, seg.PerFrameFunctionalGroupsSequence):
            source = by_uid[
                groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
            ]  # of this phase
            position = groups.PlanePositionSequence[0].ImagePositionPatient
            assert np.allclose(position, source.ImagePositionPatient, atol=1e-4)
            k = heights.index(float(source.ImagePositionPatient[2]))
            found[k][frame > 0] = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            assert np.array_equal(source.pixel_array.astype(int) - 1024, case.image().frame(phase)[k])
        assert np.array_equal(found, labels_of(phase)), "rows, columns and slices as in the image"
        shared = seg.SharedFunctionalGroupsSequence[0]
        assert np.allclose(shared.PixelMeasuresSequence[0].PixelSpacing, [1.25, 1.5])
        assert np.allclose(shared.PlaneOrientationSequence[0].ImageOrientationPatient, first.ImageOrientationPatient)


def test_highdicom_reads_the_same_segments_for_the_images_they_refer_to(written, case, dicom):
    _, stacks = open_stacks(dicom)
    seg = hd.seg.segread(written[1])
    pixels = seg.get_pixels_by_source_instance([header.uid for header in stacks[1]], combine_segments=True)
    assert np.array_equal(pixels, labels_of(1))
    described = [seg.get_segment_description(number) for number in (1, 2)]
    assert [item.segment_label for item in described] == ["LV blood pool", "LV myocardium"]
    assert [item.segmented_property_type.meaning for item in described][1] == "Left Ventricle Myocardium"


def test_a_dicom_seg_comes_back_into_its_case_and_into_no_other(written, case, tmp_path):
    assert np.array_equal(read_labels(written[0], reference=case.grid)[0], labels_of(0))
    moved = case.grid.affine.copy()
    moved[2, 3] += 1.0
    with pytest.raises(GridError, match="frame"):
        read_dicom_seg(written[0], reference=Grid(SIZE, moved))
    with pytest.raises(ImageError, match="lvm labels"):
        read_labels(written[0])


def test_labels_never_reach_the_study_of_another_patient(case, dicom, tmp_path):
    other = Sequence(oblique(), ArrayFrames(image_frames() + np.int16(1)), info={"phantom": True})
    folder = write_dicom_series(tmp_path / "other", other, per_phase_series=True, patient_id="PHANTOM-2")
    with pytest.raises(CohortError, match="other voxels in phase 0"):
        export_dicom_seg(case, folder, tmp_path / "seg")
    fewer = Sequence(oblique(), ArrayFrames(image_frames(1)), info={"phantom": True})
    folder = write_dicom_series(tmp_path / "fewer", fewer)
    with pytest.raises(CohortError, match="1 phases"):
        export_dicom_seg(case, folder, tmp_path / "seg")
    assert not (tmp_path / "seg").exists()


def test_files_that_are_no_segmentation_or_have_no_terminology_are_named(written, dicom, case, tmp_path):
    with pytest.raises(ImageError, match="CT Image"):
        read_dicom_seg(next(dicom.rglob("*.dcm")), reference=case.grid)
    seg = pydicom.dcmread(written[0])
    for segment in seg.SegmentSequence:
        segment.SegmentedPropertyTypeCodeSequence[0].CodeValue = "85756007"  # "Tissue", Slicer's default
    seg.save_as(tmp_path / "plain.dcm")
    with pytest.raises(LabelError, match="terminology"):
        read_dicom_seg(tmp_path / "plain.dcm", reference=case.grid)
    _, stacks = open_stacks(dicom)
    with pytest.raises(LabelError):
        write_dicom_seg(tmp_path / "a.dcm", labels_of(0) * 0, stacks[0], description="", creator="anna")
    with pytest.raises(LabelError):
        write_dicom_seg(tmp_path / "a.dcm", labels_of(0)[1:], stacks[0], description="", creator="anna")
    with pytest.raises(DicomError):
        export_dicom_seg(case, tmp_path, tmp_path / "seg")


def test_labels_of_the_model_say_that_nobody_corrected_them(dicom, tmp_path):
    cohort = Cohort.create(tmp_path / "cohort", site="test")
    case = cohort.add_case(read_image(dicom), ed=0, es=1)
    case.write_labels("model", 0, np.where(labels_of(0) == 2, 2, 0).astype(np.uint8))
    path = export_dicom_seg(case, dicom, tmp_path / "seg", phases=[0])[0]
    segments = pydicom.dcmread(path).SegmentSequence
    assert [segment.SegmentAlgorithmType for segment in segments] == ["AUTOMATIC"]
    assert np.array_equal(read_dicom_seg(path, reference=case.grid) == 2, labels_of(0) == 2)


def test_the_converter_of_slicers_dicom_plugin_reads_the_same_voxels_and_codes(written, case, tmp_path):
    dcmqi = pytest.importorskip("dcmqi", reason="pip install dcmqi: the reader behind Slicer's DICOM segmentations")
    program = next(Path(dcmqi.__file__).parents[1].rglob("bin/segimage2itkimage*"))
    command = [program, "--inputDICOM", written[1], "--outputDirectory", tmp_path, "--outputType", "nrrd"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    for number in (1, 2):
        frames, grid, _ = open_nrrd(tmp_path / f"{number}.nrrd")
        voxels = np.argwhere(frames.frame(0) > 0)
        place = np.rint(case.grid.to_ijk(grid.to_ras(voxels[:, ::-1]))).astype(int)[:, ::-1]
        found = np.zeros(SIZE, dtype=bool)
        found[tuple(place.T)] = True
        assert np.array_equal(found, labels_of(1) == number)
    segments = json.loads((tmp_path / "meta.json").read_text())["segmentAttributes"]
    codes = [part["SegmentedPropertyTypeCodeSequence"]["CodeValue"] for group in segments for part in group]
    assert codes == ["87878005", "49848007"]
    assert np.allclose(segments[0][0]["recommendedDisplayRGBValue"], [217, 64, 64], atol=3)
