"""AHA segments: sectors of known thickness in rotated, oblique and left-handed frames, and the table."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.errors import LabelError, LVMError
from LVMLib.thickness import (
    SEGMENT_NAMES,
    LVFrame,
    assign_segments,
    find_lv_frame,
    measure_thickness,
    segment_table,
)
from thickness_helpers import centred_grid, rotation

EPI, ENDO = np.array([30.0, 30.0, 60.0]), np.array([20.0, 20.0, 48.0])


def _half_ellipsoid(turn=None, *, mirrored=False):
    """Labels of half an ellipsoid whose base is at the origin, apex towards ``turn @ +z``; the RAS frame of both."""
    turn = np.eye(3) if turn is None else turn
    x, y, z, affine = centred_grid(66.0, (1.5, 1.5, 1.5))
    if mirrored:
        affine[0] *= -1
    ras = np.stack([x, y, z], axis=-1) * ((-1, 1, 1) if mirrored else (1, 1, 1))
    local = ras @ turn
    inside = [((local / half) ** 2).sum(axis=-1) < 1 for half in (EPI, ENDO)]
    labels = np.where(inside[1], 1, np.where(inside[0], 2, 0))
    labels[local[..., 2] < 0] = 0
    return labels.astype(np.uint8), affine


def _frame(turn):
    return LVFrame(
        apex=turn @ (0, 0, 48.0), base=np.zeros(3), axis=turn @ (0, 0, 1.0), septal=turn @ (-1.0, 0, 0),
        orientation="two insertions",
    )  # fmt: skip


def _points(turn, height, degrees, radius=25.0):
    angle = np.radians(degrees)
    return turn @ (radius * np.cos(angle), radius * np.sin(angle), height)


def test_every_segment_lies_where_the_model_of_cerqueira_draws_it():
    turn = rotation(3)
    centres = [(h, a) for h in (8, 24) for a in (90, 150, 210, 270, 330, 30)]
    centres += [(40, a) for a in (90, 180, 270, 0)] + [(50, 77)]
    points = np.array([_points(turn, height, degrees) for height, degrees in centres])
    assert assign_segments(points, _frame(turn)).tolist() == list(range(1, 18))
    assert assign_segments(points, _frame(turn), model=16).tolist() == [*range(1, 17), 0]
    assert SEGMENT_NAMES[2] == "basal anteroseptal" and SEGMENT_NAMES[14] == "apical septal"


def test_the_insertions_part_the_septum_from_both_free_walls():
    turn = rotation(5)
    for degrees, name in ((119, "mid anterior"), (121, "mid anteroseptal"), (239, "mid inferoseptal"),
                          (241, "mid inferior"), (59, "mid anterolateral"), (301, "mid inferolateral")):  # fmt: skip
        segment = int(assign_segments(_points(turn, 24, degrees)[None], _frame(turn))[0])
        assert SEGMENT_NAMES[segment] == name


def test_points_beyond_the_base_are_basal_and_nan_belongs_to_no_segment():
    frame = _frame(np.eye(3))
    points = np.array([[0.0, 25, -4], [np.nan, 0, 0], [0, np.inf, 3]])
    assert assign_segments(points, frame).tolist() == [1, 0, 0]
    assert assign_segments(np.empty((0, 3)), frame).shape == (0,)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_frame_of_an_oblique_or_left_handed_image_is_found_from_two_insertions(seed, mirrored):
    turn = np.eye(3) if seed is None else rotation(seed)
    labels, affine = _half_ellipsoid(turn, mirrored=mirrored)
    insertions = [_points(turn, 24, 120, 30), _points(turn, 24, 240, 30)]
    frame = find_lv_frame(labels, affine, rv_insertion=insertions)
    assert frame.orientation == "two insertions"
    assert frame.septal_arc_degrees == pytest.approx(120, abs=6)
    assert np.linalg.norm(frame.apex - turn @ (0, 0, 48)) < 1.5
    assert np.linalg.norm(frame.base) < 1.5
    assert frame.septal @ turn @ (-1, 0, 0) > np.cos(np.radians(4))
    assert frame.anterior @ turn @ (0, 1, 0) > np.cos(np.radians(4))
    one = find_lv_frame(labels, affine, rv_insertion=insertions[0])
    assert one.orientation == "one insertion" and np.isnan(one.septal_arc_degrees)
    assert one.septal @ frame.septal > np.cos(np.radians(4))


R_OUTER, R_INNER, SHIFT, THICKEST = 27.0, 18.0, -3.0, np.radians(100.0)


def _flow_length(angle):
    """Length of the heat flow between eccentric circles from the outer one, by bipolar coordinates.

    The potential is the real part of ln((w + a) / (w - a)) with the circles' limiting points at w = -a and a; its
    flow lines keep the imaginary part.
    """
    total = (R_OUTER**2 + SHIFT**2 - R_INNER**2) / SHIFT
    half = np.sqrt(total**2 / 4 - R_OUTER**2)

    def bipolar(point):
        w = point - total / 2
        return np.log((w + half) / (w - half))

    start = bipolar(R_OUTER * np.exp(1j * (angle - THICKEST)))
    end = bipolar(SHIFT + R_INNER * np.exp(0.5j)).real
    tau = np.linspace(start.real, end, 2001)
    speed = half / (np.cosh(tau) - np.cos(start.imag))
    return abs(np.sum(0.5 * (speed[1:] + speed[:-1]) * np.diff(tau)))


@pytest.mark.parametrize(("seed", "mirrored"), [(1, True), (2, False), (4, True)])
def test_an_eccentric_wall_has_the_analytic_thickness_in_every_sector(seed, mirrored):
    turn = rotation(seed)
    x, y, z, affine = centred_grid(56.0, (1.5, 1.5, 1.5))
    if mirrored:
        affine[0] *= -1
    local = np.stack([x, y, z], axis=-1) * ((-1, 1, 1) if mirrored else (1, 1, 1)) @ turn
    along, cap = local[..., 2] + 24.0, np.clip(local[..., 2] + 3.0, 0, None)
    centre = SHIFT * np.array([np.cos(THICKEST), np.sin(THICKEST)])
    inner = np.linalg.norm([local[..., 0] - centre[0], local[..., 1] - centre[1], cap], axis=0) < R_INNER
    outer = np.linalg.norm([local[..., 0], local[..., 1], cap], axis=0) < R_OUTER
    labels = np.where(inner, 1, np.where(outer, 2, 0)).astype(np.uint8)
    labels[along < 0] = 0
    insertions = [turn @ (27 * np.cos(a), 27 * np.sin(a), 0.0) for a in np.radians([120.0, 240.0])]
    frame = find_lv_frame(labels, affine, rv_insertion=insertions)
    result = measure_thickness(labels, affine)
    rows = segment_table(result.thickness_mm, assign_segments(result.points, frame))
    angles = np.linspace(0, 2 * np.pi, 721)
    truth = np.array([_flow_length(angle) for angle in angles])
    # Sectors are seen from the long axis, which runs through the cavity, not through the middle of the outside.
    seen = np.degrees(np.angle(R_OUTER * np.exp(1j * angles) - (centre[0] + 1j * centre[1])))
    for row, degrees in zip(rows[:6], (90, 150, 210, 270, 330, 30)):
        sector = truth[np.abs((seen - degrees + 180) % 360 - 180) <= 30]
        assert row.median_mm == pytest.approx(np.median(sector), abs=0.4), row.name
        assert row.max_mm == pytest.approx(np.max(sector), abs=0.4), row.name


def test_the_oracle_gives_the_wall_where_it_is_thickest_and_thinnest():
    assert _flow_length(THICKEST) == pytest.approx(R_OUTER - R_INNER - SHIFT, abs=1e-4)
    assert _flow_length(THICKEST + np.pi) == pytest.approx(R_OUTER - R_INNER + SHIFT, abs=1e-4)


def test_without_an_insertion_the_orientation_says_that_it_is_estimated():
    labels, affine = _half_ellipsoid()
    frame = find_lv_frame(labels, affine)
    assert frame.orientation == "estimated"
    assert frame.septal @ (0.8, 0.6, 0) > 0.99
    assert abs(frame.septal @ frame.axis) < 1e-9


def test_a_given_base_plane_cuts_the_ventricle_before_its_length_is_taken():
    labels, affine = _half_ellipsoid()
    frame = find_lv_frame(labels, affine, base_plane=((0, 0, 12.0), (0, 0, -1.0)))
    assert frame.length_mm == pytest.approx(36, abs=1.5)


@pytest.mark.parametrize(
    ("insertion", "found"),
    [
        ([0.0, 0, 20], "from the axis"),
        ([[-15.0, 26, 24], [-26.0, 15, 24]], "30 degrees"),
        ([[-15.0, -26, 24], [-15.0, 26, 24]], "240 degrees .they look swapped"),
        ([np.nan, 0, 0], "found .nan"),
        (np.zeros((3, 3)), "found ..0.0, 0.0, 0.0., "),
    ],
)
def test_insertions_that_no_heart_has_are_refused_with_a_remedy(insertion, found):
    labels, affine = _half_ellipsoid()
    with pytest.raises(LVMError, match=found) as caught:
        find_lv_frame(labels, affine, rv_insertion=insertion)
    assert "short-axis" in caught.value.remedy


def test_an_empty_mask_has_no_frame():
    with pytest.raises(LabelError):
        find_lv_frame(np.zeros((5, 5, 5), np.uint8), np.eye(4))


def test_the_table_gives_back_the_known_thickness_of_every_sector():
    rng = np.random.default_rng(0)
    truth = rng.uniform(5, 15, 18)
    segments = rng.integers(0, 18, 20000).astype(np.uint8)
    thickness = truth[segments] + rng.uniform(-1, 1, segments.size)
    rows = segment_table(thickness, segments)
    assert [row.segment for row in rows] == [*range(1, 18), 0]
    for row in rows:
        own = thickness if row.segment == 0 else thickness[segments == row.segment]
        assert (row.count, row.invalid) == (own.size, 0)
        assert row.median_mm == pytest.approx(np.median(own), abs=1e-9)
        assert row.p95_mm == pytest.approx(np.percentile(own, 95), abs=1e-9)
        assert row.max_mm == own.max() and row.mean_mm == pytest.approx(own.mean())


def test_segments_without_a_value_are_nan_with_count_zero():
    segments = np.array([1, 1, 2, 2, 0])
    rows = segment_table([8.0, np.nan, np.nan, np.nan, 3.0], segments, model=16)
    assert len(rows) == 17
    assert (rows[0].count, rows[0].invalid, rows[0].median_mm) == (1, 1, 8.0)
    for row in rows[1:16]:
        assert row.count == 0 and np.isnan([row.median_mm, row.p95_mm, row.max_mm, row.mean_mm]).all()
    assert rows[1].invalid == 2 and rows[2].invalid == 0
    assert (rows[16].count, rows[16].invalid, rows[16].max_mm) == (2, 3, 8.0)


def test_weights_count_a_vertex_as_often_as_they_say():
    values, weights = np.array([1.0, 2.0, 5.0]), np.array([1.0, 0.0, 3.0])
    row = segment_table(values, np.ones(3, int), weights=weights)[0]
    assert row.mean_mm == 4.0 and row.count == 2 and row.max_mm == 5.0


@pytest.mark.parametrize("model", [0, 18, None])
def test_another_model_than_16_or_17_is_refused(model):
    with pytest.raises(LVMError, match="16 or 17"):
        segment_table([1.0], [1], model=model)
    with pytest.raises(LVMError, match="16 or 17"):
        assign_segments(np.zeros((1, 3)), _frame(np.eye(3)), model=model)


def test_thickness_and_segments_of_different_surfaces_are_refused():
    with pytest.raises(LVMError, match="same surface"):
        segment_table([1.0, 2.0], [1])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_bare_ball_of_blood_has_no_frame_instead_of_one_full_of_nan():
    x, y, z, affine = centred_grid(20.0, (2.0, 2.0, 2.0))
    with pytest.raises(LabelError, match=r"long axis|mm long"):
        find_lv_frame((x**2 + y**2 + z**2 < 15**2).astype(np.uint8), affine)
