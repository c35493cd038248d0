"""Laplace's equation in the wall: u = 1 on the epicardium, u = 0 on the endocardium, ∂u/∂n = 0 at the base.

Shortley and Weller's stencil (1938) puts both surfaces where the signed distances vanish, not at voxel faces; see Ng,
Chen, Min and Gibou (2009), doi 10.1007/s10915-009-9299-8, for its order. Unknowns are the wall nodes only, and every
row is divided by its diagonal: that is Jacobi preconditioning. One node has six neighbours, W E S N B T.
"""

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
    index = np.empty((nz, ny, nx), np.int32)
    count = 0
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                index[k, j, i] = -1
                inner = 0 < k < nz - 1 and 0 < j < ny - 1 and 0 < i < nx - 1
                if inner and k <= top[j, i] and endo[k, j, i] > 0 and epi[k, j, i] < 0:
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


@numba.njit(**_CACHE)
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
    fractions = np.empty((count, 6), np.float32)
    for row in range(count):
        k, j, i = nodes[row, 0], nodes[row, 1], nodes[row, 2]
        for side in range(6):
            step = 2 * (side % 2) - 1
            dk = step if side // 2 == 2 else 0
            dj = step if side // 2 == 1 else 0
            di = step if side // 2 == 0 else 0
            other = index[k + dk, j + dj, i + di]
            neighbours[row, side] = other
            fractions[row, side] = 1.0
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
def _runs(neighbours, fractions):
    """Rows without a surface beside them, as runs along x whose neighbours are consecutive too; and the other rows.

    Returns
    -------
    runs : ndarray (R, 6) int32
        First row, last row + 1, and how far away in rows the neighbours S, N, B and T are.
    others : ndarray (M,) int32
    """
    count = neighbours.shape[0]
    runs = np.empty((count, 6), np.int32)
    others = np.empty(count, np.int32)
    last, other = -1, 0
    for row in range(count):
        regular = neighbours[row, 0] == row - 1 and neighbours[row, 1] == row + 1
        for side in range(6):
            regular &= neighbours[row, side] >= 0 and fractions[row, side] == 1
        if not regular:
            others[other] = row
            other += 1
            continue
        follows = last >= 0 and runs[last, 1] == row
        for side in range(2, 6):
            follows = follows and runs[last, side] == neighbours[row, side] - row
        if follows:
            runs[last, 1] = row + 1
        else:
            last += 1
            runs[last, 0], runs[last, 1] = row, row + 1
            for side in range(2, 6):
                runs[last, side] = neighbours[row, side] - row
    return runs[: last + 1], others[:other]


@numba.njit(**_CACHE)
def _rows(neighbours, fractions, spacing, others, b):
    """Links and coefficients (M, 6) of ``x = Σ c x_neighbour + b`` in the rows ``others``; surfaces go to b."""
    coefficients = np.empty((others.size, 6))
    links = np.empty((others.size, 6), np.int32)
    for m in range(others.size):
        row = others[m]
        diagonal = 0.0
        for axis in range(3):
            low, high = fractions[row, 2 * axis], fractions[row, 2 * axis + 1]
            scale = 2.0 / ((low + high) * spacing[axis] * spacing[axis])
            coefficients[m, 2 * axis] = scale / low
            coefficients[m, 2 * axis + 1] = scale / high
            diagonal += scale / low + scale / high
        for side in range(6):
            coefficients[m, side] /= diagonal
            links[m, side] = neighbours[row, side]
            if neighbours[row, side] < 0:
                if neighbours[row, side] == EPI:
                    b[row] += coefficients[m, side]
                coefficients[m, side] = 0.0
                links[m, side] = row
    return links, coefficients


def solve(stencil: Stencil, *, method: str = "bicgstab", tolerance: float = 1e-5, start=None) -> Solution:
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
    b = np.zeros(len(stencil.nodes))
    runs, others = (part.copy() for part in _runs(stencil.neighbours, stencil.fractions))
    links, coefficients = _rows(stencil.neighbours, stencil.fractions, stencil.spacing, others, b)
    inverse = stencil.spacing**-2.0
    matrix = (runs, tuple((inverse / (2 * inverse.sum())).tolist()), others, links, coefficients)
    x = np.full(b.size, 0.5) if start is None else np.array(start, float)
    run = {"bicgstab": _bicgstab, "jacobi": _jacobi}[method]
    iterations, residual = run(matrix, b, x, tolerance, 200_000 if method == "jacobi" else 2000)
    if not residual <= tolerance * 10:
        raise ThicknessError(
            "Laplace solver",
            expected=f"a residual of at most {tolerance:g}",
            found=f"{residual:g} after {iterations} iterations",
            remedy="Remove parts of the wall that touch neither surface, then try again.",
        )
    return Solution(x, int(iterations), float(residual))


@numba.njit(**_CACHE)
def _apply(matrix, x, y):
    runs, weights, others, links, coefficients = matrix
    wx, wy, wz = weights
    for m in range(runs.shape[0]):
        s, n, b, t = runs[m, 2], runs[m, 3], runs[m, 4], runs[m, 5]
        for row in range(runs[m, 0], runs[m, 1]):
            around = wx * (x[row - 1] + x[row + 1]) + wy * (x[row + s] + x[row + n]) + wz * (x[row + b] + x[row + t])
            y[row] = x[row] - around
    for m in range(others.size):
        total = x[others[m]]
        for side in range(6):
            total -= coefficients[m, side] * x[links[m, side]]
        y[others[m]] = total


@numba.njit(**_CACHE)
def _jacobi(matrix, b, x, tolerance, limit):
    change = np.empty(x.size)
    residual = np.inf
    for iteration in range(limit):
        _apply(matrix, x, change)
        residual = 0.0
        for row in range(x.size):
            step = b[row] - change[row]
            residual = max(residual, abs(step))
            x[row] += step
        if residual <= tolerance:
            return iteration + 1, residual
    return limit, residual


@numba.njit(**_CACHE)
def _bicgstab(matrix, b, x, tolerance, limit):
    size = x.size
    r, shadow, p = np.empty(size), np.empty(size), np.empty(size)
    v, t = np.empty(size), np.empty(size)
    _apply(matrix, x, r)
    residual = 0.0
    for row in range(size):
        r[row] = b[row] - r[row]
        residual = max(residual, abs(r[row]))
    rho, alpha, omega = 0.0, 1.0, 1.0
    for iteration in range(limit):
        if residual <= tolerance:
            return iteration, residual
        before, rho = rho, _dot(shadow, r) if iteration else 0.0
        if abs(rho) < 1e-300 or omega == 0.0:
            # The start, or a breakdown: (re)start from the present residual.
            for row in range(size):
                shadow[row] = r[row]
                p[row] = r[row]
            rho = _dot(r, r)
        else:
            beta = (rho / before) * (alpha / omega)
            for row in range(size):
                p[row] = r[row] + beta * (p[row] - omega * v[row])
        _apply(matrix, p, v)
        alpha = rho / _dot(shadow, v)
        for row in range(size):
            r[row] -= alpha * v[row]
        _apply(matrix, r, t)
        square = _dot(t, t)
        omega = _dot(t, r) / square if square > 0 else 0.0
        residual = 0.0
        for row in range(size):
            x[row] += alpha * p[row] + omega * r[row]
            r[row] -= omega * t[row]
            residual = max(residual, abs(r[row]))
    return limit, residual


# The order of the sum is fixed when the kernel is compiled, not when it runs: the same bits every time.
@numba.njit(fastmath={"reassoc", "contract"}, **_CACHE)
def _dot(a, b):
    total = 0.0
    for row in range(a.size):
        total += a[row] * b[row]
    return total
