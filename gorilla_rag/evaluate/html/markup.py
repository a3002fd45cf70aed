"""HTML itself: sections, lists and tables. What isn't said to be escaped already is escaped here.

Knows nothing of what a report holds, but for its kinds of rows.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Data = Mapping[str, Any]
_KINDS = {"mode": "This library", "responses": "Answers of others", "baseline": "Baselines"}


def text(value: Any) -> str:
    """Anything as text that is no HTML."""
    return escape(str(value))


def section(title: str, *parts: str) -> str:
    """A heading, and parts that are HTML already."""
    return "\n".join((f"<h2>{text(title)}</h2>", *parts))


def bullets(*sentences: str) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{text(sentence)}</li>" for sentence in sentences) + "</ul>"


def table(head: Sequence[str], lines: Iterable[str], *, above: str = "") -> str:
    """A table in a box that scrolls by itself, of cells and lines that are HTML already."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    rows = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n<thead>{above}<tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def line(row: Sequence[str]) -> str:
    """A line of a table: its name and its cells, HTML already."""
    name, *values = row
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{value}</td>" for value in values) + "</tr>"


def grouped(lines: Iterable[tuple[str, Sequence[str]]]) -> Iterable[str]:
    """Lines under a heading for each kind of row."""
    shown = ""
    for kind, row in lines:
        if kind != shown:
            shown = kind
            yield f'<tr class="group"><th scope="rowgroup" colspan="{len(row)}">{text(_KINDS[kind])}</th></tr>'
        yield line(row)


def data_uri(kind: str, content: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{b64encode(content).decode()}"
