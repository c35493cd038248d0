"""A blinded second reading of some cases by two or more readers, as one guided flow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ...errors import CohortError
from ...origin import now
from ..case import Case, require_name
from ..manifest import read_manifest, write_manifest
from ..store import Cohort
from .reading import altered_since_finished, read_reading

FILE_NAME = "blind.json"
USUAL_CASES = 5


class BlindStudy(BaseModel):
    """``blind.json``: who reads which cases without seeing the others' labels.

    ``proposal`` says whether the readers start from the model's labels; two readers who correct the same proposal
    agree more than two who draw alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    readers: tuple[str, ...]
    cases: tuple[str, ...]
    proposal: bool = False
    started: str


@dataclass(frozen=True)
class Step:
    """One reading of a blinded study: ``state`` is "to read", "in work", "read" or "altered" (after it was read)."""

    case: str
    reader: str
    state: str


@dataclass(frozen=True)
class StudyState:
    """Where a blinded study stands.

    Parameters
    ----------
    steps : tuple of Step
        Every reading, case by case.
    next_step : Step or None
        What has to be done next; None = every reading is finished, the readers may be compared.
    next : str
        The same as a sentence.
    """

    steps: tuple[Step, ...]
    next_step: Step | None
    next: str

    @property
    def complete(self) -> bool:
        """Whether every reading is finished."""
        return self.next_step is None


def start_blind_study(
    cohort: Cohort, readers: Sequence[str], cases: Sequence[str] | int = USUAL_CASES, *, proposal: bool = False
) -> BlindStudy:
    """Begin a blinded study; from now on its readers see only their own labels of these cases.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    readers : sequence of str
        Two names or more.
    cases : sequence of str or int
        Names of cases, or how many of the first cases that none of the readers has labelled yet.
    proposal : bool
        Whether the readers may start from the model's labels.

    Raises
    ------
    CohortError
        A study is there already, fewer than two readers, too few cases, or a reader who has labelled one of them.
    """
    path = cohort.folder / FILE_NAME
    if path.exists():
        raise CohortError(
            path, expected="no blinded study yet", found="one", remedy="Finish it, or move its blind.json away."
        )
    names = [require_name(name, "reader") for name in dict.fromkeys(readers)]
    if len(names) < 2:
        raise CohortError("readers", expected="two or more", found=", ".join(names) or "none", remedy="Name them.")
    free = [name for name in cohort.case_ids() if not set(names) & set(cohort.case(name).readers())]
    wanted = free[:cases] if isinstance(cases, int) else list(cases)
    for name in wanted:
        cohort.case(name)
    missing = cases - len(wanted) if isinstance(cases, int) else len(set(wanted) - set(free))
    if missing or not wanted:
        raise CohortError(
            cohort.folder,
            expected=f"{cases if isinstance(cases, int) else len(wanted)} cases that none of the readers has labelled",
            found=f"{len(set(wanted) & set(free))}",
            remedy="Choose other cases, or import more.",
        )
    study = BlindStudy(readers=tuple(names), cases=tuple(wanted), proposal=proposal, started=now())
    write_manifest(path, study)
    return study


def blind_study(cohort: Cohort) -> BlindStudy | None:
    """Return the cohort's blinded study, or None."""
    path = cohort.folder / FILE_NAME
    return read_manifest(path, BlindStudy, CohortError) if path.is_file() else None


def study_state(cohort: Cohort, study: BlindStudy) -> StudyState:
    """Return what is read and what comes next.

    Raises
    ------
    CohortError
        A case of the study is gone.
    """
    steps = []
    for name in study.cases:
        case = cohort.case(name)
        steps += [Step(name, reader, _state(case, reader)) for reader in study.readers]
    order = {"altered": 0, "in work": 1, "to read": 2}
    waiting = sorted((step for step in steps if step.state in order), key=lambda step: order[step.state])
    if not waiting:
        return StudyState(tuple(steps), None, "All readings are finished: compare the readers.")
    step = waiting[0]
    words = {
        "altered": f"{step.reader} changed {step.case} after finishing it: look at it and finish it again",
        "in work": f"{step.reader} finishes {step.case}",
        "to read": f"{step.reader} reads {step.case}",
    }
    return StudyState(tuple(steps), step, f"Next: {words[step.state]} ({len(waiting)} of {len(steps)} readings left).")


def is_blinded(cohort: Cohort, case_id: str, reader: str) -> bool:
    """Whether ``reader`` must not see others' labels of a case now: until every reading of the study is finished."""
    study = blind_study(cohort)
    if study is None or reader not in study.readers or case_id not in study.cases:
        return False
    return not study_state(cohort, study).complete


def _state(case: Case, reader: str) -> str:
    reading = read_reading(case, reader)
    if reading is None or reading.finished is None:
        return "in work" if reading is not None or case.labelled_phases(reader) else "to read"
    return "altered" if altered_since_finished(case, reading) else "read"
