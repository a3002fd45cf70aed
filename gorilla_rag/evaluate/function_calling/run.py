"""Asks every question of a function-calling benchmark in every setting, writing each outcome down as it is made."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gorilla_rag.answer import Answer
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.errors import EndpointError, GenerationFailed
from gorilla_rag.evaluate.function_calling import settings as ways
from gorilla_rag.evaluate.function_calling.benchmark import FunctionBenchmark, FunctionQuestion
from gorilla_rag.evaluate.function_calling.figures import figures
from gorilla_rag.evaluate.function_calling.settings import Catalogues, Setting
from gorilla_rag.evaluate.indexed import indexed
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.store import OutcomeStore
from gorilla_rag.files import write_text
from gorilla_rag.generate.base import identity
from gorilla_rag.generate.prompt import PROMPT_VERSION
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import Index
from gorilla_rag.text import TEXT_VERSION

logger = logging.getLogger(__name__)
STOCK = "minilm-l6"
Tell = Callable[[str, int, int], None]


def evaluate(
    gorilla: Gorilla,
    benchmark: FunctionBenchmark,
    planned: Sequence[Setting],
    out: Path,
    *,
    k: int = 5,
    calls: int = 8,
    least_fit: float = 0.5,
    seed: int = 0,
    command: str = "",
    tell: Tell,
) -> dict[str, Any]:
    """Asks, scores, and writes `report.json`; a run that stopped goes on.

    Args:
        gorilla: over an index of the benchmark's functions.
        benchmark: the questions.
        planned: the settings.
        out: the report's folder.
        k: candidates where all or many functions are searched.
        calls: how many calls an answer may have; the same for every question, since nobody says how many it wants.
        least_fit: refuse below this probability that the best function answers the question.
        seed: of every draw.
        command: what was typed.
        tell: is told of progress.

    Raises:
        UsageError: settings that the benchmark can't be asked in.
    """
    ways.check(benchmark, planned)
    how = {"k": k, "calls": calls, "least_fit": least_fit, "seed": seed}
    catalogues = Catalogues(benchmark, _stock(benchmark, out, gorilla, planned), seed=seed)
    original, other = (benchmark, benchmark)
    if any(one.wording == "paraphrased" for one in planned):
        original, other = benchmark.paraphrased()
    rows = []
    for setting in planned:
        asked = other if setting.wording == "paraphrased" else original
        store = OutcomeStore(out / "answers", setting.name, _dependencies(gorilla, asked, setting, how))
        for number, question in enumerate(asked.questions, start=1):
            if question.id not in store.outcomes:
                store.add(_outcome(gorilla, question, catalogues, setting, how))
            tell(setting.name, number, len(asked.questions))
        rows.append({"name": setting.name, **asdict(setting), **figures(asked, store.outcomes)})
    report = {
        "benchmark": {"name": benchmark.name, "questions": len(original.questions), "of": benchmark.size,
                      "functions": len(benchmark.docs), "sha256": dict(benchmark.hashes)},
        "run": {"command": command, "settings": how, **_who(gorilla)},
        "rows": rows,
    }  # fmt: skip
    write_text(out / "report.json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return report


def _outcome(
    gorilla: Gorilla, question: FunctionQuestion, catalogues: Catalogues, setting: Setting, how: Mapping[str, Any]
) -> Outcome:
    asked = catalogues.how(question, setting, k=how["k"])
    if "filters" in asked and asked["filters"].get("id") == []:
        return Outcome(question.id, None, reason="no function is offered")
    try:
        answer = gorilla.ask(question.text, **asked, calls=how["calls"], least_fit=how["least_fit"], fields="call")
    except EndpointError:
        raise
    except GenerationFailed as error:
        logger.warning("%s failed on question %s: %s", setting.name, question.id, error)
        return Outcome(question.id, None, error=str(error))
    return _of(question, answer)


def _of(question: FunctionQuestion, answer: Answer) -> Outcome:
    """What an answer was: its calls as `structured`, a JSON list of `{"query", "tool_name", "arguments"}`."""
    hits = sorted(answer.hits, key=lambda hit: hit.rank)
    first = answer.hits[0].doc if answer.hits else None
    return Outcome(
        question=question.id,
        api_call=answer.api_call,
        candidates=tuple(hit.doc.id for hit in hits),
        chosen=first.id if first and answer.call and answer.call.path == first.call.path else "",
        structured=json.dumps([call.structured(answer.question) for call in answer.calls], ensure_ascii=False),
        confidence=answer.confidence,
        reason=answer.reason,
        tokens=dict(answer.tokens),
        timings=dict(answer.timings),
    )


def _stock(benchmark: FunctionBenchmark, out: Path, gorilla: Gorilla, planned: Sequence[Setting]) -> Index:
    """An index by the stock encoder, where its nearest functions are asked for."""
    if not any(one.among == "five" for one in planned):
        return gorilla.index
    encoder = load_encoder(STOCK)
    return Index(indexed(out / "stock", benchmark.docs, encoder), encoder)


def _who(gorilla: Gorilla) -> dict[str, Any]:
    """What answered."""
    return {
        "encoder": dict(gorilla.index.manifest.encoder),
        "generator": identity(gorilla.generator),
        "versions": [version("gorilla-rag"), PROMPT_VERSION, TEXT_VERSION],
    }


def _dependencies(
    gorilla: Gorilla, asked: FunctionBenchmark, setting: Setting, how: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything that a setting's outcomes depend on."""
    return {
        "benchmark": [asked.name, dict(asked.hashes)],
        "setting": asdict(setting),
        "how": dict(how),
        **_who(gorilla),
    }
