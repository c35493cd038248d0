"""The one call that solves Laplace's equation, whatever the method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import ThicknessError
from . import krylov, krylov_torch
from .stencil import Stencil


@dataclass(frozen=True)
class Solution:
    """A potential on the wall nodes, with the work that it took."""

    potential: np.ndarray
    iterations: int
    residual: float


def solve(stencil: Stencil, *, method: str = "bicgstab", tolerance: float = 1e-4, start=None) -> Solution:
    """Solve Laplace's equation on the wall nodes.

    Parameters
    ----------
    stencil : Stencil
    method : {"bicgstab", "jacobi", "torch"}
        Jacobi-preconditioned BiCGStab (van der Vorst 1992); the plain Jacobi iteration of Gupta et al., the reference;
        or the first one in torch, on a GPU where there is one.
    tolerance : float
        The residual's largest entry, in units of the potential. From a first guess by `cascade` the default moves no
        flow line by more than 0.3 µm.
    start : ndarray (N,), optional
        First guess.

    Raises
    ------
    ThicknessError
        The iteration did not reach the tolerance, or there is no such method.
    """
    x = np.full(len(stencil.nodes), 0.5) if start is None else np.array(start, float)
    if method == "torch":
        iterations, residual = krylov_torch.iterate(stencil, x, tolerance=tolerance)
    elif method in krylov.MOST_ITERATIONS:
        iterations, residual = krylov.iterate(stencil, x, method=method, tolerance=tolerance)
    else:
        raise ThicknessError(
            "method",
            expected="bicgstab, jacobi or torch",
            found=repr(method),
            remedy="Leave it out for the fastest one on a CPU.",
        )
    if not residual <= tolerance * 10:
        raise ThicknessError(
            "Laplace solver",
            expected=f"a residual of at most {tolerance:g}",
            found=f"{residual:g} after {iterations} iterations",
            remedy="Remove parts of the wall that touch neither surface, then try again.",
        )
    return Solution(x, int(iterations), float(residual))
