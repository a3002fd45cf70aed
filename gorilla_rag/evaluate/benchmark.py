"""`Question` and `Benchmark`: what is asked, what is right, and fixed samples and folds of it.

Knows documents and calls; reads no files, runs and scores nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Protocol

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call
from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate.catalogue import Catalogue

FoldBy = Literal["call", "question"]


class Scorer(Protocol):
    """A scoring that a benchmark was published with."""

    def judge(self, text: str, number: int) -> str:
        """What it makes of an answer to question `number` (from 1): `right`, or what else it is."""
        ...


@dataclass(frozen=True)
class Question:
    """One question with its label.

    Attributes:
        id: unique in its benchmark.
        text: as asked.
        document: the right document (for APIBench, the question's own `api_data`), which mode `oracle` gives.
        relevant: keys of the documented calls that are right.
        expected: the right call with the right values; `None` where only documents are known to be right.
        number: from 1, where the benchmark's file has it.
        label_domain: what the label's own text calls its domain; empty where it says none.
        grades: of the documented calls that were judged by reading, by key; empty for most questions.
    """

    id: str
    text: str
    document: ApiDoc
    relevant: frozenset[str]
    expected: Call | None
    number: int = 0
    label_domain: str = ""
    grades: Mapping[str, int] = field(default_factory=dict)

    @property
    def gold(self) -> str:
        """Key of the label's call: what macro averages group by."""
        return self.document.call_key


@dataclass(frozen=True)
class Benchmark:
    """Questions over documents.

    Attributes:
        name: such as `apibench/torchhub`.
        questions: in the order of their file.
        docs: every document that can be found.
        hashes: SHA-256 of each file that was read, by name.
        scorer: Gorilla's own scoring, where the benchmark has it.
        notes: what a reader of its figures has to know.
        size: how many questions there are where this is a sample of them.
    """

    name: str
    questions: tuple[Question, ...]
    docs: tuple[ApiDoc, ...]
    hashes: Mapping[str, str] = field(default_factory=dict)
    scorer: Scorer | None = None
    notes: tuple[str, ...] = ()
    size: int = 0

    def __post_init__(self) -> None:
        """Takes the size from the questions where it isn't given."""
        object.__setattr__(self, "size", self.size or len(self.questions))

    @cached_property
    def catalogue(self) -> Catalogue:
        """The documented calls."""
        return Catalogue(self.docs)

    @cached_property
    def in_index(self) -> frozenset[str]:
        """Ids of the questions of which a right call is documented; the others can't be answered by retrieval."""
        return frozenset(q.id for q in self.questions if any(key in self.catalogue for key in q.relevant))

    @cached_property
    def gold_calls(self) -> dict[str, list[Question]]:
        """The questions of each gold call."""
        found: dict[str, list[Question]] = defaultdict(list)
        for question in self.questions:
            found[question.gold].append(question)
        return dict(found)

    def sample(self, count: int) -> Benchmark:
        """The same with `count` questions: always the same ones, spread over domains and gold calls in proportion.

        Raises:
            UsageError: `count` below one.
        """
        if count < 1:
            raise UsageError(f"a sample of {count} questions", hint="ask for one or more")
        if count >= len(self.questions):
            return self
        ordered = sorted(self.questions, key=lambda q: (q.document.domain, q.gold, _digest(q.id)))
        step = len(ordered) / count
        kept = {ordered[int((place + 0.5) * step)].id for place in range(count)}
        return replace(self, questions=tuple(q for q in self.questions if q.id in kept))


def folds(questions: Sequence[Question], count: int, *, by: FoldBy = "call") -> list[tuple[str, ...]]:
    """Ids of the questions of `count` disjoint folds of nearly equal size; always the same ones.

    By `call`, all questions of a gold call are in one fold; that is what a claim may rest on. By `question`, the gold
    calls of one fold stand in the others as well, and whatever is fitted there has seen the answers.

    Raises:
        UsageError: fewer than two folds, or more than there are questions or gold calls.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for question in questions:
        groups[question.gold if by == "call" else question.id].append(question.id)
    if not 2 <= count <= len(groups):
        raise UsageError(f"{count} folds of {len(groups)} {by}s", hint=f"ask for 2 to {len(groups)}")
    made: list[list[str]] = [[] for _ in range(count)]
    for key in sorted(groups, key=lambda key: (-len(groups[key]), _digest(key))):
        min(made, key=len).extend(groups[key])
    return [tuple(fold) for fold in made]


def unique_questions(questions: Iterable[Question]) -> tuple[Question, ...]:
    """The questions, refused where two share an id.

    Raises:
        UsageError: two questions of one id.
    """
    seen: dict[str, Question] = {}
    for question in questions:
        if question.id in seen:
            raise UsageError(f"two questions have the id {question.id!r}", hint="give each question an id of its own")
        seen[question.id] = question
    return tuple(seen.values())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
