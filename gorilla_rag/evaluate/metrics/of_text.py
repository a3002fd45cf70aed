"""The six metrics of structured API calls, over what was written and what was wanted.

An answer is one JSON object, `{"query", "tool_name", "arguments"}`. The metrics, their order and their examples are
those of the model card "Llama 3.1 8B – Structured API Generation (LoRA adapter)". Each is of one answer; a report
averages them. Knows nothing of questions, benchmarks and documents: `metrics/` applies these to them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any


def exact_match(text: str, wanted: Mapping[str, Any]) -> float:
    """Metric 1: 1 where the text is the wanted object, once white space is normalised and keys are sorted, else 0.

    White space between tokens doesn't count, and inside strings any run of it is one space. Everything else does:
    another case, `100` for `"100"` or `100.0`, a field more or less.
    """
    found = read(text)
    return float(found is not None and _canonical(found) == _canonical(wanted))


def tool_name_accuracy(text: str, wanted: Mapping[str, Any]) -> float:
    """Metric 2: 1 where `tool_name` is the wanted one to the letter, else 0."""
    return float((read(text) or {}).get("tool_name") == wanted["tool_name"])


def query_preservation(text: str, query: str) -> float:
    """Metric 3: 1 where `query` is the user's query word for word, or differs in its case alone, else 0."""
    kept = (read(text) or {}).get("query")
    return float(isinstance(kept, str) and kept.casefold() == query.casefold())


def arguments_partial_match(text: str, wanted: Mapping[str, Any]) -> float:
    """Metric 4: F1 over the keys of `arguments`, a key counting where it has the wanted value; 0 to 1.

    The card's example: `{"limit": 100, "order": "ASC"}` where `"asc"` is wanted has 0.5 ("value match"). With no
    arguments wanted and none given it is 1; without a JSON object 0. The tool's name doesn't matter.
    """
    found = read(text)
    if found is None:
        return 0.0
    given, expected = _arguments(found), _arguments(wanted)
    matched = sum(key in given and _canonical(given[key]) == _canonical(value) for key, value in expected.items())
    return 2 * matched / (len(given) + len(expected)) if given or expected else 1.0


def json_validity(text: str) -> float:
    """Metric 5: 1 where the whole text parses as JSON, and as an object, which is the form that was asked for, else 0.

    By RFC 8259: `NaN`, single quotes, a comma at the end, a code fence or words around it make it invalid.
    """
    return float(read(text) is not None)


def functional_correctness(text: str, wanted: Mapping[str, Any], required: Collection[str]) -> float:
    """Metric 6: 1 where the tool is the wanted one and every required argument is present, else 0.

    Values don't matter, nor do arguments beyond the required ones. (The card's third example calls an answer functional
    that lacks a wanted argument; its definition, kept here, doesn't.)
    """
    found = read(text)
    right = found is not None and found.get("tool_name") == wanted["tool_name"]
    return float(right and set(required) <= _arguments(found or {}).keys())


def read(text: str) -> dict[str, Any] | None:
    """The object that was written, or `None` where the text isn't a JSON object."""
    try:
        found = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} isn't JSON")


def _arguments(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object's arguments, none where they aren't an object."""
    given = found.get("arguments")
    return given if isinstance(given, dict) else {}


def _canonical(value: object) -> str:
    """JSON text in one form: keys sorted, no spare white space, inside strings single spaces."""
    return json.dumps(_tidy(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _tidy(value: object) -> object:
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    return {key: _tidy(item) for key, item in value.items()} if isinstance(value, dict) else value
