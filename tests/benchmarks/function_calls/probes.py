"""Small questions of our own on which the leaderboard's checker and ours are known to differ, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.benchmarks.function_calls.questions import Gold, Question

MATCHING = "calls are matched as a whole, not the first that fits taken"
FLOAT = "an integer serves as a float inside lists too"
BOOLEAN = "a boolean is no number, at any depth"
TYPES = "documented types hold at every depth, and where a parameter may be left out"
EMPTY = "an empty list isn't a parameter that was left out"
TEXT = "text is compared alike at every depth"
ANY = "`any` is any type"
MIXED = "accepted values may be of several types"
CRASH = "the leaderboard's checker crashes"


@dataclass(frozen=True, slots=True)
class Probe:
    """A question with an answer, and whether ours judges it right; the leaderboard's says the opposite, or crashes."""

    why: str
    question: Question
    answer: list[dict[str, dict[str, Any]]]
    right: bool


def _one(why: str, schema: dict[str, Any], accepted: list[Any], value: Any, *, right: bool) -> Probe:
    """A question about one parameter."""
    parameters = {"type": "dict", "properties": {"it": schema}, "required": []}
    functions = [{"name": "moor", "parameters": parameters}]
    question = Question(f"{schema} {accepted}: {value}", "simple", [{"moor": {"it": accepted}}], functions)
    return Probe(why, question, [{"moor": {"it": value}}], right)


def _berths() -> Probe:
    """The first call wanted takes either berth, the second one alone."""
    parameters = {"type": "dict", "properties": {"berth": {"type": "integer"}}, "required": ["berth"]}
    gold: Gold = [{"moor": {"berth": [1, 2]}}, {"moor": {"berth": [1]}}]
    question = Question("[1, 2], [1]: 1, 2", "parallel", gold, [{"name": "moor", "parameters": parameters}])
    return Probe(MATCHING, question, [{"moor": {"berth": 1}}, {"moor": {"berth": 2}}], right=True)


def _list_of(kind: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": kind}}


_WIDTH = {"type": "dict", "properties": {"width": {"type": "integer"}}}
PROBES = (
    _berths(),
    _one(FLOAT, _list_of("float"), [[1.0, 2.5]], [1, 2.5], right=True),
    _one(BOOLEAN, {"type": "dict"}, [{"width": [1]}], {"width": True}, right=False),
    _one(BOOLEAN, {"type": "dict"}, [{"open": [True]}], {"open": 1}, right=False),
    _one(BOOLEAN, _list_of("integer"), [[1], ""], [True], right=False),
    _one(BOOLEAN, {"type": "boolean"}, [1, False], 0, right=False),
    _one(TYPES, _WIDTH, [{"width": [1]}], {"width": 1.0}, right=False),
    _one(TYPES, {"type": "array", "items": _list_of("integer")}, [[[1]]], [[1.0]], right=False),
    _one(TYPES, _list_of("integer"), [[1], ""], [1.0], right=False),
    _one(TYPES, _list_of("tuple"), [[[1, 2]]], [(1, 2)], right=True),
    _one(EMPTY, _list_of("string"), [["oak"], ""], [], right=False),
    _one(EMPTY, _list_of("dict"), [[{"wood": ["oak"]}], ""], [], right=False),
    _one(TEXT, {"type": "array", "items": _list_of("string")}, [[["oak"]]], [["Oak"]], right=True),
    _one(TEXT, {"type": "dict"}, [{"woods": [["oak"]]}], {"woods": ["Oak"]}, right=True),
    _one(ANY, {"type": "any"}, ["oak", 3], 3, right=True),
    _one(ANY, {"type": "any"}, [{"wood": ["oak"]}], {"wood": "oak"}, right=True),
    _one(MIXED, {"type": "integer"}, [3, "three"], "three", right=True),
    _one(MIXED, _list_of("integer"), [[3, "three"]], [3, "three"], right=True),
    _one(CRASH, _list_of("dict"), ["", [3]], [3], right=True),
    _one(CRASH, _list_of("dict"), ["", [{"wood": ["oak"]}]], ["oak"], right=False),
    _one(CRASH, {"type": "float"}, [1.0], 10**400, right=False),
)
