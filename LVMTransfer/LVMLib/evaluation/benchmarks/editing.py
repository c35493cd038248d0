"""Contours as surfaces: fit, effort of correction, thousands of random edits, and the time of a drag (all phantom).

Nothing here needs Slicer; the time in its views is measured beside it, where the `slicer-core` wheel is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import statistics
import time

import numpy as np

from ...annotation import view_planes
from ...annotation.surfaces import ENDOCARDIUM, EPICARDIUM, WallSurfaces, contours, drag, fit_labels
from . import Row
from .editing_fuzz import fuzz
from .editing_reader import CASES, POINTS, SLICE_MM, Score, Task, drag_to_truth, phantom_task, redraw_slices

DRAGS = 25
STEPS = (0, 5, 10, 15, 20, 25)
FUZZ_EDITS = 10_000
FUZZ_GRID_MM = 1.5
LATENCY_DRAGS = 60
OPEN_END_MM = 3.0
"""A contour that ends at the base ends where two surfaces meet: there its end moves farther than either of them."""
SCENE_BENCHMARK = "LVMTransferLib.EditingBench"
"""Module with ``rows(labels, grid, surfaces)``, beside the library, which does not know Slicer."""


def run() -> list[Row]:
    """Measure all four on two phantom subjects at ED and ES, 1 mm."""
    tasks = [phantom_task(number, phase) for number, phase in CASES]
    return [
        *fit_rows(tasks),
        *effort_rows(tasks),
        *latency_rows(tasks[0]),
        *scene_rows(tasks[0]),
        *fuzz_rows(tasks[1], FUZZ_EDITS),
    ]


def scene_rows(task: Task) -> list[Row]:
    """Return the time of a drag in a scene with rendered slice views; no row where there is no Slicer core."""
    if not all(importlib.util.find_spec(name) for name in ("slicer", "LVMTransferLib")):
        logging.getLogger(__name__).warning("time in the views not measured: install slicer-core")
        return []
    return importlib.import_module(SCENE_BENCHMARK).rows(task.labels, task.grid, task.start)


def fit_rows(tasks: list[Task]) -> list[Row]:
    """Return how well surfaces show labels, and what contours → mask → contours moves."""
    fits = [fit_labels(task.labels, task.grid) for task in tasks]
    moved, deep = (np.concatenate(part) for part in zip(*(round_trip_mm(task) for task in tasks)))
    below = deep > OPEN_END_MM
    kept = max(float(np.max(round_trip_mm(task, before=task.start)[0])) for task in tasks)
    return [
        Row.at_least("surfaces of labels, Dice LVM, least case (phantom)", min(fit.dice[2] for fit in fits), ""),
        Row.at_least("surfaces of labels, Dice blood pool, least case (phantom)", min(fit.dice[1] for fit in fits), ""),
        Row.at_most(
            "surfaces of labels, mean distance, worst case (phantom)",
            max(part.assd_mm for fit in fits for part in fit.distance.values()),
            "mm",
        ),
        Row.at_most("contours to mask to contours, mean (phantom)", float(moved.mean()), "mm", goal=0.25),
        Row.at_most("contours to mask to contours, P95 (phantom)", float(np.percentile(moved, 95)), "mm", goal=0.25),
        Row.at_most(
            f"contours to mask to contours, largest below the last {OPEN_END_MM:g} mm (phantom)",
            float(moved[below].max()),
            "mm",
            goal=0.25,
        ),
        Row.at_most("contours to mask to contours, largest, open ends (phantom)", float(moved.max()), "mm", goal=0.25),
        Row.at_most("the same with the surfaces of the mask at hand, largest (phantom)", kept, "mm", goal=0.25),
    ]


def round_trip_mm(task: Task, *, before: WallSurfaces | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return how far the contours of a prediction are from those fitted to its mask, all views, mm.

    Beside each distance stands how deep the point lies below the open end of its contour, mm.
    """
    again = fit_labels(task.start.to_labels(task.grid), task.grid, before=before).surfaces
    found, deep = [], []
    for plane in view_planes(task.start.axes).values():
        old, new = contours(task.start, plane), contours(again, plane)
        for column, surface in enumerate((ENDOCARDIUM, EPICARDIUM)):
            for line in old[surface] if new[surface] else []:
                found.append(_to_lines(line, new[surface]))
                deep.append(-task.start.distances(line)[:, 2 + column])
    return np.concatenate(found), np.concatenate(deep)


def _to_lines(points: np.ndarray, lines: list[np.ndarray]) -> np.ndarray:
    """Return the distances of points (N, 3) from polylines."""
    best = np.full(len(points), np.inf)
    for line in lines:
        start, edge = line[:-1], np.diff(line, axis=0)
        part = np.einsum("nsk,sk->ns", points[:, None] - start, edge) / np.maximum((edge**2).sum(axis=1), 1e-12)
        nearest = start + np.clip(part, 0.0, 1.0)[..., None] * edge
        best = np.minimum(best, np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1))
    return best


def effort_rows(tasks: list[Task]) -> list[Row]:
    """Return the curve of Dice and distance against drags, and against clicks of drawing anew."""
    dragged = [drag_to_truth(task, drags=DRAGS) for task in tasks]
    drawn = [redraw_slices(task) for task in tasks]
    rows = []
    for place, count in enumerate(STEPS):
        scores = [scores[place] for scores in dragged]
        last, clicks = count == DRAGS, [_at_least_as_many(scores, count) for scores in drawn]
        rows += [
            Row.at_least(
                f"Dice after {count} drags, mean (phantom)",
                _mean(scores, "dice"),
                "",
                goal=0.97 if last else None,
                peer=f"{count} clicks of drawing anew",
                peer_value=_mean(clicks, "dice"),
            ),
            Row.at_most(
                f"surface distance after {count} drags, mean (phantom)",
                _mean(scores, "distance_mm"),
                "mm",
                goal=0.5 if last else None,
                peer=f"{count} clicks of drawing anew",
                peer_value=_mean(clicks, "distance_mm"),
            ),
        ]
    worst, least = max(scores[-1].distance_mm for scores in dragged), min(scores[-1].dice for scores in dragged)
    as_near = [_actions_to(scores, lines[-1]) for scores, lines in zip(dragged, drawn)]
    clicks = [scores[-1].actions for scores in drawn]
    return [
        *rows,
        Row.at_least(f"Dice after {DRAGS} drags, least case (phantom)", least, "", goal=0.97),
        Row.at_most(f"surface distance after {DRAGS} drags, worst case (phantom)", worst, "mm", goal=0.5),
        Row.at_most(
            "drags until as near as every slice drawn anew, mean (phantom)",
            float(statistics.mean(as_near)),
            "drags",
            peer=f"clicks, {POINTS} a contour, slices of {SLICE_MM:g} mm",
            peer_value=float(statistics.mean(clicks)),
        ),
    ]


def _mean(scores: list[Score], name: str) -> float:
    return float(statistics.mean(getattr(score, name) for score in scores))


def _at_least_as_many(scores: list[Score], actions: int) -> Score:
    """The first score after at least so many actions: a contour is drawn to its end."""
    return next((score for score in scores if score.actions >= actions), scores[-1])


def _actions_to(scores: list[Score], wanted: Score) -> int:
    """Actions until a reader is as near as ``wanted``, looked at every five drags; all of them if never."""
    return next((s.actions for s in scores if s.distance_mm <= wanted.distance_mm), scores[-1].actions)


def latency_rows(task: Task) -> list[Row]:
    """Return the time of a drag at 1 mm: surface, mask, and the contours of short axis and two long-axis views."""
    rng = np.random.default_rng(3)
    planes = view_planes(task.start.axes)
    shown = [planes[name] for name in ("short_axis", "two_chamber", "three_chamber")]
    state, mask = task.start, task.start.to_labels(task.grid)
    seconds: list[tuple[float, float, float]] = []
    for number in range(LATENCY_DRAGS + 3):
        surface = (ENDOCARDIUM, EPICARDIUM)[number % 2]
        place = rng.uniform((0.0, 0.0), (state.frame.cap_length + 40.0, 2 * np.pi))
        point = state.nearest(surface, state.frame.points(*place, np.array(20.0)))
        start = time.perf_counter()
        moved = drag(state, surface, point, point + rng.normal(0.0, 2.0, 3)).surfaces
        dragged = time.perf_counter()
        moved.update_labels(mask, state, task.grid)
        masked = time.perf_counter()
        for plane in shown:
            contours(moved, plane)
        end = time.perf_counter()
        state = moved
        if number >= 3:  # compiled by then
            seconds.append((dragged - start, masked - dragged, end - masked))
    parts = 1e3 * np.array(seconds)
    total = parts.sum(axis=1)
    return [
        Row.at_most("drag without views, median (phantom, 1 mm)", float(np.median(total)), "ms", goal=100.0),
        Row.at_most("drag without views, P95 (phantom, 1 mm)", float(np.percentile(total, 95)), "ms", goal=100.0),
        *(
            Row.at_most(f"of it {name}, median (phantom, 1 mm)", float(np.median(parts[:, column])), "ms")
            for column, name in enumerate(("surface", "mask", "contours of three views"))
        ),
    ]


def fuzz_rows(task: Task, edits: int) -> list[Row]:
    """Return what random edits broke, and whether undo leads back."""
    result = fuzz(task.start, task.grid.isotropic(FUZZ_GRID_MM), edits=edits, seed=7)
    name = f"{edits} random edits (phantom)"
    broken = "".join(f", {what} x {count}" for what, count in result.broken.items())
    return [
        Row.at_most(f"{name}: defects{broken}", sum(result.broken.values()), "", goal=0),
        Row.at_least(f"{name}: undone to the same mask and state", float(result.same_after_undo), "", goal=1),
        Row.at_most(f"{name}: memory of undo", result.history_mb, "MB"),
        Row.at_most(f"{name}: stopped short by limits or locks", 100.0 * result.short / edits, "%"),
    ]
