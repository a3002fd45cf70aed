"""Calls of tools in a text that nothing was masked in: read as they were asked for, or a `ValueError`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.call import Call, argument
from gorilla_rag.generate import reading

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tool_name", "arguments", "calls", "$expr", "a", ""]), inner, max_size=3)
    ),
    max_leaves=8,
)
CALL = st.fixed_dictionaries(
    {
        "tool_name": st.text(max_size=6) | JSON,
        "arguments": st.dictionaries(st.text(max_size=5), JSON, max_size=3) | JSON,
    }
)
ONE = {"tool_name": "book", "arguments": {"seats": 4, "near": {"city": ["Rome", None]}}}
OTHER = {"tool_name": "play", "arguments": {}}


def read(value: Any) -> list[tuple[str, dict[str, Any]]]:
    return reading.calls(json.dumps(value))


@pytest.mark.parametrize("value", [ONE, [ONE], {"calls": [ONE]}, {**ONE, "id": "call_0"}, {"calls": [ONE], "n": 1}])
def test_one_call_is_read_in_each_form(value: Any) -> None:
    assert read(value) == [("book", ONE["arguments"])]


@pytest.mark.parametrize("value", [[ONE, OTHER], {"calls": [ONE, OTHER]}])
def test_several_calls_are_read_in_order(value: Any) -> None:
    assert read(value) == [("book", ONE["arguments"]), ("play", {})]


@pytest.mark.parametrize(
    "around", ["{}", "\n {} \n", "Here you are: {}. Enjoy!", "```json\n{}\n```", "{}}}]", '{} {{"tool_name": "x"}}']
)
def test_text_around_the_json_is_left_out(around: str) -> None:
    assert reading.calls(around.format(json.dumps(ONE, indent=1))) == [("book", ONE["arguments"])]


def test_a_name_is_taken_without_blanks_around_it() -> None:
    assert read({"tool_name": " book\n", "arguments": {}}) == [("book", {})]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no JSON"),
        ("I can't do that.", "no JSON"),
        ('{"tool_name": "book", "arguments": {"seats": 4}', "no JSON"),
        ('{"calls": [{"tool_name": "book", "arguments": {}}, {"tool_n', "no JSON"),
        ("{'tool_name': 'book', 'arguments': {}}", "no JSON"),
        ("[1] is a tool: {}", "no tool_name"),
        ("[]", "an empty list"),
        ('{"calls": []}', "an empty list"),
        ('{"calls": {}}', "no tool_name"),
        ('{"tool": "book", "arguments": {}}', "no tool_name"),
        ('{"tool_name": "", "arguments": {}}', "no tool_name"),
        ('{"tool_name": ["book"], "arguments": {}}', "no tool_name"),
        ('{"tool_name": "book"}', "no arguments"),
        ('{"tool_name": "book", "arguments": [4]}', "no arguments"),
        ('{"tool_name": "book", "arguments": "{}"}', "no arguments"),
        ('[{"tool_name": "book", "arguments": {}}, 7]', "no tool_name"),
        ('{"tool_name": "book", "arguments": {"seats": {"$expr": "1 +"}}}', "no values"),
        ('{"tool_name": "book", "arguments": {"seats": NaN}}', "no values"),
        ('{"tool_name": "book", "arguments": {"seats": 1e999}}', "no values"),
        ('{"tool_name": "book", "arguments": {"a": ' + "[" * 400 + "]" * 400 + "}}", "no values"),
        ("[" * 100_000, "no JSON"),
        ('{"a":' * 100_000, "no JSON"),
        ('{"a": ' + "9" * 5000 + "}", "no JSON"),
    ],
)
def test_anything_else_is_no_call_and_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        reading.calls(text)


def test_the_first_value_is_whole_or_none() -> None:
    assert reading.first_value('so: {"a": [1]} {"b": 2}') == {"a": [1]}
    assert reading.first_value('so: {"a": [1]') is None
    assert reading.first_value("nothing") is None


@settings(deadline=None, max_examples=150)
@given(
    value=JSON | CALL | st.lists(CALL, max_size=3) | st.lists(CALL, max_size=3).map(lambda some: {"calls": some}),
    before=st.text(max_size=4),
    after=st.text(max_size=5),
    cut=st.integers(0, 30),
)
def test_whatever_is_written_is_calls_or_a_value_error(value: Any, before: str, after: str, cut: int) -> None:
    text = before + json.dumps(value, ensure_ascii=False)
    try:
        found = reading.calls(text[: len(text) - cut] + after)
    except ValueError:
        return
    for name, arguments in found:
        made = Call(function=name).with_arguments({key: argument(one) for key, one in arguments.items()})
        assert made.render()
        json.dumps(made.structured("q"), allow_nan=False)
