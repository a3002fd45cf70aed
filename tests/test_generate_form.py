"""What is asked of an endpoint and how its answer becomes the rest of a draft, without a server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.generate import schema
from gorilla_rag.generate.form import Form, Unfit
from gorilla_rag.generate.partial import StringReader, shown
from gorilla_rag.generate.strict import strict, without_nulls
from gorilla_rag.validate import schema_errors

EXPLAINING = '{"choice": "A", "arguments": {}, "explanation": "run'
EXPLAINED = schema.draft_schema("A", {}, pattern=r"^run [a-z]+\.$")

OPTIONAL = st.recursive(
    st.sampled_from(
        [
            {"type": "integer", "minimum": 2, "maximum": 9},
            {"enum": ["a", 1, None, True]},
            {"const": "x"},
            {"type": ["string", "null"]},
            {"type": "string", "maxLength": 4},
            {"type": "string", "pattern": "(?=a)b"},
            {},
        ]
    ),
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item, "maxItems": 2}, inner),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
        st.builds(
            lambda item, needed: {"type": "object", "properties": {"a": item}, "required": ["a"] * needed},
            inner,
            st.booleans(),
        ),
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(OPTIONAL)
def test_what_is_sent_is_in_strict_mode_and_compiles(value: dict[str, Any]) -> None:
    sent = strict({"type": "object", "properties": {"v": value}})

    def objects(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for item in part.values():
                yield from objects(item)
        elif isinstance(part, list):
            for item in part:
                yield from objects(item)

    for found in objects(sent):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])
    assert schema.compilable(sent).removed == ()


@settings(max_examples=150, deadline=None)
@given(st.fixed_dictionaries({"a": st.integers(2, 9)}, optional={"b": st.text("xy", max_size=4), "c": st.booleans()}))
def test_what_was_left_out_comes_back_left_out(value: dict[str, Any]) -> None:
    properties = {"a": {"type": "integer"}, "b": {"type": "string", "maxLength": 4}, "c": {"type": "boolean"}}
    whole = {"type": "object", "properties": properties, "required": ["a"], "additionalProperties": False}
    nested = {
        "type": "object",
        "properties": {"deep": {"type": "array", "items": {"anyOf": [{"type": "null"}, whole]}}},
    }
    sent = {"deep": [{**dict.fromkeys(properties), **value}, None]}
    assert schema_errors(sent, strict(nested)) == []
    assert without_nulls(sent, nested) == {"deep": [value, None]}


def test_only_patterns_that_servers_read_alike_are_sent() -> None:
    kept = [r"^[a-z]+$", r"^\d{3}-\w+$", r"^(a|b)\.$"]
    left = [r"[a-z]+", r"^(?=a)b$", r"^(a)\1$", r"^\bword$", r"^(?i)a$", r"^\p{L}$"]
    assert [strict({"type": "string", "pattern": one}) for one in kept] == [
        {"type": "string", "pattern": one} for one in kept
    ]
    assert all(strict({"type": "string", "pattern": one}) == {"type": "string"} for one in left)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(codec=None)), st.lists(st.integers(1, 9), min_size=1), st.booleans())
def test_a_string_in_pieces_is_decoded_as_the_whole(value: str, sizes: list[int], ascii_only: bool) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only)[1:] + ', "more": "x"}'
    reader, found, cut = StringReader(), "", 0
    for size in itertools.chain(sizes, itertools.repeat(3, len(written))):
        found += reader.feed(written[cut : cut + size])
        cut += size
    assert found == shown(json.loads(json.dumps(value)))
    assert reader.ended


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1), st.lists(st.integers(1, 9), min_size=1), st.booleans())
def test_pieces_put_together_are_the_rest_of_the_draft(value: str, sizes: list[int], begins: bool) -> None:
    form = Form(EXPLAINED, EXPLAINING)
    answer = json.dumps({"explanation": f"run {value}" if begins else value}, indent=1)
    ends = [0, *itertools.accumulate(sizes), len(answer)]
    cut = iter([answer[a:b] for a, b in itertools.pairwise(sorted(ends))])
    rest = "".join(form.pieces(cut))
    assert rest == form.rest(answer)
    assert json.loads(EXPLAINING + rest)["explanation"].startswith("run")


def test_an_answer_with_a_key_twice_does_not_fit() -> None:
    form = Form(EXPLAINED, EXPLAINING)
    with pytest.raises(Unfit, match="twice"):
        list(form.pieces(iter(['{"explanation": "run one", ', '"explanation": "run two"}'])))
