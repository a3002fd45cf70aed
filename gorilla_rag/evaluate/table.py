"""The report as a table for a terminal: one row a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gorilla_rag.evaluate.metrics import HEADLINE, METRICS, Metric

_WIDTH = 110
_KINDS = {"mode": "", "responses": "answers of others", "baseline": "baselines"}


def show(data: Mapping[str, Any], console: Console) -> None:
    """Prints every figure with its interval under it."""
    console.width = max(console.width, _WIDTH)
    about = data["benchmark"]
    console.print(
        f"{about['name']}: {about['questions']} of {about['of']} questions, {about['gold_calls']} gold calls; "
        f"{about['answerable']} questions have theirs among the {about['calls']} documented calls.",
        markup=False,
    )
    test = next((row["test"] for row in data["rows"] if row["test"]), None)
    against = f"Δ and p: against {test['against']}, paired, p corrected for the number of rows." if test else ""
    console.print(f"Averages over gold calls (macro), 95 % intervals under them. {against}\n", markup=False)
    _print(console, data, ["API match", "micro", "Δ", "p", "better / worse", "p50 s", "p95 s", "tokens"], _headline)
    for groups in (("calls",), ("gorilla", "structured")):
        metrics = [one for one in METRICS if one.group in groups and one.name != HEADLINE]
        there = [one for one in metrics if any(one.name in row["metrics"] for row in data["rows"])]
        _print(console, data, [one.label for one in there], lambda row, _, there=there: _figures(row, there))  # type: ignore[misc]
    _retrieval(console, data["retrieval"])
    for row in data["rows"]:
        if row["questions"] < about["questions"]:
            answered = f"answers {row['questions']} of {about['questions']} questions; its figures are over those"
            console.print(f"{row['name']} {answered}", markup=False)
    if failed := [f"{row['name']} {row['failed']}" for row in data["rows"] if row["failed"]]:
        console.print(f"failed and counted wrong: {', '.join(failed)}", markup=False)


def _print(
    console: Console,
    data: Mapping[str, Any],
    columns: Sequence[str],
    cells_of: Callable[[Mapping[str, Any], Mapping[str, Any]], list[str]],
) -> None:
    """One table: a line a row, rows of a kind together."""
    table = _table(columns)
    kind = "mode"
    for row in data["rows"]:
        if row["kind"] != kind:
            kind = row["kind"]
            table.add_row(f"[dim]{_KINDS[kind]}[/]")
        table.add_row(escape(row["name"]), *cells_of(row, data["timings"]["rows"].get(row["name"], {})))
    console.print(table)
    console.print()


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", min_width=max(map(len, name.split())))
    return table


def _headline(row: Mapping[str, Any], timings: Mapping[str, Any]) -> list[str]:
    test, tokens, total = row["test"], row["tokens"], timings.get("total")
    found = row["metrics"][HEADLINE]
    return [
        _estimate(found["macro"]),
        _estimate(found["micro"]),
        _estimate(test["difference"], sign=True) if test else "",
        p_value(test["p_holm"]) if test else "",
        f"{test['better']} / {test['worse']}" if test else "",
        f"{total['p50']:.3f}" if total else "",
        f"{total['p95']:.3f}" if total else "",
        f"{tokens['prompt']['p50']:.0f} + {tokens['completion']['p50']:.0f}" if tokens else "",
    ]


def _figures(row: Mapping[str, Any], metrics: Sequence[Metric]) -> list[str]:
    found = row["metrics"]
    return [_estimate(found[one.name]["macro"]) if one.name in found else "–" for one in metrics]


def _retrieval(console: Console, retrieval: Mapping[str, Any]) -> None:
    """Each retriever over distinct calls."""
    names = ["recall@1", "recall@5", "recall@20", "MRR", "nDCG@10"]
    table = _table(names)
    table.add_row("[dim]retrieval, calls[/]")
    for name, kinds in retrieval.items():
        table.add_row(name, *(_estimate(kinds["calls"][measure]["macro"]) for measure in names))
    console.print(table)


def _estimate(found: Mapping[str, Any], *, sign: bool = False) -> str:
    """A figure with its interval under it."""
    value = f"{found['value']:+.3f}" if sign else f"{found['value']:.3f}"
    low, high = (_short(f"{found[name]:.2f}") for name in ("low", "high"))
    return f"{_short(value)}\n[dim]{low} {high}[/]"


def _short(figure: str) -> str:
    """Without the zero before the point."""
    return figure.replace("0.", ".", 1) if figure.lstrip("+-").startswith("0.") else figure


def p_value(p: float) -> str:
    """A p-value, three digits."""
    return "< .001" if p < 0.001 else f"{p:.3f}"
