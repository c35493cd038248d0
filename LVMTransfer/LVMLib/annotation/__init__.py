"""Annotation: axes and views of the left ventricle, contours, mask repair, consensus protocol, reader agreement."""

from .axes import LVAxes, find_axes, find_axes_from_points
from .repair import Repair, keep_largest, repair_labels
from .views import short_axis_stack, view_planes

__all__ = [
    "LVAxes",
    "Repair",
    "find_axes",
    "find_axes_from_points",
    "keep_largest",
    "repair_labels",
    "short_axis_stack",
    "view_planes",
]
