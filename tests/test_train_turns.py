"""Turns: what a model is trained to write is what `ask` puts to it and reads from it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from gorilla_rag.answer import NONE, Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.generate.base import Message
from gorilla_rag.generate.write import Labels, Writer
from gorilla_rag.train import turns
from gorilla_rag.train.turns import Reader, Turn, Unwritable
from tests.toys import Asked, Toy

READER = Reader(Toy.context, Toy().count_tokens)
WEATHER = ApiDoc(
    id="weather",
    api_call="get_forecast",
    api_name="get_forecast",
    description="Forecast of a place.",
    kind="tool",
    parameters={
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "days": {"type": "integer", "description": "How many days."},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["place", "days"],
    },
)
ROTATE = ApiDoc(
    id="rotate",
    api_call="images.rotate(image, angle)",
    api_name="images.rotate",
    parameters={
        "properties": {"image": {"type": "string"}, "angle": {"type": "number"}},
        "required": ["image", "angle"],
    },
)


def scripted(text: str) -> Toy:
    """A model that writes what it is told to."""
    return Toy(lambda _: text)


def put(asked: Sequence[Asked]) -> list[tuple[tuple[Message, ...], str]]:
    """What a model was asked, as a turn has it."""
    return [(tuple(one.messages), one.prefill) for one in asked]


def filled(turn: Turn | None, doc: ApiDoc, question: str) -> tuple[Toy, list[dict[str, Any]]]:
    """What the writer asks of a model that writes a turn, and the arguments that it reads from it."""
    assert turn is not None
    model = scripted(turn.target)
    found = Writer(lambda: model, question).calls(doc, "C", question, most=turns.MOST_CALLS)
    return model, [json.loads(one.written) for one in found]


@pytest.mark.parametrize(
    ("question", "calls"),
    [
        ("Forecast for Oslo for 3 days", [{"place": "Oslo", "days": 3}]),
        ("forecast for Oslo for 3 days in fahrenheit", [{"place": "Oslo", "days": 3, "unit": "fahrenheit"}]),
        (
            "3 days of forecast for Oslo, and 5 days for Bergen",
            [{"place": "Oslo", "days": 3}, {"place": "Bergen", "days": 5}],
        ),
    ],
)
def test_what_fills_in_a_tool_is_asked_and_read_as_ask_does(question: str, calls: list[dict[str, Any]]) -> None:
    turn = turns.filling(question, WEATHER, calls, "C", READER, source="x")
    model, found = filled(turn, WEATHER, question)
    assert turn is not None
    assert put(model.asked) == [(turn.messages, turn.prefill)]
    assert found == calls


def test_what_is_required_and_not_given_is_null() -> None:
    question = "Forecast for Oslo please"
    turn = turns.filling(question, WEATHER, [{"place": "Oslo"}], "C", READER, source="x")
    assert turn is not None
    assert filled(turn, WEATHER, question)[1] == [{"place": "Oslo"}]


def test_an_argument_of_python_that_is_not_given_is_the_users_own_variable() -> None:
    question = "turn my picture by 90 degrees"
    turn = turns.filling(question, ROTATE, [{"angle": 90}], "C", READER, source="x")
    assert turn is not None
    assert turn.target == '{"image": {"$expr": "image"}, "angle": 90}'
    model, (values,) = filled(turn, ROTATE, question)
    assert put(model.asked) == [(turn.messages, turn.prefill)]
    assert values == {"image": {"$expr": "image"}, "angle": 90}


def test_what_no_grammar_allows_is_not_taught() -> None:
    with pytest.raises(Unwritable, match="2 calls"):
        turns.filling("Forecast for Oslo for 3 days", WEATHER, [{}, {}], "C", READER, source="x")
    with pytest.raises(Unwritable, match="Paris"):
        turns.filling("Forecast for Oslo for 3 days", WEATHER, [{"place": "Paris", "days": 3}], "C", READER, source="x")


def test_a_question_that_gives_nothing_has_nothing_to_fill_in() -> None:
    bare = ApiDoc(id="now", api_call="clock.now()", parameters={})
    assert turns.filling("What time is it?", bare, [{}], "C", READER, source="x") is None


def candidates(*docs: ApiDoc) -> list[Candidate]:
    return [Candidate((Hit(doc, 1.0, rank, {}),)) for rank, doc in enumerate(docs, start=1)]


def test_choosing_is_asked_as_ask_does() -> None:
    shown = candidates(ROTATE, WEATHER)
    turn = turns.choosing("Forecast for Oslo", shown, 1, READER, source="x")
    model = Toy()
    Writer(lambda: model, "Forecast for Oslo").labels(shown, "Forecast for Oslo")
    assert put(model.chose) == [(turn.messages, turn.prefill)]
    assert turn.target == 'B"}'
    assert turns.choosing("Bake a cake", shown, None, READER, source="x").target == f'{NONE}"}}'


def test_choosing_none_is_asked_as_ask_does_of_a_model_that_has_learnt_it() -> None:
    shown = candidates(ROTATE, WEATHER)
    turn = turns.choosing("Forecast for Oslo", shown, 1, READER, source="x", may_refuse=True)
    model = Toy(refuses=True)
    found = Writer(lambda: model, "Forecast for Oslo").labels(shown, "Forecast for Oslo")
    assert put(model.chose) == [(turn.messages, turn.prefill)]
    assert found == Labels((-0.01, -9.0), math.exp(-9.0))


def test_a_right_candidate_without_room_is_not_taught() -> None:
    short = Reader(490, READER.count_tokens)
    with pytest.raises(Unwritable, match="room for 1 of 2"):
        turns.choosing("Forecast " * 20, candidates(ROTATE, WEATHER), 1, short, source="x")


def test_further_questions_are_asked_about_the_documents_that_are_shown() -> None:
    shown = candidates(WEATHER, ROTATE)
    then = [("turn my picture", 1), ("sing a song", None), ("three", 2)]
    turn = turns.choosing("Will it rain?", shown, 0, READER, source="x", may_refuse=True, then=then)
    alone = turns.choosing("turn my picture", shown, 1, READER, source="x", may_refuse=True)
    first, second = turn.then
    assert alone.messages[-1]["content"].endswith(first[0]["content"])
    assert (first[0]["role"], first[1], second[1]) == ("user", alone.target, f'{NONE}"}}')


def test_explaining_is_asked_and_read_as_ask_does() -> None:
    question, text = (
        "Forecast for Oslo",
        "get_forecast tells the weather in Oslo (la météo) for the days you name.",
    )
    shown = turns.shown_arguments(question, WEATHER, {"place": "Oslo"})
    turn = turns.explaining(question, WEATHER, shown, text, "C", READER, source="x")
    model = scripted(turn.target)
    writer = Writer(lambda: model, question)
    turn_of_arguments = turns.filling(question, WEATHER, [{"place": "Oslo"}], "C", READER, source="x")
    assert turn_of_arguments is not None
    (arguments,) = Writer(lambda: scripted(turn_of_arguments.target), question).calls(WEATHER, "C", question)
    assert "".join(writer.explanation(WEATHER, "C", arguments)) == text
    assert put(model.asked) == [(turn.messages, turn.prefill)]


@pytest.mark.parametrize(
    "text",
    [
        "Returns the weather of a place for some days.",
        "get_forecast Tells the weather in Oslo for the days.",
        "get_forecast tells the weather. It needs the days too.",
        'get_forecast tells the "weather" in Oslo for the days.',
        "get_forecast tells the weather in Oslo for the days",
        f"get_forecast tells {'all ' * 80}of it.",
    ],
)
def test_an_explanation_that_ask_could_not_write_is_not_taught(text: str) -> None:
    with pytest.raises(Unwritable, match="one plain sentence"):
        turns.explaining("Forecast for Oslo", WEATHER, {}, text, "C", READER, source="x")


def test_the_call_before_an_explanation_is_shown_as_ask_shows_it() -> None:
    question = "Forecast for Oslo for 3 days, in fahrenheit"
    given = {"unit": "fahrenheit", "days": 3, "place": "Oslo"}
    turn = turns.filling(question, WEATHER, [given], "C", READER, source="x", most=1)
    assert turn is not None
    (found,) = Writer(lambda: scripted(turn.target), question).calls(WEATHER, "C", question)
    assert json.dumps(turns.shown_arguments(question, WEATHER, given)) == found.written
    turned = turns.filling("turn it by 90 degrees", ROTATE, [{"angle": 90}], "C", READER, source="x")
    assert turned is not None
    (rotated,) = Writer(lambda: scripted(turned.target), "turn it by 90 degrees").calls(
        ROTATE, "C", "turn it by 90 degrees"
    )
    assert json.dumps(turns.shown_arguments("turn it by 90 degrees", ROTATE, {"angle": 90})) == rotated.written


def test_a_single_call_is_asked_otherwise_where_there_may_be_several() -> None:
    question, calls = "Forecast for Oslo or Bergen for 3 days and 5 days", [{"place": "Oslo", "days": 3}]
    one = turns.filling(question, WEATHER, calls, "C", READER, source="x", most=1)
    several = turns.filling(question, WEATHER, calls, "C", READER, source="x")
    assert one is not None
    assert several is not None
    assert one.prefill.endswith('"arguments":')
    assert several.prefill.endswith('"calls":')
    assert json.loads(several.target) == [json.loads(one.target)]


def test_a_call_from_memory_is_asked_as_ask_does() -> None:
    call, said = "weather.get(place='Oslo')", "weather.get tells the weather in Oslo."
    turn = turns.recalling("Forecast for Oslo", call, said, READER, source="x")
    model = scripted(turn.target)
    draft, reason = Writer(lambda: model, "Forecast for Oslo").recall((), None)
    assert put(model.asked) == [(turn.messages, turn.prefill)]
    assert draft is not None, reason
    assert (draft.choice, draft.explanation) == (call, said)
