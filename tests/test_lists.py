"""Lists in a question, in brackets or joined by commas: what is read of them, whole or one call each."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.generate import lists, values
from gorilla_rag.validate import schema_errors

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab $", max_size=3), inner, max_size=3),
    max_leaves=8,
)
WORDS = st.sampled_from("apples pears figs plums New_York Rome 7 12.5 1,200".split()).map(
    lambda one: one.replace("_", " ")
)


def bracketed(text: str) -> list[Any]:
    return list(lists.bracketed(text))


def joined(text: str) -> list[list[list[str]]]:
    return list(lists.joined(text))


def whole(question: str, items: dict[str, Any], **schema: Any) -> dict[str, Any] | None:
    """What is offered for a required list."""
    numbers = {"type": "array", "items": items, **schema}
    found = values.offered({"properties": {"x": numbers}, "required": ["x"]}, question)
    return found["properties"]["x"] if found else None


def asked(question: str, required: tuple[str, ...] = (), **properties: Any) -> tuple[int, int]:
    return values.calls_asked({"properties": properties, "required": list(required)}, question)


NUMBER, TEXT = {"type": "number"}, {"type": "string"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the mean of [3, 5.5, -8] please", [[3, 5.5, -8]]),
        ('set {"a": [1, null], "b": true} now', [{"a": [1, None], "b": True}]),
        ("set {'a': None, 'b': True}", [{"a": None, "b": True}]),
        ("points (1, 2) and (3, 4)", [[1, 2], [3, 4]]),
        ("the matrix [[1, 2], [3, 4]]", [[[1, 2], [3, 4]]]),
        ("visit [Rome, New York]", [["Rome", "New York"]]),
        ("see [1], (2) and {x}", [[1]]),
        ("f(x, y) calls it (at [2, 3])", [[2, 3]]),
        ("{{}} and {} stay objects", [{}, {}]),
        ("[it's, Ann's]", []),
        ("['a]b', \"c\"]", [["a]b", "c"]]),
        ("[1, 2) and (3, 4]", []),
        ("[] is empty", [[]]),
    ],
)
def test_what_stands_in_brackets_is_read_as_json_or_as_pythons_literals(text: str, found: list[Any]) -> None:
    assert bracketed(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[{1, 2}]", []),
        ("{(1, 2): 3}", [[1, 2]]),
        ("[b'a']", []),
        ("[...]", []),
        ("{{1}}", []),
        ("[{[]: 1}]", [[]]),
        ("[__import__('os').getcwd]", []),
    ],
)
def test_what_json_has_no_value_for_is_not_read(text: str, found: list[Any]) -> None:
    assert bracketed(text) == found


@pytest.mark.parametrize("text", ["[NaN, 1]", "[1e999, 2]", "[1j, 2]"])
def test_numbers_that_json_does_not_have_are_words(text: str) -> None:
    assert bracketed(text) == [text[1:-1].split(", ")]


@settings(deadline=None, max_examples=60)
@given(st.lists(JSON, max_size=4) | st.dictionaries(st.text("ab c", max_size=3), JSON, max_size=3))
def test_any_json_list_or_object_is_read_as_it_is_wherever_it_stands(value: Any) -> None:
    assert bracketed(f"take {json.dumps(value)}, and go on") == [value]


@settings(deadline=None, max_examples=120)
@given(st.text("[]{}()'\"a1, :.\\\n\x00é🦍", max_size=40) | st.text(max_size=40))
def test_any_text_is_read_without_an_error_and_gives_json(text: str) -> None:
    for one in bracketed(text):
        assert json.loads(json.dumps(one, allow_nan=False)) == one
    for readings in joined(text):
        assert readings
        assert all(len(reading) > 1 and all(reading) for reading in readings)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("buy tomatoes, salad and bread", ["tomatoes", "salad", "bread"]),
        ("from Rome & Oslo", ["Rome", "Oslo"]),
        ("circles of radius 5, 10 and 15", ["5", "10", "15"]),
        ("amounts of 1,200, 1,300 or 5", ["1,200", "1,300", "5"]),
        ("red, and in blue, or the green", ["red", "blue", "green"]),
        ("compare 'Rome', 'New York', 'Oslo'", ["Rome", "New York", "Oslo"]),
    ],
)
def test_a_joined_list_is_among_its_readings(text: str, reading: list[str]) -> None:
    (readings,) = joined(text)
    assert reading in readings
    assert [len(" ".join(one)) for one in readings] == sorted(len(" ".join(one)) for one in readings)


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, min_size=2, max_size=7), st.sampled_from([", ", " , ", ",  ", ", and "]))
def test_whatever_is_joined_is_among_the_readings_of_the_list(items: list[str], comma: str) -> None:
    text = f"Do it with {comma.join(items[:-1])} and {items[-1]}"
    assert any(items in readings for readings in joined(text))


@pytest.mark.parametrize("text", ["nothing", "a sentence. Another one", "one and", ", and so", "[1, 2, 3]", "1,200"])
def test_where_nothing_is_joined_there_is_no_list(text: str) -> None:
    assert joined(text) == []


def test_two_lists_are_two_and_a_long_stretch_between_commas_is_in_none() -> None:
    found = joined("buy figs, plums and pears; call Ann and Bob")
    assert [["figs", "plums", "pears"] in one for one in found] == [True, False]
    assert ["Ann", "Bob"] in found[1]
    assert not any("wall of my old house" in item for one in joined(
        "figs, on the long wall of my old house by the sea, plums"
    ) for reading in one for item in reading)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 50_000 + "b", "(" * 50_000, "[" * 50_000 + "]" * 50_000, "[1, " * 20_000, "{'" * 20_000,
        "a, " * 50_000, " , " * 30_000, "1 and " * 30_000, "(a)" * 30_000,
    ],
    ids=["blanks", "open", "deep", "lists", "quotes", "commas", "both", "words", "many"],
)  # fmt: skip
def test_long_texts_are_read_in_time_in_proportion_to_their_length(text: str) -> None:
    begun = time.monotonic()
    for _ in lists.bracketed(text):
        pass
    for _ in lists.joined(text):
        pass
    assert time.monotonic() - begun < 10


# What they are offered for


@pytest.mark.parametrize(
    ("question", "items", "offered"),
    [
        ("the mean of [3, 5, 8]", NUMBER, [[3, 5, 8]]),
        ("the mean of 3, 5 and 8", NUMBER, [[3, 5, 8]]),
        ("the mean of three, five and 8.5", NUMBER, [[3, 5, 8.5]]),
        ("the mean of [1, 2] or of 3, 5 and 8", NUMBER, [[1, 2]]),
        ("the sum of [[1, 2], [3]]", {"type": "array", "items": NUMBER}, [[[1, 2], [3]]]),
    ],
)
def test_a_list_argument_is_offered_lists_of_the_question_whole(
    question: str, items: dict[str, Any], offered: list[Any]
) -> None:
    assert whole(question, items) == {"enum": [*offered, None]}


def test_a_list_of_texts_is_offered_every_reading() -> None:
    found = whole("buy tomatoes, salad and bread", TEXT)
    assert found
    assert ["tomatoes", "salad", "bread"] in found["enum"]
    assert all(one is None or set(one) >= {"salad"} for one in found["enum"])


def test_only_lists_that_fit_the_schema_are_offered() -> None:
    assert whole("the mean of [3, 5, 8]", NUMBER, maxItems=3) == {"enum": [[3, 5, 8], None]}
    assert (whole("the mean of [3, 5, 8]", NUMBER, maxItems=2) or {}).get("maxItems") == 2
    assert whole("tags [a, b]", {"enum": ["a", "b"]}) == {"enum": [["a", "b"], None]}


def test_an_object_is_offered_as_it_stands() -> None:
    parameters = {
        "properties": {"order": {"type": "object", "properties": {"n": NUMBER}, "required": ["n"]}},
        "required": ["order"],
    }
    found = values.offered(parameters, 'place {"n": 3} and not {"m": 3}')
    assert found
    assert found["properties"]["order"] == {"enum": [{"n": 3}, None]}


def test_no_object_is_offered_that_would_be_read_as_python_of_the_users_own() -> None:
    parameters = {"properties": {"order": {"type": "object"}, "n": NUMBER}, "required": ["n"]}
    found = values.offered(parameters, 'order 3 with {"$expr": "x +"} in it')
    assert found
    assert set(found["properties"]) == {"n"}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-999, 999) | st.floats(-999, 999).map(lambda one: round(one, 3)), min_size=2, max_size=8))
def test_any_list_of_numbers_is_offered_whole(numbers: list[float]) -> None:
    found = whole(f"the mean of {numbers}", NUMBER)
    assert found == {"enum": [numbers, None]}
    assert schema_errors(numbers, {"type": "array", "items": NUMBER}) == []


@pytest.mark.parametrize(
    ("question", "number"),
    [
        ("areas of circles with radius 5, 10 and 15", (3, 3)),
        ("the area of a circle with radius 5", (1, 1)),
        ("one circle", (1, 1)),
    ],
)
def test_as_many_calls_are_asked_for_as_values_are_listed_for_what_a_call_takes_one_of(
    question: str, number: tuple[int, int]
) -> None:
    assert asked(question, ("radius",), radius={"type": "integer"}) == number


def test_numbers_beside_an_arguments_name_may_be_a_call_each() -> None:
    sides = {"base": NUMBER, "height": NUMBER}
    question = "a base of 6 and a height of 10, another with a base of 8 and a height of 9"
    assert asked(question, ("base", "height"), **sides)[1] >= 2
    assert asked("a base of 6 and a height of 10", ("base", "height"), **sides) == (1, 1)


def test_texts_may_be_a_call_each_unless_a_call_takes_them_all() -> None:
    question = "weather in Rome, Oslo and Paris"
    assert asked(question, ("city",), city=TEXT) == (1, 3)
    assert asked("how far from Rome to Oslo and back", ("start", "end"), start=TEXT, end=TEXT) == (1, 1)
    assert asked(question, ("cities",), cities={"type": "array", "items": TEXT}) == (1, 1)


def test_a_number_for_a_list_makes_no_calls() -> None:
    mean = {"numbers": {"type": "array", "items": NUMBER}, "digits": {"type": "integer"}}
    assert asked("the mean of 3, 5 and 8", ("numbers",), **mean)[0] == 1


@settings(deadline=None, max_examples=60)
@given(
    st.text(max_size=60),
    st.dictionaries(st.sampled_from("abc"), st.sampled_from([NUMBER, TEXT, {}, {"$ref": "#/$defs/x"}])),
)
def test_any_question_asks_for_at_least_one_call_and_at_most_for_no_fewer(
    question: str, properties: dict[str, Any]
) -> None:
    least, most = asked(question, ("a",), **properties)
    assert 1 <= least <= most
