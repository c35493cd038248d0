"""The heart's HU and labels, voxel by voxel: one numba kernel composites every body over the background."""

# ruff: noqa: PLR0917
# Kernels take coordinates and distances as positional scalars: numba has no keyword-only arguments.

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .chambers import (
    AORTA,
    BRANCH,
    CORONARY,
    DESCENDING,
    INFERIOR_CAVA,
    LEFT_ATRIUM,
    MATERIALS,
    METAL,
    PULMONARY,
    RIGHT_ATRIUM,
    RIGHT_VENTRICLE,
    SINUS,
    SUPERIOR_CAVA,
    VEIN,
)
from .shapes import FAR, ellipsoid, occupancy, smooth_min, smoothstep, tapered
from .ventricle import aortic_leaflets, leaflets, left_ventricle, mitral_surface, papillary, trabeculae


class Tissue(NamedTuple):
    """HU and coverings of the heart at one instant; ``sac`` mm is the mean epicardial fat."""

    left_ventricle: float
    left_atrium: float
    aorta: float
    right_ventricle: float
    right_atrium: float
    superior_cava: float
    inferior_cava: float
    pulmonary: float
    muscle: float
    scar: float
    fat_hu: float
    soft: float
    mixing: float
    texture: float
    sac: float
    sac_bias: float
    groove: float
    right_wall: float
    seed: float
    drift: float
    warp: float  # amplitude of the shears that make shapes individual, mm


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _swirl(x: float, y: float, z: float, s: float) -> float:
    """Return a smooth pattern of about unit amplitude, streaky like unmixed contrast."""
    a = math.sin(0.11 * x + 1.5 * math.sin(0.07 * y + s) + 1.1 * math.sin(0.09 * z + 1.7 * s))
    b = math.sin(0.21 * y + 1.8 * math.sin(0.10 * z - s) + 1.5 * a)
    c = math.sin(0.40 * z + 2.0 * math.sin(0.18 * x + 2.0 * s) + 2.2 * b)
    e = math.sin(0.75 * x - 0.5 * y + 2.4 * c + 1.2 * a + s)
    return 0.4 * a + 0.45 * b + 0.4 * c + 0.35 * e * (0.5 + 0.5 * b)


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _mix(under: float, over: float, share: float) -> float:
    return under + (over - under) * share


@njit(cache=True, fastmath=True, error_model="numpy")
def _distances(x, y, z, chambers, chosen, ellipsoids, tubes, d):
    """Fill ``d`` with the signed distance to every material, from the chosen bodies."""
    for m in range(MATERIALS):
        d[m] = FAR
    for e in range(ellipsoids):
        n = chosen[0, e]
        m = chambers.ellipsoid_material[n]
        d[m] = smooth_min(d[m], ellipsoid(x, y, z, chambers.ellipsoids[n]), 5.0)
    for e in range(tubes):
        n = chosen[1, e]
        m = chambers.tube_material[n]
        distance = tapered(x, y, z, chambers.tubes[n])
        if distance < FAR:
            d[m] = smooth_min(d[m], distance, 4.0) if m < SUPERIOR_CAVA else min(d[m], distance)


@njit(cache=True, fastmath=True, error_model="numpy")
def _separate(d, v, t, x, y, z, outer, muscle):
    """Keep chambers apart by their walls, nobler structures first."""
    below = z - mitral_surface(v, x, y)
    d[LEFT_ATRIUM] = max(d[LEFT_ATRIUM], below, 2.0 - d[AORTA])
    d[DESCENDING] = max(d[DESCENDING], 3.0 - d[LEFT_ATRIUM])
    d[VEIN] = max(d[VEIN], 2.0 - d[DESCENDING], below, 1.5 - muscle)
    d[BRANCH] = max(d[BRANCH], 2.0 - d[AORTA], 2.0 - d[LEFT_ATRIUM], 1.5 - d[VEIN])
    d[LEFT_ATRIUM] = max(d[LEFT_ATRIUM], 1.5 - muscle)
    d[PULMONARY] = max(d[PULMONARY], 2.5 - d[AORTA], 2.0 - d[LEFT_ATRIUM])
    d[RIGHT_VENTRICLE] = max(d[RIGHT_VENTRICLE], -outer, 2.5 - d[AORTA], -muscle)
    d[RIGHT_ATRIUM] = max(d[RIGHT_ATRIUM], 2.5 - d[AORTA], 2.0 - d[LEFT_ATRIUM], 2.0 - muscle)
    d[SUPERIOR_CAVA] = max(d[SUPERIOR_CAVA], 2.0 - d[AORTA], 2.0 - d[LEFT_ATRIUM])
    d[SUPERIOR_CAVA] = max(d[SUPERIOR_CAVA], 2.0 - d[PULMONARY])
    d[INFERIOR_CAVA] = max(d[INFERIOR_CAVA], 2.0 - d[LEFT_ATRIUM])


@njit(cache=True, fastmath=True, error_model="numpy")
def _covering(d, t, x, y, z, muscle):
    """Return the signed distance to the pericardium: fat fills the grooves between the chambers."""
    g = t.groove
    hull = smooth_min(muscle, d[RIGHT_VENTRICLE] - t.right_wall, g)
    hull = smooth_min(hull, d[RIGHT_ATRIUM] - 2.0, g)
    hull = smooth_min(hull, d[LEFT_ATRIUM] - 2.0, g)
    hull = smooth_min(hull, d[AORTA] - 2.0, g)
    hull = smooth_min(hull, d[PULMONARY] - 1.5, g)
    if hull > 24.0:
        return hull
    side = min(1.0, max(-0.92, (x - 12.0) / 28.0))
    patches = math.sin(0.06 * x + t.seed) * math.sin(0.07 * y + 2.0 * t.seed) * math.sin(0.05 * z + 3.0 * t.seed)
    return hull - max(0.0, t.sac * (1.0 + t.sac_bias * side + 0.9 * patches))


@njit(cache=True, fastmath=True, error_model="numpy")
def _walls(hu, d, t, width):
    """Composite the thin walls of atria, vessels and the right ventricle."""
    thin = min(d[RIGHT_ATRIUM] - 1.8, d[LEFT_ATRIUM] - 1.8)
    thin = min(thin, d[AORTA] - 1.6, d[PULMONARY] - 1.3)
    thin = min(thin, d[VEIN] - 1.0, d[BRANCH] - 1.2)
    thin = min(thin, d[SUPERIOR_CAVA] - 1.2, d[INFERIOR_CAVA] - 1.2)
    thin = min(thin, d[DESCENDING] - 1.6, d[CORONARY] - 0.6)
    hu = _mix(hu, t.soft, occupancy(thin, width))
    return _mix(hu, t.muscle, occupancy(d[RIGHT_VENTRICLE] - t.right_wall, width))


@njit(cache=True, fastmath=True, error_model="numpy")
def _lumens(hu, d, t, x, y, z, width):
    """Composite the blood of every chamber and vessel but the left ventricle."""
    hu = _mix(hu, t.inferior_cava, occupancy(d[INFERIOR_CAVA], width))
    hu = _mix(hu, t.superior_cava, occupancy(d[SUPERIOR_CAVA], width))
    if d[RIGHT_ATRIUM] < width or d[RIGHT_VENTRICLE] < width:
        swirl = _swirl(x, y, z, t.seed + t.drift)
        fresh = smoothstep(-20.0, 45.0, y - z)  # unmixed contrast enters from the superior vena cava
        atrium = _mix(t.right_atrium, 0.5 * (t.right_atrium + t.superior_cava), fresh * min(1.0, t.mixing * 2.0))
        atrium = max(40.0, atrium * (1.0 + t.mixing * swirl * 1.5))
        hu = _mix(hu, atrium, occupancy(d[RIGHT_ATRIUM], width))
        fold = math.sin(0.55 * x + t.seed) + math.sin(0.5 * y - 0.3 * z + 2.0 * t.seed) + math.sin(0.45 * z + 0.2 * x)
        rough = max(0.0, fold - 0.2) * 3.6 * smoothstep(0.0, 30.0, z) * (1.0 - smoothstep(12.0, 28.0, y))
        band = max(abs(0.8 * y + 0.6 * z - 22.0 - t.seed % 6.0), abs(0.6 * y - 0.8 * z + 45.0 - t.seed % 9.0)) - 2.2
        ventricle = max(d[RIGHT_VENTRICLE], d[RIGHT_VENTRICLE] + rough, -band)
        blood = t.right_ventricle * (1.0 + t.mixing * swirl * 0.7)
        hu = _mix(hu, blood, occupancy(ventricle, width))
    hu = _mix(hu, t.pulmonary, occupancy(d[PULMONARY], width))
    hu = _mix(hu, t.pulmonary, occupancy(d[BRANCH], width))
    hu = _mix(hu, t.left_atrium, occupancy(min(d[LEFT_ATRIUM], d[VEIN]), width))
    hu = _mix(hu, t.aorta, occupancy(min(d[AORTA], d[DESCENDING]), width))
    hu = _mix(hu, 0.55 * t.left_atrium + 60.0, occupancy(d[SINUS], width))
    hu = _mix(hu, 0.95 * t.aorta, occupancy(d[CORONARY], width))
    return hu


@njit(cache=True, fastmath=True, error_model="numpy")
def _left(hu, v, t, papillaries, x, y, z, cavity, muscle, angle, level, segment, inner, width):
    """Composite the left ventricle with papillary muscles, trabeculae and mitral leaflets."""
    tone = t.muscle + t.texture * _swirl(1.3 * x, 1.3 * y, 1.3 * z, t.seed + 5.0) + t.scar * segment
    hu = _mix(hu, tone, occupancy(muscle, width))
    if cavity > width:
        return hu
    blood = t.left_ventricle * (1.0 + 0.012 * _swirl(x, y, z, t.seed + t.drift + 2.0))
    hu = _mix(hu, blood, occupancy(cavity, width))
    inside = min(papillary(x, y, z, papillaries), trabeculae(v, angle, level, inner))
    share = occupancy(inside, width) * occupancy(cavity, width)
    return _mix(hu, t.muscle, share)


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _near(x, y, z, bx, by, bz, reach):
    return (x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2 < reach * reach


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def warped(x, y, z, t):
    """Return a heart position after three small shears, which change shapes but no volume."""
    a, s = t.warp, t.seed
    x += a * math.sin(0.052 * y + 2.0 * s) + 0.7 * a * math.sin(0.071 * z + s)
    y += a * math.sin(0.057 * z + 3.0 * s) + 0.7 * a * math.sin(0.066 * x + 5.0 * s)
    z += 0.5 * a * math.sin(0.061 * x + 4.0 * s) + 0.35 * a * math.sin(0.075 * y + 6.0 * s)
    return x, y, z


@njit(cache=True, fastmath=True, error_model="numpy")
def _choose(x, y, z, half, v, chambers, chosen):
    """Write the indices of the bodies near a block to ``chosen`` (2, N); return counts, and whether the LV is near."""
    ellipsoids, tubes = 0, 0
    for n in range(chambers.ellipsoids.shape[0]):
        b = chambers.ellipsoids[n]
        if _near(x, y, z, b[0], b[1], b[2], b[15] + half):
            chosen[0, ellipsoids] = n
            ellipsoids += 1
    for n in range(chambers.tubes.shape[0]):
        b = chambers.tubes[n]
        if _near(x, y, z, b[9], b[10], b[11], b[12] + half):
            chosen[1, tubes] = n
            tubes += 1
    reach = 1.15 * v.radius + 2.2 * v.wall + v.lag + 20.0 + half
    foot = min(v.base + 0.8 * v.length, max(v.base, z))
    return ellipsoids, tubes, _near(x, y, z, 0.0, 0.0, foot, reach)


@njit(cache=True, fastmath=True, error_model="numpy")
def _voxel(under, x, y, z, v, papillaries, chambers, chosen, count, t, width, d):
    """Return HU and label at a position of the heart frame over the background ``under``."""
    x, y, z = warped(x, y, z, t)
    _distances(x, y, z, chambers, chosen, count[0], count[1], d)
    cavity, muscle, outer, angle, level, segment, inner = FAR, FAR, FAR, 0.0, 0.0, 0.0, FAR
    if count[2]:
        cavity, muscle, outer, angle, level, segment, inner = left_ventricle(v, x, y, z)
    _separate(d, v, t, x, y, z, outer, muscle)
    sac = _covering(d, t, x, y, z, muscle)
    value = _mix(under, t.soft, occupancy(sac - 1.4, width))
    value = _mix(value, t.fat_hu, occupancy(sac, width))
    value = _walls(value, d, t, width)
    value = _lumens(value, d, t, x, y, z, width)
    if muscle < width or cavity < width:
        value = _left(value, v, t, papillaries, x, y, z, cavity, muscle, angle, level, segment, inner, width)
    if -20.0 < z - v.base < 30.0:
        value = _mix(value, t.soft + 20.0, 0.8 * occupancy(leaflets(v, x, y, z), width))
        if v.aortic_opening < 0.3 and cavity < 8.0:
            value = _mix(value, t.soft + 20.0, 0.7 * occupancy(aortic_leaflets(v, x, y, z), width))
    value = _mix(value, 1100.0, occupancy(d[METAL], width))
    label = 1 if cavity < 0.0 else (2 if muscle < 0.0 else 0)
    return value, label


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def render_heart(matrix, offset, v, papillaries, chambers, t, width, hu, labels):
    """Composite the heart over the background in place, block by block.

    Parameters
    ----------
    matrix, offset : ndarray (3, 3), (3,)
        Voxel index (i, j, k) to heart frame, mm.
    v, papillaries, chambers, t
        `Ventricle`, its capsules, `Chambers` and `Tissue`.
    width : float
        Voxel size for partial volume, mm.
    hu : ndarray (Z, Y, X) float32
    labels : ndarray (Z, Y, X) uint8
    """
    side = max(2, min(8, int(14.0 / width + 0.5)))
    depth, height, breadth = hu.shape
    m, d = matrix, np.empty(MATERIALS)
    half = 0.5 * side * math.sqrt((m * m).sum()) + 1.0 + 2.5 * t.warp
    chosen = np.empty((2, max(chambers.ellipsoids.shape[0], chambers.tubes.shape[0])), np.int64)
    for block in range(((depth + side - 1) // side) * ((height + side - 1) // side) * ((breadth + side - 1) // side)):
        columns, rows = (breadth + side - 1) // side, (height + side - 1) // side
        i0, j0, k0 = (block % columns) * side, (block // columns % rows) * side, (block // (columns * rows)) * side
        ci, cj, ck = i0 + 0.5 * side, j0 + 0.5 * side, k0 + 0.5 * side
        x = m[0, 0] * ci + m[0, 1] * cj + m[0, 2] * ck + offset[0]
        y = m[1, 0] * ci + m[1, 1] * cj + m[1, 2] * ck + offset[1]
        z = m[2, 0] * ci + m[2, 1] * cj + m[2, 2] * ck + offset[2]
        count = _choose(x, y, z, half, v, chambers, chosen)
        if count[0] + count[1] == 0 and not count[2]:
            continue
        for k in range(k0, min(k0 + side, depth)):
            for j in range(j0, min(j0 + side, height)):
                for i in range(i0, min(i0 + side, breadth)):
                    x = m[0, 0] * i + m[0, 1] * j + m[0, 2] * k + offset[0]
                    y = m[1, 0] * i + m[1, 1] * j + m[1, 2] * k + offset[1]
                    z = m[2, 0] * i + m[2, 1] * j + m[2, 2] * k + offset[2]
                    hu[k, j, i], labels[k, j, i] = _voxel(
                        hu[k, j, i], x, y, z, v, papillaries, chambers, chosen, count, t, width, d
                    )
