"""Agreement of two readers over a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from ..annotation import bland_altman, compare_readers, icc, pearson
from ..cohort import Case, Cohort
from ..cohort.readers import blind_study, study_state
from ..errors import BlindedError, CohortError, LVMError
from ..progress import Progress, silent
from ..thickness import measure_thickness
from .statistics import summarise

COMPARED = {"cavity_ml": "cavity volume (ml)", "mass_g": "LVM mass (g)", "thickness_median_mm": "median thickness (mm)"}


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
        One for each case and phase; ``thickness_missing`` says for which reader there is no thickness, and why.
    summary : dict
        Mean Dice, HD95 and ASSD; Bland–Altman, ICC(2,1) and Pearson of cavity volume, mass and thickness; None where
        there are too few cases.

    Raises
    ------
    CohortError
        Not two readers, or no phase that both have labelled.
    BlindedError
        The two take part in a blinded study that is not finished: a comparison would show them each other's work.
    """
    if len(set(readers)) != 2:
        raise CohortError(
            "readers", expected="two different readers", found=", ".join(readers), remedy="Give --readers A,B."
        )
    _require_unblinded(cohort, readers)
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


def _require_unblinded(cohort: Cohort, readers: Sequence[str]) -> None:
    study = blind_study(cohort)
    if study is None or len(set(readers) & set(study.readers)) < 2:
        return
    state = study_state(cohort, study)
    if not state.complete:
        left = sum(step.state != "read" for step in state.steps)
        raise BlindedError(
            cohort.folder,
            expected=f"all {len(state.steps)} blinded readings finished",
            found=f"{left} of them not",
            remedy=state.next,
        )


def summarise_agreement(rows: Sequence[dict[str, object]], *, phantom: bool) -> dict[str, object]:
    """Summarise the rows of `agree_cohort`."""
    summary: dict[str, object] = {"phantom": phantom, "readings": len(rows)}
    for name in rows[0]:
        if name.startswith(("dice", "hd95", "assd")):
            summary[name] = asdict(summarise([row[name] for row in rows]))
    kinds = phases_in_order(rows)
    for name in COMPARED:
        if f"{name}_a" in rows[0]:
            parts = {kind: [row for row in rows if row["phase_name"] == kind] for kind in kinds}
            by_phase = {kind: _agreement(part, name) for kind, part in parts.items()}
            summary[name] = _agreement(rows, name) | {"by_phase": by_phase}
    return summary


def phases_in_order(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the names of the phases in the order of the cycle: by their mean place in it, %."""
    places: dict[str, list[float]] = {}
    for row in rows:
        places.setdefault(str(row["phase_name"]), []).append(float(row["rr_percent"]))
    return sorted(places, key=lambda kind: float(np.mean(places[kind])))


def _agreement(rows: Sequence[dict[str, object]], name: str) -> dict[str, object]:
    a, b = (np.array([row[f"{name}_{reader}"] for row in rows], dtype=float) for reader in "ab")
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    enough = len(a) >= 2
    return {
        "bland_altman": asdict(bland_altman(a, b)) if enough else None,
        "icc": icc(np.column_stack([a, b])) if enough else None,
        "pearson": pearson(a, b),
    }


def _compare_case(case: Case, readers: Sequence[str], *, thickness: bool) -> list[dict[str, object]]:
    rows = []
    for phase in sorted(set.intersection(*(set(case.labelled_phases(reader)) for reader in readers))):
        a, b = (case.labels(reader, phase) for reader in readers)
        kind = {case.ed: "ED", case.es: "ES"}.get(phase, f"{case.rr_percent[phase]:.0f} %")
        row: dict[str, object] = {
            "case": case.id, "phase": phase, "phase_name": kind, "rr_percent": case.rr_percent[phase]
        }  # fmt: skip
        row |= compare_readers(a, b, case.grid).as_row()
        if thickness:
            row |= _thickness(case, readers, (a, b))
        rows.append(row)
    return rows


def _thickness(case: Case, readers: Sequence[str], labels: Sequence[np.ndarray]) -> dict[str, object]:
    """Return the median thickness of both readers, and why there is none."""
    found: dict[str, object] = {}
    missing = []
    for name, reader, drawn in zip("ab", readers, labels):
        try:
            found[f"thickness_median_mm_{name}"] = measure_thickness(drawn, case.grid.affine).statistics.median_mm
        except LVMError as error:
            found[f"thickness_median_mm_{name}"] = float("nan")
            missing.append(f"{reader}: {error.found}")
    return {**found, "thickness_missing": "; ".join(missing)}
