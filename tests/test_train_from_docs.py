"""Questions made from documentation: requests, wordings, names, and what is left out of the documents."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag import starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.text import encoder_text, plain
from gorilla_rag.train.corpus import Pair, positive_text
from gorilla_rag.train.from_docs import MOST_A_DOCUMENT, MOST_DOCUMENTS, questions_from
from gorilla_rag.train.grammar import Request, request
from gorilla_rag.train.own_name import OwnName
from gorilla_rag.train.phrasing import SHARES, WORDINGS, phrase, with_typo
from gorilla_rag.train.sentences import cleaned, says_something, sentences
from tests.conftest import make_doc

WORDS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=200)


def tools(folder: Path) -> list[ApiDoc]:
    """The documents of a folder of tools."""
    with (folder / "docs.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return [
        ApiDoc(
            id=one["id"],
            api_call=one["api_call"] or one["name"],
            api_name=one["name"],
            domain=one["domain"] or "",
            description=one["description"] or "",
            api_arguments=one["parameters"],
            kind="tool",
        )
        for one in records
    ]


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Compute the mean of the values.", "compute the mean of the values"),
        ("Returns the mean and writes it to a file.", "return the mean and write it to a file"),
        ("Applies a function that takes and returns a row", "apply a function that takes and returns a row"),
        ("Randomly selects rows of a table.", "randomly select rows of a table"),
        ("Lists your API keys.", "list my API keys"),
        ("Search, sort and print the rows", "search, sort and print the rows"),
        ("This endpoint returns all projects.", "return all projects"),
        ("Send a request to this endpoint to create a contract.", "create a contract"),
        ("A function that applies a filter to a signal.", "apply a filter to a signal"),
        ("It allows you to search for films.", "search for films"),
        ("Computing relative depth from one image", "compute relative depth from one image"),
        ("Given two arrays, returns their product.", "return their product given two arrays"),
        ("Classify an image, and has an accuracy of 71 %", "classify an image"),
    ],
)
def test_a_sentence_on_what_is_done_becomes_an_action_in_the_imperative(sentence: str, wanted: str) -> None:
    assert request(sentence) == Request(wanted, "action")


@pytest.mark.parametrize(
    ("sentence", "wanted"),
    [
        ("Text-to-Speech", "text-to-speech"),
        ("Derivative of the Kelvin function.", "derivative of the Kelvin function"),
        ("List of the keys", "list of the keys"),
        ("Filter coefficients", "filter coefficients"),
        ("Image Classification", "image classification"),
        ("A BEiT classifier", "a BEiT classifier"),
        ("This is a fine-tuned version of BERT.", "a fine-tuned version of BERT"),
        ("BERT base model for Korean", "BERT base model for Korean"),
    ],
)
def test_a_noun_phrase_becomes_a_thing_and_names_keep_their_capitals(sentence: str, wanted: str) -> None:
    assert request(sentence) == Request(wanted, "thing")


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "...",
        "Input tensors are returned as they stand.",
        "See the guide for details.",
        "If true, the rows are sorted.",
        "RoBERTa builds on the masking of BERT.",
        "CPU CUDA HIP XLA",
        "The best thing for you",
        "This is a very specific type, so others will fail",
    ],
)
def test_a_remark_is_no_request(sentence: str) -> None:
    assert request(sentence) is None


def test_where_only_actions_are_wanted_a_thing_is_refused() -> None:
    assert request("Derivative of the function", actions_only=True) is None
    assert request("Derive the function", actions_only=True) == Request("derive the function", "action")


@given(text=WORDS)
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_making_of_requests(text: str) -> None:
    for sentence in sentences(text):
        assert sentence.raw in plain(text)
        made = request(sentence.text)
        assert made is None or made.text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "**Prerequisites:** a Pro account",
        "See also the other function of this module.",
        "Deprecated since version 3, use the other one.",
        "Licensed under the Apache licence, version two.",
        "More at https://example.org/a for everybody.",
        "rcond,info = zppcon(n,ap,anorm)",
        "Too short this",
    ],
)
def test_what_says_nothing_of_the_purpose_is_left_out(text: str) -> None:
    assert not says_something(cleaned(text))


def test_markup_tags_and_entities_are_taken_off_a_sentence() -> None:
    text = "Update a [group](https://a.b/c) &amp; its `name` (see the guide)."
    assert cleaned(text) == "Update a group & its name."


@given(text=st.text(alphabet="abcdef ,.XY-", max_size=120), seed=st.integers(0, 10**6))
@settings(max_examples=200, deadline=None)
def test_a_typo_keeps_the_number_of_words_and_changes_one_letter_at_most(text: str, seed: int) -> None:
    slipped = with_typo(text, random.Random(seed))
    assert len(slipped.split()) == len(text.split())
    assert abs(len(slipped) - len(text)) <= 1
    assert sum((Counter(slipped) - Counter(text)).values()) <= 1


def test_typos_spare_the_first_and_the_last_letter_and_short_words() -> None:
    made = {with_typo("cab abcd", random.Random(seed)) for seed in range(50)}
    assert made == {"cab acbd", "cab acd", "cab abbcd"}


@given(text=st.text(alphabet="abc {}", min_size=1).filter(str.strip), seed=st.integers(0, 10**6))
@settings(max_examples=100, deadline=None)
def test_the_same_seed_puts_a_request_the_same_way(text: str, seed: int) -> None:
    for wanted in (Request(text, "action"), Request(text, "thing")):
        assert phrase(wanted, random.Random(seed)) == phrase(wanted, random.Random(seed))


def test_every_phrasing_and_every_wording_comes_up() -> None:
    rng = random.Random(0)
    made = [phrase(Request("zip whole folders", "action"), rng) for _ in range(3000)]
    assert {phrasing for _, phrasing in made} == set(SHARES)
    questions = {question for question, _ in made}
    for wording in WORDINGS:
        if wording.form == "action":
            assert wording.of("zip whole folders") in questions


def test_what_an_api_returns_is_asked_for_as_something_to_get() -> None:
    rng = random.Random(0)
    made = [phrase(Request("return the mean", "action"), rng) for _ in range(300)]
    assert not [question for question, phrasing in made if phrasing in {"plain", "chatty"} and "return" in question]


@pytest.mark.parametrize(
    ("name", "text", "stands"),
    [
        ("torch.nn.functional.embedding_bag", "Sums the EmbeddingBag", True),
        ("torch.nn.functional.embedding_bag", "bags of embeddings", False),
        ("numpy.squeeze", "squeezes an array", True),
        ("getTaxBracket", "get tax brackets by income", True),
        ("getTaxBracket", "retrieve tax brackets", False),
        ("Zoom API - Queues: Update hours", "update the hours of a queue", False),
        ("Zoom API - Queues: Update hours", "update hours of a queue", True),
        ("", "anything", False),
    ],
)
def test_a_name_is_found_by_its_words_in_a_row(name: str, text: str, stands: bool) -> None:
    assert OwnName(name).stands_in(text) is stands


def test_a_verb_that_is_the_name_is_said_otherwise_or_the_request_dropped() -> None:
    assert OwnName("a.delete").cut_from(Request("delete the row", "action"), only=False) in (
        Request("remove the row", "action"),
        Request("get rid of the row", "action"),
    )
    assert OwnName("a.zip").cut_from(Request("zip the folder", "action"), only=True) is None


def test_a_name_of_one_word_is_left_out_of_the_only_sentence_where_enough_is_left() -> None:
    wanted = Request("compute the dot product of two vectors", "action")
    assert OwnName("numpy.dot").cut_from(wanted, only=True) == Request("compute the product of two vectors", "action")
    assert OwnName("numpy.dot").cut_from(wanted, only=False) is None
    assert OwnName("numpy.dot").cut_from(Request("compute dot products", "action"), only=True) is None
    assert OwnName("numpy.mean").cut_from(Request("compute the mean of a long array", "action"), only=True) is None


def test_every_question_is_about_a_document_and_hides_its_name() -> None:
    docs = starter.documents()
    by_id = {doc.id: doc for doc in docs}
    made = questions_from(docs, seed=1)
    assert len(made) > len(docs) / 3
    for pair in made:
        doc = by_id[pair.relevant[0]]
        assert pair.made.endswith("/typo") or not OwnName(doc.api_name or doc.api_call).stands_in(pair.question)
    assert max(Counter(pair.relevant[0] for pair in made).values()) <= MOST_A_DOCUMENT


def test_the_same_seed_makes_the_same_questions_and_another_others(docs: list[ApiDoc]) -> None:
    assert questions_from(docs, seed=3) == questions_from(docs, seed=3)
    assert questions_from(docs, seed=3) != questions_from(docs, seed=4)


def test_a_count_is_kept_and_spread_over_the_documents(docs: list[ApiDoc]) -> None:
    made = questions_from(docs, count=len(docs), seed=0)
    assert len(made) == len(docs)
    assert len({pair.relevant for pair in made}) == len(docs)
    with pytest.raises(UsageError, match="0 questions"):
        questions_from(docs, count=0)


def test_about_two_thirds_of_the_questions_omit_what_they_were_made_from() -> None:
    docs = [make_doc(n, functionality=f"Computes the number {n} of the series", description="") for n in range(600)]
    made = questions_from(docs, seed=0)
    omitted = sum(bool(pair.omitted) for pair in made)
    assert 0.6 < omitted / len(made) < 0.73


def test_a_sentence_that_many_documents_have_makes_no_question() -> None:
    few = [make_doc(n, functionality="Sends a letter to a friend", description="") for n in range(MOST_DOCUMENTS)]
    many = [*few, make_doc(99, functionality="Sends a letter to a friend", description="")]
    assert questions_from(few)
    assert questions_from(many) == []


def test_documents_with_the_same_sentence_are_all_right_for_its_question() -> None:
    same = [
        make_doc(n, functionality="Sends a letter to a friend", description="", domain=f"field {n}") for n in (1, 2)
    ]
    made = questions_from([*same, make_doc(3)], seed=0)
    for pair in made:
        assert set(pair.relevant) <= {doc.id for doc in same} or pair.relevant == ("doc-003",)
        if pair.made.startswith("functionality") and "doc-001" in pair.relevant:
            assert sorted(pair.relevant) == ["doc-001", "doc-002"]
        if pair.made.startswith("domain"):
            assert len(pair.relevant) == 1


def test_parameters_and_domains_are_asked_for_together_with_the_purpose() -> None:
    doc = make_doc(
        1,
        api_name="getWeather",
        domain="Science/Weather Forecasting",
        functionality="Tells how warm it will be",
        description="",
    )
    doc = replace(doc, api_arguments={"city": "The name of the city (e.g., Leeds)", "ok": "Whether to be quick"})
    made = {
        pair.made.split("/")[0]: pair for pair in questions_from([doc, make_doc(2)], seed=0) if doc.id in pair.relevant
    }
    assert set(made) == {"functionality", "parameters", "domain"}
    joined = [questions_from([doc, make_doc(2)], seed=seed) for seed in range(20)]
    asked = [pair.question.lower() for pairs in joined for pair in pairs if pair.made == "parameters/plain"]
    assert asked
    assert all("the name of the city" in question and "leeds" not in question for question in asked)


def test_of_python_objects_the_package_is_named_not_the_module() -> None:
    doc = make_doc(1, domain="pandas core", functionality="Groups rows of a table by a column", description="")
    doc = replace(doc, source="python", framework="pandas")
    made = [pair for seed in range(10) for pair in questions_from([doc, make_doc(2)], seed=seed)]
    asked = [pair.question for pair in made if pair.made.startswith("domain") and doc.id in pair.relevant]
    assert any("with pandas" in question for question in asked)
    assert not any("core" in question for question in asked)
    assert any(pair.made.startswith("docstring") for pair in made)


def test_the_text_of_a_pair_lacks_what_the_question_was_made_from() -> None:
    doc = make_doc(1, description="Packs a folder. Keeps  what\nis older.")
    pair = Pair("keep older things", (doc.id,), "description/plain", ("Keeps what is older.",))
    assert "Keeps" in encoder_text(doc)
    assert positive_text(doc, pair) == encoder_text(replace(doc, description="Packs a folder."))
    assert positive_text(doc, replace(pair, omitted=())) == encoder_text(doc)


def test_a_text_that_would_be_empty_stays_whole() -> None:
    doc = ApiDoc(id="a", api_call="f(x)", functionality="Packs a folder")
    assert positive_text(doc, Pair("pack", ("a",), "functionality/terse", ("Packs a folder",))) == "Packs a folder"


def test_what_questions_omit_is_taken_out_of_real_documents() -> None:
    docs = starter.documents()
    by_id = {doc.id: doc for doc in docs}
    pairs = [pair for pair in questions_from(docs, seed=0) if pair.omitted]
    assert pairs
    shorter = [
        len(positive_text(by_id[pair.relevant[0]], pair)) < len(encoder_text(by_id[pair.relevant[0]])) for pair in pairs
    ]
    assert sum(shorter) > 0.9 * len(pairs)


def test_a_pair_without_question_or_document_is_refused() -> None:
    for question, relevant in ((" ", ("a",)), ("q", ())):
        with pytest.raises(UsageError, match="a pair of the question"):
            Pair(question, relevant, "given")


@pytest.mark.data
@pytest.mark.parametrize(("name", "least"), [("apizoo", 2500), ("seal_tools", 3300), ("metatool", 90)])
def test_most_published_tools_get_questions(data: Path, name: str, least: int) -> None:
    made = questions_from(tools(data / "training" / name), seed=0)
    assert len({pair.relevant for pair in made}) >= least
    assert not [pair for pair in made if "http" in pair.question or "<" in pair.question or "**" in pair.question]
