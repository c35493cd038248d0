"""Phantom cases for the tutorial: synthetic hearts, made on this computer, without labels."""

from __future__ import annotations

from pathlib import Path

import slicer
from LVMLib.progress import Progress, part, silent

SAMPLE_SITE, SAMPLE_SEED, SAMPLE_CASES, SAMPLE_PHASES, SAMPLE_SPACING_MM = "2", 20, 5, 10, 2.0


def sampleFolder() -> Path:
    """Return where the phantom cases are kept: in Slicer's cache, which the application settings can empty."""
    return Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / "LVMPhantom"


def makeSampleCohort(
    folder: Path, *, cases: int = SAMPLE_CASES, phases: int = SAMPLE_PHASES, progress: Progress = silent
) -> list[str]:
    """Make a cohort of phantom cases, or complete it; return the names of its cases.

    :raises StorageError: the disk is full or read-only.
    """
    from LVMLib.cohort import Cohort
    from LVMLib.phantom import SITES, case_sequence, case_subject, heart_grid

    site = SITES[SAMPLE_SITE]
    cohort = Cohort.open_or_create(folder, site=site.name)
    for number in range(1, cases + 1):
        name, step = f"phantom-{number}", part(progress, (number - 1) / cases, number / cases)
        if name not in cohort.case_ids():
            subject = case_subject(site, SAMPLE_SEED, number)
            sequence, frames = case_sequence(
                subject, grid=heart_grid(subject, spacing_mm=SAMPLE_SPACING_MM), phases=phases
            )
            cohort.add_case(
                sequence, case_id=name, source=f"phantom {site.name}, seed {SAMPLE_SEED}, case {number}", progress=step
            )
            cohort.case(name).set_phases(ed=0, es=min(frames.volumes_ml, key=frames.volumes_ml.get))
    return cohort.case_ids()
