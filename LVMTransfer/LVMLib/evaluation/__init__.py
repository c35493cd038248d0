"""Evaluation: measures of predicted labels, tables over cases and models, the report."""

from ..measures import (
    dice,
    ejection_fraction,
    label_surface_distances,
    mass_g,
    surface_distances,
    volumes_ml,
)
from .agreement import agree_cohort
from .agreement_report import write_agreement_report
from .checking import check_case, check_cohort, protocol_of, set_protocol
from .exporting import export_with_checks, require_exportable, sign_case
from .pairs import evaluate_pairs
from .report import Picture, write_report
from .statistics import paired_bootstrap, pearson, summarise
from .table import Comparison, EvaluationTable, Row
from .text import describe_table, verdict
from .worklist import WorkItem, Worklist, worklist

__all__ = [
    "Comparison",
    "EvaluationTable",
    "Picture",
    "Row",
    "WorkItem",
    "Worklist",
    "agree_cohort",
    "check_case",
    "check_cohort",
    "describe_table",
    "dice",
    "ejection_fraction",
    "evaluate_pairs",
    "export_with_checks",
    "label_surface_distances",
    "mass_g",
    "paired_bootstrap",
    "pearson",
    "protocol_of",
    "require_exportable",
    "set_protocol",
    "sign_case",
    "summarise",
    "surface_distances",
    "verdict",
    "volumes_ml",
    "worklist",
    "write_agreement_report",
    "write_report",
]
