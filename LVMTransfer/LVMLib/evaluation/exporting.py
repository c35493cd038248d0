"""From signed-off cases to image-mask pairs."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from ..annotation import Protocol
from ..cohort import Case, Pair, chosen_reader, export_case
from ..cohort.readers import SignOff, read_checked, sign, sign_off_state
from ..errors import SignOffError
from ..progress import Progress, silent
from .checking import check_case


def sign_case(case: Case, reader: str, *, by: str, protocol: Protocol, reason: str | None = None) -> SignOff:
    """Check a reader's labels of a case and sign them off.

    Parameters
    ----------
    case, reader
        Whose labels.
    by : str
        Who signs.
    protocol : Protocol
        What they are checked against.
    reason : str, optional
        Why labels that do not pass are signed all the same.

    Raises
    ------
    SignOffError
        A rule failed and there is no reason.
    CohortError
        ED or ES is not set or not labelled.
    StorageError
        The disk is full or read-only.
    """
    return sign(case, reader, by=by, findings=check_case(case, reader, protocol), protocol=protocol, reason=reason)


def export_with_checks(
    case: Case,
    pairs_dir: str | PathLike,
    *,
    reader: str | None = None,
    spacing_mm: float = 1.0,
    phases: Sequence[int] | None = None,
    protocol: Protocol | None = None,
    override: str | None = None,
    progress: Progress = silent,
) -> Pair:
    """Export a case whose labels are signed off and pass the protocol; ``pair.json`` says so.

    Parameters
    ----------
    case, pairs_dir, reader, spacing_mm, phases, progress
        As `cohort.export_case`.
    protocol : Protocol, optional
        None = the one that comes with the software.
    override : str, optional
        Why the case is exported although it is not signed off or does not pass; kept in ``pair.json``.

    Raises
    ------
    SignOffError
        Nobody has signed the labels, they changed since, or a rule fails that was not signed with a reason.
    CohortError
        No reader or several to choose from, ED and ES not set, or not labelled.
    StorageError
        The disk is full.
    """
    reader = chosen_reader(case, reader)
    rules = protocol or Protocol.default()
    override = (override or "").strip() or None
    checks, signed = require_exportable(case, reader, protocol=rules, override=override)
    signature = {
        "signed_by": signed.signed_by if signed else None,
        "signed_at": signed.signed_at if signed else None,
        "override": override or (signed.reason if signed else None),
    }
    return export_case(
        case, pairs_dir, reader=reader, spacing_mm=spacing_mm, phases=phases, checks=checks,
        protocol_version=rules.version, signature=signature, progress=progress,
    )  # fmt: skip


def require_exportable(
    case: Case, reader: str | None, *, protocol: Protocol, override: str | None = None
) -> tuple[dict[str, bool], SignOff | None]:
    """Return which rules the labels pass, and the signature that holds; None where an override stands in for it.

    Raises
    ------
    SignOffError, CohortError
        As `export_with_checks`, before anything is written.
    """
    reader = chosen_reader(case, reader)
    checks: dict[str, bool] = {}
    if {case.ed, case.es} & set(case.labelled_phases(reader)):
        known = read_checked(case, reader, protocol)
        for finding in check_case(case, reader, protocol) if known is None else known.findings:
            if finding["passed"] is not None:
                checks[finding["rule"]] = checks.get(finding["rule"], True) and bool(finding["passed"])
    failed = [rule for rule, passed in checks.items() if not passed]
    state = sign_off_state(case, reader)
    if state.state == "signed":
        missing = [rule for rule in failed if rule not in state.signed.failed]
        if not missing:
            return checks, state.signed
        found = f"rules that fail and were not signed: {', '.join(missing)}"
    elif state.state == "changed":
        found = f"the signature of {state.signed.signed_by} of {state.signed.signed_at}, but {'; '.join(state.changed)}"
    else:
        found = "no signature" + (f", and failed rules: {', '.join(failed)}" if failed else "")
    if override:
        return checks, None
    raise SignOffError(
        f"case {case.id}, reader {reader}",
        expected="labels that are signed off and pass the protocol",
        found=found,
        remedy=f"Sign them with 'lvm sign --case {case.id} --reader {reader}', or export with --override REASON.",
    )
