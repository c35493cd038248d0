"""An evaluation in words and plain text."""

from __future__ import annotations

import math

from .statistics import Interval, Summary
from .table import METRICS, EvaluationTable


def verdict(table: EvaluationTable, after: str) -> tuple[bool | None, str]:
    """Say in one sentence whether a model beats the first one by mean Dice; None = cannot be told.

    Parameters
    ----------
    table : EvaluationTable
        The evaluation.
    after : str
        A model of it.
    """
    found = table.compare("dice", after)
    before_mean, after_mean = (table.summary(model, "dice").mean for model in (found.before, after))
    change = f"from {before_mean:.3f} to {after_mean:.3f}"
    on = f"on {table.counted(found.difference.cases)}"
    interval = f"(difference {interval_text(found.difference)}, 95 % CI)."
    if math.isnan(found.difference.lower):
        return None, f"Mean Dice went {change} {on}; one case cannot show a difference."
    if found.better:
        return True, f"{after} is better than {found.before}: mean Dice rose {change} {on} {interval}"
    if found.difference.upper < 0:
        return False, f"{after} is WORSE than {found.before}: mean Dice fell {change} {on} {interval}"
    return False, f"{after} is not shown to be better than {found.before}: mean Dice went {change} {on} {interval}"


def summary_text(found: Summary) -> str:
    """Return ``mean ± SD``, or a dash."""
    if not found.cases:
        return "–"
    digits = digits_of(found.mean)
    spread = "" if math.isnan(found.sd) else f" ± {found.sd:.{digits}f}"
    return f"{found.mean:.{digits}f}{spread}"


def interval_text(found: Interval) -> str:
    """Return ``+mean [lower, upper]``, or a dash."""
    if not found.cases:
        return "–"
    digits = digits_of(found.mean)
    limits = "" if math.isnan(found.lower) else f" [{found.lower:+.{digits}f}, {found.upper:+.{digits}f}]"
    return f"{found.mean:+.{digits}f}{limits}"


def digits_of(value: float) -> int:
    """Return how many decimals a value of this size is shown with."""
    return 3 if abs(value) < 1 else 2 if abs(value) < 20 else 1


def describe_table(table: EvaluationTable) -> str:
    """Return the evaluation as plain text for a terminal."""
    phases = len({(row.case, row.phase) for row in table.rows})
    kind = "PHANTOM (synthetic) results" if table.phantom else "Results"
    lines = [f"{kind}: {table.counted(len(table.cases))}, {phases} labelled phases; mean ± SD over cases"]
    header = ["metric", *table.models]
    header += [f"{model} − {table.models[0]} [95 % CI]" for model in table.models[1:]]
    body = []
    for name in table.measured():
        title, unit, _ = METRICS[name]
        cells = [f"{title}{f' ({unit})' if unit else ''}"]
        cells += [summary_text(table.summary(model, name)) for model in table.models]
        for model in table.models[1:]:
            found = table.compare(name, model)
            cells.append(interval_text(found.difference) + (" *" if found.better else ""))
        body.append(cells)
    lines += _columns(header, body)
    for model in table.models[1:]:
        lines += ["", verdict(table, model)[1]]
    if len(table.models) > 1:
        lines.append("* better, with the whole interval (paired bootstrap over cases)")
    return "\n".join(lines)


def _columns(header: list[str], body: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in [header, *body]) for column in range(len(header))]
    rows = [header, ["-" * width for width in widths], *body]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
