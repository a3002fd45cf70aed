"""What each retriever finds for every question: over distinct calls and over documents."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.benchmark import Question
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval

DEPTH = 100
Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Ranking:
    """One retriever's ranking for one question, best first, at most `DEPTH` long.

    Attributes:
        calls: the best document of each distinct call.
        documents: ids of documents.
    """

    calls: tuple[ApiDoc, ...]
    documents: tuple[str, ...]


Rankings = Mapping[Retrieval, Mapping[str, Ranking]]
"""By retriever, then by question id."""


def rank(index: Index, questions: Sequence[Question], docs: Sequence[ApiDoc], tell: Tell) -> Rankings:
    """Asks every retriever every question; `docs` are the index's documents."""
    by_id = {doc.id: doc for doc in docs}
    found: dict[Retrieval, dict[str, Ranking]] = {name: {} for name in RETRIEVALS}
    for done, question in enumerate(questions, start=1):
        for name in RETRIEVALS:
            calls = index.ids(question.text, mode=name, k=DEPTH)
            documents = index.ids(question.text, mode=name, k=DEPTH, distinct=False)
            found[name][question.id] = Ranking(tuple(by_id[one] for one in calls), tuple(documents))
        tell("retrieval", done, len(questions))
    return found


def among_wrong(question: Question, ranking: Ranking, count: int, seed: int) -> list[ApiDoc]:
    """The question's own document among the `count` nearest documents of other calls, shuffled."""
    wrong = [doc for doc in ranking.calls if doc.call_key not in question.relevant | {question.gold}][:count]
    shown = [question.document, *wrong]
    random.Random(f"{seed}:{question.id}").shuffle(shown)  # noqa: S311
    return shown
