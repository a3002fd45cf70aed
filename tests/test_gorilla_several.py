"""Several calls for one question, and calls with nothing masked: what becomes of whatever a model writes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from gorilla_rag import Answer, Gorilla
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Literal, argument
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import UsageError
from gorilla_rag.generate.base import Message
from gorilla_rag.index.index import Index
from tests import toys
from tests.test_generate_typed import tool
from tests.toys import Asked, Toy, wanderer

DOCS = [
    tool(
        "book_table", "Books a table at a restaurant.", ("seats",),
        seats={"type": "integer", "minimum": 1}, smoking={"type": "boolean"}, guest={"type": "string"},
    ),
    tool("get_weather", "Tells the weather in a city.", ("city",), city={"type": "string"}, unit={"enum": ["C", "F"]}),
    tool("play_music", "Plays music of a genre.", ("genre",), genre={"type": "string", "enum": ["jazz", "rock"]}),
    ApiDoc(
        "shuffle", "random.sample(rows, 5)", api_name="sample", functionality="Draw random rows of a table of data",
        parameters={"type": "object", "properties": {"k": {"type": "integer"}}}, framework="Python standard library",
    ),
]  # fmt: skip
BOOK, WEATHER, PLAY, DRAW = (doc.id for doc in DOCS)
TWO = "Book a table for four people, and tell me the weather in Rome."
FILLED = {
    "book_table": {"seats": 4},
    "get_weather": {"city": "Rome"},
    "play_music": {"genre": "jazz"},
    "sample": {"k": 7},
}


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Gorilla.from_docs(DOCS, encoder=EmbeddedEncoder(), generator=Toy)
    yield made.index
    made.index.close()


def filling(**values: Any) -> Toy:
    """Writes `FILLED`, or other arguments."""
    return toys.filling({**FILLED, **values})


def ask(index: Index, question: str, toy: Toy | None = None, **how: Any) -> Answer:
    toy = toy or filling()
    return Gorilla(index, lambda: toy).ask(question, **{"calls": 4, "fields": "call", **how})


def names(answer: Answer) -> list[str]:
    return [call.function for call in answer.calls]


# Several tools


def test_each_part_of_a_question_has_its_call(index: Index) -> None:
    answer = ask(index, TWO)
    assert [call.render() for call in answer.calls] == ["book_table(seats=4)", "get_weather(city='Rome')"]
    assert answer.call == answer.calls[0]
    assert answer.api_call == "book_table(seats=4)"
    assert answer.code == "book_table(seats=4)\nget_weather(city='Rome')"
    assert answer.verdict.ok
    assert answer.missing == ()


def test_one_call_is_made_of_the_whole_question_unless_more_are_allowed(index: Index) -> None:
    toy = filling()
    assert names(ask(index, TWO, toy, calls=1)) == ["get_weather"]
    assert [one.task for one in toy.asked] == [TWO]


def test_no_more_calls_are_made_than_are_allowed(index: Index) -> None:
    question = "Book a table for four people. Tell me the weather in Rome. Play some jazz."
    found = {calls: names(ask(index, question, calls=calls)) for calls in (2, 3, 16)}
    assert found[2] == ["book_table", "get_weather"]
    assert found[3] == found[16] == ["book_table", "get_weather", "play_music"]


def test_the_calls_are_an_assistants_tool_calls(index: Index) -> None:
    found = ask(index, TWO).tool_calls()
    assert [one["id"] for one in found] == ["call_0", "call_1"]
    assert {one["type"] for one in found} == {"function"}
    assert [one["function"]["name"] for one in found] == ["book_table", "get_weather"]
    assert [json.loads(one["function"]["arguments"]) for one in found] == [{"seats": 4}, {"city": "Rome"}]


def test_an_answer_of_several_calls_reads_and_is_json_with_all_of_them(index: Index) -> None:
    answer = ask(index, TWO)
    assert [line.split()[1] for line in str(answer).splitlines() if line.startswith("call:")] == [
        "book_table(seats=4)",
        "get_weather(city='Rome')",
    ]
    again = json.loads(answer.to_json())
    assert [call["function"] for call in again["calls"]] == ["book_table", "get_weather"]
    assert again["call"] == again["calls"][0]


def test_the_hits_are_the_chosen_documents_and_then_the_others_each_with_its_own_rank(index: Index) -> None:
    answer = ask(index, TWO, k=3)
    ids = [hit.doc.id for hit in answer.hits]
    assert ids[:2] == [BOOK, WEATHER]
    assert len(set(ids)) == len(ids)
    assert sorted(hit.rank for hit in answer.hits) == list(range(1, len(ids) + 1))
    assert {hit.rank for hit in answer.hits[:2]} == {1, 2}
    single = ask(index, TWO, k=3, calls=1)
    assert [hit.rank for hit in single.hits] == [1, 2, 3]


def test_confidence_and_fit_are_those_of_the_least_sure_call(index: Index) -> None:
    parts = [ask(index, part, calls=1) for part in ("Book a table for four people", "tell me the weather in Rome.")]
    answer = ask(index, TWO)
    assert answer.confidence == pytest.approx(min(one.confidence or 0 for one in parts))
    assert answer.fit == pytest.approx(min(one.fit or 0 for one in parts))


def test_the_steps_are_timed_in_the_order_in_which_they_come_and_tokens_are_of_all(index: Index) -> None:
    answer = ask(index, TWO, fields="all")
    assert list(answer.timings) == ["search", "choose", "arguments", "explain", "verify"]
    assert all(seconds >= 0 for seconds in answer.timings.values())
    assert answer.tokens["prompt"] == 4
    one = ask(index, "Book a table for four people", fields="all")
    assert answer.tokens["completion"] > one.tokens["completion"]


def test_the_answer_comes_step_by_step_and_says_a_sentence_for_each_step(index: Index) -> None:
    toy = filling()
    events = list(Gorilla(index, lambda: toy).stream(TWO, calls=4))
    kinds = [event.kind for event in events]
    assert (kinds[:2], kinds[-1], set(kinds[2:-1])) == (["hits", "call"], "answer", {"text"})
    assert len(events[1].answer.calls) == 2
    last = events[-1].answer
    assert last.explanation == (
        "book_table does it with what the question has. get_weather does it with what the question has."
    )
    assert "".join(event.text for event in events) == last.explanation


# One tool several times


def test_a_tool_is_called_for_each_value_that_the_question_lists(index: Index) -> None:
    cities = [{"city": "Rome"}, {"city": "Oslo"}, {"city": "Paris"}]
    answer = ask(index, "Tell me the weather in Rome, Oslo and Paris", filling(get_weather=cities))
    assert [call.values for call in answer.calls] == cities
    assert names(answer) == ["get_weather"] * 3


@pytest.mark.parametrize(("calls", "most"), [(2, 2), (16, 3)])
def test_a_model_may_write_as_many_calls_as_are_listed_and_allowed(index: Index, calls: int, most: int) -> None:
    toy = filling(get_weather=[{"city": "Rome"}])
    assert len(ask(index, "Tell me the weather in Rome, Oslo and Paris", toy, calls=calls).calls) == 1
    (asked,) = toy.asked
    assert asked.schema
    assert asked.schema["properties"]["calls"]["maxItems"] == most
    assert asked.prefill.endswith('"calls":')


def test_neighbouring_parts_about_one_tool_are_written_together(index: Index) -> None:
    toy = filling(get_weather=[{"city": "Rome"}, {"city": "Oslo"}])
    answer = ask(index, "Tell me the weather in Rome. Tell me the weather in Oslo. Play some jazz.", toy)
    assert names(answer) == ["get_weather", "get_weather", "play_music"]
    assert [one.task for one in toy.asked] == [
        "Tell me the weather in Rome. Tell me the weather in Oslo.",
        "Play some jazz.",
    ]


def test_parts_about_one_tool_that_another_stands_between_keep_their_order(index: Index) -> None:
    def says(asked: Asked) -> str:
        city = next(iter(re.findall(r"Rome|Oslo", asked.task)), "")
        return json.dumps({**FILLED, "get_weather": {"city": city}}[asked.subject])

    question = "Tell me the weather in Rome. Play some jazz. Tell me the weather in Oslo."
    answer = ask(index, question, Toy(says))
    assert [call.values for call in answer.calls] == [{"city": "Rome"}, {"genre": "jazz"}, {"city": "Oslo"}]


def test_a_call_that_says_nothing_new_is_made_once(index: Index) -> None:
    written = [{"city": "Rome"}, {"city": "Rome"}, {"city": "Oslo"}, {"city": "Oslo"}]
    question = "Tell me the weather in Rome, Oslo, Paris and Bonn"
    assert [call.values for call in ask(index, question, filling(get_weather=written)).calls] == [
        {"city": "Rome"},
        {"city": "Oslo"},
    ]


def test_what_a_model_is_cut_off_in_is_left_out(index: Index) -> None:
    question = "Tell me the weather in Rome, Oslo and Paris"
    cut = Toy(lambda asked: '[{"city": "Rome"}, {"city": "Oslo"}, {"ci' if '"calls"' in asked.prefill else "")
    assert [call.values for call in ask(index, question, cut).calls] == [{"city": "Rome"}, {"city": "Oslo"}]


# Parts that aren't requests


TURNS, TABLE, JAZZ = "My mother turns eighty.", "Book a table for four people.", "Play some jazz."
LIKED, THANKS = "Book a table for people I like. We are four people.", "Thanks a lot."


@pytest.mark.parametrize(
    ("question", "tasks"),
    [
        (f"{TURNS} {TABLE} {JAZZ}", [f"{TURNS} {TABLE}", JAZZ]),
        (f"{LIKED} {JAZZ}", [LIKED, JAZZ]),
        (f"{TABLE} {JAZZ} {THANKS}", [TABLE, f"{JAZZ} {THANKS}"]),
        (f"{TURNS} {TABLE}", [f"{TURNS} {TABLE}"]),
    ],
    ids=["before", "between", "after", "one"],
)
def test_a_part_that_no_document_answers_tells_more_of_a_part_beside_it(
    index: Index, question: str, tasks: list[str]
) -> None:
    toy = filling()
    answer = ask(index, question, toy, least_fit=0.5)
    assert [one.task for one in toy.asked] == tasks
    assert names(answer) == ["book_table", "play_music"][: len(tasks)]


def test_what_a_part_requires_may_stand_in_the_rest_of_the_question(index: Index) -> None:
    toy = filling(book_table={"seats": 6})
    answer = ask(index, "Book a table. Play some jazz for six people.", toy)
    assert answer.calls[0].values == {"seats": 6}


@pytest.mark.parametrize("question", ["Thanks a lot. My mother turns eighty.", "purple elephants of the north"])
def test_a_question_with_no_part_that_fits_is_asked_whole_or_refused(index: Index, question: str) -> None:
    toy = wanderer()
    asked = ask(index, question, toy, mode="hybrid")
    assert len(asked.calls) == 1
    assert asked.fit is not None
    assert asked.fit < 0.5
    assert [one.task for one in toy.asked] in ([question], [])
    toy = wanderer()
    refused = ask(index, question, toy, least_fit=0.5)
    assert refused.refused
    assert (refused.calls, refused.tool_calls(), refused.call) == ((), [], None)
    assert re.fullmatch(r"the best document answers it with probability 0\.\d\d, below 0\.50", refused.reason)
    assert refused.hits
    assert list(refused.timings) == ["search", "choose"]
    assert toy.asked == []


@pytest.mark.parametrize(("limit", "told"), [("threshold", "confidence"), ("least_fit", "fit")])
@pytest.mark.parametrize("turned", [False, True])
def test_parts_that_fall_below_a_limit_have_no_call_wherever_they_stand(
    index: Index, limit: str, told: str, turned: bool
) -> None:
    parts = ("Book a table for four people", "tell me the weather in Rome")
    question = " and ".join(reversed(parts) if turned else parts)
    assert len(ask(index, question).calls) == 2
    between = sum(getattr(ask(index, part, calls=1), told) for part in parts) / 2
    answer = ask(index, question, **{limit: between})
    assert len(answer.calls) <= 1
    assert answer.refused or getattr(answer, told) >= between


@pytest.mark.parametrize("mode", ["bm25", "dense", "hybrid"])
def test_what_fits_exactly_as_well_as_it_has_to_is_answered(index: Index, mode: str) -> None:
    fit = ask(index, "Play some jazz.", calls=1, mode=mode).fit
    assert fit is not None
    assert 0 < fit < 1
    assert not ask(index, "Play some jazz.", calls=1, mode=mode, least_fit=fit).refused
    refused = ask(index, "Play some jazz.", calls=1, mode=mode, least_fit=math.nextafter(fit, 1))
    assert "probability" in refused.reason
    assert refused.fit == fit


def test_given_documents_are_not_refused_for_their_fit(index: Index) -> None:
    assert not ask(index, "purple elephants", calls=1, mode="oracle", oracle=DOCS[2], least_fit=1.0).refused


# What is missing and what is given


def test_what_each_call_lacks_is_asked_for_and_can_be_given(index: Index) -> None:
    question = "Book a table. Tell me the weather."
    toy = filling(book_table={"seats": None}, get_weather={"city": None})
    answer = ask(index, question, wanderer())
    assert set(answer.missing) <= {"seats", "city"}
    lacking = ask(index, "Book a table. Tell me the weather in Rome.", toy)
    assert lacking.missing == ("seats", "city")
    given = ask(index, question, toy, given={"seats": 2, "city": "Oslo"})
    assert [call.values for call in given.calls] == [{"seats": 2}, {"city": "Oslo"}]
    assert given.missing == ()
    assert given.verdict.ok


def test_the_verdict_is_of_every_call_and_says_which(index: Index) -> None:
    answer = ask(index, TWO, filling(get_weather={"city": None}))
    assert answer.missing == ("city",)
    assert not answer.verdict.ok
    (failed,) = answer.verdict.failed
    assert (failed.name, failed.call) == ("binds", "get_weather()")
    assert answer.verdict.outcome("binds") == "passed"


def test_what_is_given_goes_to_every_call_that_takes_it_and_lacks_it(index: Index) -> None:
    tables: list[dict[str, Any]] = [{"seats": 4, "smoking": True}, {"seats": 2}]
    question = "Book a table for 4 people for smoking, and book a table for 2 people. Play some jazz."
    answer = ask(index, question, filling(book_table=tables), given={"smoking": False})
    assert [call.values for call in answer.calls] == [tables[0], {"seats": 2, "smoking": False}, {"genre": "jazz"}]


def test_an_argument_that_no_call_takes_can_not_be_given(index: Index) -> None:
    with pytest.raises(UsageError, match="no call has an argument 'stars'") as error:
        ask(index, TWO, given={"stars": 5})
    assert error.value.hint
    with pytest.raises(UsageError, match="no argument is called 'stars'"):
        ask(index, "Play some jazz", given={"stars": 5})


# Python beside tools


def test_a_python_call_and_a_tool_are_called_together(index: Index) -> None:
    answer = ask(index, "Play some jazz, and draw 7 random rows of my table of data")
    assert [call.render() for call in answer.calls] == ["play_music(genre='jazz')", "random.sample(rows, 5, k=7)"]
    assert answer.code.splitlines()[0] == "import random"
    assert {check.call for check in answer.verdict.checks} == {"", "random.sample(rows, 5, k=7)"}
    assert answer.placeholders == ("rows",)


def test_checks_of_a_further_call_are_not_the_answers_own(index: Index) -> None:
    answer = ask(index, "Play some jazz, and draw 7 random rows of my table of data")
    assert [check.outcome for check in answer.verdict.checks if check.name == "exists"] == ["passed"]
    assert answer.verdict.outcome("exists") is None
    assert answer.verdict.outcome("parses") == "not applicable"
    swapped = ask(index, "Draw 7 random rows of my table of data, and play some jazz")
    assert swapped.verdict.outcome("exists") == "passed"


def test_a_python_call_is_made_once_whatever_is_allowed(index: Index) -> None:
    answer = ask(index, "Draw 5, 6 and 7 random rows of my table of data", filling(sample={"k": 5}), calls=16)
    assert names(answer) == ["random.sample"]


# Given documents, other choosers


def by_verb(messages: Sequence[Message]) -> int:
    """The label of the document that a task's verb is about."""
    asked = re.findall(r"^Task: (.*)$", messages[-1]["content"], re.MULTILINE)[0].lower()
    return next((place for place, word in enumerate(("book", "weather", "play")) if word in asked), 0)


def test_among_given_documents_the_model_chooses_for_each_part_and_explains_each_call(index: Index) -> None:
    def says(asked: Asked) -> str:
        city = next(iter(re.findall(r"Rome|Oslo", asked.task)), "")
        if asked.prefill.endswith('"arguments":'):
            return json.dumps({**FILLED, "get_weather": {"city": city}}[asked.subject])
        told = re.findall(r"Rome|Oslo|jazz", asked.prefill)
        return f' is asked about {told[0]} by this question."}}'

    question = "Tell me the weather in Rome. Play some jazz. Tell me the weather in Oslo."
    answer = ask(index, question, Toy(says, label=by_verb), mode="oracle", oracle=DOCS, chooser="model", fields="all")
    assert names(answer) == ["get_weather", "play_music", "get_weather"]
    assert re.findall(r"about (\w+)", answer.explanation) == ["Rome", "jazz", "Oslo"]
    assert answer.fit is None
    assert [hit.doc.id for hit in answer.hits][:2] == [WEATHER, PLAY]


def test_the_model_chooses_for_each_part_among_what_was_found_for_it(index: Index) -> None:
    answer = ask(index, TWO, Toy(filling().says, label=lambda _: 0), chooser="model")
    assert names(answer) == ["book_table", "get_weather"]


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_vectors_tell_which_parts_ask_for_something(index: Index, mode: str) -> None:
    assert names(ask(index, TWO, mode=mode)) == ["book_table", "get_weather"]


def test_words_alone_serve_several_calls_too(index: Index) -> None:
    answer = ask(index, TWO, wanderer(), mode="bm25")
    assert set(names(answer)) <= {"book_table", "get_weather"}
    assert answer.fit is not None


@pytest.mark.parametrize(
    "how",
    [{"calls": 0}, {"calls": -1}, {"calls": 17}, {"least_fit": 2}, {"least_fit": -0.1}, {"least_fit": float("nan")}],
    ids=str,
)
def test_numbers_that_can_not_be_served_are_refused_with_a_hint(index: Index, how: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as error:
        ask(index, TWO, **how)
    assert next(iter(how)) in error.value.message
    assert error.value.hint


def test_a_filter_by_id_leaves_only_those_documents_to_call(index: Index) -> None:
    assert set(names(ask(index, TWO, wanderer(), filters={"id": [WEATHER]}))) == {"get_weather"}
    refused = ask(index, TWO, filters={"id": ["nothing"]})
    assert refused.refused
    assert refused.hits == ()
    assert "no document" in refused.reason


# Nothing masked


def unmasked(*calls: Any, several: bool = True) -> Toy:
    """Writes those calls as they are, behind how an answer is begun."""

    def says(asked: Asked) -> str:
        text = json.dumps({"calls": calls} if several else calls[0])
        assert text.startswith(asked.prefill)
        return text[len(asked.prefill) :]

    return Toy(says)


RAW = partial(ask, constrain="none")
FOUR = {"tool_name": "book_table", "arguments": {"seats": 4}}
ROME = {"tool_name": "get_weather", "arguments": {"city": "Rome"}}


def test_calls_that_nothing_holds_are_those_that_the_model_writes(index: Index) -> None:
    toy = unmasked(ROME, FOUR)
    answer = RAW(index, TWO, toy)
    assert [call.render() for call in answer.calls] == ["get_weather(city='Rome')", "book_table(seats=4)"]
    assert [hit.doc.id for hit in answer.hits][:2] == [WEATHER, BOOK]
    assert answer.verdict.ok
    (asked,) = toy.asked
    assert (asked.grammar, asked.schema) == (None, None)
    assert list(answer.timings) == ["search", "arguments", "verify"]
    assert answer.tokens["completion"] > 0


def test_one_call_is_asked_for_where_one_is_allowed_and_no_more_are_taken_than_are(index: Index) -> None:
    toy = unmasked(FOUR, several=False)
    assert RAW(index, TWO, toy, calls=1).api_call == "book_table(seats=4)"
    assert toy.asked[0].prefill == '{"tool_name": "'
    assert len(RAW(index, TWO, unmasked(FOUR, ROME, FOUR), calls=2).calls) == 2


@pytest.mark.parametrize(
    ("call", "rendered", "missing", "failed"),
    [
        ({"tool_name": "book_table", "arguments": {"seats": "four"}}, "book_table(seats='four')", (), ["schema"]),
        ({"tool_name": "book_table", "arguments": {}}, "book_table()", ("seats",), ["binds"]),
        (
            {"tool_name": "book_table", "arguments": {"chairs": 4}},
            "book_table(chairs=4)",
            ("seats",),
            ["schema", "binds"],
        ),
        ({"tool_name": "book_flight", "arguments": {"to": "Rome"}}, "book_flight(to='Rome')", (), ["documented"]),
        ({"tool_name": "book it!", "arguments": {}}, "book it!()", (), ["documented", "parses"]),
        ({"tool_name": "os.system", "arguments": {"x": 1}}, "os.system(x=1)", (), ["documented", "binds"]),
    ],
)
def test_what_is_wrong_with_a_call_that_nothing_held_is_found_afterwards(
    index: Index, call: dict[str, Any], rendered: str, missing: tuple[str, ...], failed: list[str]
) -> None:
    answer = RAW(index, TWO, unmasked(call))
    assert answer.api_call == rendered
    assert answer.missing == missing
    assert [check.name for check in answer.verdict.failed] == failed


@pytest.mark.parametrize("text", ["", "I'd rather not", '"}', 'x", "arguments": 7}]}', 'x", "arguments": {"a": 1}'])
def test_a_text_that_is_no_call_is_a_refusal_that_says_why(index: Index, text: str) -> None:
    answer = RAW(index, TWO, Toy(lambda _: text))
    assert answer.refused
    assert answer.reason.startswith("the model wrote no call: ")
    assert answer.hits


def test_a_model_that_goes_on_behind_its_calls_is_not_read_to_the_end(index: Index) -> None:
    more = "\n\nNow I will explain this at length." * 100
    toy = unmasked(FOUR, ROME)
    says = toy.says
    toy.says = lambda asked: says(asked) + more
    assert len(RAW(index, TWO, toy).calls) == 2
    assert toy.read < 100


@pytest.mark.parametrize(
    "name", ["a" * 3000, "x" * 300 + ".y", "a.b(c", "\n", "🦍", "class", "GET /pets", "a;b", "\ud800"]
)
def test_any_name_that_a_model_invents_is_answered_and_judged(index: Index, name: str) -> None:
    answer = RAW(index, TWO, unmasked({"tool_name": name, "arguments": {"": 1, "class": "x", "a b": [None]}}, FOUR))
    assert answer.refused or not answer.verdict.ok
    json.loads(answer.to_json())
    json.dumps(answer.tool_calls())


def test_arguments_are_given_to_calls_that_nothing_holds_too(index: Index) -> None:
    empty = {"tool_name": "book_table", "arguments": {}}
    assert RAW(index, TWO, unmasked(empty, ROME), given={"seats": 2}).api_call == "book_table(seats=2)"
    assert RAW(index, TWO, unmasked(FOUR, ROME), given={"seats": 2}).api_call == "book_table(seats=4)"
    assert RAW(index, TWO, unmasked(FOUR, several=False), given={"seats": 2}, calls=1).api_call == "book_table(seats=2)"
    with pytest.raises(UsageError, match="no call has an argument 'stars'"):
        RAW(index, TWO, unmasked(FOUR, ROME), given={"stars": 2})
    assert RAW(index, TWO, unmasked({"tool_name": "fly", "arguments": {}}), given={"seats": 2}).api_call == "fly()"


def test_a_users_variable_stays_one(index: Index) -> None:
    call = {"tool_name": "get_weather", "arguments": {"city": {"$expr": "home"}}}
    answer = RAW(index, TWO, unmasked(call))
    assert answer.placeholders == ("home",)


# Whatever a model writes


@pytest.mark.parametrize("calls", [1, 2, 8])
def test_whatever_the_logits_are_every_call_is_documented_and_fits_its_schema(index: Index, calls: int) -> None:
    questions = [
        TWO,
        "Tell me the weather in Rome, Oslo and Paris. Play rock, then book a table for 3 for 'Ann, and Bob'",
        'Book a table with {"seats": 3} for [Ann, Bob]; draw 3 rows of data',
        "Play {{}} and [{1, 2}] and {'$expr': 'x +'} at -1 % in jazz and rock",
        "1. Play some jazz\n2. Play some rock\n3. Book a table for 2, 4 and 6 people",
    ]
    for seed, question in enumerate(questions):
        answer = ask(index, question, wanderer(seed), calls=calls)
        assert 1 <= len(answer.calls) <= calls
        assert {check.outcome for check in answer.verdict.checks if check.name in ("documented", "schema")} <= {
            "passed",
            "not applicable",
        }
        assert [check.name for check in answer.verdict.failed if check.name != "binds"] == []


def test_a_value_that_was_copied_is_a_literal(index: Index) -> None:
    (value,) = dict(ask(index, "Play some jazz").calls[0].kwargs).values()
    assert value == argument("jazz")
    assert isinstance(value, Literal)
