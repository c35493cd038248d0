"""The beat: cavity volume over the cycle, and the ventricle that holds it with incompressible myocardium."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from .subject import Subject
from .ventricle import Ventricle, capsule, volumes

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Contractions (0 = ED, 1 = ES) at which radius and wall are solved; between them they are interpolated."""
SOLVER_STEPS_MM = (5.0, 4.0, 4.0, 3.5, 3.0, 2.5, 2.5)
"""Lattices of the successive rounds: the first rounds need no precision."""


@dataclass(frozen=True, eq=False)
class Beat:
    """Radius and wall (mm) of the left ventricle against contraction, solved so that volume and mass come out right."""

    length: float
    radius: PchipInterpolator
    wall: PchipInterpolator
    cavity_ml: tuple[float, ...]
    muscle_ml: tuple[float, ...]


def contraction(subject: Subject, phase: float) -> float:
    """Return the contraction (0 at ED, 1 at ES) at ``phase``, a fraction of R-R counted from ED.

    Ejection to ES, rapid filling, diastasis and atrial kick, each a smooth step.
    """
    left, phase = subject.left, phase % 1.0
    peak = left.end_systole
    if phase <= peak:
        return 0.5 - 0.5 * math.cos(math.pi * phase / peak)
    filled = peak + 0.27
    early = (1.0 - left.atrial_kick) * _step((phase - peak) / (filled - peak))
    late = left.atrial_kick * _step((phase - 0.8) / 0.18)
    return 1.0 - early - late


def _step(t: float) -> float:
    t = min(1.0, max(0.0, t))
    return t * t * (3.0 - 2.0 * t)


def mitral_opening(subject: Subject, phase: float) -> float:
    """Return how far the mitral leaflets are open (0 to 1) at ``phase``."""
    peak, phase = subject.left.end_systole, phase % 1.0
    early = math.exp(-(((phase - peak - 0.15) / 0.09) ** 2))
    late = 0.7 * math.exp(-(((phase - 0.9) / 0.05) ** 2))
    rest = 0.35 if peak + 0.15 < phase < 0.9 else 0.0
    return max(early, late, rest)


def solve_beat(subject: Subject) -> Beat:
    """Return the `Beat` of a subject: EDV, EF and wall as sampled, the same LVM volume at every contraction."""
    left = subject.left
    radius = (left.edv_ml * 1000.0 * left.sphericity / 4.0) ** (1.0 / 3.0)
    for step in SOLVER_STEPS_MM:
        v = _shape(subject, 0.0, 2.0 * radius / left.sphericity, radius, left.wall, radius, left.wall)
        cavity, _ = volumes(v, step)
        radius *= (left.edv_ml * 1000.0 / cavity) ** (1.0 / 3.0)
    v = _shape(subject, 0.0, 2.0 * radius / left.sphericity, radius, left.wall, radius, left.wall)
    cavity, mass = volumes(v, SOLVER_STEPS_MM[-1])
    length, start, radii, walls, found = 2.0 * radius / left.sphericity, radius, [radius], [left.wall], [(cavity, mass)]
    wall = left.wall
    for level in LEVELS[1:]:
        target = left.edv_ml * 1000.0 * (1.0 - left.ejection * level)
        for step in SOLVER_STEPS_MM:
            cavity, muscle = volumes(_shape(subject, level, length, radius, wall, start, left.wall), step)
            radius *= (target / cavity) ** 0.5
            wall *= (mass / muscle) ** 0.8
        radii.append(radius)
        walls.append(wall)
        found.append((cavity, muscle))
    return Beat(
        length=length,
        radius=PchipInterpolator(LEVELS, radii),
        wall=PchipInterpolator(LEVELS, walls),
        cavity_ml=tuple(cavity / 1000.0 for cavity, _ in found),
        muscle_ml=tuple(muscle / 1000.0 for _, muscle in found),
    )


def ventricle_at(subject: Subject, beat: Beat, phase: float) -> Ventricle:
    """Return the left ventricle at ``phase`` (fraction of R-R from ED), heart frame."""
    level = contraction(subject, phase)
    radius, wall = float(beat.radius(level)), float(beat.wall(level))
    v = _shape(subject, level, beat.length, radius, wall, float(beat.radius(0.0)), float(beat.wall(0.0)))
    opening = mitral_opening(subject, phase)
    ejecting = phase % 1.0 < subject.left.end_systole
    return v._replace(
        opening=opening,
        tent=(1.0 - opening) * 2.5,
        aortic_opening=math.sin(math.pi * phase % 1.0 / subject.left.end_systole) ** 2 if ejecting else 0.0,
    )


def _shape(  # noqa: PLR0917
    subject: Subject, level: float, length: float, radius: float, wall: float, start_radius: float, start_wall: float
) -> Ventricle:
    """Return the ventricle at a contraction for a trial radius and wall."""
    left, other = subject.left, subject.other
    base = level * left.shortening * length
    annulus = start_radius * left.base_ratio * (1.0 - 0.2 * left.ejection * level)
    root = (10.0 + 0.06 * start_radius) * other.aorta**0.5
    stiff = min(left.akinesia, 1.0)
    normal = np.array([0.26, 0.85, -0.45]) / np.linalg.norm([0.26, 0.85, -0.45])
    return Ventricle(
        base=base,
        length=length - base,
        radius=radius,
        base_radius=annulus,
        equator=left.equator,
        exponent=left.exponent,
        oval=left.oval,
        oval_angle=left.oval_angle,
        trefoil=left.trefoil,
        trefoil_angle=left.trefoil_angle,
        bend_x=left.bend[0],
        bend_y=left.bend[1],
        twist=left.twist * level,
        wall=wall,
        septal=left.septal,
        inferior=left.inferior,
        basal=left.basal,
        apical=left.apical,
        bulge=(1.0 + left.bulge) * (start_wall / wall) ** stiff - 1.0,
        bulge_angle=left.bulge_angle,
        bulge_level=left.bulge_level,
        bulge_width=left.bulge_width,
        bulge_height=left.bulge_height,
        lag=left.akinesia * (start_radius - radius),
        mitral_x=-0.34 * annulus,
        mitral_y=-0.18 * annulus,
        mitral_radius=0.74 * annulus,
        saddle=left.saddle,
        tent=2.5,
        opening=0.0,
        leaflet=left.leaflet,
        outflow_x=0.66 * annulus,
        outflow_y=0.52 * annulus,
        outflow_z=0.9 * base - 5.0,
        normal_x=float(normal[0]),
        normal_y=float(normal[1]),
        normal_z=float(normal[2]),
        outflow_radius=root,
        outflow_length=14.0,
        outflow_wall=min(8.0, max(3.0, 0.75 * wall)),
        aortic_opening=0.0,
        trabecular=left.trabecular,
        trabecular_seed=left.trabecular_seed,
    )


def papillary_at(subject: Subject, v: Ventricle) -> np.ndarray:
    """Return the papillary muscles (anterolateral, posteromedial) as tapered capsules, heart frame, (N, 13)."""
    first, second, thick, low, high, reach, heads = subject.left.papillary
    size = thick * (v.radius + 6.0) * 0.8
    bodies = []
    for side, angle in enumerate((first, second)):
        for head in range(int(heads)):
            turn = angle + v.twist * (low - 0.3) + (head - 0.5 * (heads - 1)) * 0.55
            direction = np.array([math.cos(turn), math.sin(turn)])
            shift = np.array([v.bend_x, v.bend_y])
            foot_radius = 0.97 * v.radius * max(0.3, 1.0 - max(0.0, (low - v.equator) / (1.0 - v.equator)) ** 2) ** 0.5
            foot = [*(direction * foot_radius + shift * low**2), v.base + low * v.length]
            belly_level = 0.5 * (low + high)
            belly = [*(direction * (reach + 0.12) * v.radius + shift * belly_level**2), v.base + belly_level * v.length]
            level = high + 0.06 * side + 0.05 * head
            tip = [*(direction * reach * v.radius * 0.95 + shift * level**2), v.base + level * v.length]
            thickness = size / heads**0.4
            bodies += [
                capsule(foot, belly, thickness * 1.15, thickness),
                capsule(belly, tip, thickness, thickness * 0.6),
            ]
            root = np.array([v.mitral_x, v.mitral_y]) + direction * 0.5 * v.mitral_radius
            bodies.append(capsule(tip, [*root, v.base + 0.12 * v.length], 0.7, 0.5))
    return np.array(bodies)
