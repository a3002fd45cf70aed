"""A model that has learnt to say that no document does what is asked: when that counts, and what is then said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from gorilla_rag import Answer, Gorilla
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.generate import prompt
from gorilla_rag.generate.base import Message
from gorilla_rag.index.index import Index
from tests.test_generate_typed import tool
from tests.toys import Toy, filling

DOCS = [
    tool("get_weather", "Tells the weather in a city.", ("city",), city={"type": "string"}),
    tool("play_music", "Plays music of a genre.", ("genre",), genre={"type": "string", "enum": ["jazz", "rock"]}),
]
QUESTION = "Tell me the weather in Rome"
ARGUMENTS = {"get_weather": {"city": "Rome"}, "play_music": {"genre": "jazz"}}
NONE_OF_TWO = len(DOCS)


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Gorilla.from_docs(DOCS, encoder=EmbeddedEncoder(), generator=Toy)
    yield made.index
    made.index.close()


def answered(index: Index, place: int, *, refuses: bool = True, **how: Any) -> Answer:
    """The answer with a model whose label is the one at a place; behind the documents' stands `none`."""
    toy = Toy(filling(ARGUMENTS).says, label=lambda _: place, refuses=refuses)
    return Gorilla(index, lambda: toy).ask(QUESTION, **{"fields": "call", "mode": "hybrid", **how})


@pytest.mark.parametrize("chooser", ["model", "joint"])
def test_none_is_a_refusal_with_its_reason_and_keeps_what_was_found(index: Index, chooser: str) -> None:
    answer = answered(index, NONE_OF_TWO, chooser=chooser)
    assert answer.refused
    assert answer.reason == "the model says that none of the documents does it, with probability 0.99"
    assert {hit.doc.api_call for hit in answer.hits} == {doc.api_call for doc in DOCS}


def test_a_single_document_can_be_refused_too(index: Index) -> None:
    assert answered(index, 1, chooser="model", k=1).refused
    assert answered(index, 0, chooser="model", k=1).calls


def test_a_document_is_called_where_it_is_likelier_than_none(index: Index) -> None:
    answer = answered(index, 0, chooser="model")
    assert not answer.refused
    assert answer.confidence == pytest.approx(1, abs=0.01)


def test_the_retriever_asks_no_model_and_a_model_that_has_not_learnt_it_is_not_told(index: Index) -> None:
    assert not answered(index, NONE_OF_TWO, chooser="retriever").refused
    seen: list[str] = []

    def label(messages: Sequence[Message]) -> int:
        seen.append(messages[-1]["content"])
        return 0

    for refuses in (False, True):
        made = partial(Toy, filling(ARGUMENTS).says, label=label, refuses=refuses)
        assert Gorilla(index, made).ask(QUESTION, chooser="model", fields="call").calls
    assert [text.endswith(prompt.CHOOSE_OR_NONE) for text in seen] == [False, True]


@pytest.mark.parametrize(("sure", "calls"), [(True, 2), (False, 1)])
def test_a_part_that_the_model_says_none_answers_has_no_call(index: Index, sure: bool, calls: int) -> None:
    def label(messages: Sequence[Message]) -> int:
        text = messages[-1]["content"]
        shown = [line for line in text.splitlines() if line.startswith("[")]
        music = next(place for place, line in enumerate(shown) if "play_music" in line)
        if "weather" in text.partition("Task: ")[2]:
            return 1 - music
        return music if sure else NONE_OF_TWO

    made = partial(Toy, filling(ARGUMENTS).says, label=label, refuses=True)
    question = f"{QUESTION}. Play music of the genre jazz."
    answer = Gorilla(index, made).ask(question, chooser="model", calls=4, fields="call")
    assert len(answer.calls) == calls
