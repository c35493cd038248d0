"""Compile the kernels into numba's cache, once: without this each of the test processes compiles them for itself."""

from __future__ import annotations

import numpy as np
from LVMLib.annotation.axes import find_axes
from LVMLib.annotation.surfaces import EPICARDIUM, drag, fit_labels
from LVMLib.grid import Grid
from LVMLib.phantom import SITE_1, case_subject, heart_grid, render_phase
from LVMLib.thickness import measure_cycle

VOXEL_MM, HALF = 3.0, 13


def half_shell(inner_mm: float, outer_mm: float) -> tuple[np.ndarray, Grid]:
    """Return labels and grid of half a spherical wall, open on top."""
    z, y, x = np.mgrid[-HALF : HALF + 1, -HALF : HALF + 1, -HALF : HALF + 1] * VOXEL_MM
    radius = np.sqrt(x**2 + y**2 + z**2)
    labels = np.where(radius < inner_mm, 1, np.where(radius < outer_mm, 2, 0)).astype(np.uint8)
    labels[z + 0.4 * x > 6.0] = 0  # oblique: the wall is resampled too
    affine = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
    affine[:3, 3] = -HALF * VOXEL_MM
    return labels, Grid(labels.shape, affine)


def main() -> None:
    """Use every room that has kernels, on the smallest input that it takes."""
    (ed, grid), (es, _) = half_shell(22.0, 32.0), half_shell(18.0, 32.0)
    measure_cycle([ed, es], grid.affine)
    subject = case_subject(SITE_1, 1, 1)
    render_phase(subject, 0.0, heart_grid(subject, spacing_mm=12.0, crop="heart"))
    surfaces = fit_labels(ed, grid, find_axes(ed, grid)).surfaces
    grip = surfaces.nearest(EPICARDIUM, np.array([0.0, 0.0, -40.0]))
    moved = drag(surfaces, EPICARDIUM, grip, grip + [0.0, 0.0, -3.0]).surfaces
    moved.update_labels(surfaces.to_labels(grid), surfaces, grid)


if __name__ == "__main__":
    main()
