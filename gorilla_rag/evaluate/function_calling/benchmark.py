"""The Berkeley function-calling leaderboard's Python categories (Patil et al., ICML 2025) as questions over tools.

A folder holds `bfcl_v4_python` and `bfcl_v4_irrelevance`, each with `docs.jsonl` (functions as the leaderboard
describes them) and `queries.jsonl` (what is asked, which functions are offered, which calls are accepted). Reads files;
asks and judges nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.digests import sha256
from gorilla_rag.errors import BenchmarkError, UsageError
from gorilla_rag.sources import tools

# Folder, and the category in it.
NAMES: Mapping[str, tuple[str, str]] = {
    "bfcl/simple": ("bfcl_v4_python", "simple_python"),
    "bfcl/multiple": ("bfcl_v4_python", "multiple"),
    "bfcl/parallel": ("bfcl_v4_python", "parallel"),
    "bfcl/parallel_multiple": ("bfcl_v4_python", "parallel_multiple"),
    "bfcl/irrelevance": ("bfcl_v4_irrelevance", "irrelevance"),
    "bfcl/live_irrelevance": ("bfcl_v4_irrelevance", "live_irrelevance"),
}
_PARAPHRASES = "bfcl_paraphrases.jsonl"
_WHERE = "--data names the folder that holds bfcl_v4_python/ and bfcl_v4_irrelevance/, or the one above it"


@dataclass(frozen=True)
class FunctionQuestion:
    """One question.

    Attributes:
        id: of the leaderboard.
        text: as asked.
        gold: accepted calls, `{function: {parameter: [values]}}`, one for each call that is wanted; none where no
            function fits.
        relevant: ids of the functions that are wanted.
        offered: ids of those that the leaderboard offers.
    """

    id: str
    text: str
    gold: tuple[Mapping[str, Mapping[str, Sequence[Any]]], ...]
    relevant: tuple[str, ...]
    offered: tuple[str, ...]


@dataclass(frozen=True)
class FunctionBenchmark:
    """Questions over functions.

    Attributes:
        name: one of `NAMES`.
        questions: in the order of their file.
        docs: every function of the folder, so that all can be searched.
        described: each function as the leaderboard describes it, by id.
        hashes: SHA-256 of each file, by name.
        size: how many questions the category has.
    """

    name: str
    questions: tuple[FunctionQuestion, ...]
    docs: tuple[ApiDoc, ...]
    described: Mapping[str, Mapping[str, Any]]
    hashes: Mapping[str, str] = field(default_factory=dict)
    size: int = 0

    @cached_property
    def by_id(self) -> dict[str, ApiDoc]:
        """The functions by id."""
        return {doc.id: doc for doc in self.docs}

    def sample(self, count: int) -> FunctionBenchmark:
        """The same with `count` questions, always the same ones.

        Raises:
            UsageError: `count` below one.
        """
        if count < 1:
            raise UsageError(f"a sample of {count} questions", hint="ask for one or more")
        kept = set(sorted((one.id for one in self.questions), key=_digest)[:count])
        return replace(self, questions=tuple(one for one in self.questions if one.id in kept))

    def paraphrased(self) -> tuple[FunctionBenchmark, FunctionBenchmark]:
        """The questions that somebody else has put in other words, as they were and in those words."""
        lines = files("gorilla_rag.evaluate.benchmarks").joinpath(_PARAPHRASES).read_text("utf-8").splitlines()
        other = {row["id"]: row["question"] for row in map(json.loads, lines)}
        own = tuple(one for one in self.questions if one.id in other)
        if not own:
            raise UsageError(f"no question of {self.name} is paraphrased", hint="leave --paraphrased out")
        return replace(self, questions=own), replace(
            self, questions=tuple(replace(one, text=other[one.id]) for one in own)
        )


def load(name: str, folder: str | Path) -> FunctionBenchmark:
    """One category.

    Args:
        name: one of `NAMES`.
        folder: holds the leaderboard's folders, or `bfcl/` with them.

    Raises:
        UsageError: an unknown name.
        BenchmarkError: a file that is missing, or a line that isn't what it should be.
    """
    if name not in NAMES:
        raise UsageError(f"benchmark {name!r}", hint=f"use one of {', '.join(NAMES)}")
    part, category = NAMES[name]
    within = Path(folder) / "bfcl"
    where = (within if within.is_dir() else Path(folder)) / part
    functions, asked = where / "docs.jsonl", where / "queries.jsonl"
    docs = [_function(functions, number, row) for number, row in _lines(functions)]
    described = {doc.id: raw for doc, raw in docs}
    rows = [(number, row) for number, row in _lines(asked) if row.get("category") == category]
    questions = tuple(_question(asked, number, row, described) for number, row in rows)
    return FunctionBenchmark(
        name=name,
        questions=questions,
        docs=tuple(doc for doc, _ in docs),
        described=described,
        hashes={file.name: sha256(file) for file in (functions, asked)},
        size=len(questions),
    )


def _function(file: Path, line: int, row: Mapping[str, Any]) -> tuple[ApiDoc, Mapping[str, Any]]:
    """A function as a document, and as the leaderboard describes it."""
    try:
        return tools.document(dict(row["raw"]) | {"id": row["id"]}, source="bfcl")[0], row["raw"]
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise BenchmarkError(f"not a function: {error!r}", file=str(file), line=line, hint=_WHERE) from error


def _question(file: Path, line: int, row: Mapping[str, Any], described: Mapping[str, Any]) -> FunctionQuestion:
    try:
        made = FunctionQuestion(
            id=row["id"],
            text=row["query"],
            gold=tuple(row["gold_call"] or ()),
            relevant=tuple(row["relevant_ids"]),
            offered=tuple(row["candidate_ids"]),
        )
        unknown = [one for one in (*made.relevant, *made.offered) if one not in described]
    except (KeyError, TypeError) as error:
        raise BenchmarkError(f"not a question: {error!r}", file=str(file), line=line, hint=_WHERE) from error
    if unknown:
        text = f"{unknown[0]!r} isn't in docs.jsonl"
        raise BenchmarkError(text, file=str(file), line=line, hint="take both files from one version")
    return made


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with their lines' numbers."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"can't be read: {error!r}", file=str(file), line=0, hint=_WHERE) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"not JSON: {error}", file=str(file), line=number, hint=_WHERE) from error
        if not isinstance(row, dict):
            raise BenchmarkError("not an object", file=str(file), line=number, hint=_WHERE)
        yield number, row


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
