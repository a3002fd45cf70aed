"""A document as text: for the encoder, for BM25 and for the prompt."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.text import (
    QUERY_LIMIT,
    bm25_text,
    bm25_words,
    encoder_text,
    explain_value,
    is_empty,
    plain,
    prompt_text,
    query_text,
)
from tests.conftest import make_doc


def count_words(text: str) -> int:
    """A token counter: words."""
    return len(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Convert text, to SPEECH!", ["convert", "text", "to", "speech"]),
        ("read_csv", ["read_csv", "read", "csv"]),
        ("torch.hub.load", ["torch", "hub", "load"]),
        ("AutoModelForCTC", ["automodelforctc", "auto", "model", "for", "ctc"]),
        ("HTTPServer", ["httpserver", "http", "server"]),
        ("wav2vec2", ["wav2vec2", "wav", "2", "vec", "2"]),
        ("__init__", ["init"]),
        ("bert-base", ["bert", "base"]),
        ("größe", ["größe"]),
        ("", []),
        ("_ -- _", []),
    ],
)
def test_words_are_lower_case_and_identifiers_come_with_their_parts(text: str, words: list[str]) -> None:
    found = bm25_words(text)
    assert found[: len(words)] == words
    assert found if words else not found


def test_words_of_other_scripts_are_kept() -> None:
    assert bm25_words("翻译文本 перевод текста") == ["翻译文本", "перевод", "текста"]


@settings(deadline=None)
@given(st.text())
def test_words_of_any_text_are_lower_case_and_stand_in_it(text: str) -> None:
    folded = text.casefold()
    assert all(word and word == word.lower() and word.casefold() in folded for word in bm25_words(text))


def test_the_encoder_reads_domain_task_name_and_description() -> None:
    doc = make_doc(1, domain="Audio.", description="Reads\n  aloud.")
    assert encoder_text(doc) == "Audio. does task number 1. function_1. Reads aloud"


def test_bm25_reads_the_call_as_well() -> None:
    assert bm25_text(make_doc(1)).split("\n") == [
        "Testing",
        "does task number 1",
        "function_1 tools.function_1(x)",
        "The function for task 1, one of many.",
    ]


@pytest.mark.parametrize("empty", ["N/A", "", "none", " Not provided "])
def test_fields_that_say_nothing_are_left_out(empty: str) -> None:
    doc = make_doc(1, domain=empty, description=empty)
    assert encoder_text(doc) == "does task number 1. function_1"
    assert bm25_text(doc) == "does task number 1\nfunction_1 tools.function_1(x)"
    assert prompt_text(make_doc(1, functionality=empty, description=empty), 100, count_words) == (
        "function_1: tools.function_1(x)"
    )


def test_a_long_description_is_encoded_in_part_but_searched_whole() -> None:
    doc = make_doc(1, description="word " * 1000 + "end")
    assert len(encoder_text(doc)) < 1400
    assert bm25_text(doc).endswith("end")


def test_the_prompt_has_every_field_when_there_is_room() -> None:
    doc = ApiDoc(id="a", api_call="f(x)", api_name="f", domain="D", functionality="T", description="Does.\nIt.")
    doc = ApiDoc.from_dict(doc.to_dict() | {"api_arguments": {"x": "what", "y": "N/A", "z": ["a", None]}})
    assert prompt_text(doc, 100, count_words) == "f: f(x)\nD: T\nDoes. It.\nArguments: x: what; z: a"


WORDS = st.lists(st.text("ab é", max_size=6), max_size=40).map(" ".join)


@settings(deadline=None)
@given(WORDS, WORDS, WORDS, st.dictionaries(WORDS, WORDS, max_size=3), st.integers(0, 120))
def test_the_prompt_keeps_the_call_whole_and_stays_in_its_budget(
    name: str, task: str, description: str, arguments: dict[str, str], budget: int
) -> None:
    call = "tools.function(first, second='a b c', third=[1, 2, 3])"
    doc = ApiDoc(
        id="a", api_call=call, api_name=name, functionality=task, description=description, api_arguments=arguments
    )
    text = prompt_text(doc, budget, count_words)
    head = call if is_empty(name) else f"{name}: {call}"
    assert text.startswith(head)
    assert count_words(text) <= max(budget, count_words(head))
    assert text == head or count_words(text) > count_words(head)


def test_what_matters_least_is_cut_first() -> None:
    doc = make_doc(1, functionality="short task", description="word " * 50)
    lines = prompt_text(doc, 30, count_words).split("\n")
    assert lines[1] == "Testing: short task"
    assert lines[2].startswith("word word")
    assert lines[2].endswith(" …")
    assert prompt_text(doc, 3, count_words) == "function_1: tools.function_1(x)"


@settings(deadline=None)
@given(st.text())
def test_plain_text_is_one_line_without_control_characters_and_stays_as_it_is(text: str) -> None:
    found = plain(text)
    assert not set(found) & set("\n\r\t\x00\x1f\x7f")
    assert "  " not in found
    assert plain(found) == found == found.strip()


def test_plain_keeps_the_words() -> None:
    assert plain("  a\n\tb\x00c \r\n d ") == "a b c d"


@pytest.mark.parametrize(
    "value", [None, "", "  ", "N/A", "n/a", "None", "null", "{}", {}, [], "Not Specified", "unknown"]
)
def test_what_says_nothing_is_empty(value: Any) -> None:
    assert is_empty(value)


@pytest.mark.parametrize("value", [0, False, "no", "0", [None], {"a": None}, "n/a for now"])
def test_what_says_something_is_not_empty(value: Any) -> None:
    assert not is_empty(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [({"a": 1, "b": "N/A", "c": ["x", "y"]}, "a: 1; c: x, y"), ("a\nb", "a b"), (None, ""), ([{"a": True}], "a: True")],
)
def test_a_json_value_is_explained_on_one_line(value: Any, text: str) -> None:
    assert explain_value(value) == text


@settings(deadline=None)
@given(st.text(max_size=3 * QUERY_LIMIT))
def test_a_question_is_searched_with_as_one_line_of_limited_length(question: str) -> None:
    found = query_text(question)
    assert len(found) <= QUERY_LIMIT
    assert "\n" not in found


def test_a_short_question_is_searched_with_whole_and_a_long_one_from_its_start() -> None:
    assert query_text(" How do I\nread text? ") == "How do I read text?"
    assert query_text("ab" * QUERY_LIMIT) == "ab" * (QUERY_LIMIT // 2)
