"""What the module measured: one phase of a heart, or all labelled phases of its cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .SceneSurfaces import SEGMENT, THICKENING

# A vertex of a phase takes the thickening of the nearest tracked point, not farther than a thin wall is thick.
CARRY_MM = 4.0


@dataclass(frozen=True, eq=False)
class Measurement:
    """Thickness at every measured phase; places in world RAS mm.

    results: phase to the library's `ThicknessResult`; phase 0 for a segmentation that is no sequence.
    frames: phase to `LVFrame`, which gives the AHA segments; absent where no axes were found.
    ed, es: phases of end-diastole and end-systole; equal when one phase was measured.
    thickening: phase to wall thickening from ED to ES in percent, for each vertex of that phase.
    notes: what a reader must know, in words.
    """

    results: Mapping[int, object]
    frames: Mapping[int, object]
    ed: int
    es: int
    thickening: Mapping[int, np.ndarray] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def result(self) -> object:
        """The `ThicknessResult` at end-diastole, or of the only phase."""
        return self.results[self.ed]

    @property
    def orientation(self) -> str:
        """How the segments were oriented: "two insertions", "one insertion", "estimated", or nothing without any."""
        frame = self.frames.get(self.ed)
        return "" if frame is None else frame.orientation

    def arrays(self, phase: int) -> dict[str, np.ndarray]:
        """Return the arrays that a phase's surface has besides its thickness."""
        from LVMLib.thickness.segments import assign_segments

        found = {}
        if phase in self.frames:
            found[SEGMENT] = assign_segments(self.results[phase].points, self.frames[phase])
        if phase in self.thickening:
            found[THICKENING] = self.thickening[phase]
        return found


def ofCycle(cycle: object) -> Measurement:
    """Return the measurement of the library's `CycleResult`."""
    measured = [phase for phase in cycle.phases if phase.result is not None]
    results = {phase.phase: phase.result for phase in measured}
    frames = {phase.phase: phase.frame for phase in measured if phase.frame is not None}
    # That the septum is estimated is said by `Measurement.orientation`.
    notes = tuple(note for note in cycle.notes if not note.startswith("The septum's place is estimated"))
    return Measurement(results, frames, cycle.ed, cycle.es, _thickening(cycle, results), notes)


def _thickening(cycle: object, results: Mapping[int, object]) -> dict[int, np.ndarray]:
    """Carry the thickening of the tracked points to the vertices of every phase."""
    from scipy.spatial import cKDTree

    if cycle.ed == cycle.es or cycle.thickening_percent is None:
        return {}
    carried = {}
    for row, phase in enumerate(cycle.measured):
        points, percent = np.asarray(cycle.points_over_time[row], float), np.asarray(cycle.thickening_percent, float)
        if phase == cycle.ed:
            carried[phase] = percent
            continue
        known = np.isfinite(points).all(axis=1) & np.isfinite(percent)
        values = np.full(len(results[phase].points), np.nan)
        if known.any():
            distance, nearest = cKDTree(points[known]).query(results[phase].points)
            near = (distance <= CARRY_MM) & np.isfinite(results[phase].thickness_mm)
            values[near] = percent[known][nearest[near]]
        carried[phase] = values
    return carried
