"""What the pictures share: colours, settings, formats, and the two layouts that several of them have.

Knows nothing of any one picture.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gorilla_rag.errors import ExtraMissing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = Mapping[str, Any]

BLACK, BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY = (
    "#000000",
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#56B4E9",
)
GREY = "#767676"
_SETTINGS: dict[Any, Any] = {
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
FORMATS: dict[str, dict[str, Any]] = {
    "png": {"dpi": _DPI, "metadata": {"Software": None}},
    "svg": {"metadata": {"Date": None, "Creator": None}},
}


@contextmanager
def styled() -> Iterator[None]:
    """The same settings for everyone, for as long as something is drawn."""
    try:
        import matplotlib
    except ImportError as error:
        raise ExtraMissing("pictures need matplotlib", hint="pip install 'gorilla-rag[evaluate]'") from error
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def file_of(figure: Figure, kind: str) -> bytes:
    """The picture as one of `FORMATS`."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, **FORMATS[kind])
    return file.getvalue()


def figure_of(data: Data, title: str, height: float) -> Figure:
    """An empty picture that says under its title what was asked."""
    from matplotlib.figure import Figure

    about = data["benchmark"]
    figure = Figure((_WIDTH, height), layout="constrained")
    figure.suptitle(f"{title}\n{wrapped(about['name'], 60)}, {about['questions']} questions")
    return figure


def wrapped(text: str, width: int = 34) -> str:
    """A text in lines of so many letters at most."""
    return "\n".join(textwrap.wrap(text, width)) or text


def of_modes(data: Data, figures: str) -> list[Data]:
    """The rows of this library that have such figures."""
    return [row for row in data["rows"] if row["kind"] == "mode" and row[figures]]


# Ladders: a line a figure, under bold headings.


@dataclass(frozen=True, slots=True)
class Line:
    """A dot with its whisker, and the figures in words."""

    label: str
    low: float
    value: float
    high: float
    words: str
    colour: str
    marker: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """Lines in groups, each group under its heading, the figures in a column beside them."""

    title: str
    axis: str
    column: str
    groups: Mapping[str, Sequence[Line]]

    def draw(self, data: Data) -> tuple[Figure, Axes]:
        """The picture, and its axes for the scale."""
        places, labels, lines = self._places()
        bottom = places[-1] + labels[-1].count("\n") + 1.0
        figure = figure_of(data, self.title, 1.5 + 0.25 * (bottom + 1))
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

    def _places(self) -> tuple[list[float], list[str], list[Line | None]]:
        """Where each label stands, counted in lines of text from the top; headings have no line."""
        entries: list[tuple[str, Line | None]] = []
        for heading, lines in self.groups.items():
            entries += [(wrapped(heading), None), *((wrapped(line.label), line) for line in lines)]
        places: list[float] = []
        top = 0.0
        for label, line in entries:
            more = label.count("\n")
            top += 0.4 if line is None and places else 0
            places.append(top + more / 2)
            top += 1 + more
        return places, [label for label, _ in entries], [line for _, line in entries]


def _dot(axes: Axes, place: float, line: Line) -> None:
    axes.hlines(place, line.low, line.high, color=line.colour, linewidth=1.8)
    axes.plot(line.value, place, marker=line.marker, color=line.colour, markersize=7, clip_on=False)
    _beside(axes, place, line.words)


def _beside(axes: Axes, place: float, words: str) -> Any:
    return axes.text(1.02, place, words, transform=axes.get_yaxis_transform(), va="center_baseline")


# Panels: a small picture a row.


def panels_of(data: Data, title: str, rows: Sequence[Data], columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """The picture, and the axes of each row."""
    columns = min(columns, len(rows))
    down = math.ceil(len(rows) / columns)
    figure = figure_of(data, title, 1.5 + height * down)
    grid = figure.subplots(down, columns, sharey=True, squeeze=False)
    for spare in grid.flat[len(rows) :]:
        spare.remove()
    for left in grid[:, 0]:
        left.set_ylabel("share answered right")
    return figure, list(grid.flat[: len(rows)])
