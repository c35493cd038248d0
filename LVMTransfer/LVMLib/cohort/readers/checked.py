"""The last check of a reader's labels, kept so that a list of many cases need not check them all again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from ...annotation import Protocol
from ...errors import CohortError
from ...origin import now
from ..case import Case, require_name
from ..manifest import read_manifest, write_manifest
from .content import file_hashes


class Checked(BaseModel):
    """``checks/<reader>.json``: findings as `Finding.as_dict` gives them, and the label files that were checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    reader: str
    protocol_version: str
    protocol_fingerprint: str
    ed: int | None
    es: int | None
    checked: str
    files: dict[int, str]
    findings: list[dict[str, Any]]

    @property
    def failed(self) -> list[str]:
        """The rules that did not pass, each once."""
        return list(dict.fromkeys(str(row["rule"]) for row in self.findings if row["passed"] is False))


def write_checked(case: Case, reader: str, protocol: Protocol, findings: Sequence[Mapping[str, object]]) -> Checked:
    """Keep the findings of a check of the labels as they are now on disk; errors as `files.write_json`."""
    rows = [dict(row) for row in findings]
    checked = Checked(
        case=case.id, reader=reader, protocol_version=protocol.version, protocol_fingerprint=protocol.fingerprint,
        ed=case.ed, es=case.es, checked=now(), files=file_hashes(case, reader), findings=rows,
    )  # fmt: skip
    write_manifest(_path(case, reader), checked)
    return checked


def read_checked(case: Case, reader: str, protocol: Protocol) -> Checked | None:
    """Return the last check, or None where there was none of these labels, ED and ES, and this protocol."""
    path = _path(case, reader)
    if not path.is_file():
        return None
    found = read_manifest(path, Checked, CohortError)
    same = (found.protocol_fingerprint, found.ed, found.es) == (protocol.fingerprint, case.ed, case.es)
    return found if same and found.files == file_hashes(case, reader) else None


def _path(case: Case, reader: str) -> Path:
    return case.folder / "checks" / f"{require_name(reader, 'reader')}.json"
