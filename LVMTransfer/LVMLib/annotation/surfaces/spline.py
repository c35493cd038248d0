"""Uniform cubic B-splines on the control points of the surfaces: values, and the smoothest fit to samples.

A value is a mean of 16 control points with weights between 0 and 1, so that a limit which all control points keep is
kept everywhere (de Boor 1978).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from scipy import sparse
from scipy.sparse.linalg import splu

ROUNDS = 3


@njit(cache=True, error_model="numpy", inline="always")
def weights(t):
    """Return the four weights of a cubic B-spline at the fraction ``t`` of an interval."""
    u = 1.0 - t
    return (
        u * u * u / 6.0,
        (3.0 * t * t * (t - 2.0) + 4.0) / 6.0,
        (3.0 * u * u * (u - 2.0) + 4.0) / 6.0,
        t * t * t / 6.0,
    )


@njit(cache=True, error_model="numpy", inline="always")
def value(padded, u, v):
    """Return the spline at row ``u``, column ``v`` (in control points); ``padded`` has one more before, two after."""
    rows, columns = padded.shape[0] - 3, padded.shape[1] - 3
    u = min(max(u, 0.0), rows - 1.0)
    v = min(max(v, 0.0), float(columns))
    i, j = min(int(u), rows - 1), min(int(v), columns - 1)
    a0, a1, a2, a3 = weights(u - i)
    b0, b1, b2, b3 = weights(v - j)
    p = padded
    return (
        a0 * (b0 * p[i, j] + b1 * p[i, j + 1] + b2 * p[i, j + 2] + b3 * p[i, j + 3])
        + a1 * (b0 * p[i + 1, j] + b1 * p[i + 1, j + 1] + b2 * p[i + 1, j + 2] + b3 * p[i + 1, j + 3])
        + a2 * (b0 * p[i + 2, j] + b1 * p[i + 2, j + 1] + b2 * p[i + 2, j + 2] + b3 * p[i + 2, j + 3])
        + a3 * (b0 * p[i + 3, j] + b1 * p[i + 3, j + 1] + b2 * p[i + 3, j + 2] + b3 * p[i + 3, j + 3])
    )


@njit(cache=True, error_model="numpy")
def values(padded, u, v):
    """Return the spline at many places; ``u`` and ``v`` have one dimension."""
    out = np.empty(u.shape[0])
    for n in range(u.shape[0]):
        out[n] = value(padded, u[n], v[n])
    return out


def pad_lateral(control: np.ndarray) -> np.ndarray:
    """Return control points ``(rows, angles)`` padded around: beyond the pole lies the other side of the apex."""
    rows, angles = control.shape
    out = np.empty((rows + 3, angles + 3))
    inner = out[:, 1 : angles + 1]
    inner[1 : rows + 1] = control
    inner[0] = np.roll(control[1], angles // 2)
    inner[rows + 1 :] = control[-1]
    out[:, 0], out[:, angles + 1 :] = out[:, angles], out[:, 1:3]
    return out


def pad_base(control: np.ndarray) -> np.ndarray:
    """Return control points of the base padded by their edge."""
    return np.pad(control, ((1, 2), (1, 2)), mode="edge")


def settle_pole(control: np.ndarray) -> np.ndarray:
    """Return control points whose surface has one point and one tangent plane at the apex.

    Row 0 keeps its mean; row 1 its mean and first harmonic. Then both sides of the pole agree in value.
    """
    out = np.array(control)
    out[0] = out[0].mean()
    wave = np.fft.rfft(out[1])
    wave[2:] = 0.0
    out[1] = np.fft.irfft(wave, out.shape[1])
    return out


def taps(u: np.ndarray, v: np.ndarray, shape: tuple[int, int], *, lateral: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return flat indices and weights, each ``(N, 16)``, of the control points that make the values at places.

    ``lateral``: columns go round and rows go on beyond the pole; otherwise edges repeat.
    """
    rows, columns = shape
    u = np.clip(np.asarray(u, dtype=float), 0.0, rows - 1.0)
    v = np.mod(v, columns) if lateral else np.clip(np.asarray(v, dtype=float), 0.0, columns - 1.0)
    i, j = np.minimum(u.astype(int), rows - 1), np.minimum(v.astype(int), columns - 1)
    a, b = np.stack(weights(u - i), axis=1), np.stack(weights(v - j), axis=1)
    row = (i[:, None] + np.arange(-1, 3))[:, :, None]
    column = np.broadcast_to((j[:, None] + np.arange(-1, 3))[:, None, :], (len(i), 4, 4))
    if lateral:
        column = np.where(row < 0, column + columns // 2, column) % columns
        row = np.abs(row)
    index = np.minimum(np.maximum(row, 0), rows - 1) * columns + np.minimum(np.maximum(column, 0), columns - 1)
    return index.reshape(len(i), 16), (a[:, :, None] * b[:, None, :]).reshape(len(i), 16)


def fit_control(
    u: np.ndarray,
    v: np.ndarray,
    samples: np.ndarray,
    weight: np.ndarray,
    shape: tuple[int, int],
    *,
    lateral: bool,
    smoothing: float,
    flattening: float,
    outlier_mm: float = 1.0,
) -> np.ndarray:
    """Return the control points ``shape`` whose spline is nearest to samples, smooth where there are none.

    Parameters
    ----------
    u, v, samples, weight : ndarray (N,)
        Places in control points, values in mm, and their weights (0 = ignore).
    shape : tuple of int
        Rows and columns.
    lateral : bool
        Columns go round, and row 0 is the pole.
    smoothing, flattening : float
        Weight of the squared second and first differences beside one sample.
    outlier_mm : float
        Samples farther than this from the surface count less (Cauchy weights, three rounds); infinite = none does.
    """
    count = shape[0] * shape[1]
    used = weight > 0
    samples, weight = samples[used], weight[used]
    index, part = taps(u[used], v[used], shape, lateral=lateral)
    row = np.repeat(np.arange(len(index)), 16)
    design = sparse.csr_matrix((part.ravel(), (row, index.ravel())), (len(index), count))
    free = _pole(shape) if lateral else sparse.identity(count, format="csr")
    rough = smoothing * _roughness(shape, 2, lateral) + flattening * _roughness(shape, 1, lateral)
    design, rough = design @ free, free.T @ rough @ free
    current, solved = weight, np.zeros(free.shape[1])
    for _ in range(ROUNDS if np.isfinite(outlier_mm) else 1):
        solved = splu((design.T @ design.multiply(current[:, None]) + rough).tocsc()).solve(
            design.T @ (current * samples)
        )
        current = weight / (1.0 + ((design @ solved - samples) / outlier_mm) ** 2)
    return (free @ solved).reshape(shape)


def _roughness(shape: tuple[int, int], order: int, lateral: bool) -> sparse.csr_matrix:
    """Return the matrix of the sum of squared differences along both directions."""
    rows, columns = shape
    total = sparse.csr_matrix((rows * columns, rows * columns))
    stencil = np.array([-1.0, 1.0]) if order == 1 else np.array([1.0, -2.0, 1.0])
    number = np.arange(rows * columns).reshape(shape)
    for along in (0, 1):
        if along == 1 and lateral:
            groups = [np.roll(number, -k, axis=1) for k in range(order + 1)]
        else:
            size = shape[along] - order
            groups = [np.take(number, range(k, k + size), axis=along) for k in range(order + 1)]
        column = np.stack([group.ravel() for group in groups], axis=1)
        row = np.repeat(np.arange(len(column)), order + 1)
        parts = sparse.csr_matrix((np.tile(stencil, len(column)), (row, column.ravel())), (len(column), rows * columns))
        total = total + parts.T @ parts
    return total


def _pole(shape: tuple[int, int]) -> sparse.csr_matrix:
    """Return the matrix from free control points to all: 1 for row 0, 3 (mean, cosine, sine) for row 1."""
    rows, columns = shape
    angle = 2 * np.pi * np.arange(columns) / columns
    first = np.stack([np.ones(columns), np.cos(angle), np.sin(angle)], axis=1)
    return sparse.block_diag([np.ones((columns, 1)), first, sparse.identity((rows - 2) * columns)], format="csr")
