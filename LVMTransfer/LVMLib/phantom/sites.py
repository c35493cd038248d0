"""The two hospitals of the phantom: every parameter in which their scans differ, in one place."""

from __future__ import annotations

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class SiteProfile:
    """Scanner, contrast protocol and population of one hospital. Pairs are the ends of a uniform distribution.

    Parameters
    ----------
    name : str
        Name that stands in the cohort and seeds its cases.
    spacing_mm : (float, float, float)
        Native voxel spacing along i, j and k.
    noise_hu : Range
        Standard deviation of the noise at 1 mm voxels.
    noise_grain_mm : Range
        Correlation length of the noise: soft kernels and iterative reconstruction are coarser.
    blur_mm : Range
        Standard deviation of the point spread function, kernel and focal spot together.
    sharpening : Range
        Overshoot of an edge-enhancing kernel, as a fraction of the edge.
    temporal_blur : Range
        Temporal resolution as a fraction of the R-R interval.
    slab_mm : Range
        Height of the slabs acquired in one heart beat; a whole-heart detector has slabs taller than the heart.
    slab_shift_mm : Range
        Misregistration between slabs.
    slab_phase_error : Range
        Difference of the cardiac phase between slabs, fraction of R-R.
    streaks_hu : Range
        Amplitude of streaks from dense contrast and bone.
    shading_hu : Range
        Depth of beam-hardening shading beside dense contrast.
    hu_bias, hu_gain : Range
        Calibration and tube-voltage differences.
    left_hu, right_hu, muscle_hu : Range
        HU of left-heart blood, right-heart blood and myocardium.
    right_mixing : Range
        Relative inhomogeneity of contrast in the right atrium and ventricle.
    superior_cava_hu : Range
    full_chest : float
        Fraction of scans reconstructed with the full chest; the others are cropped to the heart.
    diseases : dict of str to float
        Relative frequency of "normal", "dilated", "concentric", "septal", "apical", "infarct".
    edv_ml, ejection, wall_mm : Range
        Limits of end-diastolic volume, ejection fraction and mean wall at ED.
    angle_sd_deg : float
        Standard deviation of the direction of the long axis, each angle.
    fat_mm : Range
        Epicardial fat thickness.
    body_scale : Range
    """

    name: str
    spacing_mm: tuple[float, float, float]
    noise_hu: Range
    noise_grain_mm: Range
    blur_mm: Range
    sharpening: Range
    temporal_blur: Range
    slab_mm: Range
    slab_shift_mm: Range
    slab_phase_error: Range
    streaks_hu: Range
    shading_hu: Range
    hu_bias: Range
    hu_gain: Range
    left_hu: Range
    right_hu: Range
    muscle_hu: Range
    right_mixing: Range
    superior_cava_hu: Range
    full_chest: float
    diseases: dict[str, float]
    edv_ml: Range
    ejection: Range
    wall_mm: Range
    angle_sd_deg: float
    fat_mm: Range
    body_scale: Range


SITE_1 = SiteProfile(
    name="site1",
    spacing_mm=(0.45, 0.45, 0.6),
    noise_hu=(15.0, 55.0),
    noise_grain_mm=(0.4, 0.9),
    blur_mm=(0.45, 0.8),
    sharpening=(0.0, 0.25),
    temporal_blur=(0.0, 0.07),
    slab_mm=(38.0, 200.0),
    slab_shift_mm=(0.0, 1.5),
    slab_phase_error=(0.0, 0.02),
    streaks_hu=(0.0, 40.0),
    shading_hu=(0.0, 30.0),
    hu_bias=(-10.0, 10.0),
    hu_gain=(0.95, 1.05),
    left_hu=(300.0, 560.0),
    right_hu=(120.0, 700.0),
    muscle_hu=(80.0, 150.0),
    right_mixing=(0.02, 0.5),
    superior_cava_hu=(150.0, 1200.0),
    full_chest=0.3,
    diseases={"normal": 0.4, "dilated": 0.17, "concentric": 0.13, "septal": 0.08, "apical": 0.05, "infarct": 0.17},
    edv_ml=(70.0, 250.0),
    ejection=(0.15, 0.75),
    wall_mm=(5.0, 16.0),
    angle_sd_deg=11.0,
    fat_mm=(0.3, 9.0),
    body_scale=(0.85, 1.15),
)
"""A recent dual-source scanner, dense contrast, moderate noise, a general population."""

SITE_2 = SiteProfile(
    name="site2",
    spacing_mm=(0.5, 0.5, 0.7),
    noise_hu=(40.0, 80.0),
    noise_grain_mm=(0.8, 1.3),
    blur_mm=(0.8, 1.3),
    sharpening=(0.0, 0.1),
    temporal_blur=(0.05, 0.16),
    slab_mm=(20.0, 40.0),
    slab_shift_mm=(0.5, 3.5),
    slab_phase_error=(0.01, 0.05),
    streaks_hu=(20.0, 90.0),
    shading_hu=(15.0, 60.0),
    hu_bias=(-35.0, 5.0),
    hu_gain=(0.72, 0.92),
    left_hu=(170.0, 250.0),
    right_hu=(90.0, 320.0),
    muscle_hu=(90.0, 165.0),
    right_mixing=(0.02, 0.6),
    superior_cava_hu=(120.0, 1500.0),
    full_chest=0.6,
    diseases={"normal": 0.2, "dilated": 0.25, "concentric": 0.2, "septal": 0.1, "apical": 0.05, "infarct": 0.2},
    edv_ml=(70.0, 250.0),
    ejection=(0.15, 0.75),
    wall_mm=(5.0, 16.0),
    angle_sd_deg=14.0,
    fat_mm=(0.3, 14.0),
    body_scale=(0.9, 1.25),
)
"""An older single-source 64-row scanner, weaker and later contrast, more noise, a sicker and heavier population."""

SITES = {"1": SITE_1, "2": SITE_2, "site1": SITE_1, "site2": SITE_2}
