"""Image-mask pairs and nested splits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from LVMLib.cohort import (
    Cohort,
    Pair,
    export_case,
    nested_splits,
    open_pairs,
    pairs_of_split,
    read_splits,
    training_split,
    write_pair,
    write_splits,
)
from LVMLib.errors import CohortError, GridError, ImageError, LabelError, PairError, StorageError
from LVMLib.grid import Grid
from LVMLib.imaging import CallableFrames, Sequence, read_image, write_sequence_nifti

REAL_CT = Path(os.environ.get("LVM_REAL_CT", Path(__file__).parents[3] / "shared/data/heart_cta/ct.nii.gz"))
GRID = Grid((8, 9, 10), np.diag([-1.0, -1.0, 1.0, 1.0]))


def volumes(phases: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1500, (phases, *GRID.shape), dtype=np.int16)


def labels(value: int = 2) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:6, 2:6, 2:6] = value
    mask[3:5, 3:5, 3:5] = 1
    return mask


def pair_at(folder: Path, name: str = "case-001", **options: object) -> Pair:
    return write_pair(folder, name, volumes(), {0: labels(), 2: labels()}, GRID, **options)


def test_a_pair_comes_back_with_zeros_where_nothing_is_labelled(tmp_path):
    pair_at(tmp_path, rr_percent=(0, 20, 45, 70), ed=0, es=2, readers=("anna",), phantom=True)
    pair = Pair.open(tmp_path / "case-001")
    assert pair.labelled_phases == (0, 2) and pair.rr_percent == (0, 20, 45, 70) and pair.is_phantom
    image, mask = pair.read_image(), pair.read_mask()
    assert image.dtype == np.int16 and np.array_equal(image, volumes())
    assert mask.dtype == np.uint8 and np.array_equal(mask[2], labels())
    assert not mask[1].any() and not mask[3].any()
    assert pair.grid.matches(GRID) and pair.altered_files() == []


def test_other_programs_open_a_pair(tmp_path):
    pair_at(tmp_path)
    for name, dtype in (("image.nii.gz", np.int16), ("mask.nii.gz", np.uint8)):
        image = nib.load(tmp_path / "case-001" / name)
        assert image.shape == (10, 9, 8, 4) and image.get_data_dtype() == dtype
        assert image.header["qform_code"] > 0 and image.header["sform_code"] > 0
        assert np.allclose(image.affine, GRID.affine) and image.header.get_xyzt_units()[0] == "mm"
    content = json.loads((tmp_path / "case-001/pair.json").read_text())
    assert content["labelled_phases"] == [0, 2] and set(content["sha256"]) == {"image.nii.gz", "mask.nii.gz"}


def test_equal_pairs_are_equal_bytes(tmp_path):
    first, second = pair_at(tmp_path / "a"), pair_at(tmp_path / "b")
    assert first.manifest == second.manifest


@pytest.mark.parametrize(
    ("masks", "options", "kind"),
    [
        ({0: labels() * 0}, {}, LabelError),
        ({0: labels() + 1}, {}, LabelError),
        ({0: labels()[1:]}, {}, GridError),
        ({}, {}, PairError),
        ({9: labels()}, {}, PairError),
        ({0: labels()}, {"phases": 5}, ImageError),
        ({0: labels()}, {"name": "Erika Mustermann"}, CohortError),
    ],
)
def test_a_pair_that_would_be_wrong_is_not_written(tmp_path, masks, options, kind):
    name = options.pop("name", "case-001")
    with pytest.raises(kind) as error:
        write_pair(tmp_path, name, iter(volumes()), masks, GRID, **{"phases": 4, **options})
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("interruption", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_export_leaves_the_earlier_pair(tmp_path, interruption):
    pair_at(tmp_path)

    def frames():
        yield volumes()[0]
        raise interruption

    with pytest.raises((KeyboardInterrupt, StorageError)):
        write_pair(tmp_path, "case-001", frames(), {0: labels()}, GRID, phases=4)
    assert [path.name for path in tmp_path.iterdir()] == ["case-001"]
    assert np.array_equal(Pair.open(tmp_path / "case-001").read_image(), volumes())


def test_a_mask_on_another_grid_is_refused_when_the_pair_is_opened(tmp_path):
    folder = pair_at(tmp_path).folder
    write_sequence_nifti(folder / "mask.nii.gz", volumes() * 0, Grid(GRID.shape, 2 * GRID.affine), phases=4)
    with pytest.raises(GridError, match=r"mask\.nii\.gz"):
        Pair.open(folder)


@pytest.mark.parametrize(
    ("phase", "value", "kind"), [(1, 1, PairError), (0, 3, LabelError), (2, None, LabelError)], ids=str
)
def test_a_mask_that_contradicts_its_manifest_is_refused(tmp_path, phase, value, kind):
    pair = pair_at(tmp_path)
    mask = pair.read_mask()
    mask[phase] = labels(value) if value else 0
    write_sequence_nifti(pair.folder / "mask.nii.gz", mask, GRID, dtype=np.uint8, phases=4)
    with pytest.raises(kind, match=r"mask\.nii\.gz"):
        pair.read_mask()
    assert pair.altered_files() == ["mask.nii.gz"]


def test_missing_damaged_and_short_pairs_are_named(tmp_path):
    with pytest.raises(PairError, match="lvm export"):
        open_pairs(tmp_path)
    folder = pair_at(tmp_path).folder
    assert [pair.id for pair in open_pairs(tmp_path)] == ["case-001"]
    write_sequence_nifti(folder / "mask.nii.gz", volumes()[:3] * 0, GRID, dtype=np.uint8, phases=3)
    with pytest.raises(PairError, match="expected 4 phases, found 3"):
        Pair.open(folder)
    (folder / "mask.nii.gz").unlink()
    with pytest.raises(ImageError, match=r"mask\.nii\.gz"):
        Pair.open(folder)
    (folder / "pair.json").write_text('{"id": 3}')
    with pytest.raises(PairError, match=r"pair\.json"):
        Pair.open(folder)


@pytest.fixture
def case(tmp_path):
    def read(t: int) -> np.ndarray:
        k, j, i = np.indices((12, 20, 22))
        return (10 * i + 5 * j + 3 * k + 100 * t).astype(np.int16)

    affine = np.diag([-0.5, -0.6, 0.9, 1.0])
    sequence = Sequence(Grid((12, 20, 22), affine), CallableFrames(3, read), (10.0, 40.0, 75.0))
    return Cohort.create(tmp_path / "cohort", site="Site 2").add_case(sequence)


def lv(case) -> np.ndarray:
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[2:10, 3:17, 3:19] = 2
    mask[4:8, 6:14, 6:16] = 1
    return mask


def test_export_resamples_every_phase_to_one_millimetre(case, tmp_path):
    case.set_phases(ed=2, es=1)
    for phase in (0, 1, 2):
        case.write_labels("anna", phase, lv(case))
    pair = export_case(case, tmp_path / "pairs", checks={"papillary muscles": True})
    assert np.allclose(pair.grid.spacing, 1) and pair.phases == 3
    assert pair.labelled_phases == (1, 2) and (pair.ed, pair.es) == (2, 1)
    assert pair.manifest.readers == ("anna",) and pair.manifest.checks == {"papillary muscles": True}
    assert pair.manifest.site == "Site 2" and pair.rr_percent == (10, 40, 75)
    image = pair.read_image()
    assert ((image[1] - image[0]) == 100).all() and ((image[2] - image[0]) == 200).all()
    # The field is linear in i, j, k: its value at the centre is known.
    k, j, i = (np.array(pair.grid.shape) - 1) // 2
    at = case.grid.to_ijk(pair.grid.to_ras([i, j, k]))
    assert abs(image[0, k, j, i] - at @ [10, 5, 3]) <= 0.5
    mask = pair.read_mask()
    volume = (lv(case) == 2).sum() * case.grid.voxel_volume
    assert abs((mask[1] == 2).sum() / volume - 1) < 0.1
    assert not mask[0].any()


def test_all_labelled_phases_can_be_exported(case, tmp_path):
    for phase in (0, 2):
        case.write_labels("anna", phase, lv(case))
    assert export_case(case, tmp_path / "pairs", phases=range(3), spacing_mm=1.5).labelled_phases == (0, 2)


def test_the_consensus_is_exported_before_any_reader(case, tmp_path):
    case.set_phases(ed=0, es=0)
    for reader in ("anna", "bert"):
        case.write_labels(reader, 0, lv(case))
    with pytest.raises(CohortError, match="labels by anna, bert"):
        export_case(case, tmp_path / "pairs")
    with pytest.raises(CohortError, match="labels by reader carl"):
        export_case(case, tmp_path / "pairs", reader="carl")
    assert export_case(case, tmp_path / "pairs", reader="bert").manifest.readers == ("bert",)
    case.write_labels("consensus", 0, lv(case))
    assert export_case(case, tmp_path / "pairs").manifest.readers == ("consensus",)


def test_without_ed_and_es_or_their_labels_nothing_is_exported(case, tmp_path):
    with pytest.raises(CohortError, match="labels by nobody"):
        export_case(case, tmp_path / "pairs")
    case.write_labels("anna", 0, lv(case))
    with pytest.raises(CohortError, match="not set"):
        export_case(case, tmp_path / "pairs")
    case.set_phases(ed=0, es=1)
    with pytest.raises(CohortError, match="of phases 1, found labels of 0"):
        export_case(case, tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()


def test_the_papers_split_is_45_test_20_validation_and_nested_groups_up_to_30():
    names = [f"case-{n:03d}" for n in range(95)]
    splits = nested_splits(names, seed=3)
    assert (len(splits.test), len(splits.validation), len(splits.training)) == (45, 20, 30)
    assert sorted(splits.groups) == [5, 10, 15, 20, 25, 30]
    assert sorted([*splits.test, *splits.validation, *splits.training]) == names
    for smaller, larger in zip(sorted(splits.groups), sorted(splits.groups)[1:]):
        assert splits.groups[larger][:smaller] == splits.groups[smaller]
    assert splits == nested_splits(reversed(names), seed=3)
    assert splits != nested_splits(names, seed=4)


@pytest.mark.parametrize("count", range(3, 30))
def test_small_cohorts_get_all_three_parts(count):
    splits = nested_splits([str(n) for n in range(count)])
    assert splits.test and splits.validation and splits.training
    assert len(splits.test) + len(splits.validation) + len(splits.training) == count
    assert max(splits.groups) == len(splits.training)


def test_impossible_splits_are_refused():
    with pytest.raises(PairError, match="found 1 cases"):
        nested_splits(["a"])
    with pytest.raises(PairError, match="twice"):
        nested_splits(["a", "a", "b"])
    with pytest.raises(PairError, match=r"training groups \[9\]"):
        nested_splits("abcdef", test=2, validation=2, groups=[9])


def test_splits_are_made_once_and_kept(tmp_path):
    for n in range(6):
        pair_at(tmp_path, f"case-{n}")
    split = training_split(tmp_path)
    assert [pair.id for pair in split.train] == list(read_splits(tmp_path).training)
    assert not {pair.id for pair in split.train} & {pair.id for pair in pairs_of_split(tmp_path, "test")}
    pair_at(tmp_path, "case-late")
    assert len(pairs_of_split(tmp_path, "all")) == 7
    assert [pair.id for pair in training_split(tmp_path).train] == [pair.id for pair in split.train]
    assert len(training_split(tmp_path, cases=1).train) == 1
    with pytest.raises(PairError, match="99 asked for"):
        training_split(tmp_path, cases=99)


def test_splits_that_name_a_missing_pair_are_refused(tmp_path):
    pair_at(tmp_path, "a")
    pair_at(tmp_path, "b")
    write_splits(tmp_path, nested_splits(["a", "b", "gone"]))
    with pytest.raises(PairError, match="no pair for gone"):
        training_split(tmp_path)


@pytest.mark.realct
@pytest.mark.skipif(not REAL_CT.is_file(), reason="the real CT is not beside the repository")
def test_the_real_ct_is_imported_exactly_and_exported_at_one_millimetre(tmp_path):
    source = read_image(REAL_CT)
    case = Cohort.create(tmp_path / "cohort", site="Site 2").add_case(source)
    assert np.array_equal(case.image().frame(0), source.frame(0))
    assert np.array_equal(case.grid.affine, nib.load(REAL_CT).affine)
    mask = np.zeros(case.grid.shape, np.uint8)
    mask[40:70, 40:70, 40:70] = 2
    case.write_labels("anna", 0, mask)
    case.set_phases(ed=0, es=0)
    pair = export_case(case, tmp_path / "pairs")
    assert pair.grid.shape == (168, 153, 183) and pair.labelled_phases == (0,)
    assert abs((pair.read_mask() == 2).sum() / (mask.sum() / 2 * 1.5**3) - 1) < 0.01
    image = pair.read_image()[0].astype(float)
    assert abs(image.mean() - source.frame(0).mean()) < 5
