"""The phantom's true mitral and aortic annuli, and labels that run on beyond them as a flood fill does."""

from __future__ import annotations

import numpy as np
from LVMLib.annotation.sheet import fit_sheet
from LVMLib.grid import Grid
from LVMLib.phantom.case import anatomy_of
from LVMLib.phantom.motion import ventricle_at
from LVMLib.phantom.subject import Subject
from LVMLib.phantom.ventricle import mitral_surface


def true_annuli(subject: Subject, phase: float, *, points: int = 12, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Return the phantom's annuli ``(points, 3)`` RAS mm at ``phase`` (fraction of R-R); ``scale`` of their radius."""
    anatomy = anatomy_of(subject)
    v = ventricle_at(subject, anatomy.beat, phase)
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x = v.mitral_x + scale * v.mitral_radius * np.cos(turn)
    y = v.mitral_y + scale * v.mitral_radius * np.sin(turn)
    mitral = np.column_stack([x, y, [mitral_surface(v, float(a), float(b)) for a, b in zip(x, y)]])
    normal = np.array([v.normal_x, v.normal_y, v.normal_z])
    across = np.cross(normal, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    ring = np.cos(turn)[:, None] * across + np.sin(turn)[:, None] * np.cross(normal, across)
    aortic = np.array([v.outflow_x, v.outflow_y, v.outflow_z]) + scale * v.outflow_radius * ring
    return {
        name: curve @ anatomy.rotation + anatomy.heart_ras for name, curve in (("mitral", mitral), ("aortic", aortic))
    }


def flooded(labels: np.ndarray, hu: np.ndarray, grid: Grid, annuli: dict[str, np.ndarray]) -> np.ndarray:
    """Return labels whose blood pool runs 15 mm on into left atrium and aorta, wherever the blood is bright."""
    bright = np.argwhere((hu > 0.6 * np.median(hu[labels == 1])) & (labels == 0))
    points = grid.to_ras(bright[:, ::-1])
    apical = grid.to_ras(np.argwhere(labels == 2)[:, ::-1].mean(axis=0))
    result = labels.copy()
    for name, reach in (("mitral", 4.0), ("aortic", 2.0)):
        sheet = fit_sheet(annuli[name], apical=apical)
        height = sheet.height(points)
        beyond = (height > 0) & (height < 15) & (sheet.distance_outside(points) < reach)
        result[tuple(bright[beyond].T)] = 1
    return result
