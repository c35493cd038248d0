"""CT volumes and 4D sequences go to the scene and come back the same."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from LVMLib.errors import GridError, ImageError
from LVMLib.imaging.sequence import ArrayFrames, CallableFrames, Sequence
from LVMTransferLib import MRMLAdapter
from mrml_helpers import noise, oblique

pytestmark = pytest.mark.usefixtures("scene")
RR = (0.0, 12.5, 40.0, 75.0)


def sequenceOf(grid, voxels, rr=RR):
    return Sequence(grid, ArrayFrames(voxels), rr, {}, "test")


@pytest.mark.parametrize("leftHanded", [False, True])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_volume_comes_back_exactly_on_an_oblique_grid(leftHanded, dtype):
    grid = oblique(leftHanded=leftHanded)
    voxels = noise(grid).astype(dtype)
    found, foundGrid = MRMLAdapter.volumeFromNode(MRMLAdapter.volumeToScene(voxels, grid, "ct"))
    np.testing.assert_array_equal(found, voxels)
    assert found.dtype == dtype
    np.testing.assert_allclose(foundGrid.affine, grid.affine, atol=1e-9)


def test_slicer_sees_the_voxel_at_the_place_that_the_grid_says():
    grid, voxels = oblique(leftHanded=True), noise(oblique())
    node = MRMLAdapter.volumeToScene(voxels, grid, "ct")
    matrix = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(matrix)
    i, j, k = np.rint(matrix.MultiplyPoint([*grid.to_ras([3, 5, 7]), 1.0])[:3]).astype(int)
    assert (i, j, k) == (3, 5, 7)
    assert node.GetImageData().GetScalarComponentAsDouble(i, j, k, 0) == voxels[7, 5, 3]


def test_a_linear_parent_transform_moves_the_grid_to_the_world():
    grid = oblique()
    node = MRMLAdapter.volumeToScene(noise(grid), grid, "ct")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    rigid = oblique(leftHanded=False).directions
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rigid, [5, 6, 7]
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_allclose(MRMLAdapter.gridFromVolume(node).affine, matrix @ grid.affine, atol=1e-9)


def test_a_deforming_parent_transform_is_refused_with_the_remedy():
    node = MRMLAdapter.volumeToScene(noise(oblique()), oblique(), "ct")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", "warp")
    transform.SetAndObserveTransformToParent(thinPlateSpline())
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(GridError, match="Harden"):
        MRMLAdapter.volumeFromNode(node)


def thinPlateSpline():
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for n, point in enumerate([(0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9), (5, 5, 5)]):
        source.InsertNextPoint(*point)
        target.InsertNextPoint(*(np.array(point) + [0.0, 0.0, n % 2]))
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    return spline


def test_an_empty_volume_is_refused():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(ImageError, match="nothing"):
        MRMLAdapter.volumeFromNode(node)


def test_a_colour_image_is_refused():
    node = slicer.util.addVolumeFromArray(
        np.zeros((4, 5, 6, 3), np.uint8), name="photo", nodeClassName="vtkMRMLVectorVolumeNode"
    )
    with pytest.raises(ImageError, match="colour"):
        MRMLAdapter.volumeFromNode(node)


def test_voxels_on_another_grid_are_refused():
    with pytest.raises(GridError):
        MRMLAdapter.volumeToScene(np.zeros((3, 3, 3), np.int16), oblique(), "ct")


@pytest.mark.parametrize("leftHanded", [False, True])
def test_a_4d_ct_comes_back_exactly_from_volume_sequence_and_browser(leftHanded):
    grid = oblique(leftHanded=leftHanded)
    voxels = noise(grid, phases=4)
    for node in MRMLAdapter.sequenceToScene(sequenceOf(grid, voxels), "case"):
        found = MRMLAdapter.sequenceFromScene(node)
        assert found.rr_percent == RR
        assert found.grid.matches(grid, tolerance_mm=1e-6)
        for phase in range(4):
            np.testing.assert_array_equal(found.frame(phase), voxels[phase])


def test_the_browser_shows_the_phase_that_is_selected():
    grid, voxels = oblique(), noise(oblique(), phases=4)
    volume, sequenceNode, browser = MRMLAdapter.sequenceToScene(sequenceOf(grid, voxels), "case")
    for phase in (3, 0, 2):
        MRMLAdapter.selectPhase(browser, phase)
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), voxels[phase])
    assert volume.GetName() == "case"
    assert [sequenceNode.GetNthIndexValue(n) for n in range(4)] == ["0", "12.5", "40", "75"]
    assert (sequenceNode.GetIndexName(), sequenceNode.GetIndexUnit()) == ("R-R", "%")
    assert MRMLAdapter.browserOf(volume) == MRMLAdapter.browserOf(sequenceNode) == browser


def test_a_4d_ct_is_shown_with_the_window_of_ct_angiography():
    volume, _, browser = MRMLAdapter.sequenceToScene(sequenceOf(oblique(), noise(oblique(), 4)), "case")
    MRMLAdapter.selectPhase(browser, 1)
    assert (volume.GetDisplayNode().GetWindow(), volume.GetDisplayNode().GetLevel()) == (900.0, 250.0)


def test_phases_on_disk_are_mapped_and_an_edit_in_slicer_never_reaches_the_file(tmp_path):
    grid, voxels = oblique(), noise(oblique(), phases=3)
    path = tmp_path / "image.raw"
    path.write_bytes(b"header!!" + voxels.tobytes())
    mapped = np.memmap(path, np.int16, "r", 8, voxels.shape)
    sequence = Sequence(grid, CallableFrames(3, lambda t: mapped[t]), (), {}, "disk")
    _, sequenceNode, _ = MRMLAdapter.sequenceToScene(sequence, "case")
    data = slicer.util.arrayFromVolume(sequenceNode.GetNthDataNode(1))
    np.testing.assert_array_equal(data, voxels[1])
    data[:] = 0
    np.testing.assert_array_equal(np.memmap(path, np.int16, "r", 8, voxels.shape)[1], voxels[1])


def test_phases_in_another_unit_than_percent_are_taken_as_uniform():
    grid, voxels = oblique(), noise(oblique(), phases=4)
    volume, sequenceNode, _ = MRMLAdapter.sequenceToScene(sequenceOf(grid, voxels), "case")
    sequenceNode.SetIndexUnit("ms")
    assert MRMLAdapter.sequenceFromScene(volume).rr_percent == (0.0, 25.0, 50.0, 75.0)


def test_a_volume_without_a_browser_is_a_sequence_of_one_phase():
    grid, voxels = oblique(), noise(oblique())
    found = MRMLAdapter.sequenceFromScene(MRMLAdapter.volumeToScene(voxels, grid, "ct"))
    assert len(found) == 1
    np.testing.assert_array_equal(found.frame(0), voxels)


def test_phases_that_differ_in_geometry_are_refused_by_name():
    volume, sequenceNode, _ = MRMLAdapter.sequenceToScene(sequenceOf(oblique(), noise(oblique(), 4)), "case")
    sequenceNode.GetNthDataNode(2).SetSpacing(1, 1, 1)
    with pytest.raises(GridError, match="phase 2"):
        MRMLAdapter.sequenceFromScene(volume)


def test_a_sequence_of_something_else_is_refused():
    sequenceNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "points")
    sequenceNode.SetDataNodeAtValue(slicer.vtkMRMLMarkupsFiducialNode(), "0")
    with pytest.raises(ImageError, match="points"):
        MRMLAdapter.sequenceFromScene(sequenceNode)
