"""Generation through an endpoint: llama.cpp's own server with the real model, and servers that misbehave."""

from __future__ import annotations

import itertools
import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gorilla_rag import Gorilla, starter
from gorilla_rag.answer import Answer
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import EndpointError, GenerationFailed, UsageError
from gorilla_rag.generate import prompt, schema
from gorilla_rag.generate.base import Usage
from gorilla_rag.generate.endpoint import LONGEST_WAIT
from gorilla_rag.generate.openai import OpenAIGenerator
from gorilla_rag.generate.write import Filled, Writer
from gorilla_rag.validate import schema_errors
from tests.endpoints import DONE, END, KEY, KEY_ENV, USED, Fake, Say, chat, event, events, failing, fake, llama_cpp

ASKED = [{"role": "user", "content": "Which one?"}]
CHOICE = prompt.CHOICE_PREFILL
FILLING = '{"choice": "A", "arguments":'
EXPLAINING = '{"choice": "A", "arguments": {}, "explanation": "run'
EXPLAINED = schema.draft_schema("A", {}, pattern=r"^run [a-z]+\.$")
WIDTH = {"type": "object", "properties": {"width": {"type": "integer"}, "fill": {"type": "string"}}}
FILLED = schema.filling_schema("A", {**WIDTH, "required": ["width"], "additionalProperties": False})


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, llama_cpp() as found:
        patch.setenv(KEY_ENV, KEY)
        yield found


@pytest.fixture(scope="module")
def served(url: str) -> OpenAIGenerator:
    return OpenAIGenerator("any", url=url, key_env=KEY_ENV, context=4096)


@pytest.fixture(scope="module")
def asked(starter_index: Path, served: OpenAIGenerator) -> Iterator[Gorilla]:
    made = Gorilla.load(starter_index, generator=lambda: served)
    yield made
    made.index.close()


def of(server: Fake, **how: Any) -> OpenAIGenerator:
    """A generator that waits for nothing long."""
    return OpenAIGenerator("m", url=server.url, **{"key_env": KEY_ENV, "backoff": 0.001, "timeout": 5.0, **how})


def text(items: Iterator[str | Usage]) -> str:
    return "".join(item for item in items if isinstance(item, str))


def choose(model: OpenAIGenerator) -> list[float]:
    return model.label_log_probabilities(ASKED, CHOICE, "ABC")[0]


def explain(model: OpenAIGenerator, **how: Any) -> str:
    return text(model.stream(ASKED, EXPLAINING, grammar=None, max_tokens=50, schema=EXPLAINED, **how))


def fill(model: OpenAIGenerator, form: dict[str, Any] = FILLED) -> dict[str, Any]:
    rest = text(model.stream(ASKED, FILLING, grammar=None, max_tokens=50, schema=form))
    found: dict[str, Any] = json.loads(FILLING + rest)["arguments"]
    return found


def failure(act: Callable[[], Any]) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        act()
    assert caught.value.hint
    return caught.value


# llama.cpp's own server


def test_a_question_is_answered_through_an_endpoint_as_through_the_embedded_model(asked: Gorilla) -> None:
    how: dict[str, Any] = {"filters": {"provider": "scikit-learn"}, "mode": "bm25", "k": 3}
    answer = asked.ask("group my customers into 7 segments", **how)
    assert answer.api_call == "sklearn.cluster.KMeans(n_clusters=7)"
    assert answer.verdict.ok
    assert answer.verdict.outcome("schema") == "passed"
    assert answer.explanation.startswith("KMeans ")
    assert answer.explanation.endswith(".")
    assert len(answer.explanation) < 480
    assert answer.tokens["prompt"] > answer.tokens["completion"] > 0


def test_the_model_behind_an_endpoint_chooses_with_probabilities(asked: Gorilla, served: OpenAIGenerator) -> None:
    answer = asked.ask("shorten a text", mode="bm25", chooser="model", fields="call", k=3)
    assert answer.verdict.outcome("documented") == "passed"
    assert answer.confidence is not None
    assert 1 / 3 <= answer.confidence < 1
    assert served.probabilities is True


def test_labels_get_probabilities_that_add_up_to_one_and_the_likeliest_is_what_the_server_writes(
    served: OpenAIGenerator,
) -> None:
    messages = [{"role": "user", "content": "Which document is about dogs? [A] cats [B] dogs [C] fish"}]
    found, usage = served.label_log_probabilities(messages, CHOICE, "ABC")
    written = text(served.stream(messages, CHOICE, grammar=None, max_tokens=16, schema=schema.choice_schema("ABC")))
    assert math.fsum(map(math.exp, found)) == pytest.approx(1)
    assert "ABC"[found.index(max(found))] == json.loads(CHOICE + written)["choice"]
    assert usage.prompt > 0


@pytest.mark.parametrize("how", [{}, {"constrain": "catalogue"}, {"fields": "call"}], ids=str)
def test_zero_shot_through_an_endpoint_writes_a_call(asked: Gorilla, how: dict[str, Any]) -> None:
    answer = asked.ask("parse a JSON string", mode="zero-shot", **how)
    assert answer.api_call
    assert answer.tokens["completion"] > 0
    assert bool(answer.explanation) == (how != {"fields": "call"})
    if how == {"constrain": "catalogue"}:
        assert answer.api_call in {doc.call.render() for doc in starter.documents()}


def test_a_documents_whole_schema_is_kept_by_the_server(served: OpenAIGenerator) -> None:
    parameters = {
        "type": "object",
        "properties": {
            "count": {"type": "integer", "minimum": 3, "maximum": 5},
            "mode": {"$ref": "#/$defs/mode"},
            "names": {"type": "array", "items": {"type": "string", "maxLength": 6}, "minItems": 1, "maxItems": 2},
            "date": {"type": "string", "format": "date"},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "deep": {"type": "object", "properties": {"on": {"type": "boolean"}, "off": {"const": 7}}},
        },
        "$defs": {"mode": {"type": "string", "enum": ["fast", "exact"]}},
        "required": ["count", "mode", "names", "date", "code"],
    }
    doc = ApiDoc(id="tools.run", api_call="tools.run(data)", api_name="run", parameters=parameters)
    whole = schema.arguments_schema(doc)
    form = schema.filling_schema("A", schema.compilable(whole).schema)
    messages, begun = prompt.filling("run it four times, exactly", doc, "A", served.context, served.count_tokens)
    rest = text(served.stream(messages, begun, grammar=None, max_tokens=400, schema=form))
    found = json.loads(begun + rest)["arguments"]
    assert set(found) >= set(parameters["required"])
    assert schema_errors(found, whole) == []


def test_several_calls_are_kept_to_their_schema_by_the_server(served: OpenAIGenerator) -> None:
    city = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    doc = ApiDoc(id="weather", api_call="weather", api_name="weather", kind="tool", parameters=city)
    question = "the weather in Rome and in Oslo"
    found = [filled.values for filled in Writer(lambda: served, question).calls(doc, "A", question, most=2, parts=2)]
    assert 1 <= len(found) <= 2
    assert all(set(values) <= {"city"} for values in found)


def test_free_text_comes_in_pieces(served: OpenAIGenerator) -> None:
    items = list(served.stream([{"role": "user", "content": "Count to ten."}], "", grammar=None, max_tokens=3))
    last = items.pop()
    assert isinstance(last, Usage)
    assert last.completion == 3
    assert last.stopped == "length"
    assert len(items) > 1


def test_a_wrong_key_is_a_clear_error_that_does_not_show_it(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ANOTHER_KEY", "sk-secret")
    found = failure(lambda: choose(OpenAIGenerator("any", url=url, key_env="ANOTHER_KEY")))
    assert (found.reason, found.status) == ("refused", 401)
    assert "ANOTHER_KEY" in found.hint
    assert "sk-secret" not in f"{found}{caplog.text}"


def test_a_prompt_that_is_too_long_is_refused_with_the_servers_reason(served: OpenAIGenerator) -> None:
    messages = [{"role": "user", "content": "word " * 6000}]
    found = failure(lambda: list(served.stream(messages, "", grammar=None, max_tokens=4)))
    assert (found.reason, found.status) == ("refused", 400)
    assert "context size" in found.message


# Servers that misbehave


def test_a_server_that_is_down_is_said_to_be() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        model = OpenAIGenerator("m", url=f"http://127.0.0.1:{closed.getsockname()[1]}/v1", backoff=0.001)
        found = failure(lambda: choose(model))
    assert found.reason == "down"
    assert "127.0.0.1" in found.message


def test_a_slow_server_is_given_up_after_the_timeout_and_not_asked_again() -> None:
    with fake(Say(delay=1.5)) as server:
        start = time.monotonic()
        found = failure(lambda: choose(of(server, timeout=0.2)))
        assert found.reason == "slow"
        assert "0.2 s" in found.message
        assert time.monotonic() - start < 1.2
        assert len(server.asked) == 1


@pytest.mark.parametrize("dated", [False, True])
def test_a_server_that_says_how_long_to_wait_is_given_that_time(dated: bool) -> None:
    wait = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if dated else "0.4"
    with fake(failing(429, "slowly", Retry_After=wait), chat('{"choice": "B"}')) as server:
        found = choose(of(server))
        assert found[1] == 0.0
        assert len(server.asked) == 2
        assert server.times[1] - server.times[0] >= (0.3 if dated else 0.4)


def test_a_server_that_asks_for_a_long_wait_is_not_waited_for() -> None:
    with fake(failing(429, "tomorrow", Retry_After=str(int(LONGEST_WAIT) + 1))) as server:
        start = time.monotonic()
        found = failure(lambda: choose(of(server)))
        assert found.reason == "rate-limited"
        assert "61 s" in found.hint
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("retries", [0, 2])
def test_a_limit_that_lasts_is_an_error_after_the_retries(retries: int) -> None:
    with fake(failing(429, "quota")) as server:
        found = failure(lambda: choose(of(server, retries=retries)))
        assert (found.reason, found.status) == ("rate-limited", 429)
        assert "quota" in found.message
        assert len(server.asked) == retries + 1


def test_waits_between_retries_grow() -> None:
    with fake(failing(500)) as server:
        failure(lambda: choose(of(server, retries=3, backoff=0.05)))
        waits = [after - before for before, after in itertools.pairwise(server.times)]
        assert waits[0] < 0.3
        assert waits[2] >= 0.05 * 4 / 2
        assert sum(waits) > 0.05 * 7 / 2


def test_a_server_that_fails_twice_is_asked_three_times() -> None:
    with fake(failing(500), failing(503), chat('{"choice": "C"}')) as server:
        assert choose(of(server))[2] == 0.0
        assert len(server.asked) == 3


def test_a_connection_that_breaks_in_an_answer_is_tried_again() -> None:
    with fake(Say([b'{"choices"'], promised=1000), chat('{"choice": "A"}')) as server:
        assert choose(of(server))[0] == 0.0
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "reason"), [(500, "down"), (504, "slow"), (408, "slow"), (409, "refused"), (429, "rate-limited")]
)
def test_passing_errors_have_their_reason(status: int, reason: str) -> None:
    with fake(failing(status, "why")) as server:
        found = failure(lambda: choose(of(server, retries=1)))
        assert (found.reason, found.status) == (reason, status)
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_final_and_carries_the_servers_words(status: int) -> None:
    with fake(failing(status, "no such model " + "x" * 900)) as server:
        found = failure(lambda: choose(of(server)))
        assert (found.reason, found.status) == ("refused", status)
        assert "no such model" in found.message
        assert len(found.message) < 450
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "body", [b'{"detail": "why"}', b'{"error": "why"}', b'{"message": "why"}', b"<h1>why</h1>", b'{"why": 1}']
)
def test_the_servers_words_are_found_where_they_stand(body: bytes) -> None:
    with fake(Say([body], status=400)) as server:
        assert "why" in failure(lambda: choose(of(server))).message


def test_a_server_that_repeats_the_key_does_not_get_it_into_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, "sk-secret")
    with fake(failing(401, "wrong key sk-secret")) as server:
        found = failure(lambda: choose(of(server)))
        assert server.headers[0]["authorization"] == "Bearer sk-secret"
    assert "wrong key …" in found.message
    assert "sk-secret" not in repr(found)


def test_a_key_that_stands_where_a_long_message_is_cut_is_not_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, "sk-secret")
    for length in range(260, 310):
        with fake(failing(401, "x" * length + "sk-secret")) as server:
            assert "sk" not in failure(partial(choose, of(server))).message


def test_a_question_with_half_a_character_can_be_asked() -> None:
    with fake(chat('{"choice": "A"}')) as server:
        of(server).label_log_probabilities([{"role": "user", "content": "caf\udce9"}], CHOICE, "ABC")
        assert "caf" in server.asked[0]["messages"][0]["content"]


def test_no_key_is_sent_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV, raising=False)
    with fake(chat('{"choice": "A"}')) as server:
        choose(of(server))
        assert "authorization" not in server.headers[0]


def test_a_key_that_a_header_can_not_carry_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, "sk\nsecret")
    with pytest.raises(UsageError) as caught:
        OpenAIGenerator("m", url="http://127.0.0.1:1/v1", key_env=KEY_ENV)
    assert KEY_ENV in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        Say([b"<html><h1>Welcome</h1></html>"], kind="text/html"),
        Say([b'{"hello": "world"}']),
        Say([b"[]"]),
        Say([b'{"choices": [{"text": "old"}]}']),
        Say([b'{"choices": [{"message": {"content": 7}}]}']),
        Say([b'{"choices": [{"message": {"content": "{}"}, "logprobs": {"content": [{"token": 3}]}}]}']),
        Say([b"[" * 100_000]),
        Say([b"\x00" * 9_000_000]),
        Say([b"no gzip"], headers={"Content-Encoding": "gzip"}),
    ],
    ids=["html", "object", "list", "completion", "number", "logprobs", "depth", "flood", "gzip"],
)
def test_nonsense_is_called_nonsense(said: Say) -> None:
    with fake(said) as server:
        found = failure(lambda: choose(of(server)))
        assert found.reason == "nonsense"
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "written", ["Sure! It is A.", '{"choice": "Z"}', '{"answer": "A"}', '["A"]', '{"choice": ', "[" * 100_000]
)
def test_a_server_that_ignores_the_schema_is_named_with_what_to_do(written: str) -> None:
    with fake(chat(written)) as server:
        found = failure(lambda: choose(of(server)))
        assert found.reason == "schema ignored"
        assert server.url in found.message
        assert "response_format" in found.message + found.hint


def test_what_only_the_whole_schema_forbids_is_not_blamed_on_the_server() -> None:
    names = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
    form = schema.filling_schema("A", {"type": "object", "properties": {"names": names}, "required": ["names"]})
    with fake(chat('{"arguments": {"names": ["a", "a"]}}')) as server, pytest.raises(GenerationFailed, match="unique"):
        fill(of(server), form)


def test_an_answer_that_was_cut_off_or_refused_is_the_models_failure() -> None:
    with fake(chat('{"choi', finish_reason="length")) as server, pytest.raises(GenerationFailed, match="cut off"):
        choose(of(server))
    refusing = chat(None, message={"role": "assistant", "content": None, "refusal": "not that"})
    with fake(refusing) as server, pytest.raises(GenerationFailed, match="not that"):
        choose(of(server))


@pytest.mark.parametrize(
    "parts",
    [[event('{"explanation": "run')], [b": only a comment\n\n"], [event('{"expl'), b'data: {"choi']],
    ids=["text", "comment", "event"],
)
def test_a_stream_that_breaks_off_is_an_error(parts: list[bytes]) -> None:
    with fake(events(*parts)) as server:
        found = failure(lambda: explain(of(server)))
        assert found.reason == "down"
        assert "broke off" in found.message
        assert len(server.asked) == 1


def test_a_connection_that_breaks_in_a_stream_is_an_error() -> None:
    with fake(Say([event('{"explanation": "run')], kind="text/event-stream", promised=10_000)) as server:
        found = failure(lambda: explain(of(server)))
        assert found.reason == "down"


def test_a_stream_that_falls_silent_is_slow() -> None:
    with fake(events(event('{"explanation": "run'), lambda: time.sleep(1.0))) as server:
        assert failure(lambda: explain(of(server, timeout=0.2))).reason == "slow"


def test_an_error_inside_a_stream_carries_the_servers_words() -> None:
    said = b'data: {"error": {"message": "out of memory"}}\n\n'
    with fake(events(event('{"expl'), said, DONE)) as server:
        assert "out of memory" in failure(lambda: explain(of(server))).message


def test_events_that_are_no_answers_are_nonsense() -> None:
    with fake(events(b"data: hello\n\n")) as server:
        assert failure(lambda: explain(of(server))).reason == "nonsense"


def test_a_redirect_is_not_followed() -> None:
    with fake(chat('{"choice": "A"}')) as other, fake(Say(status=307, headers={"Location": other.url})) as server:
        found = failure(lambda: choose(of(server)))
        assert found.reason == "refused"
        assert other.url in found.message
        assert other.asked == []


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with fake(chat('{"choice": "A"}')) as server:
        assert choose(of(server))[0] == 0.0


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:8000", "ftp://host/v1", "http://", "http://a b/v1", "http://host/v1?x=1", "http://host:port/v1"],
)
def test_an_address_that_is_no_base_url_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        OpenAIGenerator("m", url=address)


def test_a_password_in_the_address_is_refused_unseen() -> None:
    with pytest.raises(UsageError) as caught:
        OpenAIGenerator("m", url="http://me:secret@host/v1")
    assert "secret" not in str(caught.value)


# What is asked and what comes of it


def test_the_explanation_comes_as_it_is_written() -> None:
    gate = threading.Event()
    said = events(
        event('{"expla'),
        event('nation": "Run star'),
        event("ts it"),
        lambda: gate.wait(5),
        event('."}'),
        END,
        USED,
        DONE,
    )
    with fake(said) as server:
        items = of(server).stream(ASKED, EXPLAINING, grammar=None, max_tokens=50, schema=EXPLAINED)
        strings = (item for item in items if isinstance(item, str))
        first = next(strings) + next(strings)
        assert not gate.is_set()
        gate.set()
        assert first + "".join(strings) == ' starts it."}'


@pytest.mark.parametrize(
    "said",
    [
        events(event('{"explanation": "run it."}'), END, USED, DONE),
        events(event('{"explanation": "run it."}', finish_reason="stop")),
        events(b": ping\n\n", event('{"explanation": "run it."}'), END, DONE),
        chat('{"explanation": "run it."}'),
        chat(' {"explanation"\n: "run it."}\n'),
    ],
    ids=["usage", "no end", "comments", "not streamed", "spaces"],
)
def test_servers_that_stream_in_their_own_way_give_the_same_text(said: Say) -> None:
    with fake(said) as server:
        assert explain(of(server)) == ' it."}'
        assert server.asked[0]["stream_options"] == {"include_usage": True}


def test_tokens_are_the_servers_and_zero_where_it_does_not_say() -> None:
    for said, expected in [
        (events(event('{"explanation": "x"}'), END, USED, DONE), (5, 3)),
        (events(event('{"explanation": "x"}'), END), (0, 0)),
    ]:
        with fake(said) as server:
            *_, last = of(server).stream(ASKED, EXPLAINING, grammar=None, max_tokens=50, schema=EXPLAINED)
            assert isinstance(last, Usage)
            assert (last.prompt, last.completion) == expected


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("run starts the job.", "run starts the job."),
        ("Run starts the job.", "run starts the job."),
        ("  run starts the job.", "run starts the job."),
        ("It starts the job.", "run: It starts the job."),
        ("It starts the job", "run: It starts the job."),
        ('run says "ü".\n', 'run says "ü". '),
        ("r", "run: r."),
    ],
)
def test_an_explanation_is_a_whole_sentence_about_the_api(written: str, whole: str) -> None:
    doc = ApiDoc(id="run", api_call="tools.run()", api_name="run")
    with fake(events(*map(event, json.dumps({"explanation": written})), END, DONE)) as server:
        pieces = list(Writer(lambda: of(server), "start the job").explanation(doc, "A", Filled({})))
    assert "".join(pieces) == whole
    assert pieces[0] == "run"
    assert len(pieces) > 2 or len(written) < 2


def test_what_is_known_is_not_asked_for_and_the_beginning_is_told() -> None:
    with fake(events(event('{"explanation": "run it."}'), END)) as server:
        explain(of(server))
        sent = server.asked[0]
    format_ = sent["response_format"]["json_schema"]
    assert list(format_["schema"]["properties"]) == ["explanation"]
    assert format_["strict"] is True
    assert sent["messages"][-1]["content"] == 'Which one?\n\nBegin your answer with {"explanation": "run'
    assert sent["temperature"] == 0
    assert ASKED == [{"role": "user", "content": "Which one?"}]


def test_arguments_that_are_left_out_come_as_null_and_go() -> None:
    with fake(chat('{"arguments": {"width": 30, "fill": null}}')) as server:
        assert fill(of(server)) == {"width": 30}
        assert "null" in server.asked[0]["messages"][-1]["content"]


def test_a_required_null_stays() -> None:
    nothing = {"type": "object", "properties": {"width": {"type": ["integer", "null"]}}, "required": ["width"]}
    with fake(chat('{"arguments": {"width": null}}')) as server:
        assert fill(of(server), schema.filling_schema("A", nothing)) == {"width": None}


def logprobs(*tokens: tuple[str, float, dict[str, float]]) -> dict[str, Any]:
    found = [
        {"token": token, "logprob": value, "top_logprobs": [{"token": t, "logprob": v} for t, v in top.items()]}
        for token, value, top in tokens
    ]
    return {"logprobs": {"content": found}}


HALF = math.log(0.5)
TOP = {"A": HALF, "B": math.log(0.25), "zoo": math.log(0.1)}


@pytest.mark.parametrize(
    "tokens",
    [
        [('{"choice": "', 0.0, {"A": 0.0}), ("A", HALF, TOP), ('"}', 0.0, {})],
        [
            ("```json\n", 0.0, {"B": 0.0}),
            ('{ "', 0.0, {}),
            ('choice"', 0.0, {}),
            (': "', 0.0, {}),
            ("A", HALF, TOP),
            ('"', 0.0, {}),
            ("}", 0.0, {}),
        ],
        [('{"choice":', 0.0, {}), (' "A"', HALF, {f' "{k}"': v for k, v in TOP.items()}), ("}", 0.0, {"C": 0.0})],
        [
            ('{"choice":"', 0.0, {}),
            ('A"}', HALF, {"A": math.log(1e-9), 'A"}': HALF, 'B"': math.log(0.25)}),
        ],
    ],
    ids=["plain", "fenced", "quoted", "merged"],
)
def test_probabilities_are_read_where_the_label_stands(tokens: list[Any]) -> None:
    with fake(chat('{"choice": "A"}', **logprobs(*tokens))) as server:
        model = of(server)
        found = list(map(math.exp, choose(model)))
        assert server.asked[0]["top_logprobs"] == 20
    assert model.probabilities is True
    assert found[0] / found[1] == pytest.approx(2)
    assert found[2] < found[1]
    assert math.fsum(found) == pytest.approx(1)


def test_a_label_that_no_list_has_is_still_the_one_that_was_written() -> None:
    tokens = [('{"choice": "', 0.0, {}), ("C", -30.0, {"zoo": -0.1})]
    with fake(chat('{"choice": "C"}', **logprobs(*tokens))) as server:
        found = choose(of(server))
    assert found.index(max(found)) == 2


@pytest.mark.parametrize(
    "more", [{}, {"logprobs": None}, logprobs(("token_id:7", -0.1, {}))], ids=["none", "null", "ids"]
)
def test_without_probabilities_the_choice_counts_as_certain_and_that_is_said(
    more: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with fake(chat('{"choice": "B"}', **more)) as server:
        model = of(server)
        assert model.probabilities is None
        for _ in range(2):
            assert list(map(math.exp, choose(model))) == [0.0, 1.0, 0.0]
    assert model.probabilities is False
    assert caplog.text.count("no probabilities") == 1


def test_a_weight_makes_joint_follow_the_model(starter_index: Path) -> None:
    with fake(chat('{"choice": "B"}')) as server:
        answers: list[Answer] = []
        for weight in (0.0, 1.0):
            gorilla = Gorilla.load(starter_index, generator=partial(of, server, joint_weight=weight))
            answers.append(gorilla.ask("shorten a text", mode="bm25", chooser="joint", fields="call", k=2))
            gorilla.index.close()
    assert answers[0].api_call == answers[0].hits[0].doc.api_call
    assert answers[1].api_call != answers[0].api_call


def test_a_model_that_thinks_has_room_for_it_and_is_asked_for_nothing_it_refuses() -> None:
    with fake(chat('{"choice": "A"}')) as server:
        for thinking in (0, 1000):
            choose(of(server, thinking=thinking))
        plain, thoughtful = server.asked
    assert thoughtful["max_tokens"] == plain["max_tokens"] + 1000
    assert set(plain) - set(thoughtful) == {"temperature", "logprobs", "top_logprobs"}


def test_openai_is_told_the_limit_by_the_name_it_takes() -> None:
    here, there = (OpenAIGenerator("m", url=url) for url in ("http://127.0.0.1:1/v1", "https://api.openai.com/v1"))
    assert "max_tokens" in here._body(ASKED, 5, None)
    assert there._body(ASKED, 5, None)["max_completion_tokens"] == 5


def test_a_smaller_context_makes_smaller_prompts(starter_index: Path) -> None:
    sizes = []
    with fake(chat('{"choice": "A"}')) as server:
        for context in (900, 8192):
            gorilla = Gorilla.load(starter_index, generator=partial(of, server, context=context))
            gorilla.ask("shorten a text", mode="bm25", chooser="model", fields="call", k=8)
            gorilla.index.close()
        sizes = [len(sent["messages"][-1]["content"]) for sent in server.asked if "choice" in json.dumps(sent)]
    assert sizes[0] < sizes[-1]


def test_tokens_are_estimated_above_what_the_real_tokenizer_counts(generator: Any, served: OpenAIGenerator) -> None:
    for doc in starter.documents():
        sample = f"{doc.api_call} {doc.functionality}: {doc.description}"
        assert served.count_tokens(sample) >= generator.count_tokens(sample)


def test_a_grammar_without_a_schema_can_not_be_served() -> None:
    model = OpenAIGenerator("m", url="http://127.0.0.1:1/v1")
    with pytest.raises(UsageError, match="schema"):
        list(model.stream(ASKED, "", grammar="start: /a/", max_tokens=4))
    with pytest.raises(UsageError, match="begin"):
        list(model.stream(ASKED, '{"other": "', grammar=None, max_tokens=4, schema=EXPLAINED))
