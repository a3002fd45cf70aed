"""How often each row gives exactly the documented call, with its interval, under a heading for each kind of row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gorilla_rag.evaluate.metrics import HEADLINE
from gorilla_rag.evaluate.plots.style import BLACK, BLUE, VERMILLION, Data, Ladder, Line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KINDS = {
    "mode": ("this library", BLUE, "o"),
    "responses": ("answers of others", VERMILLION, "s"),
    "baseline": ("baselines", BLACK, "D"),
}


def draw(data: Data) -> Figure | None:
    """The picture, or `None` where no row was scored."""
    groups = {}
    for kind, (heading, colour, marker) in _KINDS.items():
        found = [(row["name"], row["metrics"][HEADLINE]["macro"]) for row in _scored(data) if row["kind"] == kind]
        if found:
            groups[heading] = [_estimate(name, one, colour, marker) for name, one in found]
    if not groups:
        return None
    title = "How often each row gives exactly the documented call"
    axis = "API match, macro: share answered right,\neach gold call counting the same (line: 95 % interval)"
    figure, axes = Ladder(title, axis, "macro (95 %)", groups).draw(data)
    axes.set_xlim(-0.02, 1.02)
    return figure


def _scored(data: Data) -> list[Data]:
    return [row for row in data["rows"] if HEADLINE in row["metrics"]]


def _estimate(name: str, one: Data, colour: str, marker: str) -> Line:
    words = f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    return Line(name, one["low"], one["value"], one["high"], words, colour, marker)
