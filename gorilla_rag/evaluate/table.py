"""The report as a table for a terminal: one row a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_KINDS = {"mode": "", "responses": "answers of others", "baseline": "baselines"}


def show(data: Mapping[str, Any], console: Console) -> None:
    """Prints the report's headline figures."""
    about = data["benchmark"]
    console.print(
        f"{about['name']}: {about['questions']} of {about['of']} questions, {about['gold_calls']} gold calls "
        f"({about['answerable']} questions have theirs among the {about['calls']} documented calls)",
        markup=False,
    )
    console.print("Intervals at 95 %, over gold calls. p: paired, corrected for the number of rows.")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in (
        "API match, macro",
        "micro",
        "Δ macro",
        "p",
        "Gorilla's accuracy",
        "halluc.",
        "refused",
        "p50 s",
        "tokens",
    ):
        table.add_column(name, justify="right")
    kind = "mode"
    for row in data["rows"]:
        if row["kind"] != kind:
            kind = row["kind"]
            table.add_row(f"[dim]{_KINDS[kind]}[/]")
        table.add_row(*cells(row, data["timings"]["rows"].get(row["name"], {})))
    console.print(table)
    if failed := [f"{row['name']} {row['failed']}" for row in data["rows"] if row["failed"]]:
        console.print(f"failed and counted wrong: {', '.join(failed)}", markup=False)


def cells(row: Mapping[str, Any], timings: Mapping[str, Any]) -> list[str]:
    """One row's figures as text."""
    test = row["test"]
    tokens = row["tokens"]
    return [
        row["name"],
        interval(row, "api_match", "macro"),
        figure(row, "api_match", "micro"),
        f"{test['difference']['value']:+.3f}" if test else "",
        p_value(test["p_holm"]) if test else "",
        figure(row, "gorilla_accuracy", "micro"),
        figure(row, "hallucination", "micro"),
        figure(row, "refusal", "micro"),
        f"{timings['total']['p50']:.3f}" if "total" in timings else "",
        f"{tokens['prompt']['p50']:.0f} + {tokens['completion']['p50']:.0f}" if tokens else "",
    ]


def figure(row: Mapping[str, Any], metric: str, average: str) -> str:
    """A figure, or a dash where it doesn't apply."""
    found = row["metrics"].get(metric)
    return f"{found[average]['value']:.3f}" if found else "–"


def interval(row: Mapping[str, Any], metric: str, average: str) -> str:
    """A figure with its interval."""
    found = row["metrics"].get(metric)
    if not found:
        return "–"
    one = found[average]
    return f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def p_value(p: float) -> str:
    """A p-value, three digits."""
    return "< .001" if p < 0.001 else f"{p:.3f}"
