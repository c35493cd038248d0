"""Wall thickness against analytic truths: the rows of accuracy in ``lvm bench thickness``."""

from __future__ import annotations

import numpy as np

from ...thickness import measure_thickness, measure_thickness_from_sdf
from . import Row
from .thickness_truth import ECCENTRIC, SPHERES, VENTRICLE, Spheroid, Wall

SHAPES = {"concentric spheres": SPHERES, "eccentric spheres": ECCENTRIC, "half ellipsoids": VENTRICLE}
# Sub-voxel positions of the shapes; every accuracy on masks pools all of them.
SHIFTS = np.random.default_rng(2026).uniform(-0.5, 0.5, (3, 3))


def wall_on_grid(wall: Wall, spacing_mm, *, shift=(0.0, 0.0, 0.0), cut: bool | None = None):
    """Return the voxel centres of a grid about a wall, their positions relative to it, and the affine.

    Parameters
    ----------
    wall : Wall
    spacing_mm : float or (3,)
        Along x, y, z.
    shift : (3,)
        Position of the wall against the grid, mm.
    cut : bool, optional
        End the grid at the equator, z = 0; by default for the half ellipsoids only.

    Returns
    -------
    position : tuple of ndarray (Z, Y, X)
        x, y, z of the voxel centres in the wall's own frame, mm.
    affine : ndarray (4, 4)
        Index to RAS mm; the equator of a wall that is cut lies at z = 0.
    """
    cut = wall is VENTRICLE if cut is None else cut
    step = np.broadcast_to(np.asarray(spacing_mm, float), (3,))
    size = np.array([wall.outer.radius, wall.outer.radius, wall.outer.half_length]) + 2 * step
    axes = [np.arange(-np.ceil(s / h), np.ceil(s / h) + 1) * h for s, h in zip(size, step)]
    if cut:
        axes[2] = axes[2][axes[2] < 0] + step[2] / 2
        shift = (shift[0], shift[1], 0.0)
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = [axis[0] for axis in axes]
    return (x - shift[0], y - shift[1], z - shift[2]), affine


def labels_of(wall: Wall, position) -> np.ndarray:
    """Return the label map (Z, Y, X) uint8 of a wall at voxel centres."""
    inner, outer = wall.inner.inside(*position), wall.outer.inside(*position)
    return np.where(inner, 1, np.where(outer, 2, 0)).astype(np.uint8)


def mask_errors(wall: Wall, spacing_mm, *, shifts=SHIFTS) -> tuple[np.ndarray, np.ndarray, int]:
    """Return thickness errors (V,), mm, heights of their vertices (V,), mm, and the number of invalid vertices."""
    errors, heights, invalid = [], [], 0
    for shift in shifts * np.min(spacing_mm):
        position, affine = wall_on_grid(wall, spacing_mm, shift=shift)
        result = measure_thickness(labels_of(wall, position), affine)
        invalid += int(result.invalid.sum())
        errors.append((result.thickness_mm - wall.thickness(result.points - _shift(wall, shift)))[~result.invalid])
        heights.append(result.points[~result.invalid, 2])
    return np.concatenate(errors), np.concatenate(heights), invalid


def distance_errors(wall: Wall, spacing_mm: float) -> np.ndarray:
    """Return thickness errors (V,), mm, from exact signed distances; NaN where a vertex is invalid."""
    position, affine = wall_on_grid(wall, spacing_mm, shift=SHIFTS[0])
    base = ((0, 0, 0), (0, 0, 1)) if wall is VENTRICLE else None
    result = measure_thickness_from_sdf(
        wall.outer.distance(*position), wall.inner.distance(*position), affine, base_plane=base
    )
    return result.thickness_mm - wall.thickness(result.points - _shift(wall, SHIFTS[0]))


def _shift(wall, shift):
    return np.array([shift[0], shift[1], 0.0 if wall is VENTRICLE else shift[2]])


def rows() -> list[Row]:
    """Return every goal of accuracy as a row."""
    return _truth_rows() + _distance_rows() + _mask_rows() + _difficult_rows() + _leaning_rows()


def _truth_rows():
    return [
        Row.at_most(f"boundary condition of the truth, {name}", wall.residual, "", goal=1e-12)
        for name, wall in SHAPES.items()
    ]


def _distance_rows():
    coarse, fine = [[distance_errors(wall, step) for wall in SHAPES.values()] for step in (1.0, 0.5)]
    mean = [max(np.abs(e).mean() for e in errors) for errors in (coarse, fine)]
    return [
        Row.at_most("exact distances 1 mm, mean error", mean[0], "mm", goal=0.01),
        Row.at_most("exact distances 1 mm, max error", max(np.abs(e).max() for e in coarse), "mm", goal=0.05),
        Row.at_least("exact distances, observed order", float(np.log2(mean[0] / mean[1])), "", goal=1.9),
    ]


def _mask_rows():
    rows = []
    for name, wall in SHAPES.items():
        error, height, invalid = mask_errors(wall, 1.0)
        size = np.abs(error)
        rows += [
            Row.at_most(f"mask 1 mm, {name}, |bias|", abs(error.mean()), "mm", goal=0.01),
            Row.at_most(f"mask 1 mm, {name}, mean error", size.mean(), "mm", goal=0.05),
            Row.at_most(f"mask 1 mm, {name}, P95 error", np.percentile(size, 95), "mm", goal=0.15),
            Row.at_most(f"mask 1 mm, {name}, max error", size.max(), "mm", goal=0.4),
        ]
        if wall is VENTRICLE:
            near = size[height > -3]
            rows += [
                Row.at_most("mask 1 mm, < 3 mm from the base, mean error", near.mean(), "mm", goal=0.06),
                Row.at_most("mask 1 mm, < 3 mm from the base, max error", near.max(), "mm", goal=0.25),
                Row.at_most("mask 1 mm, half ellipsoids, invalid vertices", invalid, "", goal=0),
            ]
        size = np.abs(mask_errors(wall, 0.5, shifts=SHIFTS[:1])[0])
        rows += [
            Row.at_most(f"mask 0.5 mm, {name}, mean error", size.mean(), "mm", goal=0.025),
            Row.at_most(f"mask 0.5 mm, {name}, max error", size.max(), "mm", goal=0.3),
        ]
    return rows


def _difficult_rows():
    rows = []
    for step, goal in (((1, 1, 3), 0.15), ((1.25, 1.25, 8), 0.5)):
        size = np.abs(mask_errors(SPHERES, np.array(step, float))[0])
        rows.append(Row.at_most(f"mask {'x'.join(map(str, step))} mm, mean error", size.mean(), "mm", goal=goal))
    for width in (1, 2):
        wall = Wall(Spheroid(20 + width, 20 + width), Spheroid(20, 20))
        rows.append(
            Row.at_most(
                f"wall of {width} mm in 1 mm voxels, |bias|", abs(mask_errors(wall, 1.0)[0].mean()), "mm", goal=0.05
            )
        )
    return rows


def _leaning_rows():
    """A shell that is cut above its equator, so that its surfaces lean on the base; its thickness stays what it was."""
    rows = []
    for height in (5.0, 10.0):
        errors = []
        for shift in SHIFTS:
            position, affine = wall_on_grid(SPHERES, 1.0, shift=shift)
            labels = labels_of(SPHERES, position)
            labels[position[2] > height] = 0
            result = measure_thickness(labels, affine)
            last = position[2][position[2] <= height].max() + shift[2] + 0.5
            near = (result.points[:, 2] > last - 3) & ~result.invalid
            errors.append(result.thickness_mm[near] - 10)
        angle = np.degrees(np.arcsin(height / SPHERES.outer.radius))
        name = f"mask 1 mm, < 3 mm from a base that leans by {angle:.0f} degrees, mean error"
        rows.append(Row(name, float(np.abs(np.concatenate(errors)).mean()), "mm"))
    return rows
