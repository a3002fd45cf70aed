"""The report as one HTML page that needs nothing else: no network, no script, no file beside it.

Knows the report's JSON and pictures as bytes; draws and measures nothing. Every text of the report is escaped.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from gorilla_rag.evaluate.metrics import HEADLINE, METRICS, Metric
from gorilla_rag.evaluate.table import p_value

Data = Mapping[str, Any]
Pictures = Mapping[str, Mapping[str, bytes]]

_STYLE = """
.gorilla-report { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1rem; }
.gorilla-report h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
.gorilla-report h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
.gorilla-report p, .gorilla-report ul { max-width: 46rem; margin: .5rem 0; }
.gorilla-report .scroll { overflow-x: auto; margin: .8rem 0; }
.gorilla-report table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; margin: 0; }
.gorilla-report th, .gorilla-report td { padding: .3rem .5rem; text-align: right; vertical-align: baseline;
  white-space: nowrap; border-bottom: 1px solid rgba(128, 128, 128, .3); background: none; }
.gorilla-report thead th { vertical-align: bottom; border-bottom-width: 2px; white-space: normal; max-width: 7rem; }
.gorilla-report thead th[scope=colgroup] { text-align: center; border-bottom-width: 1px; white-space: nowrap;
  max-width: none; }
.gorilla-report th:first-child { text-align: left; }
.gorilla-report tbody th { font-weight: normal; }
.gorilla-report tr.group th { font-weight: bold; padding-top: .9rem; }
.gorilla-report small { display: block; opacity: .75; font-size: .78rem; }
.gorilla-report figure { margin: 1.2rem 0 2rem; }
.gorilla-report img { display: block; width: 100%; max-width: 52rem; background: #fff; border-radius: 6px;
  padding: .6rem; box-sizing: border-box; }
.gorilla-report figcaption { max-width: 46rem; margin-top: .4rem; }
.gorilla-report table.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.gorilla-report table.facts th { vertical-align: top; }
.gorilla-report code { font-family: ui-monospace, monospace; font-size: .95em; }
"""
# In a notebook, what is behind a column isn't known, so that names stay in sight on a page alone.
_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: Canvas; color: CanvasText; }
.gorilla-report .scroll th:first-child:not([colspan]) { position: sticky; left: 0; background: Canvas; }
"""
_KINDS = {"mode": "This library", "responses": "Answers of others", "baseline": "Baselines"}
_COLUMNS = (
    "API match, macro",
    "API match, micro",
    "Δ macro",
    "p",
    "better\u00a0/ worse",
    "Gorilla's accuracy, micro",
    "hallucination, micro",
    "refused, micro",
    "seconds, p50",
    "p95",
    "tokens, p50",
)
_MICRO = ("gorilla_accuracy", "hallucination", "refusal")
_GROUPS = {"calls": "of the call", "gorilla": "by Gorilla's script", "structured": "of the answer as JSON"}
_STAGES = {
    "search": "search",
    "choose": "choose",
    "arguments": "arguments",
    "recall": "call from memory",
    "load model": "load the model",
    "explain": "explain",
    "verify": "verify",
    "total": "total",
}
_PERCENTILES = ("p50", "p95", "p99")
_TOKENS = {"prompt": "read", "cached": "of them cached", "completion": "written"}
_MIB = 2**20
_CAPTIONS = {
    "accuracy": (
        "Accuracy of each row with its interval",
        "The further right a dot, the more often exactly the documented call is given; where two lines overlap widely, "
        "the difference may be chance.",
    ),
    "by_rank": (
        "Accuracy by the rank of the right document",
        "Whoever takes the first candidate is right at rank 1 and nowhere else; points above 0 further right are right "
        "documents that the model found among the others.",
    ),
    "calibration": (
        "Confidence against accuracy",
        "On the dashed line, confidence is what it says; below it the answers are less often right than they claim, "
        "and ECE is the mean distance, each answer counting the same.",
    ),
    "risk_coverage": (
        "Accuracy against coverage",
        "Read from the right, where every answer is kept, to the left, where only the most confident ones are: a line "
        "that rises to the left has a confidence worth a threshold.",
    ),
    "latency": (
        "Time of each step of an answer",
        "Each mark is the median and each line goes on to the 95th percentile, on a scale where every step to the "
        "right is ten times as long; percentiles of steps don't add up to that of the whole.",
    ),
}


def page(data: Data, pictures: Pictures) -> str:
    """The whole document.

    Args:
        data: a report's JSON.
        pictures: by name, each as `png` and `svg`.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(data['benchmark']['name'])}: evaluation</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n{body(data, pictures)}\n</body>\n</html>\n"
    )


def body(data: Data, pictures: Pictures) -> str:
    """What stands in the document, as a notebook shows it: styled by itself, in the colours around it.

    Args:
        data: a report's JSON.
        pictures: by name, each as `png` and `svg`.
    """
    parts = (
        _facts(data),
        _main(data),
        *(_picture(name, files) for name, files in pictures.items()),
        _metrics(data),
        _retrieval(data),
        _overrides(data),
        _refusals(data),
        _latency(data),
        _made_with(data),
    )
    return f'<div class="gorilla-report">\n<style>{_STYLE}</style>\n' + "\n".join(filter(None, parts)) + "\n</div>"


def _facts(data: Data) -> str:
    about = data["benchmark"]
    unanswerable = about["questions"] - about["answerable"]
    documented = f"the {about['calls']} documented calls ({about['documents']} documents)"
    facts = [
        f"{about['questions']} of {about['of']} questions, with {about['gold_calls']} different gold calls.",
        f"{about['answerable']} have theirs among {documented}.",
        *([f"The other {unanswerable} can't be answered by retrieval."] if unanswerable else ()),
        *(
            [f"In {about['raw_gold']} the gold call isn't one Python call, and is compared as text."]
            if about["raw_gold"]
            else ()
        ),
        *([f"{about['judged']} were judged by reading: which calls serve, label or not."] if about["judged"] else ()),
        *about["notes"],
    ]
    return f"<h1>{_text(about['name'])}</h1>\n<p>{_text(' '.join(facts))}</p>"


def _main(data: Data) -> str:
    timings = data["timings"]["rows"]
    lines = [(row["kind"], _headline(row, timings.get(row["name"], {}).get("total"))) for row in data["rows"]]
    against = data["run"]["settings"]["against"]
    return _section(
        "How often the answer is right",
        _table(["", *map(_text, _COLUMNS)], _grouped(lines)),
        _list(
            "API match: the answer is the documented call, whatever the order of its arguments.",
            "Macro: the mean over gold calls, so a call that many questions ask for counts once. Micro: the mean over "
            "questions.",
            "Intervals are at 95 %, over gold calls.",
            f"Δ, better, worse, p: against {against!r}, question by question; p is corrected for the number of rows.",
            "Oracle: the right document is given, so only the writing can go wrong.",
            "Gorilla's accuracy: what the Gorilla paper's script counts as right, which is any documented API of the "
            "right domain.",
            "Tokens: read and written by the model; none where it isn't asked.",
            *_incomplete(data),
        ),
    )


def _headline(row: Data, total: Data | None) -> list[str]:
    test, tokens, found = row["test"], row["tokens"], row["metrics"].get(HEADLINE)
    return [
        _text(row["name"]),
        *(_estimate(found[average]) if found else "–" for average in ("macro", "micro")),
        *(
            (
                _estimate(test["difference"], "+.3f"),
                _text(p_value(test["p_holm"])),
                f"{test['better']} / {test['worse']}",
            )
            if test
            else ("", "", "")
        ),
        *(_micro(row, metric) for metric in _MICRO),
        *(f"{total[name]:.3f}" if total else "" for name in ("p50", "p95")),
        f"{tokens['prompt']['p50']:.0f} + {tokens['completion']['p50']:.0f}" if tokens else "",
    ]


def _estimate(found: Data, style: str = ".3f") -> str:
    """A figure with its interval under it."""
    return f"{found['value']:{style}}<small>{found['low']:{style}} to {found['high']:{style}}</small>"


def _micro(row: Data, metric: str) -> str:
    found = row["metrics"].get(metric)
    return f"{found['micro']['value']:.3f}" if found else "–"


def _incomplete(data: Data) -> list[str]:
    """Rows that lack answers, or in which answering failed."""
    asked = data["benchmark"]["questions"]
    missing = [f"{row['name']} {row['questions']}" for row in data["rows"] if row["questions"] < asked]
    failed = [f"{row['name']} {row['failed']}" for row in data["rows"] if row["failed"]]
    return [
        *([f"Fewer than {asked} answers, over which they are averaged: {', '.join(missing)}."] if missing else ()),
        *([f"Failed and counted wrong: {', '.join(failed)}."] if failed else ()),
    ]


def _picture(name: str, files: Mapping[str, bytes]) -> str:
    what, reading = _CAPTIONS[name]
    png = _data_uri("image/png", files["png"])
    return (
        f'<figure>\n<img alt="{_text(what)}" src="{_data_uri("image/svg+xml", files["svg"])}">\n'
        f'<figcaption>{_text(reading)} <a download="{name}.png" href="{png}">PNG</a></figcaption>\n</figure>'
    )


def _metrics(data: Data) -> str:
    shown = [metric for metric in METRICS if any(metric.name in row["metrics"] for row in data["rows"])]
    if not shown:
        return ""
    groups = "".join(
        f'<th scope="colgroup" colspan="{count}">{_text(title)}</th>'
        for group, title in _GROUPS.items()
        if (count := sum(metric.group == group for metric in shown))
    )
    lines = [
        (row["kind"], [_text(row["name"]), *(_averages(row["metrics"].get(metric.name)) for metric in shown)])
        for row in data["rows"]
    ]
    return _section(
        "Every metric",
        "<p>Macro average, its interval, and the micro average. ↓: lower is better.</p>",
        _table(["", *map(_label, shown)], _grouped(lines), above=f"<tr><th></th>{groups}</tr>"),
    )


def _label(metric: Metric) -> str:
    return _text(f"{metric.label} ↓" if metric.lower else metric.label)


def _averages(found: Data | None) -> str:
    """A cell of three lines, or a dash."""
    if not found or not found["macro"]:
        return "–"
    return f"{_estimate(found['macro'])}<small>micro {found['micro']['value']:.3f}</small>"


def _retrieval(data: Data) -> str:
    lines = [
        [_text(f"{retriever}, over {kind}"), *map(_averages, measures.values())]
        for retriever, kinds in data["retrieval"].items()
        for kind, measures in kinds.items()
    ]
    if not lines:
        return ""
    names = next(iter(data["retrieval"].values()))["calls"]
    return _section(
        "What retrieval finds",
        "<p>recall@k: the share of what is right that stands among the first k. MRR: one over the rank of the first "
        "right one, on average. nDCG: like recall, but early ranks count more. Over calls, each distinct call stands "
        "once; over documents, every document of a right call is right.</p>",
        _table(["", *map(_text, names)], map(_row, lines)),
    )


def _overrides(data: Data) -> str:
    lines = [
        _row(
            [
                _text(row["name"]),
                *(str(found[name]) for name in ("questions", "overridden", "helped", "hurt")),
                _text(p_value(found["p"])),
            ]
        )
        for row in data["rows"]
        if (found := row["overrides"])
    ]
    if not lines:
        return ""
    return _section(
        "When the choice isn't the first candidate",
        "<p>An override helped where the choice is right and the first candidate isn't, and hurt the other way round; "
        "p: how likely so uneven a count is by chance.</p>",
        _table(["", "questions", "overridden", "helped", "hurt", "p"], lines),
    )


def _refusals(data: Data) -> str:
    lines = [
        _row([_text(row["name"]), _micro(row, "refusal"), f"{row['refusal_precision']:.3f}"])
        for row in data["rows"]
        if row["refusal_precision"] is not None
    ]
    return _section(
        "When no call is given",
        "<p>Refusal precision: the share of the refusals in which no right document was among the candidates.</p>",
        _table(["", "refused", "refusal precision"], lines)
        if lines
        else "<p>No row that had candidates refused a question.</p>",
    )


def _latency(data: Data) -> str:
    timings = data["timings"]
    stages = [stage for stage in _STAGES if any(stage in found for found in timings["rows"].values())]
    lines = [
        [
            _text(name),
            *(_percentiles(found.get(stage), 1000, 1) for stage in stages),
            *(_percentiles(tokens.get(name), 1, 0) for name in _TOKENS),
            f"{timings['peak_memory'][name] / _MIB:.0f}",
        ]
        for name, found in timings["rows"].items()
        for tokens in [_tokens(data, name)]
    ]
    return _section("What it takes", *_cost_of_rows(stages, lines), *_cost_of_ranking(timings))


def _tokens(data: Data, name: str) -> Data:
    return next(row["tokens"] for row in data["rows"] if row["name"] == name)


def _cost_of_rows(stages: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    if not lines:
        return []
    above = (
        f'<tr><th></th><th scope="colgroup" colspan="{len(stages)}">milliseconds</th>'
        f'<th scope="colgroup" colspan="{len(_TOKENS)}">tokens</th><th>MiB</th></tr>'
    )
    heads = ["", *(_STAGES[stage] for stage in stages), *map(_text, _TOKENS.values()), "peak memory"]
    return [
        "<p>50th, 95th and 99th percentile over the questions that came to the step. The total is without loading the "
        "model. Peak memory is the whole process's up to then, rows in this order, so it never falls.</p>",
        _table(heads, map(_row, lines), above=above),
    ]


def _cost_of_ranking(timings: Data) -> list[str]:
    lines = [_row([_text(name), _percentiles(one, 1000, 1)]) for name, one in timings["retrieval"].items()]
    if not lines:
        return []
    return [
        "<p>Ranking a hundred calls for the retrieval measures, once a question:</p>",
        _table(["", "milliseconds"], lines),
        f"<p>Everything took {timings['seconds']:.0f} s.</p>",
    ]


def _percentiles(found: Data | None, times: int, digits: int) -> str:
    """A cell of three lines, or a dash."""
    if not found:
        return "–"
    first, *others = (f"{found[name] * times:.{digits}f}" for name in _PERCENTILES)
    return first + "".join(f"<small>{other}</small>" for other in others)


def _made_with(data: Data) -> str:
    about, run = data["benchmark"], data["run"]
    facts = {
        "command": run["command"] or "called from Python",
        "seed": run["seed"],
        "settings": _pairs(run["settings"]),
        "encoder": _pairs(run["encoder"]),
        "language model": _pairs(run["generator"]) if run["generator"] else "none was asked",
        "prompt and text layout": f"{run['prompt']} and {run['text']}",
        "versions": _pairs(run["versions"]),
        "documents, SHA-256": about["documents_sha256"],
        **{f"{file}, SHA-256": digest for file, digest in about["sha256"].items()},
    }
    lines = (
        f'<tr><th scope="row">{_text(name)}</th><td><code>{_text(value)}</code></td></tr>'
        for name, value in facts.items()
    )
    return _section("Made with", f'<div class="scroll"><table class="facts">{"".join(lines)}</table></div>')


def _pairs(settings: Data) -> str:
    return ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in settings.items()
    )


# HTML itself: what follows takes text that is escaped already.


def _text(value: Any) -> str:
    return escape(str(value))


def _section(title: str, *parts: str) -> str:
    return "\n".join((f"<h2>{_text(title)}</h2>", *parts))


def _list(*sentences: str) -> str:
    return "<ul>" + "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences) + "</ul>"


def _table(head: Sequence[str], lines: Iterable[str], *, above: str = "") -> str:
    """A table in a box that scrolls by itself."""
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    rows = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n<thead>{above}<tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    )


def _row(row: Sequence[str]) -> str:
    name, *values = row
    return f'<tr><th scope="row">{name}</th>' + "".join(f"<td>{value}</td>" for value in values) + "</tr>"


def _grouped(lines: Iterable[tuple[str, Sequence[str]]]) -> Iterable[str]:
    """Rows under a heading for each kind."""
    shown = ""
    for kind, row in lines:
        if kind != shown:
            shown = kind
            yield f'<tr class="group"><th scope="rowgroup" colspan="{len(row)}">{_text(_KINDS[kind])}</th></tr>'
        yield _row(row)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
