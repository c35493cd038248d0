"""Annotation: axes and views of the left ventricle, contours, mask repair, consensus protocol, reader agreement."""

from .agreement import BlandAltman, ReaderComparison, bland_altman, compare_readers, icc, pearson, staple
from .axes import LVAxes, find_axes, find_axes_from_points
from .check import Finding, check_labels
from .contours import resample_closed, section_contours
from .markups import read_contours, write_contours
from .protocol import Protocol
from .repair import Repair, count_defects, keep_largest, repair_labels
from .views import short_axis_stack, view_planes

__all__ = [
    "BlandAltman",
    "Finding",
    "LVAxes",
    "Protocol",
    "ReaderComparison",
    "Repair",
    "bland_altman",
    "check_labels",
    "compare_readers",
    "count_defects",
    "find_axes",
    "find_axes_from_points",
    "icc",
    "keep_largest",
    "pearson",
    "read_contours",
    "repair_labels",
    "resample_closed",
    "section_contours",
    "short_axis_stack",
    "staple",
    "view_planes",
    "write_contours",
]
