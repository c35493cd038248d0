"""The one call: a label mask, or two signed distances, to wall thickness."""

from __future__ import annotations

import time

import numpy as np

from ..errors import ThicknessError
from ..grid import LVM, Grid
from ..progress import Progress, silent
from .flow import streamlines
from .flow.derived import Measured
from .flow.flags import epicardium, flag
from .flow.follow import Flow
from .heat.cascade import first_guess
from .heat.laplace import solve
from .heat.stencil import build_stencil
from .model import REASONS, Streamlines, ThicknessResult
from .wall import surfaces
from .wall.base import plane_base
from .wall.continuation import continued_masks
from .wall.frame import Field, make_field
from .wall.prepare import BEYOND_MM, Prepared, prepare

# Voxels of linear continuation about signed distances that end at the surface.
PAD = 6


def measure_thickness(
    labels: np.ndarray,
    affine: np.ndarray,
    *,
    base_plane: tuple | None = None,
    base_curves: list[np.ndarray] | None = None,
    method: str = "bicgstab",
    threads: int | None = None,
    progress: Progress = silent,
) -> ThicknessResult:
    """Measure wall thickness along the heat flow from the epicardium to the endocardium.

    Parameters
    ----------
    labels : ndarray (Z, Y, X) uint8
        0 background, 1 LV blood pool, 2 LVM.
    affine : ndarray (4, 4)
        Voxel index ``(i, j, k)`` to RAS mm; oblique and left-handed ones are fine, sheared ones are not.
    base_plane : tuple of point (3,) and normal (3,), optional
        RAS mm, the normal away from the apex. By default the base is found from the mask; a ventricle that is closed
        all around has none. The wall is continued 6 mm beyond it, where ∂u/∂n = 0: an upright wall's own condition.
    base_curves : list of ndarray (N, 3), optional
        In place of a plane: points along the mitral annulus, closed, RAS mm; and along the aortic one.
    method : {"bicgstab", "jacobi", "torch"}
        Solver of Laplace's equation: compiled for the CPU; the paper's, slow; in torch, on a GPU where there is one.
    threads : int, optional
        Threads for the flow lines; by default one a core. The result is the same to the last bit.
    progress : Progress

    Returns
    -------
    ThicknessResult

    Raises
    ------
    GridError
        The affine is sheared, not finite or not invertible.
    LabelError
        Labels outside {0, 1, 2}.
    ThicknessError
        No blood pool, no wall, two ventricles, exchanged labels, a base plane that misses the heart or stands upside
        down, no point with a thickness.

    References
    ----------
    Jones, Buchbinder, Aharon (2000), PMC6872107; Yezzi, Prince (2003), doi 10.1109/tmi.2003.817775.
    """
    clock = _Clock()
    progress(0.0, "Checking the mask")
    prepared = prepare(labels, affine, base_plane, base_curves)
    clock.stop("prepare")
    progress(0.1, "Finding the surfaces")
    base = prepared.base
    if base is None:
        masks = [(prepared.labels > 0).astype(np.float32), (prepared.labels == 1).astype(np.float32)]
    else:
        reach = BEYOND_MM + surfaces.reach_mm(prepared.spacing)
        masks = continued_masks(prepared.labels, prepared.spacing, base, reach)
    epi, endo = (surfaces.distance_from_occupancy(mask, prepared.spacing) for mask in masks)
    clock.stop("surfaces")
    _require_wall(epi, endo)
    field = make_field(epi, endo, prepared.spacing, base, beyond_mm=BEYOND_MM)
    clock.stop("grid")
    return _measure(field, prepared, np.shape(labels), method=method, threads=threads, progress=progress, clock=clock)


def measure_thickness_from_sdf(
    epi: np.ndarray,
    endo: np.ndarray,
    affine: np.ndarray,
    *,
    base_plane: tuple | None = None,
    method: str = "bicgstab",
    threads: int | None = None,
    progress: Progress = silent,
) -> ThicknessResult:
    """Measure wall thickness between two surfaces that are given as signed distances.

    Parameters
    ----------
    epi, endo : ndarray (Z, Y, X)
        Signed distance to the epicardium and the endocardium, mm, negative inside. Beyond the array they
        are continued linearly, beyond a base plane by reflection.
    affine, base_plane, method, threads, progress
        As in `measure_thickness`; without a base plane the wall is closed.

    Raises
    ------
    GridError, ThicknessError
        As in `measure_thickness`; also for distances that are not finite or of different shapes.
    """
    clock = _Clock()
    epi, endo = np.asarray(epi, np.float32), np.asarray(endo, np.float32)
    if epi.ndim != 3 or epi.shape != endo.shape or not (np.isfinite(epi).all() and np.isfinite(endo).all()):
        raise ThicknessError(
            "signed distances",
            expected="two finite 3D arrays of one shape",
            found=f"shapes {epi.shape} and {endo.shape}, or NaN",
            remedy="Compute both distances on the image's grid.",
        )
    grid = Grid(epi.shape, affine)
    grid.require_orthogonal("signed distances")
    shape = epi.shape
    epi, endo = (np.pad(sdf, PAD, mode="reflect", reflect_type="odd") for sdf in (epi, endo))
    grid = Grid(epi.shape, grid.affine @ _shift(-PAD))
    labels = np.where(endo < 0, 1, np.where(epi < 0, LVM, 0)).astype(np.uint8)
    local = None
    if base_plane is not None:
        local = plane_base(*base_plane).moved(grid.directions.T, -grid.directions.T @ grid.affine[:3, 3])
    findings = {"base": "closed" if local is None else "given"}
    prepared = Prepared(
        labels,
        np.zeros(labels.shape, bool),
        grid.spacing,
        grid.affine,
        _shift(-PAD),
        local,
        *(np.empty((0, 3)),) * 2,
        findings,
    )
    _require_wall(epi, endo)
    field = make_field(epi, endo, grid.spacing, local)
    clock.stop("grid")
    return _measure(field, prepared, shape, method=method, threads=threads, progress=progress, clock=clock)


def _require_wall(epi, endo):
    if not (endo < 0).any():
        _refuse("a blood pool that is too small to have a surface")
    if not ((endo > 0) & (epi < 0)).any():
        _refuse("no wall between its surfaces")


def _refuse(found):
    raise ThicknessError(
        "label map",
        expected="a wall about a blood pool that is at least five voxels across",
        found=found,
        remedy="Check that label 2 surrounds label 1, that the base plane lies at the base, and the voxel size.",
    )


def _most(reasons):
    return REASONS[int(np.bincount(reasons).argmax())] if reasons.size else "the wall lies inside the blood pool"


def _shift(voxels):
    matrix = np.eye(4)
    matrix[:3, 3] = voxels
    return matrix


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now


def _measure(field: Field, prepared: Prepared, shape, *, method, threads, progress, clock) -> ThicknessResult:
    progress(0.3, "Solving Laplace's equation")
    stencil = build_stencil(field.epi, field.endo, field.spacing, field.top)
    if len(stencil.nodes) == 0:
        _refuse("no wall below the base")
    clock.stop("stencil")
    solution = solve(stencil, method=method, start=first_guess(field, stencil))
    clock.stop("solve")
    progress(0.5, "Following the flow")
    gradient = streamlines.gradient_volume(stencil, solution.potential, field.top)
    clock.stop("gradient")
    seeds, triangles = epicardium(field, prepared)
    clock.stop("mesh")
    flow = Flow(field, gradient, threads)
    points, offsets, lengths, reasons = flow.trace(seeds, field.endo, up=False)
    clock.stop("trace")
    reasons = flag(field, prepared, shape, (points, offsets), (lengths, reasons))
    invalid = reasons > 0
    if invalid.all():
        _refuse(f"no point of the epicardium with a thickness: {_most(reasons)}")
    thickness = np.where(invalid, np.nan, lengths)
    rotation, translation = _to_ras(field, prepared)
    if np.linalg.det(rotation) < 0:
        triangles = triangles[:, ::-1].copy()
    points, offsets = _lines(points, offsets, invalid)
    lines = Streamlines(*streamlines.finished(points, offsets, rotation, translation), offsets)
    clock.stop("result")
    info = {
        **prepared.findings,
        "solver": method,
        "iterations": solution.iterations,
        "residual": solution.residual,
        "wall_nodes": len(stencil.nodes),
        "step_mm": [float(value) for value in field.spacing],
        "seconds": clock.seconds,
    }
    measured = Measured(flow, field, prepared, shape, seeds, reasons, rotation, translation)
    return ThicknessResult(
        seeds @ rotation.T + translation, thickness, triangles, lines, invalid, reasons, info, measured
    )


def _lines(points, offsets, invalid):
    """Drop all but the first point of the lines of invalid vertices."""
    if not invalid.any():
        return points, offsets
    counts = np.diff(offsets)
    keep = np.repeat(~invalid, counts)
    keep[offsets[:-1]] = True
    return points[keep], np.concatenate([[0], np.cumsum(np.where(invalid, 1, counts))])


def _to_ras(field, prepared):
    """Rotation and translation from the field's frame, mm, to RAS mm."""
    directions = Grid(prepared.labels.shape, prepared.affine).directions
    return directions @ field.rotation, directions @ field.translation + prepared.affine[:3, 3]
