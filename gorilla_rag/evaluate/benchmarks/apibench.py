"""APIBench as published (arXiv 2305.15334): documents, evaluation questions, and answers in Gorilla's format.

A folder holds `api/{hub}_api.jsonl` and `apibench/{hub}_eval.json`, as in Gorilla's repository under `data/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gorilla_rag.digests import sha256
from gorilla_rag.errors import BenchmarkError, UsageError
from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.judgements import Readings, judgements
from gorilla_rag.evaluate.metrics.gorilla_ast import GorillaScorer, Hub
from gorilla_rag.sources import apibench, formats

NAMES: dict[str, Hub] = {
    "apibench/torchhub": "torchhub",
    "apibench/huggingface": "huggingface",
    "apibench/tensorflowhub": "tensorflowhub",
}
_QUESTIONS: dict[Hub, str] = {"torchhub": "torchhub", "huggingface": "huggingface", "tensorflowhub": "tensorflow"}
_WHERE = "it is in data/ of github.com/ShishirPatil/gorilla; --data names the folder that holds api/ and apibench/"
_DOMAIN = re.compile(r"domain['\">]*\s*:\s*(.*?)\s*(?:,\s*|\\n|\n|\s)+(?:['\"\\]*|<<<)api_call", re.DOTALL)


def load(name: str, folder: str | Path) -> Benchmark:
    """One hub's questions over its documents.

    Args:
        name: one of `NAMES`.
        folder: holds `api/` and `apibench/`.

    Raises:
        UsageError: an unknown name.
        BenchmarkError: a file that is missing, or a line of questions that isn't what it should be.
        SourceError: a line of documents that isn't what it should be.
        ExtraMissing: tree-sitter isn't installed.
    """
    if name not in NAMES:
        raise UsageError(f"benchmark {name!r}", hint=f"use one of {', '.join(NAMES)}")
    hub = NAMES[name]
    api, asked = files(hub, Path(folder))
    docs = formats.read([api]).docs
    records = list(read_lines(asked))
    key_of = {doc.id: doc.call_key for doc in docs}
    grades = {question: _by_call(found, key_of) for question, found in judgements(name).items()}
    questions = tuple(
        replace(_question(asked, line, number, record), grades=grades.get(str(number), {}))
        for number, (line, record) in enumerate(records, start=1)
    )
    return Benchmark(
        name=name,
        questions=questions,
        docs=docs,
        hashes={file.name: sha256(file) for file in (api, asked)},
        scorer=GorillaScorer(
            hub,
            [(str(record["api_call"]), str(record.get("domain", ""))) for _, record in read_lines(api)],
            [str(record["api_data"].get("domain", "")) for _, record in records],
        ),
        notes=(
            "Oracle is the question's own api_data record, whether the index holds it or not.",
            "Calls that the index doesn't hold as the question has them (on Hugging Face, mostly with their arguments "
            "trimmed) can't be found by any retriever.",
        ),
    )


def files(hub: Hub, folder: Path) -> tuple[Path, Path]:
    """The documents' and the questions' file.

    Raises:
        BenchmarkError: one is missing; names it and says where it comes from.
    """
    found = folder / "api" / f"{hub}_api.jsonl", folder / "apibench" / f"{_QUESTIONS[hub]}_eval.json"
    for file in found:
        if not file.is_file():
            raise BenchmarkError("no such file", file=str(file), line=0, hint=_WHERE)
    return found


def read_lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every object of a JSON Lines file, with its line from 1.

    Raises:
        BenchmarkError: a file that can't be read, or a line that isn't a JSON object.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"can't be read: {error}", file=str(file), line=0, hint="check the path") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"not JSON: {error}", file=str(file), line=number, hint="mend the line") from error
        if not isinstance(found, dict):
            kind = type(found).__name__
            raise BenchmarkError(f"expected an object, found {kind}", file=str(file), line=number, hint="mend the line")
        yield number, found


def _question(file: Path, line: int, number: int, record: dict[str, Any]) -> Question:
    """An evaluation record; its question stands inside its training text, `code`."""
    data, code = record.get("api_data"), record.get("code")
    if not isinstance(data, dict) or not isinstance(code, str) or not (found := apibench.question_in(code)):
        reason = "expected `code` with an instruction in it and `api_data`"
        raise BenchmarkError(reason, file=str(file), line=line, hint="use the file as published")
    try:
        made = apibench.document(data)
    except UsageError as error:
        raise BenchmarkError(error.message, file=str(file), line=line, hint=error.hint) from error
    document = replace(made, id=f"oracle:{number}")
    return Question(
        id=str(number),
        text=found,
        document=document,
        relevant=frozenset({document.call_key}),
        expected=document.call,
        number=number,
        label_domain=_label_domain(code),
    )


def _by_call(readings: Readings, key_of: dict[str, str]) -> dict[str, int]:
    """Grades by documented call: of a document the lower reading, of documents of one call the highest."""
    found: dict[str, int] = {}
    for doc, pair in readings.items():
        if doc in key_of:
            found[key_of[doc]] = max(min(pair), found.get(key_of[doc], 0))
    return found


def _label_domain(code: str) -> str:
    found = _DOMAIN.search(code)
    return found.group(1).strip(" '\"\\,") if found else ""
