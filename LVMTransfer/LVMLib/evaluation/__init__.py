"""Evaluation: measures of predicted labels, tables over cases and models, the report."""

from ..measures import (
    dice,
    ejection_fraction,
    label_surface_distances,
    mass_g,
    surface_distances,
    volumes_ml,
)
from .cohorts import agree_cohort, check_case, check_cohort, export_with_checks
from .pairs import evaluate_pairs
from .report import Picture, write_report
from .statistics import paired_bootstrap, pearson, summarise
from .table import Comparison, EvaluationTable, Row
from .text import verdict

__all__ = [
    "Comparison",
    "EvaluationTable",
    "Picture",
    "Row",
    "agree_cohort",
    "check_case",
    "check_cohort",
    "dice",
    "ejection_fraction",
    "evaluate_pairs",
    "export_with_checks",
    "label_surface_distances",
    "mass_g",
    "paired_bootstrap",
    "pearson",
    "summarise",
    "surface_distances",
    "verdict",
    "volumes_ml",
    "write_report",
]
