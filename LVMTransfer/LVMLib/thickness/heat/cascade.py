"""A first guess of the potential from coarser grids: the cascadic multigrid method.

Deuflhard (1994), "Cascadic conjugate gradient methods", and Bornemann and Deuflhard (1996), doi
10.1007/s002110050234: every grid starts from the solution on one of twice the step, so that the finest has to remove
short errors only, which a Krylov method does in a few iterations.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numba
import numpy as np

from ..wall.frame import Field
from .laplace import solve
from .stencil import Stencil, build_stencil

_CACHE = {"cache": True, "nogil": True, "error_model": "numpy"}
# A grid with fewer nodes than this is solved from a guess by the distances alone.
COARSEST_NODES = 2000
# A node takes its guess from the coarser grid if at least this part of the weights of the interpolation is known.
MIN_WEIGHT = 0.3


def first_guess(field: Field, stencil: Stencil) -> np.ndarray:
    """Return a potential (N,) on the stencil's nodes that is right up to short errors.

    Parameters
    ----------
    field : Field
        The distances that the stencil was built from.
    stencil : Stencil
    """
    guess = _by_distance(field.epi, field.endo, stencil.nodes)
    if len(guess) < COARSEST_NODES or min(field.epi.shape) < 8:
        return guess
    coarse, first_layer = _halved(field)
    below = build_stencil(coarse.epi, coarse.endo, coarse.spacing, coarse.top)
    if len(below.nodes) == 0:
        return guess
    potential = solve(below, start=first_guess(coarse, below)).potential
    known = (below.index >= 0).astype(np.uint8)
    values = np.zeros(known.shape)
    values[known > 0] = potential[below.index[known > 0]]
    _extend(values, known, coarse.epi, coarse.endo)
    _interpolate(values, known, stencil.nodes, first_layer, guess)
    return guess


@numba.njit(**_CACHE)
def _by_distance(epi, endo, nodes):
    guess = np.empty(nodes.shape[0])
    for row in range(nodes.shape[0]):
        k, j, i = nodes[row, 0], nodes[row, 1], nodes[row, 2]
        guess[row] = endo[k, j, i] / (endo[k, j, i] - epi[k, j, i])
    return guess


def _halved(field):
    """The field with twice the step, its layers paired so that the base stays between two, and the first layer used."""
    first_layer = (int(field.top.max()) + 1) % 2
    top = (field.top[: field.top.shape[0] // 2 * 2 : 2, : field.top.shape[1] // 2 * 2 : 2] + 1 - first_layer) // 2 - 1
    epi, endo = _pooled(field.epi, first_layer), _pooled(field.endo, first_layer)
    top = np.clip(top, 0, epi.shape[0] - 1).astype(np.int32)
    return replace(field, epi=epi, endo=endo, spacing=2 * field.spacing, top=top), first_layer


@numba.njit(**_CACHE)
def _pooled(volume, first_layer):
    """Means of 2 x 2 x 2 voxels, from the layer ``first_layer`` on."""
    out = np.empty(((volume.shape[0] - first_layer) // 2, volume.shape[1] // 2, volume.shape[2] // 2), np.float32)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                z, y, x = 2 * k + first_layer, 2 * j, 2 * i
                total = volume[z, y, x] + volume[z, y, x + 1] + volume[z, y + 1, x] + volume[z, y + 1, x + 1]
                z += 1
                total += volume[z, y, x] + volume[z, y, x + 1] + volume[z, y + 1, x] + volume[z, y + 1, x + 1]
                out[k, j, i] = total / 8
    return out


@numba.njit(**_CACHE)
def _extend(values, known, epi, endo):
    """Continue the potential one voxel beyond both surfaces, with the slope against the distance that it has inside."""
    nz, ny, nx = values.shape
    for k in range(1, nz - 1):
        for j in range(1, ny - 1):
            for i in range(1, nx - 1):
                if known[k, j, i]:
                    continue
                outer = epi[k, j, i] >= 0
                rise, run = 0.0, 0.0
                for c in range(27):
                    z, y, x = k + c // 9 - 1, j + c // 3 % 3 - 1, i + c % 3 - 1
                    if known[z, y, x] == 1:
                        distance = -epi[z, y, x] if outer else endo[z, y, x]
                        rise += distance * (1 - values[z, y, x] if outer else values[z, y, x])
                        run += distance * distance
                if run > 0:
                    known[k, j, i] = 2
                    slope = rise / run
                    values[k, j, i] = 1 + slope * epi[k, j, i] if outer else slope * endo[k, j, i]


@numba.njit(**_CACHE)
def _interpolate(values, known, nodes, first_layer, guess):
    """Overwrite the guess (N,) of the fine nodes with the linear interpolation of the coarse values."""
    nz, ny, nx = values.shape
    for row in range(nodes.shape[0]):
        fz = (nodes[row, 0] - first_layer - 0.5) / 2
        fy, fx = (nodes[row, 1] - 0.5) / 2, (nodes[row, 2] - 0.5) / 2
        k, j, i = math.floor(fz), math.floor(fy), math.floor(fx)
        total, weights = 0.0, 0.0
        for c in range(8):
            z, y, x = k + (c >> 2), j + ((c >> 1) & 1), i + (c & 1)
            if 0 <= z < nz and 0 <= y < ny and 0 <= x < nx and known[z, y, x]:
                w = (1 - abs(fz - z)) * (1 - abs(fy - y)) * (1 - abs(fx - x))
                total += w * values[z, y, x]
                weights += w
        if weights >= MIN_WEIGHT:
            guess[row] = min(max(total / weights, 0.0), 1.0)
