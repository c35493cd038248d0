"""Slice views of the left ventricle as they are read in cardiac imaging.

Every view is a slice-to-RAS matrix whose columns are the screen's right, the screen's up, the direction towards the
reader, and the centre of the view; it is right-handed. The views follow echocardiography and cardiac CT workstations
(Cerqueira et al. 2002, doi 10.1161/hc0402.102975):

===============  ==================  =====================  ======================
view             up                  left                   right
===============  ==================  =====================  ======================
short_axis       anterior wall       septum                 lateral wall
four_chamber     apex                inferoseptal wall, RV  anterolateral wall
two_chamber      apex                inferior wall          anterior wall
three_chamber    apex                inferolateral wall     anteroseptal wall, LVOT
===============  ==================  =====================  ======================

The short axis is seen from the apex. The long-axis views are 60 degrees apart around the axis; the 3-chamber view goes
through the outflow tract where that is found.
"""

from __future__ import annotations

import numpy as np

from ..errors import LVMError
from .axes import LVAxes

# Angle of what is at the right of the screen, in the AHA bull's-eye: 0 lateral, 90 anterior, 180 septal.
LONG_AXIS_VIEWS = {"two_chamber": 90.0, "three_chamber": 150.0, "four_chamber": 30.0}


def view_planes(axes: LVAxes) -> dict[str, np.ndarray]:
    """Return the slice-to-RAS matrices of the four standard views.

    Parameters
    ----------
    axes : LVAxes
        The axes of the left ventricle.

    Returns
    -------
    dict of str to ndarray (4, 4)
        ``short_axis`` (halfway between base and apex), ``two_chamber``, ``three_chamber``, ``four_chamber``; RAS mm.
    """
    middle = (axes.apex + axes.mitral_centre) / 2
    planes = {"short_axis": _plane(-axes.septal, axes.anterior, middle)}
    for name, angle in LONG_AXIS_VIEWS.items():
        right = axes.direction(angle)
        if name == "three_chamber" and axes.aortic is not None:
            right = axes.aortic
        planes[name] = _plane(right, axes.axis, middle)
    return planes


def short_axis_stack(axes: LVAxes, spacing: float, *, margin_mm: float = 0.0) -> np.ndarray:
    """Return parallel short-axis planes from the mitral centre to the apex.

    Parameters
    ----------
    axes : LVAxes
        The axes of the left ventricle.
    spacing : float
        Distance between planes, mm.
    margin_mm : float
        How far to go beyond both ends, mm.

    Returns
    -------
    ndarray (N, 4, 4)
        Slice-to-RAS matrices, base first.

    Raises
    ------
    LVMError
        The spacing is not above zero.
    """
    if not spacing > 0:
        raise LVMError("spacing", expected="mm above 0", found=f"{spacing}", remedy="Choose for example 5 mm.")
    count = int(np.floor((axes.length_mm + 2 * margin_mm) / spacing)) + 1
    start = -margin_mm + (axes.length_mm + 2 * margin_mm - (count - 1) * spacing) / 2
    centres = axes.mitral_centre + axes.axis * (start + spacing * np.arange(count))[:, np.newaxis]
    return np.stack([_plane(-axes.septal, axes.anterior, centre) for centre in centres])


def _plane(right: np.ndarray, up: np.ndarray, centre: np.ndarray) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = right, up, np.cross(right, up), centre
    return matrix
