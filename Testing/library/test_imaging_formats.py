"""NIfTI, NRRD, Slicer files and folders: voxels, grids and bad input, against nibabel and SimpleITK."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from LVMLib.errors import GridError, ImageError, LabelError, StorageError
from LVMLib.grid import Grid
from LVMLib.imaging import (
    ArrayFrames,
    CallableFrames,
    Sequence,
    read_image,
    read_labels,
    read_segmentation,
    write_label_phases,
    write_labels,
    write_sequence_nifti,
    write_sequence_nrrd,
)

REAL_CT = Path(os.environ.get("LVM_REAL_CT", Path(__file__).parents[3] / "shared/data/heart_cta/ct.nii.gz"))

TURN = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])


def affine_of(directions: np.ndarray = TURN, spacing: tuple[float, ...] = (0.5, 0.4, 0.7)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = (-31.5, 12.25, 100.0)
    return affine


LEFT_HANDED = affine_of(TURN @ np.diag([1, -1, 1]))


def heart(phases: int = 3, shape: tuple[int, int, int] = (4, 5, 6), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1500, (phases, *shape), dtype=np.int16)


def labels_3d(shape: tuple[int, int, int] = (4, 5, 6)) -> np.ndarray:
    labels = np.zeros(shape, np.uint8)
    labels[1:3, 1:4, 1:5] = 2
    labels[2, 2, 2:4] = 1
    return labels


def voxels(sequence: Sequence) -> np.ndarray:
    return np.stack(list(sequence))


def one_line(error: pytest.ExceptionInfo, path: Path) -> str:
    text = str(error.value)
    assert "\n" not in text and str(path) in text and "expected" in text and "found" in text
    return text


@pytest.mark.parametrize("affine", [affine_of(), LEFT_HANDED, np.diag([-1.5, -1.5, 1.5, 1.0])])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.seq.nrrd"])
def test_a_4d_image_comes_back_with_the_same_voxels_at_the_same_place(tmp_path, name, affine):
    volumes, grid = heart(), Grid((4, 5, 6), affine)
    write = write_sequence_nifti if ".nii" in name else write_sequence_nrrd
    digest = write(tmp_path / name, (frame for frame in volumes), grid, phases=3)
    sequence = read_image(tmp_path / name)
    assert np.array_equal(voxels(sequence), volumes)
    assert sequence.grid.matches(grid, tolerance_mm=1e-4)
    assert len(digest) == 64 and [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("affine", [affine_of(), LEFT_HANDED])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd"])
def test_simpleitk_sees_our_files_where_we_put_them(tmp_path, name, affine):
    labels, grid = labels_3d(), Grid((4, 5, 6), affine)
    write_labels(tmp_path / name, labels, grid)
    image = sitk.ReadImage(str(tmp_path / name))
    assert np.array_equal(sitk.GetArrayFromImage(image), labels)
    for index in ((0, 0, 0), (5, 0, 0), (0, 4, 3)):
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        assert np.allclose(lps * [-1, -1, 1], grid.to_ras(index), atol=1e-4)


def test_nifti_says_its_units_and_orientation_twice(tmp_path):
    write_sequence_nifti(tmp_path / "a.nii.gz", heart(), Grid((4, 5, 6), affine_of()), phases=3)
    image = nib.load(tmp_path / "a.nii.gz")
    header = image.header
    assert image.shape == (6, 5, 4, 3) and header.get_data_dtype() == np.int16
    assert header["qform_code"] > 0 and header["sform_code"] > 0 and header.get_xyzt_units()[0] == "mm"
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    assert np.array_equal(np.asarray(image.dataobj).T, heart())


@pytest.mark.parametrize("order", [(2, 1, 0), (0, 2, 0, 1)])
def test_compressed_phases_can_be_read_in_any_order_and_by_another_process(tmp_path, order):
    volumes = heart()
    write_sequence_nifti(tmp_path / "a.nii.gz", volumes, Grid((4, 5, 6), affine_of()), phases=3)
    sequence = pickle.loads(pickle.dumps(read_image(tmp_path / "a.nii.gz")))
    for t in order:
        assert np.array_equal(sequence.frame(t), volumes[t])


def test_scaled_big_endian_and_metre_nifti_is_understood(tmp_path):
    volume = heart(1)[0]
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    image = nib.Nifti1Image(volume.T.astype(">i2"), affine_of() * [[1e-3], [1e-3], [1e-3], [1]], header)
    image.header.set_xyzt_units("meter")
    image.header.set_slope_inter(2, -100)
    nib.save(image, tmp_path / "a.nii")
    sequence = read_image(tmp_path / "a.nii")
    assert np.array_equal(sequence.frame(0), nib.load(tmp_path / "a.nii").get_fdata().T)
    assert np.allclose(sequence.grid.spacing, (0.5, 0.4, 0.7), atol=1e-5)


def test_fractional_hounsfield_units_stay_fractional(tmp_path):
    volume = heart(1)[0] + np.float32(0.25)
    nib.save(nib.Nifti1Image(volume.T, affine_of()), tmp_path / "a.nii.gz")
    assert np.array_equal(read_image(tmp_path / "a.nii.gz").frame(0), volume)


def test_an_old_slicer_sequence_with_the_phases_first_is_read(tmp_path):
    volumes = heart()
    text = (
        "NRRD0005\ntype: short\ndimension: 4\nspace: right-anterior-superior\nsizes: 3 6 5 4\n"
        "space directions: none (2,0,0) (0,3,0) (0,0,4)\nkinds: list domain domain domain\n"
        'labels: "R-R %" "" "" ""\nendian: little\nencoding: raw\nspace origin: (7,8,9)\n'
        "axis 0 index type:=numeric\naxis 0 index values:=0 40 80\n\n"
    )
    (tmp_path / "a.seq.nrrd").write_bytes(text.encode() + np.moveaxis(volumes, 0, 3).astype("<i2").tobytes())
    sequence = read_image(tmp_path / "a.seq.nrrd")
    assert np.array_equal(voxels(sequence), volumes)
    assert sequence.rr_percent == (0, 40, 80)
    assert np.array_equal(sequence.grid.affine, [[2, 0, 0, 7], [0, 3, 0, 8], [0, 0, 4, 9], [0, 0, 0, 1]])


def test_a_detached_nrrd_header_finds_its_voxels(tmp_path):
    image = sitk.GetImageFromArray(heart(1)[0])
    sitk.WriteImage(image, str(tmp_path / "a.nhdr"))
    assert np.array_equal(read_image(tmp_path / "a.nhdr").frame(0), heart(1)[0])


def test_the_percentages_come_from_the_sequence_or_a_sidecar_or_are_uniform(tmp_path):
    grid = Grid((4, 5, 6), affine_of())
    write_sequence_nrrd(tmp_path / "a.seq.nrrd", heart(), grid, phases=3, rr_percent=(5, 45, 75))
    assert read_image(tmp_path / "a.seq.nrrd").rr_percent == (5, 45, 75)
    write_sequence_nifti(tmp_path / "b.nii.gz", heart(4), grid, phases=4)
    assert read_image(tmp_path / "b.nii.gz").rr_percent == (0, 25, 50, 75)
    (tmp_path / "b.json").write_text(json.dumps({"rr_percent": [1, 2, 3, 4]}))
    assert read_image(tmp_path / "b.nii.gz").rr_percent == (1, 2, 3, 4)
    for wrong in ('{"rr_percent": [1, 2]}', '{"rr_percent": [1, 2, 3, 400]}', "no json"):
        (tmp_path / "b.json").write_text(wrong)
        with pytest.raises(ImageError, match="sidecar"):
            read_image(tmp_path / "b.nii.gz")


@pytest.mark.parametrize(
    ("names", "percent"),
    [
        (("heart_10%.nii.gz", "heart_5%.nii.gz", "heart_90%.nii.gz"), (5, 10, 90)),
        (("p10_case7.nii.gz", "p2_case7.nii.gz", "p30_case7.nii.gz"), ()),
    ],
)
def test_a_folder_of_3d_files_is_sorted_by_percentage_or_number_not_by_alphabet(tmp_path, names, percent):
    volumes, grid = heart(), Grid((4, 5, 6), affine_of())
    for name, t in zip(names, (1, 0, 2)):
        write_sequence_nifti(tmp_path / name, [volumes[t]], grid)
    sequence = read_image(tmp_path)
    assert np.array_equal(voxels(sequence), volumes)
    assert not percent or sequence.rr_percent == percent


def test_files_whose_order_cannot_be_told_are_refused(tmp_path):
    for name in ("image.nii.gz", "mask.nii.gz"):
        write_sequence_nifti(tmp_path / name, heart(1), Grid((4, 5, 6), affine_of()))
    with pytest.raises(ImageError) as error:
        read_image(tmp_path)
    assert "image.nii.gz, mask.nii.gz" in one_line(error, tmp_path)


def test_files_on_different_grids_are_refused_by_name(tmp_path):
    write_sequence_nifti(tmp_path / "p1.nii", heart(1), Grid((4, 5, 6), affine_of()))
    write_sequence_nifti(tmp_path / "p2.nii", heart(1), Grid((4, 5, 6), affine_of(spacing=(0.5, 0.4, 0.8))))
    with pytest.raises(GridError) as error:
        read_image(tmp_path)
    assert "0.8 mm" in one_line(error, tmp_path / "p2.nii")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.seq.nrrd", "a.seg.nrrd"])
@pytest.mark.parametrize("keep", [0.0, 0.05, 0.7, 0.999])
def test_a_truncated_file_is_named(tmp_path, name, keep):
    shape, path = (8, 20, 20), tmp_path / name
    grid = Grid(shape, affine_of())
    if name == "a.seg.nrrd":
        write_labels(path, labels_3d(shape), grid)
    elif ".nii" in name:
        write_sequence_nifti(path, heart(3, shape), grid, phases=3)
    else:
        write_sequence_nrrd(path, heart(3, shape), grid, phases=3)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ImageError) as error:
        read_labels(path) if "seg" in name else voxels(read_image(path))
    assert "again" in one_line(error, path)


@pytest.mark.parametrize("strange", [np.nan, np.inf])
def test_nan_and_infinite_voxels_are_counted_with_their_phase(tmp_path, strange):
    volumes = heart().astype(np.float32)
    volumes[1, 0, 0, :2] = strange
    nib.save(nib.Nifti1Image(volumes.T, affine_of()), tmp_path / "a.nii")
    sequence = read_image(tmp_path / "a.nii")
    assert np.array_equal(sequence.frame(0), volumes[0])
    with pytest.raises(ImageError) as error:
        sequence.frame(1)
    assert "phase 1" in one_line(error, tmp_path / "a.nii") and "2 NaN or infinite" in str(error.value)


def test_colour_images_are_refused(tmp_path):
    rgb = np.zeros((6, 5, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, affine_of()), tmp_path / "a.nii")
    colour = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    sitk.WriteImage(colour, str(tmp_path / "a.nrrd"))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    for name in ("a.nii", "a.nrrd", "a.png"):
        with pytest.raises(ImageError) as error:
            read_image(tmp_path / name)
        one_line(error, tmp_path / name)


def test_a_sheared_direction_is_refused(tmp_path):
    affine = affine_of()
    affine[0, 1] += 0.05
    image = nib.Nifti1Image(heart(1)[0].T, None)
    image.set_sform(affine, code=1)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(GridError) as error:
        read_image(tmp_path / "a.nii.gz")
    assert "non-orthogonal" in one_line(error, tmp_path / "a.nii.gz")
    with pytest.raises(GridError):
        write_sequence_nrrd(tmp_path / "b.nrrd", heart(1), Grid((4, 5, 6), affine))
        read_image(tmp_path / "b.nrrd")


def test_five_dimensions_and_unknown_formats_are_refused(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 3, 3, 2, 2), np.int16), np.eye(4)), tmp_path / "a.nii")
    (tmp_path / "b.xyz").write_bytes(b"hello")
    (tmp_path / "empty").mkdir()
    for name in ("a.nii", "b.xyz", "empty", "missing.nii.gz"):
        with pytest.raises(ImageError) as error:
            read_image(tmp_path / name)
        one_line(error, tmp_path / name)


def test_a_phase_of_another_shape_is_named():
    sequence = Sequence(
        Grid((4, 5, 6), affine_of()), CallableFrames(2, lambda t: heart(1, (4, 5, 6 - t))[0]), source="cine"
    )
    assert sequence.frame(0).shape == (4, 5, 6)
    with pytest.raises(ImageError, match="cine, phase 1"):
        sequence.frame(1)
    with pytest.raises(IndexError):
        sequence.frame(2)
    with pytest.raises(ImageError, match="R-R percentage"):
        Sequence(Grid((4, 5, 6), affine_of()), ArrayFrames(heart(2)), (1.0, 2.0, 3.0))


@pytest.mark.parametrize("affine", [affine_of(), LEFT_HANDED])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "a.seg.nrrd"])
def test_labels_come_back_on_exactly_the_images_grid(tmp_path, name, affine):
    nib.save(nib.Nifti1Image(heart(1)[0].T, affine), tmp_path / "ct.nii.gz")
    grid = read_image(tmp_path / "ct.nii.gz").grid
    write_labels(tmp_path / name, labels_3d(), grid)
    labels, found = read_labels(tmp_path / name, reference=grid)
    assert labels.dtype == np.uint8 and np.array_equal(labels, labels_3d())
    assert np.array_equal(found.affine, grid.affine)


def test_one_phase_becomes_a_3d_file_and_several_a_4d_one(tmp_path):
    grid = Grid((4, 5, 6), affine_of())
    write_label_phases(tmp_path / "a.nii.gz", [labels_3d()], grid)
    assert nib.load(tmp_path / "a.nii.gz").shape == (6, 5, 4)
    write_label_phases(tmp_path / "a.nii.gz", [labels_3d(), 0 * labels_3d()], grid)
    assert read_labels(tmp_path / "a.nii.gz")[0].shape == (2, 4, 5, 6)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.seg.nrrd"])
def test_an_empty_mask_and_a_mask_on_another_grid_are_refused(tmp_path, name):
    grid = Grid((4, 5, 6), affine_of())
    write_labels(tmp_path / name, 0 * labels_3d(), grid)
    with pytest.raises(LabelError) as error:
        read_labels(tmp_path / name)
    assert "empty mask" in one_line(error, tmp_path / name)
    assert not read_labels(tmp_path / name, allow_empty=True)[0].any()
    write_labels(tmp_path / name, labels_3d(), grid)
    with pytest.raises(GridError) as error:
        read_labels(tmp_path / name, reference=Grid((4, 5, 6), LEFT_HANDED))
    one_line(error, tmp_path / name)


def test_strange_labels_are_refused_when_read_and_when_written(tmp_path):
    grid = Grid((4, 5, 6), affine_of())
    strange = labels_3d().astype(np.float32)
    strange[0, 0, :2] = 3, 0.5
    nib.save(nib.Nifti1Image(strange.T, affine_of()), tmp_path / "a.nii.gz")
    with pytest.raises(LabelError) as error:
        read_labels(tmp_path / "a.nii.gz")
    assert "also 0.5, 3" in one_line(error, tmp_path / "a.nii.gz")
    for labels in (strange, labels_3d()[1:]):
        with pytest.raises(LabelError):
            write_labels(tmp_path / "b.nrrd", labels, grid)
    with pytest.raises(LabelError, match=r"one \.seg\.nrrd for each phase"):
        write_labels(tmp_path / "b.seg.nrrd", np.stack([labels_3d()] * 2), grid)
    with pytest.raises(ImageError, match=r"ending in"):
        write_labels(tmp_path / "b.png", labels_3d(), grid)
    assert [path.name for path in tmp_path.iterdir()] == ["a.nii.gz"]


def segmentation(path: Path, layers: np.ndarray, keys: str, origin: str = "(0,0,0)") -> Path:
    shape = " ".join(str(n) for n in layers.shape[:0:-1])
    text = (
        f"NRRD0004\ntype: unsigned char\ndimension: 4\nspace: left-posterior-superior\nsizes: {len(layers)} {shape}\n"
        "space directions: none (1,0,0) (0,1,0) (0,0,1)\nkinds: list domain domain domain\nencoding: raw\n"
        f"space origin: {origin}\n{keys}\n"
    )
    path.write_bytes(text.encode() + np.moveaxis(layers, 0, 3).tobytes())
    return path


@pytest.mark.parametrize("wall_first", [True, False])
def test_segments_are_found_by_code_in_any_layer_and_the_blood_pool_wins(tmp_path, wall_first):
    layers = np.zeros((2, 4, 5, 6), np.uint8)
    layers[0][labels_3d() > 0] = 7
    layers[1][labels_3d() == 1] = 1
    term = "Tags:=TerminologyEntry:c~SCT^123037004^Anatomical Structure~SCT^{}^x~^^~a~^^~^^|\n"
    wall, pool = (0, 1) if wall_first else (1, 0)
    keys = (
        f"Segment{wall}_ID:=s0\nSegment{wall}_Name:=A\nSegment{wall}_LabelValue:=7\nSegment{wall}_Layer:=0\n"
        f"Segment{wall}_{term.format('49848007')}"
        f"Segment{pool}_ID:=s1\nSegment{pool}_Name:=B\nSegment{pool}_LabelValue:=1\nSegment{pool}_Layer:=1\n"
        f"Segment{pool}_{term.format('87878005')}"
    )
    labels, _ = read_segmentation(segmentation(tmp_path / "a.seg.nrrd", layers, keys))
    assert np.array_equal(labels, labels_3d())


def test_a_segmentation_without_lv_segments_is_refused_by_their_names(tmp_path):
    keys = "Segment0_ID:=s\nSegment0_Name:=Liver\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
    path = segmentation(tmp_path / "a.seg.nrrd", np.ones((2, 4, 5, 6), np.uint8), keys)
    with pytest.raises(LabelError) as error:
        read_segmentation(path)
    assert "Liver" in one_line(error, path)


@pytest.mark.parametrize("tags", ["", "Tags:=TerminologyEntry:c~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~a~^^~^^|\n"])
def test_a_second_segment_without_terminology_is_refused_by_its_name_not_left_out(tmp_path, tags):
    keys = (
        "Segment0_ID:=0\nSegment0_Name:=LV blood pool\nSegment0_LabelValue:=1\nSegment0_Layer:=0\n"
        "Segment1_ID:=1\nSegment1_Name:=Segment_2\nSegment1_LabelValue:=2\nSegment1_Layer:=0\n"
    )
    layers = np.stack([labels_3d()] * 2)
    path = segmentation(tmp_path / "a.seg.nrrd", layers, keys + (f"Segment1_{tags}" if tags else ""))
    with pytest.raises(LabelError) as error:
        read_segmentation(path)
    assert "Segment_2 without terminology" in one_line(error, path)
    aorta = "Segment1_Tags:=TerminologyEntry:c~SCT^123037004^Anatomical Structure~SCT^15825003^Aorta~^^~a~^^~^^|\n"
    labels, _ = read_segmentation(segmentation(tmp_path / "b.seg.nrrd", layers, keys + aorta))
    assert np.array_equal(labels, labels_3d() == 1), "another structure that says so is left out"


def test_a_segmentation_cropped_by_slicer_is_put_back_on_the_images_grid(tmp_path):
    keys = "".join(
        f"Segment{n}_ID:={n}\nSegment{n}_Name:={name}\nSegment{n}_LabelValue:={n + 1}\nSegment{n}_Layer:=0\n"
        for n, name in enumerate(("LV blood pool", "LV myocardium"))
    )
    grid = Grid((4, 5, 6), np.diag([-1.0, -1.0, 1.0, 1.0]))
    layers = np.stack([labels_3d()[1:3, 1:4, 1:5]] * 2)
    path = segmentation(tmp_path / "a.seg.nrrd", layers, keys, origin="(1,1,1)")
    labels, found = read_segmentation(path, reference=grid)
    assert np.array_equal(labels, labels_3d()) and found is grid
    path = segmentation(tmp_path / "a.seg.nrrd", layers, keys, origin="(5,1,1)")
    with pytest.raises(GridError, match="beyond its border"):
        read_segmentation(path, reference=grid)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EROFS])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.seq.nrrd"])
def test_a_full_disk_leaves_the_earlier_file_as_it_was(tmp_path, name, code):
    path, grid = tmp_path / name, Grid((4, 5, 6), affine_of())
    write = write_sequence_nifti if ".nii" in name else write_sequence_nrrd
    write(path, heart(), grid, phases=3)
    before = path.read_bytes()

    def frames():
        yield heart()[0]
        raise OSError(code, os.strerror(code))

    with pytest.raises(StorageError) as error:
        write(path, frames(), grid, phases=3)
    one_line(error, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_fewer_phases_than_announced_leave_no_file(tmp_path):
    with pytest.raises(ImageError, match="expected 3 phases"):
        write_sequence_nifti(tmp_path / "a.nii", heart(2), Grid((4, 5, 6), affine_of()), phases=3)
    assert not list(tmp_path.iterdir())


@pytest.mark.realct
@pytest.mark.skipif(not REAL_CT.is_file(), reason="the real CT is not beside the repository")
def test_the_real_ct_is_read_exactly_as_nibabel_reads_it():
    sequence, image = read_image(REAL_CT), nib.load(REAL_CT)
    assert len(sequence) == 1 and sequence.frame(0).dtype == np.int16
    assert np.array_equal(sequence.frame(0), np.asarray(image.dataobj).T)
    assert np.array_equal(sequence.grid.affine, image.affine)
