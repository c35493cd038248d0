"""Laplace's equation in the wall: u = 1 on the epicardium, u = 0 on the endocardium, ∂u/∂n = 0 at the base.

Shortley and Weller's stencil (1938) puts both surfaces where the signed distances vanish, not at voxel faces; see Ng,
Chen, Min and Gibou (2009), doi 10.1007/s10915-009-9299-8, for its order. Unknowns are the wall nodes only, and every
row is divided by its diagonal: that is Jacobi preconditioning. One node has six neighbours, W E S N B T.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

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
