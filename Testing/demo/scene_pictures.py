"""Pictures of a case on real Slicer core: contours in the cardiac views, streamlines, thickness on the surface."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import slicer
from LVMLib.annotation import find_axes, view_planes
from LVMLib.grid import Grid
from LVMLib.thickness import ThicknessResult
from LVMThicknessLib import MRMLAdapter as thicknessScene
from LVMTransferLib import MRMLAdapter as scene
from LVMTransferLib import Pictures

VIEWS = {"short_axis": "Short axis", "two_chamber": "2-chamber", "three_chamber": "3-chamber"}
TRUTH_COLORS = {"endocardium": (1.0, 0.85, 0.2), "epicardium": (0.25, 0.75, 1.0)}
FIELD_OF_VIEW_MM = 130.0


@dataclass(frozen=True)
class Phase:
    """One phase of a case: its voxels (Z, Y, X) HU, labels of it, and their grid."""

    voxels: np.ndarray
    labels: np.ndarray
    grid: Grid


def contour_row(path: Path, phase: Phase, *, caption: str = "", truth: np.ndarray | None = None) -> Path:
    """Draw short axis, 2- and 3-chamber with both contours; with ``truth`` its contours in yellow and blue below.

    The planes come from ``truth`` where it is given, so that a row before and a row after show the same slices.
    """
    reference = phase.labels if truth is None else truth
    planes = view_planes(find_axes(reference, phase.grid))
    volume = scene.volumeToScene(phase.voxels, phase.grid, "CT")
    nodes = [volume]
    if truth is not None:
        nodes.append(scene.outlinesToScene(truth, phase.grid, "Truth", colors=TRUTH_COLORS, lineWidth=1))
    if (phase.labels > 0).any():
        nodes.append(scene.outlinesToScene(phase.labels, phase.grid, "Contours"))
    pictures = [Pictures.SlicePicture(planes[name], f"{title} {caption}".strip()) for name, title in VIEWS.items()]
    Pictures.renderSliceRow(volume, pictures, path=path, fieldOfViewMm=FIELD_OF_VIEW_MM, size=(480, 480))
    for node in nodes:
        slicer.mrmlScene.RemoveNode(node)
    return path


def thickness_pictures(folder: Path, result: ThicknessResult, phase: Phase, *, caption: str) -> tuple[Path, Path]:
    """Draw the streamlines and the thickness on the epicardium, seen from the free wall; return both files."""
    axes = find_axes(phase.labels, phase.grid)
    looking = {"viewFrom": axes.direction(45.0), "viewUp": -axes.axis, "size": (720, 640)}
    drawings = {
        "thickness": lambda: thicknessScene.thicknessModel(result, "Wall thickness"),
        "streamlines": lambda: thicknessScene.streamlineTubes(result, "Streamlines"),
    }
    paths = []
    for name, draw in drawings.items():
        node = draw()
        paths.append(folder / f"{name}.png")
        Pictures.renderThreeD(paths[-1], caption=f"{name.capitalize()} {caption}", show=[node], **looking)
        slicer.mrmlScene.RemoveNode(node)
    return paths[1], paths[0]
