"""What explanations name: every identifier in one has to stand in the document or in the question.

An identifier is a word that no plain sentence has: with a dot, an underscore, a slash or a digit inside, or a capital
behind a small letter. Whether a sentence is true, and about this question, nobody but a reader can tell; `picked` are
the ones to read.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.gorilla import Gorilla
from tests.benchmarks.generator.choosing import kept_rows

_WORD = re.compile(r"[A-Za-z0-9_][\w./:+-]*[A-Za-z0-9_]|\w")
_INSIDE = re.compile(r"[A-Za-z0-9][._/][A-Za-z0-9]|_|[A-Za-z]\d|\d[A-Za-z]|[a-z][A-Z]")


@dataclass(frozen=True)
class Explained:
    """An answer's explanation.

    Attributes:
        question: as asked.
        call: that it is about.
        explanation: as written.
        unfounded: identifiers that stand in neither document nor question.
    """

    question: str
    call: str
    explanation: str
    unfounded: tuple[str, ...]


def explained(
    questions: Sequence[str], gorilla: Gorilla, file: Path, *, sample: int, tell: Callable[[str], None]
) -> list[Explained]:
    """Explanations of the answers to a sample of questions; those that stand in `file` aren't asked again."""
    chosen = random.Random(1).sample(questions, min(sample, len(questions)))
    done = {one.question: one for one in _kept(file)}
    with file.open("a", encoding="utf-8") as lines:
        for at, question in enumerate(chosen):
            if question not in done:
                done[question] = _explained(question, gorilla)
                lines.write(json.dumps(asdict(done[question]), ensure_ascii=False) + "\n")
                lines.flush()
            if not at % 10:
                tell(f"{file.stem} {at}/{len(chosen)}")
    return [done[question] for question in chosen]


def _kept(file: Path) -> Iterator[Explained]:
    for row in kept_rows(file):
        yield Explained(**{**row, "unfounded": tuple(row["unfounded"])})


def _explained(question: str, gorilla: Gorilla) -> Explained:
    answer = gorilla.ask(question)
    if not answer.hits or answer.refused:
        return Explained(question, "", "", ())
    said = answer.explanation
    return Explained(question, answer.api_call or "", said, unfounded(said, answer.hits[0].doc, question))


def unfounded(explanation: str, doc: ApiDoc, question: str) -> tuple[str, ...]:
    """The identifiers of an explanation that stand in neither the document nor the question."""
    known = f"{json.dumps(asdict(doc), ensure_ascii=False, default=str)} {question}".casefold()
    return tuple(name for name in identifiers(explanation) if name.casefold() not in known)


def identifiers(text: str) -> list[str]:
    """The words of a text that no plain sentence has."""
    return [word for word in _WORD.findall(text) if _INSIDE.search(word)]


def picked(explained: Sequence[Explained], count: int, *, seed: int = 0) -> list[Explained]:
    """Some of them, drawn by seed: those that stand in the docs as they are."""
    return random.Random(seed).sample([one for one in explained if one.explanation], count)
