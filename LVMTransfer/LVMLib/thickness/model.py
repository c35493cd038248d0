"""What a thickness measurement gives back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

REASONS = {
    0: "measured",
    1: "the flow line left the image",
    2: "the potential has no slope here (wall without contact to the blood pool)",
    3: "the flow line found no endocardium",
    4: "no wall here: the blood pool touches the background",
    5: "beside an opening in the wall",
    6: "across background that is enclosed by the wall",
    7: "the wall is cut off by the border of the image",
    8: "on the rim of the wall at the base",
    9: "the mask contradicts the smoothed surfaces here (detail finer than the smoothing)",
}
BORDER = 7
# From this part of the surface on, missing values are no longer a matter of rims and seams.
MOST_INVALID = 0.5


@dataclass(frozen=True, eq=False)
class Streamlines(Sequence):
    """Lines of points, packed: ``lines[v]`` is an (N, 3) array in RAS mm, epicardium first.

    Parameters
    ----------
    points : ndarray (P, 3) float32
        RAS mm.
    potential : ndarray (P,) float32
        Ψ of Laplace's equation along the line: 1 on the epicardium, 0 on the endocardium.
    offsets : ndarray (V + 1,) int64
        Line ``v`` is ``points[offsets[v]:offsets[v + 1]]``.
    """

    points: np.ndarray
    potential: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return self.offsets.size - 1

    def __getitem__(self, v):
        if isinstance(v, slice):
            return [self[w] for w in range(*v.indices(len(self)))]
        if not -len(self) <= v < len(self):
            raise IndexError(f"line {v} of {len(self)}")
        v %= len(self)
        return self.points[self.offsets[v] : self.offsets[v + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[v] for v in range(len(self)))


@dataclass(frozen=True)
class Statistics:
    """Thickness over the vertices that have one, mm; NaN where no vertex has."""

    vertices: int
    invalid: int
    median_mm: float
    p95_mm: float
    max_mm: float
    mean_mm: float

    @classmethod
    def of(cls, thickness_mm: np.ndarray) -> Statistics:
        """Summarise ``thickness_mm`` (V,), NaN = no value."""
        known = thickness_mm[np.isfinite(thickness_mm)]
        if known.size == 0:
            return cls(thickness_mm.size, thickness_mm.size, *(float("nan"),) * 4)
        median, p95 = np.percentile(known, [50, 95])
        return cls(
            thickness_mm.size,
            int(thickness_mm.size - known.size),
            float(median),
            float(p95),
            float(known.max()),
            float(known.mean(dtype=float)),
        )


class Measured(Protocol):
    """What a result can compute later."""

    def thickness_volume(self) -> np.ndarray:
        """See `ThicknessResult.thickness_volume`."""

    def endocardium(self) -> WallSurface:
        """See `ThicknessResult.endocardium`."""


@dataclass(frozen=True, eq=False)
class WallSurface:
    """One surface of the wall with its thickness.

    Parameters
    ----------
    points : ndarray (V, 3) float64
        RAS mm.
    triangles : ndarray (T, 3) int32
        Counter-clockwise seen from outside the heart's cavity.
    thickness_mm : ndarray (V,) float64
        Length of the flow line through the vertex; NaN where there is none.
    reasons : ndarray (V,) uint8
        Why, as a key of `REASONS`.
    """

    points: np.ndarray
    triangles: np.ndarray
    thickness_mm: np.ndarray
    reasons: np.ndarray


@dataclass(frozen=True, eq=False)
class ThicknessResult:
    """Wall thickness on the epicardial surface.

    Parameters
    ----------
    points : ndarray (V, 3) float64
        Vertices of the epicardium, RAS mm.
    thickness_mm : ndarray (V,) float64
        Length of the flow line that starts at the vertex; NaN where there is none.
    triangles : ndarray (T, 3) int32
        Counter-clockwise seen from outside.
    streamlines : Streamlines
        One line a vertex, from the epicardium to the endocardium; an invalid vertex has its point alone.
    invalid : ndarray (V,) bool
        Vertices without a thickness.
    reasons : ndarray (V,) uint8
        Why, as a key of `REASONS`.
    info : dict
        How it was measured: base, components, holes, solver's iterations and residual, seconds of every stage.
    """

    points: np.ndarray
    thickness_mm: np.ndarray
    triangles: np.ndarray
    streamlines: Streamlines
    invalid: np.ndarray
    reasons: np.ndarray
    info: dict
    _measured: Measured = field(repr=False)

    @cached_property
    def thickness_volume(self) -> np.ndarray:
        """Thickness at the centre of every wall voxel, mm, (Z, Y, X) float32 on the mask's grid; NaN elsewhere.

        Computed when first asked for: two more flow lines for every voxel of the wall.
        """
        return self._measured.thickness_volume()

    @cached_property
    def endocardium(self) -> WallSurface:
        """The inner surface of the wall, with the length of the flow line through each of its vertices.

        Computed when first asked for: one more flow line for every vertex.
        """
        return self._measured.endocardium()

    @cached_property
    def statistics(self) -> Statistics:
        """Median, P95, maximum and mean over the valid vertices."""
        return Statistics.of(self.thickness_mm)

    @cached_property
    def invalid_reasons(self) -> dict[str, int]:
        """How many vertices have no thickness for which of `REASONS`, the most frequent first."""
        counts = np.bincount(self.reasons, minlength=len(REASONS))
        return {REASONS[n]: int(counts[n]) for n in np.argsort(-counts, kind="stable") if n and counts[n]}

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What is wrong with the mask, as far as it shows, in sentences; what the reasons mark vertex by vertex."""
        said = (
            (self.info["base"] == "closed", "The ventricle is closed at its base: it was measured all around."),
            (self.info.get("wall_openings"), "The wall has openings besides the base; beside them is no value."),
            (
                self.info.get("enclosed_holes"),
                "The labels enclose background: filled to measure; lines across it have no value.",
            ),
            (self.info.get("wall_components", 1) > 1, "The wall is in several pieces."),
            ((self.reasons == BORDER).any(), "The border of the image cuts the wall off."),
            (self.invalid.mean() > MOST_INVALID, "More than half of the surface has no value: look at the mask."),
        )
        return tuple(sentence for holds, sentence in said if holds)
