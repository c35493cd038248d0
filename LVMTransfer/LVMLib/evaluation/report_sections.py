"""The sections of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby

from .charts import Series, line_chart, paired_dots, scatter_chart
from .report_parts import html_charts, html_table
from .statistics import summarise
from .table import METRICS, THICKNESS, EvaluationTable
from .text import interval_text, summary_text

THICKNESS_NAMES = {"median": "median", "p95": "95th percentile", "max": "maximum"}


def metric_section(table: EvaluationTable) -> str:
    """Return the before/after table and the dots per case."""
    header = ["Measure", *table.models]
    header += [f"{model} − {table.models[0]} (95 % CI)" for model in table.models[1:]]
    rows = []
    for name in table.measured():
        title, unit, sign = METRICS[name]
        cells = [f"{escape(title)}{f' ({unit})' if unit else ''} {'↑' if sign > 0 else '↓'}"]
        cells += [summary_text(table.summary(model, name)) for model in table.models]
        styles = [""] * len(cells)
        for model in table.models[1:]:
            found = table.compare(name, model)
            worse = found.difference.upper < 0 if sign > 0 else found.difference.lower > 0
            cells.append(interval_text(found.difference))
            styles.append("good" if found.better else "bad" if worse else "")
        rows.append((cells, styles))
    charts = [
        (_dots(table, name, title), f"{title}, each of the {table.data}; a line joins the models on one case.")
        for name, title in (("dice_blood_pool", "Dice of the blood pool"), ("dice_lvm", "Dice of the LVM"))
    ]
    compared = "Before and after" if len(table.models) > 1 else "Model against reader"
    return (
        f"<h2>{compared}, {table.counted(len(table.cases))}</h2>"
        "<p>Mean ± standard deviation over cases. ↑ more is better, ↓ less is better. Green: better, and the whole "
        "95 % confidence interval (paired bootstrap over cases) is on that side; red: worse.</p>"
        f"{html_table([escape(cell) for cell in header], rows)}"
        f"{html_charts(charts)}"
    )


def gallery_section(pictures: Sequence[tuple[str, str, str]], phantom: bool) -> str:
    """Return the pictures: (heading, caption, data URI); those of one heading side by side."""
    if not pictures:
        return ""
    parts = [f"<h2>Pictures{' (phantom)' if phantom else ''}</h2>"]
    for heading, group in groupby(pictures, key=lambda picture: picture[0]):
        parts.append(f"<h3>{escape(heading)}</h3>" if heading else "")
        figures = (
            f'<figure><img src="{uri}" alt="{escape(caption, quote=True)}"><figcaption>{escape(caption)}</figcaption>'
            "</figure>"
            for _, caption, uri in group
        )
        parts.append(f'<div class="gallery">{"".join(figures)}</div>')
    return "".join(parts)


def volume_section(table: EvaluationTable) -> str:
    """Return cavity volumes against truth, over cases."""
    phases = _phases(table)
    rows = []
    for phase in phases:
        for model in table.models:
            found = table.of(model, phase_name=phase)
            cavity = summarise([row.cavity_ml - row.truth_cavity_ml for row in found])
            mass = summarise([row.mass_g - row.truth_mass_g for row in found])
            truth = summarise([row.truth_cavity_ml for row in found])
            true_mass = summarise([row.truth_mass_g for row in found])
            cells = [f"{phase}, {escape(model)}", *(summary_text(item) for item in (truth, cavity, true_mass, mass))]
            rows.append((cells, [""] * len(cells)))
    header = ["Phase", "Cavity, reader (ml)", "model − reader (ml)", "LVM mass, reader (g)", "model − reader (g)"]
    caption = f"Each dot is one phase of one of the {table.data}; on the dashed line model and reader agree."
    charts = [(_against_truth(table, "cavity_ml", "cavity (ml)"), caption)]
    charts.append((_against_truth(table, "mass_g", "LVM mass (g)"), "The same for the mass of the myocardium."))
    return f"<h2>Volumes and mass</h2>{html_table(header, rows)}{html_charts(charts)}"


def thickness_section(table: EvaluationTable) -> str:
    """Return wall thickness against truth: Pearson's r as in the paper's Table 1, and a scatter plot."""
    if not any(math.isfinite(row.thickness_median_mm) for row in table.rows):
        return ""
    rows = []
    for phase in _phases(table):
        for statistic in THICKNESS:
            name = f"thickness_{statistic}_mm"
            truth = summarise([getattr(row, f"truth_{name}") for row in table.of(table.models[0], phase_name=phase)])
            cells = [f"{phase}, {THICKNESS_NAMES[statistic]}", summary_text(truth)]
            for model in table.models:
                found = table.of(model, phase_name=phase)
                error = summarise([getattr(row, name) - getattr(row, f"truth_{name}") for row in found])
                correlation = table.thickness_correlation(model, phase, statistic)
                cells += ["–" if math.isnan(correlation) else f"{correlation:.2f}", summary_text(error)]
            rows.append((cells, [""] * len(cells)))
    header = ["Phase, statistic", "reader (mm)"]
    for model in table.models:
        header += [f"{escape(model)}: r", "model − reader (mm)"]
    charts = [
        (_against_truth(table, f"thickness_{name}_mm", f"{title} thickness (mm)"), f"Wall thickness, {title}.")
        for name, title in (("median", "median"), ("p95", "95th percentile"))
    ]
    return (
        "<h2>Wall thickness</h2><p>Length of the heat-flow lines from epicardium to endocardium; r is Pearson's "
        f"correlation over {table.data}.</p>{html_table(header, rows)}"
        f"{html_charts(charts)}"
    )


def training_section(events: Sequence[Mapping[str, object]], phantom: bool) -> str:
    """Return loss and validation Dice against epochs."""
    epochs = [event for event in events if event.get("event") == "epoch"]
    checks = [event for event in events if event.get("event") == "validation"]
    losses = [(_number(event.get("epoch")), _number(event.get("loss"))) for event in epochs]
    loss = line_chart(
        [Series("training loss", [x for x, _ in losses], [y for _, y in losses])],
        title="Training loss",
        x_label="epoch",
        y_label="loss",
    )
    names = {"blood_pool": "blood pool", "lvm": "LVM"}
    curves = [
        Series(title, [_number(event.get("epoch")) for event in checks], [_number(event.get(key)) for event in checks])
        for key, title in names.items()
    ]
    source = next((event for event in events if event.get("event") == "source"), None)
    if source and checks:
        ends = [_number(event.get("epoch")) for event in checks]
        curves.append(Series("source, mean", [0, max(ends)], [_number(source.get("dice"))] * 2))
    dice = line_chart(curves, title="Validation Dice", x_label="epoch", y_label="Dice", marks=len(checks) < 30)
    if not loss and not dice:
        return ""
    kind = "phantom cases" if phantom else "cases"
    drawn = [(loss, "Loss on labelled phases."), (dice, f"Dice on the validation {kind}.")]
    return f"<h2>Training</h2>{html_charts(drawn)}"


def case_section(table: EvaluationTable) -> str:
    """Return the table of every case, phase and model."""
    header = ["Case, phase", "Model", "Dice blood pool", "Dice LVM", "HD95 LVM (mm)", "ASSD LVM (mm)", "Cavity (ml)"]
    header += ["reader (ml)", "Mass (g)", "reader (g)", "Median thickness (mm)", "reader (mm)"]
    rows = []
    for case in table.cases:
        for phase in dict.fromkeys(row.phase for row in table.rows if row.case == case):
            for model in table.models:
                row = next((row for row in table.of(model, case=case) if row.phase == phase), None)
                if row is None:
                    continue
                numbers = [f"{row.dice_blood_pool:.3f}", f"{row.dice_lvm:.3f}"]
                values = (row.hd95_mm_lvm, row.assd_mm_lvm, row.cavity_ml, row.truth_cavity_ml, row.mass_g)
                values += (row.truth_mass_g, row.thickness_median_mm, row.truth_thickness_median_mm)
                numbers += ["–" if math.isnan(value) else f"{value:.1f}" for value in values]
                cells = [f"{escape(case)}, {escape(row.phase_name)}", escape(model), *numbers]
                rows.append((cells, [""] * len(cells)))
    return f"<h2>Every case{' (phantom)' if table.phantom else ''}</h2>{html_table(header, rows, style='wide')}"


MEASURES_NOTE = (
    "Dice: overlap, 1 is perfect. HD95: 95th percentile of the distance between the surfaces. ASSD: mean distance "
    "between the surfaces. LVM: left-ventricular myocardium, 1.05 g/ml."
)


def provenance_section(facts: Mapping[str, object], *, files: str, note: str = "") -> str:
    """Return what made the numbers, and in which files beside the page the same rows stand."""
    items = []
    for key, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        shown = f"<code>{escape(text)}</code>" if key in ("command", "commit") else escape(text)
        items.append(f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{shown}</dd>")
    return (
        f"<h2>Where these numbers come from</h2><dl>{''.join(items)}</dl>"
        f'<p class="note">{MEASURES_NOTE} {note} The same rows stand in {files} beside this page.</p>'
    )


def _dots(table: EvaluationTable, metric: str, label: str) -> str:
    rows = list(range(len(table.cases)))
    series = [Series(model, table.per_case(model, metric), rows) for model in table.models]
    return paired_dots(list(table.cases), series, title=f"{label} of each case", x_label=label)


def _against_truth(table: EvaluationTable, name: str, label: str) -> str:
    series = [
        Series(
            model,
            [getattr(row, f"truth_{name}") for row in table.of(model)],
            [getattr(row, name) for row in table.of(model)],
        )
        for model in table.models
    ]
    title = f"{label}: model against reader"
    return scatter_chart(series, title=title, x_label=f"reader: {label}", y_label=f"model: {label}", identity=True)


def _phases(table: EvaluationTable) -> list[str]:
    """ED and ES, or every phase where neither is known; dense labels would make an endless table."""
    names = list(dict.fromkeys(row.phase_name for row in table.rows))
    return [name for name in ("ED", "ES") if name in names] or names


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan
