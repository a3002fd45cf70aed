"""Confidence against accuracy: a panel a row, a point a bin, its size by its answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gorilla_rag.evaluate.plots.style import BLUE, GREY, VERMILLION, Data, of_modes, panels_of, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw(data: Data) -> Figure | None:
    """The picture, or `None` where no row has a confidence."""
    rows = of_modes(data, "calibration")
    if not rows:
        return None
    figure, panels = panels_of(data, "Is an answer of confidence 0.8 right eight times in ten?", rows, 3, 3.0)
    largest = max(one["count"] for row in rows for one in row["calibration"]["bins"])
    for axes, row in zip(panels, rows, strict=True):
        found = row["calibration"]
        axes.set_title(f"{wrapped(row['name'], 28)}\nECE {found['error']:.3f}", loc="left")
        axes.set_xlabel("mean confidence")
        _reliability_panel(axes, found["bins"], largest)
    figure.legend(handles=_sizes(largest), loc="outside lower center", ncols=4, handletextpad=1, borderpad=0.8)
    return figure


def _reliability_panel(axes: Axes, bins: Sequence[Data], largest: int) -> None:
    axes.set_box_aspect(1)
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    confidence, accuracy = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
    axes.vlines(confidence, confidence, accuracy, color=VERMILLION, linewidth=1)
    areas = [_area(one["count"], largest) for one in bins]
    axes.scatter(confidence, accuracy, areas, color=BLUE, edgecolors="white", linewidths=0.8, zorder=3, clip_on=False)


def _area(count: int, largest: int) -> float:
    return max(260 * count / largest, 12)


def _sizes(largest: int) -> list[Any]:
    """What the legend shows: how large a point is for how many answers, and what the two lines are."""
    from matplotlib.lines import Line2D

    sizes = [
        Line2D([], [], linestyle="", marker="o", color=BLUE, markersize=math.sqrt(_area(count, largest)), label=words)
        for count, words in sorted({largest: f"{largest} answers", 1: "1 answer"}.items())
    ]
    gap = Line2D([], [], color=VERMILLION, linewidth=1, label="gap; ECE is its mean")
    return [*sizes, Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="confidence as it should be"), gap]
