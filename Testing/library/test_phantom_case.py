"""The phantom as images: scanner, repeatability, cohorts, DICOM."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pydicom
import pytest
from LVMLib.cohort import Cohort
from LVMLib.errors import CohortError
from LVMLib.imaging import read_image
from LVMLib.phantom import (
    SITE_1,
    SITE_2,
    TRUTH,
    case_sequence,
    case_subject,
    generate_case,
    generate_cohort,
    heart_grid,
    render_background,
    render_phase,
    write_dicom_series,
    write_nifti,
    write_seq_nrrd,
)
from LVMLib.phantom.scanner import acquire, slabs
from LVMLib.phantom.subject import Scan

SUBJECT = case_subject(SITE_1, 11, 1)
QUIET = {
    "noise_hu": 0.0, "grain_mm": 0.5, "blur_mm": 0.0, "sharpening": 0.0, "temporal_blur": 0.0, "slab_mm": 200.0,
    "slab_start": 0.0, "slab_shift_mm": 0.0, "slab_phase_error": 0.0, "streaks_hu": 0.0, "shading_hu": 0.0,
    "bias": 0.0, "gain": 1.0, "full_chest": False,
}  # fmt: skip


def test_equal_seeds_give_equal_voxels_and_other_cases_differ() -> None:
    grid = heart_grid(SUBJECT, spacing_mm=6.0, crop="heart")
    first, again = (render_phase(case_subject(SITE_1, 11, 1), 0.2, grid) for _ in range(2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert case_subject(SITE_1, 11, 2) != SUBJECT
    assert case_subject(SITE_2, 11, 1) != SUBJECT
    assert case_subject(SITE_1, 12, 1) != SUBJECT


def test_noise_differs_between_phases() -> None:
    grid = heart_grid(SUBJECT, spacing_mm=6.0, crop="heart")
    background = render_background(SUBJECT, grid)
    (a, _), (b, _) = (render_phase(SUBJECT, phase, grid, background=background) for phase in (0.0, 0.01))
    assert (a[:, :3] != b[:, :3]).mean() > 0.5


def test_a_beat_is_rendered_phase_by_phase_with_hu_and_labels_on_the_grid() -> None:
    grid = heart_grid(SUBJECT, spacing_mm=6.0, crop="heart")
    phases = generate_case(SUBJECT, grid=grid, phases=4)
    hu, labels = next(phases)
    assert hu.shape == labels.shape == grid.shape
    assert (hu.dtype, labels.dtype) == (np.dtype(np.int16), np.dtype(np.uint8))
    assert set(np.unique(labels)) == {0, 1, 2}
    assert len(list(phases)) == 3


def test_scan_holds_lung_fat_liver_bone_and_contrast() -> None:
    grid = heart_grid(SUBJECT, spacing_mm=5.0, crop="chest")
    hu, _ = render_phase(SUBJECT, 0.0, grid, scanner=False)
    for low, high in ((-1001, -990), (-950, -700), (-125, -75), (30, 130), (300, 600), (450, 900)):
        assert ((hu >= low) & (hu <= high)).mean() > 0.002, (low, high)


def test_noise_has_the_asked_standard_deviation_and_falls_with_voxel_size() -> None:
    scan = Scan(**(QUIET | {"noise_hu": 30.0}))
    still = np.zeros((24, 40, 40), np.float32)
    fine = acquire(still.copy(), np.ones(3), scan, np.random.default_rng(0))
    coarse = acquire(still.copy(), np.full(3, 2.0), scan, np.random.default_rng(0))
    assert fine.std() == pytest.approx(30.0, rel=0.05)
    assert 12.0 < coarse.std() < 25.0


def test_without_blur_noise_and_artefacts_the_scanner_returns_the_true_hu() -> None:
    true = np.random.default_rng(0).integers(-1000, 1000, (6, 8, 8)).astype(np.float32)
    np.testing.assert_array_equal(acquire(true.copy(), np.ones(3), Scan(**QUIET), np.random.default_rng(0)), true)


def test_blur_spreads_an_edge_as_the_point_spread_says() -> None:
    edge = np.zeros((5, 5, 41), np.float32)
    edge[..., 20:] = 1000.0
    scan = Scan(**(QUIET | {"blur_mm": 2.0}))
    profile = acquire(edge, np.ones(3), scan, np.random.default_rng(0))[2, 2].astype(float)
    slope = np.gradient(profile)
    width = np.sqrt((slope * (np.arange(41) - 19.5) ** 2).sum() / slope.sum())
    assert width == pytest.approx(2.0, rel=0.1)


def test_slabs_cover_every_slice_once_and_keep_their_shift() -> None:
    scan = Scan(**(QUIET | {"slab_mm": 30.0, "slab_shift_mm": 2.0, "slab_start": 0.4}))
    heights = np.arange(80) * 1.5
    pieces = slabs(scan, heights, 5)
    assert [row for rows, _, _ in pieces for row in range(rows.start, rows.stop)] == list(range(80))
    assert len(pieces) >= 4
    np.testing.assert_array_equal(pieces[1][1], slabs(scan, heights, 5)[1][1])


def test_dense_contrast_throws_streaks() -> None:
    scan = Scan(**(QUIET | {"streaks_hu": 80.0}))
    true = np.zeros((2, 60, 60), np.float32)
    true[:, 20:40, 20:40] = 1200.0
    seen = acquire(true.copy(), np.full(3, 2.0), scan, np.random.default_rng(0))
    assert seen[:, :15].std() > 5.0


def test_cohort_case_does_not_depend_on_the_number_of_cases(tmp_path: Path) -> None:
    options = {"site": SITE_1, "seed": 4, "phases": 2, "spacing_mm": 8.0, "crop": "heart"}
    one = generate_cohort(tmp_path / "one", cases=1, **options)
    two = generate_cohort(tmp_path / "two", cases=2, **options)
    first, second = one.case("case-001"), two.case("case-001")
    np.testing.assert_array_equal(first.image().frame(1), second.image().frame(1))
    np.testing.assert_array_equal(first.labels(TRUTH, 1), second.labels(TRUTH, 1))
    assert second.labelled_phases(TRUTH) == [0, 1]
    assert (second.ed, second.es, second.is_phantom) == (0, 1, True)
    assert two.case_ids() == ["case-001", "case-002"]


def test_an_unfinished_cohort_is_completed(tmp_path: Path) -> None:
    options = {"site": "1", "seed": 4, "phases": 1, "spacing_mm": 8.0, "crop": "heart"}
    generate_cohort(tmp_path / "c", cases=1, **options)
    (tmp_path / "c/cases/case-001/labels/truth/00.seg.nrrd").unlink()
    cohort = generate_cohort(tmp_path / "c", cases=1, **options)
    assert Cohort.open(cohort.folder).case("case-001").labelled_phases(TRUTH) == [0]


def test_unknown_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="Choose one of the two sites"):
        generate_cohort(tmp_path / "c", site="3", cases=1, seed=0)


@pytest.mark.parametrize("per_phase_series", [True, False])
def test_dicom_files_are_valid_ct_and_come_back_in_phase_order(tmp_path: Path, per_phase_series: bool) -> None:
    grid = heart_grid(SUBJECT, spacing_mm=9.0, crop="heart")
    sequence, _ = case_sequence(SUBJECT, grid=grid, phases=3)
    folder = write_dicom_series(tmp_path / "dicom", sequence, per_phase_series=per_phase_series)
    files = sorted(folder.rglob("*.dcm"))
    assert len(files) == 3 * grid.shape[0]
    heads = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    assert len({head.SeriesInstanceUID for head in heads}) == (3 if per_phase_series else 1)
    assert len({head.SOPInstanceUID for head in heads}) == len(files)
    assert {str(head.PatientName) for head in heads} == {"FAKE^PHANTOM"}
    assert sorted({round(head.NominalPercentageOfCardiacPhase, 2) for head in heads}) == [0.0, 33.33, 66.67]
    back = read_image(folder)
    assert back.grid.matches(grid)
    for t in range(3):
        np.testing.assert_array_equal(back.frame(t), np.clip(sequence.frame(t), -1024, 3071))


def test_nifti_and_nrrd_sequences_come_back(tmp_path: Path) -> None:
    grid = heart_grid(SUBJECT, spacing_mm=9.0, crop="heart")
    sequence, _ = case_sequence(SUBJECT, grid=grid, phases=2)
    write_nifti(tmp_path / "a.nii", sequence)
    write_seq_nrrd(tmp_path / "a.seq.nrrd", sequence)
    for name in ("a.nii", "a.seq.nrrd"):
        back = read_image(tmp_path / name)
        np.testing.assert_array_equal(back.frame(1), sequence.frame(1))


def test_rendering_many_phases_does_not_gather_memory() -> None:
    grid = heart_grid(SUBJECT, spacing_mm=4.0, crop="heart")

    def peak(phases: int) -> int:
        """Return the most bytes of arrays that were held at one time."""
        tracemalloc.start()
        try:
            for _ in generate_case(SUBJECT, grid=grid, phases=phases):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    one_phase = np.prod(grid.shape) * (np.int16().itemsize + np.uint8().itemsize)
    assert peak(2) > 2 * one_phase
    assert peak(7) < peak(2) + one_phase
