"""Label maps of simple walls for the tests of the thickness room."""

from __future__ import annotations

import numpy as np

CENTRE = np.array([0.2, -0.3, 0.1])


def centred_grid(half_mm, spacing_mm=(1.0, 1.0, 1.0)):
    """x, y, z (Z, Y, X) of voxel centres from -half to +half mm, and the affine."""
    step = np.broadcast_to(np.asarray(spacing_mm, float), (3,))
    axes = [np.arange(-np.ceil(half_mm / h), np.ceil(half_mm / h) + 1) * h for h in step]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    return x, y, z, affine


def spherical_shell(*, inner=12.0, outer=20.0, spacing_mm=(1.0, 1.0, 1.0)):
    """Labels, radius of every voxel about `CENTRE`, and the affine."""
    x, y, z, affine = centred_grid(outer + 5 * float(np.max(spacing_mm)), spacing_mm)
    radius = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2)
    return np.where(radius < inner, 1, np.where(radius < outer, 2, 0)).astype(np.uint8), radius, affine


def rotation(seed: int) -> np.ndarray:
    """A random rotation matrix (3, 3)."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def half_shell(outer: float, inner: float):
    """Labels of half a spherical shell in 2 mm voxels, its base at z = 0, and the affine."""
    x, y, z, affine = centred_grid(36.0, (2.0, 2.0, 2.0))
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.where(radius < inner, 1, np.where(radius < outer, 2, 0))
    labels[z < 0] = 0
    return labels.astype(np.uint8), affine
