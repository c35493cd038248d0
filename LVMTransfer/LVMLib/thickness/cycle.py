"""Wall thickness over the cardiac cycle: every labelled phase, and thickening from end-diastole to end-systole."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np

from ..errors import GridError, LabelError, LVMCancelled, LVMError
from ..grid import BLOOD_POOL, Grid
from ..progress import Progress, silent
from .correspondence import carry, interpolated, make_chart
from .cycle_model import CycleResult, PhaseResult
from .measure import measure_thickness
from .model import Streamlines, ThicknessResult, WallSurface
from .ventricle import ESTIMATED, find_lv_frame, oriented_like, with_insertion

# How often the waiting thread reports, so that a window stays alive and a cancel is seen.
POLL_SECONDS = 0.1


def measure_cycle(
    labels: np.ndarray | Sequence[np.ndarray],
    affine: np.ndarray,
    *,
    ed: int | None = None,
    es: int | None = None,
    phases: Iterable[int] | None = None,
    rv_insertion: np.ndarray | None = None,
    base_planes: Mapping[int, tuple] | None = None,
    base_curves: Mapping[int, list[np.ndarray]] | None = None,
    method: str = "bicgstab",
    keep_streamlines: bool = True,
    threads: int | None = None,
    progress: Progress = silent,
) -> CycleResult:
    """Measure wall thickness at every labelled phase and follow the ED epicardium through the cycle.

    Points are carried from ED to every phase by their place in the ventricle's own frame (`correspondence`): angle
    about the long axis and way from apex to base. Twist cannot be seen in masks, so that material points near the
    apex may truly lie some degrees beside the carried ones; thickening is exact where thickness varies little around.

    Parameters
    ----------
    labels : ndarray (T, Z, Y, X), or sequence of (Z, Y, X)
        0 background, 1 blood pool, 2 LVM; a phase of zeros alone is not labelled and left out. A sequence is read one
        phase a thread. One (Z, Y, X) array is a cycle of one phase.
    affine : ndarray (4, 4)
        Voxel index ``(i, j, k)`` to RAS mm, of all phases.
    ed, es : int, optional
        Phases; by default those with the largest and the smallest blood pool.
    phases : iterable of int, optional
        Phases to measure; ED and ES are added if given. By default all.
    rv_insertion : ndarray (3,), (1, 3) or (2, 3), optional
        At ED, as in `find_lv_frame`; the other phases take the septum's direction from ED.
    base_planes : mapping of phase to (point, normal), optional
        As ``base_plane`` of `measure_thickness`, for the phases that have one.
    base_curves : mapping of phase to list of ndarray (N, 3), optional
        As ``base_curves`` of `measure_thickness`, for the phases that have some.
    method : {"bicgstab", "jacobi", "torch"}
        As in `measure_thickness`.
    keep_streamlines : bool
        False keeps the lines of ED and ES alone, and of the other phases only their first points.
    threads : int, optional
        Phases measured at the same time; by default one a core. The result is the same to the last bit.
    progress : Progress
        Called in the calling thread; `LVMCancelled` from it stops all phases.

    Returns
    -------
    CycleResult
        A phase that cannot be measured keeps its error and does not stop the others.

    Raises
    ------
    GridError
        The affine is sheared, not finite or not invertible.
    LabelError
        No phase is labelled, or ``ed``, ``es`` or ``phases`` name a phase that is not there or not labelled.
    LVMError
        No phase can be measured (the error of the first one), or the insertions fit no heart.
    """
    frames = _Frames(labels, affine)
    bases = base_planes or {}, base_curves or {}
    job = partial(_measure_phase, frames, bases=bases, method=method, keep_streamlines=keep_streamlines)
    with _Workers(threads, progress) as workers:
        asked = _asked(phases, (ed, es), frames.count)
        surveyed = workers.run(frames.volumes, asked, (0.0, 0.05), "Looking at the phases")
        labelled = {t: volumes for t, volumes in zip(asked, surveyed) if sum(volumes) > 0}
        _require_labelled(labelled, ed, es)
        planned = _ends(labelled, ed, es)
        jobs = [(t, labelled[t], t in planned) for t in labelled]
        found = workers.run(lambda each, go_on: job(*each, go_on=go_on), jobs, (0.05, 0.9), "Measuring")
        found, ends = _settled(found, (ed, es), planned, lambda t: job(t, labelled[t], True, go_on=silent))
        found, notes = _oriented(found, ends, rv_insertion)
        over_time = _over_time(found, ends[0], workers)
    not_labelled = tuple(t for t in asked if t not in labelled)
    named = tuple(
        "given" if given is not None else name for given, name in ((ed, "largest cavity"), (es, "smallest cavity"))
    )
    notes = [*_notes(found, not_labelled, planned, ends), *notes]
    return CycleResult(
        *ends, *named, tuple(found), not_labelled, *over_time, *_thickening(found, ends, over_time), tuple(notes)
    )


class _Frames:
    """The phases of the labels, one at a time, checked when read."""

    def __init__(self, labels, affine) -> None:
        self._labels = labels[None] if isinstance(labels, np.ndarray) and labels.ndim == 3 else labels
        self.affine = np.asarray(affine, float)
        self.count = len(self._labels)
        self._shape = np.shape(self._labels[0]) if self.count else ()
        if self.affine.shape != (4, 4):
            raise GridError(
                "affine",
                expected="a (4, 4) matrix from voxel index to RAS mm",
                found=f"shape {self.affine.shape}",
                remedy="Pass the image's voxel-to-RAS matrix.",
            )
        Grid((1, 1, 1), self.affine).require_orthogonal("label map")

    def read(self, t: int) -> np.ndarray:
        volume = np.asarray(self._labels[t])
        if volume.ndim != 3 or volume.shape != self._shape:
            raise LabelError(
                f"phase {t}",
                expected=f"labels of shape {self._shape} (Z, Y, X), as in phase 0",
                found=f"{volume.shape}",
                remedy="Give all phases on one grid.",
            )
        return volume

    def volumes(self, t: int, go_on=None) -> tuple[float, float]:
        """Millilitres of blood pool and of everything else that is labelled."""
        volume = self.read(t)
        voxel = float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0
        pool = np.count_nonzero(volume == BLOOD_POOL)
        return pool * voxel, (np.count_nonzero(volume) - pool) * voxel


class _Workers:
    """Threads for the phases; progress and cancelling stay in the calling thread."""

    def __init__(self, threads: int | None, progress: Progress) -> None:
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1)
        self._progress, self._stopped = progress, threading.Event()

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *exception) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _go_on(self, fraction: float, message: str) -> None:
        if self._stopped.is_set():
            raise LVMCancelled(message)

    def run(self, job: Callable, items: Sequence, part: tuple[float, float], message: str) -> list:
        """Return ``job(item, go_on)`` of all items in their order; ``go_on`` is the job's progress."""
        futures = [self._pool.submit(job, item, go_on=self._go_on) for item in items]
        pending: set[Future] = set(futures)
        while pending:
            done, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            count = len(futures) - len(pending)
            self._progress(
                part[0] + (part[1] - part[0]) * count / len(futures), f"{message} ({count} of {len(futures)})"
            )
        return [future.result() for future in futures]


@dataclass(frozen=True, eq=False)
class _Again:
    """What a result computes later, from a new measurement: its fields would fill the memory with twenty phases."""

    measure: Callable[[], ThicknessResult]

    def thickness_volume(self) -> np.ndarray:
        return self.measure().thickness_volume

    def endocardium(self) -> WallSurface:
        return self.measure().endocardium


def _measure_phase(frames, t, volumes, whole, *, bases, method, keep_streamlines, go_on) -> PhaseResult:
    labels = frames.read(t)
    plane, curves = (each.get(t) for each in bases)
    result = error = frame = frame_error = None
    measure = partial(
        measure_thickness, affine=frames.affine, base_plane=plane, base_curves=curves, method=method, threads=1
    )
    try:
        result = measure(labels, progress=go_on)
        frame = find_lv_frame(labels, frames.affine, base_plane=plane)
    except LVMError as caught:
        error, frame_error = (caught.at(f"phase {t}"), None) if result is None else (None, caught.at(f"phase {t}"))
    if result is not None and not whole:
        lines = result.streamlines if keep_streamlines else _first_points(result.streamlines)
        result = replace(result, streamlines=lines, _measured=_Again(lambda: measure(frames.read(t))))
    return PhaseResult(t, *volumes, result, error, frame, frame_error)


def _first_points(lines: Streamlines) -> Streamlines:
    first = lines.offsets[:-1]
    packed = {each.name: getattr(lines, each.name)[first] for each in fields(lines) if each.name != "offsets"}
    return replace(lines, **packed, offsets=np.arange(len(first) + 1))


def _asked(phases, ends, count):
    given = [t for t in ends if t is not None]
    asked = range(count) if phases is None else [*phases, *given]
    wrong = [t for t in [*asked, *given] if not 0 <= t < count]
    if wrong or not len(asked):
        raise LabelError(
            "phases",
            expected=f"a phase from 0 to {count - 1}" if count else "at least one phase",
            found=", ".join(map(str, dict.fromkeys(wrong))) or "none",
            remedy="Choose phases of the mask.",
        )
    return sorted(set(asked))


def _require_labelled(labelled, *given):
    missing = [t for t in given if t is not None and t not in labelled]
    if not labelled or missing:
        raise LabelError(
            "label map",
            expected="a labelled phase" + (f" {missing[0]}" if missing else ""),
            found="only zeros there (not labelled); labelled are " + (", ".join(map(str, labelled)) or "none"),
            remedy="Label end-diastole and end-systole, or choose phases that are labelled.",
        )


def _ends(volumes, ed, es):
    """ED and ES: as given, else the largest and the smallest blood pool among the phases that have one and a wall."""
    whole = [t for t, (pool, wall) in volumes.items() if pool > 0 and wall > 0] or list(volumes)
    return (
        max(whole, key=lambda t: volumes[t][0]) if ed is None else ed,
        min(whole, key=lambda t: volumes[t][0]) if es is None else es,
    )


def _settled(found, given, planned, measure):
    """The phases, ED and ES; where one that was chosen by volume failed, the next best takes its place."""
    good = {each.phase: (each.cavity_ml, each.wall_ml) for each in found if each.result is not None}
    if not good:
        raise next(each.error for each in found)
    ends = tuple(old if old in good else new for old, new in zip(planned, _ends(good, *given)))
    # A phase that takes the place of another comes whole, with its flow lines.
    new = {*ends} & {*good} - {*planned}
    return [measure(each.phase) if each.phase in new else each for each in found], ends


def _oriented(found, ends, rv_insertion):
    """The phases with the septum where ED has it, and what is to be said about it."""
    frame = next((each.frame for each in found if each.phase == ends[0]), None)
    if frame is None:
        return found, [f"ED (phase {ends[0]}) has no long axis: no segments and no correspondence."]
    if rv_insertion is not None:
        frame = with_insertion(frame, rv_insertion)
    turned = [
        each
        if each.frame is None
        else replace(each, frame=frame if each.phase == ends[0] else oriented_like(each.frame, frame))
        for each in found
    ]
    estimated = "The septum's place is estimated from the patient's position: no RV insertion was given."
    return turned, [estimated] if frame.orientation == ESTIMATED else []


def _over_time(found, ed, workers):
    """Places and thickness (P, V, …) of the vertices of the ED epicardium at the measured phases."""
    measured = [each for each in found if each.result is not None]
    start = next(each for each in measured if each.phase == ed) if any(each.phase == ed for each in measured) else None
    count = 0 if start is None else len(start.result.points)
    points = np.full((len(measured), count, 3), np.nan, np.float32)
    thickness = np.full((len(measured), count), np.nan, np.float32)
    if start is None:
        return points, thickness
    chart = None if start.frame is None else _chart(start)

    def follow(p, go_on):
        go_on(0.0, "Following the wall")
        each = measured[p]
        if each.phase == ed:
            points[p], thickness[p] = each.result.points, each.result.thickness_mm
        elif chart is not None and each.frame is not None:
            place = carry(chart, _chart(each))
            points[p] = interpolated(each.result.points, *place)
            thickness[p] = interpolated(each.result.thickness_mm, *place)

    workers.run(follow, range(len(measured)), (0.9, 1.0), "Following the wall")
    return points, thickness


def _chart(phase):
    return make_chart(phase.result.points, phase.result.triangles, phase.frame)


def _thickening(found, ends, over_time):
    points, thickness = over_time
    measured = [each.phase for each in found if each.result is not None]
    reasons = np.zeros(points.shape[1], np.uint8)
    if ends[0] == ends[1] or any(each.phase in ends and (each.result is None or each.frame is None) for each in found):
        return np.full(reasons.shape, np.nan), np.full_like(reasons, 4)
    ed, es = (thickness[measured.index(t)].astype(float) for t in ends)
    reasons[np.isnan(es)] = 2
    reasons[np.isnan(points[measured.index(ends[1])]).any(axis=1)] = 3
    reasons[np.isnan(ed)] = 1
    return 100.0 * (es - ed) / ed, reasons


def _notes(found, not_labelled, planned, ends):
    notes = [str(error) for each in found for error in (each.error, each.frame_error) if error is not None]
    notes += [
        f"Phase {old} would be {name} by its volume, but could not be measured; {name} is taken at phase {new}."
        for name, old, new in zip(("ED", "ES"), planned, ends)
        if old != new
    ]
    measured = {each.phase: each for each in found if each.result is not None}
    notes += _findings(measured)
    if not_labelled:
        notes.append("Not labelled: phases " + ", ".join(map(str, not_labelled)) + ".")
    if ends[0] == ends[1]:
        notes.append("One phase alone: no thickening." if len(measured) == 1 else "ED is ES: no thickening.")
    elif {*ends} <= {*measured} and measured[ends[0]].cavity_ml <= measured[ends[1]].cavity_ml:
        pools = (f"{measured[t].cavity_ml:.1f} ml at {name}" for t, name in zip(ends, ("ED", "ES")))
        notes.append(f"The cavity does not shrink from ED to ES ({', '.join(pools)}): are they exchanged?")
    return notes


def _findings(measured):
    """What the masks are said to lack, each once, with the phases."""
    phases = {}
    for t, each in measured.items():
        for sentence in each.result.notes:
            phases.setdefault(sentence, []).append(str(t))
    if len(measured) == 1:
        return [*phases]
    return [f"{sentence[:-1]} (phase {', '.join(at)})." for sentence, at in phases.items()]
