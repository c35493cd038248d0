"""Wall thickness: Laplace's equation between the surfaces of the wall, and the lines of its flow.

>>> from LVMLib.thickness import measure_thickness, write_surface
>>> result = measure_thickness(labels, affine)          # doctest: +SKIP
>>> result.statistics.median_mm                         # doctest: +SKIP
9.8
"""

from .measure import measure_thickness, measure_thickness_from_sdf
from .model import REASONS, Statistics, Streamlines, ThicknessResult
from .vtp import write_streamlines, write_surface

__all__ = [
    "REASONS",
    "Statistics",
    "Streamlines",
    "ThicknessResult",
    "measure_thickness",
    "measure_thickness_from_sdf",
    "write_streamlines",
    "write_surface",
]
