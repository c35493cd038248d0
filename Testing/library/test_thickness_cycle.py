"""Beating walls of known thickness: thickening, correspondence, and what happens to phases that cannot be measured."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from LVMLib.errors import GridError, LabelError, LVMCancelled, LVMError, ThicknessError
from LVMLib.phantom import SITE_2, case_subject, heart_grid, render_phase
from LVMLib.phantom.case import anatomy_of
from LVMLib.phantom.motion import ventricle_at
from LVMLib.phantom.ventricle import wall_surfaces
from LVMLib.thickness import (
    THICKENING_REASONS,
    assign_segments,
    cycle_summary,
    measure_cycle,
    measure_thickness,
    segment_table,
)
from thickness_helpers import centred_grid, spherical_shell

SPACING = 1.5
STILL = np.eye(4)
INNER_OFFSET = np.array([3.0, 0.0, 0.0])


def _half_shell(outer, inner, *, place=STILL, offset=INNER_OFFSET, spacing=SPACING):
    """Labels of a half-ellipsoidal shell, half axes ``outer`` and ``inner``, base at z = 0, apex at +z, then moved."""
    x, y, z, affine = centred_grid(48.0, (spacing,) * 3)
    local = (np.stack([x, y, z], axis=-1) - place[:3, 3]) @ place[:3, :3]
    labels = np.where((((local - offset) / inner) ** 2).sum(axis=-1) < 1, 1, 2)
    labels[((local / outer) ** 2).sum(axis=-1) >= 1] = 0
    labels[local[..., 2] < 0] = 0
    return labels.astype(np.uint8), affine


def _tilt(degrees, about, shift):
    """A rotation by some degrees about a direction at a right angle to z, and a shift, as (4, 4)."""
    axis = np.array([np.cos(np.radians(about)), np.sin(np.radians(about)), 0.0])
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.radians(degrees)
    out = np.eye(4)
    out[:3, :3] += np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
    out[:3, 3] = shift
    return out


OUTER, INNER = np.array([30.0, 30.0, 42.0]), np.array([20.0, 22.0, 32.0])
AT_ED = _tilt(50, 20, (0, 0, -8))
AT_ES = AT_ED @ _tilt(12, 70, (2, -3, 5))
SMALL = 0.8


def _scaled_labels():
    ed, affine = _half_shell(OUTER, INNER, place=AT_ED)
    return ed, _half_shell(SMALL * OUTER, SMALL * INNER, place=AT_ES, offset=SMALL * INNER_OFFSET)[0], affine


@pytest.fixture(scope="module")
def scaled():
    """An eccentric wall that shrinks to 0.8 of its size, tilts and moves: every thickness becomes 0.8 of itself."""
    ed, es, affine = _scaled_labels()
    empty = np.zeros_like(ed)
    return measure_cycle(np.stack([empty, ed, empty, es]), affine, threads=2)


def test_ed_and_es_are_found_by_volume_and_empty_phases_are_not_labelled(scaled):
    cycle = scaled
    assert (cycle.ed, cycle.es, cycle.measured, cycle.not_labelled) == (1, 3, (1, 3), (0, 2))
    assert (cycle.ed_from, cycle.es_from) == ("largest cavity", "smallest cavity")
    assert cycle.ejection_percent == pytest.approx(100 * (1 - SMALL**3), abs=1)
    assert cycle.ed_phase.cavity_ml == pytest.approx(2 / 3 * np.pi * INNER.prod() / 1000, rel=0.05)
    assert any("estimated" in note for note in cycle.notes)


def test_a_wall_that_shrinks_as_a_whole_thickens_by_the_same_negative_part_everywhere(scaled):
    cycle = scaled
    thickness = cycle.thickness_over_time[0]
    assert np.nanmax(thickness) - np.nanmin(thickness) > 4  # wrong correspondences would show
    known = np.isfinite(cycle.thickening_percent)
    assert known.mean() > 0.99
    error = cycle.thickening_percent[known] - 100 * (SMALL - 1)
    assert abs(np.median(error)) < 1
    assert np.percentile(abs(error), 95) < 5


def test_points_go_where_the_moving_wall_takes_them(scaled):
    ed, es = scaled.points_over_time
    assert np.allclose(ed, scaled.ed_phase.result.points, atol=1e-3)
    truth = SMALL * (ed - AT_ED[:3, 3]) @ AT_ED[:3, :3] @ AT_ES[:3, :3].T + AT_ES[:3, 3]
    error = np.linalg.norm(es - truth, axis=1)
    print(f"carried points: mean error {np.nanmean(error):.2f}, P95 {np.nanpercentile(error, 95):.2f} mm")
    assert np.nanmean(error) < SPACING / 2
    assert np.nanpercentile(error, 95) < SPACING


def test_a_concentric_shell_thickens_by_the_known_percentage_in_every_segment():
    def shell(outer, inner):
        return _half_shell(np.full(3, outer), np.full(3, inner), offset=np.zeros(3), spacing=1.0)

    ed, affine = shell(32.0, 24.0)
    es, _ = shell(29.0, 18.0)
    cycle = measure_cycle([ed, es], affine, rv_insertion=[-16.0, 28.0, 10.0])
    segments = assign_segments(cycle.ed_phase.result.points, cycle.ed_phase.frame)
    rows = segment_table(cycle.thickening_percent, segments)
    assert all(row.median_mm == pytest.approx(37.5, abs=1) for row in rows)
    assert {each.frame.orientation for each in cycle.phases} == {"one insertion"}
    assert not any("estimated" in note for note in cycle.notes)


def test_the_result_is_the_same_to_the_last_bit_whatever_the_number_of_threads(scaled):
    cycle = scaled
    ed, es, affine = _scaled_labels()
    again = measure_cycle([ed, es], affine, threads=1)
    assert np.array_equal(again.points_over_time, cycle.points_over_time, equal_nan=True)
    assert np.array_equal(again.thickening_percent, cycle.thickening_percent, equal_nan=True)
    assert np.array_equal(
        again.ed_phase.result.thickness_mm, measure_thickness(ed, affine).thickness_mm, equal_nan=True
    )


@pytest.fixture(scope="module")
def small():
    """A coarse beat of five phases, one of them without a wall."""
    sizes = (1.0, 0.9, 0.8, 0.9, 0.95)
    frames = [_half_shell(s * OUTER, s * s * INNER, spacing=2.0) for s in sizes]
    labels = np.stack([each[0] for each in frames])
    labels[1][labels[1] == 2] = 0
    return labels, frames[0][1]


def test_a_phase_that_cannot_be_measured_keeps_its_named_error_and_the_others_their_thickness(small):
    cycle = measure_cycle(*small)
    broken = cycle.phase(1)
    assert broken.result is None and isinstance(broken.error, ThicknessError)
    assert "phase 1" in str(broken.error) and any("phase 1" in note for note in cycle.notes)
    assert cycle.measured == (0, 2, 3, 4)
    assert cycle.points_over_time.shape[:2] == cycle.thickness_over_time.shape == (4, len(cycle.ed_phase.result.points))
    assert np.isfinite(cycle.thickening_percent).mean() > 0.95


def test_when_the_largest_phase_fails_the_next_one_is_ed_with_its_lines_and_the_notes_say_so(small):
    labels, affine = small
    labels = labels.astype(float)
    labels[0, 0, 0, 0] = 7
    cycle = measure_cycle(labels, affine, keep_streamlines=False)
    assert (cycle.ed, cycle.es) == (4, 2)
    assert isinstance(cycle.phase(0).error, LabelError)
    assert any("ED is taken at phase 4" in note for note in cycle.notes)
    for each in cycle.phases:
        if each.result is not None:
            lines = each.result.streamlines
            assert len(lines) == len(each.result.points)
            assert (len(lines.points) > 2 * len(lines)) == (each.phase in (cycle.ed, cycle.es))


def test_a_given_ed_that_fails_leaves_no_vertices_and_no_wrong_number(small):
    cycle = measure_cycle(*small, ed=1, es=2)
    assert cycle.ed_phase.result is None and cycle.ed_from == "given"
    assert cycle.thickening_percent.size == 0 and cycle.points_over_time.shape == (4, 0, 3)


def test_only_the_phases_asked_for_are_measured_and_the_volume_is_that_of_a_single_measurement(small):
    labels, affine = small
    cycle = measure_cycle(labels, affine, phases=[3, 2], ed=0)
    assert [each.phase for each in cycle.phases] == [0, 2, 3]
    volume = cycle.phase(3).result.thickness_volume
    alone = measure_thickness(labels[3], affine)
    assert np.array_equal(volume, alone.thickness_volume, equal_nan=True)
    assert np.array_equal(cycle.phase(3).result.endocardium.points, alone.endocardium.points)
    plane = ((0, 0, 10.0), (0, 0, -1.0))
    cut = measure_cycle(labels, affine, phases=[0], base_planes={0: plane}).ed_phase
    assert np.array_equal(cut.result.points, measure_thickness(labels[0], affine, base_plane=plane).points)


def test_one_volume_is_a_cycle_of_one_phase_without_thickening(small):
    labels, affine = small
    cycle = measure_cycle(labels[0], affine)
    assert (cycle.ed, cycle.es, cycle.measured) == (0, 0, (0,))
    assert np.isnan(cycle.thickening_percent).all() and np.isnan(cycle.ejection_percent)
    assert set(cycle.thickening_reasons) == {4} and 4 in THICKENING_REASONS


def test_every_vertex_without_thickening_has_a_reason(scaled):
    cycle = scaled
    missing = np.isnan(cycle.thickening_percent)
    assert np.array_equal(missing, cycle.thickening_reasons > 0)
    assert set(cycle.thickening_reasons) <= set(THICKENING_REASONS)


@pytest.mark.parametrize(
    ("options", "found"),
    [({"ed": 9}, "9"), ({"es": -1}, "-1"), ({"phases": [5]}, "5"), ({"phases": []}, "none"), ({"ed": 0}, "only zeros")],
)
def test_phases_that_are_not_there_or_not_labelled_are_refused(small, options, found):
    labels, affine = small
    labels = labels.copy()
    labels[0] = 0
    with pytest.raises(LabelError, match=found):
        measure_cycle(labels, affine, **options)


def test_an_empty_mask_and_frames_of_different_grids_are_refused(small):
    labels, affine = small
    with pytest.raises(LabelError, match="not labelled"):
        measure_cycle(np.zeros_like(labels), affine)
    with pytest.raises(LabelError, match="phase 1"):
        measure_cycle([labels[0], labels[1][1:]], affine)
    with pytest.raises(LabelError, match="none"):
        measure_cycle([], affine)
    with pytest.raises(ThicknessError, match="phase 1"):
        measure_cycle(labels, affine, phases=[1])


@pytest.mark.parametrize("affine", [np.eye(3), np.full((4, 4), np.nan), np.eye(4) + 0.3 * np.eye(4, k=1)])
def test_an_affine_that_is_no_grid_is_refused_before_any_phase_is_measured(small, affine):
    with pytest.raises(GridError):
        measure_cycle(small[0], affine)


def test_cancelling_stops_the_threads_and_reports_come_from_the_calling_thread(small):
    calls = []

    def progress(fraction, message):
        calls.append((fraction, threading.current_thread() is threading.main_thread()))
        if fraction > 0.2:
            raise LVMCancelled("stopped")

    before = set(threading.enumerate())
    with pytest.raises(LVMCancelled):
        measure_cycle(*small, progress=progress)
    assert set(threading.enumerate()) <= before
    fractions, main = zip(*calls)
    assert all(main) and list(fractions) == sorted(fractions)


@pytest.fixture(scope="module")
def phantom():
    """Phantom: the known labels of a beating heart with an outflow tract, at ED, halfway and ES."""
    subject = case_subject(SITE_2, 11, 3)
    grid = heart_grid(subject, spacing_mm=2.5, crop="heart")
    times = (0.0, 0.5 * subject.left.end_systole, subject.left.end_systole)
    background = np.zeros(grid.shape, np.float32)
    labels = [render_phase(subject, t, grid, background=background, scanner=False)[1] for t in times]
    return subject, times, measure_cycle(labels, grid.affine)


def test_phantom_beat_thickens_and_the_carried_vertices_have_the_thickness_of_each_phase(phantom):
    subject, _, cycle = phantom
    assert (cycle.ed, cycle.es) == (0, 2)
    at_ed = np.isfinite(cycle.thickness_over_time[0])
    assert np.isfinite(cycle.thickening_percent[at_ed]).mean() > 0.95
    medians = np.nanmedian(cycle.thickness_over_time, axis=1)
    assert medians[0] < medians[1] < medians[2]
    own = [np.nanmedian(each.result.thickness_mm) for each in cycle.phases]
    assert np.allclose(medians, own, atol=0.5)
    frame = cycle.ed_phase.frame
    assert frame.septal @ np.array(subject.body.septal_normal) > np.cos(np.radians(30))


def test_phantom_points_stay_near_the_muscle_that_they_began_on_but_for_twist(phantom):
    """Phantom: the place in the muscle (level and angle, twist taken out) of carried points at ED and ES."""
    subject, times, cycle = phantom
    anatomy = anatomy_of(subject)
    walls = [ventricle_at(subject, anatomy.beat, times[n]) for n in (0, 2)]
    local = [(cycle.points_over_time[n] - anatomy.heart_ras) @ anatomy.rotation.T for n in (0, 2)]
    places = [np.array([wall_surfaces(v, *map(float, p))[2:4] for p in points]) for v, points in zip(walls, local)]
    wall = np.isfinite(places[1][:, 1]) & (places[0][:, 1] > 0) & (places[0][:, 1] < 0.9)  # the apex has no angle
    along = abs(places[1] - places[0])[wall, 1] * walls[1].length
    turn = np.angle(np.exp(1j * (places[1] - places[0])[wall, 0]))
    around = abs(turn) * np.hypot(*local[1][wall, :2].T)
    print(f"phantom, twist {np.degrees(walls[1].twist):.0f} degrees: along {np.median(along):.1f} mm, P95 ", end="")
    print(f"{np.percentile(along, 95):.1f}; around {np.median(around):.1f} mm, P95 {np.percentile(around, 95):.1f}")
    assert np.median(along) < 1.5 and np.percentile(along, 95) < 3
    assert np.median(around) < 2 and np.percentile(around, 95) < 4


def test_a_cavity_too_small_for_an_axis_has_thickness_but_neither_segments_nor_thickening():
    frames = [spherical_shell(inner=inner, outer=10.0) for inner in (4.7, 4.2)]
    cycle = measure_cycle([each[0] for each in frames], frames[0][2])
    assert cycle.measured == (0, 1)
    assert cycle.ed_phase.frame is None and isinstance(cycle.ed_phase.frame_error, LabelError)
    assert set(cycle.thickening_reasons) == {4} and np.isnan(cycle.thickening_percent).all()
    assert np.isfinite(cycle.thickness_over_time[0]).any() and np.isnan(cycle.thickness_over_time[1]).all()
    assert any("0.5 ml" in note for note in cycle.notes) and any("no long axis" in note for note in cycle.notes)
    summary = cycle_summary(cycle)
    assert summary["orientation"] is None and all(row["count"] == 0 for row in summary["segments"])


def test_insertions_on_the_axis_are_refused(small):
    with pytest.raises(LVMError, match="RV insertion"):
        measure_cycle(*small, rv_insertion=[0.0, 0, 20.0])
