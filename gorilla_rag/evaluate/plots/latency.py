"""How long each step of an answer takes, on a log scale: the median, and a line to the 95th percentile."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gorilla_rag.evaluate.metrics.latency import TOTAL
from gorilla_rag.evaluate.plots.style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION, Data, Ladder, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STAGES = {
    "search": ("search", BLUE, "o"),
    "choose": ("choose", VERMILLION, "s"),
    "arguments": ("write the arguments", GREEN, "^"),
    "recall": ("write a call from memory", GREEN, "^"),
    "load model": ("load the model (once)", GREY, "P"),
    "explain": ("explain", PURPLE, "v"),
    "verify": ("verify", ORANGE, "X"),
    TOTAL: ("the whole answer", BLACK, "D"),
}
_BRIEF = 0.001
_SHORTEST = 1e-6  # a log scale has no 0


def draw(data: Data) -> Figure | None:
    """The picture, or `None` where nothing was timed."""
    groups = {name: _stages(stages) for name, stages in data["timings"]["rows"].items() if TOTAL in stages}
    if not groups:
        return None
    title = "How long each step of an answer takes"
    axis = (
        "time on a log scale: median, line to the 95th percentile\n"
        "(steps of which it is under a millisecond are left out)"
    )
    figure, axes = Ladder(title, axis, "median, 95th", groups).draw(data)
    times = [time for lines in groups.values() for line in lines for time in (line.value, line.high)]
    _log_scale(axes, min(times), max(times))
    return figure


def _stages(stages: Data) -> list[Line]:
    return [
        _times(stages[stage], *look)
        for stage, look in _STAGES.items()
        if stage in stages and (stage == TOTAL or stages[stage]["p95"] >= _BRIEF)
    ]


def _times(one: Data, label: str, colour: str, marker: str) -> Line:
    p50, p95 = (max(one[name], _SHORTEST) for name in ("p50", "p95"))
    return Line(label, p50, p50, p95, f"{_seconds(p50)}, {_seconds(p95)}", colour, marker)


def _log_scale(axes: Axes, low: float, high: float) -> None:
    """Whole decades, in words that need no powers of ten."""
    first = math.floor(math.log10(low))
    last = max(math.ceil(math.log10(high)), first + 1)
    decades = [10.0**power for power in range(first, last + 1)]
    axes.set_xscale("log")
    axes.set_xlim(decades[0], decades[-1])
    axes.set_xticks(decades, [f"{d:g} s" if d >= 1 else f"{d * 1000:g} ms" for d in decades])
    axes.set_xticks([], minor=True)


def _seconds(time: float) -> str:
    """Three digits, in the unit that suits."""
    number, unit = (time, "s") if time >= 1 else (time * 1000, "ms")
    return f"{number:.{max(2 - math.floor(math.log10(number)), 0)}f} {unit}"
