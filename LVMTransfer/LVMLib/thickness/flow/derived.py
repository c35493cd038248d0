"""What follows from a measurement once somebody asks: thickness on the endocardium and in every voxel of the wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from ...grid import LVM
from ..model import WallSurface
from ..wall.frame import Field
from ..wall.prepare import Prepared
from .flags import open_wall
from .follow import Flow
from .mesh import extract_surface


@dataclass(frozen=True, eq=False)
class Measured:
    """A wall that has been measured from its epicardium.

    Parameters
    ----------
    flow : Flow
    field : Field
    prepared : Prepared
    shape : tuple of int
        Shape (Z, Y, X) of the caller's array.
    seeds : ndarray (V, 3)
        Vertices of the epicardium, mm in the field's frame.
    reasons : ndarray (V,) uint8
        Why they have no thickness; 0 where they have one.
    rotation, translation : ndarray (3, 3), (3,)
        The field's frame to RAS mm.
    """

    flow: Flow
    field: Field
    prepared: Prepared
    shape: tuple
    seeds: np.ndarray
    reasons: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def thickness_volume(self) -> np.ndarray:
        """Return thickness at the centres of the wall's voxels, mm, (Z, Y, X) float32; NaN elsewhere."""
        out = np.full(self.shape, np.nan, np.float32)
        prepared, field = self.prepared, self.field
        index = np.argwhere(prepared.labels == LVM)[:, ::-1]
        centres = index * prepared.spacing
        if prepared.base is not None:
            below = prepared.base.height(centres) <= 0
            index, centres = index[below], centres[below]
        local = field.from_input(centres)
        size = (np.array(field.epi.shape[::-1]) - 1.01) * field.spacing
        good = ((local >= 0) & (local <= size)).all(axis=1)
        good &= ~prepared.filled[tuple(index.T[::-1])]
        index, local = index[good], local[good]
        total, reasons = self._outwards(local)
        total += self.flow.trace(local, field.endo, up=False)[2]
        source = np.rint(index @ prepared.to_source[:3, :3].T + prepared.to_source[:3, 3]).astype(int)
        inside = ((source >= 0) & (source < np.array(self.shape[::-1]))).all(axis=1)
        source, total = source[inside], np.where(reasons > 0, np.nan, total)[inside]
        out[source[:, 2], source[:, 1], source[:, 0]] = total
        return out

    def endocardium(self) -> WallSurface:
        """Return the inner surface with the length of the flow line through each of its vertices."""
        field = self.field
        points, triangles = extract_surface(field.endo, field.spacing, field.rim)
        keep = ~open_wall(field.epi, field.spacing, points)
        kept = triangles[keep[triangles].all(axis=1)]
        used = np.zeros(len(points), bool)
        used[kept] = True
        points, triangles = points[used], (np.cumsum(used) - 1)[kept].astype(np.int32)
        lengths, reasons = self._outwards(points)
        if np.linalg.det(self.rotation) < 0:
            triangles = triangles[:, ::-1].copy()
        thickness = np.where(reasons > 0, np.nan, lengths)
        return WallSurface(points @ self.rotation.T + self.translation, triangles, thickness, reasons)

    def _outwards(self, points):
        """Follow the flow from points (N, 3) in the wall to the epicardium: lengths, mm, and why they do not count."""
        lines, offsets, lengths, reasons = self.flow.trace(points, -self.field.epi, up=True)
        if len(self.seeds) and (self.reasons > 0).any():
            ends = lines[offsets[1:] - 1, :3]
            nearest = cKDTree(self.seeds).query(ends)[1]
            reasons = np.where(reasons == 0, self.reasons[nearest], reasons)
        return lengths, reasons
