"""The parts of a question: each asks for something, nothing of it is lost, what is quoted stays whole."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.parts import parts

JOINING = set("and then also plus finally lastly please".split())
PIECES = st.sampled_from(
    [
        "book a table for two", "tell me the weather in Rome", "play some jazz", "What is 5!", "Hello", "thanks",
        "a, b and c", "'run, and find me'", "Dr. Smith", "No. 5", "e.g. this", "3.5 km", "1.", "- ", "2) ", "\n", " ",
        ", ", " and ", ", and ", ". ", "; ", "? ", " then ", ", and then also ", "\n- ", "“quoted; too”", "é", "喷漆",
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (
            "Book a table for two, and tell me the weather in Rome. Also play some jazz.",
            ("Book a table for two", "tell me the weather in Rome.", "play some jazz."),
        ),
        ("Book a table; call a taxi", ("Book a table", "call a taxi")),
        ("find the rain\r\nget the sun", ("find the rain", "get the sun")),
        ("Get the rate then plot it over a year", ("Get the rate", "plot it over a year")),
        ("What is the time in Oslo, and how warm is it there?", ("What is the time in Oslo", "how warm is it there?")),
        ("Find the hall, and then, please book it", ("Find the hall", "book it")),
    ],
)
def test_a_part_begins_where_something_is_asked_for(question: str, found: tuple[str, ...]) -> None:
    assert parts(question) == found


@pytest.mark.parametrize(
    "question",
    [
        "buy tomatoes, salad and bread",
        "compare the rock and roll of 1950 with the rhythm and blues of 1940",
        "search for the terms rank and file",
        "how far is it to St. Louis, to Mt. Hood and to the U.S. border",
        "ask Dr. Smith and Mrs. Jones, vs. J. Doe, for No. 5",
        "Convert 3.5 km. to miles, e.g. for a run",
        "Say 'I go now, and find you; then. Play on'",
        'Send "Run, and hide. Then wait" to Ann',
        "order a pizza and order",
        "flip",
    ],
)
def test_a_question_of_one_part_stays_whole(question: str) -> None:
    assert parts(question) == (question,)


def test_a_noun_that_is_also_a_verb_begins_a_part_before_a_determiner_alone() -> None:
    assert parts("find a book and record a song") == ("find a book", "record a song")
    assert parts("find a book and record players") == ("find a book and record players",)


@pytest.mark.parametrize("entry", ["1. ", "1) ", "(1) ", "- ", "* ", "• ", "  12. "])
def test_what_an_entry_of_a_list_begins_with_is_no_part_and_in_none(entry: str) -> None:
    assert parts(f"{entry}Book a table\n{entry}Call a taxi") == ("Book a table", "Call a taxi")


def test_a_word_alone_is_no_part() -> None:
    assert parts("Book a table. Thanks! Call me then. Bye.") == ("Book a table. Thanks!", "Call me then. Bye.")


def test_white_space_and_control_characters_are_no_part() -> None:
    assert parts("  x  ") == ("x",)
    assert parts("\x01\n\nBook a table\n \n\x02\n") == ("Book a table \x02",)
    assert parts("") == ("",)


def test_of_very_many_parts_the_last_has_the_rest() -> None:
    found = parts("".join(f"Get number {number}. " for number in range(1000)))
    assert len(found) == 32
    assert found[:2] == ("Get number 0.", "Get number 1.")
    assert found[-1].split()[-1] == "999."


def words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join) | st.text(max_size=60))
def test_parts_have_the_words_of_the_question_in_order_and_leave_out_only_what_joins_them(question: str) -> None:
    found = parts(question)
    asked, kept = words(question), words(" ".join(found))
    left = iter(asked)
    assert all(word in left for word in kept)
    assert found
    assert all(part == part.strip() for part in found)
    missing = list(asked)
    for word in kept:
        missing.remove(word)
    assert all(word.lower() in JOINING or word.isdecimal() for word in missing)


@settings(deadline=None, max_examples=100)
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
def test_what_is_quoted_stays_whole(question: str) -> None:
    for quoted in re.findall(r"'run, and find me'|“quoted; too”", question):
        around = re.search(rf"(?<!\w){re.escape(quoted)}(?!\w)", question)
        assert not around or any(quoted in part for part in parts(question))


@pytest.mark.parametrize(
    "question",
    [
        "a" + " " * 100_000 + "b", "\n" * 100_000 + "a b", " \n" * 50_000 + "x y", "- " * 50_000, "and then " * 20_000,
        ", " * 50_000, "'" * 100_000, "Get it. " * 20_000, "A." * 50_000,
    ],
    ids=["blanks", "lines", "both", "entries", "words", "commas", "quotes", "sentences", "letters"],
)  # fmt: skip
def test_long_questions_are_read_in_time_in_proportion_to_their_length(question: str) -> None:
    begun = time.monotonic()
    assert parts(question)
    assert time.monotonic() - begun < 10
