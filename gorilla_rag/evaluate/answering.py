"""Answers every question of a benchmark in a row's way, writing each outcome down as it is made."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from gorilla_rag.errors import GenerationFailed, GorillaError
from gorilla_rag.evaluate.benchmark import Question
from gorilla_rag.evaluate.outcome import UNREAD, Outcome
from gorilla_rag.evaluate.rankings import Ranking, Rankings, Tell, among_wrong
from gorilla_rag.evaluate.rows import Row
from gorilla_rag.evaluate.store import OutcomeStore
from gorilla_rag.gorilla import Gorilla

logger = logging.getLogger(__name__)


def answer_all(
    gorilla: Gorilla,
    row: Row,
    questions: Sequence[Question],
    rankings: Rankings,
    store: OutcomeStore,
    how: dict[str, Any],
    seed: int,
    tell: Tell,
) -> list[Outcome]:
    """One outcome a question, in order; those that the store has aren't asked again.

    A question on which the model fails, or writes what no call can be read from, is recorded with its error and the run
    goes on; anything else that is wrong (a missing model, a damaged index) stops it.
    """
    for done, question in enumerate(questions, start=1):
        if question.id not in store.outcomes:
            store.add(_outcome(gorilla, row, question, rankings["hybrid"][question.id], how, seed))
        tell(row.name, done, len(questions))
    return [store.outcomes[question.id] for question in questions]


def _outcome(
    gorilla: Gorilla, row: Row, question: Question, ranking: Ranking, how: dict[str, Any], seed: int
) -> Outcome:
    given: dict[str, Any] = {}
    if row.mode == "oracle":
        documents = among_wrong(question, ranking, row.negatives, seed) if row.negatives else [question.document]
        given = {"oracle": documents, "k": max(len(documents), 1)}
    try:
        answer = gorilla.ask(question.text, **{**how, "mode": row.mode, "chooser": row.chooser, **given})
    except GorillaError as error:
        if not isinstance(error, GenerationFailed):
            raise
        return _failed(row, question, error)
    except (RuntimeError, OSError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        return _failed(row, question, error)
    if row.mode == "zero-shot" and answer.refused:  # there is nothing to refuse with: the model's text is no answer
        unread = f"{UNREAD}: {answer.reason}"
        return Outcome(question.id, None, error=unread, tokens=answer.tokens, timings=answer.timings)
    return Outcome.of_answer(question.id, answer)


def _failed(row: Row, question: Question, error: Exception) -> Outcome:
    logger.warning("%s failed on question %s: %s", row.name, question.id, error)
    return Outcome(question.id, None, error=f"{type(error).__name__}: {error}")
