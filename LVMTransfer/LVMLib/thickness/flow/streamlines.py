"""Heat-flow lines through the wall: dX/dt = -∇u / |∇u|, from the epicardium to the endocardium."""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

import math

import numba
import numpy as np

from ..heat.stencil import EPI, Stencil

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
# Why a line has no thickness; 0 means that it has one.
OK, LEFT_GRID, NO_GRADIENT, TOO_LONG = 0, 1, 2, 3
# A line has landed when it is this near to the surface, mm.
LANDING_MM = 1e-4
# A line is given up when it is this long, mm: four times the thickest wall that is known in hypertrophy.
MAX_LENGTH_MM = 120.0


def gradient_volume(stencil: Stencil, potential: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Return ∇u on the wall nodes, continued three voxels outside.

    Returns
    -------
    ndarray (Z, Y, X, 3) float32
        Along x, y, z, 1/mm; zero where it is not known.
    """
    gradient = np.zeros((*stencil.index.shape, 3), np.float32)
    known = np.zeros(stencil.index.shape, np.uint8)
    _node_gradients(stencil.nodes, stencil.neighbours, stencil.fractions, stencil.spacing, potential, gradient, known)
    _mirror(gradient, known, top)
    front = stencil.nodes
    for level in (2, 3, 4):
        front = _continue_outside(gradient, known, front, top, level)
    _mirror(gradient, known, top)
    return gradient


@numba.njit(**_CACHE)
def _node_gradients(nodes, neighbours, fractions, spacing, potential, gradient, known):
    for row in range(nodes.shape[0]):
        k, j, i = nodes[row, 0], nodes[row, 1], nodes[row, 2]
        known[k, j, i] = 1
        here = potential[row]
        for axis in range(3):
            slopes = 0.0
            low, high = fractions[row, 2 * axis], fractions[row, 2 * axis + 1]
            for side in range(2):
                other = neighbours[row, 2 * axis + side]
                value = potential[other] if other >= 0 else (1.0 if other == EPI else 0.0)
                near, far = (low, high) if side == 0 else (high, low)
                slopes += (2 * side - 1) * (value - here) / near * far
            gradient[k, j, i, axis] = slopes / ((low + high) * spacing[axis])


@numba.njit(**_CACHE)
def _mirror(gradient, known, top):
    nz, ny, nx = known.shape
    for j in range(ny):
        for i in range(nx):
            for k in range(top[j, i] + 1, nz):
                source = 2 * top[j, i] + 1 - k
                if source < 0:
                    break
                known[k, j, i] = known[source, j, i]
                gradient[k, j, i, 0] = gradient[source, j, i, 0]
                gradient[k, j, i, 1] = gradient[source, j, i, 1]
                gradient[k, j, i, 2] = -gradient[source, j, i, 2]


@numba.njit(**_CACHE)
def _continue_outside(gradient, known, front, top, level):
    """Extrapolate one layer from ``front``, linearly where two nodes in a row are known; return the new layer."""
    nz, ny, nx = known.shape
    layer = np.empty((front.shape[0] * 6, 3), np.int32)
    count = 0
    for row in range(front.shape[0]):
        for side in range(6):
            d = 2 * (side % 2) - 1
            k = front[row, 0] + (d if side // 2 == 2 else 0)
            j = front[row, 1] + (d if side // 2 == 1 else 0)
            i = front[row, 2] + (d if side // 2 == 0 else 0)
            if k < 2 or j < 2 or i < 2 or k >= nz - 2 or j >= ny - 2 or i >= nx - 2:
                continue
            if known[k, j, i] == 0 and k <= top[j, i]:
                known[k, j, i] = level
                layer[count, 0], layer[count, 1], layer[count, 2] = k, j, i
                count += 1
    for row in range(count):
        _extrapolate(gradient, known, layer[row, 0], layer[row, 1], layer[row, 2], level)
    return layer[:count]


@numba.njit(**_CACHE)
def _extrapolate(gradient, known, k, j, i, level):
    total = 0.0
    gx, gy, gz = 0.0, 0.0, 0.0
    for side in range(6):
        d = 2 * (side % 2) - 1
        dk = d if side // 2 == 2 else 0
        dj = d if side // 2 == 1 else 0
        di = d if side // 2 == 0 else 0
        first = known[k + dk, j + dj, i + di]
        if first == 0 or first >= level:
            continue
        second = known[k + 2 * dk, j + 2 * dj, i + 2 * di]
        linear = 1.0 if 0 < second < level else 0.0
        near, far = gradient[k + dk, j + dj, i + di], gradient[k + 2 * dk, j + 2 * dj, i + 2 * di]
        # Along the gradient the continuation is the surest; a constant one is the last resort.
        along = abs(near[0] * di + near[1] * dj + near[2] * dk)
        w = (along * along + 1e-12) * (1.0 if linear > 0 else 0.05)
        gx += w * (near[0] + linear * (near[0] - far[0]))
        gy += w * (near[1] + linear * (near[1] - far[1]))
        gz += w * (near[2] + linear * (near[2] - far[2]))
        total += w
    if total > 0:
        gradient[k, j, i, 0], gradient[k, j, i, 1], gradient[k, j, i, 2] = gx / total, gy / total, gz / total


@numba.njit(**_CACHE)
def sample(volume, fx, fy, fz):
    """Trilinear value of a scalar volume at a fractional index inside the array."""
    i, j, k = int(fx), int(fy), int(fz)
    x, y, z = fx - i, fy - j, fz - k
    low = (volume[k, j, i] * (1 - x) + volume[k, j, i + 1] * x) * (1 - y)
    low += (volume[k, j + 1, i] * (1 - x) + volume[k, j + 1, i + 1] * x) * y
    high = (volume[k + 1, j, i] * (1 - x) + volume[k + 1, j, i + 1] * x) * (1 - y)
    high += (volume[k + 1, j + 1, i] * (1 - x) + volume[k + 1, j + 1, i + 1] * x) * y
    return low * (1 - z) + high * z


@numba.njit(**_CACHE)
def within(shape, fx, fy, fz, margin):
    inside = margin <= fx < shape[2] - 1 - margin and margin <= fy < shape[1] - 1 - margin
    return inside and margin <= fz < shape[0] - 1 - margin


@numba.njit(**_CACHE)
def _direction(gradient, scale, x, y, z):
    """Unit vector down the potential at (x, y, z) mm, the slope there, 1/mm, and why there is none, or 0.

    ``scale``: steps a mm.
    """
    fx, fy, fz = x * scale[0], y * scale[1], z * scale[2]
    if not within(gradient.shape, fx, fy, fz, 0):
        return 0.0, 0.0, 0.0, 0.0, LEFT_GRID
    i, j, k = int(fx), int(fy), int(fz)
    ax, ay, az = fx - i, fy - j, fz - k
    gx, gy, gz = 0.0, 0.0, 0.0
    for dk in range(2):
        wz = az if dk else 1 - az
        for dj in range(2):
            wyz = wz * (ay if dj else 1 - ay)
            for di in range(2):
                w = wyz * (ax if di else 1 - ax)
                gx += w * gradient[k + dk, j + dj, i + di, 0]
                gy += w * gradient[k + dk, j + dj, i + di, 1]
                gz += w * gradient[k + dk, j + dj, i + di, 2]
    norm = math.sqrt(gx * gx + gy * gy + gz * gz)
    if norm < 1e-7:
        return 0.0, 0.0, 0.0, 0.0, NO_GRADIENT
    return -gx / norm, -gy / norm, -gz / norm, norm, OK


@numba.njit(**_CACHE)
def _rk4(gradient, scale, start, way, step):
    """One step of the classical Runge-Kutta method of the fourth order; negative steps climb.

    Parameters
    ----------
    start, way : tuple
        The point, mm, and `_direction` there.

    Returns
    -------
    tuple
        The next point, the fall of the potential on the way to it (Simpson's rule), and why there is none, or 0.
    """
    x, y, z = start
    ax, ay, az, a, bad = way
    h = 0.5 * step
    bx, by, bz, b, bad = _direction(gradient, scale, x + h * ax, y + h * ay, z + h * az)
    if bad:
        return start, 0.0, bad
    cx, cy, cz, c, bad = _direction(gradient, scale, x + h * bx, y + h * by, z + h * bz)
    if bad:
        return start, 0.0, bad
    dx, dy, dz, d, bad = _direction(gradient, scale, x + step * cx, y + step * cy, z + step * cz)
    s = step / 6
    point = (
        x + s * (ax + 2 * bx + 2 * cx + dx),
        y + s * (ay + 2 * by + 2 * cy + dy),
        z + s * (az + 2 * bz + 2 * cz + dz),
    )
    return point, abs(s) * (a + 2 * b + 2 * c + d), bad


@numba.njit(**_CACHE)
def trace(gradient, distance, scale, seeds, step, max_steps, points, offsets):
    """Follow the flow from every seed until ``distance`` falls to zero; land on that surface exactly.

    Parameters
    ----------
    gradient : ndarray (Z, Y, X, 3) float32
        From `gradient_volume`; zero where it is not known.
    distance : ndarray (Z, Y, X) float32
        Signed distance to the goal, mm, positive on the way.
    scale : tuple of float
        Steps of the grid a mm, along x, y, z.
    seeds : ndarray (S, 3)
        Starting points, mm, ``index / scale``.
    step : float
        mm; negative to climb the potential.
    max_steps : int
    points : ndarray (at least S * (max_steps + 2), 4) float64
        Filled with the lines, one behind the other: x, y, z, mm, and how far the potential has changed on the way.
    offsets : ndarray (S + 1,) int64
        Filled with where each line begins in ``points``.

    Returns
    -------
    lengths : ndarray (S,)
        Sum of the distances between consecutive points, mm; NaN without a landing.
    reasons : ndarray (S,) uint8
    """
    count = seeds.shape[0]
    lengths = np.empty(count)
    reasons = np.empty(count, np.uint8)
    position = 0
    for s in range(count):
        here = (seeds[s, 0], seeds[s, 1], seeds[s, 2])
        offsets[s] = position
        position = _put(points, position, here, 0.0)
        value = sample(distance, here[0] * scale[0], here[1] * scale[1], here[2] * scale[2])
        way = _direction(gradient, scale, here[0], here[1], here[2])
        length, fall, landed, reason = 0.0, 0.0, value <= 0, way[4]
        for _ in range(max_steps):
            if landed or reason:
                break
            there, drop, reason = _rk4(gradient, scale, here, way, step)
            if reason or not within(distance.shape, there[0] * scale[0], there[1] * scale[1], there[2] * scale[2], 0):
                reason = max(reason, LEFT_GRID)
                break
            after = sample(distance, there[0] * scale[0], there[1] * scale[1], there[2] * scale[2])
            onward = _direction(gradient, scale, there[0], there[1], there[2])
            if after <= 0:
                there, drop = _land(distance, scale, (here, way, value), (there, onward, after), step)
                landed = True
            else:
                reason = onward[4]
            length += math.sqrt((there[0] - here[0]) ** 2 + (there[1] - here[1]) ** 2 + (there[2] - here[2]) ** 2)
            fall += drop
            here, way, value = there, onward, after
            position = _put(points, position, here, fall)
        lengths[s] = length if landed else np.nan
        reasons[s] = OK if landed else (reason if reason else TOO_LONG)
    offsets[count] = position
    return lengths, reasons


@numba.njit(**_CACHE)
def _put(points, row, point, fall):
    points[row, 0], points[row, 1], points[row, 2], points[row, 3] = point[0], point[1], point[2], fall
    return row + 1


@numba.njit(**_CACHE)
def _land(distance, scale, before, after, step):
    """Where the step between two states (point, direction, distance) meets the surface, and the fall of the potential.

    The step is Hermite's cubic through both points and directions, the meeting point found by the Illinois secant.
    """
    low, high, f_low, f_high = 0.0, 1.0, before[2], after[2]
    point, t = before[0], 0.0
    for _ in range(8):
        t = (low * f_high - high * f_low) / (f_high - f_low) if f_high != f_low else 0.5 * (low + high)
        point = _on_step(before, after, step, t)
        value = sample(distance, point[0] * scale[0], point[1] * scale[1], point[2] * scale[2])
        if abs(value) < LANDING_MM:
            break
        if value > 0:
            low, f_low, f_high = t, value, 0.5 * f_high
        else:
            high, f_high, f_low = t, value, 0.5 * f_low
    slope = before[1][3]
    bend = after[1][3] - slope if after[1][4] == 0 else 0.0
    return point, abs(step) * t * (slope + 0.5 * t * bend)


@numba.njit(**_CACHE)
def _on_step(before, after, step, t):
    """The point at fraction t of a step; a straight one where the direction at its end is not known."""
    (x, y, z), (u, v, w) = before[0], after[0]
    if after[1][4]:
        return x + t * (u - x), y + t * (v - y), z + t * (w - z)
    end = t * t * (3 - 2 * t)
    leaving, arriving = step * t * (1 - t) * (1 - t), step * t * t * (t - 1)
    first, last = before[1], after[1]
    return (
        x + end * (u - x) + leaving * first[0] + arriving * last[0],
        y + end * (v - y) + leaving * first[1] + arriving * last[1],
        z + end * (w - z) + leaving * first[2] + arriving * last[2],
    )


@numba.njit(**_CACHE)
def finished(lines, offsets, rotation, translation):
    """Return the points (P, 3) float32 as ``rotation p + translation``, and the potential (P,) float32 on the way.

    The potential runs from 1 at the start to 0 at the end of every line of more than one point.
    """
    points = np.empty((lines.shape[0], 3), np.float32)
    potential = np.empty(lines.shape[0], np.float32)
    for line in range(offsets.size - 1):
        total = lines[offsets[line + 1] - 1, 3]
        for row in range(offsets[line], offsets[line + 1]):
            potential[row] = 1 - lines[row, 3] / total if total > 0 else 1.0
            x, y, z = lines[row, 0], lines[row, 1], lines[row, 2]
            for axis in range(3):
                value = rotation[axis, 0] * x + rotation[axis, 1] * y + rotation[axis, 2] * z
                points[row, axis] = value + translation[axis]
    return points, potential
