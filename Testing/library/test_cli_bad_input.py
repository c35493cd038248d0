"""What a hospital gets wrong: one line that names the file and the remedy, exit status 2, nothing lost."""

import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from cli_helpers import (
    GRID,
    LPS_2MM,
    ball,
    cohort_folder,
    image_file,
    mask_file,
    refused,
    snapshot,
    untrained_bundle,
)
from dicom_helpers import heart_volumes, write_series
from learning_helpers import ball_pair
from LVMLib.grid import Grid
from LVMLib.imaging import write_segmentation, write_sequence_nifti

PERCENTS = [0.0, 30.0, 60.0]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    return untrained_bundle(tmp_path_factory.mktemp("model") / "bundle")


def nifti(path: Path, voxels: np.ndarray, affine: np.ndarray = LPS_2MM) -> Path:
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def shortened(path: Path, keep: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def truncated_gzip(folder: Path) -> Path:
    return shortened(image_file(folder / "heart.nii.gz"), 0.6)


def truncated_nifti(folder: Path) -> Path:
    return shortened(image_file(folder / "heart.nii"), 0.9)


def truncated_nrrd(folder: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(ball()[0][0]), str(folder / "heart.nrrd"))
    return shortened(folder / "heart.nrrd", 0.9)


def empty_nifti(folder: Path) -> Path:
    (folder / "heart.nii").touch()
    return folder / "heart.nii"


def empty_nrrd(folder: Path) -> Path:
    (folder / "heart.nrrd").touch()
    return folder / "heart.nrrd"


def not_finite(folder: Path) -> Path:
    hu = ball()[0][0].T.astype(np.float32)
    hu[3, 3, 3], hu[4, 4, 4] = np.nan, np.inf
    return nifti(folder / "heart.nii.gz", hu)


def sheared(folder: Path) -> Path:
    affine = LPS_2MM.copy()
    affine[0, 2] = 0.9
    return nifti(folder / "heart.nii.gz", ball()[0][0].T, affine)


def colour_nifti(folder: Path) -> Path:
    return nifti(folder / "heart.nii.gz", np.zeros((8, 8, 8), [("R", "u1"), ("G", "u1"), ("B", "u1")]))


def colour_nrrd(folder: Path) -> Path:
    image = sitk.GetImageFromArray(np.zeros((4, 9, 9, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(folder / "heart.nrrd"))
    return folder / "heart.nrrd"


def one_slice(folder: Path) -> Path:
    return nifti(folder / "heart.nii.gz", ball()[0][0].T[:, :, :1])


def flat_png(folder: Path) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((9, 9), np.uint8)), str(folder / "heart.png"))
    return folder / "heart.png"


def labels_as_image(folder: Path) -> Path:
    return mask_file(folder / "heart.nii.gz")


def phases_of_two_sizes(folder: Path) -> Path:
    (folder / "heart").mkdir()
    nifti(folder / "heart" / "phase_1.nii.gz", ball()[0][0].T)
    nifti(folder / "heart" / "phase_2.nii.gz", ball()[0][1].T[:-1])
    return folder / "heart"


def no_file_in_folder(folder: Path) -> Path:
    (folder / "heart").mkdir()
    return folder / "heart"


def nothing_there(folder: Path) -> Path:
    return folder / "heart.nii.gz"


IMAGES = {
    truncated_gzip: "truncated",
    truncated_nifti: "truncated",
    truncated_nrrd: "truncated",
    empty_nifti: "Empty file",
    empty_nrrd: "does not begin with NRRD",
    not_finite: "2 NaN or infinite voxels",
    sheared: "non-orthogonal direction",
    colour_nifti: "a colour image",
    colour_nrrd: "a colour or vector image",
    one_slice: "a single slice",
    flat_png: "'.png'",
    labels_as_image: "values from 0 to 2 only",
    phases_of_two_sizes: "expected the grid of phase_1.nii.gz",
    no_file_in_folder: "no file",
    nothing_there: "nothing there",
}


@pytest.mark.parametrize("make", IMAGES, ids=lambda make: make.__name__)
def test_import_refuses_a_bad_image_and_leaves_no_cohort(make, tmp_path, capfd):
    image = make(tmp_path)
    before = snapshot(tmp_path)
    line = refused(capfd, "import", image, tmp_path / "cohort")
    assert IMAGES[make] in line and str(image) in line
    assert snapshot(tmp_path) == before and not (tmp_path / "cohort").exists()


@pytest.mark.parametrize("make", IMAGES, ids=lambda make: make.__name__)
def test_segment_refuses_a_bad_image_and_writes_no_labels(make, bundle, tmp_path, capfd):
    image = make(tmp_path)
    before = snapshot(tmp_path)
    line = refused(capfd, "segment", image, tmp_path / "new" / "labels.nii.gz", "--model", bundle)
    assert IMAGES[make] in line and str(image) in line
    assert snapshot(tmp_path) == before and not (tmp_path / "new").exists()


def drop_one(dataset, t, k):
    return not (t == 1 and k == 2)


def other_patient(dataset, t, k):
    dataset.PatientID = f"HOSP-{t % 2}"


def other_pixels(dataset, t, k):
    dataset.PixelSpacing = [0.6, 0.4] if t == 1 else [0.5, 0.4]


def tilted(dataset, t, k):
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x + k, y, z]


def colour(dataset, t, k):
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"


SERIES = {
    drop_one: "1 missing slice(s)",
    other_patient: "2 patients",
    other_pixels: "pixels of (0.6, 0.4) mm instead of (0.5, 0.4) mm",
    tilted: "gantry tilt",
    colour: "colour image",
}


@pytest.mark.parametrize("change", SERIES, ids=lambda change: change.__name__)
def test_import_refuses_a_bad_dicom_folder_and_leaves_no_cohort(change, tmp_path, capfd):
    write_series(tmp_path / "dicom", heart_volumes(), percents=PERCENTS, change=change)
    line = refused(capfd, "import", tmp_path / "dicom", tmp_path / "cohort")
    assert SERIES[change] in line and str(tmp_path / "dicom") in line
    assert not (tmp_path / "cohort").exists()


@pytest.mark.parametrize("bytes_left", [0, 300, -10])
def test_import_names_a_dicom_file_that_was_cut_short_even_at_the_end_of_the_stack(bytes_left, tmp_path, capfd):
    last = heart_volumes(1).shape[1] - 1
    names = {}
    paths = write_series(
        tmp_path / "dicom",
        heart_volumes(1),
        change=lambda data, t, k: names.setdefault(k, data.SOPInstanceUID) and None,
    )
    path = next(path for path in paths if names[last].encode() in path.read_bytes())
    path.write_bytes(path.read_bytes()[:bytes_left])
    line = refused(capfd, "import", tmp_path / "dicom", tmp_path / "cohort")
    assert str(path) in line and "truncated" in line


def test_import_into_a_cohort_in_use_names_who_writes_and_how_to_go_on(tmp_path, capfd):
    image = image_file(tmp_path / "heart.nii.gz")
    cohort_folder(tmp_path / "cohort")
    lock = tmp_path / "cohort" / ".lock"
    lock.write_text(json.dumps({"host": "reading-room", "pid": 4711}))
    before = snapshot(tmp_path)
    line = refused(capfd, "import", image, tmp_path / "cohort")
    assert "process 4711 on reading-room" in line and "delete .lock" in line
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["../outside", "case-001", "Müller, Erika"])
def test_import_refuses_a_name_that_is_taken_or_can_be_no_folder(name, tmp_path, capfd):
    image = image_file(tmp_path / "heart.nii.gz")
    cohort_folder(tmp_path / "cohort")
    before = snapshot(tmp_path)
    assert name in refused(capfd, "import", image, tmp_path / "cohort", "--case", name)
    assert snapshot(tmp_path) == before


def test_import_that_fails_keeps_a_cohort_that_was_there(tmp_path, capfd):
    cohort_folder(tmp_path / "cohort")
    before = snapshot(tmp_path / "cohort")
    refused(capfd, "import", not_finite(tmp_path), tmp_path / "cohort")
    assert snapshot(tmp_path / "cohort") == before


def test_segment_refuses_to_write_labels_over_the_image(bundle, tmp_path, capfd):
    image = image_file(tmp_path / "heart.nii.gz")
    before = snapshot(tmp_path)
    (tmp_path / "same.nii.gz").symlink_to(image)
    for labels in (image, tmp_path / "same.nii.gz"):
        assert "the image itself" in refused(capfd, "segment", image, labels, "--model", bundle)
    (tmp_path / "same.nii.gz").unlink()
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["labels.png", "labels.seg.nrrd", "folder.nii.gz"])
def test_segment_says_before_the_work_that_its_output_cannot_be_written(name, bundle, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("LVMLib.learning.models.cases.predict_phases", lambda *a, **k: pytest.fail("predicted in vain"))
    (tmp_path / "folder.nii.gz").mkdir()
    image = image_file(tmp_path / "heart.nii.gz")
    assert name in refused(capfd, "segment", image, tmp_path / name, "--model", bundle)


def test_segment_says_when_the_model_finds_no_heart(bundle, tmp_path, monkeypatch, capfd):
    image = image_file(tmp_path / "heart.nii.gz", phases=1)
    empty = {0: np.zeros(GRID.shape, np.uint8)}
    monkeypatch.setattr("LVMLib.learning.models.cases.predict_phases", lambda *a, **k: iter(empty.items()))
    line = refused(capfd, "segment", image, tmp_path / "labels.nii.gz", "--model", bundle)
    assert str(image) in line and "labelled no voxel" in line


def strange_label(labels):
    labels[0, 0, 0] = 7
    return labels


MASKS = {
    "also 7": strange_label,
    "also 0.5": lambda labels: labels * np.float32(0.5),
    "also nan": lambda labels: np.where(labels == 1, np.nan, labels).astype(np.float32),
    "an empty mask": lambda labels: labels * 0,
    "expected LV myocardium": lambda labels: (labels == 1).astype(np.uint8),
    "expected LV blood pool": lambda labels: (2 * (labels == 2)).astype(np.uint8),
    "expected": lambda labels: labels[:, :, 8:9],
}


@pytest.mark.parametrize("found", MASKS)
def test_thickness_refuses_a_bad_mask_and_names_it(found, tmp_path, capfd):
    mask = nifti(tmp_path / "mask.nii.gz", MASKS[found](ball()[1][0].T.copy()))
    line = refused(capfd, "thickness", mask, "--out", tmp_path / "out")
    assert found in line and str(mask) in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "make", [truncated_gzip, empty_nifti, empty_nrrd, sheared, colour_nifti, flat_png, nothing_there]
)
def test_thickness_refuses_a_file_that_is_no_mask(make, tmp_path, capfd):
    mask = make(tmp_path)
    assert str(mask) in refused(capfd, "thickness", mask, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_thickness_refuses_an_image_as_mask(tmp_path, capfd):
    image = image_file(tmp_path / "heart.nii.gz")
    assert "expected labels 0" in refused(capfd, "thickness", image, "--out", tmp_path / "out")


def test_check_names_labels_that_lie_on_another_grid(tmp_path, capfd):
    case = cohort_folder(tmp_path / "cohort")
    moved = LPS_2MM.copy()
    moved[:3, 3] = 7.3
    path = case.labels_path("model", 0)
    write_segmentation(path, ball()[1][0], Grid(GRID.shape, moved))
    line = refused(capfd, "check", tmp_path / "cohort")
    assert str(path) in line and "expected the image's grid" in line


def test_check_names_labels_that_were_cut_short(tmp_path, capfd):
    case = cohort_folder(tmp_path / "cohort")
    path = shortened(case.labels_path("model", 0), 0.9)
    assert str(path) in refused(capfd, "check", tmp_path / "cohort")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"{}", b"[1, 2"])
def test_a_damaged_manifest_is_named(content, tmp_path, capfd):
    case = cohort_folder(tmp_path / "cohort")
    for path in (case.folder / "case.json", tmp_path / "cohort" / "cohort.json"):
        path.write_bytes(content)
        assert str(path) in refused(capfd, "check", tmp_path / "cohort")


PAIRS = {
    "labels 0 (background)": lambda mask: np.where(mask == 2, 5, mask),
    "an empty mask": lambda mask: mask * 0,
    "expected the image's grid": lambda mask: mask[:, :-1],
    "damaged compressed stream": None,
}


@pytest.mark.parametrize("found", PAIRS)
@pytest.mark.parametrize("command", ["evaluate", "finetune"])
def test_a_mask_of_a_pair_that_was_changed_is_named(command, found, bundle, tmp_path, capfd):
    pairs = [ball_pair(tmp_path / "pairs", name, size=16, phases=2) for name in ("a", "b")]
    for pair in pairs:
        path, mask = pair.folder / "mask.nii.gz", pair.read_mask()
        if PAIRS[found] is None:
            shortened(path, 0.6)
        else:
            mask = PAIRS[found](mask).astype(np.uint8)
            write_sequence_nifti(path, mask, Grid(mask.shape[1:], LPS_2MM), dtype=np.uint8, phases=len(mask))
    options = {
        "evaluate": ("--model", bundle, "--split", "all"),
        "finetune": ("--from", bundle, "--preset", "smoke", "--epochs", 1),
    }[command]
    line = refused(capfd, command, tmp_path / "pairs", *options, "--out", tmp_path / "out")
    assert found in line and str(tmp_path / "pairs") in line and "mask.nii.gz" in line


def test_export_refuses_a_case_without_labels_and_two_readers_to_choose_from(tmp_path, capfd):
    cohort_folder(tmp_path / "none", readers=())
    assert "labels by nobody" in refused(capfd, "export", tmp_path / "none", tmp_path / "pairs")
    cohort_folder(tmp_path / "two", readers=("ada", "bob"))
    assert "ada, bob" in refused(capfd, "export", tmp_path / "two", tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


def test_export_refuses_a_split_that_cannot_be_before_it_writes_pairs(tmp_path, capfd):
    cohort_folder(tmp_path / "cohort", cases=2)
    line = refused(capfd, "export", tmp_path / "cohort", tmp_path / "pairs", "--test", 5)
    assert "found 2 cases" in line and not (tmp_path / "pairs").exists()


def test_commands_refuse_a_cohort_without_cases(bundle, tmp_path, capfd):
    case = cohort_folder(tmp_path / "cohort")
    shutil.rmtree(case.folder)
    for arguments in (("predict", "--model", bundle), ("export", tmp_path / "pairs"), ("check",)):
        refused(capfd, arguments[0], tmp_path / "cohort", *arguments[1:])


@pytest.mark.parametrize("phases", ["7", "", "ed", "²", "0;1"])
def test_predict_refuses_phases_that_are_not_there(phases, bundle, tmp_path, capfd):
    cohort_folder(tmp_path / "cohort")
    assert "phases 0 to 1" in refused(capfd, "predict", tmp_path / "cohort", "--model", bundle, "--phases", phases)


@pytest.mark.parametrize("readers", ["ada", "ada,ada", "ada,nobody", "ada,", "ada,../x"])
def test_agree_refuses_readers_that_cannot_be_compared(readers, tmp_path, capfd):
    cohort_folder(tmp_path / "cohort", readers=("ada",))
    refused(capfd, "agree", tmp_path / "cohort", "--readers", readers)


def test_check_refuses_a_protocol_that_is_none(tmp_path, capfd):
    cohort_folder(tmp_path / "cohort")
    for protocol in (image_file(tmp_path / "heart.nii.gz"), tmp_path, tmp_path / "nowhere.json"):
        assert str(protocol) in refused(capfd, "check", tmp_path / "cohort", "--protocol", protocol)
