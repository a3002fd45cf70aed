"""`gorilla-rag ask`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gorilla_rag.cli import options, show

_MOST_CHECKS = 8


def ask(
    question: Annotated[str, typer.Argument(help="What you need, in plain words.")],
    index: Annotated[Path | None, typer.Option(help="An index; the starter index by default.")] = None,
    mode: Annotated[str, typer.Option(help="zero-shot, bm25, dense or hybrid.")] = "hybrid",
    k: Annotated[int, typer.Option(help="How many distinct calls to choose among.")] = 5,
    chooser: Annotated[str, typer.Option(help="retriever, model or joint.")] = "retriever",
    constrain: Annotated[str | None, typer.Option(help="docs, catalogue or none.")] = None,
    threshold: Annotated[float, typer.Option(help="Refuse below this confidence.")] = 0.0,
    least_fit: Annotated[float, typer.Option(help="Refuse below this probability that a document fits.")] = 0.0,
    calls: Annotated[int, typer.Option(help="How many calls the answer may have.")] = 1,
    filter_: Annotated[list[str] | None, typer.Option("--filter", help="NAME=VALUE, such as provider=PyTorch.")] = None,
    given: Annotated[str | None, typer.Option(help="Arguments that the question lacks, as a JSON object.")] = None,
    generator: options.Spec = None,
    adapter: options.Adapter = None,
    device: options.Device = None,
    quantize: options.Quantize = None,
    encoder: options.Encoder = None,
    call_only: Annotated[bool, typer.Option("--call-only", help="Leave the explanation out.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="One line of JSON.")] = False,
    setup: Annotated[bool, typer.Option("--setup", help="Fetch the embedded models first if need be.")] = False,
) -> int:
    """Answer a question with one call: explained, with code, checked. Exits 20 when there is no answer."""
    from gorilla_rag.cli.prepare import gorilla

    how: dict[str, Any] = {
        "mode": mode,
        "k": k,
        "chooser": chooser,
        "constrain": constrain,
        "threshold": threshold,
        "least_fit": least_fit,
        "calls": calls,
        "filters": show.parse_filters(filter_ or []),
        "fields": "call" if call_only else "all",
        "given": show.parse_object(given, "--given") if given else {},
    }
    model = options.generator(generator, adapter=adapter, device=device, quantize=quantize)
    asked = gorilla(index, setup=setup, generator=model, encoder=encoder, device=device)
    if json_:
        answer = asked.ask(question, **how)
        show.print_json(answer.to_dict())
        return show.NO_ANSWER if answer.refused else 0
    answer = _shown(asked, question, how)
    return show.NO_ANSWER if answer.refused else 0


def _shown(asked: Any, question: str, how: dict[str, Any]) -> Any:
    """Prints the call as soon as it is known, then the rest."""
    out, shown = show.console(), False
    for event in asked.stream(question, **how):
        if event.kind == "call":
            shown = True
            out.print(f"[bold]domain[/]       {_safe(event.answer.domain or '–')}")
            out.print(f"[bold]provider[/]     {_safe(event.answer.api_provider or '–')}")
            for call in event.answer.calls:
                out.print(f"[bold]call[/]         [bold green]{_safe(call.render())}[/]")
    answer = event.answer
    if answer.refused:
        out.print(f"no API: {_safe(answer.reason)}")
    elif shown:
        _rest(out, answer)
    _documents(out, answer)
    out.print()
    times = "  ".join(f"{step} {seconds * 1000:.0f} ms" for step, seconds in answer.timings.items())
    out.print(f"[dim]{times}[/]")
    tokens = answer.tokens
    if tokens:
        line = f"{tokens['prompt']} prompt tokens ({tokens['cached']} cached), {tokens['completion']} written"
        out.print(f"[dim]{line}[/]")
    return answer


def _rest(out: Any, answer: Any) -> None:
    if answer.explanation:
        out.print(f"[bold]explanation[/]  {_safe(answer.explanation)}  [dim](written by the model)[/]")
    if answer.placeholders:
        out.print(f"[bold]yours[/]        {_safe(', '.join(answer.placeholders))}  [dim](stand for your own values)[/]")
    if answer.missing:
        out.print(f"[bold]missing[/]      {_safe(', '.join(answer.missing))}  [dim](give them with --given)[/]")
    out.print("\n[bold]code[/]")
    for line in answer.code.splitlines():
        out.print(f"    {_safe(line)}")
    out.print("\n[bold]checks[/]")
    own = [check for check in answer.verdict.checks if not check.call]
    others = [check for check in answer.verdict.checks if check.call]
    for check in [*own, *(check for check in others if check.outcome == "failed")]:
        out.print(f"    {_mark(check.outcome)} {check.name}: {_safe(check.detail)}{_safe(_where(check.call))}")
    passed = sum(check.outcome == "passed" for check in others)
    unknown = sum(check.outcome == "not applicable" for check in others)
    if others:
        out.print(f"    other calls in the code: {passed} checks passed, {unknown} not applicable")


def _documents(out: Any, answer: Any) -> None:
    if not answer.hits:
        return
    sure = "" if answer.confidence is None else f"  [dim](confidence {answer.confidence:.2f})[/]"
    out.print(f"\n[bold]documents[/]{sure}")
    for hit in answer.hits:
        found = ", ".join(f"{name} #{rank} ({score:.2f})" for name, (rank, score) in hit.retrievers.items())
        trusted = "" if hit.doc.trusted else "  untrusted source"
        out.print(f"    {hit.score:.4f}  {_safe(hit.doc.id)}  [dim]{found}{trusted}[/]")


def _mark(outcome: str) -> str:
    return {"passed": "[green]passed[/]", "failed": "[red]failed[/]"}.get(outcome, "[dim]n/a   [/]")


def _where(call: str) -> str:
    return f"  in {call}" if call else ""


def _safe(text: str | None) -> str:
    """Text of documents and models, with rich's markup made harmless."""
    from rich.markup import escape

    return escape(text or "")
