"""Masks of surfaces: crumbs are mended so that nothing is enclosed, apart or open that was not."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.annotation.axes import find_axes_from_points
from LVMLib.annotation.surfaces import BASE, ENDOCARDIUM, EPICARDIUM, History, drag, surfaces_from_points
from LVMLib.annotation.surfaces.pieces import tidy
from LVMLib.grid import BACKGROUND, BLOOD_POOL, LVM, Grid
from scipy import ndimage

CORNERS = np.ones((3, 3, 3))


def faces_to_background(labels: np.ndarray) -> set[tuple[int, ...]]:
    """Return each voxel of cavity with a background voxel at one of its faces."""
    padded = np.pad(labels, 1)
    found = set()
    for axis in range(3):
        for step in (-1, 1):
            open_side = (padded == BLOOD_POOL) & (np.roll(padded, step, axis) == BACKGROUND)
            found |= {(axis, step, *place) for place in np.argwhere(open_side).tolist()}
    return found


def crumbling(seed: int, noise: float) -> np.ndarray:
    """Return a cavity in a wall, with labels that are at random wherever smooth noise is high."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices((22, 24, 26)) - np.array([9, 11, 12])[:, None, None, None]
    distance = np.sqrt((0.8 * k) ** 2 + j**2 + i**2)
    labels = np.where(distance < 6, BLOOD_POOL, np.where(distance < 8, LVM, BACKGROUND))
    labels[15:] = BACKGROUND
    random = rng.integers(0, 3, labels.shape)
    return np.where(ndimage.gaussian_filter(rng.normal(size=labels.shape), 1.0) > noise, random, labels).astype(
        np.uint8
    )


@pytest.mark.parametrize("noise", [0.15, 0.3, 0.5])
@pytest.mark.parametrize("seed", range(8))
def test_crumbs_are_mended_and_the_cavity_opens_nowhere(seed: int, noise: float):
    raw = crumbling(seed, noise)
    labels = raw.copy()
    places, before = tidy(labels)
    cavity, wall, body = (np.pad(part, 1) for part in (labels == BLOOD_POOL, labels == LVM, labels > 0))
    assert ndimage.label(cavity)[1] == 1
    assert ndimage.label(wall, CORNERS)[1] == 1
    assert (ndimage.binary_fill_holes(body) == body).all()
    assert (ndimage.binary_fill_holes(cavity) == cavity).all()
    assert faces_to_background(labels) <= faces_to_background(raw)
    labels[tuple(places.T)] = before
    assert (labels == raw).all()


def test_whole_labels_stay_as_they_are():
    raw = crumbling(0, 9.0)
    labels = raw.copy()
    assert len(tidy(labels)[0]) == 0
    assert (labels == raw).all()


def test_muscle_that_holds_by_its_edges_still_closes_the_cavity():
    """A thin oblique wall is a staircase of voxels: taking its steps for crumbs once opened the cavity."""
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[2:10, 2:10, 2:10] = LVM
    labels[3:9, 3:9, 3:9] = BLOOD_POOL
    for n in range(2, 6):  # cut a corner: one voxel of muscle a step, joined by edges only
        labels[:, n, : 8 - n] = BACKGROUND
        labels[2:10, n, 8 - n] = LVM
    labels[:, 2, :3] = BACKGROUND
    assert not faces_to_background(labels)
    kept = labels.copy()
    tidy(labels)
    assert (labels == kept).all()


def test_a_crumb_beside_the_wall_goes_and_one_that_closes_the_cavity_is_bridged():
    labels = np.zeros((12, 12, 14), np.uint8)
    labels[2:8, 2:10, 2:10] = LVM
    labels[3:8, 3:9, 3:9] = BLOOD_POOL
    labels[8, 5, 5] = LVM  # a lid of one voxel on the open cavity
    labels[5, 5, 12] = LVM
    tidy(labels)
    assert labels[5, 5, 12] == BACKGROUND
    assert labels[8, 5, 5] == LVM
    assert ndimage.label(labels == LVM, CORNERS)[1] == 1


def test_a_mask_through_voxel_centres_is_kept_up_to_date_to_the_voxel():
    """Base and axis lie exactly on the voxels of an axis-aligned grid: a tie is broken alike in every box."""
    grid = Grid((40, 44, 44), np.array([[-2.0, 0, 0, 44], [0, -2, 0, 44], [0, 0, 2, -50], [0, 0, 0, 1.0]]))
    axes = find_axes_from_points(np.array([0.0, 0.0, -40.0]), np.array([0.0, 0.0, 16.0]), np.array([30.0, 0.0, 0.0]))
    first = surfaces_from_points(axes, endocardium=[[20.0, 0.0, 0.0], [0.0, 20.0, 0.0], [-20.0, 0.0, 0.0]])
    history, mask, rng = History(first), first.to_labels(grid), np.random.default_rng(4)
    start = mask.copy()
    for number in range(24):
        before = history.current
        surface = (ENDOCARDIUM, EPICARDIUM, BASE)[number % 3]
        grip = before.nearest(surface, np.array([rng.uniform(-15, 15), rng.uniform(-15, 15), rng.uniform(-10, 14)]))
        history.do(drag(before, surface, grip, grip + rng.normal(0, 3, 3), radius_mm=20).surfaces, "drag")
        history.current.update_labels(mask, before, grid)
        assert (mask == history.current.to_labels(grid)).all()
    while history.undo_name:
        before = history.current
        history.undo().update_labels(mask, before, grid)
    assert (mask == start).all()
