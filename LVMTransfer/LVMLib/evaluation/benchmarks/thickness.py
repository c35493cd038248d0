"""Wall thickness against analytic truths and beside pyezzi (``pip install pyezzi``, extra 'bench'), in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...thickness import ThicknessResult, measure_thickness, measure_thickness_from_sdf
from . import Row
from .thickness_truth import ECCENTRIC, SPHERES, VENTRICLE, Spheroid, Wall

REPEATS = 5
SHAPES = {"concentric spheres": SPHERES, "eccentric spheres": ECCENTRIC, "half ellipsoids": VENTRICLE}
# Sub-voxel positions of the shapes; every accuracy on masks pools all of them.
SHIFTS = np.random.default_rng(2026).uniform(-0.5, 0.5, (3, 3))
PHASES = 20


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


def run() -> list[Row]:
    """Return every goal of the thickness room as a row."""
    start = time.perf_counter()
    measure_thickness(*_case(SPHERES, 2.0), threads=1)
    first = time.perf_counter() - start
    rows = [Row("first call in this process, cached kernels loaded or compiled", first, "s")]
    rows += [Row("kernels compiled from nothing, first call", _cold_start(), "s")]
    rows += _truth_rows() + _distance_rows() + _mask_rows() + _difficult_rows() + _time_rows() + _repeat_rows()
    return rows


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


def _case(wall, spacing_mm):
    position, affine = wall_on_grid(wall, spacing_mm)
    return labels_of(wall, position), affine


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    """Median seconds of a few runs after one for warming up, and the last result."""
    result = work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def _time_rows():
    rows, _ = _speed_rows(1.0, limit_ms=150, solver_ms=20, faster=2, solver_faster=5, memory_mb=150)
    more, half = _speed_rows(0.5, limit_ms=1000, solver_ms=250, faster=5, solver_faster=10, memory_mb=300)
    labels, affine = _case(VENTRICLE, 0.25)
    start = time.perf_counter()
    measure_thickness(labels, affine, threads=1)
    growth = (time.perf_counter() - start) / half
    rows += [*more, Row.at_most("0.5 to 0.25 mm, times slower", growth, "x", goal=10)]
    return rows + _peer_error_rows() + _phase_rows()


def _speed_rows(step, *, limit_ms, solver_ms, faster, solver_faster, memory_mb):
    """Rows of one voxel size on one core, and our seconds end to end."""
    labels, affine = _case(VENTRICLE, step)
    solver: list[float] = []
    seconds, result = _timed(lambda: _noting(solver, measure_thickness(labels, affine, threads=1)))
    peer = _pyezzi(labels, affine, step)
    ours = 1e3 * statistics.median(solver)
    nodes, lines = result.info["wall_nodes"] // 1000, len(result.points) // 1000
    what = f"half ellipsoids {step:g} mm, {nodes}k wall voxels, 1 core"
    rows = [
        Row.at_most(f"{what}, {lines}k lines, end to end", 1e3 * seconds, "ms", goal=limit_ms, **peer["all"]),
        Row.at_most(f"{what}, solver", ours, "ms", goal=solver_ms, **peer["solver"]),
    ]
    if sys.platform == "linux":
        rows.append(Row.at_most(f"{what}, peak memory", _memory(step), "MB", goal=memory_mb))
    if peer["all"]:
        ratio = peer["all"]["peer_value"] / 1e3 / seconds
        solver_ratio = peer["solver"]["peer_value"] / ours
        rows += [
            Row.at_least(f"{what}, times faster than pyezzi", ratio, "x", goal=faster),
            Row.at_least(f"{what}, solver times faster", solver_ratio, "x", goal=solver_faster),
        ]
    return rows, seconds


def _noting(solver, result: ThicknessResult) -> ThicknessResult:
    solver.append(result.info["seconds"]["solve"])
    return result


def _pyezzi(labels, affine, step) -> dict:
    """Seconds of pyezzi on one thread, as the peer's part of a row; empty without pyezzi."""
    try:
        from pyezzi import Domain, ThicknessSolver
    except ImportError:
        return {"all": {}, "solver": {}}
    solver_seconds = []

    def work():
        # Solid masks on one core, with background on every side, as its documentation asks for.
        padded = np.pad(labels, 2)
        domain = Domain(padded == 1, padded > 0, [step] * 3)
        solver = ThicknessSolver(domain)
        start = time.perf_counter()
        solver.solve_laplacian(n_threads=1)
        solver_seconds.append(time.perf_counter() - start)
        solver.solve_thickness(n_threads=1)
        return solver

    seconds, _ = _timed(work)
    return {
        "all": {"peer": "pyezzi", "peer_value": 1e3 * seconds},
        "solver": {"peer": "pyezzi", "peer_value": 1e3 * statistics.median(solver_seconds)},
    }


def _peer_error_rows():
    """Mean error of both on concentric spheres, where the truth is one number for every voxel."""
    try:
        from pyezzi import Domain, ThicknessSolver
    except ImportError:
        return []
    labels, _ = _case(SPHERES, 1.0)
    solver = ThicknessSolver(Domain(labels == 1, labels > 0, [1.0] * 3))
    solver.solve_laplacian()
    solver.solve_thickness()
    theirs = float(np.abs(np.asarray(solver.flat_thickness) - 10).mean())
    ours = float(np.abs(mask_errors(SPHERES, 1.0)[0]).mean())
    return [
        Row.at_most("mask 1 mm, concentric spheres, mean error", ours, "mm", peer="pyezzi", peer_value=theirs),
        Row.at_least("mask 1 mm, concentric spheres, times more exact", theirs / ours, "x", goal=5),
    ]


def _phase_rows():
    labels, affine = _case(VENTRICLE, 1.0)

    def phases():
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda _: measure_thickness(labels, affine, threads=1), range(PHASES)))

    seconds, _ = _timed(phases)
    edited = labels.copy()
    edited[: labels.shape[0] // 2, labels.shape[1] // 2, labels.shape[2] // 2] = 2
    edit, _ = _timed(lambda: measure_thickness(edited, affine))
    return [
        Row.at_most("20 phases at 1 mm, 2 cores", seconds, "s", goal=4),
        Row.at_most("again after an edit of the mask, 1 mm", edit, "s", goal=0.3),
    ]


def _repeat_rows():
    labels, affine = _case(VENTRICLE, 1.0)
    one, many = (measure_thickness(labels, affine, threads=n) for n in (1, 7))
    same = one.thickness_mm.tobytes() == many.thickness_mm.tobytes()
    same &= one.streamlines.points.tobytes() == many.streamlines.points.tobytes()
    return [Row.at_most("bits that differ between 1 and 7 threads (0 = none)", 0 if same else 1, "", goal=0)]


# The kernel's own high-water mark, reset before the run; getrusage's would count the parent that started the process.
_PEAK = """
import sys
import numpy as np
from LVMLib.thickness import measure_thickness
case = np.load(sys.argv[1])
small = case["labels"][::4, ::4, ::4].copy(), case["affine"] @ np.diag([4, 4, 4, 1])
measure_thickness(*small, threads=1)
labels, affine = case["labels"], case["affine"]
def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
with open("/proc/self/clear_refs", "w") as reset:
    reset.write("5")
before = kilobytes("VmRSS")
measure_thickness(labels, affine, threads=1)
print(kilobytes("VmHWM") - before)
"""
_COLD = """
import time
from LVMLib.evaluation.benchmarks import thickness as b
case = b._case(b.SPHERES, 2.0)
start = time.perf_counter()
b.measure_thickness(*case)
print(time.perf_counter() - start)
"""


def _memory(step: float) -> float:
    """Growth of a fresh process's peak resident memory over one measurement, MB."""
    with tempfile.TemporaryDirectory() as folder:
        labels, affine = _case(VENTRICLE, step)
        np.savez(os.path.join(folder, "case.npz"), labels=labels, affine=affine)
        kilobytes = float(_python(_PEAK, os.path.join(folder, "case.npz")))
    return kilobytes / 1024


def _cold_start() -> float:
    with tempfile.TemporaryDirectory() as cache:
        return float(_python(_COLD, NUMBA_CACHE_DIR=cache))


def _python(code: str, *arguments: str, **environment: str) -> str:
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
