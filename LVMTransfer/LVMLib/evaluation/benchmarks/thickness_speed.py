"""Time and memory of wall thickness, and pyezzi in the same run: the rows of speed in ``lvm bench thickness``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ...thickness import ThicknessResult, measure_cycle, measure_thickness
from ...thickness.wall.blur import gaussian
from . import Row
from .thickness_accuracy import labels_of, mask_errors, wall_on_grid
from .thickness_truth import SPHERES, VENTRICLE, Spheroid, Wall

REPEATS = 5
PHASES = 20


def rows() -> list[Row]:
    """Return every goal of time and memory as a row."""
    start = time.perf_counter()
    measure_thickness(*_case(SPHERES, 2.0), threads=1)
    first = time.perf_counter() - start
    rows = [Row("first call in this process, cached kernels loaded or compiled", first, "s")]
    rows += [Row("kernels compiled from nothing, first call", _cold_start(), "s")]
    return rows + _time_rows() + _repeat_rows()


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
    return rows + _image_rows() + _peer_error_rows() + _phase_rows() + _method_rows()


def _speed_rows(step, *, limit_ms, solver_ms, faster, solver_faster, memory_mb):
    """Rows of one voxel size on one core, and our seconds end to end."""
    labels, affine = _case(VENTRICLE, step)
    peer = _pyezzi(labels, step)
    ours, theirs = _paired(lambda: measure_thickness(labels, affine, threads=1), peer)
    seconds, solver = (statistics.median(values) for values in zip(*((t, _solver(r)) for t, r in ours)))
    result = ours[-1][1]
    nodes, lines = result.info["wall_nodes"] // 1000, len(result.points) // 1000
    what = f"half ellipsoids {step:g} mm, {nodes}k wall voxels, 1 core"
    beside, solver_beside, ratios = {}, {}, []
    if peer:
        peer_seconds, peer_solver = (statistics.median(values) for values in zip(*theirs))
        beside = {"peer": "pyezzi", "peer_value": 1e3 * peer_seconds}
        solver_beside = {"peer": "pyezzi", "peer_value": 1e3 * peer_solver}
        ratios = [
            Row.at_least(f"{what}, times faster than pyezzi", peer_seconds / seconds, "x", goal=faster),
            Row.at_least(f"{what}, solver times faster", peer_solver / solver, "x", goal=solver_faster),
        ]
    rows = [
        Row.at_most(f"{what}, {lines}k lines, end to end", 1e3 * seconds, "ms", goal=limit_ms, **beside),
        Row.at_most(f"{what}, solver", 1e3 * solver, "ms", goal=solver_ms, **solver_beside),
        *_both_surfaces(labels, affine, what, limit_ms),
    ]
    if sys.platform == "linux":
        rows.append(Row.at_most(f"{what}, peak memory", _memory(step), "MB", goal=memory_mb))
    return rows + ratios, seconds


def _both_surfaces(labels, affine, what, limit_ms):
    """Thickness at the vertices of both surfaces: all that a reader sees."""

    def work():
        result = measure_thickness(labels, affine, threads=1)
        return len(result.points) + len(result.endocardium.points)

    seconds, lines = _timed(work)
    name = f"{what}, {lines // 1000}k lines from both surfaces, end to end"
    return [Row.at_most(name, 1e3 * seconds, "ms", goal=limit_ms)]


def _paired(ours: Callable, theirs: Callable | None) -> tuple[list, list]:
    """Run both in turn after a warm-up; return ``(seconds, result)`` of ours and the results of theirs."""
    ours()
    timed, others = [], []
    if theirs:
        theirs()
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = ours()
        timed.append((time.perf_counter() - start, result))
        if theirs:
            others.append(theirs())
    return timed, others


def _solver(result: ThicknessResult) -> float:
    return result.info["seconds"]["solve"]


def _pyezzi(labels, step) -> Callable[[], tuple[float, float]] | None:
    """A run of pyezzi on one thread that returns its seconds in all and in its solver; None without pyezzi."""
    try:
        from pyezzi import Domain, ThicknessSolver
    except ImportError:
        return None

    def work():
        start = time.perf_counter()
        # Solid masks, with background on every side, as its documentation asks for.
        padded = np.pad(labels, 2)
        solver = ThicknessSolver(Domain(padded == 1, padded > 0, [step] * 3))
        before = time.perf_counter()
        solver.solve_laplacian(n_threads=1)
        between = time.perf_counter() - before
        solver.solve_thickness(n_threads=1)
        return time.perf_counter() - start, between

    return work


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
    radii = 18 + 2 * np.cos(2 * np.pi * np.arange(PHASES) / PHASES)
    beat = [Wall(VENTRICLE.outer, Spheroid(radius, radius + 10)) for radius in radii]
    affine = _case(VENTRICLE, 1.0)[1]
    frames = np.stack([_case(wall, 1.0)[0] for wall in beat])
    seconds, _ = _timed(lambda: measure_cycle(frames, affine, threads=2))
    labels = frames[0]
    edited = labels.copy()
    edited[: labels.shape[0] // 2, labels.shape[1] // 2, labels.shape[2] // 2] = 2
    edit, _ = _timed(lambda: measure_thickness(edited, affine))
    return [
        Row.at_most("20 phases at 1 mm with correspondence, 2 cores", seconds, "s", goal=4),
        Row.at_most("again after an edit of the mask, 1 mm", edit, "s", goal=0.3),
    ]


def _method_rows():
    """What was chosen against what was not: the paper's iteration, the library's blur, a GPU if there is one."""
    labels, affine = _case(VENTRICLE, 1.0)
    _, result = _timed(lambda: measure_thickness(labels, affine, threads=1))
    jacobi = measure_thickness(labels, affine, threads=1, method="jacobi")
    rows = [
        Row.at_most("solver at 1 mm", 1e3 * _solver(result), "ms", peer="Jacobi", peer_value=1e3 * _solver(jacobi)),
        Row.at_most(
            "Jacobi's thickness against ours, largest difference",
            float(np.nanmax(np.abs(jacobi.thickness_mm - result.thickness_mm))), "mm", goal=0.01,
        ),
    ]  # fmt: skip
    mask = np.pad(labels > 0, 8).astype(np.float32)
    ours, _ = _timed(lambda: gaussian(mask, np.ones(3), sigma_mm=4.0))
    theirs, _ = _timed(lambda: ndimage.gaussian_filter(mask, 4.0, mode="nearest", truncate=3.0))
    rows.append(Row.at_most("blur of 4 voxels", 1e3 * ours, "ms", peer="scipy", peer_value=1e3 * theirs))
    return rows + _gpu_rows(labels, affine)


def _gpu_rows(labels, affine):
    try:
        import torch
    except ImportError:
        return []
    if not torch.cuda.is_available():
        return []
    _, result = _timed(lambda: measure_thickness(labels, affine, method="torch"))
    return [Row.at_most(f"solver at 1 mm on {torch.cuda.get_device_name()}", 1e3 * _solver(result), "ms", goal=5)]


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
from LVMLib.evaluation.benchmarks import thickness_speed as b
case = b._case(b.SPHERES, 2.0)
start = time.perf_counter()
b.measure_thickness(*case)
print(time.perf_counter() - start)
"""


def _image_rows():
    """The same heart in an image of ten times the voxels: what a whole chest costs."""
    if sys.platform != "linux":
        return []
    name = "peak memory at 1 mm in an image of ten times the voxels against a cropped one"
    return [Row.at_most(name, _memory(1.0, around=40) / _memory(1.0), "x", goal=1.2)]


def _memory(step: float, *, around: int = 0) -> float:
    """Growth of a fresh process's peak resident memory over one measurement, MB."""
    with tempfile.TemporaryDirectory() as folder:
        labels, affine = _case(VENTRICLE, step)
        labels = np.pad(labels, around)
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
