"""The before/after report: one HTML file that a radiologist reads and prints."""

from __future__ import annotations

import base64
import logging
import mimetypes
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from .. import __version__
from ..errors import ImageError
from ..files import atomic_file
from ..origin import command_line, commit, now
from .report_page import PAGE
from .report_sections import (
    case_section,
    gallery_section,
    metric_section,
    provenance_section,
    thickness_section,
    training_section,
    volume_section,
)
from .table import EvaluationTable
from .text import verdict

log = logging.getLogger(__name__)

PAGE_NAME = "index.html"


@dataclass(frozen=True)
class Picture:
    """A picture of the report.

    Parameters
    ----------
    path : path
        PNG, JPEG or SVG; it is copied into the page.
    caption : str
        What is to be seen.
    heading : str
        Pictures with one heading stand side by side, for example a case before and after.
    """

    path: str | os.PathLike
    caption: str
    heading: str = ""

    def data_uri(self) -> str:
        """Return the picture as a data URI.

        Raises
        ------
        ImageError
            The file is missing or is no picture.
        """
        kind, _ = mimetypes.guess_type(str(self.path))
        path = Path(self.path)
        if kind not in ("image/png", "image/jpeg", "image/svg+xml") or not path.is_file():
            raise ImageError(
                path,
                expected="a PNG, JPEG or SVG picture",
                found="no such file" if not path.is_file() else str(kind),
                remedy="Give the path of a picture, or leave it out.",
            )
        return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def write_report(
    folder: str | os.PathLike,
    *,
    table: EvaluationTable,
    pictures: Sequence[Picture | tuple] = (),
    run_events: Iterable[Mapping[str, object]] = (),
    provenance: Mapping[str, object] | None = None,
    title: str | None = None,
) -> Path:
    """Write ``index.html`` (self-contained), ``evaluation.json`` and ``evaluation.csv``.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    table : EvaluationTable
        From `evaluate_pairs`; the first model is "before".
    pictures : sequence of Picture
        Shown in this order; a tuple ``(path, caption[, heading])`` will do.
    run_events : iterable of mapping
        Events of the training run (`learning.read_events`), for the curves.
    provenance : mapping, optional
        What made the numbers: data, seed, commit, bundles. The command, the software's version and the date are added.
    title : str, optional
        Title of the page; by default it says whether models are compared or one is held against the readers.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ImageError
        A picture is missing.
    StorageError
        The disk is full or read-only.
    """
    folder = Path(folder)
    shown = [picture if isinstance(picture, Picture) else Picture(*picture) for picture in pictures]
    facts = {**table.facts, **(provenance or {})}
    facts.setdefault("command", command_line())
    facts.setdefault("version", __version__)
    facts.setdefault("commit", commit())
    facts.setdefault("date", now())
    facts = {"data": f"{table.data} ({'synthetic' if table.phantom else 'patients'})", **facts}
    sections = [
        metric_section(table),
        gallery_section([(picture.heading, picture.caption, picture.data_uri()) for picture in shown], table.phantom),
        volume_section(table),
        thickness_section(table),
        training_section(list(run_events), table.phantom),
        case_section(table),
        provenance_section(facts, files="<code>evaluation.csv</code> and <code>evaluation.json</code>"),
    ]
    compared = "the model before and after fine-tuning" if len(table.models) > 1 else "a model against the readers"
    page = PAGE.substitute(
        title=escape(title or f"Left ventricle: {compared}"),
        phantom_banner=PHANTOM_BANNER if table.phantom else "",
        verdicts=_verdicts(table),
        sections="\n".join(section for section in sections if section),
    )
    table.write_json(folder / "evaluation.json")
    table.write_csv(folder / "evaluation.csv")
    with atomic_file(folder / PAGE_NAME) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return folder / PAGE_NAME


PHANTOM_BANNER = (
    '<p class="banner synthetic"><strong>Phantom results.</strong> Every number and picture here comes from synthetic '
    "hearts with known truth. They show that the software works, not how well it does on patients.</p>"
)


def _verdicts(table: EvaluationTable) -> str:
    parts = []
    for model in table.models[1:]:
        better, sentence = verdict(table, model)
        if better:
            parts.append(f'<p class="verdict good">{escape(sentence)}</p>')
            continue
        warning = ""
        if better is False:
            warning = (
                f"<strong>Negative transfer warning.</strong> Do not use {escape(model)} in place of "
                f"{escape(table.models[0])}: more cases, or other training, may be needed. "
            )
        parts.append(f'<p class="verdict bad">{warning}{escape(sentence)}</p>')
    if len(table.models) == 1:
        found = table.summary(table.models[0], "dice")
        text = f"Mean Dice of {table.models[0]} is {found.mean:.3f} on {table.counted(found.cases)}."
        parts.append(f'<p class="verdict">{escape(text)}</p>')
    return "\n".join(parts)
