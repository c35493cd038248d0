"""Slicer opens the file of the surfaces as closed curves."""

from __future__ import annotations

import numpy as np
import slicer
from LVMLib.annotation import find_axes_from_points, read_contours
from LVMLib.annotation.surfaces import surfaces_from_points, write_surfaces


def test_slicer_reads_the_contours_of_a_surfaces_file(scene, tmp_path):
    axes = find_axes_from_points(np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.0, 85.0]), np.array([35.0, 5.0, 45.0]))
    path = tmp_path / "00.mrk.json"
    write_surfaces(path, surfaces_from_points(axes))
    storage = slicer.vtkMRMLMarkupsJsonStorageNode()
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode")
    assert storage.ReadData(node)
    first = next(iter(read_contours(path).values()))[0]
    points = slicer.util.arrayFromMarkupsControlPoints(node, world=True)
    assert points.shape == first.shape
    assert np.allclose(points, first, atol=1e-3)
