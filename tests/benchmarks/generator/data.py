"""What the adapter is trained on: questions with the right call, its arguments and an explanation, by corpus.

Examples were written for this project (`examples/README.md`), about operations of web APIs, Python packages and
invented functions; Seal-Tools' questions come with their calls; the retriever's written questions say which document is
right and nothing more. Nothing of an evaluation is among them.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.sources import formats
from gorilla_rag.sources import python as packages
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.examples import Example
from gorilla_rag.train.leaks import Guard, Leak, guard
from tests.benchmarks.retriever import data as retrieval
from tests.benchmarks.retriever import written

FOLDER = Path(__file__).parent / "examples"
HELD_OUT = 0.1
"""Share of the documents whose examples are held out."""
CHOSEN = 150
"""Conversations of each corpus of the retriever's training, from which only choosing is learnt."""
CHOSEN_FROM = ("metatool", "apizoo", "torchhub")
SEAL_TOOLS = 1400
MOST_DOCS = 1500
"""Documents of a corpus among which candidates are found, beside those that are asked about."""
_MEMBER = "package/api/"


@dataclass(frozen=True)
class Source:
    """Examples over the documents that they are about and others.

    Attributes:
        name: of the corpus.
        docs: what candidates are found among.
        train, held: the examples to learn from, and those of documents that none of them is about.
        also: further examples to learn from, but only where they are asked in another's conversation.
    """

    name: str
    docs: tuple[ApiDoc, ...]
    train: tuple[Example, ...]
    held: tuple[Example, ...]
    also: tuple[Example, ...] = ()


def sources(folder: Path, archive: Path, *, seed: int = 0) -> tuple[list[Source], list[Leak]]:
    """All that is trained on, without what resembles an evaluation's question, and what was taken out for that."""
    against = guard(_evaluations(folder))
    leaks: list[Leak] = []
    whole = chain(_written(archive), [_seal_tools(folder, seed)])
    found = [_source(name, docs, list(_without_leaks(some, against, leaks)), seed) for name, docs, some in whole]
    for name, docs, some in _choices(folder, archive, seed):
        found.append(_source(name, docs, list(_without_leaks(some, against, leaks)), seed, most=CHOSEN))
    return found, leaks


def _evaluations(folder: Path) -> Iterator[str]:
    for name in retrieval.MEASURED:
        yield from retrieval.measured(name, folder).questions
    for part in ("bfcl_v4_python", "bfcl_v4_irrelevance"):
        yield from (str(row["query"]) for row in _rows(folder / "bfcl" / part / "queries.jsonl"))


def _without_leaks(examples: Sequence[Example], against: Guard, leaks: list[Leak]) -> Iterator[Example]:
    for example in examples:
        if leak := against.leak(example.pair.question):
            leaks.append(leak)
        else:
            yield example


def _source(
    name: str, docs: Sequence[ApiDoc], examples: Sequence[Example], seed: int, *, most: int | None = None
) -> Source:
    """The examples, those about a tenth of all calls held out, and of the others all but `most` kept for later."""
    apart = {doc.id for doc in docs if _is_held(doc)}
    parts: tuple[list[Example], list[Example]] = ([], [])
    for example in examples:
        parts[example.pair.relevant[0] in apart].append(example)
    asked = {one for example in examples for one in example.pair.relevant}
    others = [doc for doc in docs if doc.id not in asked]
    kept = random.Random(seed).sample(others, min(MOST_DOCS, len(others)))
    found = (*(doc for doc in docs if doc.id in asked), *kept)
    train, held = parts
    held = held if most is None else held[: most // 10]
    return Source(name, found, tuple(train[:most]), tuple(held), tuple(train[most:] if most else []))


def _is_held(doc: ApiDoc) -> bool:
    """Whether examples about a document are held out: by its call, so the same in every corpus that has it."""
    return int(hashlib.sha256(doc.call_key.encode()).hexdigest(), 16) % 1000 < 1000 * HELD_OUT


def _written(archive: Path) -> Iterator[tuple[str, Sequence[ApiDoc], list[Example]]]:
    functions = formats.read([FOLDER / "functions_docs.jsonl"]).docs
    yield "functions", functions, list(_examples("functions", {doc.api_name: doc.id for doc in functions}))
    operations = _operations(archive, {row["about"].partition(":")[0] for row in _rows(FOLDER / "operations.jsonl")})
    yield "operations", operations, list(_examples("operations", {doc.id: doc.id for doc in operations}))
    installed = tuple(name for name in written.PACKAGES if find_spec({"attrs": "attr"}.get(name, name)))
    read = packages.read(installed, skip_bad=True).docs
    yield "packages", read, list(_examples("packages", {doc.api_name: doc.id for doc in read}))


def _examples(name: str, ids: Mapping[str, str]) -> Iterator[Example]:
    for row in _rows(FOLDER / f"{name}.jsonl"):
        pair = Pair(row["question"], (ids[row["about"]],), "written")
        yield Example(pair, tuple(row["calls"]), row["explanation"])


def _operations(archive: Path, stems: set[str]) -> tuple[ApiDoc, ...]:
    """The operations of some of the directory's definitions, each read as a file of its own."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as members:
        for member in members:
            stem = re.sub(r"\W", "_", member.name.removeprefix(_MEMBER))
            if member.name.startswith(_MEMBER) and stem in stems and (file := members.extractfile(member)):
                (Path(folder) / f"{stem}.json").write_bytes(file.read())
        return formats.read(sorted(Path(folder).iterdir()), skip_bad=True).docs


def _seal_tools(folder: Path, seed: int) -> tuple[str, Sequence[ApiDoc], list[Example]]:
    docs = formats.read([folder / "training/seal_tools/docs.jsonl"]).docs
    known = {doc.id: doc for doc in docs}
    made = []
    for row in _rows(folder / "training/seal_tools/queries.jsonl"):
        names = {one["api"] for one in row["gold_call"]}
        if len(names) == 1 and (doc := known.get(next(iter(names)))):
            calls = tuple(_typed(one["parameters"], doc) for one in row["gold_call"])
            made.append(Example(Pair(row["query"], (doc.id,), "given"), calls))
    random.Random(seed).shuffle(made)
    return "seal_tools", docs, made[:SEAL_TOOLS]


def _typed(values: Mapping[str, Any], doc: ApiDoc) -> dict[str, Any]:
    """Values as their parameters' types want them; the corpus writes many numbers as texts, and texts as numbers."""
    properties = doc.parameters.get("properties", {})
    return {name: _as(properties.get(name, {}).get("type"), value) for name, value in values.items()}


def _as(kind: Any, value: Any) -> Any:
    if kind in ("integer", "number") and isinstance(value, str):
        try:
            return int(value) if kind == "integer" else float(value)
        except ValueError:
            return value
    return str(value) if kind == "string" and isinstance(value, int | float) else value


def _choices(folder: Path, archive: Path, seed: int) -> Iterator[tuple[str, Sequence[ApiDoc], list[Example]]]:
    """Questions of the retriever's training, of which nothing is known but the right document, in a random order."""
    trained = [one for one in retrieval.corpora(folder).corpora if one.name in CHOSEN_FROM]
    together: dict[str, list[Corpus]] = {}
    for corpus in (*written.corpora(archive), *trained):
        together.setdefault(corpus.name.removesuffix("-written").removesuffix("-near"), []).append(corpus)
    for name, corpora in together.items():
        pairs = [pair for corpus in corpora for pair in corpus.pairs if "/" not in pair.made]
        random.Random(f"{seed} {name}").shuffle(pairs)
        docs = {doc.id: doc for corpus in corpora for doc in corpus.docs}
        yield f"{name}, choosing", tuple(docs.values()), [Example(pair) for pair in pairs]


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
