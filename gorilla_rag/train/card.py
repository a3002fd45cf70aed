"""What a retriever was trained on: the pairs as a file, and the data card that says where they are from.

Knows corpora; trains nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gorilla_rag.errors import BenchmarkError
from gorilla_rag.files import write_text
from gorilla_rag.text import plain
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.leaks import Leak

PAIRS = "pairs.jsonl"
_LISTED = 20
_FIELDS = {"corpus", "question", "relevant", "made", "omitted", "group"}


def write_pairs(path: str | Path, corpora: Iterable[Corpus]) -> str:
    """Writes the pairs as JSON Lines, each with the name of its corpus; returns the file's SHA-256.

    Raises:
        StorageFull: the disk takes no more.
    """
    text = _pairs_text(corpora)
    write_text(Path(path), text)
    return _sha256(text)


def read_pairs(path: str | Path) -> dict[str, tuple[Pair, ...]]:
    """The pairs that `write_pairs` wrote, by the name of their corpus.

    Raises:
        BenchmarkError: a file that can't be read, or a line that is no pair.
    """
    file = Path(path)
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"can't be read: {error}", file=str(file), line=0, hint="check the path") from error
    found: dict[str, list[Pair]] = {}
    for number, line in enumerate(lines, start=1):
        if line:
            name, pair = _pair(file, number, line)
            found.setdefault(name, []).append(pair)
    return {name: tuple(pairs) for name, pairs in found.items()}


def data_card(
    corpora: Sequence[Corpus],
    *,
    duplicates: int = 0,
    leaks: Sequence[Leak] = (),
    evaluation: Sequence[str] = (),
) -> str:
    """The data card, in Markdown.

    Args:
        corpora: what is trained on, without what was removed.
        duplicates: how many questions were removed as they stood twice.
        leaks: the questions that were removed as they resemble an evaluation's.
        evaluation: names of the evaluations whose questions were kept out.
    """
    lines = [
        "# Training data",
        "",
        *_overview(corpora),
        "",
        "## How the questions were made",
        "",
        *_by_made(corpora),
        "",
        "## What was removed",
        "",
        *_removed(duplicates, leaks, evaluation),
        "",
        f"SHA-256 of the pairs (`{PAIRS}`): `{_sha256(_pairs_text(corpora))}`",
        "",
    ]
    return "\n".join(lines)


def _overview(corpora: Sequence[Corpus]) -> Iterator[str]:
    yield "| Corpus | From | Licence | Documents | Questions |"
    yield "|---|---|---|--:|--:|"
    for corpus in corpora:
        cells = (cell(corpus.name), cell(corpus.origin), cell(corpus.licence))
        yield f"| {' | '.join(cells)} | {len(corpus.docs):,} | {len(corpus.pairs):,} |"
    documents, questions = sum(len(one.docs) for one in corpora), sum(len(one.pairs) for one in corpora)
    yield f"| all | | | {documents:,} | {questions:,} |"


def _by_made(corpora: Sequence[Corpus]) -> Iterator[str]:
    counts = Counter(pair.made for corpus in corpora for pair in corpus.pairs)
    yield "| Made from | Questions |"
    yield "|---|--:|"
    for made, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        yield f"| {cell(made)} | {count:,} |"
    omitting = sum(bool(pair.omitted) for corpus in corpora for pair in corpus.pairs)
    yield ""
    yield f"{omitting:,} are trained with their document without the text that the question was made from."


def _removed(duplicates: int, leaks: Sequence[Leak], evaluation: Sequence[str]) -> Iterator[str]:
    against = f" of {', '.join(evaluation)}" if evaluation else ""
    yield f"- {duplicates:,} questions that stood there before."
    yield f"- {len(leaks):,} questions that resemble an evaluation question{against}."
    for leak in sorted(leaks, key=lambda leak: (-leak.overlap, leak.question))[:_LISTED]:
        yield f"    - {cell(leak.question)!r}, as {cell(leak.resembles)!r} ({leak.overlap:.2f})"
    if len(leaks) > _LISTED:
        yield f"    - … and {len(leaks) - _LISTED:,} more."


def _pairs_text(corpora: Iterable[Corpus]) -> str:
    records = ({"corpus": corpus.name} | asdict(pair) for corpus in corpora for pair in corpus.pairs)
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _pair(file: Path, number: int, line: str) -> tuple[str, Pair]:
    try:
        record: dict[str, Any] = json.loads(line)
        if set(record) != _FIELDS:
            raise ValueError(f"expected the fields {sorted(_FIELDS)}")
        relevant, omitted = tuple(record["relevant"]), tuple(record["omitted"])
        pair = Pair(record["question"], relevant, record["made"], omitted, record["group"])
        return str(record["corpus"]), pair
    except (ValueError, TypeError, AttributeError) as error:
        hint = "write the file again from its corpora"
        raise BenchmarkError(f"no pair: {error}", file=str(file), line=number, hint=hint) from error


def cell(text: str) -> str:
    """A text as it may stand in a table of Markdown."""
    return plain(text).replace("|", "\\|")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
