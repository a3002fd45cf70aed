"""Tables in Markdown for docs/results/modes.md: `python -m tests.benchmarks.summary REPORT…`.

First the recorded retrieval baseline and the benchmark's own noise, then each report's rows.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from gorilla_rag.evaluate import Report
from tests.benchmarks import baseline

_FIRST = "'s first"
_MEASURES = ("recall@1", "recall@5", "recall@20", "MRR", "nDCG@10")
_FIGURES = ("graded_match", "argument_f1", "hallucination", "gorilla_accuracy", "gorilla_hallucination")


def recorded() -> Iterator[str]:
    """The recorded retrieval baseline: every question of every hub; and the noise of the benchmark."""
    found: dict[str, Any] = json.loads(baseline.RECORDED.read_text(encoding="utf-8"))
    hubs = {name: hub for name, hub in found.items() if name != "versions"}
    yield f"| macro / micro | {' | '.join(_MEASURES)} | acceptable | Gorilla's accuracy |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, hub in hubs.items():
        yield f"| *{name}, {hub['benchmark']['questions']} questions, {hub['benchmark']['gold_calls']} gold calls* |"
        for retriever, kinds in hub["retrieval"].items():
            cells = [_both(kinds["calls"][measure]) for measure in _MEASURES]
            yield f"| {' | '.join([retriever, *cells, *_micro(hub['rows'][f'copy of {retriever}{_FIRST}'])])} |"
        for row in ("constant call", "constant, unseen calls"):
            yield f"| {row} | {_both(hub['rows'][row]['api_match'])} | | | | | {' | '.join(_micro(hub['rows'][row]))} |"
    yield ""
    yield "| judged questions | no API serves | one | several | label serves | ceiling | kappa | domain differs |"
    yield "|---|---|---|---|---|---|---|---|"
    yield from (f"| {' | '.join(_noise(name, hub['noise']))} |" for name, hub in hubs.items())
    yield ""


def _noise(name: str, found: Mapping[str, Any]) -> list[str]:
    judged, domain = found["judged"], found["label_domain"]
    return [
        f"{name}, {judged['questions']}",
        *(str(judged[how]) for how in ("none_serves", "one_serves", "several_serve")),
        f"{judged['label_serves']} of {judged['label_judged']}",
        _short(judged["ceiling"]),
        _short(judged["kappa"]),
        f"{domain['differs']} of {domain['questions']} ({domain['spelled']} with spelling)",
    ]


def _both(averages: Mapping[str, Any]) -> str:
    return f"{_short(averages['macro']['value'])} / {_short(averages['micro']['value'])}"


def _micro(row: Mapping[str, Any]) -> list[str]:
    return [_short(row[name]["micro"]["value"]) for name in ("acceptable", "gorilla_accuracy")]


def table(data: Mapping[str, Any]) -> Iterator[str]:
    """One hub's rows."""
    about = data["benchmark"]
    yield f"### {about['name']}: {about['questions']} of {about['of']} questions, {about['gold_calls']} gold calls"
    yield ""
    yield (
        "| | API match, macro (95 %) | micro | p | graded | argument F1 | hallucination "
        "| Gorilla's accuracy | its hallucination | p50 / p95 |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for row in data["rows"]:
        yield f"| {' | '.join(_cells(row, data['timings']['rows'].get(row['name'], {})))} |"
    yield ""
    yield from _choices(data["rows"])
    yield ""


def _cells(row: Mapping[str, Any], timings: Mapping[str, Any]) -> list[str]:
    metrics, test, total = row["metrics"], row["test"], timings.get("total")
    main = metrics["api_match"]["macro"]
    return [
        row["name"] + (f" ({row['questions']} answers)" if row["kind"] == "responses" else ""),
        f"{_short(main['value'])} ({_short(main['low'])} to {_short(main['high'])})",
        _short(metrics["api_match"]["micro"]["value"]),
        ("< .001" if test["p_holm"] < 0.001 else _short(test["p_holm"])) if test else "",
        *(_short(metrics[name]["micro"]["value"]) if name in metrics else "" for name in _FIGURES),
        f"{total['p50']:.2f} / {total['p95']:.2f} s" if total else "",
    ]


def _choices(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What the model's choices did, and how far confidences can be believed."""
    yield "| | overridden | helped / hurt | p | ECE | AURC | unreadable or failed |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        if row["kind"] != "mode":
            continue
        moved, sure, risk = row["overrides"], row["calibration"], row["risk_coverage"]
        cells = [
            row["name"],
            _short(moved["rate"]) if moved else "",
            f"{moved['helped']} / {moved['hurt']}" if moved else "",
            _short(moved["p"]) if moved else "",
            _short(sure["error"]) if sure else "",
            _short(risk["area"]) if risk else "",
            str(row["failed"]),
        ]
        yield f"| {' | '.join(cells)} |"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0") if value < 1 else f"{value:.3f}"


if __name__ == "__main__":
    print("\n".join(recorded()))
    for folder in sys.argv[1:]:
        print("\n".join(table(Report.load(folder).data)))
