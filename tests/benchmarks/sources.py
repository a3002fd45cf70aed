"""Definitions of web APIs: how fast they are read, and how fast what may be written of their arguments is compiled.

Over a definition of a thousand operations that is made here; with `DATA=FOLDER` also over those in its openapi/, and
over the functions of its bfcl/.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.bench.generation import tokenizer
from gorilla_rag.generate import schema, values, write
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.sources import formats, openapi, structured
from tests.benchmarks.measure import Row

OPERATIONS = 1000
QUESTIONS = 100
CANDIDATES = 5
VOCABULARY = 49_152
_TRIES = 3
_SHAPES = 200
_WORDS = "berth ship tide crane pilot cargo quay crew buoy depth mooring lock ferry customs anchor channel".split()
_PLACES = "Hull Bergen Gdansk Porto Riga Cadiz Brest Malmo".split()
_KEPT = (
    *(schema._compilable, schema._compiles_alone, schema._grammar_error),
    *(values._read, values._texts, values._lists, values._as_number),
)
"""Everything that is kept of schemas, grammars and questions."""


@dataclass(frozen=True, slots=True)
class Case:
    """A question, and the documents that might answer it."""

    question: str
    candidates: tuple[ApiDoc, ...]


def rows() -> Iterator[Row]:
    """Reading, then grammars."""
    data = Path(os.environ["DATA"]) if os.environ.get("DATA") else None
    with tempfile.TemporaryDirectory() as folder:
        made = definition()
        written = (("JSON", json.dumps(made)), ("YAML", yaml.safe_dump(made, sort_keys=False)))
        for name, text in written:
            path = Path(folder) / f"harbours.{name.lower()}"
            path.write_text(text, encoding="utf-8")
            yield from _reading(f"{OPERATIONS:,} operations in one {name} file", [path], "< 20")
        docs = formats.read([path]).docs
    if data is None:
        yield from _grammars("made-up operations", list(_made_up(docs)))
        return
    found = sorted((data / "openapi").iterdir())
    yield from _reading(f"{len(found)} OpenAPI files", found, "< 120")
    yield from _grammars("operations", list(_of_requests(formats.read(found, skip_bad=True).docs)))
    yield from _grammars("functions", list(_of_functions(data / "bfcl" / "bfcl_v4_python")))


def definition() -> dict[str, Any]:
    """An OpenAPI definition: parameters with options and formats, bodies and answers that refer to nested schemas."""
    pick = random.Random(0)
    servers = [{"url": "https://harbours.example/v1"}]
    operations = (_operation(pick, number) for number in range(OPERATIONS))
    paths = {f"/{pick.choice(_WORDS)}/{number}/{{id}}": {"post": one} for number, one in enumerate(operations)}
    schemas = {f"Shape{number}": _shape(pick, number) for number in range(_SHAPES)}
    info = {"title": "Harbours", "version": "1"}
    return {"openapi": "3.0.3", "info": info, "servers": servers, "paths": paths, "components": {"schemas": schemas}}


def _operation(pick: random.Random, number: int) -> dict[str, Any]:
    first, second = pick.sample(_WORDS, 2)
    types = {
        "id": {"type": "string"},
        "sort": {"type": "string", "enum": pick.sample(_WORDS, 5)},
        "limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "since": {"type": "string", "format": "date"},
        "names": {"type": "array", "items": {"type": "string", "maxLength": 40}},
    }
    given = [
        {"name": name, "in": "path" if name == "id" else "query", "required": name == "id", "schema": one}
        for name, one in types.items()
    ]
    answers = {status: {"description": "fine", "content": _content(pick)} for status in ("200", "400", "404")}
    return {
        "operationId": f"{first}_{second}_{number}",
        "summary": f"Moves the {first} of a {second}",
        "description": f"Takes the {first} from where it lies and brings it to the {second}, number {number}.",
        "parameters": given,
        "requestBody": {"required": True, "content": _content(pick)},
        "responses": answers,
    }


def _content(pick: random.Random) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/Shape{pick.randrange(_SHAPES)}"}}}


def _shape(pick: random.Random, number: int) -> dict[str, Any]:
    """An object that refers to up to three of those after it, so that they nest."""
    inner = [
        f"#/components/schemas/Shape{pick.randint(number + 1, _SHAPES - 1)}" for _ in range(3) if number < _SHAPES - 1
    ]
    properties: dict[str, Any] = {
        name: {"type": "string", "description": f"Its {name}."} for name in pick.sample(_WORDS, 4)
    }
    properties |= {f"part{place}": {"$ref": one} for place, one in enumerate(inner[:2])}
    properties |= {f"all{place}": {"type": "array", "items": {"$ref": one}} for place, one in enumerate(inner[2:])}
    properties |= {
        "state": {"type": "string", "enum": pick.sample(_WORDS, 6)},
        "tons": {"type": "number", "minimum": 0},
    }
    return {"type": "object", "properties": properties, "required": ["state"]}


def _reading(name: str, paths: Sequence[Path], bar: str) -> Iterator[Row]:
    """The time, and how much of what is declared became documents; what didn't is counted by its reason.

    In a process that has read something before, so that what reads it is imported.
    """
    start, used = time.perf_counter(), time.process_time()
    found = formats.read(paths, skip_bad=True)
    seconds, processor = time.perf_counter() - start, time.process_time() - used
    declared = sum(_declared(path) for path in paths)
    reasons = Counter(re.sub(r"[\d{}/]+\S*", "…", one.message.split(": ", 1)[-1])[:60] for one in found.problems)
    said = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common()) or "none refused"
    size = sum(path.stat().st_size for path in paths) / 1e6
    note = f"{size:.1f} MB, {len(found.docs):,} of {declared:,} operations; {said}; {len(found.notes)} notes"
    note += f"; {processor:.1f} s of the processor"
    yield Row(f"read {name}", seconds, "s", bar, note)


def _declared(path: Path) -> int:
    paths = structured.load(path)["paths"].values()
    return sum(method in openapi.METHODS for item in paths for method in item)


def _made_up(docs: Sequence[ApiDoc]) -> Iterator[Case]:
    pick = random.Random(0)
    for doc in pick.sample(docs, QUESTIONS):
        asked = (
            f"{doc.description} Take 12 tons from {pick.choice(_PLACES)} to '{pick.choice(_PLACES)}' since 3 May 2026"
        )
        yield Case(asked, (doc, *pick.sample(docs, CANDIDATES - 1)))


def _of_requests(docs: Sequence[ApiDoc]) -> Iterator[Case]:
    """The hundred written requests, each with an operation that answers it, and others drawn from all."""
    pick, known = random.Random(0), {doc.id: doc for doc in docs}
    lines = (files("gorilla_rag.evaluate") / "benchmarks/web_api_requests.jsonl").read_text("utf-8").splitlines()
    for request in map(json.loads, lines):
        right = next(known[one] for one in request["acceptable"] if one in known)
        yield Case(request["question"], (right, *pick.sample(docs, CANDIDATES - 1)))


def _of_functions(folder: Path) -> Iterator[Case]:
    """A sample of the leaderboard's questions, each with the function it wants, and others drawn from all."""
    docs = formats.read([folder / "docs.jsonl"]).docs
    pick, known = random.Random(0), {doc.id: doc for doc in docs}
    asked = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    wanted = [(one["query"], known[one["relevant_ids"][0]]) for one in asked if one["relevant_ids"]]
    for question, right in pick.sample(wanted, QUESTIONS):
        yield Case(question, (right, *pick.sample(docs, CANDIDATES - 1)))


def _grammars(name: str, cases: Sequence[Case]) -> Iterator[Row]:
    """From a document and a question to a grammar that compiles, as the writer goes; each time the least of three.

    What compiles is checked without a model's vocabulary. The writer fills in one document, that of the chosen call;
    its backend then compiles the grammar once more over its vocabulary, which the last row has by itself.
    """
    fresh = [_milliseconds(one, CANDIDATES, cleared=True) for one in cases]
    again = [_milliseconds(one, CANDIDATES, cleared=False) for one in cases]
    alone = [_milliseconds(one, 1, cleared=True) for one in cases]
    with_any = sum(_grammar(doc, one.question) is not None for one in cases for doc in one.candidates)
    note = f"p95 {_percentile(fresh, 95):.3g} ms; {with_any} of {CANDIDATES * len(cases)} are offered values"
    yield Row(f"grammars of five {name}, nothing kept, p50", statistics.median(fresh), "ms", "< 5", note)
    note = f"p95 {_percentile(again, 95):.3g} ms, the same question again"
    yield Row(f"grammars of five {name}, kept, p50", statistics.median(again), "ms", "< 5", note)
    yield Row(f"grammars of five {name}, kept / nothing kept", statistics.median(again) / statistics.median(fresh), "×")
    note = f"p95 {_percentile(alone, 95):.3g} ms; the one that is chosen"
    yield Row(f"grammar of one of {name}, nothing kept, p50", statistics.median(alone), "ms", "", note)
    yield _over_a_vocabulary(name, cases)


def _grammar(doc: ApiDoc, question: str) -> str | None:
    """What may be written of a document's arguments for a question, compiled; `None` where nothing may."""
    offer = write._compilable_offer(schema.arguments_schema(doc), question, question)
    if offer is None:
        return None
    grammar, _ = schema.arguments_grammar(offer)
    schema.check_grammar(grammar)
    return grammar


def _milliseconds(case: Case, count: int, *, cleared: bool) -> float:
    def work() -> None:
        for doc in case.candidates[:count]:
            _grammar(doc, case.question)

    return min(_once(work, cleared=cleared) for _ in range(_TRIES))


def _once(work: Callable[[], object], *, cleared: bool) -> float:
    for kept in _KEPT if cleared else ():
        kept.cache_clear()
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def _over_a_vocabulary(name: str, cases: Sequence[Case]) -> Row:
    vocabulary = Vocabulary(tokenizer(VOCABULARY), size=VOCABULARY, stops=())
    made = [found for one in cases if (found := _grammar(one.candidates[0], one.question))]
    taken = [_once(lambda grammar=one: vocabulary.matcher(grammar).compute_bitmask(), cleared=False) for one in made]  # type: ignore[misc]
    note = f"p95 {_percentile(taken, 95):.3g} ms; {VOCABULARY:,} tokens, compiled, and the first mask"
    return Row(f"the same over a vocabulary, {name}, p50", statistics.median(taken), "ms", "", note)


def _percentile(found: Sequence[float], share: int) -> float:
    return statistics.quantiles(found, n=100, method="inclusive")[share - 1]
