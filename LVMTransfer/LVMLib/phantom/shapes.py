"""Signed distances (mm, negative inside) of simple bodies, and partial volume, as numba kernels."""

from __future__ import annotations

import math

from numba import njit

FAR = 1e3
"""Distance returned for a body that is too far away to matter, mm."""


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def occupancy(distance: float, width: float) -> float:
    """Return the filled fraction of a voxel of ``width`` mm with its centre ``distance`` mm outside a flat surface."""
    return min(1.0, max(0.0, 0.5 - distance / width))


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def smoothstep(low: float, high: float, value: float) -> float:
    """Return 0 below ``low``, 1 above ``high`` and a cubic between them."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def smooth_min(a: float, b: float, radius: float) -> float:
    """Return the union of two signed distances with a fillet of ``radius`` mm (quadratic polynomial)."""
    h = max(radius - abs(a - b), 0.0) / radius
    return min(a, b) - 0.25 * h * h * radius


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def smooth_max(a: float, b: float, radius: float) -> float:
    """Return the intersection of two signed distances with a rounded edge of ``radius`` mm."""
    h = max(radius - abs(a - b), 0.0) / radius
    return max(a, b) + 0.25 * h * h * radius


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def ellipsoid(x: float, y: float, z: float, body) -> float:
    """Return the first-order signed distance to an ellipsoid.

    ``body`` holds the centre (3), the unit axes as rows (9), the semi-axes (3) and the bounding radius.
    """
    dx, dy, dz = x - body[0], y - body[1], z - body[2]
    if dx * dx + dy * dy + dz * dz > body[15] * body[15]:
        return FAR
    p = (body[3] * dx + body[4] * dy + body[5] * dz) / body[12]
    q = (body[6] * dx + body[7] * dy + body[8] * dz) / body[13]
    r = (body[9] * dx + body[10] * dy + body[11] * dz) / body[14]
    k0 = math.sqrt(p * p + q * q + r * r)
    k1 = math.sqrt((p / body[12]) ** 2 + (q / body[13]) ** 2 + (r / body[14]) ** 2)
    return k0 * (k0 - 1.0) / max(k1, 1e-6)


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def tapered(x: float, y: float, z: float, body) -> float:
    """Return the signed distance to a capsule that tapers.

    ``body`` holds both ends (6), the radii there (2), the squared length and the bounding sphere (centre 3, radius).
    """
    bx, by, bz = x - body[9], y - body[10], z - body[11]
    if bx * bx + by * by + bz * bz > body[12] * body[12]:
        return FAR
    ex, ey, ez = body[3] - body[0], body[4] - body[1], body[5] - body[2]
    dx, dy, dz = x - body[0], y - body[1], z - body[2]
    t = min(1.0, max(0.0, (dx * ex + dy * ey + dz * ez) / body[8]))
    dx, dy, dz = dx - t * ex, dy - t * ey, dz - t * ez
    return math.sqrt(dx * dx + dy * dy + dz * dz) - (body[6] + t * (body[7] - body[6]))
