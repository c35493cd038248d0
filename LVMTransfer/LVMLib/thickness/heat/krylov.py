"""Iterations on the rows of the discrete Laplace equation, each row divided by its diagonal.

Rows far from both surfaces have the same six weights and come in runs along x: their matrix is not stored at all.
"""

from __future__ import annotations

import numba
import numpy as np

from .stencil import EPI, Stencil

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
MOST_ITERATIONS = {"bicgstab": 2000, "jacobi": 200_000}


def iterate(stencil: Stencil, x: np.ndarray, *, method: str, tolerance: float) -> tuple[int, float]:
    """Improve ``x`` (N,) float64 in place; return the iterations and the residual's largest entry.

    Parameters
    ----------
    method : {"bicgstab", "jacobi"}
    """
    b = np.zeros(x.size)
    runs, others = (part.copy() for part in _runs(stencil.neighbours, stencil.fractions))
    links, coefficients = rows(stencil.neighbours, stencil.fractions, stencil.spacing, others, b)
    inverse = stencil.spacing**-2.0
    matrix = (runs, tuple((inverse / (2 * inverse.sum())).tolist()), others, links, coefficients)
    run = {"bicgstab": _bicgstab, "jacobi": _jacobi}[method]
    return run(matrix, b, x, tolerance, MOST_ITERATIONS[method])


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
def rows(neighbours, fractions, spacing, others, b):
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
