"""Phantom cohorts on disk: cases of one site, labelled at every phase by the reader "truth"."""

from __future__ import annotations

import os
import zlib

import numpy as np

from ..cohort import Cohort
from ..errors import CohortError
from ..grid import Grid
from ..imaging import CallableFrames, Sequence, write_sequence_nifti, write_sequence_nrrd
from ..progress import Progress, part, silent
from .case import heart_grid, render_background, render_phase
from .sites import SITES, SiteProfile
from .subject import Subject, sample_subject

TRUTH = "truth"
"""The reader under whose name the phantom's labels stand."""


def case_subject(site: SiteProfile, seed: int, number: int) -> Subject:
    """Return the subject of case ``number`` (from 1): it depends on site, seed and number only, not on the count."""
    rng = np.random.default_rng([seed, number, *site.name.encode()])
    return sample_subject(rng, site)


class PhantomFrames:
    """The phases of a phantom case, rendered when they are asked for; labels are kept, compressed.

    Parameters
    ----------
    subject : Subject
    grid : Grid
    phases : int
    """

    def __init__(self, subject: Subject, grid: Grid, phases: int) -> None:
        self.subject, self.grid, self.phases = subject, grid, phases
        self._background: np.ndarray | None = None
        self._labels: dict[int, bytes] = {}
        self.volumes_ml: dict[int, float] = {}

    def __len__(self) -> int:
        return self.phases

    def frame(self, t: int) -> np.ndarray:
        """Render phase ``t``: HU, (Z, Y, X) int16."""
        if self._background is None:
            self._background = render_background(self.subject, self.grid)
        hu, labels = render_phase(self.subject, t / self.phases, self.grid, background=self._background)
        self._labels[t] = zlib.compress(labels.tobytes(), 1)
        self.volumes_ml[t] = float(np.count_nonzero(labels == 1)) * self.grid.voxel_volume / 1000.0
        return hu

    def labels(self, t: int) -> np.ndarray:
        """Return the labels of phase ``t``, (Z, Y, X) uint8."""
        if t not in self._labels:
            self.frame(t)
        return np.frombuffer(zlib.decompress(self._labels[t]), np.uint8).reshape(self.grid.shape)


def case_sequence(subject: Subject, *, grid: Grid | None = None, phases: int = 20) -> tuple[Sequence, PhantomFrames]:
    """Return a subject's 4D CT as a lazy `Sequence`, and the frames, which hold the labels."""
    grid = grid or heart_grid(subject)
    frames = PhantomFrames(subject, grid, phases)
    info = {"phantom": True, "format": "phantom", "manufacturer": "LVM phantom", "model": subject.site}
    return Sequence(grid, CallableFrames(phases, frames.frame), (), info, f"phantom {subject.site}"), frames


def write_nifti(path: str | os.PathLike, sequence: Sequence) -> None:
    """Write a sequence as 4D NIfTI, phase by phase; errors as `imaging.write_sequence_nifti`."""
    write_sequence_nifti(path, sequence, sequence.grid, phases=len(sequence))


def write_seq_nrrd(path: str | os.PathLike, sequence: Sequence) -> None:
    """Write a sequence as ``.seq.nrrd``, phase by phase; errors as `imaging.write_sequence_nrrd`."""
    write_sequence_nrrd(path, sequence, sequence.grid, phases=len(sequence), rr_percent=sequence.rr_percent)


def generate_cohort(
    path: str | os.PathLike,
    *,
    site: SiteProfile | str,
    cases: int,
    seed: int,
    phases: int = 20,
    spacing_mm: float | tuple[float, float, float] | None = None,
    crop: str = "auto",
    progress: Progress = silent,
) -> Cohort:
    """Make (or complete) a cohort of phantom cases with labels at every phase, reader "truth".

    Case ``k`` is the same whatever ``cases`` is; cases that are there already are left as they are, so that a run
    that was stopped goes on.

    Parameters
    ----------
    path : path
        Cohort folder.
    site : SiteProfile or str
        Hospital; "1" or "2" for `SITE_1` and `SITE_2`.
    cases : int
        How many.
    seed : int
    phases : int
        Uniform phases from 0 % R-R.
    spacing_mm : float or (3,), optional
        Voxel size along i, j, k; the site's native one by default (large files).
    crop : {"auto", "heart", "chest"}
        Field of view, as in `heart_grid`.
    progress : Progress

    Returns
    -------
    Cohort

    Raises
    ------
    CohortError
        No such site, or the folder holds something else.
    StorageError
        The disk is full or read-only.
    """
    profile = _profile(site)
    cohort = Cohort.open_or_create(path, site=profile.name)
    there = set(cohort.case_ids())
    for number in range(1, cases + 1):
        name = f"case-{number:03d}"
        step = part(progress, (number - 1) / cases, number / cases)
        if name in there and len(cohort.case(name).labelled_phases(TRUTH)) == phases:
            continue
        subject = case_subject(profile, seed, number)
        grid = heart_grid(subject, spacing_mm=spacing_mm, crop=crop)
        sequence, frames = case_sequence(subject, grid=grid, phases=phases)
        if name not in there:
            source = f"phantom {profile.name}, seed {seed}, case {number}, {subject.left.disease}"
            cohort.add_case(sequence, case_id=name, source=source, progress=part(step, 0.0, 0.8))
        case = cohort.case(name)
        for phase in range(phases):
            case.write_labels(TRUTH, phase, frames.labels(phase))
            step(0.8 + 0.2 * phase / phases, f"{name}: labels")
        case.set_phases(ed=0, es=min(frames.volumes_ml, key=frames.volumes_ml.get))
    progress(1.0, f"{cases} phantom cases")
    return cohort


def _profile(site: SiteProfile | str) -> SiteProfile:
    if isinstance(site, SiteProfile):
        return site
    if site not in SITES:
        raise CohortError(
            "phantom site", expected=" or ".join(sorted(SITES)), found=repr(site), remedy="Choose one of the two sites."
        )
    return SITES[site]
