"""Volume sequence files of the library open in Slicer, and Slicer's in the library; so do cropped segmentations."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
import vtk
from LVMLib.grid import Grid
from LVMLib.imaging import read_image, read_segmentation, write_segmentation, write_sequence_nrrd
from mrml_helpers import oblique


def stored(scene, className: str, node: object, path: object) -> object:
    """Return a storage node of the scene for ``node`` and ``path``."""
    storage = scene.AddNewNodeByClass(className)
    storage.SetFileName(str(path))
    return storage


def seenFrom(grid: Grid, voxels: np.ndarray, other: Grid) -> np.ndarray:
    """Return the voxels (Z, Y, X) of ``other`` in the order of ``grid``: Slicer turns left-handed volumes over."""
    k, j, i = np.indices(grid.shape)
    there = other.to_ijk(grid.to_ras(np.stack([i, j, k], axis=-1)))
    assert np.abs(there - np.rint(there)).max() < 1e-3
    return voxels[tuple(np.rint(there[..., axis]).astype(int) for axis in (2, 1, 0))]


@pytest.mark.parametrize("leftHanded", [False, True])
def test_a_sequence_file_goes_to_slicer_and_back(scene, tmp_path, leftHanded):
    grid = oblique(leftHanded=leftHanded)
    phases = np.random.default_rng(0).integers(-1000, 1500, (3, *grid.shape), dtype=np.int16)
    write_sequence_nrrd(tmp_path / "ours.seq.nrrd", phases, grid, phases=3, rr_percent=(5, 40, 75))
    sequence = scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    storage = stored(scene, "vtkMRMLVolumeSequenceStorageNode", sequence, tmp_path / "ours.seq.nrrd")
    assert storage.ReadData(sequence)
    assert [sequence.GetNthIndexValue(t) for t in range(3)] == ["5", "40", "75"]
    for t in range(3):
        node, matrix = sequence.GetNthDataNode(t), vtk.vtkMatrix4x4()
        node.GetIJKToRASMatrix(matrix)
        voxels = slicer.util.arrayFromVolume(node)
        shown = Grid(voxels.shape, slicer.util.arrayFromVTKMatrix(matrix))
        np.testing.assert_array_equal(seenFrom(grid, voxels, shown), phases[t])
    storage.SetFileName(str(tmp_path / "theirs.seq.nrrd"))
    assert storage.WriteData(sequence)
    found = read_image(tmp_path / "theirs.seq.nrrd")
    for t in range(3):
        np.testing.assert_array_equal(seenFrom(grid, found.frame(t), found.grid), phases[t])
    assert found.rr_percent == (5, 40, 75)


@pytest.mark.parametrize("leftHanded", [False, True])
@pytest.mark.parametrize("crop", [False, True])
def test_a_segmentation_that_slicer_saves_again_lies_on_the_images_grid(scene, tmp_path, crop, leftHanded):
    grid = oblique(leftHanded=leftHanded)
    labels = np.zeros(grid.shape, np.uint8)
    labels[2:6, 3:7, 2:5] = 2
    labels[3:5, 4:6, 3] = 1
    write_segmentation(tmp_path / "ours.seg.nrrd", labels, grid)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storage = stored(scene, "vtkMRMLSegmentationStorageNode", node, tmp_path / "ours.seg.nrrd")
    assert storage.ReadData(node)
    storage.SetCropToMinimumExtent(crop)
    storage.SetFileName(str(tmp_path / "theirs.seg.nrrd"))
    assert storage.WriteData(node)
    if not crop and not leftHanded:
        assert read_segmentation(tmp_path / "theirs.seg.nrrd")[1].matches(grid, tolerance_mm=1e-4)
    np.testing.assert_array_equal(read_segmentation(tmp_path / "theirs.seg.nrrd", reference=grid)[0], labels)
