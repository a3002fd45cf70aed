"""Metrics, one a file. `METRICS` is the table of those that score one question at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gorilla_rag.evaluate.metrics import (
    acceptable,
    api_match,
    argument_f1,
    arguments_partial,
    exact_match,
    function_match,
    functional,
    gold_id_present,
    gorilla_ast,
    graded_match,
    hallucination,
    json_validity,
    query_preservation,
    refusal,
    tool_name,
)
from gorilla_rag.evaluate.outcome import Case

Group = Literal["calls", "gorilla", "structured"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of one question; reports average it over gold calls (macro) and over questions (micro).

    Attributes:
        name: in `report.json`.
        label: for people.
        score: of a case; `None` where it doesn't apply.
        group: whose definition it is.
        lower: whether lower is better.
    """

    name: str
    label: str
    score: Callable[[Case], float | None]
    group: Group = "calls"
    lower: bool = False


METRICS = (
    Metric("api_match", "API match", api_match.score),
    Metric("graded_match", "graded match", graded_match.score),
    Metric("gold_id_present", "gold id present", gold_id_present.score),
    Metric("function_match", "function match", function_match.score),
    Metric("argument_f1", "argument F1", argument_f1.score),
    Metric("acceptable", "acceptable (judged)", acceptable.score),
    Metric("hallucination", "hallucination", hallucination.score, lower=True),
    Metric("refusal", "refusal", refusal.score, lower=True),
    Metric("gorilla_accuracy", "Gorilla's accuracy", gorilla_ast.accuracy, "gorilla"),
    Metric("gorilla_hallucination", "Gorilla's hallucination", gorilla_ast.hallucination, "gorilla", lower=True),
    Metric("exact_match", "exact match", exact_match.score, "structured"),
    Metric("tool_name", "tool-name accuracy", tool_name.score, "structured"),
    Metric("query_preservation", "query preservation", query_preservation.score, "structured"),
    Metric("arguments_partial", "arguments partial match", arguments_partial.score, "structured"),
    Metric("json_validity", "JSON validity", json_validity.score, "structured"),
    Metric("functional", "functional correctness", functional.score, "structured"),
)
HEADLINE = "api_match"
