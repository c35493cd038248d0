"""Whole cohorts: protocol checks, and agreement of two readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from os import PathLike

import numpy as np

from ..annotation import Protocol, bland_altman, check_labels, compare_readers, icc, pearson
from ..cohort import Case, Cohort, Pair, chosen_reader, export_case
from ..errors import CohortError, LVMError
from ..grid import BLOOD_POOL
from ..measures import volumes_ml
from ..progress import Progress, silent
from ..thickness import measure_thickness
from .statistics import summarise


def check_cohort(
    cohort: Cohort, *, reader: str | None = None, protocol: str | PathLike | None = None, progress: Progress = silent
) -> list[dict[str, object]]:
    """Check every case's labels at ED and ES against the protocol.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    reader : str, optional
        Whose labels; None = every reader's.
    protocol : path, optional
        A site's own protocol; None = the one that comes with the software.

    Returns
    -------
    list of dict
        A row for each finding: ``case``, ``reader`` and the fields of `Finding`.

    Raises
    ------
    CohortError
        Nobody (or not this reader) has labelled anything.
    ProtocolError
        The protocol file cannot be used.
    """
    rules = Protocol.load(protocol) if protocol else Protocol.default()
    rows: list[dict[str, object]] = []
    names = cohort.case_ids()
    for number, name in enumerate(names):
        progress(number / len(names), f"checking case {name}")
        case = cohort.case(name)
        for who in case.readers() if reader is None else [reader]:
            if case.labelled_phases(who):
                rows += [{"case": name, "reader": who, **row} for row in check_case(case, who, rules)]
    if not rows:
        raise CohortError(
            "check",
            expected=f"labels by {reader or 'any reader'}",
            found="none",
            remedy="Predict the cases with 'lvm predict', or name another reader.",
        )
    progress(1.0, "checked")
    return rows


def check_case(case: Case, reader: str, protocol: Protocol) -> list[dict[str, object]]:
    """Check one reader's labels of one case; without ED and ES set, its first labelled phase counts as ED.

    Raises
    ------
    CohortError
        The reader has labelled neither ED nor ES.
    """
    done = case.labelled_phases(reader)
    ed = case.ed if case.ed is not None else next(iter(done), None)
    es = case.es if case.es != ed else None
    labels = {phase: case.labels(reader, phase) for phase in (ed, es) if phase in done}
    if not labels:
        raise CohortError(
            f"case {case.id}, reader {reader}",
            expected=f"labels at ED (phase {ed}) or ES (phase {es})",
            found=f"labels of {', '.join(map(str, done)) or 'no phase'}",
            remedy="Label ED or ES, or set the case's ED and ES phases.",
        )
    curve = None
    if len(done) > 2:
        every = {phase: labels[phase] if phase in labels else case.labels(reader, phase) for phase in done}
        curve = {phase: volumes_ml(mask, case.grid)[BLOOD_POOL] for phase, mask in every.items()}
    found = check_labels(labels.get(ed), labels.get(es), case.grid, protocol, volume_curve=curve, ed=ed, es=es)
    return [finding.as_dict() for finding in found]


def export_with_checks(
    case: Case,
    pairs_dir: str | PathLike,
    *,
    reader: str | None = None,
    spacing_mm: float = 1.0,
    phases: Sequence[int] | None = None,
    protocol: Protocol | None = None,
    progress: Progress = silent,
) -> Pair:
    """Export a case as a pair that records which rules of the protocol its ED and ES labels pass.

    Parameters are those of `cohort.export_case`; ``protocol`` None = the one that comes with the software.

    Raises
    ------
    CohortError
        No reader or several to choose from, ED and ES not set, or not labelled.
    StorageError
        The disk is full.
    """
    reader = chosen_reader(case, reader)
    rules = protocol or Protocol.default()
    checks: dict[str, bool] = {}
    if {case.ed, case.es} & set(case.labelled_phases(reader)):
        for finding in check_case(case, reader, rules):
            if finding["passed"] is not None:
                checks[finding["rule"]] = checks.get(finding["rule"], True) and bool(finding["passed"])
    return export_case(
        case, pairs_dir, reader=reader, spacing_mm=spacing_mm, phases=phases, checks=checks,
        protocol_version=rules.version, progress=progress,
    )  # fmt: skip


def agree_cohort(
    cohort: Cohort, readers: Sequence[str], *, thickness: bool = True, progress: Progress = silent
) -> tuple[list[dict[str, object]], dict[str, object]]:
    """Compare two readers on every case and phase that both have labelled.

    Parameters
    ----------
    cohort : Cohort
        The cohort.
    readers : sequence of str
        Two names.
    thickness : bool
        Compare the median wall thickness too.

    Returns
    -------
    rows : list of dict
        One for each case and phase.
    summary : dict
        Mean Dice, HD95 and ASSD; Bland–Altman, ICC(2,1) and Pearson of cavity volume, mass and thickness; None where
        there are too few cases.

    Raises
    ------
    CohortError
        Not two readers, or no phase that both have labelled.
    """
    if len(set(readers)) != 2:
        raise CohortError(
            "readers", expected="two different readers", found=", ".join(readers), remedy="Give --readers A,B."
        )
    rows = []
    names = cohort.case_ids()
    for number, name in enumerate(names):
        progress(number / len(names), f"comparing case {name}")
        rows += _compare_case(cohort.case(name), readers, thickness=thickness)
    if not rows:
        raise CohortError(
            "readers",
            expected=f"a phase that both {readers[0]} and {readers[1]} have labelled",
            found="none",
            remedy="Let both label ED and ES of the same cases.",
        )
    progress(1.0, "compared")
    return rows, summarise_agreement(rows, phantom=any(cohort.case(name).is_phantom for name in names))


def summarise_agreement(rows: Sequence[dict[str, object]], *, phantom: bool) -> dict[str, object]:
    """Summarise the rows of `agree_cohort`."""
    summary: dict[str, object] = {"phantom": phantom, "readings": len(rows)}
    for name in rows[0]:
        if name.startswith(("dice", "hd95", "assd")):
            summary[name] = asdict(summarise([row[name] for row in rows]))
    for name in ("cavity_ml", "mass_g", "thickness_median_mm"):
        if f"{name}_a" in rows[0]:
            a, b = ([row[f"{name}_{reader}"] for row in rows] for reader in "ab")
            known = np.isfinite(a) & np.isfinite(b)
            a, b = np.asarray(a)[known], np.asarray(b)[known]
            enough = len(a) >= 2
            summary[name] = {
                "bland_altman": asdict(bland_altman(a, b)) if enough else None,
                "icc": icc(np.column_stack([a, b])) if enough else None,
                "pearson": pearson(a, b),
            }
    return summary


def _compare_case(case: Case, readers: Sequence[str], *, thickness: bool) -> list[dict[str, object]]:
    rows = []
    for phase in sorted(set.intersection(*(set(case.labelled_phases(reader)) for reader in readers))):
        a, b = (case.labels(reader, phase) for reader in readers)
        row: dict[str, object] = {"case": case.id, "phase": phase, **compare_readers(a, b, case.grid).as_row()}
        if thickness:
            for name, labels in zip("ab", (a, b)):
                row[f"thickness_median_mm_{name}"] = _median_thickness(labels, case)
        rows.append(row)
    return rows


def _median_thickness(labels: np.ndarray, case: Case) -> float:
    try:
        return measure_thickness(labels, case.grid.affine).statistics.median_mm
    except LVMError:
        return float("nan")
