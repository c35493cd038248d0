"""Endocardium, epicardium and base of one phase as smooth surfaces that a reader edits.

Imports numba; the rooms that need no surfaces import from `annotation` itself.
"""

from .clicks import surfaces_from_points
from .edit import RADIUS_MM, Edit, drag, lock, push, smooth
from .fit import Fit, fit_labels
from .history import History
from .sections import contours, mesh
from .slices import copy_phase, copy_slice, interpolate_between, redraw
from .state import BASE, ENDOCARDIUM, EPICARDIUM, SURFACES, Pin, WallSurfaces
from .store import read_surfaces, write_surfaces

__all__ = [
    "BASE",
    "ENDOCARDIUM",
    "EPICARDIUM",
    "RADIUS_MM",
    "SURFACES",
    "Edit",
    "Fit",
    "History",
    "Pin",
    "WallSurfaces",
    "contours",
    "copy_phase",
    "copy_slice",
    "drag",
    "fit_labels",
    "interpolate_between",
    "lock",
    "mesh",
    "push",
    "read_surfaces",
    "redraw",
    "smooth",
    "surfaces_from_points",
    "write_surfaces",
]
