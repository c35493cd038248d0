"""The phantom's ventricle: volumes, mass, valve planes, papillary muscles, population."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from LVMLib.phantom import SITE_1, SITE_2, Subject, case_subject, heart_grid, render_phase
from LVMLib.phantom.case import anatomy_of
from LVMLib.phantom.motion import contraction, ventricle_at
from scipy.ndimage import binary_dilation, label

SPACING = 2.5


@lru_cache(maxsize=4)
def truth(number: int, phase: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Return true HU and labels without scanner at ED or ES, and the voxel volume in ml."""
    subject = case_subject(SITE_1, 11, number)
    grid = heart_grid(subject, spacing_mm=SPACING, crop="heart")
    fraction = 0.0 if phase == "ed" else subject.left.end_systole
    hu, labels = render_phase(subject, fraction, grid, scanner=False)
    return hu, labels, grid.voxel_volume / 1000.0


@pytest.mark.parametrize("number", [1, 2])
def test_voxel_counts_give_the_sampled_volume_and_ejection_fraction(number: int) -> None:
    subject = case_subject(SITE_1, 11, number)
    ed, es = ((truth(number, phase)[1] == 1).sum() * truth(number, phase)[2] for phase in ("ed", "es"))
    assert ed == pytest.approx(subject.left.edv_ml, rel=0.03)
    assert 1.0 - es / ed == pytest.approx(subject.left.ejection, abs=0.03)


@pytest.mark.parametrize("number", [1, 2])
def test_mass_at_end_systole_is_within_five_percent_of_end_diastole(number: int) -> None:
    ed, es = ((truth(number, phase)[1] == 2).sum() * truth(number, phase)[2] for phase in ("ed", "es"))
    assert es == pytest.approx(ed, rel=0.05)


def test_solved_muscle_volume_is_constant_over_the_beat() -> None:
    for number in (1, 2):
        muscle = np.array(anatomy_of(case_subject(SITE_1, 11, number)).beat.muscle_ml)
        np.testing.assert_allclose(muscle, muscle[0], rtol=0.01)


@pytest.mark.parametrize("phase", ["ed", "es"])
def test_cavity_meets_background_only_near_the_valve_planes(phase: str) -> None:
    subject = case_subject(SITE_1, 11, 1)
    anatomy = anatomy_of(subject)
    grid = heart_grid(subject, spacing_mm=SPACING, crop="heart")
    _, labels, _ = truth(1, phase)
    contact = (labels == 1) & binary_dilation(labels == 0)
    voxels = np.argwhere(contact)[:, ::-1]
    heart = (grid.to_ras(voxels) - anatomy.heart_ras) @ anatomy.rotation.T
    v = ventricle_at(subject, anatomy.beat, 0.0 if phase == "ed" else subject.left.end_systole)
    assert len(voxels) > 0
    assert (heart[:, 2] - v.base).max() < 12.0


@pytest.mark.parametrize("phase", ["ed", "es"])
def test_cavity_and_muscle_are_each_one_piece_that_touch(phase: str) -> None:
    _, labels, _ = truth(1, phase)
    for value in (1, 2):
        parts, count = label(labels == value)
        sizes = np.bincount(parts.ravel())[1:]
        assert count == 1 or sizes.max() / sizes.sum() > 0.999
    assert (binary_dilation(labels == 1) & (labels == 2)).any()


def test_papillary_muscles_have_muscle_hu_and_the_cavity_label() -> None:
    subject = case_subject(SITE_1, 11, 1)
    hu, labels, _ = truth(1, "ed")
    inside = binary_dilation(labels != 1, iterations=2) == 0
    middle = 0.5 * (subject.contrast.muscle + subject.contrast.left_ventricle)
    dark = inside & (hu < middle)
    assert (labels[dark] == 1).all()
    assert dark.sum() * SPACING**3 > 400.0
    assert abs(hu[dark].min() - subject.contrast.muscle) < 40.0


def test_blood_and_muscle_have_the_sampled_hu() -> None:
    subject = case_subject(SITE_1, 11, 1)
    hu, labels, _ = truth(1, "ed")
    assert np.median(hu[labels == 1]) == pytest.approx(subject.contrast.left_ventricle, abs=25.0)
    core = binary_dilation(labels != 2) == 0
    assert np.median(hu[core]) == pytest.approx(subject.contrast.muscle, abs=25.0)


def test_mitral_plane_descends_wall_thickens_and_apex_twists_in_systole() -> None:
    subject = case_subject(SITE_1, 11, 1)
    beat = anatomy_of(subject).beat
    ed, es = ventricle_at(subject, beat, 0.0), ventricle_at(subject, beat, subject.left.end_systole)
    assert es.base > ed.base + 2.0
    assert es.wall > 1.05 * ed.wall
    assert es.twist > np.radians(2.0)
    assert es.base + es.length == pytest.approx(ed.base + ed.length)


def test_contraction_is_smooth_and_periodic_with_one_end_systole() -> None:
    subject = case_subject(SITE_1, 11, 1)
    times = np.linspace(0.0, 1.0, 201)
    level = np.array([contraction(subject, time) for time in times])
    assert level[0] == pytest.approx(0.0, abs=1e-9)
    assert level[-1] == pytest.approx(0.0, abs=1e-9)
    assert np.abs(np.diff(level)).max() < 0.06
    assert 0.33 <= times[level.argmax()] <= 0.41
    assert (level >= -1e-9).all()
    assert (level <= 1.0 + 1e-9).all()


def test_apex_of_an_akinetic_segment_does_not_move_in() -> None:
    subject = case_subject(SITE_1, 11, 1)
    lame = replace(subject.left, bulge=-0.3, akinesia=1.0, bulge_angle=3.0, bulge_level=0.5, bulge_width=0.8)
    beat = anatomy_of(replace(subject, left=lame)).beat
    v = ventricle_at(replace(subject, left=lame), beat, subject.left.end_systole)
    assert v.radius + v.lag == pytest.approx(float(beat.radius(0.0)), rel=1e-6)


def population(site: object) -> list[Subject]:
    return [case_subject(site, 3, number) for number in range(1, 301)]


def test_population_reaches_the_ranges_and_every_disease() -> None:
    subjects = population(SITE_1)
    edv = np.array([subject.left.edv_ml for subject in subjects])
    ejection = np.array([subject.left.ejection for subject in subjects])
    wall = np.array([subject.left.wall for subject in subjects])
    assert 70.0 <= edv.min() < 85.0
    assert 225.0 < edv.max() <= 250.0
    assert 0.15 <= ejection.min() < 0.25
    assert 0.70 < ejection.max() <= 0.75
    assert 5.0 <= wall.min() < 6.5
    assert 13.5 < wall.max() <= 16.0
    assert {subject.left.disease for subject in subjects} == set(SITE_1.diseases)


def test_sites_differ_in_contrast_noise_sharpness_and_population() -> None:
    one, two = population(SITE_1), population(SITE_2)

    def mean(subjects: list[Subject], group: str, name: str) -> float:
        return float(np.mean([getattr(getattr(subject, group), name) for subject in subjects]))

    assert mean(two, "contrast", "left_ventricle") < mean(one, "contrast", "left_ventricle") - 50.0
    assert mean(two, "scan", "noise_hu") > mean(one, "scan", "noise_hu") + 5.0
    assert mean(two, "scan", "blur_mm") > mean(one, "scan", "blur_mm") + 0.2
    assert mean(two, "left", "ejection") < mean(one, "left", "ejection")
    assert SITE_1.spacing_mm != SITE_2.spacing_mm
