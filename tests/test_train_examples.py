"""Turns made of examples: what is asked about candidates, and what is then right."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gorilla_rag import starter
from gorilla_rag.answer import NONE
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.index import change
from gorilla_rag.index.index import Index
from gorilla_rag.train.corpus import Pair
from gorilla_rag.train.examples import CANDIDATES, QUESTIONS, Example, turned
from gorilla_rag.train.turns import Reader, Turn

DOCS = starter.documents()[:60]
READER = Reader(2048, lambda text: len(text.split()))
EXAMPLES = [Example(Pair(f"I need number {doc.id}: {doc.functionality}", (doc.id,), "given")) for doc in DOCS]


@pytest.fixture(scope="module")
def index(encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index") / "sixty"
    change.build(folder, DOCS, encoder)
    opened = Index(folder, encoder)
    yield opened
    opened.close()


def asked(turn: Turn) -> list[tuple[str, str]]:
    """The questions of a conversation, each with the label that is right."""
    said = [
        (turn.messages[-1]["content"], turn.target),
        *((message["content"], target) for message, target in turn.then),
    ]
    return [(text.rpartition("Task: ")[2].partition("\n")[0], target.partition('"')[0]) for text, target in said]


def shown(turn: Turn) -> dict[str, str]:
    """The line of each label's document."""
    return dict(re.findall(r"^\[([A-Z])\] (.*)$", turn.messages[-1]["content"], re.MULTILINE))


def test_whatever_is_asked_in_a_conversation_the_label_is_of_the_right_document(index: Index) -> None:
    right = {example.pair.question: doc for example, doc in zip(EXAMPLES, DOCS, strict=True)}
    made = turned(EXAMPLES, index, READER, source="x", present=0.7).turns
    questions = [one for turn in made for one in asked(turn)]
    assert len(made) == len(EXAMPLES)
    assert len(questions) > 2 * len(made)
    assert {label for _, label in questions} == {*"ABCDE", NONE}
    for turn in made:
        documents, said = shown(turn), asked(turn)
        assert len(documents) == CANDIDATES
        assert len(said) <= QUESTIONS
        assert len({question for question, _ in said}) == len(said)
        for question, label in said:
            lines = documents.values() if label == NONE else [documents[label]]
            assert any(right[question].api_call in line for line in lines) == (label != NONE)


def test_questions_that_only_follow_begin_no_conversation(index: Index) -> None:
    made = turned(EXAMPLES[:6], index, READER, source="x", also=EXAMPLES[6:]).turns
    first = {asked(turn)[0][0] for turn in made}
    assert first == {example.pair.question for example in EXAMPLES[:6]}
    assert {question for turn in made for question, _ in asked(turn)} - first


def test_one_question_a_conversation_if_wanted(index: Index) -> None:
    made = turned(EXAMPLES[:6], index, READER, source="x", also=EXAMPLES[6:], most_asked=1).turns
    assert not any(turn.then for turn in made)
