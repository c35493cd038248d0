"""Annotation: axes and views of the left ventricle, contours, mask repair, consensus protocol, reader agreement."""

from .agreement import BlandAltman, ReaderComparison, bland_altman, compare_readers, icc, pearson, staple
from .axes import LVAxes, find_axes, find_axes_from_points
from .check import check_labels
from .contours import resample_closed, section_contours
from .difference import Difference, reader_difference, repair_difference
from .difference_picture import write_difference_picture
from .finding import Finding
from .markups import read_contours, read_valve_curves, write_contours, write_valve_curves
from .protocol import Protocol
from .repair import Repair, count_defects, keep_largest, repair_labels
from .valves import VALVES, Truncation, require_curve, truncate_by_curves, valve_sheets
from .views import short_axis_stack, view_planes

__all__ = [
    "VALVES",
    "BlandAltman",
    "Difference",
    "Finding",
    "LVAxes",
    "Protocol",
    "ReaderComparison",
    "Repair",
    "Truncation",
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
    "read_valve_curves",
    "reader_difference",
    "repair_difference",
    "repair_labels",
    "require_curve",
    "resample_closed",
    "section_contours",
    "short_axis_stack",
    "staple",
    "truncate_by_curves",
    "valve_sheets",
    "view_planes",
    "write_contours",
    "write_difference_picture",
    "write_valve_curves",
]
