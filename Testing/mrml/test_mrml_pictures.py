"""Pictures show what the scene holds, where it is, the way a radiologist sees it."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from LVMLib.annotation import find_axes_from_points
from LVMLib.grid import Grid
from LVMThicknessLib import MRMLAdapter as ThicknessAdapter
from LVMTransferLib import CasePictures, MRMLAdapter, Pictures
from mrml_helpers import axial, centreOf, noise, oblique, shell, spherical_result
from scipy import ndimage

pytestmark = pytest.mark.usefixtures("scene")
SIZE = (300, 240)
FIELD_MM = 60.0
MM_PER_PIXEL = FIELD_MM / SIZE[0]
RED, GREEN = (242, 64, 51), (64, 217, 89)


def plane(right, up, centre):
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = right, up, np.cross(right, up), centre
    return matrix


def axialPlane(centre):
    """As radiologists look at an axial slice: the patient's left on the right, the front on top."""
    return plane([-1, 0, 0], [0, 1, 0], centre)


def obliquePlane(centre):
    directions = oblique().directions
    return plane(directions[:, 0], directions[:, 1], centre)


def pixelOf(point, planeToRAS):
    """Return (row, column) of a RAS point in a picture of SIZE."""
    right, up, _, _ = np.linalg.inv(planeToRAS) @ [*point, 1.0]
    return SIZE[1] / 2 - 0.5 - up / MM_PER_PIXEL, SIZE[0] / 2 - 0.5 + right / MM_PER_PIXEL


def near(picture, color, tolerance=60):
    return (np.abs(picture.astype(int) - color) < tolerance).all(axis=-1)


def render(volume, planeToRAS, **options):
    return Pictures.renderSlice(volume, planeToRAS, fieldOfViewMm=FIELD_MM, size=SIZE, ruler=False, **options)


def bright(grid, point, radius=3.0):
    """A dark volume with a bright ball at a RAS point."""
    return np.where(shell(grid, inner=radius, outer=radius, centre=np.asarray(point)) > 0, 900, -900).astype(np.int16)


@pytest.mark.parametrize("grid", [axial(), oblique(shape=(40, 60, 70)), oblique(leftHanded=True, shape=(40, 60, 70))])
@pytest.mark.parametrize("view", [axialPlane, obliquePlane])
def test_a_bright_ball_is_where_the_plane_says(grid, view):
    planeToRAS = view(centreOf(grid))
    ball = centreOf(grid) + planeToRAS[:3, 0] * 8 + planeToRAS[:3, 1] * 5
    picture = render(MRMLAdapter.volumeToScene(bright(grid, ball), grid, "ct"), planeToRAS)
    np.testing.assert_allclose(
        ndimage.center_of_mass(picture[..., 0] > 128), pixelOf(ball, planeToRAS), atol=0.5 / MM_PER_PIXEL
    )


def test_the_patients_left_is_on_the_right_of_an_axial_picture():
    grid = axial()
    left = centreOf(grid) + [-10, 0, 0]
    picture = render(MRMLAdapter.volumeToScene(bright(grid, left), grid, "ct"), axialPlane(centreOf(grid)))
    assert ndimage.center_of_mass(picture[..., 0] > 128)[1] > 0.6 * SIZE[0]


def test_the_window_of_ct_angiography_makes_lung_black_muscle_grey_and_contrast_light():
    grid = axial()
    for hu, low, high in ((-850, 0, 1), (110, 80, 95), (450, 175, 190), (900, 254, 255)):
        volume = MRMLAdapter.volumeToScene(np.full(grid.shape, hu, np.int16), grid, "ct")
        middle = render(volume, axialPlane(centreOf(grid)))[SIZE[1] // 2, SIZE[0] // 2]
        assert len(set(middle.tolist())) == 1
        assert low <= middle[0] <= high


@pytest.mark.parametrize("view", [axialPlane, obliquePlane])
def test_both_contours_are_on_the_spheres_that_they_outline(view):
    grid = axial(spacing=1.0, shape=(60, 60, 60))
    labels = shell(grid, inner=10.0, outer=16.0)
    planeToRAS = view(centreOf(grid))
    MRMLAdapter.outlinesToScene(labels, grid, "contours")
    picture = render(MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct"), planeToRAS)
    for color, radius in ((RED, 10.0), (GREEN, 16.0)):
        rows, columns = np.nonzero(near(picture, color))
        centre = pixelOf(centreOf(grid), planeToRAS)
        distance = np.hypot(rows - centre[0], columns - centre[1]) * MM_PER_PIXEL
        assert len(rows) > 2 * np.pi * radius / MM_PER_PIXEL * 0.8  # closed, and wider than one pixel
        np.testing.assert_allclose(distance, radius, atol=1.0)
        angle = np.arctan2(rows - centre[0], columns - centre[1])
        assert len(np.unique(np.floor(angle / (2 * np.pi) * 36))) == 36


def test_the_line_width_is_in_pixels():
    grid = axial(spacing=1.0, shape=(60, 60, 60))
    volume = MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct")
    inked = []
    for width in (2.0, 6.0):
        node = MRMLAdapter.outlinesToScene(shell(grid), grid, "contours", lineWidth=width)
        inked.append((render(volume, axialPlane(centreOf(grid))).max(axis=-1) > 40).sum())
        slicer.mrmlScene.RemoveNode(node)
    assert inked[1] == pytest.approx(3 * inked[0], rel=0.3)


def test_before_and_after_can_be_drawn_in_other_colours():
    grid = axial(spacing=1.0, shape=(60, 60, 60))
    volume = MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct")
    MRMLAdapter.outlinesToScene(shell(grid, inner=8.0, outer=13.0), grid, "after")
    before = {"endocardium": (1.0, 1.0, 0.0), "epicardium": (0.0, 1.0, 1.0)}
    node = MRMLAdapter.outlinesToScene(shell(grid, inner=11.0, outer=17.0), grid, "before", colors=before)
    picture = render(volume, axialPlane(centreOf(grid)))
    for color in (RED, GREEN, (255, 255, 0), (0, 255, 255)):
        assert near(picture, color).sum() > 100
    picture = render(volume, axialPlane(centreOf(grid)), hide=[node])
    assert near(picture, (255, 255, 0)).sum() == 0
    assert near(picture, RED).sum() > 100
    assert node.GetDisplayVisibility()


def test_a_segmentation_with_terminology_is_drawn_in_its_colours():
    grid = axial(spacing=1.0, shape=(60, 60, 60))
    volume = MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct")
    MRMLAdapter.segmentationFromLabels(shell(grid), grid, "LV", volume)
    picture = render(volume, axialPlane(centreOf(grid))).astype(int)
    middle, wall = picture[SIZE[1] // 2, SIZE[0] // 2], picture[SIZE[1] // 2, SIZE[0] // 2 + round(13 / MM_PER_PIXEL)]
    assert middle[0] > middle[1] + 50
    assert wall[1] > wall[0] + 40


def test_a_contour_markup_is_drawn_where_it_is():
    grid = axial()
    centre = centreOf(grid)
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    points = centre + 18 * np.column_stack([np.cos(turn), np.sin(turn), np.zeros(16)])
    MRMLAdapter.contourToScene(points, "epicardium")
    picture = render(MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct"), axialPlane(centre))
    rows, columns = np.nonzero(near(picture, GREEN))
    middle = pixelOf(centre, axialPlane(centre))
    distance = np.hypot(rows - middle[0], columns - middle[1]) * MM_PER_PIXEL
    assert len(rows) > 200
    np.testing.assert_allclose(np.median(distance), 18.0, atol=0.5)


def test_the_phase_that_is_selected_is_the_one_in_the_picture():
    from LVMLib.imaging.sequence import ArrayFrames, Sequence

    grid = axial()
    voxels = np.stack([np.full(grid.shape, hu, np.int16) for hu in (-850, 450)])
    volume, _, browser = MRMLAdapter.sequenceToScene(Sequence(grid, ArrayFrames(voxels), (), {}, "test"), "case")
    MRMLAdapter.segmentationSequence({1: shell(grid)}, grid, "LV", volume)
    shown = []
    for phase in (0, 1):
        MRMLAdapter.selectPhase(browser, phase)
        picture = render(volume, axialPlane(centreOf(grid)))
        shown.append((picture[5, 5, 0], np.ptp(picture.astype(int), axis=-1).max() > 50))
    assert shown[0] == (0, False)
    assert shown[1][0] > 150
    assert shown[1][1]


def test_a_picture_leaves_the_scene_as_it_was():
    grid = axial()
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    node = ThicknessAdapter.thicknessModel(spherical_result(), "thickness")
    scene = slicer.mrmlScene
    before = [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())]
    logics = slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems()
    render(volume, axialPlane(centreOf(grid)))
    Pictures.renderThreeD(size=SIZE)
    assert [scene.GetNthNode(n).GetID() for n in range(scene.GetNumberOfNodes())] == before
    assert slicer.app.applicationLogic().GetSliceLogics().GetNumberOfItems() == logics
    assert node.GetNumberOfDisplayNodes() == 2


def test_a_row_of_views_is_one_png_with_captions(tmp_path):
    grid = axial()
    volume = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    views = [
        Pictures.SlicePicture(axialPlane(centreOf(grid)), caption)
        for caption in ("Short axis", "2-chamber", "3-chamber")
    ]
    row = Pictures.renderSliceRow(volume, views, path=tmp_path / "row.png", size=SIZE, fieldOfViewMm=FIELD_MM)
    assert row.shape == (SIZE[1], 3 * SIZE[0] + 2 * 4, 3)
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(tmp_path / "row.png"))
    reader.Update()
    assert reader.GetOutput().GetDimensions()[:2] == (row.shape[1], row.shape[0])
    stored = vtk.util.numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
    np.testing.assert_array_equal(stored.reshape(row.shape)[::-1], row)


def test_the_caption_is_written_in_the_upper_left_corner():
    grid = axial()
    volume = MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct")
    rows, columns = np.nonzero(render(volume, axialPlane(centreOf(grid)), caption="Short axis")[..., 0] > 80)
    assert rows.max() < SIZE[1] * 0.12
    assert columns.max() < SIZE[0] * 0.5
    assert len(rows) > 60


# -- 3D ----------------------------------------------------------------------------------------------------------------


def test_the_3d_picture_shows_thickness_from_dark_below_to_light_above_and_grey_without_value():
    ThicknessAdapter.thicknessModel(spherical_result(invalid=24), "thickness", legend=False)
    picture = Pictures.renderThreeD(size=(300, 300), background=(1, 1, 1)).astype(float)
    drawn = (picture.min(axis=-1) < 250).nonzero()
    top, bottom = drawn[0].min(), drawn[0].max()
    middle = picture[:, 145:155].mean(axis=1)
    colourful = np.ptp(middle, axis=-1) > 40
    assert bottom - top > 200  # the sphere fills the picture
    assert not colourful[top + 1 : top + 3].any()  # the ring without values
    light = middle[top + (bottom - top) // 4].sum()
    dark = middle[bottom - (bottom - top) // 4].sum()
    assert light > dark + 50


def test_the_legend_shows_the_range_beside_the_surface():
    ThicknessAdapter.thicknessModel(spherical_result(), "thickness")
    picture = Pictures.renderThreeD(size=(400, 300), background=(1, 1, 1)).astype(int)
    bar = picture[:, int(0.91 * 400)]
    colours = bar[(np.ptp(bar, axis=-1) > 40)]
    assert len(colours) == pytest.approx(0.42 * 300, abs=3)
    np.testing.assert_allclose(colours[0], (253, 231, 37), atol=12)
    np.testing.assert_allclose(colours[-1], (68, 1, 84), atol=12)
    labels = picture[:, int(0.935 * 400) :]
    assert (labels.max(axis=-1) < 120).sum() > 30


def test_only_the_nodes_that_are_asked_for_are_drawn():
    surface = ThicknessAdapter.thicknessModel(spherical_result(), "surface", legend=False)
    lines = ThicknessAdapter.streamlineTubes(spherical_result(), "lines", density=0.05, radius=0.1)
    inked = [
        (Pictures.renderThreeD(size=(200, 200), show=[node]).min(axis=-1) < 250).sum() for node in (surface, lines)
    ]
    assert inked[0] > 4 * inked[1] > 0
    assert surface.GetDisplayVisibility()
    assert lines.GetDisplayVisibility()


@pytest.mark.parametrize(("viewFrom", "column"), [((0, 1, 0), 1), ((0, -1, 0), -1)])
def test_seen_from_the_front_the_patients_left_is_on_the_right(viewFrom, column):
    grid = Grid((10, 10, 10), np.diag([1.0, 1, 1, 1]))
    MRMLAdapter.segmentationFromLabels(shell(grid, inner=3, outer=4, centre=np.array([4.0, 4, 4])), grid, "right")
    left = Grid((10, 10, 10), grid.affine + np.array([[0, 0, 0, -40.0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]))
    node = MRMLAdapter.segmentationFromLabels(shell(left, inner=3, outer=4, centre=centreOf(left)), left, "left")
    for n in range(2):
        node.GetDisplayNode().SetSegmentOverrideColor(node.GetSegmentation().GetNthSegmentID(n), 0, 0, 1)
    picture = Pictures.renderThreeD(viewFrom=viewFrom, size=(300, 200), background=(0, 0, 0)).astype(int)
    blue = np.nonzero(picture[..., 2] > picture[..., 0] + 60)[1].mean()
    assert (blue - 150) * column > 50


# -- pictures of a case ------------------------------------------------------------------------------------------------


def ventricle(grid):
    """A half-ellipsoid with an open base on top, apex down."""
    k, j, i = np.indices(grid.shape)
    place = grid.to_ras(np.stack([i, j, k], axis=-1)) - centreOf(grid) - [0, 0, 15]
    below = place[..., 2] < 0
    endo = ((place / [14, 14, 30]) ** 2).sum(axis=-1) < 1
    epi = ((place / [22, 22, 38]) ** 2).sum(axis=-1) < 1
    return np.where(below & endo, 1, np.where(below & epi, 2, 0)).astype(np.uint8)


def test_a_case_is_drawn_in_three_views_with_both_readings_and_leaves_nothing(tmp_path):
    grid = axial(spacing=1.5, shape=(48, 40, 40))
    volume = MRMLAdapter.volumeToScene(np.full(grid.shape, -900, np.int16), grid, "ct")
    labels = ventricle(grid)
    before = slicer.mrmlScene.GetNumberOfNodes()
    row = CasePictures.contourPicture(
        volume, labels, grid, tmp_path / "row.png", other=np.roll(labels, 2, axis=2), title="phantom", size=(240, 240)
    )
    assert row.shape == (240, 3 * 240 + 8, 3)
    for n in range(3):
        view = row[:, n * 244 : n * 244 + 240]
        for color in (RED, GREEN, (255, 242, 89), (89, 230, 255)):
            assert near(view[60:], color, 50).sum() > 30
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert (tmp_path / "row.png").stat().st_size > 1000


def test_thickness_and_streamlines_are_drawn_side_by_side(tmp_path):
    axes = find_axes_from_points(np.array([0, 0, -16.0]), np.array([0, 0, 16.0]), np.array([15.0, 0, 0]))
    before = slicer.mrmlScene.GetNumberOfNodes()
    row = CasePictures.thicknessPicture(spherical_result(), axes, tmp_path / "3d.png", size=(240, 220)).astype(int)
    for half in (row[:, :240], row[:, 244:]):
        assert (np.ptp(half, axis=-1) > 40).mean() > 0.05
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_the_walls_that_face_the_viewer_are_named_beside_the_ventricle():
    axes = find_axes_from_points(np.array([0, 0, -16.0]), np.array([0, 0, 16.0]), np.array([15.0, 0, 0]))
    points = spherical_result().points
    centre = points.mean(axis=0)
    for name, angle in {"lateral": 0, "anterior": 90, "septal": 180, "inferior": 270}.items():
        seen = dict(CasePictures.wallMarks(axes, points, axes.direction(angle)))
        assert len(seen) == 3, "the opposite wall is behind"
        (facing,) = (at for text, at in seen.items() if text.endswith(name))
        assert (facing - centre) @ axes.direction(angle) > np.linalg.norm(points - centre, axis=1).mean()


def test_a_mark_is_written_over_its_point():
    surface = ThicknessAdapter.thicknessModel(spherical_result(), "surface", legend=False)
    options = {"size": (300, 300), "show": [surface], "background": (0, 0, 0)}
    points = spherical_result().points
    right = points[points[:, 0].argmax()]  # the view is from the front: the patient's right is on the left
    plain, marked = (Pictures.renderThreeD(marks=marks, **options).astype(int) for marks in ([], [("wall", right)]))
    where = np.argwhere((marked != plain).any(axis=-1))
    assert len(where) > 20
    assert np.abs(where.mean(axis=0) - 150)[0] < 30 and np.abs(where.mean(axis=0) - 150)[1] > 60


@pytest.mark.realct
def test_the_real_ct_is_a_picture_with_lung_muscle_and_contrast(real_ct):
    voxels, grid = real_ct
    volume = MRMLAdapter.volumeToScene(voxels, grid, "ct")
    picture = Pictures.renderSlice(volume, axialPlane(centreOf(grid)), fieldOfViewMm=140, size=SIZE)[..., 0]
    assert (picture < 10).mean() > 0.05
    assert ((picture > 60) & (picture < 120)).mean() > 0.1
    assert (picture > 160).mean() > 0.1
