"""Laplace's equation in the wall: u = 1 on the epicardium, u = 0 on the endocardium, ∂u/∂n = 0 at the base.

Shortley and Weller's stencil (1938) puts both surfaces where the signed distances vanish, not at voxel faces; see Ng,
Chen, Min and Gibou (2009), doi 10.1007/s10915-009-9299-8, for its order. Unknowns are the wall nodes only, and every
row is divided by its diagonal: that is Jacobi preconditioning. One node has six neighbours, W E S N B T.
"""

# ruff: noqa: PLR0917 -- compiled kernels take arrays by position
from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from ..errors import ThicknessError

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
# A neighbour that is a surface and no node: its potential.
ENDO, EPI = -1, -2
# Nearer to a surface than this fraction of a step, a node is treated as that far away (keeps the rows finite).
MIN_FRACTION = 1e-3


@dataclass(frozen=True, eq=False)
class Stencil:
    """The discrete Laplace equation on N wall nodes.

    Parameters
    ----------
    index : ndarray (Z, Y, X) int32
        Row of a node, -1 outside the wall; beyond the base, the row of the node's mirror image.
    nodes : ndarray (N, 3) int32
        ``(k, j, i)`` of every row.
    neighbours : ndarray (N, 6) int32
        Row of each neighbour, or `ENDO` or `EPI`.
    fractions : ndarray (N, 6) float32
        Distance to the neighbour in steps: 1, or less where a surface lies between.
    spacing : ndarray (3,) float
        Steps along x, y, z, mm.
    """

    index: np.ndarray
    nodes: np.ndarray
    neighbours: np.ndarray
    fractions: np.ndarray
    spacing: np.ndarray


@dataclass(frozen=True)
class Solution:
    """A potential on the wall nodes, with the work that it took."""

    potential: np.ndarray
    iterations: int
    residual: float


def build_stencil(epi: np.ndarray, endo: np.ndarray, spacing: np.ndarray, top: np.ndarray) -> Stencil:
    """Return the stencil of the wall ``{endo > 0, epi < 0}`` below the base.

    Parameters
    ----------
    epi, endo : ndarray (Z, Y, X) float32
        Signed distances to both surfaces, mm, negative inside; beyond the base the mirror image.
    spacing : ndarray (3,)
        Steps along x, y, z, mm.
    top : ndarray (Y, X) int32
        Last layer below the base in every column; ``Z - 1`` where there is none.
    """
    index, nodes = _number(epi, endo, top)
    neighbours, fractions = _connect(epi, endo, index, nodes)
    return Stencil(index, nodes, neighbours, fractions, np.asarray(spacing, float))


@numba.njit(**_CACHE)
def _number(epi, endo, top):
    nz, ny, nx = epi.shape
    index = np.full(epi.shape, -1, np.int32)
    count = 0
    for k in range(1, nz - 1):
        for j in range(1, ny - 1):
            for i in range(1, nx - 1):
                if k <= top[j, i] and endo[k, j, i] > 0 and epi[k, j, i] < 0:
                    index[k, j, i] = count
                    count += 1
    nodes = np.empty((count, 3), np.int32)
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                row = index[k, j, i]
                if row >= 0 and k <= top[j, i]:
                    nodes[row, 0], nodes[row, 1], nodes[row, 2] = k, j, i
                elif k > top[j, i] and 2 * top[j, i] + 1 - k >= 0:
                    index[k, j, i] = index[2 * top[j, i] + 1 - k, j, i]
    return index, nodes


@numba.njit(inline="always")
def _crossing(before, here, after):
    """Fraction of the step from ``here`` (one sign) to ``after`` (the other) at which the parabola vanishes."""
    t = here / (here - after)
    slope, bend = 0.5 * (after - before), 0.5 * (after + before) - here
    for _ in range(2):
        derivative = slope + 2 * t * bend
        if derivative * (after - here) <= 0:
            break
        t -= (here + t * (slope + t * bend)) / derivative
    if not 0.0 <= t <= 1.0:
        t = here / (here - after)
    return min(max(t, MIN_FRACTION), 1.0)


@numba.njit(**_CACHE)
def _connect(epi, endo, index, nodes):
    count = nodes.shape[0]
    neighbours = np.empty((count, 6), np.int32)
    fractions = np.ones((count, 6), np.float32)
    for row in range(count):
        k, j, i = nodes[row, 0], nodes[row, 1], nodes[row, 2]
        for side in range(6):
            step = 2 * (side % 2) - 1
            dk = step if side // 2 == 2 else 0
            dj = step if side // 2 == 1 else 0
            di = step if side // 2 == 0 else 0
            other = index[k + dk, j + dj, i + di]
            neighbours[row, side] = other
            if other >= 0:
                continue
            inner, outer = 2.0, 2.0
            if endo[k + dk, j + dj, i + di] <= 0:
                inner = _crossing(endo[k - dk, j - dj, i - di], endo[k, j, i], endo[k + dk, j + dj, i + di])
            if epi[k + dk, j + dj, i + di] >= 0:
                outer = _crossing(epi[k - dk, j - dj, i - di], epi[k, j, i], epi[k + dk, j + dj, i + di])
            if inner > 1 and outer > 1:
                neighbours[row, side] = row
            else:
                neighbours[row, side] = ENDO if inner <= outer else EPI
                fractions[row, side] = min(inner, outer)
    return neighbours, fractions


@numba.njit(**_CACHE)
def _rows(neighbours, fractions, spacing):
    """Coefficients (N, 6) of ``x = Σ c x_neighbour + b``, and b (N,); surfaces have moved to b."""
    count = neighbours.shape[0]
    coefficients = np.empty((count, 6))
    b = np.zeros(count)
    links = np.empty((count, 6), np.int32)
    for row in range(count):
        diagonal = 0.0
        for axis in range(3):
            low, high = fractions[row, 2 * axis], fractions[row, 2 * axis + 1]
            scale = 2.0 / ((low + high) * spacing[axis] ** 2)
            coefficients[row, 2 * axis] = scale / low
            coefficients[row, 2 * axis + 1] = scale / high
            diagonal += scale / low + scale / high
        for side in range(6):
            coefficients[row, side] /= diagonal
            links[row, side] = neighbours[row, side]
            if neighbours[row, side] < 0:
                if neighbours[row, side] == EPI:
                    b[row] += coefficients[row, side]
                coefficients[row, side] = 0.0
                links[row, side] = row
    return links, coefficients, b


def solve(stencil: Stencil, *, method: str = "bicgstab", tolerance: float = 1e-8, start=None) -> Solution:
    """Solve Laplace's equation on the wall nodes.

    Parameters
    ----------
    stencil : Stencil
    method : {"bicgstab", "jacobi"}
        Jacobi-preconditioned BiCGStab (van der Vorst 1992), or the plain Jacobi iteration of Gupta et al., the
        reference, a thousand times slower.
    tolerance : float
        The residual's largest entry, in units of the potential.
    start : ndarray (N,), optional
        First guess.

    Raises
    ------
    ThicknessError
        The iteration did not reach the tolerance.
    """
    links, coefficients, b = _rows(stencil.neighbours, stencil.fractions, stencil.spacing)
    x = np.full(b.size, 0.5) if start is None else np.array(start, float)
    run = {"bicgstab": _bicgstab, "jacobi": _jacobi}[method]
    iterations, residual = run(links, coefficients, b, x, tolerance, 200_000 if method == "jacobi" else 2000)
    if not residual <= tolerance * 10:
        raise ThicknessError(
            "Laplace solver",
            expected=f"a residual of at most {tolerance:g}",
            found=f"{residual:g} after {iterations} iterations",
            remedy="Remove parts of the wall that touch neither surface, then try again.",
        )
    return Solution(x, int(iterations), float(residual))


@numba.njit(**_CACHE)
def _apply(links, coefficients, x, y):
    for row in range(x.size):
        total = x[row]
        for side in range(6):
            total -= coefficients[row, side] * x[links[row, side]]
        y[row] = total


@numba.njit(**_CACHE)
def _jacobi(links, coefficients, b, x, tolerance, limit):
    change = np.empty(x.size)
    residual = np.inf
    for iteration in range(limit):
        _apply(links, coefficients, x, change)
        residual = 0.0
        for row in range(x.size):
            step = b[row] - change[row]
            residual = max(residual, abs(step))
            x[row] += step
        if residual <= tolerance:
            return iteration + 1, residual
    return limit, residual


@numba.njit(**_CACHE)
def _bicgstab(links, coefficients, b, x, tolerance, limit):
    size = x.size
    r, v, t, p = np.empty(size), np.zeros(size), np.empty(size), np.zeros(size)
    _apply(links, coefficients, x, r)
    for row in range(size):
        r[row] = b[row] - r[row]
    shadow = r.copy()
    rho, alpha, omega = 1.0, 1.0, 1.0
    residual = np.max(np.abs(r)) if size else 0.0
    for iteration in range(limit):
        if residual <= tolerance:
            return iteration, residual
        rho_new = _dot(shadow, r)
        if abs(rho_new) < 1e-300 or omega == 0.0:
            # Breakdown: begin again from the present residual.
            shadow[:] = r
            v[:] = 0.0
            p[:] = 0.0
            rho, alpha, omega = 1.0, 1.0, 1.0
            rho_new = _dot(shadow, r)
        beta = (rho_new / rho) * (alpha / omega)
        rho = rho_new
        for row in range(size):
            p[row] = r[row] + beta * (p[row] - omega * v[row])
        _apply(links, coefficients, p, v)
        alpha = rho / _dot(shadow, v)
        for row in range(size):
            r[row] -= alpha * v[row]
        _apply(links, coefficients, r, t)
        tt = _dot(t, t)
        omega = _dot(t, r) / tt if tt > 0 else 0.0
        residual = 0.0
        for row in range(size):
            x[row] += alpha * p[row] + omega * r[row]
            r[row] -= omega * t[row]
            residual = max(residual, abs(r[row]))
    return limit, residual


@numba.njit(**_CACHE)
def _dot(a, b):
    total = 0.0
    for row in range(a.size):
        total += a[row] * b[row]
    return total
