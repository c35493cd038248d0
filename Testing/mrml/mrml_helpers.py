"""Grids, labels and thickness results with a known truth, for the tests on the MRML scene."""

from __future__ import annotations

import numpy as np
from LVMLib.grid import BLOOD_POOL, LVM, Grid
from LVMLib.thickness import Streamlines, ThicknessResult
from scipy.spatial.transform import Rotation

SHAPE = (18, 22, 26)


def oblique(*, leftHanded: bool = False, shape: tuple[int, int, int] = SHAPE) -> Grid:
    """A grid with anisotropic voxels and directions along no axis of the patient."""
    affine = np.eye(4)
    rotation = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix()
    affine[:3, :3] = rotation @ np.diag([-0.7 if leftHanded else 0.7, 0.9, 1.4])
    affine[:3, 3] = [12.5, -140.0, 310.25]
    return Grid(shape, affine)


def axial(shape: tuple[int, int, int] = (40, 48, 44), spacing: float = 1.5) -> Grid:
    """A grid as a CT scanner writes it: i to the patient's left, j to the back."""
    return Grid(shape, np.array([[-spacing, 0, 0, 30], [0, -spacing, 0, 35], [0, 0, spacing, -28.0], [0, 0, 0, 1]]))


def noise(grid: Grid, phases: int | None = None, seed: int = 0) -> np.ndarray:
    """Voxels without any symmetry, int16 HU."""
    shape = grid.shape if phases is None else (phases, *grid.shape)
    return np.random.default_rng(seed).integers(-1000, 1500, shape).astype(np.int16)


def shell(grid: Grid, *, inner: float = 10.0, outer: float = 16.0, centre: np.ndarray | None = None) -> np.ndarray:
    """Blood pool and wall as concentric spheres, radii in mm, centred on the grid or at ``centre`` (RAS mm)."""
    k, j, i = np.indices(grid.shape)
    middle = grid.to_ras((np.array(grid.shape[::-1]) - 1) / 2) if centre is None else centre
    radius = np.linalg.norm(grid.to_ras(np.stack([i, j, k], axis=-1)) - middle, axis=-1)
    return np.where(radius < inner, BLOOD_POOL, np.where(radius < outer, LVM, 0)).astype(np.uint8)


def centreOf(grid: Grid) -> np.ndarray:
    """The middle of the grid, RAS mm."""
    return grid.to_ras((np.array(grid.shape[::-1]) - 1) / 2)


def spherical_result(*, inner: float = 10.0, outer: float = 16.0, invalid: int = 3) -> ThicknessResult:
    """A thickness result with a known truth: a sphere, radial lines, from 4 mm thick at -z to 8 mm at +z."""
    rings, around = 12, 24
    polar = np.linspace(0.15, np.pi - 0.15, rings)
    turn = np.linspace(0, 2 * np.pi, around, endpoint=False)
    normals = np.stack(
        [
            np.outer(np.sin(polar), np.cos(turn)),
            np.outer(np.sin(polar), np.sin(turn)),
            np.outer(np.cos(polar), np.ones(around)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    index = np.arange(rings * around).reshape(rings, around)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = index[1:], np.roll(index, -1, axis=1)[1:]
    triangles = np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])
    thickness = 6.0 + 2.0 * normals[:, 2]
    bad = np.zeros(len(normals), bool)
    bad[:invalid] = True
    steps = np.linspace(0, 1, 7)
    lines = [
        outer * n[None] if gone else (outer - steps[:, None] * t) * n for n, t, gone in zip(normals, thickness, bad)
    ]
    depths = [np.ones(1) if gone else 1 - steps for gone in bad]
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in lines])])
    return ThicknessResult(
        points=outer * normals,
        thickness_mm=np.where(bad, np.nan, thickness),
        triangles=triangles.astype(np.int32),
        streamlines=Streamlines(
            np.vstack(lines).astype(np.float32), np.concatenate(depths).astype(np.float32), offsets
        ),
        invalid=bad,
        reasons=np.where(bad, 4, 0).astype(np.uint8),
        info={},
        _measured=None,
    )
