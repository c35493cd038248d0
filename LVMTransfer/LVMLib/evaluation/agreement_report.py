"""The agreement of two readers as one HTML page: numbers, Bland–Altman plots, every case."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from .. import __version__
from ..files import atomic_file, write_json
from ..origin import command_line, commit, now
from .agreement import COMPARED, phases_in_order
from .charts import Series, paired_dots, scatter_chart
from .report import PHANTOM_BANNER, Picture
from .report_page import PAGE
from .report_parts import html_charts, html_table
from .report_sections import gallery_section, provenance_section

PAGE_NAME = "index.html"
_PLACES = ("case", "phase", "phase_name", "rr_percent", "thickness_missing")
OVERLAPS = {
    "dice_blood_pool": "Dice, blood pool",
    "dice_lvm": "Dice, LVM",
    "hd95_mm_blood_pool": "HD95, blood pool (mm)",
    "hd95_mm_lvm": "HD95, LVM (mm)",
    "assd_mm_blood_pool": "ASSD, blood pool (mm)",
    "assd_mm_lvm": "ASSD, LVM (mm)",
}


def write_agreement_report(
    folder: str | os.PathLike,
    rows: Sequence[Mapping[str, object]],
    summary: Mapping[str, object],
    *,
    readers: Sequence[str],
    facts: Mapping[str, object] | None = None,
    pictures: Sequence[Picture] = (),
) -> Path:
    """Write ``index.html`` (self-contained) and ``agreement.json``; return the page.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    rows, summary
        What `agree_cohort` returned.
    readers : sequence of str
        Reader A and reader B.
    facts : mapping, optional
        What made the numbers; command, version, commit and date are added.
    pictures : sequence of Picture
        For example difference maps.

    Raises
    ------
    StorageError
        The disk is full or read-only.
    """
    folder, phantom = Path(folder), bool(summary["phantom"])
    shown = {"readers": f"A = {readers[0]}, B = {readers[1]}", **(facts or {}), "command": command_line()}
    shown |= {"version": __version__, "commit": commit(), "date": now()}
    sections = [
        _overlap_section(rows, summary),
        gallery_section([(picture.heading, picture.caption, picture.data_uri()) for picture in pictures], phantom),
        *(_measure_section(rows, summary, name, readers) for name in COMPARED if name in summary),
        _case_section(rows),
        provenance_section(shown, files="<code>agreement.json</code>", note=_NOTE),
    ]
    page = PAGE.substitute(
        title=escape(f"Agreement of {readers[0]} and {readers[1]}"),
        phantom_banner=PHANTOM_BANNER if phantom else "",
        verdicts=_verdict(rows, summary),
        sections="\n".join(section for section in sections if section),
    )
    write_json(folder / "agreement.json", {"cases": _plain(rows), "summary": _plain(summary), "facts": shown})
    with atomic_file(folder / PAGE_NAME) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return folder / PAGE_NAME


_NOTE = (
    "Bland–Altman: difference A − B against the mean; bias and bias ± 1.96 SD. ICC(2,1): two-way random effects, "
    "absolute agreement, single rater. ED and ES of one heart together make ICC and Pearson's r look better than they "
    "are over hearts of one phase."
)


def _verdict(rows: Sequence[Mapping[str, object]], summary: Mapping[str, object]) -> str:
    cases = len({row["case"] for row in rows})
    dice = " and ".join(
        f"{summary[name]['mean']:.3f} ({what})" for name, what in (("dice_blood_pool", "cavity"), ("dice_lvm", "LVM"))
    )
    kind = "phantom " if summary["phantom"] else ""
    return f'<p class="verdict">Mean Dice {dice} over {len(rows)} readings of {cases} {kind}case(s).</p>'


def _overlap_section(rows: Sequence[Mapping[str, object]], summary: Mapping[str, object]) -> str:
    lines = []
    for name, title in OVERLAPS.items():
        found = summary[name]
        cells = [title, *(_number(found[key]) for key in ("mean", "sd", "least", "largest")), str(found["cases"])]
        lines.append((cells, [""] * len(cells)))
    cases = list(dict.fromkeys(str(row["case"]) for row in rows))
    series = []
    for kind in phases_in_order(rows):
        of_kind = [row for row in rows if row["phase_name"] == kind]
        places = [cases.index(str(row["case"])) for row in of_kind]
        series += [
            Series(f"{what} {kind}", [row[name] for row in of_kind], places)
            for name, what in (("dice_blood_pool", "cavity"), ("dice_lvm", "LVM"))
        ]
    picture = paired_dots(cases, series, title="Dice of every case", x_label="Dice")
    header = ["Measure", "mean", "SD", "least", "largest", "readings"]
    drawn = html_charts([(picture, "Dice of every case.")])
    return f"<h2>Overlap and distance</h2>{html_table(header, lines)}{drawn}"


def _measure_section(
    rows: Sequence[Mapping[str, object]], summary: Mapping[str, object], name: str, readers: Sequence[str]
) -> str:
    title, found = COMPARED[name], summary[name]
    bland = found["bland_altman"]
    pairs: dict[str, list[tuple[float, float]]] = {kind: [] for kind in phases_in_order(rows)}
    for row in rows:
        pairs[str(row["phase_name"])].append((row[f"{name}_a"], row[f"{name}_b"]))
    means = [Series(kind, [(a + b) / 2 for a, b in found], [a - b for a, b in found]) for kind, found in pairs.items()]
    clouds = [Series(kind, [a for a, _ in found], [b for _, b in found]) for kind, found in pairs.items()]
    levels = None
    if bland:
        names = {"bias": bland["bias"], "+1.96 SD": bland["upper"], "−1.96 SD": bland["lower"]}
        levels = {f"{label} {value:.2f}": value for label, value in names.items()}
    difference = scatter_chart(
        means, title=f"Bland–Altman, {title}", x_label=f"mean of both: {title}", y_label="A − B", levels=levels
    )
    scatter = scatter_chart(
        clouds, title=f"{title}: A against B", x_label=f"{readers[0]}", y_label=f"{readers[1]}", identity=True
    )
    lines = [_agreement_cells("all readings", found)]
    lines += [_agreement_cells(kind, part) for kind, part in found["by_phase"].items()]
    header = ["Phase", "bias A − B", "lower limit", "upper limit", "ICC(2,1)", "Pearson r", "readings"]
    drawn = html_charts([(difference, _limits_caption(rows)), (scatter, "Dashed: both readers the same.")])
    missing = _missing_thickness(rows) if name == "thickness_median_mm" else ""
    return f"<h2>{escape(title[0].upper() + title[1:])}</h2>{html_table(header, lines)}{missing}{drawn}"


def _limits_caption(rows: Sequence[Mapping[str, object]]) -> str:
    cases = len({row["case"] for row in rows})
    if cases == len(rows):
        return "Bias and limits of agreement."
    return (
        f"Bias and limits of agreement over {len(rows)} case-phases of {cases} case(s). Phases of one heart are not "
        "independent: for a new patient the limits are wider than these; those of one phase are in the table."
    )


def _missing_thickness(rows: Sequence[Mapping[str, object]]) -> str:
    """Say which readings are not in the numbers, and why."""
    missing = [(f"{row['case']}, {row['phase_name']} ({row['phase']})", row["thickness_missing"]) for row in rows]
    told = "".join(f"<li>{escape(f'{where}: {why}')}</li>" for where, why in missing if why)
    return f'<p class="note">No thickness, and so not in these numbers:</p><ul class="note">{told}</ul>' if told else ""


def _agreement_cells(name: str, found: Mapping[str, object]) -> tuple[list[str], list[str]]:
    bland = found["bland_altman"]
    cells = [escape(name), *(_number(bland[key]) if bland else "–" for key in ("bias", "lower", "upper"))]
    cells += [_number(found["icc"]), _number(found["pearson"]), str(bland["cases"] if bland else 0)]
    return cells, [""] * len(cells)


def _case_section(rows: Sequence[Mapping[str, object]]) -> str:
    names = [name for name in rows[0] if name not in _PLACES]
    lines = []
    for row in rows:
        cells = [f"{row['case']}, {row['phase_name']} ({row['phase']})", *(_number(row[name]) for name in names)]
        lines.append((cells, [""] * len(cells)))
    header = ["Case, phase", *(name.replace("_", " ") for name in names)]
    return f"<h2>Every reading</h2>{html_table(header, lines, style='wide')}"


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def _plain(value: object) -> object:
    """JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
