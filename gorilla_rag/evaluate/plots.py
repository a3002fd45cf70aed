"""The pictures of a report, drawn by matplotlib from the report's JSON.

Knows nothing of questions, models or how a figure was measured. The same data gives the same bytes, whatever the
user's matplotlib settings are. Every row is told apart by place, marker or line style as well as by colour; colours
are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

import io
import math
import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gorilla_rag.errors import ExtraMissing
from gorilla_rag.evaluate.metrics import HEADLINE
from gorilla_rag.evaluate.metrics.latency import TOTAL
from gorilla_rag.files import storage_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

_BLACK, _BLUE, _VERMILLION, _GREEN, _ORANGE, _PURPLE, _SKY = (
    "#000000",
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
)
_GREY = "#767676"
_COLOURS = (_BLUE, _VERMILLION, _GREEN, _PURPLE, _ORANGE, _SKY, _BLACK)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.labelsize": 11,
    "figure.titlesize": 13,
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "svg.fonttype": "path",  # a picture inside a page can't load fonts
    "svg.hashsalt": "gorilla-rag",  # else the ids in an SVG are random
    "text.parse_math": False,  # a row may be called "$5"
}
_WIDTH = 9.5
_DPI = 150
_FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": _DPI, "metadata": {"Software": None}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
}
_KINDS = {
    "mode": ("this library", _BLUE, "o"),
    "responses": ("answers of others", _VERMILLION, "s"),
    "baseline": ("baselines", _BLACK, "D"),
}
_STAGES = {
    "search": ("search", _BLUE, "o"),
    "choose": ("choose", _VERMILLION, "s"),
    "arguments": ("write the arguments", _GREEN, "^"),
    "recall": ("write a call from memory", _GREEN, "^"),
    "load model": ("load the model (once)", _GREY, "P"),
    "explain": ("explain", _PURPLE, "v"),
    "verify": ("verify", _ORANGE, "X"),
    TOTAL: ("the whole answer", _BLACK, "D"),
}
_BRIEF = 0.001
_SHORTEST = 1e-6  # a log scale has no 0
_FEW = 0.1
_LINE_STYLES = {"": "-", "model chooses": "--", "joint chooses": ":"}
_MOST_TICKS = 20


def draw(name: str, data: Data) -> Figure | None:
    """One picture, or `None` where the report has no figures for it.

    Args:
        name: one of `PLOTS`.
        data: a report's JSON.

    Raises:
        ExtraMissing: matplotlib isn't installed.
    """
    with _style():
        return PLOTS[name](data)


def pictures(data: Data) -> dict[str, dict[str, bytes]]:
    """Every picture that the report has figures for, by name: `{"png": …, "svg": …}`.

    Raises:
        ExtraMissing: matplotlib isn't installed.
    """
    found = {}
    with _style():
        for name, make in PLOTS.items():
            if (figure := make(data)) is not None:
                found[name] = {kind: _file(figure, kind) for kind in _FORMATS}
    return found


def save(pictures: Mapping[str, Mapping[str, bytes]], folder: Path) -> None:
    """Writes `name.png` and `name.svg` into a folder, and takes away those that this report has no figures for.

    Raises:
        StorageFull: the disk took no more; each file is the old one or the new one.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in PLOTS:
            for kind in _FORMATS:
                path = folder / f"{name}.{kind}"
                if name in pictures:
                    _write(path, pictures[name][kind])
                else:
                    path.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _style() -> Iterator[None]:
    """The same settings for everyone, for as long as something is drawn."""
    try:
        import matplotlib
    except ImportError as error:
        raise ExtraMissing("pictures need matplotlib", hint="pip install 'gorilla-rag[evaluate]'") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def _file(figure: Figure, kind: str) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=kind, **_FORMATS[kind])
    return file.getvalue()


def _figure(data: Data, title: str, height: float) -> Figure:
    from matplotlib.figure import Figure

    about = data["benchmark"]
    figure = Figure((_WIDTH, height), layout="constrained")
    figure.suptitle(f"{title}\n{_wrapped(about['name'], 60)}, {about['questions']} questions")
    return figure


def _wrapped(text: str, width: int = 34) -> str:
    return "\n".join(textwrap.wrap(text, width)) or text


def _of_modes(data: Data, figures: str) -> list[Data]:
    """The rows of this library that have such figures."""
    return [row for row in data["rows"] if row["kind"] == "mode" and row[figures]]


# Ladders: a line a figure, under bold headings.


@dataclass(frozen=True, slots=True)
class _Line:
    """A dot with its whisker, and the figures in words."""

    label: str
    low: float
    value: float
    high: float
    words: str
    colour: str
    marker: str


@dataclass(frozen=True, slots=True)
class _Ladder:
    title: str
    axis: str
    column: str
    groups: Mapping[str, Sequence[_Line]]

    def draw(self, data: Data) -> tuple[Figure, Axes]:
        """The picture, and its axes for the scale."""
        places, labels, lines = self._places()
        bottom = places[-1] + labels[-1].count("\n") + 1.0
        figure = _figure(data, self.title, 1.5 + 0.25 * (bottom + 1))
        axes = figure.subplots()
        axes.set_ylim(bottom, -1)
        axes.set_yticks(places, labels)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(self.axis)
        _beside(axes, 0, self.column).set_fontweight("bold")
        for place, label, line in zip(places, axes.get_yticklabels(), lines, strict=True):
            if line is None:
                label.set_fontweight("bold")
            else:
                _dot(axes, place, line)
        return figure, axes

    def _places(self) -> tuple[list[float], list[str], list[_Line | None]]:
        """Where each label stands, counted in lines of text from the top; headings have no line."""
        entries: list[tuple[str, _Line | None]] = []
        for heading, lines in self.groups.items():
            entries += [(_wrapped(heading), None), *((_wrapped(line.label), line) for line in lines)]
        places: list[float] = []
        top = 0.0
        for label, line in entries:
            more = label.count("\n")
            top += 0.4 if line is None and places else 0
            places.append(top + more / 2)
            top += 1 + more
        return places, [label for label, _ in entries], [line for _, line in entries]


def _dot(axes: Axes, place: float, line: _Line) -> None:
    axes.hlines(place, line.low, line.high, color=line.colour, linewidth=1.8)
    axes.plot(line.value, place, marker=line.marker, color=line.colour, markersize=7, clip_on=False)
    _beside(axes, place, line.words)


def _beside(axes: Axes, place: float, words: str) -> Any:
    return axes.text(1.02, place, words, transform=axes.get_yaxis_transform(), va="center_baseline")


def _accuracy(data: Data) -> Figure | None:
    groups = {}
    for kind, (heading, colour, marker) in _KINDS.items():
        found = [(row["name"], row["metrics"][HEADLINE]["macro"]) for row in _scored(data) if row["kind"] == kind]
        if found:
            groups[heading] = [_estimate(name, one, colour, marker) for name, one in found]
    if not groups:
        return None
    title = "How often each row gives exactly the documented call"
    axis = "API match, macro: share answered right,\neach gold call counting the same (line: 95 % interval)"
    figure, axes = _Ladder(title, axis, "macro (95 %)", groups).draw(data)
    axes.set_xlim(-0.02, 1.02)
    return figure


def _scored(data: Data) -> list[Data]:
    return [row for row in data["rows"] if HEADLINE in row["metrics"]]


def _estimate(name: str, one: Data, colour: str, marker: str) -> _Line:
    words = f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
    return _Line(name, one["low"], one["value"], one["high"], words, colour, marker)


def _latency(data: Data) -> Figure | None:
    groups = {name: _stages(stages) for name, stages in data["timings"]["rows"].items() if TOTAL in stages}
    if not groups:
        return None
    title = "How long each step of an answer takes"
    axis = (
        "time on a log scale: median, line to the 95th percentile\n"
        "(steps of which it is under a millisecond are left out)"
    )
    figure, axes = _Ladder(title, axis, "median, 95th", groups).draw(data)
    times = [time for lines in groups.values() for line in lines for time in (line.value, line.high)]
    _log_scale(axes, min(times), max(times))
    return figure


def _stages(stages: Data) -> list[_Line]:
    return [
        _times(stages[stage], *look)
        for stage, look in _STAGES.items()
        if stage in stages and (stage == TOTAL or stages[stage]["p95"] >= _BRIEF)
    ]


def _times(one: Data, label: str, colour: str, marker: str) -> _Line:
    p50, p95 = (max(one[name], _SHORTEST) for name in ("p50", "p95"))
    return _Line(label, p50, p50, p95, f"{_seconds(p50)}, {_seconds(p95)}", colour, marker)


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


# Panels: a small picture a row.


def _panels(data: Data, title: str, rows: Sequence[Data], columns: int, height: float) -> tuple[Figure, list[Axes]]:
    columns = min(columns, len(rows))
    down = math.ceil(len(rows) / columns)
    figure = _figure(data, title, 1.5 + height * down)
    grid = figure.subplots(down, columns, sharey=True, squeeze=False)
    for spare in grid.flat[len(rows) :]:
        spare.remove()
    for left in grid[:, 0]:
        left.set_ylabel("share answered right")
    return figure, list(grid.flat[: len(rows)])


def _by_rank(data: Data) -> Figure | None:
    rows = [row for row in _of_modes(data, "by_rank") if len(row["by_rank"]) > 1]
    if not rows:
        return None
    ranks = _ranks(rows)
    title = "How often the answer is right, by where the right document stood among the candidates"
    columns = next((count for count in (3, 2) if len(ranks) * count <= _MOST_TICKS), 1)
    figure, panels = _panels(data, title, rows, columns, 2.5)
    figure.supxlabel("rank of the first right document; below it, the number of questions (line: 95 % interval)")
    for axes, row in zip(panels, rows, strict=True):
        axes.set_title(_wrapped(row["name"], 84 // columns), loc="left")
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
        colour = _BLUE if listed else _VERMILLION
        axes.vlines(place, one["low"], one["high"], color=colour, linewidth=1.8)
        axes.plot(place, one["value"], marker="o" if listed else "s", color=colour, markersize=6)


def _calibration(data: Data) -> Figure | None:
    rows = _of_modes(data, "calibration")
    if not rows:
        return None
    figure, panels = _panels(data, "Is an answer of confidence 0.8 right eight times in ten?", rows, 3, 3.0)
    largest = max(one["count"] for row in rows for one in row["calibration"]["bins"])
    for axes, row in zip(panels, rows, strict=True):
        found = row["calibration"]
        axes.set_title(f"{_wrapped(row['name'], 28)}\nECE {found['error']:.3f}", loc="left")
        axes.set_xlabel("mean confidence")
        _reliability_panel(axes, found["bins"], largest)
    figure.legend(handles=_sizes(largest), loc="outside lower center", ncols=4, handletextpad=1, borderpad=0.8)
    return figure


def _reliability_panel(axes: Axes, bins: Sequence[Data], largest: int) -> None:
    axes.set_box_aspect(1)
    axes.set(xlim=(-0.04, 1.04), ylim=(-0.04, 1.04))
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    confidence, accuracy = [one["confidence"] for one in bins], [one["accuracy"] for one in bins]
    axes.vlines(confidence, confidence, accuracy, color=_VERMILLION, linewidth=1)
    areas = [_area(one["count"], largest) for one in bins]
    axes.scatter(confidence, accuracy, areas, color=_BLUE, edgecolors="white", linewidths=0.8, zorder=3, clip_on=False)


def _area(count: int, largest: int) -> float:
    return max(260 * count / largest, 12)


def _sizes(largest: int) -> list[Any]:
    """What the legend shows: how large a point is for how many answers, and what the two lines are."""
    from matplotlib.lines import Line2D

    sizes = [
        Line2D([], [], linestyle="", marker="o", color=_BLUE, markersize=math.sqrt(_area(count, largest)), label=words)
        for count, words in sorted({largest: f"{largest} answers", 1: "1 answer"}.items())
    ]
    gap = Line2D([], [], color=_VERMILLION, linewidth=1, label="gap; ECE is its mean")
    return [*sizes, Line2D([], [], color=_GREY, linestyle="--", linewidth=1, label="confidence as it should be"), gap]


def _risk_coverage(data: Data) -> Figure | None:
    rows = _of_modes(data, "risk_coverage")
    if not rows:
        return None
    labels = [f"{_wrapped(row['name'])}\nAURC {row['risk_coverage']['area']:.3f}" for row in rows]
    height = 1.6 + sum(0.15 + 0.17 * (label.count("\n") + 1) for label in labels)
    figure = _figure(data, "Accuracy when only the most confident answers are kept", max(height, 5.5))
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


PLOTS = {
    "accuracy": _accuracy,
    "by_rank": _by_rank,
    "calibration": _calibration,
    "risk_coverage": _risk_coverage,
    "latency": _latency,
}
