"""A reader's work on one case: when it began and ended, how long it took, whether it was blinded."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from ...errors import CohortError
from ...origin import now
from ..case import Case, require_name
from ..manifest import read_manifest, write_manifest
from .content import changed_phases, contents, file_hashes


class Reading(BaseModel):
    """``readings/<reader>.json``; times are UTC, ISO 8601, ``seconds`` only those in which the reader worked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    reader: str
    started: str
    seconds: float = 0.0
    blinded: bool = False
    proposal_seen: bool = False
    protocol_version: str = ""
    finished: str | None = None
    content: dict[int, str] = Field(default_factory=dict)
    files: dict[int, str] = Field(default_factory=dict)


def reading_path(case: Case, reader: str) -> Path:
    """Return where the reading is recorded."""
    return case.folder / "readings" / f"{require_name(reader, 'reader')}.json"


def read_reading(case: Case, reader: str) -> Reading | None:
    """Return what is recorded of a reader's work on a case, or None."""
    path = reading_path(case, reader)
    return read_manifest(path, Reading, CohortError) if path.is_file() else None


def update_reading(case: Case, reader: str, **changes: object) -> Reading:
    """Record a change of a reading, which begins with the first one; errors as `files.write_json`."""
    known = read_reading(case, reader) or Reading(case=case.id, reader=reader, started=now())
    updated = known.model_copy(update=changes)
    write_manifest(reading_path(case, reader), updated)
    return updated


def finish_reading(case: Case, reader: str) -> Reading:
    """Record that a reader has finished a case, with the hashes of the labels.

    Raises
    ------
    CohortError
        ED or ES is not set or not labelled by this reader.
    """
    require_ed_es(case, reader)
    changes = {"finished": now(), "content": contents(case, reader), "files": file_hashes(case, reader)}
    return update_reading(case, reader, **changes)


def altered_since_finished(case: Case, reading: Reading) -> list[str]:
    """Return in words what changed after a reading was finished; empty = nothing, or it is not finished."""
    if reading.finished is None:
        return []
    return changed_phases(case, reading.reader, reading.content, reading.files)


def require_ed_es(case: Case, reader: str) -> None:
    """Raise `CohortError` unless ED and ES are set and ``reader`` has labelled both."""
    done = case.labelled_phases(reader)
    if case.ed is None or case.es is None or not {case.ed, case.es} <= set(done):
        raise CohortError(
            f"case {case.id}, reader {reader}",
            expected=f"labels at ED (phase {case.ed}) and ES (phase {case.es})",
            found="labels of " + (", ".join(map(str, done)) or "no phase"),
            remedy="Set ED and ES, and label both.",
        )
