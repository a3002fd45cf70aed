"""Outcomes in, figures out: call accuracy by syntax tree, retrieval, validity, the structured metrics, cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.function_calling.benchmark import FunctionBenchmark, FunctionQuestion
from gorilla_rag.evaluate.function_calling.checker import Made, judge
from gorilla_rag.evaluate.metrics import of_text
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.statistics import Grouped
from gorilla_rag.generate.schema import arguments_schema
from gorilla_rag.validate import schema_errors

_DEPTHS = (1, 5)
STRUCTURED = (
    "exact_match", "tool_name", "query_preservation", "arguments_partial", "json_validity", "functional",
)  # fmt: skip


def figures(benchmark: FunctionBenchmark, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """One setting's figures over the benchmark's questions, each with its interval."""
    asked = benchmark.questions
    grouped = Grouped([question.id for question in asked])
    made = {question.id: calls(outcomes[question.id]) for question in asked}
    judged = [judge(_read(made[one.id]), one.gold, _described(benchmark, one)) for one in asked]
    values: dict[str, list[float | None]] = {
        "accuracy": [float(one.right) for one in judged],
        "functions": [_functions(question, made[question.id]) for question in asked],
        "valid": [_valid(benchmark, outcomes[question.id], made[question.id]) for question in asked],
        "refused": [float(_refused(outcomes[question.id])) for question in asked],
        "unread": [float(not made[question.id] and not _refused(outcomes[question.id])) for question in asked],
    }
    for depth in _DEPTHS:
        values[f"recall@{depth}"] = [_recall(benchmark, one, outcomes[one.id], depth) for one in asked]
    structured = [_structured(benchmark, one, made[one.id]) for one in asked]
    values |= {name: [one.get(name) for one in structured] for name in STRUCTURED}
    estimates = {name: grouped.micro(found) for name, found in values.items()}
    return {
        "questions": len(asked),
        "figures": {name: asdict(one) for name, one in estimates.items() if one},
        "faults": dict(Counter(one.fault.value for one in judged if one.fault).most_common()),
        "cost": _cost([outcomes[question.id] for question in asked]),
    }


def calls(outcome: Outcome) -> list[dict[str, Any]]:
    """An outcome's calls, `{"query", "tool_name", "arguments"}`."""
    found: list[dict[str, Any]] = json.loads(outcome.structured or "[]")
    return found


def _read(made: Sequence[Mapping[str, Any]]) -> list[Made]:
    return [Made(one["tool_name"], one["arguments"]) for one in made]


def _described(benchmark: FunctionBenchmark, question: FunctionQuestion) -> list[Mapping[str, Any]]:
    return [benchmark.described[one] for one in question.relevant]


def _functions(question: FunctionQuestion, made: Sequence[Mapping[str, Any]]) -> float:
    """Whether the right functions are called, each as often as is wanted, whatever their arguments."""
    wanted = Counter(name for call in question.gold for name in call)
    return float(Counter(one["tool_name"] for one in made) == wanted)


def _valid(benchmark: FunctionBenchmark, outcome: Outcome, made: Sequence[Mapping[str, Any]]) -> float | None:
    """Whether every call is of a function that there is and fits its schema; what is missing apart."""
    if not made:
        return None
    docs = {benchmark.by_id[one].api_call: benchmark.by_id[one] for one in reversed(outcome.candidates)}
    if outcome.chosen:
        docs |= {benchmark.by_id[outcome.chosen].api_call: benchmark.by_id[outcome.chosen]}
    return float(all(one["tool_name"] in docs and fits(one["arguments"], docs[one["tool_name"]]) for one in made))


def fits(arguments: Mapping[str, Any], doc: ApiDoc) -> bool:
    """Whether arguments fit a document's schema; what is missing of them, at any depth, is another matter."""
    return not schema_errors(arguments, _without_required(arguments_schema(doc)), formats=True)


def _without_required(schema: Any) -> Any:
    """A schema that requires nothing; a property of the name `required` stays."""
    if isinstance(schema, list):
        return [_without_required(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = ((key, one) for key, one in schema.items() if key != "required" or not isinstance(one, list))
    return {key: one if key in ("enum", "const", "default") else _without_required(one) for key, one in kept}


def _refused(outcome: Outcome) -> bool:
    return outcome.api_call is None and not outcome.error and "wrote no call" not in outcome.reason


def _recall(benchmark: FunctionBenchmark, question: FunctionQuestion, outcome: Outcome, depth: int) -> float | None:
    """Share of the right functions among the first candidates, by distinct calls; `None` where none is right."""
    if not question.relevant:
        return None
    right = {benchmark.by_id[one].call_key for one in question.relevant}
    return len(right & {benchmark.by_id[one].call_key for one in outcome.candidates[:depth]}) / len(right)


def _structured(
    benchmark: FunctionBenchmark, question: FunctionQuestion, made: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """The six metrics of structured calls, where one call is wanted."""
    if len(question.gold) != 1:
        return {}
    first: Mapping[str, Any] = made[0] if made else {}
    text = json.dumps(first, ensure_ascii=False) if made else ""
    ((name, accepted),) = question.gold[0].items()
    arguments = _nearest(accepted, first.get("arguments", {}))
    wanted = {"query": question.text, "tool_name": name, "arguments": arguments}
    required = benchmark.by_id[question.relevant[0]].parameters.get("required", ())
    return {
        "exact_match": of_text.exact_match(text, wanted),
        "tool_name": of_text.tool_name_accuracy(text, wanted),
        "query_preservation": of_text.query_preservation(text, question.text),
        "arguments_partial": of_text.arguments_partial_match(text, wanted),
        "json_validity": of_text.json_validity(text),
        "functional": of_text.functional_correctness(text, wanted, required),
    }


def _nearest(accepted: Mapping[str, Sequence[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The accepted arguments that are nearest to those given: what may be left out is, unless it is given rightly."""
    made: dict[str, Any] = {}
    for name, values in accepted.items():
        same = [one for one in values if name in given and json.dumps(one) == json.dumps(given[name])]
        if same or "" not in values:
            made[name] = (same or list(values))[0]
    return made


def _cost(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Seconds and tokens of a question; how fast tokens came, and what a call that could be read took."""
    seconds = [sum(one.timings.values()) for one in outcomes]
    writing = [one.timings.get("arguments", 0.0) for one in outcomes]
    tokens = [one.tokens.get("completion", 0) for one in outcomes]
    read = [one for one in outcomes if one.api_call is not None]
    return {
        "seconds_p50": median(seconds) if seconds else None,
        "tokens_p50": median(tokens) if tokens else None,
        "tokens_per_second": sum(tokens) / sum(writing) if sum(writing) else None,
        "seconds_per_readable_call": sum(seconds) / len(read) if read else None,
    }
