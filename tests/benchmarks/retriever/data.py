"""The published corpora, as they lie in a folder: what may be trained on, and what is only ever measured.

FOLDER has `training/{metatool,apizoo,seal_tools}` (`docs.jsonl`, `queries.jsonl`), `apibench/` as published, and
`bfcl/bfcl_v4_python`. Python's documentation is read from the packages that are installed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.benchmarks import apibench as benchmarks
from gorilla_rag.sources import formats
from gorilla_rag.sources import python as packages
from gorilla_rag.text import plain, surface_words
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.from_docs import questions_from
from gorilla_rag.train.leaks import Leak, deduplicated, guard, remove_leaks
from gorilla_rag.train.questions import read_questions
from tests.benchmarks.retriever import openapi, written

TRAINING = ("metatool", "apizoo", "seal_tools", "torchhub", "python")
HUBS = ("apibench/torchhub", "apibench/huggingface", "apibench/tensorflowhub")
READ = ("numpy", "pandas", "scikit-learn", "torch")
"""Packages whose docstrings are the corpus `python`; `LIBRARIES` are those that the 150 questions are about."""
LIBRARIES = ("python", *READ, "requests")
GENERAL = {"openapi": 4000, "products": 400, "packages": 4000}
"""Questions made from web APIs' operations, from what these APIs say of themselves, and from Python packages."""
GIVEN = {"metatool": 1000, "apizoo": 900, "seal_tools": 900, "torchhub": 600}
MADE = {"apizoo": 600, "seal_tools": 600, "python": 2000}
_LIBRARY_QUESTIONS = Path(str(files("gorilla_rag.evaluate") / "benchmarks/python_libraries.jsonl"))
MOST_A_TOOL = 6
LONGEST_QUESTION = 80
_ORIGIN = {
    "metatool": ("github.com/HowieHwong/MetaTool, 35e81bb757", "MIT"),
    "apizoo": ("github.com/ShishirPatil/gorilla data/apizoo, 6ea57973c7", "Apache-2.0"),
    "seal_tools": ("github.com/fairyshine/Seal-Tools, ce753ecd60", "Apache-2.0"),
    "torchhub": ("github.com/ShishirPatil/gorilla APIBench, TorchHub's training split, 6ea57973c7", "Apache-2.0"),
    "python": (f"docstrings of {', '.join(READ)}", "BSD-3-Clause"),
}


@dataclass(frozen=True)
class Asked:
    """Questions over documents, with what is right.

    Attributes:
        name: of the set.
        docs: what can be found.
        questions: as asked.
        right: of each question, keys of the right calls.
        groups: of each question, what macro averages group by; its own number where each stands for itself.
    """

    name: str
    docs: tuple[ApiDoc, ...]
    questions: tuple[str, ...]
    right: tuple[frozenset[str], ...]
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Material:
    """What is trained on: nothing twice, and nothing that resembles a question that is only measured.

    Attributes:
        corpora: documents and questions.
        duplicates: how many questions were removed as duplicates.
        leaks: what was removed as it resembles a measured question.
    """

    corpora: tuple[Corpus, ...]
    duplicates: int
    leaks: tuple[Leak, ...]


def general(folder: Path, archive: Path, *, seed: int = 0) -> Material:
    """What has nothing to do with the training corpora: questions made from documents, and questions written for it."""
    operations, products = openapi.documents(archive)
    read = written.read(written.PACKAGES)[0]
    sources = {
        "openapi": (operations, openapi.ORIGIN, openapi.LICENCE),
        "products": (products, openapi.ORIGIN, openapi.LICENCE),
        "packages": (read, f"docstrings of {', '.join(written.PACKAGES)}", written.LICENCES),
    }
    made = [
        Corpus(name, docs, tuple(questions_from(docs, count=GENERAL[name], seed=seed)), origin, licence)
        for name, (docs, origin, licence) in sources.items()
    ]
    left_out = (question for name in LEFT_OUT for question in LEFT_OUT[name](folder).questions)
    return _clean([*made, *written.corpora(archive)], chain(_never_trained(folder), left_out))


def corpora(folder: Path, *, without: str = "", seed: int = 0) -> Material:
    """The training corpora, without one of them."""
    return _clean([_corpus(name, folder, seed) for name in TRAINING if name != without], _never_trained(folder))


def _clean(found: Sequence[Corpus], evaluation: Iterable[str]) -> Material:
    against = guard(evaluation)
    once = [deduplicated(corpus) for corpus in found]
    duplicates = sum(len(a.pairs) - len(b.pairs) for a, b in zip(found, once, strict=True))
    clean = [remove_leaks(corpus, against) for corpus in once]
    return Material(tuple(one for one, _ in clean), duplicates, tuple(leak for _, leaks in clean for leak in leaks))


def _never_trained(folder: Path) -> Iterator[str]:
    """Every question that is only measured."""
    for name in MEASURED:
        if name == "libraries":
            yield from (row["question"] for row in _rows(_LIBRARY_QUESTIONS))
        else:
            yield from measured(name, folder).questions


def _corpus(name: str, folder: Path, seed: int) -> Corpus:
    docs = documents(name, folder)
    pairs = _given(name, folder, docs, seed) if name in GIVEN else []
    if name in MADE:
        pairs += questions_from(docs, count=MADE[name], seed=seed)
    return Corpus(name, docs, tuple(pairs), *_ORIGIN[name])


def _given(name: str, folder: Path, docs: Sequence[ApiDoc], seed: int) -> list[Pair]:
    """A share of the questions that were given, few of any one tool."""
    file = (
        folder / "apibench/apibench/torchhub_train.json" if name == "torchhub" else _training(folder, name, "queries")
    )
    found = list(read_questions(file, docs).pairs)
    random.Random(seed).shuffle(found)
    counts: dict[str, int] = {}
    kept = []
    for pair in found:
        counts[pair.relevant[0]] = counts.get(pair.relevant[0], 0) + 1
        few = name != "metatool" or counts[pair.relevant[0]] <= MOST_A_TOOL
        if few and len(pair.question.split()) <= LONGEST_QUESTION:
            kept.append(pair)
    return kept[: GIVEN[name]]


@cache
def documents(name: str, folder: Path) -> tuple[ApiDoc, ...]:
    """The documents of a training corpus."""
    if name == "torchhub":
        return formats.read([folder / "apibench/api/torchhub_api.jsonl"]).docs
    if name == "python":
        return packages.read(READ).docs
    return tuple(_tool(row, domain=str(row.get("domain") or "")) for row in _rows(_training(folder, name, "docs")))


def _training(folder: Path, name: str, what: str) -> Path:
    return folder / "training" / name / f"{what}.jsonl"


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _tool(row: Mapping[str, Any], *, domain: str = "", call: str = "") -> ApiDoc:
    """A tool of the normalised corpora."""
    return ApiDoc(
        id=row["id"],
        api_call=call or str(row.get("api_call") or row["name"]),
        api_name=row["name"],
        domain=domain,
        description=str(row.get("description") or ""),
        api_arguments=_described(row.get("parameters")),
        kind="tool",
    )


def _described(parameters: Any) -> Any:
    """What is said of each parameter, by name."""
    if isinstance(parameters, Mapping) and isinstance(parameters.get("properties"), Mapping):
        items = parameters["properties"].items()
        return {name: one.get("description", "") if isinstance(one, Mapping) else str(one) for name, one in items}
    return parameters or None


def _tools(name: str, folder: Path, count: int) -> Asked:
    """A sample of a corpus's own questions."""
    docs = documents(name, folder)
    key = {doc.id: doc.call_key for doc in docs}
    found = read_questions(_training(folder, name, "queries"), docs).pairs
    pairs = random.Random(1).sample(found, min(count, len(found)))
    right = tuple(frozenset(key[one] for one in pair.relevant) for pair in pairs)
    return _asked(name, docs, [pair.question for pair in pairs], right)


def _torchhub(folder: Path) -> Asked:
    """TorchHub's training split, for when it isn't trained on."""
    docs = documents("torchhub", folder)
    key = {doc.id: doc.call_key for doc in docs}
    pairs = read_questions(folder / "apibench/apibench/torchhub_train.json", docs).pairs
    right = tuple(frozenset(key[one] for one in pair.relevant) for pair in pairs)
    return _asked("torchhub", docs, [pair.question for pair in pairs], right)


def _docstrings(folder: Path) -> Asked:
    """First sentences of docstrings as questions, over documents that lack just these sentences."""
    rng = random.Random(1)
    docs = rng.sample(documents("python", folder), 3000)
    made: list[ApiDoc] = []
    questions: list[str] = []
    places: list[int] = []
    for doc in docs:
        own = set(surface_words(doc.api_name.rpartition(".")[2].lower()))
        fit = 5 <= len(doc.functionality.split()) <= 40 and len(doc.description) > 60
        if fit and len(questions) < 700 and not own & set(surface_words(doc.functionality.lower())):
            places.append(len(made))
            questions.append(plain(doc.functionality).rstrip("."))
            doc = replace(doc, functionality="")
        made.append(doc)
    return _asked("python", made, questions, tuple(frozenset({made[place].call_key}) for place in places))


def _hub(name: str, folder: Path) -> Asked:
    found = benchmarks.load(name, folder / "apibench")
    questions = found.questions
    right = tuple(question.relevant for question in questions)
    groups = tuple(question.gold for question in questions)
    return Asked(name, found.docs, tuple(question.text for question in questions), right, groups)


def _bfcl(folder: Path) -> Asked:
    """All functions of the leaderboard's Python categories in one index; functions of one name are kept apart."""
    where = folder / "bfcl/bfcl_v4_python"
    docs = [_tool(row, call=row["id"]) for row in _rows(where / "docs.jsonl")]
    key = {doc.id: doc.call_key for doc in docs}
    rows = [row for row in _rows(where / "queries.jsonl") if row["relevant_ids"]]
    right = tuple(frozenset(key[one] for one in row["relevant_ids"]) for row in rows)
    return _asked("bfcl", docs, [str(row["query"]) for row in rows], right)


def _libraries(folder: Path) -> Asked:
    """The 150 questions about Python libraries, over all that the libraries document."""
    del folder
    read = packages.read(LIBRARIES, skip_bad=True)
    key = {doc.api_name: doc.call_key for doc in read.docs}
    key |= {name: key[of] for name, of in read.aliases.items() if of in key}
    rows = list(_rows(_LIBRARY_QUESTIONS))
    right = tuple(frozenset(key[name] for name in row["acceptable"] if name in key) for row in rows)
    return _asked("libraries", read.docs, [row["question"] for row in rows], right)


def _packages(folder: Path) -> Asked:
    """Questions written about Python packages of which none is trained on."""
    del folder
    found = written.held_out()
    key = {doc.id: doc.call_key for doc in found.docs}
    right = tuple(frozenset(key[one] for one in pair.relevant) for pair in found.pairs)
    return _asked("other-packages", found.docs, [pair.question for pair in found.pairs], right)


def _asked(name: str, docs: Sequence[ApiDoc], questions: Sequence[str], right: tuple[frozenset[str], ...]) -> Asked:
    return Asked(name, tuple(docs), tuple(questions), right, tuple(map(str, range(len(questions)))))


LEFT_OUT: Mapping[str, Callable[[Path], Asked]] = {
    "metatool": lambda folder: _tools("metatool", folder, 800),
    "apizoo": lambda folder: _tools("apizoo", folder, 800),
    "seal_tools": lambda folder: _tools("seal_tools", folder, 800),
    "torchhub": _torchhub,
    "python": _docstrings,
}
"""Each training corpus as it is measured when it was left out."""
_NEVER: Mapping[str, Callable[[Path], Asked]] = {
    **{name: partial(_hub, name) for name in HUBS},
    "bfcl": _bfcl,
    "other-packages": _packages,
    "libraries": _libraries,
}
MEASURED = tuple(_NEVER)
"""What no training ever sees a question of."""


@cache
def measured(name: str, folder: Path) -> Asked:
    """A set of questions that are only measured."""
    return _NEVER[name](folder)
