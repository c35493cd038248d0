"""The consensus of two or more readers: by STAPLE, or by adopting one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ...annotation import repair_labels, staple
from ...errors import CohortError
from ...origin import now
from ...progress import Progress, silent
from ..case import Case
from ..export import CONSENSUS_READER
from ..manifest import read_manifest, write_manifest
from .content import contents

FILE_NAME = "consensus.json"
STAPLE = "staple"


class Consensus(BaseModel):
    """``consensus.json``: how these labels came about; ``method`` is "staple" or the reader who was adopted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    method: str
    readers: tuple[str, ...]
    phases: tuple[int, ...]
    made: str
    sources: dict[str, dict[int, str]]


def make_consensus(case: Case, readers: Sequence[str], method: str, *, progress: Progress = silent) -> Consensus:
    """Write the labels of reader ``consensus`` for every phase that all readers have labelled.

    Parameters
    ----------
    case : Case
        The case.
    readers : sequence of str
        Two or more.
    method : str
        ``"staple"`` (multi-label STAPLE, then repair, since votes may leave holes), or the reader to adopt.

    Raises
    ------
    CohortError
        Fewer than two readers, no phase in common, or a method that is neither.
    StorageError
        The disk is full or read-only.
    """
    names = list(dict.fromkeys(readers))
    if len(names) < 2 or CONSENSUS_READER in names or method not in (STAPLE, *names):
        raise CohortError(
            f"consensus of case {case.id}",
            expected="two readers or more, and 'staple' or one of them",
            found=f"{', '.join(names) or 'nobody'} and '{method}'",
            remedy="Give --readers A,B --consensus staple, or the name of the reader to adopt.",
        )
    phases = sorted(set.intersection(*(set(case.labelled_phases(name)) for name in names)))
    if not phases:
        raise CohortError(
            f"consensus of case {case.id}",
            expected=f"a phase that {', '.join(names)} have labelled",
            found="none",
            remedy="Let all of them label ED and ES.",
        )
    for number, phase in enumerate(phases):
        progress(number / len(phases), f"consensus of {case.id}, phase {phase}")
        if method == STAPLE:
            labels = repair_labels(staple([case.labels(name, phase) for name in names]), case.grid).labels
        else:
            labels = case.labels(method, phase)
        case.write_labels(CONSENSUS_READER, phase, labels)
    made = Consensus(
        case=case.id, method=method, readers=tuple(names), phases=tuple(phases), made=now(),
        sources={name: contents(case, name) for name in names},
    )  # fmt: skip
    write_manifest(_path(case), made)
    return made


def read_consensus(case: Case) -> Consensus | None:
    """Return how the consensus of a case came about, or None."""
    path = _path(case)
    return read_manifest(path, Consensus, CohortError) if path.is_file() else None


def _path(case: Case) -> Path:
    return case.folder / FILE_NAME
