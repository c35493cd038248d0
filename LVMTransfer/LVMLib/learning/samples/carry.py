"""Labels of ED and ES carried to the phases between them by registration.

A phase between two labelled ones is reached from both, along the cycle. Where the two answers agree the voxel has a
label; where they differ it is unknown.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from ...files import atomic_file
from ...progress import Progress, silent
from ..workers import Workers
from .cache import CachedPair

UNKNOWN = 255
"""Value of a voxel whose label is not known."""

_MARGIN_MM = 12.0
_WINDOW_HU = (-200.0, 500.0)
# Demons in two steps, coarse to fine: shrink factor and iterations.
_STEPS = ((2, 20), (1, 10))
_SMOOTHING_VOXELS = 1.5


def carry_labels(frames: np.ndarray, masks: dict[int, np.ndarray]) -> np.ndarray:
    """Label every phase of a cycle from a few labelled ones.

    Parameters
    ----------
    frames : ndarray (T, Z, Y, X)
        HU of the whole cycle, isotropic voxels.
    masks : dict of int to ndarray (Z, Y, X) uint8
        Labels 0, 1, 2 of the labelled phases.

    Returns
    -------
    ndarray (T, Z, Y, X) uint8
        Labels; `UNKNOWN` where the labels carried forwards and backwards differ. The labelled phases are as given.

    References
    ----------
    Symmetric-forces demons: Vercauteren et al. 2007, doi 10.1007/978-3-540-75759-7_39.
    """
    smooth = [_smoothed(frame) for frame in frames]
    result = np.full(frames.shape, UNKNOWN, dtype=np.uint8)
    answers: dict[int, list[np.ndarray]] = {}
    for origin, mask in masks.items():
        result[origin] = mask
        for direction in (1, -1):
            for phase, carried in _walk(smooth, origin, direction, masks):
                answers.setdefault(phase, []).append(carried)
    for phase, found in answers.items():
        agreed = np.logical_and.reduce([labels == found[0] for labels in found])
        result[phase][agreed] = found[0][agreed]
    return result


def carried_labels(case: CachedPair) -> tuple[np.ndarray, tuple[slice, slice, slice]]:
    """Return the carried labels of a cached case ``(T, z, y, x)`` and their box; outside it is background.

    They are made once and kept beside the case.
    """
    box = _box(case)
    path = case.folder / "carried.npy"
    if not path.is_file():
        masks = {phase: np.array(case.mask[(row, *box)]) for row, phase in enumerate(case.labelled_phases)}
        labels = carry_labels(np.array(case.image[(slice(None), *box)]), masks)
        with atomic_file(path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, labels)
    return np.load(path, mmap_mode="r"), box


def carry_all(cases: list[CachedPair], *, progress: Progress = silent) -> None:
    """Carry the labels of every case, one case a core; what is there already is kept."""
    with Workers() as workers:
        for number, _ in enumerate(workers.map(carried_labels, cases), start=1):
            progress(number / len(cases), f"carried labels of {number} of {len(cases)} cases to the other phases")


def _box(case: CachedPair) -> tuple[slice, slice, slice]:
    margin = round(_MARGIN_MM / float(case.grid.spacing[0]))
    points = case.points.reshape(-1, 3)
    low, high = points.min(0) - margin, points.max(0) + margin + 1
    return tuple(slice(max(0, int(a)), min(n, int(b))) for a, b, n in zip(low, high, case.grid.shape))


def _walk(smooth: list[sitk.Image], origin: int, direction: int, masks: dict[int, np.ndarray]):
    """Yield ``(phase, labels)`` from a labelled phase up to the next labelled one."""
    shares = [sitk.GetImageFromArray((masks[origin] == label).astype(np.float32)) for label in (1, 2)]
    field = None
    phase = (origin + direction) % len(smooth)
    while phase not in masks:
        # Each phase is registered to the labelled one itself, from its neighbour's answer: errors do not add up.
        field = _register(smooth[phase], smooth[origin], field)
        blood, wall = (_warped(share, field) for share in shares)
        outside = 1 - blood - wall
        labels = np.where(wall > np.maximum(blood, outside), 2, np.where(blood > outside, 1, 0))
        yield phase, labels.astype(np.uint8)
        phase = (phase + direction) % len(smooth)


def _smoothed(frame: np.ndarray) -> sitk.Image:
    return sitk.GetImageFromArray(ndimage.gaussian_filter(np.clip(frame, *_WINDOW_HU).astype(np.float32), 1.0))


def _register(fixed: sitk.Image, moving: sitk.Image, field: sitk.Image | None) -> sitk.Image:
    """Return the displacement, in voxels, that brings ``moving`` onto ``fixed``."""
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetNumberOfThreads(1)
    demons.SetSmoothDisplacementField(True)
    demons.SetStandardDeviations(_SMOOTHING_VOXELS)
    for factor, iterations in _STEPS:
        demons.SetNumberOfIterations(iterations)
        a, b = (sitk.Shrink(image, [factor] * 3) if factor > 1 else image for image in (fixed, moving))
        field = demons.Execute(a, b) if field is None else demons.Execute(a, b, sitk.Resample(field, a))
    return field


def _warped(share: sitk.Image, field: sitk.Image) -> np.ndarray:
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    return sitk.GetArrayFromImage(sitk.Resample(share, share, transform, sitk.sitkLinear, 0.0))
