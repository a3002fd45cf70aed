"""Questions of evaluations are kept out of training, and none stands twice."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.sources import apibench
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.leaks import deduplicated, guard, remove_leaks
from tests.growth import growth

LONG = "Which model turns a short German text into natural sounding speech?"
QUESTION = st.lists(st.sampled_from("how do i turn an old text image into new speech".split()), min_size=1, max_size=20)
PAIRS = st.lists(
    st.builds(
        Pair,
        st.sampled_from(["a b", "A b!", "c", "C?", "d e f", "?"]),
        st.lists(st.sampled_from("xyz"), min_size=1, max_size=3, unique=True).map(tuple),
        st.sampled_from(["given", "functionality/terse"]),
        st.sampled_from([(), ("one",), ("two",)]),
    ),
    max_size=12,
)


def corpus(*pairs: Pair) -> Corpus:
    """A corpus of these pairs."""
    return Corpus("own", (), pairs, "here", "MIT")


@given(questions=st.lists(QUESTION.map(" ".join), min_size=1, max_size=8), at=st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_every_verbatim_copy_is_found_whatever_its_case_and_punctuation(questions: list[str], at: int) -> None:
    asked = questions[at % len(questions)]
    against = guard(questions)
    for copy in (asked, asked.upper(), f"{asked} ?!"):
        assert against.check(copy) == 1
        assert against.leak(copy) is not None


@given(asked=QUESTION.filter(lambda words: len(words) >= 8).map(" ".join))
@settings(max_examples=100, deadline=None)
def test_a_copy_inside_a_longer_question_is_found(asked: str) -> None:
    leak = guard([asked]).leak(f"Hi there, {asked}. Could anybody help me with that please?")
    assert leak is not None
    assert leak.resembles == asked


@pytest.mark.parametrize(
    ("question", "evaluation", "leaks"),
    [
        (LONG, LONG.replace("German", "Dutch"), False),
        (LONG, LONG.replace("short", "long"), False),
        (LONG, LONG.replace("speech", "singing"), True),
        ("turn a text into speech", "turn a text into speech now", True),
        ("turn a text into speech", "turn a text into pictures", False),
        ("text to speech", "how do I turn a text to speech", False),
        (f"{LONG} Can you give me an API?", "Can you give me an API call?", False),
        (f"{LONG} Can you give me an API call?", "Can you give me an API call?", True),
    ],
)
def test_from_which_overlap_on_a_question_is_a_leak(question: str, evaluation: str, leaks: bool) -> None:
    assert (guard([evaluation]).leak(question) is not None) is leaks


def test_nothing_leaks_where_nothing_is_evaluated() -> None:
    assert guard([]).check(LONG) == 0
    assert guard([]).leak("") is None


def test_leaks_are_taken_out_and_named() -> None:
    kept = Pair("Fold a paper plane", ("x",), "given")
    clean, leaks = remove_leaks(corpus(Pair(LONG.lower(), ("x",), "given"), kept), guard([LONG]))
    assert clean.pairs == (kept,)
    assert [(leak.question, leak.resembles, leak.overlap) for leak in leaks] == [(LONG.lower(), LONG, 1.0)]


def test_checking_takes_no_time_that_grows_with_every_pair_of_questions() -> None:
    rng = random.Random(0)
    words = [f"word{n}" for n in range(300)]
    asked = ["i need to " + " ".join(rng.choices(words, k=rng.randint(3, 25))) for _ in range(16_000)]

    def checking(count: int) -> None:
        against = guard(asked[: count // 4])
        assert sum(against.leak(question) is not None for question in asked[count // 4 : count]) < 100

    # Four times as many on both sides; comparing each with each would be sixteen times.
    assert growth(checking, 4_000, 16_000) < 10


@given(pairs=PAIRS)
@settings(max_examples=200, deadline=None)
def test_taking_out_what_stands_twice_is_done_once_and_loses_no_label(pairs: list[Pair]) -> None:
    once = deduplicated(corpus(*pairs))
    assert deduplicated(once) == once
    assert {one for pair in once.pairs for one in pair.relevant} == {one for pair in pairs for one in pair.relevant}


def test_the_same_question_with_other_documents_has_all_of_them() -> None:
    one, other = Pair("Zip it", ("a", "b"), "given"), Pair("zip it!", ("b", "c"), "given:apibench")
    assert deduplicated(corpus(one, other)).pairs == (Pair("Zip it", ("a", "b", "c"), "given"),)


def test_a_given_question_stays_given_with_whole_documents() -> None:
    made = Pair("zip it", ("a",), "functionality/terse", ("Zips it.",))
    given_too = Pair("Zip it", ("a",), "given")
    assert deduplicated(corpus(made, given_too)).pairs == (given_too,)
    assert deduplicated(corpus(made, made)).pairs == (made,)


@pytest.mark.data
def test_a_published_evaluation_is_found_whole_and_its_training_questions_stay(data: Path) -> None:
    def asked(name: str) -> list[str]:
        with (data / "apibench" / "apibench" / name).open(encoding="utf-8") as lines:
            return [apibench.question_in(json.loads(line)["code"]) for line in lines]

    evaluation = asked("torchhub_eval.json")
    against = guard(evaluation)
    assert all(against.leak(question) for question in evaluation)
    training = asked("torchhub_train.json")
    assert sum(against.leak(question) is not None for question in training) < len(training) / 50
