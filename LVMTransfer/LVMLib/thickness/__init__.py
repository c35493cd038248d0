"""Wall thickness: Laplace's equation between the surfaces of the wall, and the lines of its flow.

>>> from LVMLib.thickness import measure_thickness, write_surface
>>> result = measure_thickness(labels, affine)          # doctest: +SKIP
>>> result.statistics.median_mm                         # doctest: +SKIP
9.8
"""

from .bullseye import BullseyeSegment, bullseye_geometry, bullseye_svg, nice_limits, write_bullseye_svg
from .cycle import measure_cycle
from .cycle_model import THICKENING_REASONS, CycleResult, PhaseResult
from .measure import measure_thickness, measure_thickness_from_sdf
from .model import REASONS, Statistics, Streamlines, ThicknessResult, WallSurface
from .segments import SEGMENT_NAMES, SegmentStatistics, assign_segments, segment_table
from .tables import (
    cycle_summary,
    phase_segments,
    phase_table,
    role_of,
    surface_arrays,
    thickening_table,
    write_segments_csv,
)
from .ventricle import LVFrame, find_lv_frame
from .vtp import write_streamlines, write_surface

__all__ = [
    "REASONS",
    "SEGMENT_NAMES",
    "THICKENING_REASONS",
    "BullseyeSegment",
    "CycleResult",
    "LVFrame",
    "PhaseResult",
    "SegmentStatistics",
    "Statistics",
    "Streamlines",
    "ThicknessResult",
    "WallSurface",
    "assign_segments",
    "bullseye_geometry",
    "bullseye_svg",
    "cycle_summary",
    "find_lv_frame",
    "measure_cycle",
    "measure_thickness",
    "measure_thickness_from_sdf",
    "nice_limits",
    "phase_segments",
    "phase_table",
    "role_of",
    "segment_table",
    "surface_arrays",
    "thickening_table",
    "write_bullseye_svg",
    "write_segments_csv",
    "write_streamlines",
    "write_surface",
]
