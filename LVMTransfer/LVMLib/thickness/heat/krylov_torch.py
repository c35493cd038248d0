"""The Krylov iteration in torch, for a GPU; its rows are those of `krylov`."""

from __future__ import annotations

import numpy as np

from .krylov import MOST_ITERATIONS, rows
from .stencil import Stencil


def iterate(stencil: Stencil, x: np.ndarray, *, tolerance: float, device: str | None = None) -> tuple[int, float]:
    """Improve ``x`` (N,) float64 in place by BiCGStab; return the iterations and the residual's largest entry.

    Parameters
    ----------
    device : str, optional
        Of torch; by default the first CUDA device, else the CPU.

    Raises
    ------
    ImportError
        torch is not installed.
    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    b = np.zeros(x.size)
    every = np.arange(x.size, dtype=np.int32)
    links, coefficients = rows(stencil.neighbours, stencil.fractions, stencil.spacing, every, b)
    matrix = torch.from_numpy(links.astype(np.int64)).to(device), torch.from_numpy(coefficients).to(device)
    solution, iterations, residual = _bicgstab(
        matrix, torch.from_numpy(b).to(device), torch.from_numpy(x).to(device), tolerance
    )
    x[:] = solution.cpu().numpy()
    return iterations, residual


def _apply(matrix, x):
    links, coefficients = matrix
    return x - (coefficients * x[links]).sum(dim=1)


def _bicgstab(matrix, b, x, tolerance):
    r = b - _apply(matrix, x)
    shadow, p, v = r.clone(), r.clone(), None
    rho, alpha, omega = r @ r, 1.0, 1.0
    for iteration in range(MOST_ITERATIONS["bicgstab"]):
        residual = float(r.abs().max())
        if residual <= tolerance:
            return x, iteration, residual
        if v is not None:
            before, rho = rho, shadow @ r
            p = r + (rho / before) * (alpha / omega) * (p - omega * v)
        v = _apply(matrix, p)
        alpha = rho / (shadow @ v)
        r = r - alpha * v
        t = _apply(matrix, r)
        omega = (t @ r) / (t @ t)
        x = x + alpha * p + omega * r
        r = r - omega * t
    return x, MOST_ITERATIONS["bicgstab"], float(r.abs().max())
