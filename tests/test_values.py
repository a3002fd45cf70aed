"""Only values that stand in the question are offered for the arguments of a tool, in the form its schema wants."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.errors import UsageError
from gorilla_rag.generate import given as given_values
from gorilla_rag.generate import numbers, values


def offered(question: str, required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any] | None:
    return values.offered({"properties": properties, "required": list(required)}, question)


def given_to(question: str, schema: dict[str, Any], name: str = "x") -> list[Any] | None:
    """The values offered for a required argument."""
    found = offered(question, (name,), **{name: schema})
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
        ("five point five", [5.5]),
        ("minus three point two degrees, negative four, minus 0.5", [-3.2, -4, -0.5]),
        ("one two point five, twenty-one point oh five", [1, 2.5, 21.05]),
        ("pi is three point one four one five", [3.1415]),
        ("two point five million, three point twenty five, one point fourteen", [2_500_000, 3.25, 1.14]),
        ("ten minus three is 10 minus 3", [10, 3, 10, 3]),
        ("at one point, five people; the point of two points", [1, 5, 2]),
    ],
)
def test_numbers_are_read_in_digits_and_in_words(text: str, read: list[float]) -> None:
    assert [number.value for number in numbers.read(text)] == read


@given(st.integers(0, 10**12))
def test_a_number_is_read_as_it_was_written(number: int) -> None:
    assert [one.value for one in numbers.read(f"take {number:,} of them")] == [number]


@given(st.integers(0, 99), st.lists(st.integers(0, 9), min_size=1, max_size=6), st.booleans())
def test_a_decimal_is_read_as_it_is_spoken(whole: int, decimals: list[int], below: bool) -> None:
    digits = "zero one two three four five six seven eight nine".split()
    text = f"{'minus ' if below else ''}{spelled(whole)} point {' '.join(digits[one] for one in decimals)}"
    wanted = float(f"{'-' if below else ''}{whole}.{''.join(map(str, decimals))}")
    assert [one.value for one in numbers.read(f"take {text} of them")] == [wanted]


def spelled(number: int) -> str:
    """A number below a hundred in words."""
    words = {value: word for word, value in numbers._WORDS.items()}
    return words[number] if number in words else f"{words[number // 10 * 10]}-{words[number % 10]}"


def test_a_percentage_is_a_fraction_unless_percent_is_wanted() -> None:
    assert given_to("raise it by 20 %", {"type": "number"}) == [0.2, None]
    assert given_to("raise it by 20 %", {"type": "integer"}, "volume_percent") == [20, None]
    assert given_to("raise it by two point five percent", {"type": "number"}) == [0.025, None]
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
        ({"type": "string", "format": "date-time"}, "on 3 May 2026 at 10:30", ["2026-05-03T10:30:00Z"]),
        ({"type": "string", "format": "date"}, "02.03.2026, or 02/04/2026", ["2026-03-02", "2026-02-04", "2026-04-02"]),
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
    assert given_to("how deep?", unit) == ["metres", "feet", None]
    assert offered("how deep?", unit=unit) is None


def test_what_may_be_left_out_is_offered_only_if_the_question_speaks_of_it() -> None:
    limit = {"type": "integer"}
    assert offered("show 5 pets", limit=limit) is None
    found = offered("show pets, limit 5", limit=limit)
    assert found
    assert found["properties"] == {"limit": {"enum": [5]}}


def test_what_is_required_and_can_not_be_given_is_not_offered_and_missing() -> None:
    found = offered("book it", ("seats", "flag"), seats={"type": "integer"}, flag={"type": "boolean"})
    assert found
    assert (list(found["properties"]), found["required"]) == (["flag"], ["flag"])
    parameters = {"properties": {"seats": {"type": "integer"}, "flag": {}}, "required": ["seats", "flag"]}
    assert given_values.completed({"flag": True}, parameters) == ({"flag": True}, ("seats",))


def test_a_default_stands_in_for_what_is_required() -> None:
    seats = {"type": "integer", "default": 2}
    found = offered("book it", ("seats",), seats=seats)
    assert found
    assert found["properties"] == {"seats": {"const": 2}}
    assert given_values.completed({"seats": None}, {"properties": {"seats": seats}, "required": ["seats"]}) == (
        {"seats": 2},
        (),
    )


def test_objects_and_lists_are_narrowed_to_any_depth() -> None:
    inner: dict[str, Any] = {"type": "integer"}
    for _ in range(4):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    found = offered("7", ("x",), x={"type": "array", "items": inner})
    assert found
    part = found["properties"]["x"]["items"]
    for _ in range(4):
        assert part["additionalProperties"] is False
        part = part["properties"]["a"]
    assert part == {"enum": [7, None]}


BODY = {"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}}, "required": ["n", "s"]}


def test_a_missing_part_of_an_object_is_named_by_its_path() -> None:
    parameters = {"properties": {"body": BODY, "also": BODY}, "required": ["body"]}
    assert given_values.completed({"body": {"s": "a", "n": None}}, parameters) == ({"body": {"s": "a"}}, ("body.n",))
    assert given_values.completed({}, parameters) == ({}, ("body",))


def test_a_missing_part_of_a_list_or_of_an_alternative_is_named_too() -> None:
    card = {"type": "object", "properties": {"card": {"type": "string"}}, "required": ["card"]}
    parameters = {"properties": {"some": {"type": "array", "items": BODY}, "how": {"anyOf": [BODY, card]}}}
    assert given_values.completed({"how": {"card": "visa"}}, parameters)[1] == ()
    found, missing = given_values.completed({"some": [{"n": 1, "s": None}], "how": {"card": None}}, parameters)
    assert found == {"some": [{"n": 1}], "how": {}}
    assert missing == ("some.s", "how.card")


def test_an_object_that_may_be_left_out_is_offered_whole() -> None:
    field = {"type": "string", "enum": ["age", "name"]}
    both = {
        "type": "object",
        "properties": {"field": field, "value": {"type": "integer"}},
        "required": ["field", "value"],
    }
    found = offered("list pets, filter by the age of 7", filter=both)
    assert found
    assert found["properties"]["filter"]["required"] == ["field", "value"]


@pytest.mark.parametrize("references", [2, 3, 5])
def test_a_schema_that_refers_to_itself_comes_to_an_end_soon(references: int) -> None:
    names = [f"part{number}" for number in range(references)]
    tree: dict[str, Any] = {name: {"$ref": "#/$defs/tree"} for name in names} | {"n": {"type": "string"}}
    parameters = {
        "properties": {"t": {"$ref": "#/$defs/tree"}}, "required": ["t"],
        "$defs": {"tree": {"type": "object", "properties": tree, "required": [*names, "n"]}},
    }  # fmt: skip
    begun = time.monotonic()
    found = values.offered(parameters, "find the part1 part2 part3 part4 of seven words")
    assert time.monotonic() - begun < 20
    assert len(json.dumps(found)) < 5_000_000


def test_null_says_that_nothing_is_given_unless_it_is_a_value() -> None:
    inner = {"type": "object", "properties": {"d": {"type": ["integer", "null"]}, "e": {"type": "integer"}}}
    parameters = {
        "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}, "c": inner},
        "required": ["a"],
    }
    found, missing = given_values.completed({"a": None, "b": None, "c": {"d": None, "e": None}}, parameters)
    assert found == {"b": None, "c": {"d": None}}
    assert missing == ("a",)
    offer = offered("close ticket 7", ("comment",), comment={"type": ["string", "null"]})
    assert offer
    assert None in offer["properties"]["comment"]["enum"]


def test_what_is_given_is_put_in_by_its_path() -> None:
    parameters = {"properties": {"body": BODY}, "required": ["body"]}
    told = given_values.told({"body.n": 3}, parameters)
    assert given_values.merged({"body": {"s": "a"}}, told) == {"body": {"s": "a", "n": 3}}
    for wrong in ({"bodi": 1}, {"body.m": 1}, {"body": {1, 2}}):
        with pytest.raises(UsageError):
            given_values.told(wrong, parameters)


def test_an_option_may_be_a_word_of_little_meaning() -> None:
    state = {"type": "string", "enum": ["on", "off"]}
    assert given_to("turn the light on that was off", state) == ["on", "off", None]
    assert given_to("turn the light on", state) == ["on"]


def test_a_number_is_no_option_unless_the_argument_is_named_beside_it() -> None:
    size = {"type": "integer", "enum": [10, 20, 50]}
    assert offered("restaurants within 20 km", page_size=size) is None
    found = offered("restaurants, page size 20", page_size=size)
    assert found
    assert found["properties"]["page_size"] == {"enum": [20]}


def test_a_number_beside_another_name_is_still_there_for_what_needs_one() -> None:
    account = {"type": "integer"}
    found = offered("Transfer 50 from account 123", ("amount",), amount=account, from_account=account)
    assert found
    assert found["properties"]["amount"]["enum"][0] == 50


# What may be left out and is named


def test_an_option_that_the_question_names_in_all_its_words_is_given() -> None:
    text, flag = {"type": "string"}, {"type": "boolean"}
    question = "Send it by express, the card text is 'Get well'"
    offer = offered(question, gas_mark={"type": "number"}, card_text=text, express=flag, with_breakfast=flag) or {}
    assert offer["properties"]["express"] == {"const": True}
    assert sorted(offer["required"]) == ["card_text", "express"]
    assert "with_breakfast" not in offer["properties"]


def test_of_several_calls_what_is_named_may_be_meant_for_one() -> None:
    flag = {"properties": {"express": {"type": "boolean"}}}
    offer = values.offered(flag, "Send this by express and that as a letter", single=False) or {}
    assert offer["properties"]["express"] == {"type": "boolean"}
    assert not offer["required"]


@pytest.mark.parametrize(
    "question", ["Send it, but not by express", "No express please", "don't use express", "without express"]
)
def test_what_is_named_to_be_left_out_is_for_the_model_to_say(question: str) -> None:
    assert (offered(question, express={"type": "boolean"}) or {})["properties"]["express"] == {"type": "boolean"}


def test_a_year_is_one_without_being_called_so() -> None:
    whole = {"type": "integer"}
    offer = offered("How many turtles were there in 2020?", year=whole, releaseYear=whole, years=whole) or {}
    assert offer["properties"] == {"year": {"enum": [2020]}, "releaseYear": {"enum": [2020]}}
    assert offered("Is a turtle worth 2,020 shells, or 2020 % of one?", year=whole) is None
