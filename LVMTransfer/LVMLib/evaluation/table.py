"""The table of an evaluation: one row for each model, case and phase, and what it says over cases."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from os import PathLike

from ..files import atomic_file, write_json
from ..measures import ejection_fraction
from .statistics import Interval, Summary, paired_bootstrap, pearson, summarise

THICKNESS = ("median", "p95", "max")
METRICS: dict[str, tuple[str, str, int]] = {
    "dice": ("Dice, mean of both", "", +1),
    "dice_blood_pool": ("Dice, blood pool", "", +1),
    "dice_lvm": ("Dice, LVM", "", +1),
    "hd95_mm_blood_pool": ("HD95, blood pool", "mm", -1),
    "hd95_mm_lvm": ("HD95, LVM", "mm", -1),
    "assd_mm_blood_pool": ("ASSD, blood pool", "mm", -1),
    "assd_mm_lvm": ("ASSD, LVM", "mm", -1),
    "cavity_error_ml": ("Cavity volume, absolute error", "ml", -1),
    "mass_error_g": ("LVM mass, absolute error", "g", -1),
    "ef_error_percent": ("Ejection fraction, absolute error", "%", -1),
    "thickness_median_error_mm": ("Median thickness, absolute error", "mm", -1),
    "thickness_p95_error_mm": ("P95 thickness, absolute error", "mm", -1),
    "thickness_max_error_mm": ("Maximum thickness, absolute error", "mm", -1),
}
"""Metric → name for people, unit, and whether more (+1) or less (−1) is better."""


@dataclass(frozen=True)
class Row:
    """One model on one phase of one case, against the reader's labels; NaN = cannot be measured."""

    model: str
    case: str
    phase: int
    phase_name: str
    dice_blood_pool: float
    dice_lvm: float
    hd95_mm_blood_pool: float
    hd95_mm_lvm: float
    assd_mm_blood_pool: float
    assd_mm_lvm: float
    cavity_ml: float
    truth_cavity_ml: float
    mass_g: float
    truth_mass_g: float
    thickness_median_mm: float = math.nan
    truth_thickness_median_mm: float = math.nan
    thickness_p95_mm: float = math.nan
    truth_thickness_p95_mm: float = math.nan
    thickness_max_mm: float = math.nan
    truth_thickness_max_mm: float = math.nan

    @property
    def dice(self) -> float:
        """Mean Dice of blood pool and LVM."""
        return (self.dice_blood_pool + self.dice_lvm) / 2


_DERIVED: dict[str, Callable[[Row], float]] = {
    "cavity_error_ml": lambda row: abs(row.cavity_ml - row.truth_cavity_ml),
    "mass_error_g": lambda row: abs(row.mass_g - row.truth_mass_g),
    **{
        f"thickness_{name}_error_mm": lambda row, name=name: abs(
            getattr(row, f"thickness_{name}_mm") - getattr(row, f"truth_thickness_{name}_mm")
        )
        for name in THICKNESS
    },
}


@dataclass(frozen=True)
class Comparison:
    """A later model against the first one, over cases.

    Parameters
    ----------
    metric, before, after : str
        The metric and the two models.
    difference : Interval
        After − before with its 95 % paired bootstrap interval.
    better : bool
        The whole interval lies on the better side.
    """

    metric: str
    before: str
    after: str
    difference: Interval
    better: bool


@dataclass(frozen=True)
class EvaluationTable:
    """Every model on every labelled phase of every case.

    Parameters
    ----------
    rows : tuple of Row
        In the order models, cases, phases.
    models : tuple of str
        The first is "before".
    phantom : bool
        Whether any case is synthetic.
    facts : mapping
        Where the numbers come from: bundles, pairs, seconds.
    """

    rows: tuple[Row, ...]
    models: tuple[str, ...]
    phantom: bool
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases, in order."""
        return tuple(dict.fromkeys(row.case for row in self.rows))

    @property
    def data(self) -> str:
        """``"phantom cases"`` or ``"cases"``, for every sentence that gives a number."""
        return "phantom cases" if self.phantom else "cases"

    def counted(self, count: int) -> str:
        """Return ``"1 phantom case"``, ``"12 cases"``, …"""
        return f"{count} {self.data.removesuffix('s') if count == 1 else self.data}"

    def of(self, model: str, *, case: str | None = None, phase_name: str | None = None) -> list[Row]:
        """Return the rows of a model, of one case or phase if given."""
        return [
            row
            for row in self.rows
            if row.model == model and case in (None, row.case) and phase_name in (None, row.phase_name)
        ]

    def per_case(self, model: str, metric: str) -> list[float]:
        """Return a metric of a model for each case (mean over its phases), in the order of `cases`."""
        return [self._case_value(model, case, metric) for case in self.cases]

    def summary(self, model: str, metric: str) -> Summary:
        """Summarise a metric of a model over cases."""
        return summarise(self.per_case(model, metric))

    def compare(self, metric: str, after: str) -> Comparison:
        """Compare a later model with the first one."""
        before = self.models[0]
        difference = paired_bootstrap(self.per_case(before, metric), self.per_case(after, metric))
        sign = METRICS[metric][2]
        better = difference.lower > 0 if sign > 0 else difference.upper < 0
        return Comparison(metric, before, after, difference, bool(better))

    def thickness_correlation(self, model: str, phase_name: str, statistic: str) -> float:
        """Return Pearson's r of predicted against true thickness (``median``, ``p95`` or ``max``) over cases."""
        rows = self.of(model, phase_name=phase_name)
        name = f"thickness_{statistic}_mm"
        return pearson([getattr(row, name) for row in rows], [getattr(row, f"truth_{name}") for row in rows])

    def measured(self) -> list[str]:
        """Return the metrics that have a value for some model."""
        return [name for name in METRICS if any(self.summary(model, name).cases for model in self.models)]

    def as_dict(self) -> dict[str, object]:
        """Return rows, summaries and comparisons for JSON; NaN where there is no value."""
        metrics = self.measured()
        return {
            "phantom": self.phantom,
            "models": list(self.models),
            "cases": list(self.cases),
            "summary": {model: {name: asdict(self.summary(model, name)) for name in metrics} for model in self.models},
            "comparisons": [asdict(self.compare(name, model)) for model in self.models[1:] for name in metrics],
            "thickness_pearson": {
                model: {
                    phase: {name: self.thickness_correlation(model, phase, name) for name in THICKNESS}
                    for phase in dict.fromkeys(row.phase_name for row in self.rows)
                }
                for model in self.models
            },
            "rows": [asdict(row) for row in self.rows],
            "facts": dict(self.facts),
        }

    def write_json(self, path: str | PathLike) -> None:
        """Write `as_dict`, atomically; NaN becomes null."""
        write_json(path, _without_nan(self.as_dict()))

    def write_csv(self, path: str | PathLike) -> None:
        """Write the rows as CSV, atomically; NaN becomes empty."""
        text = io.StringIO()
        names = [item.name for item in fields(Row)]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*names, "phantom"])
        for row in self.rows:
            values = (getattr(row, name) for name in names)
            writer.writerow([*("" if _is_nan(value) else value for value in values), self.phantom])
        with atomic_file(path) as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")

    def _case_value(self, model: str, case: str, metric: str) -> float:
        rows = self.of(model, case=case)
        if metric == "ef_error_percent":
            return _ef_error(rows)
        measure = _DERIVED.get(metric, lambda row: getattr(row, metric))
        return summarise([measure(row) for row in rows]).mean


def _ef_error(rows: list[Row]) -> float:
    ed = next((row for row in rows if row.phase_name == "ED"), None)
    es = next((row for row in rows if row.phase_name == "ES"), None)
    if ed is None or es is None:
        return math.nan
    found = ejection_fraction(ed.cavity_ml, es.cavity_ml)
    return abs(found - ejection_fraction(ed.truth_cavity_ml, es.truth_cavity_ml))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return None if _is_nan(value) else value
