"""Both verdicts on every answer, and why they differ where they do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gorilla_rag.evaluate.function_calling.checker import Judgement, judge, read
from tests.benchmarks.function_calls import probes
from tests.benchmarks.function_calls.answers import Given
from tests.benchmarks.function_calls.questions import Question

LEADERBOARD = Path(__file__).parent / "leaderboard.py"
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Theirs:
    """The leaderboard's verdict."""

    right: bool
    error: str


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer with both verdicts."""

    given: Given
    ours: Judgement
    theirs: Theirs

    @property
    def agreed(self) -> bool:
        """Whether they are the same."""
        return self.ours.right == self.theirs.right


def compare(given: Sequence[Given], python: str) -> list[Compared]:
    """Judges every answer with both."""
    theirs = leaderboard([(one.question, one.answer) for one in given], python)
    ours = [judge(read(one.answer), one.question.gold, one.question.functions) for one in given]
    return [Compared(*parts) for parts in zip(given, ours, theirs, strict=True)]


def leaderboard(asked: Sequence[tuple[Question, Any]], python: str) -> list[Theirs]:
    """The leaderboard's verdicts, by its own code under another interpreter."""
    questions = {
        question.id: {"category": question.category, "gold": question.gold, "functions": question.functions}
        for question, _ in asked
    }
    answers = [[question.id, _marked(answer)] for question, answer in asked]
    text = json.dumps({"questions": questions, "answers": answers})
    done = subprocess.run([python, str(LEADERBOARD)], input=text, stdout=subprocess.PIPE, text=True, check=True)
    return [Theirs(**verdict) for verdict in json.loads(done.stdout.splitlines()[-1])]


def _marked(value: Any) -> Any:
    """JSON, with tuples told from lists."""
    if isinstance(value, tuple):
        return {"$tuple": [_marked(item) for item in value]}
    if isinstance(value, list):
        return [_marked(item) for item in value]
    return {key: _marked(item) for key, item in value.items()} if isinstance(value, dict) else value


def reasons(differing: Sequence[Compared], python: str) -> list[str]:
    """Why each differs. Where every pair of a call made and a call wanted is judged alike, only the matching does."""
    pairs = [list(_pairs(place, one.given)) for place, one in enumerate(differing)]
    theirs = iter(leaderboard([pair for some in pairs for pair in some], python))
    found = []
    for one, some in zip(differing, pairs, strict=True):
        same = [judge(read(answer), pair.gold, pair.functions).right == next(theirs).right for pair, answer in some]
        found.append(probes.MATCHING if all(same) else _rule(one.given))
    return found


def _pairs(place: int, given: Given) -> Iterator[tuple[Question, Any]]:
    question = given.question
    for at, call in enumerate(question.gold):
        functions = [one for one in question.functions if one["name"] in call]
        wanted = Question(f"{place} {at} {question.id}", "simple", [call], functions)
        yield from ((wanted, [made]) for made in given.answer)


def _rule(given: Given) -> str:
    """The rule that a changed value shows, known by what was changed and how deep it lies."""
    if given.kind.startswith("text ") and given.where.count(">") > 1:
        return probes.TEXT
    if given.kind.startswith("list ") and given.where == "array":
        return probes.EMPTY
    inside = " > " in given.where
    rules = {
        "float as integer": probes.FLOAT,
        "integer as float": probes.TYPES,
        "integer as boolean": probes.BOOLEAN,
        "boolean as integer": probes.BOOLEAN,
    }
    return rules.get(given.kind, UNEXPLAINED) if inside else UNEXPLAINED
