"""How many of the most confident answers are right, by how many are kept: a curve a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gorilla_rag.evaluate.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Data,
    figure_of,
    of_modes,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_FEW = 0.1
_LINE_STYLES = {"": "-", "model chooses": "--", "joint chooses": ":"}


def draw(data: Data) -> Figure | None:
    """The picture, or `None` where no row has a confidence."""
    rows = of_modes(data, "risk_coverage")
    if not rows:
        return None
    labels = [f"{wrapped(row['name'])}\nAURC {row['risk_coverage']['area']:.3f}" for row in rows]
    height = 1.6 + sum(0.15 + 0.17 * (label.count("\n") + 1) for label in labels)
    figure = figure_of(data, "Accuracy when only the most confident answers are kept", max(height, 5.5))
    axes = figure.subplots()
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("coverage: share of the answers that are kept (under a tenth drawn faint)")
    axes.set_ylabel("share of the kept answers that are right")
    for row, label, look in zip(rows, labels, _looks(rows), strict=True):
        _curve(axes, row["risk_coverage"]["curve"], look)
        axes.plot([], [], **look, label=label)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        labelspacing=0.9,
        handlelength=3.5,
        title="AURC: mean share wrong\nover all coverages",
        alignment="left",
    )
    return figure


def _looks(rows: Sequence[Data]) -> list[dict[str, Any]]:
    """A colour and a marker by where documents come from, a line style by who chooses among them."""
    parts = [row["name"].partition(", ") for row in rows]
    places = {base: place for place, base in enumerate(dict.fromkeys(base for base, _, _ in parts))}
    return [
        {
            "color": _COLOURS[places[base] % len(_COLOURS)],
            "marker": _MARKERS[places[base] % len(_MARKERS)],
            "linestyle": _LINE_STYLES.get(chooser, "-."),
        }
        for base, _, chooser in parts
    ]


def _curve(axes: Axes, curve: Sequence[Data], look: Mapping[str, Any]) -> None:
    """A handful of answers says little, so that part is drawn faint."""
    few = sum(point["coverage"] < _FEW for point in curve)
    for points, style in ((curve[: few + 1], {"alpha": 0.25, "marker": ""}), (curve[few:], {"markevery": 0.15})):
        coverage, accuracy = [point["coverage"] for point in points], [point["accuracy"] for point in points]
        axes.plot(coverage, accuracy, **{**look, "linewidth": 1.6, "markersize": 6, **style})
