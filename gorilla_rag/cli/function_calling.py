"""`gorilla-rag eval --benchmark bfcl/…`: function calls, as a table."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gorilla_rag.cli import show
from gorilla_rag.errors import UsageError

if TYPE_CHECKING:
    from gorilla_rag.evaluate.function_calling.settings import Setting

_SHOWN = {
    "accuracy": "call accuracy",
    "functions": "right functions",
    "recall@1": "recall@1",
    "recall@5": "recall@5",
    "valid": "fits schema",
    "refused": "refused",
    "unread": "no call read",
}
_STRUCTURED = {
    "exact_match": "exact match",
    "tool_name": "tool name",
    "query_preservation": "query kept",
    "arguments_partial": "arguments F1",
    "json_validity": "valid JSON",
    "functional": "functional",
}
_WIDTH = 110


def ways(among: Sequence[str], choosers: Sequence[str], *, unmasked: bool, paraphrased: bool) -> list[Setting]:
    """The settings that the options name."""
    from gorilla_rag.evaluate.function_calling.settings import settings

    masked = (True, False) if unmasked else (True,)
    wordings = ("original", "paraphrased") if paraphrased else ("original",)
    return settings(among, choosers, masked, wordings)


def run(
    name: str,
    data: Path | None,
    out: Path,
    sample: int | None,
    planned: Sequence[Setting],
    how: Mapping[str, Any],
    model: Any,
    encoder: str | None,
    device: str | None,
) -> None:
    """Asks, writes the report and prints it."""
    from gorilla_rag.cli import prepare
    from gorilla_rag.evaluate.function_calling import benchmark
    from gorilla_rag.evaluate.function_calling import run as running
    from gorilla_rag.evaluate.indexed import indexed
    from gorilla_rag.gorilla import Gorilla

    if data is None:
        raise UsageError("a benchmark needs --data", hint="name the folder with bfcl/ in it")
    asked = benchmark.load(name, data)
    asked = asked if sample is None else asked.sample(sample)
    with show.steps() as tell:
        where = indexed(out / "index", asked.docs, prepare.encoder(encoder), tell=tell)
        gorilla = Gorilla.load(where, generator=model, encoder=encoder, device=device)
        command = shlex.join(["gorilla-rag", *sys.argv[1:]])
        report = running.evaluate(gorilla, asked, planned, out, **how, command=command, tell=tell)
    show_report(report)
    show.console().print(f"\n{out / 'report.json'}", markup=False)


def show_report(report: Mapping[str, Any]) -> None:
    """Prints every figure with its interval under it."""
    out = show.console()
    out.width = max(out.width, _WIDTH)
    about = report["benchmark"]
    out.print(
        f"{about['name']}: {about['questions']} of {about['of']} questions; {about['functions']} functions. "
        "95 % intervals under the figures.\n",
        markup=False,
    )
    for titles in (_SHOWN, _STRUCTURED):
        _table(out, report["rows"], titles)
    for row in report["rows"]:
        cost = {key: "–" if value is None else f"{value:.3g}" for key, value in row["cost"].items()}
        faults = ", ".join(f"{fault} {count}" for fault, count in row["faults"].items()) or "none"
        out.print(
            f"{row['name']}: faults: {faults}; {cost['seconds_p50']} s a question, "
            f"{cost['tokens_per_second']} tokens/s, {cost['seconds_per_readable_call']} s for each answer with a call",
            markup=False,
        )


def _table(out: Any, rows: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    there = {key: title for key, title in titles.items() if any(key in row["figures"] for row in rows)}
    if not there:
        return
    table = Table(box=None, pad_edge=False)
    for title in ("", *there.values()):
        table.add_column(title, justify="right" if title else "left")
    for row in rows:
        table.add_row(escape(row["name"]), *(_cell(row["figures"].get(key)) for key in there))
    out.print(table)
    out.print()


def _cell(found: Mapping[str, float] | None) -> str:
    if found is None:
        return "–"
    return f"{found['value']:.3f}\n[dim]{found['low']:.2f}–{found['high']:.2f}[/]"
