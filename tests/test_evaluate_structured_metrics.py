"""The six metrics of structured calls, by the model card's own definitions, on plain texts and objects."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.evaluate.metrics import of_text as metrics

QUERY = "Moor the first 100 ships"
WANTED: dict[str, Any] = {"query": QUERY, "tool_name": "moor", "arguments": {"limit": 100, "order": "asc"}}


def wrote(**changed: Any) -> str:
    return json.dumps({**WANTED, **changed})


def scores(text: str) -> tuple[float, ...]:
    """All six, in the card's order."""
    return (
        metrics.exact_match(text, WANTED),
        metrics.tool_name_accuracy(text, WANTED),
        metrics.query_preservation(text, QUERY),
        metrics.arguments_partial_match(text, WANTED),
        metrics.json_validity(text),
        metrics.functional_correctness(text, WANTED, ("limit",)),
    )


def test_the_wanted_object_has_everything() -> None:
    assert scores(wrote()) == (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize("text", ["", "no", "{limit: 100}", '{"a": 1', "[1]", f"{wrote()} Done.", '{"a": NaN}'])
def test_what_isnt_a_json_object_has_nothing(text: str) -> None:
    assert scores(text) == (0,) * 6


def test_key_order_and_white_space_dont_count_for_exact_match_and_everything_else_does() -> None:
    spaced = json.dumps(dict(reversed(WANTED.items())), indent=2).replace("Moor the", "Moor  the")
    assert metrics.exact_match(spaced, WANTED) == 1
    assert scores(wrote(arguments={"limit": 100, "order": "ASC"})) == (0, 1, 1, 0.5, 1, 1)
    for limit in ("100", 100.0, [100], True):
        assert metrics.exact_match(wrote(arguments={"limit": limit, "order": "asc"}), WANTED) == 0


def test_a_paraphrased_query_isnt_preserved_and_one_in_capitals_is() -> None:
    assert metrics.query_preservation(wrote(query=QUERY.upper()), QUERY) == 1
    for query in ("Moor 100 ships", QUERY[:-1], "", None, [QUERY]):
        assert metrics.query_preservation(wrote(query=query), QUERY) == 0


def test_arguments_count_by_key_with_their_value_whatever_the_tool() -> None:
    assert scores(wrote(tool_name="Moor")) == (0, 0, 1, 1, 1, 0)
    two_thirds = metrics.arguments_partial_match(wrote(arguments={"limit": 100}), WANTED)
    assert two_thirds == pytest.approx(2 / 3)
    assert metrics.arguments_partial_match(wrote(arguments={"limits": 100, "sort": "asc"}), WANTED) == 0
    assert metrics.arguments_partial_match(wrote(arguments=[100, "asc"]), WANTED) == 0
    nothing = {**WANTED, "arguments": {}}
    assert metrics.arguments_partial_match(json.dumps(nothing), nothing) == 1
    assert metrics.arguments_partial_match("", nothing) == 0


def test_a_call_is_functional_with_its_required_arguments_whatever_their_values() -> None:
    assert metrics.functional_correctness(wrote(arguments={"limit": 7}), WANTED, ("limit",)) == 1
    assert metrics.functional_correctness(wrote(arguments={"order": "asc"}), WANTED, ("limit",)) == 0
    assert metrics.functional_correctness(wrote(arguments={}), WANTED, ()) == 1
    assert metrics.functional_correctness(wrote(arguments=None), WANTED, ("limit",)) == 0
    assert metrics.functional_correctness(wrote(tool_name=None), WANTED, ()) == 0


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=2))


@given(query=st.text(), arguments=st.dictionaries(st.text(), VALUES, max_size=3))
def test_any_object_matches_itself_in_all_six(query: str, arguments: dict[str, Any]) -> None:
    wanted = {"query": query, "tool_name": "moor", "arguments": arguments}
    text = json.dumps(wanted, indent=1)
    assert metrics.exact_match(text, wanted) == metrics.tool_name_accuracy(text, wanted) == 1
    assert metrics.query_preservation(text, query) == metrics.arguments_partial_match(text, wanted) == 1
    assert metrics.json_validity(text) == metrics.functional_correctness(text, wanted, arguments) == 1
