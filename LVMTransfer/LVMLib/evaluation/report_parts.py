"""Tables and figures of the report pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def html_table(header: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[str]]], *, style: str = "") -> str:
    """Return a table; each row is its cells (HTML) and their CSS classes."""
    head = "".join(f"<th>{cell}</th>" for cell in header)
    body = "".join(
        "<tr>"
        + "".join(f"<td{f' class={style}' if style else ''}>{cell}</td>" for cell, style in zip(cells, styles))
        + "</tr>"
        for cells, styles in rows
    )
    return (
        f'<div class="scroll"><table class="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def html_charts(charts: Sequence[tuple[str, str]]) -> str:
    """Return figures of SVG and caption side by side; those without a drawing are left out."""
    figures = "".join(
        f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>" for svg, caption in charts if svg
    )
    return f'<div class="charts">{figures}</div>' if figures else ""
