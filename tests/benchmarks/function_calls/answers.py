"""Answers to be judged, the same for the same seed: right, wrong, and right but for one thing that was changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.benchmarks.function_calls import changes
from tests.benchmarks.function_calls.questions import Answer, Question, any_values, first_values

RIGHT = "right"
CALLS = "calls"


@dataclass(frozen=True, slots=True)
class Given:
    """An answer in the leaderboard's decoded form, or what isn't in that form.

    Attributes:
        group, kind: what was done to a right answer.
        where: the documented types on the way to what was changed; empty where it isn't one value.
    """

    question: Question
    group: str
    kind: str
    answer: Any
    where: str = ""


def made(questions: Sequence[Question], seed: int) -> Iterator[Given]:
    """One answer of each kind to each question, where the question has what the kind changes."""
    for place, question in enumerate(questions):
        yield Given(question, RIGHT, "first values", first_values(question))
        yield Given(question, RIGHT, "any values", any_values(question, _chance(seed, question, "any values")))
        other = questions[place - 1]
        yield Given(question, CALLS, "another question's", any_values(other, _chance(seed, question, "other")))
        for kind, spoil in changes.WHOLE.items():
            answer = spoil(question, _chance(seed, question, kind))
            if answer is not None:
                yield Given(question, CALLS, kind, answer)
        yield from _changed(question, seed)


def _changed(question: Question, seed: int) -> Iterator[Given]:
    for group, kinds in changes.VALUES.items():
        for kind, (types, change) in kinds.items():
            found = changes.value_changed(question, types, change, _chance(seed, question, kind))
            if found:
                answer, where = found
                yield Given(question, group, kind, answer, where)


def irrelevant(questions: Sequence[Question]) -> Iterator[Given]:
    """Answers to questions that want no call: none in several forms, and one."""
    for question in questions:
        call: Answer = [{question.functions[0]["name"] if question.functions else "find": {}}]
        for kind, answer in {"no call": [], "prose": "I can't.", "an empty call": [{}], "a call": call}.items():
            yield Given(question, "irrelevance", kind, answer)


def _chance(seed: int, question: Question, kind: str) -> Random:
    return Random(f"{seed} {question.id} {kind}")
