"""Contours become closed curves that can be dragged, and come back."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from LVMLib.errors import ProtocolError
from LVMTransferLib import MRMLAdapter
from mrml_helpers import oblique

pytestmark = pytest.mark.usefixtures("scene")


def circle(count: int, radius: float = 25.0) -> np.ndarray:
    """A circle in an oblique plane, RAS mm."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    flat = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), np.zeros(count)])
    return flat @ oblique().directions.T + [10.0, -40.0, 300.0]


def test_the_points_of_a_contour_come_back():
    points = circle(40)
    node = MRMLAdapter.contourToScene(points, "endocardium")
    np.testing.assert_allclose(MRMLAdapter.contourFromNode(node), points, atol=1e-9)
    assert node.GetName() == "Endocardium"
    assert node.GetAttribute("LVM.Surface") == "endocardium"


def test_endocardium_is_red_and_epicardium_green():
    red = MRMLAdapter.contourToScene(circle(20), "endocardium").GetDisplayNode().GetSelectedColor()
    green = MRMLAdapter.contourToScene(circle(20), "epicardium").GetDisplayNode().GetSelectedColor()
    assert np.argmax(red) == 0
    assert np.argmax(green) == 1


def test_a_few_control_points_carry_the_whole_contour():
    node = MRMLAdapter.contourToScene(circle(400), "epicardium", controlPoints=16)
    assert node.GetNumberOfControlPoints() == 16
    radius = np.linalg.norm(MRMLAdapter.curveFromNode(node) - [10.0, -40.0, 300.0], axis=1)
    assert np.abs(radius - 25.0).max() < 0.1


def test_a_dragged_point_is_read_in_the_world_under_a_transform():
    node = MRMLAdapter.contourToScene(circle(12), "epicardium")
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = [1, 2, 3]
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    np.testing.assert_allclose(MRMLAdapter.contourFromNode(node), circle(12) + [1, 2, 3], atol=1e-9)
    MRMLAdapter.updateContour(node, circle(12))
    np.testing.assert_allclose(MRMLAdapter.contourFromNode(node), circle(12), atol=1e-9)


def test_an_open_curve_is_refused():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "open")
    with pytest.raises(ProtocolError, match="closed"):
        MRMLAdapter.contourFromNode(node)


@pytest.mark.parametrize("points", [np.zeros((2, 3)), np.full((5, 3), np.nan), np.zeros((5, 2))])
def test_too_few_or_broken_points_are_refused(points):
    with pytest.raises(ProtocolError, match="three points"):
        MRMLAdapter.contourToScene(points, "endocardium")
