"""Signing off a case: who answers for whose labels, when, under which protocol; until somebody edits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ...annotation import Protocol
from ...errors import CohortError, SignOffError
from ...files import storage_errors
from ...origin import now
from ..case import Case, require_name
from ..manifest import read_manifest, write_manifest
from .content import changed_phases, contents, file_hashes
from .reading import require_ed_es

UNSIGNED, SIGNED, CHANGED = "unsigned", "signed", "changed"


class SignOff(BaseModel):
    """``signoffs/<reader>.json``: ``failed`` are the rules that the labels did not pass, ``reason`` why it is signed.

    ``content`` and ``files`` are hashes of every labelled phase, of the voxels and of the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    case: str
    reader: str
    signed_by: str
    signed_at: str
    protocol_version: str
    protocol_fingerprint: str
    ed: int
    es: int
    failed: tuple[str, ...] = ()
    reason: str | None = None
    content: dict[int, str]
    files: dict[int, str]


@dataclass(frozen=True)
class SignOffState:
    """Whether labels are signed off.

    Parameters
    ----------
    state : str
        ``"unsigned"``, ``"signed"``, or ``"changed"``: signed, and not the same any more.
    signed : SignOff or None
        What was signed.
    changed : tuple of str
        In words, what changed since.
    """

    state: str
    signed: SignOff | None = None
    changed: tuple[str, ...] = ()


def sign(
    case: Case,
    reader: str,
    *,
    by: str,
    findings: Sequence[Mapping[str, object]],
    protocol: Protocol,
    reason: str | None = None,
) -> SignOff:
    """Sign off a reader's labels of a case.

    Parameters
    ----------
    case, reader
        Whose labels; ED and ES have to be among them.
    by : str
        Who signs, often the reader.
    findings : sequence of mapping
        Rows of the check of exactly these labels (``rule``, ``passed``).
    protocol : Protocol
        The protocol that was checked.
    reason : str, optional
        Why labels that do not pass are signed all the same.

    Raises
    ------
    SignOffError
        A rule failed and there is no reason, or nobody signs.
    CohortError
        ED or ES is not set or not labelled.
    StorageError
        The disk is full or read-only.
    """
    require_ed_es(case, reader)
    failed = tuple(dict.fromkeys(str(row["rule"]) for row in findings if row["passed"] is False))
    if failed and not (reason or "").strip():
        raise SignOffError(
            f"case {case.id}, reader {reader}",
            expected=f"labels that pass protocol {protocol.version}",
            found="failed: " + ", ".join(failed),
            remedy="Correct the labels, or sign with a reason.",
        )
    if not by.strip():
        raise SignOffError("signature", expected="a name", found="none", remedy="Say who signs.")
    signed = SignOff(
        case=case.id,
        reader=reader,
        signed_by=by.strip(),
        signed_at=now(),
        protocol_version=protocol.version,
        protocol_fingerprint=protocol.fingerprint,
        ed=case.ed,
        es=case.es,
        failed=failed,
        reason=(reason or "").strip() if failed else None,
        content=contents(case, reader),
        files=file_hashes(case, reader),
    )
    write_manifest(_path(case, reader), signed)
    return signed


def withdraw(case: Case, reader: str) -> None:
    """Take a signature back.

    Raises
    ------
    SignOffError
        There is none.
    """
    path = _path(case, reader)
    if not path.is_file():
        raise SignOffError(
            f"case {case.id}, reader {reader}", expected="a signature", found="none", remedy="Nothing is to be done."
        )
    with storage_errors(path):
        path.unlink()


def sign_off_state(case: Case, reader: str) -> SignOffState:
    """Return whether a reader's labels are signed off and still the same."""
    path = _path(case, reader)
    if not path.is_file():
        return SignOffState(UNSIGNED)
    signed = read_manifest(path, SignOff, CohortError)
    words = [
        f"{name} is now phase {is_now}, was {was}"
        for name, was, is_now in (("ED", signed.ed, case.ed), ("ES", signed.es, case.es))
        if was != is_now
    ]
    words += changed_phases(case, reader, signed.content, signed.files)
    return SignOffState(CHANGED if words else SIGNED, signed, tuple(words))


def _path(case: Case, reader: str) -> Path:
    return case.folder / "signoffs" / f"{require_name(reader, 'reader')}.json"
