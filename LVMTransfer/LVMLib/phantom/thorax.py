"""The trunk around the heart, at rest: chest wall, ribs, sternum, spine, lungs, diaphragm, liver, stomach."""

# ruff: noqa: PLR0917
# Kernels take coordinates and distances as positional scalars: numba has no keyword-only arguments.

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .shapes import occupancy, smooth_min, smoothstep


class Trunk(NamedTuple):
    """The trunk; RAS mm from the middle of the vertebral body at the level of the LV base."""

    half_width: float  # of the lung cavity
    half_depth: float
    centre_y: float
    skin_fat: float
    right_dome: float  # height of the diaphragm
    left_dome: float
    heart_x: float
    heart_y: float
    heart_width: float  # half width of the tissue between spine, heart and sternum
    gas: float
    aorta: float
    lung: float
    liver: float
    fat: float
    soft: float
    seed: float
    lobe: float  # reach of the left lobe of the liver to the left, mm
    vessel: float  # HU of lung vessels


@njit(cache=True, fastmath=True, error_model="numpy", inline="always")
def _oval(x: float, y: float, a: float, b: float) -> float:
    """Return the first-order distance to the superellipse of exponent 2.5."""
    p, q = (abs(x) / a) ** 2.5, (abs(y) / b) ** 2.5
    total = max(p + q, 1e-9)
    f = total**0.4
    gradient = f / total * math.sqrt((p / max(abs(x), 1e-6)) ** 2 + (q / max(abs(y), 1e-6)) ** 2)
    return (f - 1.0) / max(gradient, 1e-6)


@njit(cache=True, fastmath=True, error_model="numpy")
def _diaphragm(b, x: float, y: float) -> float:
    """Return the height of the diaphragm."""
    right = b.right_dome - ((x - 70.0) ** 2 + 1.3 * (y - 55.0) ** 2) / 260.0
    left = b.left_dome - ((x + 62.0) ** 2 + 1.3 * (y - 52.0) ** 2) / 240.0
    # The heart lies on the central tendon.
    saddle = b.left_dome - 2.0 - 0.004 * (x - b.heart_x) ** 2 - 0.005 * (y - b.heart_y - 25.0) ** 2
    return max(right, left, saddle)


@njit(cache=True, fastmath=True, error_model="numpy")
def _vessels(x: float, y: float, z: float, b) -> float:
    """Return the distance to lung vessels: curves where two smooth fields vanish, thinner away from the hila."""
    s = b.seed
    hx = abs(x) - 35.0
    far = math.sqrt(hx * hx + (y - 25.0) ** 2 + (z - 25.0) ** 2)
    nearest = 1e3
    for octave in range(3):
        f = 0.055 if octave == 0 else (0.10 if octave == 1 else 0.17)
        a = math.sin(f * (x + 0.6 * y) + s + 1.2 * math.sin(f * 0.8 * z + s))
        a += 0.6 * math.sin(f * 1.3 * (z - y) + 2.0 * s)
        c = math.sin(f * (z - 0.5 * x) + 2.0 * s + 1.1 * math.sin(f * 0.9 * y - s))
        c += 0.6 * math.sin(f * 1.4 * (x + z) - s)
        distance = math.sqrt(a * a + c * c) / (1.25 * f)
        radius = (5.0 if octave == 0 else (3.4 if octave == 1 else 2.4)) * math.exp(-far / 85.0)
        nearest = min(nearest, distance - radius)
    return nearest


@njit(cache=True, fastmath=True, error_model="numpy")
def _wall(b, x: float, y: float, z: float, cavity: float, width: float) -> float:
    """Return the HU of the chest wall at ``cavity`` mm outside the lung cavity."""
    s = b.seed
    muscle = 22.0 + 6.0 * math.sin(0.02 * x + s) + (10.0 if y < 0.0 else 0.0)
    value = b.soft + 8.0 + (b.fat - b.soft) * 0.85 * smoothstep(0.2, 0.9, math.sin(0.5 * cavity + 0.03 * x + 0.02 * z))
    value += (b.fat - value) * occupancy(muscle - cavity, width)
    front = smoothstep(0.0, 80.0, y - b.centre_y + 20.0)
    ring = z + 0.45 * (y - b.centre_y) + 0.1 * abs(x) * front
    offset = ring / 27.0 + 0.1 * s
    turn = (offset - math.floor(offset) - 0.5) * 27.0
    rib = math.sqrt((turn / 1.25) ** 2 + (cavity - 8.0) ** 2 * 2.2) - 5.2
    gristle = smoothstep(75.0, 45.0, abs(x)) * smoothstep(30.0, 50.0, y - b.centre_y) if abs(x) < 75.0 else 0.0
    bone = (150.0 + 550.0 * smoothstep(-2.2, -0.6, rib)) * (1.0 - gristle) + 105.0 * gristle
    value += (bone - value) * occupancy(rib, width)
    top = b.centre_y + b.half_depth
    plate = max(abs(x) - 17.0 - 3.0 * math.sin(0.11 * z), abs(y - top - 7.0) - 5.5)
    if z < -55.0:
        plate = max(plate, -55.0 - z)
    value += ((140.0 + 420.0 * smoothstep(-2.0, -0.5, plate)) - value) * occupancy(plate, width)
    return value


@njit(cache=True, fastmath=True, error_model="numpy")
def _spine(b, x: float, y: float, z: float, width: float, value: float) -> float:
    """Composite vertebrae, discs and the spinal canal."""
    offset = z / 28.0 + 0.13 * b.seed
    turn = abs(offset - math.floor(offset) - 0.5) * 28.0
    body = _oval(x, y, 16.0 - 1.5 * math.cos(turn * 0.3), 13.5)
    disc = turn > 11.0
    bone = 90.0 if disc else 170.0 + 330.0 * smoothstep(-2.4, -0.6, max(body, turn - 11.0)) + 30.0 * math.sin(x + z)
    value += (bone - value) * occupancy(body, width)
    arch = max(_oval(x, y + 24.0, 19.0, 13.0), -_oval(x, y + 22.0, 10.0, 8.5))
    arch = max(min(arch, max(abs(x) - 3.5, abs(y + 42.0) - 14.0)), turn - 9.0)
    return value + ((250.0 + 350.0 * smoothstep(-2.0, -0.5, arch)) - value) * occupancy(arch, width)


@njit(cache=True, fastmath=True, error_model="numpy")
def _mediastinum(b, x: float, y: float, z: float) -> float:
    """Return the distance to the tissue that holds heart, spine and great vessels together."""
    spine = _oval(x + 4.0, y - 3.0, 24.0 + 0.3 * b.aorta, 26.0)
    middle = max(abs(x - 0.3 * b.heart_x) - b.heart_width, -y, y - b.heart_y - 5.0)
    top = b.centre_y + b.half_depth
    # Behind the sternum the two lungs nearly meet: the fat narrows to the front and widens again at the bone.
    sheet = 3.0 + 0.28 * max(0.0, top - 18.0 - y) + 0.6 * max(0.0, y - top + 14.0)
    front = max(abs(x - 8.0) - min(sheet, b.heart_width), b.heart_y - y)
    return smooth_min(smooth_min(spine, middle, 16.0), front, 12.0)


@njit(cache=True, fastmath=True, error_model="numpy")
def _abdomen(b, x: float, y: float, z: float, depth: float, width: float) -> float:
    """Return the HU ``depth`` mm below the diaphragm."""
    value = b.fat
    lobe = x + b.lobe - 0.25 * (y - 60.0) + 6.0 * math.sin(0.05 * z + b.seed)
    liver = max(-lobe, 2.0 - depth)
    value += (b.liver - value) * occupancy(liver, width)
    sx, sy, sz = (x + 66.0) / 42.0, (y - 55.0) / 40.0, (z - b.left_dome + 34.0) / 30.0
    k = math.sqrt(sx * sx + sy * sy + sz * sz)
    stomach = max((k - 1.0) * 33.0, 2.5 - depth)
    value += (b.soft - 8.0 - value) * occupancy(stomach, width)
    bubble = max(stomach + 4.0, 62.0 + 25.0 * (1.0 - b.gas) - y)
    if b.gas > 0.25:
        value += (-960.0 - value) * occupancy(bubble, width)
    sx, sy, sz = (x + 92.0) / 30.0, (y - 5.0) / 42.0, (z - b.left_dome + 38.0) / 38.0
    spleen = max((math.sqrt(sx * sx + sy * sy + sz * sz) - 1.0) * 33.0, 2.5 - depth)
    value += (b.liver + 25.0 - value) * occupancy(spleen, width)
    return value + (b.soft - value) * occupancy(depth - 2.5, width)


@njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def render_trunk(affine, origin, b, width, hu):
    """Fill ``hu`` (Z, Y, X) float32 with the trunk without the heart; ``origin`` is the RAS mm of the trunk's frame."""
    for k in range(hu.shape[0]):
        for j in range(hu.shape[1]):
            for i in range(hu.shape[2]):
                x = affine[0, 0] * i + affine[0, 1] * j + affine[0, 2] * k + affine[0, 3] - origin[0]
                y = affine[1, 0] * i + affine[1, 1] * j + affine[1, 2] * k + affine[1, 3] - origin[1]
                z = affine[2, 0] * i + affine[2, 1] * j + affine[2, 2] * k + affine[2, 3] - origin[2]
                hu[k, j, i] = _trunk_hu(b, x, y, z, width)


@njit(cache=True, fastmath=True, error_model="numpy")
def _trunk_hu(b, x: float, y: float, z: float, width: float) -> float:
    narrow = 1.0 - 0.0012 * max(0.0, z)
    cavity = _oval(x, y - b.centre_y, b.half_width * narrow, b.half_depth)
    skin = cavity - 26.0 - b.skin_fat - (6.0 if y < 0.0 else 0.0)
    if skin > width:
        return -1000.0
    if cavity > width:
        inside = 0.0
    else:
        depth = _diaphragm(b, x, y) - z
        inside = b.lung + 25.0 * math.sin(0.04 * y + b.seed) - 0.35 * (y - b.centre_y)
        if depth < width:
            vessel = _vessels(x, y, z, b)
            inside += (b.vessel - inside) * occupancy(vessel, width)
            tissue = _mediastinum(b, x, y, z)
            # Oesophagus, nodes and ligaments lie in front of the spine, fat farther in front.
            stuff = b.fat + (b.soft - b.fat) * smoothstep(0.0, 30.0, 34.0 - y + 8.0 * math.sin(0.05 * z + 0.07 * x))
            inside += (stuff - inside) * occupancy(tissue, width)
        if depth > -width:
            inside += (_abdomen(b, x, y, z, depth, width) - inside) * occupancy(-depth, width)
    value = inside
    if cavity > -width:
        value = _wall(b, x, y, z, cavity, width)
        value += (inside - value) * occupancy(cavity, width)
    value += (-1000.0 - value) * occupancy(-skin, width)
    if abs(x) < 30.0 and y < 30.0:
        value = _spine(b, x, y, z, width, value)
    return value


def trunk_of(subject, lowest: float, front: float, left: float) -> Trunk:
    """Return the trunk that holds a heart with the given extent.

    Parameters
    ----------
    subject : Subject
    lowest, front, left : float
        Lowest z, largest y and smallest x of the heart at ED, RAS mm in the trunk's frame.
    """
    body, tissue = subject.body, subject.contrast
    rng = np.random.default_rng(subject.seed + 1)
    back = -34.0
    top = front + rng.uniform(1.0, 14.0)
    half_depth = 0.5 * (top - back)
    half_width = max(body.size[0], -left + rng.uniform(4.0, 30.0))
    return Trunk(
        half_width=half_width,
        half_depth=half_depth,
        centre_y=0.5 * (top + back),
        skin_fat=body.size[2],
        right_dome=lowest + body.diaphragm[0],
        left_dome=lowest + body.diaphragm[1],
        heart_x=body.base[0],
        heart_y=body.base[1],
        heart_width=float(rng.uniform(14.0, 26.0)),
        gas=body.stomach_gas,
        aorta=body.descending_aorta,
        lung=tissue.lung,
        liver=tissue.liver,
        fat=tissue.fat,
        soft=tissue.soft,
        seed=body.seed,
        lobe=float(rng.uniform(15.0, 75.0)),
        vessel=0.5 * (tissue.pulmonary + tissue.left_atrium),
    )
