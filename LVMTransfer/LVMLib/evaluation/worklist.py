"""The cases of a cohort as a list of work: what each needs, and which comes next."""

from __future__ import annotations

from dataclasses import dataclass

from ..annotation import Protocol
from ..cohort import CONSENSUS_READER, Case, Cohort
from ..cohort.prediction import read_prediction
from ..cohort.readers import blind_study, opened_by, read_checked, read_reading, sign_off_state, study_state
from .checking import protocol_of

MODEL_READER = "model"
STATUSES = ("imported", "predicted", "in work", "failing", "changed", "to sign", "signed off")
"""In the order of the work; only the last needs nothing more."""
_TO_READ = STATUSES[:5]


@dataclass(frozen=True)
class WorkItem:
    """One case of the list.

    Parameters
    ----------
    case : str
    status : str
        One of `STATUSES`; "changed" = edited after it was signed off, "failing" = the last check failed.
    reader : str or None
        Whose labels the line is about; None = nobody's but the model's.
    minutes : float
        Time that the reader has worked on it.
    failed : tuple of str or None
        Rules that the labels fail; None = they were not checked since they were edited.
    signed_by : str or None
    expected_gain : float or None
        How much correction is to be expected, `cohort.prediction.Prediction.expected_gain`; None = not predicted, or
        too few phases.
    open_by : str or None
        Who has the case open now.
    """

    case: str
    status: str
    reader: str | None
    minutes: float
    failed: tuple[str, ...] | None
    signed_by: str | None
    expected_gain: float | None
    open_by: str | None


@dataclass(frozen=True)
class Worklist:
    """The list, the case to take next (None = nothing is left) and why in one sentence."""

    items: tuple[WorkItem, ...]
    next_case: str | None
    why: str


def worklist(cohort: Cohort, *, reader: str | None = None, protocol: Protocol | None = None) -> Worklist:
    """Return the cohort's list of work.

    Nothing is checked anew: findings are those of the last `check_case` of the labels as they are.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    reader : str, optional
        Whose work; a reader who takes part in a blinded study is led through it first, and the list tells nothing
        about other readers. None = for each case the consensus, else the reader who labelled it last.
    protocol : Protocol, optional
        None = the cohort's.

    Raises
    ------
    CohortError
        A case is damaged.
    """
    rules = protocol or protocol_of(cohort)
    items = tuple(_item(cohort.case(name), reader, rules) for name in cohort.case_ids())
    study = blind_study(cohort)
    if study is not None and reader in study.readers:
        mine = [step for step in study_state(cohort, study).steps if step.reader == reader and step.state != "read"]
        if mine:
            why = f"blinded study: {len(mine)} of {len(study.cases)} cases are left for {reader}."
            return Worklist(items, mine[0].case, why)
    free = [item for item in items if item.status in _TO_READ and item.open_by in (None, reader)]
    if not free:
        waiting = sum(item.status == "to sign" for item in items)
        return Worklist(
            items, None, f"{waiting} case(s) wait for a signature." if waiting else "Nothing is left to do."
        )
    best = max(free, key=lambda item: -1.0 if item.expected_gain is None else item.expected_gain)
    if best.expected_gain is None:
        return Worklist(items, best.case, "no case has a prediction of all phases; the first one that needs work.")
    why = f"largest expected gain: {100 * best.expected_gain:.0f} % of its ventricle contradicts itself over the cycle."
    return Worklist(items, best.case, why)


def _item(case: Case, reader: str | None, protocol: Protocol) -> WorkItem:
    who = reader or _last_reader(case)
    labelled = bool(who) and bool(case.labelled_phases(who))
    signed = sign_off_state(case, who) if labelled else None
    checked = read_checked(case, who, protocol) if labelled else None
    reading = read_reading(case, who) if who else None
    prediction = read_prediction(case)
    return WorkItem(
        case=case.id,
        status=_status(case, labelled, signed.state if signed else "", None if checked is None else checked.failed),
        reader=who if labelled or reading else None,
        minutes=round((reading.seconds if reading else 0.0) / 60, 1),
        failed=None if checked is None else tuple(checked.failed),
        signed_by=signed.signed.signed_by if signed and signed.signed else None,
        expected_gain=None if prediction is None else prediction.expected_gain,
        open_by=opened_by(case.folder),
    )


def _status(case: Case, labelled: bool, signed: str, failed: list[str] | None) -> str:
    if signed == "signed":
        return "signed off"
    if signed == "changed":
        return "changed"
    if not labelled:
        return "predicted" if case.labelled_phases(MODEL_READER) else "imported"
    if failed is None:
        return "in work"
    return "failing" if failed else "to sign"


def _last_reader(case: Case) -> str | None:
    """The consensus, else who labelled the case last; the model is no reader."""
    readers = [name for name in case.readers() if name != MODEL_READER]
    if CONSENSUS_READER in readers:
        return CONSENSUS_READER
    times = {
        name: max(case.labels_path(name, phase).stat().st_mtime_ns for phase in case.labelled_phases(name))
        for name in readers
    }
    return max(times, key=times.get) if times else None
