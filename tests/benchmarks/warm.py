"""Warm figures over the starter corpus: search, the call, the whole answer; what constraint costs."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator

from gorilla_rag import Gorilla
from gorilla_rag.generate import prompt, sentence
from gorilla_rag.generate.base import Usage
from gorilla_rag.index.index import Index
from tests.benchmarks.measure import Row, percentile_seconds

QUESTIONS = (
    "convert text to speech in my app",
    "find the people and cars in photos from a street camera",
    "group my customers into segments by what they buy",
    "translate support tickets from German into English",
    "make a short summary of long news articles",
    "tell whether a product review is positive or negative",
    "write down what is said in a recording of a meeting",
    "find sentences that mean the same in a pile of documents",
    "how deep is everything in this photo",
    "get the names of people and companies out of contracts",
    "read a CSV file row by row",
    "forecast next month's sales from a time series",
)
_RUNS = 24


def rows() -> Iterator[Row]:
    """Medians over twelve questions, each in two wordings."""
    gorilla = Gorilla.load()
    yield from _search(gorilla.index)
    yield from _answers(gorilla)
    yield from _constraint(gorilla)


def _question(run: int) -> str:
    return f"{QUESTIONS[run % len(QUESTIONS)]}, please" if run >= len(QUESTIONS) else QUESTIONS[run]


def _search(index: Index) -> Iterator[Row]:
    seconds = percentile_seconds(lambda run: index.search(_question(run)), _RUNS, 0.5)
    yield Row("hybrid search, p50", seconds * 1e3, "ms", "< 8", f"{len(index)} documents, k = 5")


def _answers(gorilla: Gorilla) -> Iterator[Row]:
    for chooser, bar in (("retriever", "< 0.1"), ("model", "< 1.5")):
        gorilla.ask("something else to begin with", chooser=chooser)
        known, whole, shown, prompts, written = [], [], [], [], []
        for run in range(_RUNS):
            question, start = _question(run), time.perf_counter()
            for event in gorilla.stream(question, chooser=chooser):
                if event.kind == "call":
                    known.append(time.perf_counter() - start)
            whole.append(time.perf_counter() - start)
            prompts.append(event.answer.tokens["prompt"] - event.answer.tokens["cached"])
            written.append(event.answer.tokens["completion"])
            shown.append(_document_tokens(gorilla, question))
        note = f"{statistics.median(shown):.0f} document tokens (least {min(shown)})" if chooser == "model" else "k = 5"
        yield Row(f"call known, {chooser} chooses, p50", statistics.median(known), "s", bar, note)
        spent = f"{statistics.median(prompts):.0f} tokens read, {statistics.median(written):.0f} written"
        yield Row(f"whole answer, {chooser} chooses, p50", statistics.median(whole), "s", "< 3.5", spent)


def _document_tokens(gorilla: Gorilla, question: str) -> int:
    """How many tokens of documents the model chooses among."""
    model = gorilla.generator
    candidates = gorilla.index.candidates(question, k=5)
    (_, user), _ = prompt.choosing(question, candidates, model.context, model.count_tokens)
    return model.count_tokens(user["content"].partition("\n\nTask:")[0])


def _constraint(gorilla: Gorilla) -> Iterator[Row]:
    """The same prompt and cap, with the grammar and without: speed, and time until the draft can be parsed."""
    model = gorilla.generator
    speeds: dict[str, list[float]] = {"constrained": [], "unconstrained": []}
    parseable: dict[str, list[float]] = {"constrained": [], "unconstrained": []}
    for question in QUESTIONS:
        doc = gorilla.index.search(question)[0].doc
        messages, begun = prompt.writing(question, doc, "A", "{}", model.context, model.count_tokens)
        model.label_log_probabilities(messages, begun, "A")
        for name, grammar in (("constrained", sentence.grammar(messages[-1]["content"])[0]), ("unconstrained", None)):
            start, text, usage = time.perf_counter(), begun, None
            done = None
            for item in model.stream(messages, begun, grammar=grammar, max_tokens=100):
                if isinstance(item, Usage):
                    usage = item
                    continue
                text += item
                if done is None and _parses(text):
                    done = time.perf_counter() - start
            speeds[name].append((usage.completion if usage else 0) / (time.perf_counter() - start))
            if done is not None:
                parseable[name].append(done)
    ratio = statistics.median(speeds["constrained"]) / statistics.median(speeds["unconstrained"])
    note = ", ".join(f"{name} {statistics.median(values):.0f} tokens/s" for name, values in speeds.items())
    yield Row("constrained / unconstrained, tokens/s", ratio, "×", "", note)
    for name, values in parseable.items():
        median = statistics.median(values) if values else float("nan")
        note = f"{len(values)} of {len(QUESTIONS)} could be parsed within 100 tokens"
        yield Row(f"time to a parseable draft, {name}, p50", median, "s", "", note)


def _parses(text: str) -> bool:
    try:
        json.JSONDecoder().raw_decode(text)
    except ValueError:
        return False
    return True
