"""The leaderboard's questions: what each accepts, the functions it offers, and right answers to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

Gold = list[dict[str, dict[str, list[Any]]]]
Answer = list[dict[str, dict[str, Any]]]
PYTHON = "bfcl_v4_python"
IRRELEVANCE = "bfcl_v4_irrelevance"


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a category.

    Attributes:
        gold: the calls that it wants; none where it wants no call.
        functions: those that it offers, as the leaderboard describes them.
    """

    id: str
    category: str
    gold: Gold
    functions: list[dict[str, Any]]

    def schema(self, function: str) -> Mapping[str, Any]:
        """An offered function's parameters."""
        return next(one["parameters"] for one in self.functions if one["name"] == function)


def load(data: Path, name: str) -> list[Question]:
    """The questions of a folder of DATA/bfcl, but for those that want just any call."""
    folder = data / "bfcl" / name
    docs = {record["id"]: record["raw"] for record in _lines(folder / "docs.jsonl")}
    return [
        Question(
            record["id"], record["category"], record["gold_call"] or [], [docs[one] for one in record["candidate_ids"]]
        )
        for record in _lines(folder / "queries.jsonl")
        if not record.get("should_call") or record["gold_call"]
    ]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def first_values(question: Question) -> Answer:
    """The answer of the first value that each argument accepts, with everything that may be left out."""
    return [_call(question, call, None) for call in question.gold]


def any_values(question: Question, chance: Random) -> Answer:
    """An answer of accepted values, left out or not where that is allowed, in any order."""
    answer = [_call(question, call, chance) for call in question.gold]
    chance.shuffle(answer)
    return answer


def _call(question: Question, gold: Mapping[str, Mapping[str, list[Any]]], chance: Random | None) -> dict[str, Any]:
    ((function, wanted),) = gold.items()
    schema = question.schema(function)
    described = {key: values for key, values in wanted.items() if key in schema["properties"]}
    return {function: _fields(described, chance, required=schema["required"])}


def _fields(wanted: Mapping[str, list[Any]], chance: Random | None, *, required: list[str]) -> dict[str, Any]:
    made = {}
    for key, accepted in wanted.items():
        values = [value for value in accepted if value != ""]
        left_out = len(values) < len(accepted) and key not in required and chance is not None and chance.random() < 0.5
        if values and not left_out:
            made[key] = _value(chance.choice(values) if chance else values[0], chance)
    return made


def _value(accepted: Any, chance: Random | None) -> Any:
    """A value that is accepted; a dict's fields have accepted values of their own."""
    if isinstance(accepted, dict):
        return _fields(accepted, chance, required=[])
    if isinstance(accepted, list) and any(isinstance(one, dict) for one in accepted):
        return [_value(one, chance) for one in accepted]
    return accepted
