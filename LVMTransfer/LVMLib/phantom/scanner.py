"""The scanner: point spread, kernel, correlated noise, streaks, shading, slabs."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter

from .subject import Scan

DENSE_HU = 420.0
"""Above this, contrast and bone cause streaks and shading."""


def slabs(scan: Scan, z_mm: np.ndarray, seed: int) -> list[tuple[slice, np.ndarray, float]]:
    """Return the slabs acquired in different beats: slices, displacement (3,) RAS mm, error of the phase.

    Parameters
    ----------
    scan : Scan
    z_mm : ndarray (Z,)
        Table position of every slice.
    seed : int
        The displacement of a slab is the same in all phases of a scan.
    """
    number = np.floor((z_mm - z_mm.min()) / scan.slab_mm + scan.slab_start).astype(int)
    found = []
    for slab in np.unique(number):
        rows = np.flatnonzero(number == slab)
        rng = np.random.default_rng((seed, int(slab)))
        shift = rng.normal(0.0, 1.0, 3) * (1.0, 1.0, 0.7) * scan.slab_shift_mm * 0.7
        found.append((slice(int(rows[0]), int(rows[-1]) + 1), shift, float(rng.normal(0.0, scan.slab_phase_error))))
    return found


def acquire(hu: np.ndarray, spacing: np.ndarray, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Return what the scanner makes of the true HU.

    Parameters
    ----------
    hu : ndarray (Z, Y, X) float32
        True HU with partial volume; overwritten.
    spacing : ndarray (3,)
        Voxel size along i, j, k, mm.
    scan : Scan
        Blur, noise and artefacts.
    rng : numpy.random.Generator
        Another one for each phase.

    Returns
    -------
    ndarray (Z, Y, X) int16
    """
    step = np.asarray(spacing, float)[::-1]
    artefacts = max(scan.shading_hu, scan.streaks_hu) > 1.0
    dense = np.clip(hu, DENSE_HU, DENSE_HU + 600.0) if artefacts else np.empty((0, 0, 0), np.float32)
    dense -= DENSE_HU
    # In place: at 512 x 512 x 200 every copy of the volume is 200 MiB.
    sigma = scan.blur_mm / step
    if sigma.max() > 0.15:
        gaussian_filter(hu, sigma, output=hu, mode="nearest", truncate=3.0)
        if scan.sharpening > 0.02:
            soft = gaussian_filter(hu, 1.2 / step, mode="nearest", truncate=3.0)
            soft *= -scan.sharpening
            hu *= 1.0 + scan.sharpening
            hu += soft
            del soft
    if scan.shading_hu > 1.0:
        shadow = _shadow(dense, step)
        shadow *= scan.shading_hu
        hu -= shadow
        del shadow
    if scan.streaks_hu > 1.0:
        _streaks(hu, dense, step[1], scan.streaks_hu, rng)
    del dense
    hu *= scan.gain
    hu += scan.bias
    hu += _noise(hu.shape, step, scan, rng)
    np.clip(hu, -1024.0, 3071.0, out=hu)
    return np.rint(hu, out=hu).astype(np.int16)


def _shadow(dense: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the relative darkening near dense structures: their halo, at a coarse resolution."""
    stride = np.maximum(1, np.rint(6.0 / step)).astype(int)
    coarse = dense[:: stride[0], :: stride[1], :: stride[2]] / 200.0
    halo = gaussian_filter(coarse, 14.0 / (step * stride), mode="nearest", truncate=2.5)
    for axis, count in enumerate(stride):
        halo = np.repeat(halo, count, axis=axis)
    halo = np.ascontiguousarray(halo[: dense.shape[0], : dense.shape[1], : dense.shape[2]])
    sigma = (0.0, stride[1] / 2.0, stride[2] / 2.0)
    np.minimum(halo, 1.5, out=halo)
    gaussian_filter(halo, sigma, output=halo, mode="nearest", truncate=2.0)
    halo[dense >= 1.0] = 0.0
    return halo


def _noise(shape: tuple[int, ...], step: np.ndarray, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Return correlated noise whose standard deviation is the site's at 1 mm and falls with the voxel size."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    sigma = scan.grain_mm / step * (0.7, 1.0, 1.0)
    if sigma.max() > 0.25:
        gaussian_filter(noise, sigma, output=noise, mode="wrap", truncate=3.0)
        noise /= max(float(noise.std()), 1e-6)
    # Averaging a correlated field over larger voxels: variance falls with the number of grains in a voxel.
    grain = math.sqrt(1.0 + (scan.grain_mm * 1.6) ** 2)
    size = float(np.prod(step)) ** (1.0 / 3.0)
    level = scan.noise_hu * grain / math.sqrt(size**2 + (scan.grain_mm * 1.6) ** 2)
    noise *= np.float32(level)
    return noise


@njit(cache=True, nogil=True)
def _streaks(hu, dense, pixel, amplitude, rng):
    """Add radial streaks around the centroid of dense structures of every slice."""
    count = 256
    for k in range(hu.shape[0]):
        total, cx, cy = 0.0, 0.0, 0.0
        for j in range(hu.shape[1]):
            for i in range(hu.shape[2]):
                w = dense[k, j, i]
                if w > 60.0:
                    total, cx, cy = total + w, cx + w * i, cy + w * j
        if total * pixel * pixel < 4e4:
            continue
        cx, cy = cx / total, cy / total
        rays = rng.standard_normal(count)
        strength = amplitude * min(1.0, total * pixel * pixel / 4e5)
        for j in range(hu.shape[1]):
            for i in range(hu.shape[2]):
                dx, dy = (i - cx) * pixel, (j - cy) * pixel
                r = math.sqrt(dx * dx + dy * dy)
                turn = (math.atan2(dy, dx) / (2.0 * math.pi) + 0.5) * count
                n = int(turn)
                f = turn - n
                ray = rays[n % count] * (1.0 - f) + rays[(n + 1) % count] * f
                hu[k, j, i] += strength * ray * min(1.0, r / 15.0) / (1.0 + r / 35.0)
