"""The other chambers and the vessels as ellipsoids and tapered tubes, posed for one instant."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .subject import Subject
from .ventricle import Ventricle, capsule

LEFT_ATRIUM, AORTA, PULMONARY, RIGHT_VENTRICLE, RIGHT_ATRIUM, SUPERIOR_CAVA, INFERIOR_CAVA, CORONARY = range(8)
SINUS, METAL, DESCENDING, VEIN, BRANCH = 8, 9, 10, 11, 12
MATERIALS = 13
REACH = 24.0
"""Distance (mm) up to which a body's distance is evaluated; farther away it does not shape the fat."""


class Chambers(NamedTuple):
    """Bodies in the heart frame: parameters (N, 16) and (M, 13) with their materials."""

    ellipsoids: np.ndarray
    ellipsoid_material: np.ndarray
    tubes: np.ndarray
    tube_material: np.ndarray


class _Builder:
    """Collects bodies; positions are given in the heart frame, directions of far vessels in RAS."""

    def __init__(self, rotation: np.ndarray) -> None:
        self.rotation = rotation  # rows: heart axes in RAS
        self.ellipsoids: list[np.ndarray] = []
        self.tubes: list[np.ndarray] = []
        self.materials: tuple[list[int], list[int]] = ([], [])

    def body(self, material: int, centre: np.ndarray, semi: tuple[float, ...], *, ras: bool = False) -> None:
        axes = self.rotation.T if ras else np.eye(3)
        bound = max(semi) + REACH
        self.ellipsoids.append(np.concatenate([centre, axes.ravel(), semi, [bound]]))
        self.materials[0].append(material)

    def tube(self, material: int, points: list, radii: list[float], reach: float = REACH) -> None:
        for n in range(len(points) - 1):
            self.tubes.append(capsule(points[n], points[n + 1], radii[n], radii[n + 1], reach))
            self.materials[1].append(material)

    def away(self, point: np.ndarray, ras: tuple[float, ...]) -> np.ndarray:
        """Return ``point`` moved by a displacement that is given in RAS."""
        return np.asarray(point, float) + self.rotation @ np.asarray(ras, float)

    def build(self) -> Chambers:
        return Chambers(
            np.array(self.ellipsoids),
            np.array(self.materials[0]),
            np.array(self.tubes),
            np.array(self.materials[1]),
        )


def heart_rotation(subject: Subject) -> np.ndarray:
    """Return the (3, 3) rotation whose rows are the heart's x, y and z axes in RAS."""
    z, x = np.array(subject.body.long_axis), np.array(subject.body.septal_normal)
    return np.array([x, np.cross(x, z), z])


def chambers_at(subject: Subject, v: Ventricle, level: float, size: float) -> Chambers:
    """Return chambers and vessels at contraction ``level``; ``size`` is the ED epicardial radius of the LV, mm."""
    builder = _Builder(heart_rotation(subject))
    unit = size / 33.0 * 0.5 + 0.5 * subject.other.scale
    valve = np.array([v.outflow_x, v.outflow_y, v.outflow_z])
    root = np.array([v.normal_x, v.normal_y, v.normal_z])
    _left_atrium(builder, subject, v, level, unit)
    _aorta(builder, subject, v, valve=valve, root=root, unit=unit)
    trunk = _right_ventricle(builder, subject, v, level=level, unit=unit, size=size)
    _pulmonary(builder, subject, trunk)
    _right_atrium(builder, subject, v, level, unit)
    _coronaries(builder, subject, v, valve=valve, root=root, unit=unit, size=size)
    return builder.build()


def _left_atrium(builder: _Builder, subject: Subject, v: Ventricle, level: float, unit: float) -> None:
    jitter, k = subject.other.jitter, subject.other.left_atrium * unit
    # The roof is fixed; filling in systole follows the descending annulus.
    fill = 1.0 + 0.07 * level
    semi = (26.0 * k * fill, (24.0 + 2.0 * jitter[0]) * k * fill, (21.0 + 1.5 * jitter[1]) * k * fill)
    centre = np.array([-7.0 + 2.5 * jitter[2], 6.0 + 3.0 * jitter[3], -4.0 - 20.0 * k + 0.4 * v.base])
    builder.body(LEFT_ATRIUM, centre, semi)
    mouth = np.array([v.mitral_x, v.mitral_y, v.base - 3.0])
    neck = mouth + (centre - mouth) * 0.5
    builder.tube(
        LEFT_ATRIUM, [mouth + [0, 0, 6.0], mouth, neck], [v.mitral_radius, v.mitral_radius, 1.15 * v.mitral_radius]
    )
    for side, up, back in ((1, 1, -8), (1, -1, -15), (-1, 1, -13), (-1, -1, -19)):
        start = builder.away(centre, (16.0 * k * side, 0.6 * back, (10.0 * up + jitter[4]) * k))
        stop = builder.away(start, ((34.0 + 3 * jitter[22]) * side, 1.1 * back, 7.0 * up + 4.0 * jitter[5]))
        far = builder.away(stop, (30.0 * side, back, 22.0 * up))
        builder.tube(VEIN, [start, stop, far], [7.0 * k, 5.0, 3.0], 6.0)
    ear = builder.away(centre, (-19.0 * k, 12.0 * k, 10.0 * k))
    middle = builder.away(ear, (-9.0, 13.0 + 2 * jitter[6], 3.0 + 2 * jitter[7]))
    tip = builder.away(middle, (5.0 + 3 * jitter[8], 15.0, -3.0 + 4 * jitter[9]))
    builder.tube(LEFT_ATRIUM, [ear, middle, tip], [9.0 * k, 7.0 * k, 4.5 * k])


def _aorta(
    builder: _Builder, subject: Subject, v: Ventricle, *, valve: np.ndarray, root: np.ndarray, unit: float
) -> None:
    k, jitter = subject.other.aorta * (0.5 + 0.5 * unit), subject.other.jitter
    sinus = valve + root * 9.0
    builder.tube(AORTA, [valve + root * 3.0, sinus], [v.outflow_radius * 0.85, 15.0 * k])
    side, other = np.cross(root, [0.0, 0.0, 1.0]), np.cross(root, np.cross(root, [0.0, 0.0, 1.0]))
    for turn in (0.3, 0.3 + 2.094, 0.3 + 4.189):
        cusp = valve + root * 8.0 + (side * np.cos(turn) + other * np.sin(turn)) * 6.5 * k
        builder.body(AORTA, cusp, (10.0 * k, 10.0 * k, 10.0 * k))
    tubular = builder.away(sinus, (1.0 + 2 * jitter[10], 4.0, 16.0))
    upper = builder.away(tubular, (3.0, -1.0 + 3 * jitter[11], 38.0))
    arch = builder.away(upper, (-6.0, -12.0, 24.0))
    builder.tube(AORTA, [sinus, tubular, upper, arch], [14.0 * k, 14.5 * k, 15.0 * k, 14.0 * k])
    body = subject.body
    spine = -np.array(body.base)
    radius = body.descending_aorta
    # The descending aorta runs on the left of the vertebral bodies.
    top = builder.rotation @ (spine + [-24.0, 12.0, 110.0])
    middle = builder.rotation @ (spine + [-22.0 + 3 * jitter[12], 16.0 + radius * 0.6, 10.0])
    low = builder.rotation @ (spine + [-10.0 + 4 * jitter[13], 22.0 + radius * 0.6, -130.0])
    builder.tube(DESCENDING, [arch, top, middle, low], [14.0 * k, radius * 1.1, radius, radius * 0.9], 8.0)


def _right_ventricle(
    builder: _Builder, subject: Subject, v: Ventricle, *, level: float, unit: float, size: float
) -> np.ndarray:
    """Add the right ventricle and its outflow; return the centre of the pulmonary valve."""
    jitter, k = subject.other.jitter, subject.other.right_ventricle * unit
    squeeze = 1.0 - 0.22 * level * min(1.0, subject.left.ejection / 0.5)
    q = size / 33.0
    length = v.base + v.length
    half = 0.5 * (length + 8.0)
    centre = np.array([(22.0 + jitter[14]) * q, -4.0 + 3.0 * jitter[15], 0.45 * length + 0.45 * v.base])
    reach = q * 24.0 + (14.0 + 26.0 * (k - 0.5)) * squeeze
    builder.body(
        RIGHT_VENTRICLE, centre, (reach - 10.0 * q, 38.0 * k * (0.5 + 0.5 * squeeze), half * (1 - 0.1 * level))
    )
    inflow = np.array([40.0 * q, -9.0, 16.0 + v.base])
    builder.tube(RIGHT_VENTRICLE, [inflow, centre + [6.0, 0.0, 0.0]], [16.0 * k * squeeze**0.5, 14.0 * k * squeeze])
    body = np.array([33.0 * q, 14.0, 24.0 + 0.5 * v.base])
    valve = np.array([24.0 * q + 3 * jitter[16], 32.0 * q, 14.0 + 4 * jitter[17]])
    builder.tube(RIGHT_VENTRICLE, [body, valve], [16.0 * k * squeeze, 12.0 * subject.other.pulmonary])
    return valve


def _pulmonary(builder: _Builder, subject: Subject, valve: np.ndarray) -> None:
    k, jitter = subject.other.pulmonary, subject.other.jitter
    trunk = builder.away(valve, (-7.0, -8.0, 16.0))
    upper = builder.away(trunk, (-3.0 + 2 * jitter[18], -16.0, 12.0))
    fork = builder.away(upper, (2.0, -14.0, 3.0))
    right = builder.away(fork, (28.0, -12.0, -1.0))
    hilum = builder.away(right, (36.0, -6.0, -4.0))
    left = builder.away(fork, (-20.0, -22.0, 5.0))
    lobe = builder.away(left, (-16.0, -16.0, -20.0))
    builder.tube(PULMONARY, [valve, trunk, upper, fork], [12.5 * k, 13.5 * k, 13.0 * k, 12.0 * k])
    builder.tube(BRANCH, [fork, right, hilum], [10.5 * k, 10.0 * k, 7.0 * k], 10.0)
    builder.tube(BRANCH, [fork, left, lobe], [10.5 * k, 9.0 * k, 5.0 * k], 10.0)


def _right_atrium(builder: _Builder, subject: Subject, v: Ventricle, level: float, unit: float) -> None:
    jitter, k = subject.other.jitter, subject.other.right_atrium * unit
    fill = 1.0 + 0.06 * level
    centre = np.array([44.0 * unit + 2 * jitter[19], -4.0 + 3 * jitter[20], -16.0 + 0.4 * v.base])
    builder.body(RIGHT_ATRIUM, centre, (23.0 * k * fill, 28.0 * k * fill, 34.0 * k * fill), ras=True)
    ring = np.array([41.0 * unit, -9.0, 4.0 + v.base])
    builder.tube(RIGHT_ATRIUM, [centre, ring], [18.0 * k, 16.0 * k])
    ear = builder.away(centre, (-8.0, 20.0 * k, 16.0 * k))
    builder.tube(RIGHT_ATRIUM, [centre, ear, builder.away(ear, (-12.0, 10.0, 8.0))], [14.0 * k, 11.0 * k, 7.0 * k])
    cava = builder.away(centre, (-7.0, -7.0, 26.0 * k))
    builder.tube(
        SUPERIOR_CAVA,
        [cava, builder.away(cava, (-2.0, -2.0, 30.0)), builder.away(cava, (-4.0, -2.0, 90.0))],
        [9.5, 9.5, 9.0],
        12.0,
    )
    lower = builder.away(centre, (-12.0, -10.0, -22.0 * k))
    builder.tube(INFERIOR_CAVA, [lower, builder.away(lower, (0.0, -6.0, -60.0))], [11.5, 12.5], 12.0)
    if subject.other.lead:
        tip = np.array([30.0 * unit, -16.0, 55.0])
        builder.tube(METAL, [builder.away(cava, (-3.0, -2.0, 80.0)), cava, centre, ring, tip], [1.0] * 5, 4.0)


def _coronaries(
    builder: _Builder,
    subject: Subject,
    v: Ventricle,
    *,
    valve: np.ndarray,
    root: np.ndarray,
    unit: float,
    size: float,
) -> None:
    q, lift = size / 33.0, v.base
    jitter = subject.other.jitter
    ostium = valve + root * 13.0
    thick = [1.9, 1.8, 1.7, 1.6, 1.4, 1.1, 0.9]
    right = [
        ostium + [12, 2, 4],
        [42 * q, 24, 2 + lift],
        [58 * unit, 8, -2 + lift],
        [60 * unit, -12, lift],
        [48 * unit, -32, 2 + lift],
        [26 * q, -36 * q, 4 + lift],
        [14 * q, -36 * q, 34 + 0.5 * lift],
    ]
    builder.tube(CORONARY, right, thick, 4.0)
    outer = v.radius + v.wall
    angle = 1.05 + 0.1 * jitter[21]
    left = [ostium + [-9, 4, 2]]
    for level in (0.05, 0.25, 0.5, 0.75, 0.95):
        r = (outer + 2.0) * (1.0 if level < 0.4 else max(0.25, 1.0 - ((level - 0.4) / 0.72) ** 2) ** 0.5)
        left.append([r * np.cos(angle), r * np.sin(angle), lift + level * v.length])
    builder.tube(CORONARY, left, thick, 4.0)
    ring = v.base_radius + v.wall
    circumflex = [ostium + [-9, 4, 2]]
    for turn in (1.9, 2.5, 3.1, 3.7):
        circumflex.append([(ring + 3) * np.cos(turn), (ring + 3) * np.sin(turn), lift - 4.0])
    builder.tube(CORONARY, circumflex, thick, 4.0)
    sinus = [[(ring + 4) * np.cos(turn), (ring + 4) * np.sin(turn), lift - 9.0] for turn in (2.7, 3.5, 4.3, 5.1)]
    builder.tube(SINUS, [*sinus, [30.0 * q, -22.0, lift - 12.0]], [2.2, 3.0, 3.6, 4.5, 5.5], 4.0)
    rng = np.random.default_rng(subject.seed)
    turns = np.linspace(1.8, 5.6, 6)
    reach = v.mitral_radius + 1.5
    annulus = [[v.mitral_x + reach * np.cos(turn), v.mitral_y + reach * np.sin(turn), lift - 1.5] for turn in turns]
    for _ in range(int(subject.other.calcium * 8)):
        path = (left, right, circumflex, annulus)[int(rng.integers(4))]
        n = int(rng.integers(len(path) - 1))
        start = np.asarray(path[n]) + (np.asarray(path[n + 1]) - path[n]) * rng.uniform()
        builder.tube(METAL, [start, start + rng.normal(0.0, 2.0, 3)], [rng.uniform(0.6, 1.6)] * 2, 4.0)
