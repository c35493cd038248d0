"""The left ventricle as signed distances: endocardium, epicardium, valve planes, papillary muscles, trabeculae."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .shapes import FAR, occupancy, smooth_max, smooth_min, smoothstep, tapered


class Ventricle(NamedTuple):
    """The left ventricle at one instant.

    Frame "heart", mm: x from the long axis to the middle of the septum, y to the anterior wall, z from base to apex.
    ``base`` is the z of the mitral annulus, which descends in systole. Angles in radians from x towards y.
    """

    base: float  # z of the mitral annulus
    length: float  # base to endocardial apex
    radius: float  # mid-cavity endocardial radius
    base_radius: float  # endocardial radius at the annulus
    equator: float  # fraction of the length at which the cavity is widest
    exponent: float  # superellipse exponent of the apical part
    oval: float  # second harmonic of the endocardial radius
    oval_angle: float
    trefoil: float  # third harmonic
    trefoil_angle: float
    bend_x: float  # sideways shift of the apex, mm
    bend_y: float
    twist: float  # rotation of the apex against the base
    wall: float  # mean wall thickness
    septal: float  # relative excess of the septum
    inferior: float  # relative excess of the inferior wall
    basal: float  # relative thickness at the base
    apical: float  # relative thickness at the apex
    bulge: float  # relative excess of the segment below (hypertrophy > 0, thin scar < 0)
    bulge_angle: float
    bulge_level: float  # fraction of the length
    bulge_width: float  # angular half width
    bulge_height: float  # half height, fraction of the length
    lag: float  # outward displacement of the segment that does not contract, mm
    mitral_x: float  # centre of the mitral annulus
    mitral_y: float
    mitral_radius: float
    saddle: float  # half height of the saddle of the annulus
    tent: float  # depth of the closed leaflets
    opening: float  # 0 closed to 1 open
    leaflet: float  # leaflet thickness
    outflow_x: float  # centre of the aortic valve, heart frame
    outflow_y: float
    outflow_z: float
    normal_x: float  # unit normal of the aortic valve, out of the ventricle
    normal_y: float
    normal_z: float
    outflow_radius: float
    outflow_length: float
    outflow_wall: float
    aortic_opening: float
    trabecular: float  # depth of trabeculae, mm
    trabecular_seed: float


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _segment(v, angle: float, level: float) -> float:
    """Return the weight of the diseased segment (0 to 1) at a wall position."""
    turn = angle - v.bulge_angle
    turn -= 2.0 * math.pi * math.floor(turn / (2.0 * math.pi) + 0.5)
    a, b = turn / v.bulge_width, (level - v.bulge_level) / v.bulge_height
    return math.exp(-(a * a + b * b))


@njit(cache=True, fastmath=True, error_model="numpy")
def wall_surfaces(v, x: float, y: float, z: float):
    """Return signed distances to the (untruncated) endocardium and epicardium, and wall angle, level and segment."""
    height = z - v.base
    level = height / v.length
    clipped = min(1.0, max(0.0, level))
    x, y = x - v.bend_x * clipped * clipped, y - v.bend_y * clipped * clipped
    rho = math.sqrt(x * x + y * y) + 1e-6
    angle = math.atan2(y, x) - v.twist * (clipped - 0.3)
    segment = _segment(v, angle, clipped)
    shape = (
        1.0 + v.oval * math.cos(2.0 * (angle - v.oval_angle)) + v.trefoil * math.cos(3.0 * (angle - v.trefoil_angle))
    )
    along = (
        v.basal + (1.0 - v.basal) * smoothstep(-0.05, 0.2, clipped) + (v.apical - 1.0) * smoothstep(0.55, 1.0, clipped)
    )
    round_off = 1.0 - smoothstep(0.6, 1.0, clipped)
    around = 1.0 + (v.septal * math.cos(angle) - v.inferior * math.sin(angle)) * round_off
    wall = max(1.0, v.wall * along * around * (1.0 + v.bulge * segment))
    radius = v.radius * shape + v.lag * segment
    middle = v.equator * v.length
    if height <= middle:
        t = min(1.3, 1.0 - height / middle)
        widest = 1.08 * (radius + v.wall * around * (1.0 + v.bulge * segment))
        radius += (v.base_radius * shape - radius) * t * t
        slope = 2.0 * (radius - v.base_radius) * t / middle
        tilt = 1.0 / math.sqrt(1.0 + min(slope * slope, 1.0))
        # Where the base is wider than the cavity, in systole, the outside stays a tapering cylinder.
        outside = max(radius + 2.5, min(radius + wall, widest))
        return (rho - radius) * tilt, (rho - outside) * tilt, angle, level, segment
    rise = height - middle
    inner = _superellipse(rho, rise, radius, v.length - middle, v.exponent)
    tip = v.wall * v.apical * (1.0 + v.bulge * segment)
    outer = _superellipse(rho, rise, radius + wall, v.length - middle + max(1.0, tip), v.exponent)
    return inner, outer, angle, level, segment


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _superellipse(rho: float, rise: float, a: float, c: float, n: float) -> float:
    """Return the first-order distance to (rho/a)^n + (rise/c)^n = 1."""
    p, q = (rho / a) ** n, (rise / c) ** n
    total = max(p + q, 1e-9)
    f = total ** (1.0 / n)
    gradient = f / total * math.sqrt((p / rho) ** 2 + (q / max(rise, 1e-6)) ** 2)
    return (f - 1.0) / max(gradient, 1e-6)


@njit(cache=True, fastmath=True, error_model="numpy")
def mitral_surface(v, x: float, y: float) -> float:
    """Return the z of the surface that closes the cavity along the mitral leaflets (saddle and tent)."""
    dx, dy = (x - v.mitral_x) / v.mitral_radius, (y - v.mitral_y) / v.mitral_radius
    r2 = min(dx * dx + dy * dy, 2.0)
    # The annulus rises towards the aortic root (x, y > 0) and its opposite, and dips at both commissures.
    saddle = 0.0 if r2 < 1e-9 else v.saddle * ((dx * 0.8 + dy * 0.6) ** 2 * 2.0 / r2 - 1.0) * min(r2, 1.0)
    return v.base - saddle + v.tent * max(0.0, 1.0 - r2)


@njit(cache=True, fastmath=True, error_model="numpy")
def outflow(v, x: float, y: float, z: float):
    """Return the distance to the outflow tract's surface, and the height above the aortic valve plane."""
    dx, dy, dz = x - v.outflow_x, y - v.outflow_y, z - v.outflow_z
    height = dx * v.normal_x + dy * v.normal_y + dz * v.normal_z
    t = min(6.0, max(-v.outflow_length, height))
    # The tract bends from the valve's normal into the cavity.
    bend = 0.35 * t * t / v.outflow_length if t < 0 else 0.0
    px = dx - t * v.normal_x
    py = dy - t * v.normal_y
    pz = dz - t * v.normal_z - bend
    widening = 1.0 + 0.12 * max(0.0, -t) / v.outflow_length
    return math.sqrt(px * px + py * py + pz * pz) - v.outflow_radius * widening, height


@njit(cache=True, fastmath=True, error_model="numpy")
def left_ventricle(v, x: float, y: float, z: float):
    """Return signed distances to the labelled cavity and LVM bodies, to the epicardial outside, and wall coordinates.

    The LVM body is everything inside the epicardium below the base; the cavity is taken out of it by the caller.
    """
    inner, outer, angle, level, segment = wall_surfaces(v, x, y, z)
    below = mitral_surface(v, x, y) - z
    tract, height = outflow(v, x, y, z)
    # The tract ends at the aortic leaflets, domed towards the ventricle while they are closed.
    dome = (1.0 - v.aortic_opening) * 2.0 * max(0.0, -tract / v.outflow_radius)
    tube = max(tract, -height - v.outflow_length, height + dome)
    cavity = smooth_min(max(inner, below), tube, 3.0)
    # No muscle between the aortic root and the anterior leaflet: the tract's wall lies on the septal and anterior side.
    side = 0.85 * (x - v.outflow_x) + 0.25 * (y - v.outflow_y) - 0.1 * (z - v.outflow_z)
    # The muscular septum thins towards the membranous septum under the valve.
    thick = v.outflow_wall * (0.25 + 0.75 * min(1.0, max(0.0, -height / v.outflow_length)))
    sleeve = smooth_max(smooth_max(tract - thick, height + 4.0, 5.0), -side - 3.0, 5.0)
    sleeve = max(sleeve, -height - v.outflow_length)
    # The basal edge of the muscle is rounded, the cavity's is sharp: it ends at the leaflets.
    muscle = smooth_min(smooth_max(outer, below, 8.0), sleeve, 4.0)
    return cavity, muscle, outer, angle, level, segment, inner


@njit(cache=True, fastmath=True, error_model="numpy")
def trabeculae(v, angle: float, level: float, inner: float) -> float:
    """Return the signed distance to trabeculae: irregular longitudinal ridges of the inner surface below the base."""
    if inner < -12.0 or level < 0.2:
        return FAR
    s = v.trabecular_seed
    ridge = math.sin(9.0 * angle + 2.0 * math.sin(7.0 * level + s) + s)
    ridge += 0.8 * math.sin(14.0 * angle - 3.0 * math.sin(5.0 * level + 1.7 * s) + 2.3 * s)
    ridge *= 0.6 + 0.6 * math.sin(23.0 * level + 2.0 * angle + 3.1 * s)
    smooth_septum = 0.35 + 0.65 * smoothstep(-0.6, 0.6, -math.cos(angle))
    depth = v.trabecular * smooth_septum * smoothstep(0.2, 0.6, level) * max(0.0, 0.25 + ridge)
    return -(inner + min(depth, 9.0)) if depth > 0.0 else FAR


@njit(cache=True, fastmath=True, error_model="numpy")
def papillary(x: float, y: float, z: float, bodies) -> float:
    """Return the signed distance to the papillary muscles, given as tapered capsules (N, 13)."""
    nearest = FAR
    for n in range(bodies.shape[0]):
        nearest = smooth_min(nearest, tapered(x, y, z, bodies[n]), 2.0)
    return nearest


@njit(cache=True, fastmath=True, error_model="numpy")
def aortic_leaflets(v, x: float, y: float, z: float) -> float:
    """Return the signed distance to the closed aortic leaflets, which dome into the ventricle."""
    tract, height = outflow(v, x, y, z)
    dome = (1.0 - v.aortic_opening) * 2.0 * max(0.0, -tract / v.outflow_radius)
    return max(abs(height + dome - 0.8) - 0.4, tract)


@njit(cache=True, fastmath=True, error_model="numpy")
def leaflets(v, x: float, y: float, z: float) -> float:
    """Return the signed distance to the mitral leaflets: a funnel that closes to the mitral surface."""
    dx, dy = x - v.mitral_x, y - v.mitral_y
    r = math.sqrt(dx * dx + dy * dy)
    if r > v.mitral_radius + 3.0 or z < v.base - 12.0 or z > v.base + 30.0:
        return FAR
    if v.opening < 0.05:
        return max(abs(z - mitral_surface(v, x, y)) - 0.5 * v.leaflet, r - v.mitral_radius)
    tip = 0.62 * v.opening * v.mitral_radius
    drop = math.sqrt(max(1.0, (1.05 * v.mitral_radius) ** 2 - (v.mitral_radius - tip) ** 2))
    t = (z - mitral_surface(v, x, y)) / drop
    funnel = v.mitral_radius + (tip - v.mitral_radius) * t
    slope = drop / math.sqrt(drop * drop + (v.mitral_radius - tip) ** 2)
    # Open leaflets are two sheets: the commissures leave gaps.
    gap = abs(dx * 0.6 - dy * 0.8) - 0.9 * r * (1.0 - 0.35 * t)
    return max(abs(r - funnel) * slope - 0.5 * v.leaflet, gap, max(-t, t - 1.0) * drop)


@njit(cache=True, fastmath=True, error_model="numpy")
def volumes(v, step: float):
    """Return cavity and LVM volumes (mm³) by partial-volume quadrature on a lattice of ``step`` mm."""
    reach = v.radius + v.base_radius + v.wall * 2.5 + abs(v.bend_x) + abs(v.bend_y) + 4.0
    count = int(2.0 * reach / step) + 1
    low = min(v.outflow_z - 15.0, v.base - 10.0)
    levels = int((v.base + v.length + 3.0 * v.wall + 4.0 - low) / step) + 1
    cavity, muscle = 0.0, 0.0
    for k in range(levels):
        for j in range(count):
            for i in range(count):
                result = left_ventricle(v, -reach + (i + 0.5) * step, -reach + (j + 0.5) * step, low + (k + 0.5) * step)
                inside = occupancy(result[0], step)
                cavity += inside
                muscle += occupancy(max(result[1], -result[0]), step)
    cube = step**3
    return cavity * cube, muscle * cube


def capsule(start, stop, radius_start: float, radius_stop: float, reach: float = 6.0) -> np.ndarray:
    """Return the 13 numbers of a capsule for `shapes.tapered`; farther than ``reach`` mm it counts as absent."""
    start, stop = np.asarray(start, float), np.asarray(stop, float)
    squared = max(float(np.sum((stop - start) ** 2)), 1e-6)
    bound = 0.5 * math.sqrt(squared) + max(radius_start, radius_stop) + reach
    return np.concatenate([start, stop, [radius_start, radius_stop, squared], (start + stop) / 2, [bound]])
