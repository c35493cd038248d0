"""Endocardium, epicardium and base as surfaces: fit, masks, contours, edits, undo, and what a reader can do wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
from annotation_helpers import APEX_DIRECTION, cube_grid, grid_centre, half_ellipsoid
from LVMLib.annotation import count_defects, find_axes, read_contours, short_axis_stack, view_planes
from LVMLib.annotation.axes import find_axes_from_points
from LVMLib.annotation.surfaces import (
    ENDOCARDIUM,
    EPICARDIUM,
    History,
    contours,
    copy_phase,
    copy_slice,
    drag,
    fit_labels,
    interpolate_between,
    lock,
    mesh,
    push,
    read_surfaces,
    redraw,
    smooth,
    surfaces_from_points,
    write_surfaces,
)
from LVMLib.annotation.surfaces.limits import MINIMAL_WALL_MM
from LVMLib.errors import GridError, LVMError
from LVMLib.evaluation.benchmarks.editing_fuzz import broken_mask, fuzz
from LVMLib.grid import Grid
from LVMLib.measures import dice

GRID = cube_grid(105)
AXIS = APEX_DIRECTION / np.linalg.norm(APEX_DIRECTION)
BASE = grid_centre(GRID) - 25 * AXIS
LABELS = half_ellipsoid(GRID, BASE)
FIT = fit_labels(LABELS, GRID, find_axes(LABELS, GRID))
STATE = FIT.surfaces
PLANES = view_planes(STATE.axes)


def place(surface: str, along_mm: float, degrees: float) -> np.ndarray:
    """Return the point of a surface at a height above the centre of the cap and an angle."""
    s = STATE.frame.cap_length + along_mm
    return STATE.nearest(surface, STATE.frame.points(np.array(s), np.radians(degrees), np.array(20.0)))


def test_the_surfaces_of_an_ellipsoid_are_the_ellipsoid():
    assert min(FIT.dice.values()) > 0.99
    line = contours(STATE, PLANES["short_axis"])[ENDOCARDIUM][0]
    offset = line - BASE
    along = offset @ AXIS
    across = np.linalg.norm(offset - along[:, None] * AXIS, axis=1)
    assert np.abs(across - 22 * np.sqrt(1 - (along / 60) ** 2)).max() < 0.25


def test_contours_to_mask_and_back_stay_within_a_quarter_of_a_millimetre():
    bulged = push(STATE, EPICARDIUM, place(EPICARDIUM, 10, 40), distance_mm=4, radius_mm=40).surfaces
    again = fit_labels(bulged.to_labels(GRID), GRID).surfaces
    for plane in PLANES.values():
        for column, surface in enumerate((ENDOCARDIUM, EPICARDIUM)):
            line = contours(bulged, plane)[surface][0]
            below = (bulged.distances(line)[:, 2:] < -3).all(axis=1)
            off = np.abs(again.distances(line[below])[:, column])
            assert off.max() < 0.25
            assert off.mean() < 0.05


def test_open_contours_end_where_the_wall_meets_the_base_and_are_the_same_after_a_mask():
    again = fit_labels(STATE.to_labels(GRID), GRID).surfaces
    for name in ("two_chamber", "three_chamber", "four_chamber"):
        lines, others = contours(STATE, PLANES[name]), contours(again, PLANES[name])
        for column, surface in enumerate((ENDOCARDIUM, EPICARDIUM)):
            ends = lines[surface][0][[0, -1]]
            assert np.abs(STATE.distances(ends)[:, [column, 2 + column]]).max() < 0.02
            assert np.linalg.norm(ends - others[surface][0][[0, -1]], axis=1).max() < 0.25
        (line,) = lines["base"]
        assert np.abs(line[[-1, 0]] - lines[ENDOCARDIUM][0][[0, -1]]).max() < 0.02


def test_an_outflow_tract_draws_no_wall_up_with_it_and_leaves_the_views_upright():
    labels = half_ellipsoid(GRID, BASE, outflow=np.cross(AXIS, [0.0, 0.0, 1.0]))
    fit = fit_labels(labels, GRID)
    beyond = fit.surfaces.to_labels(GRID)[labels == 0]
    assert np.count_nonzero(beyond == 2) < 0.01 * np.count_nonzero(labels == 2)
    assert min(fit.dice.values()) > 0.985
    for plane in view_planes(fit.surfaces.axes).values():
        assert np.allclose(plane[:3, :3].T @ plane[:3, :3], np.eye(3), atol=1e-9)


def test_an_unedited_mask_gives_the_same_surfaces_and_an_edited_one_changes_them_only_there():
    state = lock(
        drag(STATE, ENDOCARDIUM, (grip := place(ENDOCARDIUM, 20, 90)), grip + STATE.frame.turn[1]).surfaces, "base"
    )
    labels = state.to_labels(GRID)
    assert fit_labels(labels, GRID, before=state).surfaces is state
    bump = place(EPICARDIUM, 15, 200)
    near = np.linalg.norm(GRID.to_ras(np.argwhere(labels >= 0)[:, ::-1]) - bump, axis=1).reshape(GRID.shape) < 6
    labels[near & (labels == 0)] = 2
    edited = fit_labels(labels, GRID, before=state)
    assert edited.surfaces.distances(bump[None])[0, 1] < -1.5
    assert min(edited.dice.values()) > 0.98
    assert edited.surfaces.pins == state.pins
    assert set(edited.surfaces.locked) == {"base", "rim"}
    far = place(EPICARDIUM, 15, 20)
    assert np.array_equal(edited.surfaces.nearest(EPICARDIUM, far), state.nearest(EPICARDIUM, far))


def test_papillary_muscle_in_the_labels_is_cavity_in_the_mask():
    labels = LABELS.copy()
    k, j, i = np.indices(GRID.shape)
    offset = GRID.to_ras(np.stack([i, j, k], axis=-1)) - (BASE + 25 * AXIS)
    side = np.cross(AXIS, [0, 0, 1]) / np.linalg.norm(np.cross(AXIS, [0, 0, 1]))
    muscle = np.linalg.norm(offset - 10 * side, axis=-1) < 4
    labels[muscle] = 2
    own = fit_labels(labels, GRID).surfaces.to_labels(GRID)
    assert (own[muscle] == 1).all()


def test_the_mask_has_no_defect_and_its_wall_is_closed():
    labels = STATE.to_labels(GRID)
    assert count_defects(labels, GRID)[:2] == (0, 0)
    assert broken_mask(STATE, labels, GRID) == []


@pytest.mark.parametrize("surface", [ENDOCARDIUM, EPICARDIUM])
@pytest.mark.parametrize(("along", "degrees", "move"), [(15, 30, 4.0), (25, 200, -3.0), (-18, 100, 2.5), (38, 300, 3)])
def test_a_dragged_point_is_where_it_was_dropped(surface: str, along: float, degrees: float, move: float):
    grip = place(surface, along, degrees)
    way = grip - (STATE.frame.centre + max(along, 0) * STATE.frame.turn[2])
    drop = grip + move * way / np.linalg.norm(way)
    edit = drag(STATE, surface, grip, drop)
    assert edit.reached, edit.message
    assert np.linalg.norm(edit.surfaces.nearest(surface, drop) - drop) < 1e-6


def test_a_drag_in_a_long_axis_view_is_in_the_short_axis_contour_too():
    line = contours(STATE, PLANES["two_chamber"])[EPICARDIUM][0]
    grip = line[len(line) // 3]
    drop = grip + 3.0 * PLANES["two_chamber"][:3, 0] * np.sign((grip - BASE) @ PLANES["two_chamber"][:3, 0])
    moved = drag(STATE, EPICARDIUM, grip, drop).surfaces
    plane = PLANES["short_axis"].copy()
    plane[:3, 3] = drop
    gap = np.linalg.norm(contours(moved, plane)[EPICARDIUM][0] - drop, axis=1).min()
    assert gap < 0.8  # half the distance of the contour's points


def test_earlier_drops_stay_and_nothing_moves_beyond_the_radius():
    first = place(ENDOCARDIUM, 20, 90) + 0.0
    drop = first + 2.0 * STATE.frame.turn[1]
    once = drag(STATE, ENDOCARDIUM, first, drop, radius_mm=30).surfaces
    near = once.nearest(ENDOCARDIUM, place(ENDOCARDIUM, 8, 90))
    twice = drag(once, ENDOCARDIUM, near, near - 1.5 * STATE.frame.turn[1], radius_mm=30).surfaces
    assert np.linalg.norm(twice.nearest(ENDOCARDIUM, drop) - drop) < 0.01
    far = place(ENDOCARDIUM, 20, 270)
    assert np.array_equal(twice.nearest(ENDOCARDIUM, far), STATE.nearest(ENDOCARDIUM, far))


def test_the_epicardium_gives_way_by_the_minimal_wall_unless_it_is_locked():
    grip = place(ENDOCARDIUM, 15, 0)
    outwards = STATE.frame.turn[0]
    edit = drag(STATE, ENDOCARDIUM, grip, grip + 12 * outwards)
    assert edit.reached
    wall = edit.surfaces.control[EPICARDIUM] - edit.surfaces.control[ENDOCARDIUM]
    assert wall.min() >= MINIMAL_WALL_MM - 1e-9
    held = lock(STATE, EPICARDIUM)
    stopped = drag(held, ENDOCARDIUM, grip, grip + 12 * outwards)
    assert not stopped.reached
    assert "locked" in stopped.message
    assert np.array_equal(stopped.surfaces.control[EPICARDIUM], STATE.control[EPICARDIUM])


def test_a_locked_slice_and_a_locked_region_stay():
    plane = short_axis_stack(STATE.axes, 10.0)[2]
    point = place(ENDOCARDIUM, 5, 45)
    for held, still in (
        (lock(STATE, plane=plane), contours(STATE, plane)[ENDOCARDIUM][0]),
        (lock(STATE, ENDOCARDIUM, point=point, width_mm=6.0), point[None]),
    ):
        grip = place(ENDOCARDIUM, 12, 60)
        moved = drag(held, ENDOCARDIUM, grip, grip + [1.0, 2.0, 1.0]).surfaces
        gone = [np.linalg.norm(moved.nearest(ENDOCARDIUM, p) - STATE.nearest(ENDOCARDIUM, p)) for p in still]
        assert max(gone) < 1e-9
    assert lock(held, locked=False).locked == {}


def test_the_base_moves_with_the_end_of_the_wall():
    middle = STATE.nearest("base", BASE)
    edit = drag(STATE, "base", middle, middle - 4 * AXIS, radius_mm=80)
    assert edit.reached
    before, after = STATE.to_labels(GRID), edit.surfaces.to_labels(GRID)
    assert (after == 1).sum() > (before == 1).sum()
    assert (after == 2).sum() > (before == 2).sum()


@pytest.mark.parametrize("surface", [ENDOCARDIUM, EPICARDIUM, "base"])
@pytest.mark.parametrize("drop", [[1e6, -1e6, 1e6], [0.0, 0.0, 0.0], "across", "axis"])
def test_a_drop_that_makes_no_sense_is_stopped_and_said(surface: str, drop):
    grip = place(surface, 15, 120)
    middle = STATE.frame.centre + 15 * STATE.frame.turn[2]
    goal = {"across": 2 * middle - grip, "axis": middle}.get(drop if isinstance(drop, str) else "", drop)
    edit = drag(STATE, surface, grip, np.array(goal, dtype=float))
    assert edit.reached == (edit.message == "")
    assert broken_mask(edit.surfaces, edit.surfaces.to_labels(GRID), GRID) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: drag(STATE, ENDOCARDIUM, BASE, [np.nan, 0, 0]),
        lambda: drag(STATE, ENDOCARDIUM, [0, 0], BASE),
        lambda: drag(STATE, "wall", BASE, BASE),
        lambda: drag(STATE, ENDOCARDIUM, BASE, BASE, radius_mm=0),
        lambda: smooth(STATE, ENDOCARDIUM, BASE, strength=2),
        lambda: push(STATE, ENDOCARDIUM, BASE, distance_mm=np.inf),
        lambda: redraw(STATE, ENDOCARDIUM, np.zeros((2, 3))),
        lambda: redraw(STATE, "base", np.zeros((5, 3))),
        lambda: interpolate_between(STATE, ENDOCARDIUM, [PLANES["short_axis"]]),
        lambda: copy_slice(STATE, ENDOCARDIUM, PLANES["short_axis"], PLANES["two_chamber"]),
        lambda: copy_phase(STATE, STATE, scale=9),
        lambda: contours(STATE, np.full((4, 4), np.nan)),
        lambda: surfaces_from_points(STATE.axes, endocardium=[[np.nan] * 3]),
        lambda: fit_labels(LABELS * 0, GRID),
    ],
)
def test_input_without_sense_is_a_named_error(wrong):
    with pytest.raises(LVMError):
        wrong()


def test_a_slice_can_be_redrawn_copied_and_interpolated():
    planes = short_axis_stack(STATE.axes, 8.0)
    line = contours(STATE, planes[3])[EPICARDIUM][0]
    wide = line.mean(axis=0) + 1.12 * (line - line.mean(axis=0))
    drawn = redraw(STATE, EPICARDIUM, wide[::2])
    assert drawn.reached
    assert np.abs(drawn.surfaces.distances(wide)[:, 1]).mean() < 0.4
    copied = copy_slice(drawn.surfaces, EPICARDIUM, planes[3], planes[5]).surfaces
    again = redraw(copied, EPICARDIUM, wide[::2] + 0.0).surfaces
    between = interpolate_between(again, EPICARDIUM, [planes[3], planes[5]]).surfaces

    def radius(state, plane) -> float:
        ring = contours(state, plane)[EPICARDIUM][0]
        return float(np.linalg.norm(ring - ring.mean(axis=0), axis=1).mean())

    assert radius(copied, planes[5]) == pytest.approx(radius(drawn.surfaces, planes[3]), abs=0.4)
    assert radius(between, planes[4]) == pytest.approx(radius(between, planes[3]), abs=0.5)


def test_ed_copied_to_es_keeps_its_muscle_volume():
    smaller = copy_phase(STATE, STATE, scale=0.75).surfaces
    before, after = STATE.to_labels(GRID), smaller.to_labels(GRID)
    assert (after == 1).sum() < 0.65 * (before == 1).sum()
    assert (after == 2).sum() == pytest.approx((before == 2).sum(), rel=0.1)


def test_smoothing_takes_out_a_dent():
    point = place(EPICARDIUM, 15, 150)
    dented = push(STATE, EPICARDIUM, point, distance_mm=-3, radius_mm=12).surfaces
    smoothed = smooth(dented, EPICARDIUM, point, radius_mm=30, strength=1.0).surfaces
    left = [np.linalg.norm(state.nearest(EPICARDIUM, point) - point) for state in (dented, smoothed)]
    assert left[1] < 0.6 * left[0]


def test_a_template_passes_the_clicks():
    axes = find_axes_from_points(BASE + 60 * AXIS, BASE, BASE + 30 * AXIS + np.array([20.0, 20.0, 0.0]))
    clicks = [place(ENDOCARDIUM, h, a) for h, a in ((5, 10), (20, 130), (35, 250))]
    outer = [place(EPICARDIUM, h, a) for h, a in ((0, 40), (25, 200))]
    state = surfaces_from_points(axes, endocardium=clicks, epicardium=outer)
    for surface, points in ((ENDOCARDIUM, clicks), (EPICARDIUM, outer)):
        assert max(np.linalg.norm(state.nearest(surface, point) - point) for point in points) < 0.01
    assert min(dice(state.to_labels(GRID), LABELS).values()) > 0.8


def test_the_mask_kept_up_to_date_is_the_whole_one_and_undo_gives_the_first_back():
    history, mask = History(STATE), STATE.to_labels(GRID)
    first = mask.copy()
    rng = np.random.default_rng(5)
    for _ in range(12):
        before = history.current
        grip = before.nearest(EPICARDIUM, place(EPICARDIUM, rng.uniform(-15, 35), rng.uniform(0, 360)))
        history.do(drag(before, EPICARDIUM, grip, grip + rng.normal(0, 3, 3), radius_mm=25).surfaces, "drag")
        history.current.update_labels(mask, before, GRID)
    assert np.array_equal(mask, history.current.to_labels(GRID))
    last = history.current
    while history.undo_name:
        before = history.current
        history.undo().update_labels(mask, before, GRID)
    assert np.array_equal(mask, first)
    while history.redo_name:
        history.redo()
    assert all(np.array_equal(history.current.control[part], last.control[part]) for part in last.control)
    assert history.current.pins == last.pins


def test_hundreds_of_random_edits_break_nothing():
    result = fuzz(STATE, GRID.isotropic(2.0), edits=300, seed=4, look_every=10)
    assert not result.broken
    assert result.same_after_undo
    assert result.refused > 0  # the nonsense among them


def test_the_file_holds_the_state_to_the_bit_and_contours_for_everybody(tmp_path):
    grip = place(ENDOCARDIUM, 15, 30)
    state = lock(drag(STATE, ENDOCARDIUM, grip, grip + [1.0, 1.0, 0.0]).surfaces, "base")
    write_surfaces(tmp_path / "00.mrk.json", state)
    back = read_surfaces(tmp_path / "00.mrk.json")
    assert all(np.array_equal(back.control[part], state.control[part]) for part in state.control)
    assert back.pins == state.pins
    assert set(back.locked) == {"base", "rim"}
    assert np.array_equal(back.to_labels(GRID), state.to_labels(GRID))
    curves = read_contours(tmp_path / "00.mrk.json")
    assert len(curves[ENDOCARDIUM]) >= 6
    assert np.abs(state.distances(np.concatenate(curves[ENDOCARDIUM][1:]))[:, 0]).max() < 0.3


@pytest.mark.parametrize("damage", ["{", '{"markups": []}', "format", "control"])
def test_a_damaged_file_is_a_named_error(tmp_path, damage: str):
    path = tmp_path / "00.mrk.json"
    write_surfaces(path, STATE)
    if damage in ("format", "control"):
        stored = json.loads(path.read_text())
        stored["lvmSurfaces"][damage] = 99 if damage == "format" else {"endocardium": "AAAA"}
        damage = json.dumps(stored)
    path.write_text(damage)
    with pytest.raises(LVMError, match=r"00\.mrk\.json"):
        read_surfaces(path)


def test_labels_of_another_grid_are_not_updated():
    with pytest.raises(GridError):
        STATE.update_labels(np.zeros((3, 3, 3), np.uint8), STATE, GRID)


def test_a_left_handed_anisotropic_grid_gives_the_same_ventricle():
    affine = np.diag([-0.8, 0.8, 2.0, 1.0])
    affine[:3, 3] = grid_centre(GRID) + [60, -60, -60]
    grid = Grid((60, 150, 150), affine)
    volume = [(STATE.to_labels(g) == 2).sum() * g.voxel_volume for g in (GRID, grid)]
    assert volume[1] == pytest.approx(volume[0], rel=0.02)


@pytest.mark.parametrize("surface", [ENDOCARDIUM, EPICARDIUM, "base"])
def test_triangles_lie_on_the_surface_and_face_outwards(surface: str):
    points, triangles = mesh(STATE, surface)
    a, b, c = (points[triangles[:, n]] for n in range(3))
    normal = np.cross(b - a, c - a)
    outwards = (a + b + c) / 3 - (BASE + 20 * AXIS)
    area = np.linalg.norm(normal, axis=1) > 1e-6
    assert (np.einsum("ij,ij->i", normal, outwards)[area] > 0).mean() > 0.99
    if surface != "base":
        assert np.abs(STATE.distances(points[1:])[:, int(surface == EPICARDIUM)]).max() < 1e-6
