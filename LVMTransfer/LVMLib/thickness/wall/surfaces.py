"""Sub-voxel surfaces from a binary mask: blur, inverse error function, curvature correction.

A Gaussian blur turns the edge of a mask into an error function of the distance to the surface, so that the inverse
error function of the blurred mask is that distance, far below the voxel size. A curved surface moves by σ²κ/2
under the blur (κ: sum of the principal curvatures); that shift is added back.
"""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

import math

import numba
import numpy as np
from scipy import special

from .blur import gaussian

# Two blurs. The fine one keeps small shapes; where a surface runs along the voxels their steps still show in it, up to
# 0.2 mm. The coarse one has no steps left but loses what is small, so it is believed where it says itself that the
# surface bends little and where both agree to a voxel, which is as far as steps can reach.
FINE_VOXELS, COARSE_VOXELS = 2.5, 4.0
# The coarse blur counts in full up to the first of these bends (sum of the principal curvatures times its σ) and not
# at all from the second on; so with the two distances between the surfaces, voxels.
BENDS, DIFFERENCES = (0.4, 0.8), (0.5, 1.0)
# Beyond this many σ a blurred mask holds no more than rounding noise about the distance.
BAND_SIGMAS = 2.5
# Both surfaces' distances are corrected up to this many σ of the fine blur.
CORRECTED_SIGMAS = 1.5
_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}


def reach_mm(spacing: np.ndarray) -> float:
    """How far from a voxel of size ``spacing`` (3,), mm, another one still counts in its distance, mm."""
    return 3 * COARSE_VOXELS * float(np.cbrt(np.prod(spacing))) + float(np.max(spacing))


def distance_from_occupancy(occupancy: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Return the signed distance to the surface of a mask, negative inside.

    Parameters
    ----------
    occupancy : ndarray (Z, Y, X) float32
        1 inside, 0 outside; the solid's surface must stay three times the coarse σ away from the array's border, or the
        mask goes on beyond the border as it ends.
    spacing : ndarray (3,)
        Voxel size along x, y, z, mm.

    Returns
    -------
    ndarray (Z, Y, X) float32
        Signed distance, mm, clamped to ±2.5 σ of the fine blur; exact for spheres to the third order of σκ.
    """
    voxel = float(np.cbrt(np.prod(spacing)))
    blurs = []
    for sigma in (FINE_VOXELS * voxel, COARSE_VOXELS * voxel):
        blurred, variances = gaussian(occupancy, spacing, sigma_mm=sigma)
        weights = variances / (8 * np.asarray(spacing, float) ** 2)
        edge = (_EDGE * math.sqrt(2 * variances.mean())).astype(np.float32)
        blurs.append((blurred, edge, tuple(weights.tolist()), math.sqrt(variances.mean())))
    return _distance(blurs[0], blurs[1], voxel)


def _edge_table() -> np.ndarray:
    """erf⁻¹(1 - 2 v) at equal steps of the blurred value v from 0 to 1, clamped to the band."""
    limit = BAND_SIGMAS / math.sqrt(2)
    with np.errstate(divide="ignore"):
        return np.clip(special.erfinv(1 - 2 * np.linspace(0, 1, 4097)), -limit, limit)


_EDGE = _edge_table()


@numba.njit(**_CACHE)
def _distance(fine, coarse, voxel):
    """Blend the distances of two blurs: (blurred volume, table of the distance, weights of the shift, σ)."""
    near, far = _inverse_edge(fine[0], fine[1]), _inverse_edge(coarse[0], coarse[1])
    out = near.copy()
    nz, ny, nx = near.shape
    reach = CORRECTED_SIGMAS * fine[3]
    for k in range(2, nz - 2):
        for j in range(2, ny - 2):
            for i in range(2, nx - 2):
                if abs(near[k, j, i]) < reach:
                    detailed, _ = _unbent(near, k, j, i, fine[2], fine[3])
                    smooth, bend = _unbent(far, k, j, i, coarse[2], coarse[3])
                    trust = _fall(bend, BENDS) * _fall(abs(smooth - detailed) / voxel, DIFFERENCES)
                    out[k, j, i] = detailed + trust * (smooth - detailed)
    return out


@numba.njit(**_CACHE)
def _unbent(raw, k, j, i, weights, sigma):
    """Distance without the shift by the surface's curvature, and that curvature times σ."""
    v = raw[k, j, i]
    shift = weights[0] * (raw[k, j, i + 2] + raw[k, j, i - 2] - 2 * v)
    shift += weights[1] * (raw[k, j + 2, i] + raw[k, j - 2, i] - 2 * v)
    shift += weights[2] * (raw[k + 2, j, i] + raw[k - 2, j, i] - 2 * v)
    # The next order, exact for a sphere: σ⁴ κ³ / 24 = shift³ / (3 σ²).
    bend = min(max(shift, -0.5 * sigma), 0.5 * sigma)
    return v - shift - bend * bend * bend / (3 * sigma * sigma), 2 * abs(shift) / sigma


@numba.njit(**_CACHE)
def _fall(value, ends):
    """1 below the first end, 0 above the second, smooth between."""
    t = min(max((ends[1] - value) / (ends[1] - ends[0]), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@numba.njit(**_CACHE)
def _inverse_edge(blurred, edge):
    out = np.empty(blurred.shape, np.float32)
    last = edge.size - 1
    for k in range(blurred.shape[0]):
        for j in range(blurred.shape[1]):
            for i in range(blurred.shape[2]):
                position = min(max(blurred[k, j, i], 0.0), 1.0) * last
                n = min(int(position), last - 1)
                out[k, j, i] = edge[n] + (position - n) * (edge[n + 1] - edge[n])
    return out
