"""The report's pictures and page: what they show, that nothing overlaps, and that they need nothing else."""

from __future__ import annotations

import base64
import io
import re
import resource
import sys
from collections import Counter
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from gorilla_rag.errors import ExtraMissing, StorageFull
from gorilla_rag.evaluate import html, plots
from gorilla_rag.evaluate.report import Report

LONG = "an answer file with a very long name, longer than any that one would choose_with_underscores"
ODD = "<script>alert('$x_1$ & $y$')</script>"
VOID = {"meta", "img"}


def estimate(value: float, count: int = 40) -> dict[str, Any]:
    return {"value": value, "low": max(value - 0.1, 0), "high": min(value + 0.1, 1), "count": count}


def both(value: float) -> dict[str, Any]:
    return {"macro": estimate(value), "micro": estimate(value)}


def row(name: str, kind: str = "responses", value: float = 0.3, **more: Any) -> dict[str, Any]:
    metrics = dict.fromkeys(("api_match", "hallucination", "refusal", "gorilla_accuracy", "exact_match"), both(value))
    empty: dict[str, Any] = {
        "overrides": None,
        "calibration": None,
        "risk_coverage": None,
        "by_rank": [],
        "tokens": {},
        "test": None,
    }
    about = {"name": name, "kind": kind, "questions": 40, "failed": 0, "refusal_precision": None}
    return {**about, "metrics": metrics, **empty, **more}


def mode(name: str, value: float = 0.3, **more: Any) -> dict[str, Any]:
    """A row of this library that chose among candidates."""
    bins = [{"count": count, "confidence": c, "accuracy": c * value} for count, c in ((1, 0.2), (30, 0.5), (9, 0.95))]
    curve = [{"threshold": 1 - n / 40, "coverage": n / 40, "accuracy": 1 - (1 - value) * n / 40} for n in range(1, 41)]
    chosen = {
        "by_rank": [{"rank": rank, **estimate(value, 10)} for rank in (1, 2, 5, "absent")],
        "calibration": {"error": 0.25, "bins": bins},
        "risk_coverage": {"area": 0.4, "curve": curve},
        "overrides": {"questions": 40, "overridden": 5, "helped": 1, "hurt": 3, "p": 0.625, "rate": 0.125},
        "tokens": {kind: {"count": 40, "p50": 400.0, "p95": 420.0, "p99": 440.0} for kind in ("prompt", "completion")},
    }
    return row(name, "mode", value, **{**chosen, **more})


def report(*rows: dict[str, Any]) -> dict[str, Any]:
    """A report of these rows."""
    about = {"name": "corpus/some", "questions": 40, "of": 60, "gold_calls": 20, "documents": 90, "calls": 80}
    facts = {"answerable": 30, "raw_gold": 2, "judged": 7, "notes": ["A note <b>."], "documents_sha256": "d" * 64}
    settings = {"k": 5, "modes": ["hybrid"], "against": "hybrid"}
    run = {"command": "gorilla-rag eval > x", "seed": 3, "settings": settings, "prompt": 1, "text": 1}
    models = {"encoder": {"id": "minilm"}, "generator": None, "versions": {"python": "3.11.7"}}
    names = [one["name"] for one in rows if one["kind"] == "mode"]
    times = {stage: dict(zip(("p50", "p95", "p99"), values, strict=True)) for stage, values in STAGES.items()}
    return {
        "format": 1,
        "benchmark": {**about, **facts, "sha256": {"questions.json": "e" * 64}},
        "run": {**run, **models},
        "rows": list(rows),
        "retrieval": {"bm25": {kind: {"recall@1": both(0.2), "MRR": both(0.4)} for kind in ("calls", "documents")}},
        "noise": noise(),
        "timings": {
            "seconds": 12.5,
            "peak_memory": dict.fromkeys(names, 500 * 2**20),
            "rows": dict.fromkeys(names, times),
        },
    }


def noise(**judged: Any) -> dict[str, Any]:
    """What a report says of its labels."""
    serving = {"questions": 33, "none_serves": 4, "one_serves": 11, "several_serve": 18}
    label = {"label_judged": 31, "label_serves": 26, "ceiling": 0.456789, "kappa": 0.91234}
    return {
        "label_domain": {"questions": 39, "spelled": 17, "differs": 9},
        "conflicting": {"calls": 3, "questions": 6},
        "judged": {**serving, **label, **judged},
    }


STAGES = {
    "search": (0.006, 0.009, 0.01),
    "arguments": (0.0002, 0.0005, 0.0006),
    "load model": (0.4, 0.4, 0.4),
    "explain": (1.2, 2.5, 3.0),
    "total": (1.3, 2.6, 3.1),
}


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    """A report with every row that a full run has."""
    retrieved = [
        f"{name}{who}" for name in ("bm25", "dense", "hybrid") for who in ("", ", model chooses", ", joint chooses")
    ]
    chosen = [mode(name, 0.1 + place / 20) for place, name in enumerate([*retrieved, "oracle + 4 wrong"])]
    alone = {"calibration": None, "risk_coverage": None, "overrides": None, "by_rank": [{"rank": 1, **estimate(1.0)}]}
    baselines = [row(name, "baseline", 0.0) for name in ("constant, unseen questions", "copy of hybrid's first")]
    others = [row("Gorilla-7B-RT_gpt_index", value=1.0), row(LONG), row(ODD)]
    return report(mode("zero-shot", 0.0, **alone), *chosen, mode("oracle", 1.0, **alone), *others, *baselines)


@pytest.fixture(scope="module")
def drawn(data: dict[str, Any]) -> dict[str, dict[str, bytes]]:
    """Its pictures."""
    return plots.pictures(data)


@pytest.fixture(scope="module")
def page(data: dict[str, Any], drawn: dict[str, dict[str, bytes]]) -> str:
    """Its page."""
    return html.page(data, drawn)


class Parsed(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def figure_of(name: str, data: dict[str, Any]) -> Figure:
    figure = plots.draw(name, data)
    assert figure is not None
    return figure


def texts(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """Every text that is really drawn."""
    found: list[Text] = []
    draw = Text.draw

    def noted(self: Text, renderer: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            found.append(self)
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", noted)
    FigureCanvasAgg(figure).draw()  # type: ignore[no-untyped-call]
    return list(dict.fromkeys(found))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_full_report_has_every_picture_as_png_and_svg(drawn: dict[str, dict[str, bytes]]) -> None:
    assert list(drawn) == list(plots.PLOTS) == ["accuracy", "by_rank", "calibration", "risk_coverage", "latency"]
    assert all(set(files) == {"png", "svg"} for files in drawn.values())


def test_the_same_data_gives_the_same_bytes_whatever_the_users_settings(
    data: dict[str, Any], drawn: dict[str, dict[str, bytes]]
) -> None:
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none", "savefig.dpi": 10}):
        again = plots.pictures(data)
        assert matplotlib.rcParams["font.size"] == 30
    assert again == drawn


def test_pictures_carry_no_date_and_no_version(drawn: dict[str, dict[str, bytes]]) -> None:
    for files in drawn.values():
        assert "Software" not in Image.open(io.BytesIO(files["png"])).info
        assert b"dc:date" not in files["svg"]
        assert matplotlib.__version__.encode() not in files["svg"]


def test_every_row_is_named_in_the_accuracy_picture(data: dict[str, Any], drawn: dict[str, dict[str, bytes]]) -> None:
    labels = {flat(label.get_text()) for label in figure_of("accuracy", data).axes[0].get_yticklabels()}
    assert {one["name"] for one in data["rows"]} <= labels
    comments = re.findall(r"<!-- (.*?) -->", drawn["accuracy"]["svg"].decode(), re.DOTALL)
    assert {"constant, unseen questions", "Gorilla-7B-RT_gpt_index", "hybrid, model chooses"} <= set(comments)


def test_rows_are_grouped_by_kind_with_a_look_of_their_own(data: dict[str, Any]) -> None:
    axes = figure_of("accuracy", data).axes[0]
    bold = [label.get_text() for label in axes.get_yticklabels() if label.get_fontweight() == "bold"]
    assert bold == ["this library", "answers of others", "baselines"]
    looks = {(line.get_color(), line.get_marker()) for line in axes.lines}
    assert len(looks) == len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == 3


@pytest.mark.parametrize("name", list(plots.PLOTS))
def test_no_label_overlaps_another_or_leaves_the_picture(
    name: str, data: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = figure_of(name, data)
    found = texts(figure, monkeypatch)
    boxes = [(text.get_text(), text.get_window_extent()) for text in found]
    assert len(boxes) > 10
    clashes = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.padded(-1).overlaps(other.padded(-1))]
    assert clashes == []
    whole = figure.bbox.padded(1)
    outside = [text for text, box in boxes if not (whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1))]
    assert outside == []


def test_a_name_with_dollars_is_drawn_as_it_is(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    found = texts(figure_of("accuracy", data), monkeypatch)
    (label,) = [text for text in found if flat(text.get_text()) == ODD]
    assert not label.get_parse_math()


def test_ranks_that_no_question_had_are_shown_as_such_and_rows_of_one_rank_left_out(data: dict[str, Any]) -> None:
    panels = figure_of("by_rank", data).axes
    names = [flat(axes.get_title(loc="left")) for axes in panels]
    assert len(names) == 10
    assert "oracle" not in names
    ticks = [label.get_text() for label in panels[0].get_xticklabels()]
    assert ticks == ["1\n10", "2\n10", "3\n0", "4\n0", "5\n10", "absent\n10"]


@pytest.mark.parametrize("count", [5, 9, 19, 50])
def test_many_ranks_are_labelled_sparsely(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = [{"rank": rank, **estimate(0.5, 911)} for rank in [*range(1, count + 1), "absent"]]
    rows = [mode(name, by_rank=ranks) for name in ("bm25", "dense", "hybrid")]
    found = texts(figure_of("by_rank", report(*rows)), monkeypatch)
    boxes = [text.get_window_extent() for text in found]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert {"1\n911", "absent\n911"} <= {text.get_text() for text in found}


def test_a_calibration_point_grows_with_its_answers(data: dict[str, Any]) -> None:
    panel = figure_of("calibration", data).axes[0]
    (points,) = [one for one in panel.collections if isinstance(one, PathCollection)]
    one, thirty, nine = points.get_sizes()
    assert one < nine < thirty
    assert "ECE 0.250" in panel.get_title(loc="left")


def test_curves_differ_without_colour_and_a_handful_of_answers_is_drawn_faint(data: dict[str, Any]) -> None:
    axes = figure_of("risk_coverage", data).axes[0]
    legend = axes.get_legend()
    assert legend is not None
    labelled = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    assert len(labelled) == 10
    assert len({(line.get_marker(), line.get_linestyle()) for line in labelled}) == 10
    assert all("AURC 0.400" in text.get_text() for text in legend.get_texts())
    faint = [line for line in axes.lines if line.get_alpha()]
    assert len(faint) == 10
    assert all(line.get_path().get_extents().x1 <= 0.1 for line in faint)


def test_steps_under_a_millisecond_are_left_out_of_the_latency_but_never_the_whole() -> None:
    data = report(mode("hybrid"), mode("oracle"))
    data["timings"]["rows"]["oracle"] = {"total": {"p50": 0.0, "p95": 0.0004, "p99": 0.0005}}
    labels = [label.get_text() for label in figure_of("latency", data).axes[0].get_yticklabels()]
    assert labels == ["hybrid", "search", "load the model (once)", "explain", "the whole answer", "oracle", labels[4]]


def test_a_report_without_figures_for_a_picture_has_no_such_picture() -> None:
    data = report(mode("hybrid", calibration=None, risk_coverage=None, by_rank=[]), row("others"))
    assert plots.draw("calibration", data) is None
    assert list(plots.pictures(data)) == ["accuracy", "latency"]


def test_an_empty_report_has_no_pictures_and_still_a_page() -> None:
    data = {**report(), "retrieval": {}}
    assert plots.pictures(data) == {}
    assert "corpus/some" in Parsed(html.page(data, {})).text


def test_without_matplotlib_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for ask in (lambda: plots.pictures(report()), lambda: plots.draw("accuracy", report())):
        with pytest.raises(ExtraMissing, match=r"gorilla-rag\[evaluate\]"):
            ask()


def test_saved_pictures_open_and_those_of_an_earlier_report_are_gone(
    drawn: dict[str, dict[str, bytes]], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "plots"
    plots.save(drawn, folder)
    assert len(list(folder.iterdir())) == 10
    plots.save({"accuracy": drawn["accuracy"]}, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["accuracy.png", "accuracy.svg"]
    with Image.open(folder / "accuracy.png") as image:
        image.load()
        assert image.width == 1425
    assert ElementTree.parse(folder / "accuracy.svg").getroot().tag.endswith("svg")


def test_a_full_disk_leaves_the_picture_that_was_there(drawn: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    (tmp_path / "accuracy.png").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageFull):
            plots.save(drawn, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["accuracy.png"]
    assert (tmp_path / "accuracy.png").read_bytes() == b"old"


def test_the_page_refers_to_nothing_outside_itself(page: str) -> None:
    parsed = Parsed(page)
    named = [value for _, attributes in parsed.elements for key in ("src", "href") if (value := attributes.get(key))]
    assert len(named) == 10
    assert all(value.startswith("data:image/") for value in named)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in parsed.elements}
    assert "url(" not in page
    assert "@import" not in page


def test_every_element_of_the_page_is_closed(page: str) -> None:
    assert Parsed(page).open == []


def test_texts_of_the_report_are_escaped(data: dict[str, Any], page: str) -> None:
    assert "<script" not in page
    assert "<b>" not in page
    text = Parsed(page).text
    assert text.count(ODD) == 2
    assert "A note <b>." in text
    assert data["run"]["command"] in text


def test_the_page_holds_each_picture_with_words_for_it_and_its_png(page: str, drawn: dict[str, Any]) -> None:
    parsed = Parsed(page)
    images = [attributes for tag, attributes in parsed.elements if tag == "img"]
    links = [attributes for tag, attributes in parsed.elements if tag == "a"]
    assert len({image["alt"] for image in images}) == len(drawn)
    for (name, files), image, link in zip(drawn.items(), images, links, strict=True):
        assert decoded(image["src"]) == files["svg"]
        assert link["download"] == f"{name}.png"
        assert decoded(link["href"]) == files["png"]


def decoded(uri: str | None) -> bytes:
    assert uri is not None
    return base64.b64decode(uri.partition(",")[2])


def test_the_page_tells_figures_before_what_they_were_made_with(page: str) -> None:
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "How often the answer is right",
        "How far the labels can be right",
        "Every metric",
        "What retrieval finds",
        "When the choice isn&#x27;t the first candidate",
        "When no call is given",
        "What it takes",
        "Made with",
    ]
    assert page.index("<table") < page.index("How far the labels") < page.index("<figure") < page.index("Every metric")


def test_tables_have_as_many_cells_as_columns_and_scroll_by_themselves(page: str) -> None:
    tables = re.findall(r'<div class="scroll"><table>(.*?)</table></div>', page, re.DOTALL)
    assert len(tables) + 1 == page.count("<table")
    for table in tables:
        head, _, lines = table.partition("</thead>")
        columns = head.count('scope="col"')
        widths = {line.count("<td") for line in lines.split("<tr>")[1:]}
        assert widths <= {columns - 1}


def test_kinds_stand_under_headings_in_both_tables_of_rows(page: str) -> None:
    headings = re.findall(r'<tr class="group"><th[^>]*>(.*?)</th>', page)
    assert Counter(headings) == {"This library": 2, "Answers of others": 2, "Baselines": 2}


def test_figures_stand_in_the_page_as_the_report_has_them() -> None:
    test = {"difference": {"value": -0.2, "low": -0.3, "high": -0.1}, "p_holm": 0.0004, "better": 2, "worse": 9}
    data = report(mode("hybrid", 0.317), row("others", value=0.125, test=test, refusal_precision=0.75))
    text = Parsed(html.body(data, {})).text
    for figure in ("0.3170.217 to 0.417", "-0.200-0.300 to -0.100", "< .001", "2 / 9", "400 + 400", "0.750"):
        assert figure in text
    for fact in ("40 of 60 questions", "80 documented calls", "The other 10", "7 were judged", "gold calls", "seed3"):
        assert fact in text


def test_what_is_known_of_the_labels_stands_in_the_page() -> None:
    text = Parsed(html.body(report(mode("hybrid")), {})).text
    for fact in (
        "Of the 39 questions whose label names a domain, 17 name it otherwise than their own document, 9 of them",
        "several domains: 3. For 6 of the questions",
        "33 were judged by reading: which documented calls would serve whoever asked.",
        "For 4 of them no call serves, for 11 exactly one, for 18 several.",
        "for 26 of the 31",
        "in 0.457 of the judged",
        "a kappa of 0.912",
    ):
        assert fact in text


def test_an_agreement_that_is_undefined_is_left_out() -> None:
    text = Parsed(html.body({**report(), "noise": noise(kappa=None)}, {})).text
    assert "in 0.457 of the judged" in text
    assert "kappa" not in text


def test_without_judged_questions_or_domains_the_page_says_so_or_nothing() -> None:
    bare = {**noise(), "judged": None, "label_domain": {"questions": 0, "spelled": 0, "differs": 0}}
    text = Parsed(html.body({**report(), "noise": bare}, {})).text
    assert "None of the questions was judged by reading." in text
    assert "names a domain" not in text
    assert "perfect system" not in text


def test_a_report_from_before_noise_was_measured_has_a_page_without_it() -> None:
    data = report(mode("hybrid"))
    del data["noise"]
    text = Parsed(html.page(data, {})).text
    assert "How far the labels can be right" not in text
    assert "When the choice isn't the first candidate" in text


def test_where_no_call_has_several_domains_the_page_says_so() -> None:
    clear = {**noise(), "conflicting": {"calls": 0, "questions": 0}}
    text = Parsed(html.body({**report(), "noise": clear}, {})).text
    assert "No call is documented under several domains." in text
    assert "doesn't tell its domain" not in text


def test_what_is_said_of_the_labels_is_escaped() -> None:
    tampered = {**noise(questions=ODD), "conflicting": {"calls": ODD, "questions": ODD}}
    made = html.body({**report(), "noise": tampered}, {})
    assert "<script" not in made
    assert Parsed(made).text.count(ODD) == 3


def test_the_rate_of_overrides_stands_between_what_it_is_made_of_and_what_came_of_it() -> None:
    made = html.body(report(mode("hybrid")), {})
    cells = "".join(f"<td>{cell}</td>" for cell in ("40", "5", "0.125", "1", "3", "0.625"))
    assert f'<th scope="row">hybrid</th>{cells}</tr>' in made


def test_gold_calls_that_are_not_python_are_counted_where_there_are_any() -> None:
    data = report()
    assert "In 2 of the questions the gold call isn't Python" in Parsed(html.body(data, {})).text
    data["benchmark"]["raw_gold"] = 0
    assert "isn't Python" not in Parsed(html.body(data, {})).text


def test_rows_that_lack_answers_or_failed_are_named() -> None:
    text = Parsed(html.body(report(mode("hybrid", failed=3), row("others", questions=38)), {})).text
    assert "Fewer than 40 answers, over which they are averaged: others 38." in text
    assert "Failed and counted wrong: hybrid 3." in text


def test_a_metric_that_does_not_apply_is_a_dash() -> None:
    bare = {**row("bare"), "metrics": {"refusal": both(1.0)}}
    text = Parsed(html.body(report(bare, row("others")), {})).text
    assert "bare\n" not in text
    assert "bare–––" in text.replace("\n", "")


def test_a_notebook_shows_the_report_as_a_fragment_with_its_pictures(data: dict[str, Any]) -> None:
    fragment = Report(data)._repr_html_()
    assert fragment.startswith('<div class="gorilla-report">')
    assert fragment.count("<img ") == 5
    assert "<body" not in fragment
    selectors = re.findall(r"^(\S[^{\n]*)\{", fragment.partition("</style>")[0], re.MULTILINE)
    assert selectors
    assert all(selector.startswith(".gorilla-report") for selector in selectors)
