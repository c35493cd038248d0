"""A subject of the phantom: every sampled parameter of anatomy, motion, contrast and scan."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .sites import Range, SiteProfile

# Long axis of the left ventricle (base to apex), RAS, of a typical adult: to the left, anterior and inferior.
MEAN_LONG_AXIS = (-0.70, 0.60, -0.38)
# Normal of the septum at mid-height, towards the right ventricle.
MEAN_SEPTAL_NORMAL = (0.66, 0.74, 0.05)


@dataclass(frozen=True)
class LeftHeart:
    """Shape and motion of the left ventricle. Lengths mm, volumes ml, angles rad."""

    disease: str
    edv_ml: float
    ejection: float
    wall: float
    sphericity: float  # diameter over length at ED
    base_ratio: float  # base radius over mid radius at ED
    equator: float
    exponent: float
    oval: float
    oval_angle: float
    trefoil: float
    trefoil_angle: float
    bend: tuple[float, float]
    septal: float
    inferior: float
    basal: float
    apical: float
    bulge: float
    bulge_angle: float
    bulge_level: float
    bulge_width: float
    bulge_height: float
    akinesia: float  # 0 contracts, 1 does not, > 1 bulges outwards
    scar_hu: float  # HU added in the scar
    shortening: float  # descent of the mitral plane, fraction of the length
    twist: float  # apex against base at ES
    end_systole: float  # fraction of R-R
    atrial_kick: float  # fraction of the filling
    saddle: float
    leaflet: float
    trabecular: float
    trabecular_seed: float
    papillary: tuple[float, ...]  # angles (2), radius, lower level, upper level, reach, heads


@dataclass(frozen=True)
class OtherHeart:
    """The other chambers, vessels, fat. Factors multiply the typical size."""

    scale: float
    left_atrium: float
    right_ventricle: float
    right_atrium: float
    aorta: float
    pulmonary: float
    right_wall: float
    fat: float
    fat_bias: float  # more fat on the right side and in front (1) or everywhere alike (0)
    groove: float
    jitter: tuple[float, ...]  # individual displacements, mm
    calcium: float
    warp: float  # amplitude of the individual deformation, mm
    lead: bool  # a pacemaker or catheter wire in the right heart


@dataclass(frozen=True)
class Body:
    """Position of the heart and the trunk around it, RAS mm."""

    long_axis: tuple[float, float, float]
    septal_normal: tuple[float, float, float]
    base: tuple[float, float, float]  # LV base centre, from the middle of the vertebral body at its level
    size: tuple[float, float, float]  # half width, half depth (lung cavity), of the thorax; fat under the skin
    diaphragm: tuple[float, float]  # height of the right and left dome relative to the lowest point of the heart
    stomach_gas: float
    descending_aorta: float
    seed: float
    scale: float


@dataclass(frozen=True)
class Contrast:
    """HU of the tissues."""

    left_ventricle: float
    left_atrium: float
    aorta: float
    right_ventricle: float
    right_atrium: float
    superior_cava: float
    inferior_cava: float
    pulmonary: float
    muscle: float
    liver: float
    fat: float
    sac: float  # epicardial fat, or an effusion
    lung: float
    soft: float
    mixing: float
    texture: float


@dataclass(frozen=True)
class Scan:
    """What the scanner adds."""

    noise_hu: float
    grain_mm: float
    blur_mm: float
    sharpening: float
    temporal_blur: float
    slab_mm: float
    slab_start: float
    slab_shift_mm: float
    slab_phase_error: float
    streaks_hu: float
    shading_hu: float
    bias: float
    gain: float
    full_chest: bool


@dataclass(frozen=True)
class Subject:
    """One sampled subject; the same subject renders to the same voxels on every machine with the same numpy."""

    seed: int
    site: str
    left: LeftHeart
    other: OtherHeart
    body: Body
    contrast: Contrast
    scan: Scan
    spacing_mm: tuple[float, float, float]


def sample_subject(rng: np.random.Generator, profile: SiteProfile) -> Subject:
    """Return a subject drawn from the population and the scanner of ``profile``.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness; equal generators give equal subjects.
    profile : SiteProfile
        Hospital.
    """
    seed = int(rng.integers(2**31))
    left = _left(rng, profile)
    return Subject(
        seed=seed,
        site=profile.name,
        left=left,
        other=_other(rng, profile, left),
        body=_body(rng, profile),
        contrast=_contrast(rng, profile),
        scan=_scan(rng, profile),
        spacing_mm=profile.spacing_mm,
    )


def _between(rng: np.random.Generator, limits: Range) -> float:
    return float(rng.uniform(*limits))


def _clipped(rng: np.random.Generator, mean: float, sd: float, limits: Range) -> float:
    """Draw from a normal distribution, again until it lies within ``limits``."""
    for _ in range(100):
        value = rng.normal(mean, sd)
        if limits[0] <= value <= limits[1]:
            return float(value)
    return float(min(max(mean, limits[0]), limits[1]))


# Means and standard deviations by disease: EDV ml, ejection fraction, wall mm, diameter over length.
_DISEASES = {
    "normal": ((130, 35), (0.62, 0.07), (8.5, 1.4), (0.58, 0.05)),
    "dilated": ((205, 35), (0.30, 0.09), (7.5, 1.5), (0.68, 0.06)),
    "concentric": ((110, 25), (0.63, 0.08), (12.5, 1.8), (0.57, 0.05)),
    "septal": ((110, 25), (0.66, 0.07), (10.5, 1.5), (0.56, 0.05)),
    "apical": ((115, 25), (0.64, 0.07), (9.5, 1.3), (0.56, 0.05)),
    "infarct": ((165, 40), (0.40, 0.10), (8.5, 1.4), (0.62, 0.06)),
}


def _left(rng: np.random.Generator, profile: SiteProfile) -> LeftHeart:
    names = sorted(profile.diseases)
    weights = np.array([profile.diseases[name] for name in names])
    disease = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    edv, ejection, wall, sphericity = _DISEASES[disease]
    fraction = _clipped(rng, *ejection, profile.ejection)
    bulge, angle, level, width, height, akinesia = _segment(rng, disease)
    return LeftHeart(
        disease=disease,
        edv_ml=_clipped(rng, *edv, profile.edv_ml),
        ejection=fraction,
        wall=_clipped(rng, *wall, profile.wall_mm),
        sphericity=_clipped(rng, *sphericity, (0.45, 0.85)),
        base_ratio=_between(rng, (0.8, 0.98)),
        equator=_between(rng, (0.3, 0.45)),
        exponent=_between(rng, (1.75, 2.35)),
        oval=_between(rng, (0.0, 0.09)),
        oval_angle=_between(rng, (1.1, 2.0)),
        trefoil=_between(rng, (0.0, 0.04)),
        trefoil_angle=_between(rng, (0.0, 2.1)),
        bend=(_between(rng, (-4.0, 7.0)), _between(rng, (-6.0, 6.0))),
        septal=_between(rng, (-0.05, 0.18)),
        inferior=_between(rng, (-0.1, 0.1)),
        basal=_between(rng, (0.45, 0.9)),
        apical=_between(rng, (0.4, 0.8)),
        bulge=bulge,
        bulge_angle=angle,
        bulge_level=level,
        bulge_width=width,
        bulge_height=height,
        akinesia=akinesia,
        scar_hu=_between(rng, (-70.0, 10.0)) if disease == "infarct" else 0.0,
        shortening=(0.06 + 0.16 * fraction) * _between(rng, (0.8, 1.2)),
        twist=math.radians(20.0) * fraction * _between(rng, (0.6, 1.4)),
        end_systole=_between(rng, (0.33, 0.41)),
        atrial_kick=_between(rng, (0.05, 0.3)),
        saddle=_between(rng, (1.0, 3.5)),
        leaflet=_between(rng, (1.0, 2.0)),
        trabecular=_between(rng, (2.0, 9.0)),
        trabecular_seed=_between(rng, (0.0, 100.0)),
        papillary=(
            *(_between(rng, (2.0, 2.6)), _between(rng, (3.9, 4.6))),
            *(_between(rng, (0.13, 0.21)), _between(rng, (0.62, 0.8)), _between(rng, (0.25, 0.42))),
            *(_between(rng, (0.5, 0.68)), float(rng.integers(1, 3))),
        ),
    )


def _segment(rng: np.random.Generator, disease: str) -> tuple[float, ...]:
    """Return bulge, angle, level, angular width, height and akinesia of the diseased segment."""
    if disease == "septal":
        place = (_between(rng, (0.4, 1.0)), _between(rng, (-0.4, 0.9)), _between(rng, (0.1, 0.4)))
        return (*place, _between(rng, (0.7, 1.2)), _between(rng, (0.25, 0.45)), 0.0)
    if disease == "apical":
        return _between(rng, (0.6, 1.3)), 0.0, 1.0, 50.0, _between(rng, (0.25, 0.4)), 0.0
    if disease == "infarct":
        place = (_between(rng, (-0.6, -0.2)), _between(rng, (-math.pi, math.pi)), _between(rng, (0.3, 1.0)))
        return (*place, _between(rng, (0.6, 1.3)), _between(rng, (0.2, 0.45)), _between(rng, (0.6, 1.3)))
    return 0.0, 0.0, 0.5, 1.0, 0.3, 0.0


def _other(rng: np.random.Generator, profile: SiteProfile, left: LeftHeart) -> OtherHeart:
    sick = left.ejection < 0.45
    return OtherHeart(
        scale=_clipped(rng, 1.0, 0.07, (0.85, 1.2)),
        left_atrium=_clipped(rng, 1.08 if sick else 0.98, 0.11, (0.75, 1.4)),
        right_ventricle=_clipped(rng, 1.05 if sick else 1.0, 0.1, (0.75, 1.3)),
        right_atrium=_clipped(rng, 1.05 if sick else 1.0, 0.1, (0.75, 1.35)),
        aorta=_clipped(rng, 1.0, 0.12, (0.78, 1.4)),
        pulmonary=_clipped(rng, 1.0, 0.12, (0.78, 1.4)),
        right_wall=_between(rng, (2.0, 4.0)),
        fat=profile.fat_mm[0] + (profile.fat_mm[1] - profile.fat_mm[0]) * float(rng.uniform()) ** 1.8,
        fat_bias=_between(rng, (0.2, 1.0)),
        groove=_between(rng, (7.0, 28.0)),
        jitter=tuple(float(value) for value in np.clip(rng.normal(0.0, 1.0, 24), -2.0, 2.0)),
        calcium=float(rng.uniform(0.0, 1.0) ** 2) if rng.uniform() < 0.5 else 0.0,
        warp=_between(rng, (0.3, 3.0)),
        lead=bool(rng.uniform() < 0.06),
    )


def _body(rng: np.random.Generator, profile: SiteProfile) -> Body:
    axis = np.array(MEAN_LONG_AXIS) / np.linalg.norm(MEAN_LONG_AXIS)
    normal = np.array(MEAN_SEPTAL_NORMAL)
    angles = np.radians(np.clip(rng.normal(0.0, profile.angle_sd_deg, 3), -28.0, 28.0))
    for direction, angle in zip(np.eye(3), angles):
        axis, normal = _rotate(axis, direction, angle), _rotate(normal, direction, angle)
    normal = normal - axis * (normal @ axis)
    normal /= np.linalg.norm(normal)
    scale = _between(rng, profile.body_scale)
    base = rng.normal((-24.0, 72.0, 0.0), (7.0, 6.0, 0.0)) * (scale, scale, 1.0)
    return Body(
        long_axis=tuple(float(value) for value in axis),
        septal_normal=tuple(float(value) for value in normal),
        base=tuple(float(value) for value in base),
        size=(_between(rng, (122.0, 150.0)) * scale, _between(rng, (82.0, 98.0)) * scale, _between(rng, (4.0, 35.0))),
        diaphragm=(_between(rng, (5.0, 45.0)), _between(rng, (-4.0, 18.0))),
        stomach_gas=_between(rng, (0.0, 1.0)),
        descending_aorta=_clipped(rng, 12.0, 1.8, (8.5, 19.0)),
        seed=_between(rng, (0.0, 100.0)),
        scale=scale,
    )


def _rotate(vector: np.ndarray, axis: np.ndarray, angle: float) -> np.ndarray:
    """Rotate ``vector`` about the unit ``axis`` (Rodrigues)."""
    turned = vector * math.cos(angle) + np.cross(axis, vector) * math.sin(angle)
    return turned + axis * (axis @ vector) * (1.0 - math.cos(angle))


def _contrast(rng: np.random.Generator, profile: SiteProfile) -> Contrast:
    left = _between(rng, profile.left_hu)
    low, high = profile.right_hu
    # One scan in six has washed-out right-heart blood, as dark as muscle; the others lie around the left heart's HU.
    right = low + (high - low) * (0.25 * rng.uniform() if rng.uniform() < 0.17 else 0.2 + 0.8 * rng.beta(2.0, 2.0))
    right = float(right)
    muscle = min(_between(rng, profile.muscle_hu), left - 110.0)
    fat = _between(rng, (-115.0, -85.0))
    return Contrast(
        left_ventricle=left,
        left_atrium=left * _between(rng, (0.94, 1.08)),
        aorta=left * _between(rng, (0.94, 1.06)),
        right_ventricle=right,
        right_atrium=right * _between(rng, (0.75, 1.35)),
        superior_cava=max(right, _between(rng, profile.superior_cava_hu)),
        inferior_cava=_between(rng, (90.0, 220.0)),
        pulmonary=0.5 * right + 0.5 * left * _between(rng, (0.8, 1.1)),
        muscle=muscle,
        liver=_between(rng, (60.0, 125.0)),
        fat=fat,
        # One patient in sixteen has a pericardial effusion instead of fat.
        sac=_between(rng, (0.0, 35.0)) if rng.uniform() < 0.06 else fat + _between(rng, (-5.0, 20.0)),
        lung=_between(rng, (-900.0, -720.0)),
        soft=_between(rng, (35.0, 70.0)),
        mixing=_between(rng, profile.right_mixing),
        texture=_between(rng, (0.0, 12.0)),
    )


def _scan(rng: np.random.Generator, profile: SiteProfile) -> Scan:
    return Scan(
        noise_hu=_between(rng, profile.noise_hu),
        grain_mm=_between(rng, profile.noise_grain_mm),
        blur_mm=_between(rng, profile.blur_mm),
        sharpening=_between(rng, profile.sharpening),
        temporal_blur=_between(rng, profile.temporal_blur),
        slab_mm=_between(rng, profile.slab_mm),
        slab_start=_between(rng, (0.0, 1.0)),
        slab_shift_mm=_between(rng, profile.slab_shift_mm),
        slab_phase_error=_between(rng, profile.slab_phase_error),
        streaks_hu=_between(rng, profile.streaks_hu),
        shading_hu=_between(rng, profile.shading_hu),
        bias=_between(rng, profile.hu_bias),
        gain=_between(rng, profile.hu_gain),
        full_chest=bool(rng.uniform() < profile.full_chest),
    )
