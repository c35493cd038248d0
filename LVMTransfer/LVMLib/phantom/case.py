"""A beating subject as CT: one phase, or all phases one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..grid import Grid
from .chambers import Chambers, chambers_at, heart_rotation
from .heart import Tissue, render_heart
from .motion import Beat, contraction, papillary_at, solve_beat, ventricle_at
from .scanner import acquire, slabs
from .subject import Subject
from .thorax import Trunk, render_trunk, trunk_of
from .ventricle import Ventricle


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What is computed once for a subject: the beat, the trunk, and where the heart lies."""

    beat: Beat
    trunk: Trunk
    rotation: np.ndarray
    heart_ras: np.ndarray
    size: float
    extent: np.ndarray  # (2, 3) RAS mm of the heart at ED, lowest and highest corner


@lru_cache(maxsize=8)
def anatomy_of(subject: Subject) -> Anatomy:
    """Return the `Anatomy` of a subject (cached: it costs about half a second)."""
    beat = solve_beat(subject)
    rotation = heart_rotation(subject)
    size = float(beat.radius(0.0)) + subject.left.wall
    v = ventricle_at(subject, beat, 0.0)
    heart = np.array(subject.body.base)
    extent = _extent(v, chambers_at(subject, v, 0.0, size), rotation, size) + heart
    trunk = trunk_of(subject, lowest=extent[0, 2], front=extent[1, 1], left=extent[0, 0])
    return Anatomy(beat, trunk, rotation, heart, size, extent)


def _extent(v: Ventricle, chambers: Chambers, rotation: np.ndarray, size: float) -> np.ndarray:
    """Return the box (2, 3) around the LV and the other chambers, RAS mm from the heart's origin."""
    bodies = chambers.ellipsoids
    low, high = [], []
    for body in bodies:
        axes = body[3:12].reshape(3, 3) @ rotation
        half = np.sqrt(((axes * body[12:15, None]) ** 2).sum(axis=0))
        centre = rotation.T @ body[:3]
        low.append(centre - half)
        high.append(centre + half)
    long = np.array([rotation.T @ (0.0, 0.0, v.length * t) for t in (0.3, 0.75, 1.0)])
    for centre, radius in zip(long, (size, 0.75 * size, 8.0)):
        low.append(centre - radius)
        high.append(centre + radius)
    return np.array([np.min(low, axis=0), np.max(high, axis=0)])


def heart_grid(
    subject: Subject, *, spacing_mm: float | tuple[float, float, float] | None = None, crop: str = "auto"
) -> Grid:
    """Return a grid for a subject's scan, i to the patient's left and j to the back (DICOM order), k upwards.

    Parameters
    ----------
    subject : Subject
    spacing_mm : float or (3,), optional
        Voxel size along i, j, k, mm; the site's native spacing by default.
    crop : {"auto", "heart", "chest"}
        Field of view: around the heart with a sampled margin, the full chest, or as the subject's scan has it.
    """
    spacing = np.broadcast_to(np.asarray(spacing_mm or subject.spacing_mm, float), (3,))
    anatomy = anatomy_of(subject)
    rng = np.random.default_rng(subject.seed + 2)
    low, high = anatomy.extent
    if crop == "chest" or (crop == "auto" and subject.scan.full_chest):
        trunk = anatomy.trunk
        width, depth = trunk.half_width + 34.0 + trunk.skin_fat, trunk.half_depth + 32.0 + trunk.skin_fat
        low = np.array([-width, trunk.centre_y - depth, low[2] - rng.uniform(20.0, 60.0)])
        high = np.array([width, trunk.centre_y + depth, high[2] + rng.uniform(40.0, 90.0)])
    else:
        low, high = low - rng.uniform((-4, 0, 4), (25, 45, 35)), high + rng.uniform((-4, 0, 5), (35, 25, 60))
    count = np.maximum(np.ceil((high - low) / spacing), 8).astype(int)
    affine = np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
    affine[:3, 3] = [high[0], high[1], low[2]]
    return Grid(tuple(count[::-1]), affine)


def render_background(subject: Subject, grid: Grid) -> np.ndarray:
    """Return the trunk without the heart on ``grid``: (Z, Y, X) float32 HU, the same in every phase."""
    hu = np.empty(grid.shape, np.float32)
    render_trunk(np.array(grid.affine), np.zeros(3), anatomy_of(subject).trunk, _width(grid), hu)
    return hu


def render_phase(
    subject: Subject,
    phase_fraction: float,
    grid: Grid,
    *,
    background: np.ndarray | None = None,
    scanner: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return one phase of a subject's scan.

    Parameters
    ----------
    subject : Subject
    phase_fraction : float
        Fraction of the R-R interval from ED.
    grid : Grid
        Where to render, RAS mm.
    background : ndarray (Z, Y, X), optional
        From `render_background` on the same grid, to save time.
    scanner : bool
        Without the scanner the HU are the true ones and there are no slabs.

    Returns
    -------
    hu : ndarray (Z, Y, X) int16
    labels : ndarray (Z, Y, X) uint8
        0 background, 1 blood pool with papillary muscles, 2 LVM.
    """
    if background is None:
        background = render_background(subject, grid)
    scan = subject.scan
    labels = np.zeros(grid.shape, np.uint8)
    hu = background.copy()
    heights = grid.affine[2, 2] * np.arange(grid.shape[0])
    pieces = slabs(scan, heights, subject.seed) if scanner else [(slice(0, grid.shape[0]), np.zeros(3), 0.0)]
    for rows, shift, error in pieces:
        _render_slab(subject, phase_fraction + error, grid, rows=rows, shift=shift, hu=hu[rows], labels=labels[rows])
        if scanner and scan.temporal_blur > 0.02:
            other = background[rows].copy()
            part = phase_fraction + error + scan.temporal_blur
            nothing = np.zeros_like(labels[rows])
            _render_slab(subject, part, grid, rows=rows, shift=shift, hu=other, labels=nothing)
            hu[rows] = 0.65 * hu[rows] + 0.35 * other
    if not scanner:
        return np.rint(hu).astype(np.int16), labels
    rng = np.random.default_rng((subject.seed, 7, round(phase_fraction * 1e6)))
    return acquire(hu, grid.spacing, scan, rng), labels


def _render_slab(
    subject: Subject, phase: float, grid: Grid, *, rows: slice, shift: np.ndarray, hu: np.ndarray, labels: np.ndarray
) -> None:
    anatomy = anatomy_of(subject)
    level = contraction(subject, phase)
    v = ventricle_at(subject, anatomy.beat, phase)
    matrix = anatomy.rotation @ grid.affine[:3, :3]
    start = grid.affine[:3, 3] + grid.affine[:3, 2] * rows.start - anatomy.heart_ras - shift
    bodies = chambers_at(subject, v, level, anatomy.size)
    tissue = _tissue(subject, phase)
    papillaries = papillary_at(subject, v)
    render_heart(matrix, anatomy.rotation @ start, v, papillaries, bodies, tissue, _width(grid), hu, labels)


def _width(grid: Grid) -> float:
    """Return the voxel size for partial volume, mm (geometric mean of the spacing)."""
    return float(np.prod(grid.spacing) ** (1.0 / 3.0))


def _tissue(subject: Subject, phase: float) -> Tissue:
    hu, other = subject.contrast, subject.other
    return Tissue(
        left_ventricle=hu.left_ventricle,
        left_atrium=hu.left_atrium,
        aorta=hu.aorta,
        right_ventricle=hu.right_ventricle,
        right_atrium=hu.right_atrium,
        superior_cava=hu.superior_cava,
        inferior_cava=hu.inferior_cava,
        pulmonary=hu.pulmonary,
        muscle=hu.muscle,
        scar=subject.left.scar_hu,
        fat_hu=hu.sac,
        soft=hu.soft,
        mixing=hu.mixing,
        texture=hu.texture,
        sac=other.fat,
        sac_bias=other.fat_bias,
        groove=other.groove,
        right_wall=other.right_wall,
        seed=subject.body.seed,
        drift=math.sin(2.0 * math.pi * phase) * 0.6,
        warp=other.warp,
    )


def generate_case(
    subject: Subject, *, grid: Grid | None = None, phases: int = 20
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``(hu int16, labels uint8)``, each (Z, Y, X), for uniform phases from 0 % R-R, one at a time."""
    grid = grid or heart_grid(subject)
    background = render_background(subject, grid)
    for phase in range(phases):
        yield render_phase(subject, phase / phases, grid, background=background)
