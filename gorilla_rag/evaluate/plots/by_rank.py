"""How often the answer is right, by where the right document stood among the candidates: a panel a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gorilla_rag.evaluate.plots.style import BLUE, VERMILLION, Data, of_modes, panels_of, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_TICKS = 20


def draw(data: Data) -> Figure | None:
    """The picture, or `None` where no row chose among candidates."""
    rows = [row for row in of_modes(data, "by_rank") if len(row["by_rank"]) > 1]
    if not rows:
        return None
    ranks = _ranks(rows)
    title = "How often the answer is right, by where the right document stood among the candidates"
    columns = next((count for count in (3, 2) if len(ranks) * count <= _MOST_TICKS), 1)
    figure, panels = panels_of(data, title, rows, columns, 2.5)
    label = "rank of the first right document (with oracle, its place in the prompt); below it, the number of questions"
    figure.supxlabel(f"{label}; line: 95 % interval", fontsize="small")
    for axes, row in zip(panels, rows, strict=True):
        axes.set_title(wrapped(row["name"], 84 // columns), loc="left")
        _rank_panel(axes, row["by_rank"], ranks)
    return figure


def _ranks(rows: Sequence[Data]) -> list[int | str]:
    """Every rank that any row has, and those between; `absent` last."""
    found = {one["rank"] for row in rows for one in row["by_rank"]}
    numbers = [rank for rank in found if isinstance(rank, int)]
    return [*range(1, max(numbers, default=0) + 1), *sorted(rank for rank in found if isinstance(rank, str))]


def _rank_panel(axes: Axes, by_rank: Sequence[Data], ranks: Sequence[int | str]) -> None:
    counts = {one["rank"]: one["count"] for one in by_rank}
    every, last = math.ceil(len(ranks) / _MOST_TICKS), len(ranks) - 1
    shown = [*range(0, last - every + 1, every), last]
    axes.set_xticks(shown, [f"{ranks[place]}\n{counts.get(ranks[place], 0)}" for place in shown])
    axes.set_xlim(-0.5, len(ranks) - 0.5)
    axes.set_ylim(-0.04, 1.04)
    axes.grid(visible=False, axis="x")
    for one in by_rank:
        place, listed = ranks.index(one["rank"]), isinstance(one["rank"], int)
        colour = BLUE if listed else VERMILLION
        axes.vlines(place, one["low"], one["high"], color=colour, linewidth=1.8)
        axes.plot(place, one["value"], marker="o" if listed else "s", color=colour, markersize=6)
