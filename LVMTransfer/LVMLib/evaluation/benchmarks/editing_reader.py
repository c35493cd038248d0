"""A scripted reader who corrects contours by dragging, and another who draws them anew point by point (phantom)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...annotation import LVAxes, short_axis_stack, view_planes
from ...annotation.contours import resample_closed
from ...annotation.surfaces import ENDOCARDIUM, EPICARDIUM, WallSurfaces, contours, drag, fit_labels, redraw
from ...annotation.surfaces.fit import from_control
from ...annotation.surfaces.reach import nodes, reach
from ...annotation.surfaces.spline import settle_pole
from ...grid import Grid
from ...measures import dice, label_surface_distances
from ...phantom import SITE_2, heart_grid, render_phase
from ...phantom.cohort import case_subject

SEED = 2026
CASES = ((2, 0.0), (2, 0.35), (4, 0.0), (4, 0.35))
"""Number of the phantom subject of Site 2, and fraction of the R-R interval (0 = ED, 0.35 = ES)."""
ERROR_SD_MM = 2.0
ERROR_REACH_MM = 80.0
"""Radius of the bumps whose sum is the error; it is half correlated over a third of that, 27 mm: a wall segment."""
BUMPS = 150
SLICE_MM = 8.0
STRETCH_MM = 10.0
"""The reader takes the middle of the stretch of this length that is farthest off on average."""
REACHES_MM = (20.0, 30.0, 45.0, 60.0, 90.0, 120.0)
"""Reaches of a drag between which the reader turns the wheel, looking at the contours that come of it."""
POINTS = 8
"""Points per contour of the reader who draws anew; a closed spline joins them."""
LATERAL = (ENDOCARDIUM, EPICARDIUM)


@dataclass(frozen=True, eq=False)
class Task:
    """A phase to correct: the true labels and surfaces, and what a model is taken to have predicted."""

    name: str
    labels: np.ndarray
    grid: Grid
    truth: WallSurfaces
    start: WallSurfaces


@dataclass(frozen=True)
class Score:
    """How far a reader has come: Dice and mean surface distance (mm) of blood pool and LVM, means of both."""

    actions: int
    dice: float
    distance_mm: float


def phantom_task(number: int, phase: float) -> Task:
    """Return a phase of a phantom subject at 1 mm, with a prediction that is off by 2 mm (SD) smoothly."""
    subject = case_subject(SITE_2, SEED, number)
    grid = heart_grid(subject, spacing_mm=1.0, crop="heart")
    _, labels = render_phase(subject, phase, grid, scanner=False)
    truth = fit_labels(labels, grid).surfaces
    predicted = disturbed(truth, np.random.default_rng([SEED, number, round(100 * phase)]))
    start = fit_labels(predicted.to_labels(grid), grid).surfaces
    return Task(f"case {number}, {'ED' if phase == 0.0 else 'ES'}", labels, grid, truth, start)


def disturbed(state: WallSurfaces, rng: np.random.Generator) -> WallSurfaces:
    """Return surfaces whose walls are off by a smooth random error of `ERROR_SD_MM`, each by its own."""
    control = dict(state.control)
    shape = control[ENDOCARDIUM].shape
    for surface in LATERAL:
        points, rays = nodes(state, surface)
        used = points[:, 2] < control["base"].mean()
        error = np.zeros(len(points))
        for centre in rng.choice(np.flatnonzero(used), BUMPS):
            error += rng.normal() * reach(points, rays, points[centre], rays[centre], ERROR_REACH_MM)
        error *= ERROR_SD_MM / np.sqrt(np.mean(error[used] ** 2))
        control[surface] = control[surface] + settle_pole(error.reshape(shape))
    return from_control(state.frame, control, state.aortic)


def score(task: Task, state: WallSurfaces, actions: int) -> Score:
    """Compare a state with the true labels."""
    own = state.to_labels(task.grid)
    overlap = dice(own, task.labels)
    distance = label_surface_distances(own, task.labels, task.grid.spacing)
    means = [float(np.mean([part[1], part[2]])) for part in (overlap, {k: d.assd_mm for k, d in distance.items()})]
    return Score(actions, *means)


def views(axes: LVAxes) -> list[np.ndarray]:
    """Return the planes that a reader looks at: three long-axis views, short axis every 8 mm."""
    planes = view_planes(axes)
    long_axis = [planes[name] for name in ("two_chamber", "three_chamber", "four_chamber")]
    return [*long_axis, *short_axis_stack(axes, SLICE_MM, margin_mm=SLICE_MM)]


def drag_to_truth(task: Task, *, drags: int, every: int = 5) -> list[Score]:
    """Correct a prediction by drags that end on true contour points; return scores after 0, 5, 10, … drags.

    The reader looks at three long-axis views and at short-axis slices 8 mm apart, finds the stretch of 10 mm of either
    contour that is farthest off on average, and drags its middle to the true contour, with the reach of which the
    contours that are shown come nearest to the true ones.
    """
    state, found = task.start, [score(task, task.start, 0)]
    true_lines = _true_lines(task)
    for count in range(1, drags + 1):
        surface, goal = _worst(state, true_lines)
        grip = state.nearest(surface, goal)
        edits = [drag(state, surface, grip, goal, radius_mm=reach_mm) for reach_mm in REACHES_MM]
        edit = min(edits, key=lambda edit: _shown_mm(edit.surfaces, true_lines))
        state = edit.surfaces
        if not edit.reached:  # a reader goes on elsewhere
            true_lines = [(s, rest) for s, line in true_lines if len(rest := _apart(line, goal)) > 5]
        if count % every == 0:
            found.append(score(task, state, count))
    return found


def _shown_mm(state: WallSurfaces, lines: list[tuple[str, np.ndarray]]) -> float:
    """Return how far a state is from the true contours in the views on average, mm."""
    off = [np.abs(state.distances(line)[:, LATERAL.index(surface)]) for surface, line in lines]
    return float(np.concatenate(off).mean())


def _apart(line: np.ndarray, point: np.ndarray) -> np.ndarray:
    return line[np.linalg.norm(line - point, axis=1) > 5.0]


def _true_lines(task: Task) -> list[tuple[str, np.ndarray]]:
    """Return the true contours of the wall in all views: not the base, not the outflow tract beyond the muscle."""
    found = []
    for plane in views(task.truth.axes):
        for surface, lines in contours(task.truth, plane).items():
            for line in lines if surface in LATERAL else []:
                beyond = task.truth.distances(line)
                on_wall = (np.abs(beyond[:, LATERAL.index(surface)]) < 0.3) & (beyond[:, 2:] < -2.0).all(axis=1)
                if on_wall.sum() > 5:
                    found.append((surface, line[on_wall]))
    return found


def _worst(state: WallSurfaces, lines: list[tuple[str, np.ndarray]]) -> tuple[str, np.ndarray]:
    best, where = -1.0, lines[0]
    for surface, line in lines:
        beyond = state.distances(line)
        off = beyond[:, LATERAL.index(surface)]
        width = max(int(STRETCH_MM / max(np.linalg.norm(np.diff(line, axis=0), axis=1).mean(), 0.1)), 1)
        width = min(width, len(off))
        mean = np.abs(np.convolve(off, np.ones(width) / width, mode="same"))
        place = int(np.argmax(mean))
        if mean[place] > best:
            best, where = float(mean[place]), (surface, line[place])
    return where


def redraw_slices(task: Task) -> list[Score]:
    """Correct a prediction by drawing both contours anew, slice after slice from the base; 8 clicks a contour."""
    state, clicks = task.start, 0
    found = [score(task, state, 0)]
    for plane in short_axis_stack(task.truth.axes, SLICE_MM):
        true = contours(task.truth, plane, closed=True)
        for surface in LATERAL:
            if true[surface]:
                curve = _spline(resample_closed(true[surface][0], POINTS))
                state = redraw(state, surface, curve, radius_mm=SLICE_MM).surfaces
                clicks += POINTS
        found.append(score(task, state, clicks))
    return found


def _spline(points: np.ndarray, count: int = 120) -> np.ndarray:
    """Return a closed curve through points (N, 3): the trigonometric polynomial, smoother than any spline."""
    wave = np.fft.rfft(points, axis=0) / len(points)
    if len(points) % 2 == 0:
        wave[-1] *= 0.5
    full = np.zeros((count // 2 + 1, 3), complex)
    full[: len(wave)] = wave
    return np.fft.irfft(full * count, count, axis=0)
