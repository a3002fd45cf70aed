"""The tables of figures: the main one, every metric, retrieval, overrides and refusals. Measures nothing."""

from __future__ import annotations

from gorilla_rag.evaluate.html.markup import Data, bullets, grouped, line, section, table, text
from gorilla_rag.evaluate.metrics import HEADLINE, METRICS, Metric
from gorilla_rag.evaluate.table import p_value

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


def main(data: Data) -> str:
    """The figures that a reader comes for, and what each of them is."""
    timings = data["timings"]["rows"]
    lines = [(row["kind"], _headline(row, timings.get(row["name"], {}).get("total"))) for row in data["rows"]]
    against = data["run"]["settings"]["against"]
    return section(
        "How often the answer is right",
        table(["", *map(text, _COLUMNS)], grouped(lines)),
        bullets(
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
        text(row["name"]),
        *(_estimate(found[average]) if found else "–" for average in ("macro", "micro")),
        *(
            (
                _estimate(test["difference"], "+.3f"),
                text(p_value(test["p_holm"])),
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


def metrics(data: Data) -> str:
    """Every metric that any row has."""
    shown = [metric for metric in METRICS if any(metric.name in row["metrics"] for row in data["rows"])]
    if not shown:
        return ""
    groups = "".join(
        f'<th scope="colgroup" colspan="{count}">{text(title)}</th>'
        for group, title in _GROUPS.items()
        if (count := sum(metric.group == group for metric in shown))
    )
    lines = [
        (row["kind"], [text(row["name"]), *(_averages(row["metrics"].get(metric.name)) for metric in shown)])
        for row in data["rows"]
    ]
    return section(
        "Every metric",
        "<p>Macro average, its interval, and the micro average. ↓: lower is better.</p>",
        table(["", *map(_label, shown)], grouped(lines), above=f"<tr><th></th>{groups}</tr>"),
    )


def _label(metric: Metric) -> str:
    return text(f"{metric.label} ↓" if metric.lower else metric.label)


def _averages(found: Data | None) -> str:
    """A cell of three lines, or a dash."""
    if not found or not found["macro"]:
        return "–"
    return f"{_estimate(found['macro'])}<small>micro {found['micro']['value']:.3f}</small>"


def retrieval(data: Data) -> str:
    """Each retriever by itself."""
    lines = [
        [text(f"{retriever}, over {kind}"), *map(_averages, measures.values())]
        for retriever, kinds in data["retrieval"].items()
        for kind, measures in kinds.items()
    ]
    if not lines:
        return ""
    names = next(iter(data["retrieval"].values()))["calls"]
    return section(
        "What retrieval finds",
        "<p>recall@k: the share of what is right that stands among the first k. MRR: one over the rank of the first "
        "right one, on average. nDCG: like recall, but early ranks count more. Over calls, each distinct call stands "
        "once; over documents, every document of a right call is right.</p>",
        table(["", *map(text, names)], map(line, lines)),
    )


def overrides(data: Data) -> str:
    """How often the choice isn't the first candidate, and what came of it."""
    lines = [
        line(
            [
                text(row["name"]),
                *map(text, (found["questions"], found["overridden"])),
                f"{found['rate']:.3f}",
                *map(text, (found["helped"], found["hurt"])),
                text(p_value(found["p"])),
            ]
        )
        for row in data["rows"]
        if (found := row["overrides"])
    ]
    if not lines:
        return ""
    return section(
        "When the choice isn't the first candidate",
        "<p>Override rate: the share of the questions, answered from several candidates, in which the choice isn't the "
        "first one. An override helped where the choice is right and the first candidate isn't, and hurt the other way "
        "round; p: how likely so uneven a count is by chance.</p>",
        table(["", "questions", "overridden", "override rate", "helped", "hurt", "p"], lines),
    )


def refusals(data: Data) -> str:
    """How often no call is given, and whether rightly."""
    lines = [
        line([text(row["name"]), _micro(row, "refusal"), f"{row['refusal_precision']:.3f}"])
        for row in data["rows"]
        if row["refusal_precision"] is not None
    ]
    return section(
        "When no call is given",
        "<p>Refusal precision: the share of the refusals in which no right document was among the candidates.</p>",
        table(["", "refused", "refusal precision"], lines)
        if lines
        else "<p>No row that had candidates refused a question.</p>",
    )
