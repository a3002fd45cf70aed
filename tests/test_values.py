"""Only values that stand in the question are offered for the arguments of a tool, in the form its schema wants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.generate import numbers, values


def offered(question: str, required: tuple[str, ...] = (), **properties: Any) -> values.Offer:
    return values.offered({"properties": properties, "required": list(required)}, question)


def given_to(question: str, schema: dict[str, Any], name: str = "x") -> list[Any] | None:
    """The values offered for a required argument."""
    found = offered(question, (name,), **{name: schema}).schema
    return found["properties"][name]["enum"] if found else None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1,200.50 and 3 million", [1200.5, 3_000_000]),
        ("from 1,2,3 and [4, 5]", [1, 2, 3, 4, 5]),
        ("twenty-five people, two hundred and five euros", [25, 205]),
        ("one two three", [1, 2, 3]),
        ("a dozen eggs, one hundred million", [12, 100_000_000]),
        ("-3.5 degrees at 10pm, 5k", [-3.5, 10, 5000]),
        ("version 1.2.3, wav2vec2 and v5", []),
        ("someone phones hundreds", []),
        ("2024-10-12", [2024, 10, 12]),
    ],
)
def test_numbers_are_read_in_digits_and_in_words(text: str, read: list[float]) -> None:
    assert [number.value for number in numbers.read(text)] == read


@given(st.integers(0, 10**12))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert [one.value for one in numbers.read(f"take {number:,} of them")] == [number]


def test_a_percentage_is_a_fraction_unless_percent_is_wanted() -> None:
    assert given_to("raise it by 20 %", {"type": "number"}) == [0.2, None]
    assert given_to("raise it by 20 %", {"type": "integer"}, "volume_percent") == [20, None]
    assert given_to("raise it by twenty percent", {"type": "number", "description": "In percent."}) == [20, 0.2, None]


def test_a_text_is_copied_as_it_stands() -> None:
    found = given_to("Find Dr. Ærø's clinic in New York, NY.", {"type": "string"})
    assert found
    assert {"New York, NY", "New York", "Dr. Ærø", "clinic", None} <= set(found)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
@settings(deadline=None)
def test_every_text_that_is_offered_stands_in_the_question(question: str) -> None:
    for one in given_to(question, {"type": "string"}) or []:
        assert one is None or one in question


def test_what_stands_in_quotes_is_offered_first() -> None:
    found = given_to(
        "call the list 'songs for the road, part 2 of a long, long series of many songs'", {"type": "string"}
    )
    assert found
    assert found[0] == "songs for the road, part 2 of a long, long series of many songs"


@pytest.mark.parametrize(
    ("schema", "question", "expected"),
    [
        ({"type": "string", "format": "date"}, "on 2 May 2026 or May 3rd, 2026", ["2026-05-02", "2026-05-03"]),
        ({"type": "string", "format": "date-time"}, "at 2026-05-04T10:30:00Z", ["2026-05-04T10:30:00+00:00"]),
        ({"type": "string", "format": "email"}, "write to a.b@example.com.", ["a.b@example.com"]),
        ({"type": "string", "format": "uri"}, "see https://example.com/a?b=c.", ["https://example.com/a?b=c"]),
        ({"type": "string", "format": "time"}, "at 23:59, not 24:10", ["23:59"]),
        ({"type": "string", "pattern": "^RM[0-9a-f]+$"}, "who is in room RM9a2 now", ["RM9a2"]),
        ({"type": "integer", "minimum": 3, "maximum": 5}, "1 2 3 4 5 6", [3, 4, 5]),
        ({"type": "integer"}, "2.5 or 7", [7]),
    ],
)  # fmt: skip
def test_values_are_written_as_the_schema_wants_them(
    schema: dict[str, Any], question: str, expected: list[Any]
) -> None:
    assert given_to(question, schema) == [*expected, None]


def test_an_option_that_is_named_is_the_only_one() -> None:
    unit = {"type": "string", "enum": ["metres", "feet"]}
    assert given_to("how deep in feet?", unit) == ["feet"]
    assert given_to("how deep?", unit) == ["metres", "feet"]
    assert offered("how deep?", unit=unit).schema is None


def test_what_may_be_left_out_is_offered_only_if_the_question_speaks_of_it() -> None:
    limit = {"type": "integer"}
    assert offered("show 5 pets", limit=limit).schema is None
    found = offered("show pets, limit 5", limit=limit).schema
    assert found
    assert found["properties"] == {"limit": {"enum": [5]}}


def test_what_is_required_and_can_not_be_given_is_missing() -> None:
    found = offered("book it", ("seats", "flag"), seats={"type": "integer"}, flag={"type": "boolean"})
    assert found.missing == ("seats",)
    assert found.schema
    assert found.schema["required"] == ["flag"]


def test_a_default_stands_in_for_what_is_required() -> None:
    found = offered("book it", ("seats",), seats={"type": "integer", "default": 2})
    assert found.missing == ()
    assert found.schema
    assert found.schema["properties"] == {"seats": {"const": 2}}


def test_objects_and_lists_are_narrowed_to_any_depth() -> None:
    inner: dict[str, Any] = {"type": "integer"}
    for _ in range(4):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    found = offered("7", ("x",), x={"type": "array", "items": inner}).schema
    assert found
    part = found["properties"]["x"]["items"]
    for _ in range(4):
        assert part["additionalProperties"] is False
        part = part["properties"]["a"]
    assert part == {"enum": [7, None]}


def test_a_missing_part_of_an_object_is_named_by_its_path() -> None:
    body = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["n", "s"]}
    assert offered("rename it", ("body",), body=body).missing == ("body.n",)


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    tree = {
        "type": "object",
        "properties": {"of": {"$ref": "#/$defs/tree"}, "n": {"type": "integer"}},
        "required": ["of"],
    }
    found = values.offered(
        {"properties": {"t": {"$ref": "#/$defs/tree"}}, "required": ["t"], "$defs": {"tree": tree}}, "7"
    )
    assert found.missing


def test_null_is_what_is_asked_for_unless_it_is_a_value() -> None:
    parameters = {
        "properties": {
            "a": {"type": "string"},
            "b": {"type": ["string", "null"]},
            "c": {"type": "object", "properties": {"d": {}, "e": {"type": "integer"}}},
        }
    }
    found, missing = values.completed({"a": None, "b": None, "c": {"d": None, "e": None}}, parameters)
    assert found == {"b": None, "c": {"d": None}}
    assert missing == ("a", "c.e")
