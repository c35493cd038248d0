"""Label maps that no thickness can be measured on, in part or at all: a named error, or a flag where and why."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.errors import GridError, LabelError, LVMError, ThicknessError
from LVMLib.thickness import REASONS, measure_thickness, measure_thickness_from_sdf
from thickness_helpers import CENTRE, spherical_shell


@pytest.fixture
def shell():
    labels, _, affine = spherical_shell()
    return labels, affine


def _sheared(affine):
    affine = affine.copy()
    affine[0, 1] = 0.2
    return affine


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda m, a: (m * 0.5, a), LabelError, "0.5"),
        (lambda m, a: (np.where(m == 1, np.nan, m), a), LabelError, "nan"),
        (lambda m, a: (np.where(m == 2, 3, m).astype(np.uint8), a), LabelError, "also 3"),
        (lambda m, a: (m[20], a), LabelError, "2 dimensions"),
        (lambda m, a: (np.where(m == 2, 0, m).astype(np.uint8), a), ThicknessError, "myocardium"),
        (lambda m, a: (np.where(m == 1, 0, m).astype(np.uint8), a), ThicknessError, "blood pool"),
        (lambda m, a: (np.zeros_like(m), a), ThicknessError, "not one voxel"),
        (lambda m, a: (np.concatenate([m, m], axis=2), a), ThicknessError, "2 separate"),
        (lambda m, a: (m, _sheared(a)), GridError, "sheared"),
        (lambda m, a: (m, a * np.nan), GridError, "not finite"),
        (lambda m, a: (m, a[:3, :3]), ThicknessError, "(4, 4)"),
        (lambda m, a: (spherical_shell(inner=1.6)[0], spherical_shell(inner=1.6)[2]), ThicknessError, "too small"),
    ],
    ids="half nan three flat no-wall no-pool empty two-ventricles sheared nan-affine small-affine tiny-pool".split(),
)
def test_what_cannot_be_measured_is_refused_with_its_remedy(shell, spoil, error, words):
    with pytest.raises(error, match="expected") as caught:
        measure_thickness(*spoil(*shell))
    assert words in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("point", "normal", "words"),
    [
        ((0, 0, 60), (0, 0, 1), "below it"),
        ((0, 0, 60), (0, 0, -1), "above it"),
        ((0, 0, -40), (0, 0, 1), "above it"),
        ((0, 0, 0), (0, 0, 0), "normal"),
        ((0, np.nan, 0), (0, 0, 1), "nan"),
    ],
)
def test_a_base_plane_that_misses_the_heart_is_refused(shell, point, normal, words):
    with pytest.raises(ThicknessError, match=words):
        measure_thickness(*shell, base_plane=(point, normal))


def test_whole_float_labels_are_taken_as_labels(shell):
    labels, affine = shell
    assert np.array_equal(
        measure_thickness(labels.astype(float), affine).thickness_mm, measure_thickness(labels, affine).thickness_mm
    )


def test_distances_that_are_not_finite_are_refused(shell):
    labels, affine = shell
    distance = labels.astype(float)
    distance[3, 3, 3] = np.nan
    with pytest.raises(ThicknessError, match="finite"):
        measure_thickness_from_sdf(distance, distance, affine)


def test_a_hole_through_the_wall_is_counted_and_flagged_and_nothing_else_changes(shell):
    labels, affine = shell
    middle = labels.shape[0] // 2
    labels[middle + 5 :, middle - 2 : middle + 3, middle - 2 : middle + 3][
        labels[middle + 5 :, middle - 2 : middle + 3, middle - 2 : middle + 3] == 2
    ] = 0
    result = measure_thickness(labels, affine)
    away = np.linalg.norm(result.points - CENTRE - (0, 0, 20), axis=1)
    assert result.info["wall_openings"] == 1
    assert np.isnan(result.thickness_mm[result.invalid]).all()
    assert set(np.unique(result.reasons)) <= {0, 4, 5}
    assert result.invalid[away < 4].all()
    assert not result.invalid[away > 14].any()
    assert np.abs(result.thickness_mm[~result.invalid] - 8).max() < 0.5


def test_background_enclosed_in_the_wall_is_reported_and_its_lines_are_flagged(shell):
    labels, affine = shell
    middle = labels.shape[0] // 2
    labels[middle + 15 : middle + 18, middle - 1 : middle + 2, middle - 1 : middle + 2] = 0
    result = measure_thickness(labels, affine)
    assert result.info["enclosed_holes"] == 1
    assert result.info["filled_voxels"] == 27
    assert 0 < (result.reasons == 6).sum() < 200
    assert "enclosed" in REASONS[6]


def test_a_wall_that_the_image_cuts_off_is_flagged_there(shell):
    labels, affine = shell
    result = measure_thickness(labels[:, :, 8:], affine)
    assert (result.reasons == 7).any()
    assert np.abs(result.thickness_mm[~result.invalid] - 8).max() < 0.6


def test_a_detached_piece_of_wall_has_no_thickness(shell):
    labels, affine = shell
    labels = np.pad(labels, ((0, 0), (0, 0), (0, 24)))
    z, y, x = np.indices(labels.shape)
    labels[(z - 25) ** 2 + (y - 25) ** 2 + (x - 62) ** 2 < 49] = 2
    result = measure_thickness(labels, affine)
    assert result.info["wall_components"] == 2
    piece = result.points[:, 0] > 28
    assert piece.any()
    assert result.invalid[piece].all()
    assert not result.invalid[~piece].any()


def test_a_cut_out_at_the_base_is_open_and_not_thin(shell):
    labels, affine = shell
    x, y, z = np.indices(labels.shape)[::-1] + affine[:3, 3].reshape(3, 1, 1, 1)
    labels[(z + 0.35 * np.maximum(x, 0) > 6) & (np.hypot(y, z - 12) < 40)] = 0
    result = measure_thickness(labels, affine)
    known = result.thickness_mm[~result.invalid]
    assert result.info["base"] == "found"
    assert result.invalid.mean() < 0.05
    assert np.median(known) == pytest.approx(8, abs=0.1)
    assert np.percentile(known, 1) > 6.5


def test_every_reason_has_words():
    assert set(REASONS) == set(range(10))
    assert issubclass(ThicknessError, LVMError)


def test_exchanged_labels_are_refused_and_not_measured(shell):
    labels, affine = shell
    open_base = labels.copy()
    open_base[labels.shape[0] // 2 + 6 :] = 0
    for mask in (labels, open_base):
        with pytest.raises(ThicknessError, match="1 is the blood pool and 2 the myocardium"):
            measure_thickness(np.array([0, 2, 1], np.uint8)[mask], affine)


def test_a_base_plane_upside_down_is_refused(shell):
    labels, affine = shell
    labels[labels.shape[0] // 2 + 6 :] = 0
    measure_thickness(labels, affine, base_plane=((0, 0, 2), (0, 0, 1)))
    with pytest.raises(ThicknessError, match="Flip the normal"):
        measure_thickness(labels, affine, base_plane=((0, 0, 2), (0, 0, -1)))


def test_a_single_slice_is_refused_without_talk_of_a_plane_that_nobody_gave(shell):
    labels, affine = shell
    middle = labels.shape[0] // 2
    with pytest.raises(ThicknessError) as caught:
        measure_thickness(labels[middle : middle + 1], affine)
    assert "plane misses" not in str(caught.value)


def test_a_wall_without_any_believable_thickness_is_refused_with_the_reason():
    labels, radius, affine = spherical_shell()
    labels[(radius > 15) & (radius < 17)] = 0
    with pytest.raises(ThicknessError, match="no point of the epicardium with a thickness: across background"):
        measure_thickness(labels, affine)


@pytest.mark.parametrize("factors", [1e-3, 0.1, 10.0, 1e3, (1, 1, 1e-3), (1, 1, 1e3)])
def test_a_ventricle_that_only_a_wrong_voxel_size_can_explain_is_refused(shell, factors):
    labels, affine = shell
    scaled = affine @ np.diag([*np.broadcast_to(factors, 3), 1.0])
    with pytest.raises(ThicknessError, match=r"ml, .* mm, by voxels of .*Give the image its voxel size in mm"):
        measure_thickness(labels, scaled)


def test_small_and_large_hearts_are_measured():
    for size in (0.6, 3.5):  # 7 ml as in a newborn, and 1.4 l
        labels, _, affine = spherical_shell(spacing_mm=1.5)
        scaled = affine @ np.diag([size, size, size, 1.0])
        assert np.nanmedian(measure_thickness(labels, scaled).thickness_mm) == pytest.approx(8 * size, rel=0.05)


def test_what_is_wrong_with_a_mask_is_said_in_words_and_counted_by_reason(shell):
    labels, affine = shell
    assert measure_thickness(labels, affine).notes == (
        "The ventricle is closed at its base: it was measured all around.",
    )
    middle = labels.shape[0] // 2
    labels[middle + 15 : middle + 18, middle - 1 : middle + 2, middle - 1 : middle + 2] = 0
    labels = labels[:, :, 8:]
    result = measure_thickness(labels, affine)
    assert any("enclose background" in note for note in result.notes)
    assert any("border of the image" in note for note in result.notes)
    assert sum(result.invalid_reasons.values()) == result.invalid.sum()
    assert list(result.invalid_reasons.values()) == sorted(result.invalid_reasons.values(), reverse=True)
