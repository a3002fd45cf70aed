"""Several calls, and calls with nothing masked, through an endpoint."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag import Answer, Gorilla
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import EndpointError, GenerationFailed
from gorilla_rag.generate.base import Usage
from gorilla_rag.generate.openai import OpenAIGenerator
from gorilla_rag.index.index import Index
from tests.endpoints import DONE, END, KEY_ENV, USED, Fake, Say, chat, event, events, fake
from tests.test_generate_typed import tool
from tests.toys import Toy

ASKED = [{"role": "system", "content": "Call."}, {"role": "user", "content": "Which one?"}]
BEGUN = '{"calls": [{"tool_name": "'
CALLS = [{"tool_name": "get_weather", "arguments": {"city": "Rome"}}, {"tool_name": "play", "arguments": {}}]
WHOLE = json.dumps({"calls": CALLS})
REST = WHOLE[len(BEGUN) :]
CITIES = "Tell me the weather in Rome, Oslo and Paris"
DOCS = [
    tool(
        "get_weather", "Tells the weather in a city.", ("city",), city={"type": "string"}, windy={"type": "boolean"}
    ),
    tool("play_music", "Plays music.", loud={"type": "boolean"}),
]  # fmt: skip


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Gorilla.from_docs(DOCS, encoder=EmbeddedEncoder(), generator=Toy)
    yield made.index
    made.index.close()


def of(server: Fake, **how: Any) -> OpenAIGenerator:
    return OpenAIGenerator("m", url=server.url, **{"key_env": KEY_ENV, "backoff": 0.001, "timeout": 5.0, **how})


def told(server: Fake, prefill: str = BEGUN) -> tuple[str, Usage]:
    """What a model writes that was only told how to begin."""
    *pieces, last = of(server).stream(ASKED, prefill, grammar=None, max_tokens=50)
    assert isinstance(last, Usage)
    return "".join(piece for piece in pieces if isinstance(piece, str)), last


def streamed(*pieces: str) -> Say:
    return events(*map(event, pieces), END, USED, DONE)


def cut(text: str, places: Sequence[int]) -> list[str]:
    """A text in pieces."""
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[first:last] for first, last in itertools.pairwise(ends)]


def ask(index: Index, server: Fake, question: str = CITIES, **how: Any) -> Answer:
    return Gorilla(index, lambda: of(server)).ask(question, **{"calls": 4, "fields": "call", **how})


# How the answer is to begin


LAYOUTS = {
    "repeats": WHOLE,
    "does not": REST,
    "blanks": f"\n  {WHOLE}",
    "blanks before the rest": f"\n {REST}",
    "compact": json.dumps({"calls": CALLS}, separators=(",", ":")),
    "indented": json.dumps({"calls": CALLS}, indent=2),
    "fenced": f"```json\n{WHOLE}\n```",
    "fenced, no language": f"```\n{json.dumps({'calls': CALLS}, indent=1)}\n```",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_that_was_told_how_to_begin_may_begin_again_or_go_on(layout: str) -> None:
    with fake(streamed(*cut(LAYOUTS[layout], range(0, 400, 7)))) as server:
        found, usage = told(server)
    assert json.JSONDecoder().raw_decode(BEGUN + found)[0] == {"calls": CALLS}
    assert (usage.prompt, usage.completion, usage.stopped) == (5, 3, "stop")


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(sorted(LAYOUTS)), st.lists(st.integers(0, 200), max_size=12))
def test_it_makes_no_difference_where_the_pieces_of_a_stream_end(layout: str, places: list[int]) -> None:
    with fake(chat(LAYOUTS[layout]), streamed(*cut(LAYOUTS[layout], places))) as server:
        assert told(server)[0] == told(server)[0]


def test_the_beginning_is_told_and_nothing_is_asked_of_the_form() -> None:
    with fake(streamed(WHOLE)) as server:
        told(server)
        (sent,) = server.asked
    assert sent["messages"] == [ASKED[0], {"role": "user", "content": f"Which one?\n\nBegin your answer with {BEGUN}"}]
    assert "response_format" not in sent
    assert (sent["temperature"], sent["max_tokens"], sent["stream"]) == (0, 50, True)
    assert ASKED[1]["content"] == "Which one?"


@pytest.mark.parametrize("text", ["```json\n{}\n```", "  two blanks", "", BEGUN])
def test_free_text_that_was_not_begun_stays_as_it_is(text: str) -> None:
    with fake(streamed(*cut(text, [3]))) as server:
        assert told(server, "")[0] == text
        assert server.asked[0]["messages"] == ASKED


@pytest.mark.parametrize("pieces", [[], ['{"calls"'], [WHOLE[:40]]])
def test_a_stream_that_breaks_off_is_an_error_in_the_beginning_too(pieces: list[str]) -> None:
    with fake(events(*map(event, pieces))) as server, pytest.raises(EndpointError) as caught:
        told(server)
    assert caught.value.reason == "down"


def test_an_answer_that_is_shorter_than_the_beginning_is_all_there_is() -> None:
    for text in ("", "No.", '{"calls": []}'):
        with fake(streamed(text)) as server:
            assert told(server)[0] == text


# Calls with nothing masked


@pytest.mark.parametrize("layout", LAYOUTS)
def test_calls_that_nothing_masked_are_read_and_what_they_took_is_counted(index: Index, layout: str) -> None:
    with fake(streamed(*cut(LAYOUTS[layout], range(0, 400, 5)))) as server:
        answer = ask(index, server, constrain="none")
    assert [call.render() for call in answer.calls] == ["get_weather(city='Rome')", "play()"]
    assert answer.tokens == {"prompt": 5, "cached": 0, "completion": 3}
    assert [check.name for check in answer.verdict.failed] == ["documented"]


def test_an_answer_that_was_cut_off_is_a_refusal(index: Index) -> None:
    for said in (streamed(WHOLE[:-20]), streamed("I can't."), chat(None)):
        with fake(said) as server:
            answer = ask(index, server, constrain="none")
        assert answer.refused
        assert answer.reason.startswith("the model wrote no call")


# Calls that are held to their schemas


def test_several_calls_are_asked_for_as_a_list(index: Index) -> None:
    written = {"calls": [{"city": "Rome", "windy": None}, {"city": "Oslo", "windy": True}]}
    with fake(chat(json.dumps(written))) as server:
        answer = ask(index, server, CITIES + " if it is windy")
        (sent,) = server.asked
    assert [call.values for call in answer.calls] == [{"city": "Rome"}, {"city": "Oslo", "windy": True}]
    assert answer.verdict.ok
    asked = sent["response_format"]["json_schema"]["schema"]
    assert asked["required"] == ["calls"]
    calls = asked["properties"]["calls"]
    assert (calls["type"], calls["minItems"], calls["maxItems"]) == ("array", 1, 3)
    assert set(calls["items"]["properties"]) == {"city", "windy"}
    city = calls["items"]["properties"]["city"]["anyOf"]
    assert {"Rome", "Oslo", "Paris"} <= set(next(one["enum"] for one in city if one["type"] == "string"))
    assert sent["messages"][-1]["content"].endswith("with null for what the task doesn't set")
    assert 'Begin your answer with {"calls":' in sent["messages"][-1]["content"]


def test_one_call_is_asked_for_where_one_is_allowed(index: Index) -> None:
    with fake(chat('{"arguments": {"city": "Rome"}}')) as server:
        assert ask(index, server, calls=1).api_call == "get_weather(city='Rome')"


def test_what_a_call_through_an_endpoint_lacks_is_missing(index: Index) -> None:
    with fake(chat('{"calls": [{"city": "Rome"}, {"city": null}]}')) as server:
        answer = ask(index, server)
    assert [call.values for call in answer.calls] == [{"city": "Rome"}]
    with fake(chat('{"calls": [{"city": null}]}')) as server:
        answer = ask(index, server)
    assert answer.missing == ("city",)


@pytest.mark.parametrize(
    "calls",
    [
        [],
        [{"city": "Rome"}] * 4,
        [{"city": "London"}],
        [{"windy": True}],
        [{"city": "Rome", "at": 1}],
        {"city": "Rome"},
    ],
    ids=["none", "too many", "made up", "without", "more", "one"],
)
def test_a_server_that_breaks_the_schema_of_the_calls_is_named(index: Index, calls: Any) -> None:
    with fake(chat(json.dumps({"calls": calls}))) as server, pytest.raises(EndpointError) as caught:
        ask(index, server)
    assert caught.value.reason == "schema ignored"


def test_a_list_that_was_cut_off_is_the_models_failure(index: Index) -> None:
    cut_off = chat('{"calls": [{"city": "Rome"}, {"ci', finish_reason="length")
    with fake(cut_off) as server, pytest.raises(GenerationFailed, match="cut off"):
        ask(index, server)
