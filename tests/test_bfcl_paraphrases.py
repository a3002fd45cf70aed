"""Questions of the Berkeley function-calling leaderboard in other words: nothing that the call needs gets lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

PARAPHRASES: list[dict[str, str]] = [
    json.loads(line)
    for line in (files("gorilla_rag.evaluate") / "benchmarks/bfcl_paraphrases.jsonl").read_text("utf-8").splitlines()
]
CATEGORIES = {"simple_python": 80, "multiple": 60, "parallel": 30, "parallel_multiple": 30}
NUMBER = re.compile(r"((?:(?<![\w.])-)?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?)(%?)", re.IGNORECASE)
NUMBER_WORDS = {word: n for n, word in enumerate("two three four five six seven eight nine ten".split(), start=2)}


@pytest.fixture(scope="module")
def originals(data: Path) -> dict[str, dict[str, Any]]:
    lines = (data / "bfcl" / "bfcl_v4_python" / "queries.jsonl").read_text("utf-8").splitlines()
    return {record["id"]: record for record in map(json.loads, lines)}


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def overlap(one: str, other: str) -> float:
    """Jaccard's index of two texts' words."""
    return len(set(words(one)) & set(words(other))) / len(set(words(one)) | set(words(other)))


def values(accepted: Any) -> Iterator[str | float]:
    """The strings and numbers in what a gold call accepts."""
    if isinstance(accepted, dict | list):
        for inner in accepted.values() if isinstance(accepted, dict) else accepted:
            yield from values(inner)
    elif accepted is not None and not isinstance(accepted, bool) and accepted != "":
        yield accepted


def numerals(text: str) -> set[float]:
    """The numbers that a text writes in digits; 5% is also .05."""
    found = [(float(number.replace(",", "")), percent) for number, percent in NUMBER.findall(text)]
    return {number for number, _ in found} | {round(number / 100, 9) for number, percent in found if percent}


def number_words(text: str) -> set[float]:
    return {float(NUMBER_WORDS[word]) for word in words(text) if word in NUMBER_WORDS}


def stands(value: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE) is not None


def lost(value: str | float, original: str, paraphrase: str) -> bool:
    """Whether the original question gives a value in so many words and the paraphrase doesn't."""
    if isinstance(value, str):
        return stands(value, original) and not stands(value, paraphrase)
    if value in numerals(original):
        return value not in numerals(paraphrase)
    return value in number_words(original) and value not in numerals(paraphrase) | number_words(paraphrase)


def test_there_are_two_hundred_and_none_stands_twice() -> None:
    assert all(set(one) == {"id", "question"} for one in PARAPHRASES)
    assert len({one["id"] for one in PARAPHRASES}) == len({one["question"].lower() for one in PARAPHRASES}) == 200
    assert Counter(one["id"].rsplit("_", 1)[0] for one in PARAPHRASES) == CATEGORIES


def test_a_question_is_one_line_of_text() -> None:
    for one in PARAPHRASES:
        assert one["question"] == one["question"].strip() != ""
        assert len(one["question"].splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "original", "paraphrase"),
    [
        ("Los Angeles", "from Los Angeles", "from there"),
        ("men", "for men", "for women"),
        (0.05, "at 5%", "at 5 a year"),
        (-3, "b=-3", "b=3"),
        (2000000, "$2,000,000", "$2,000"),
        (1e-9, "1e-9 and 2e-9", "1 and 2e-9"),
        (5, "5 days", "five days"),
        (5, "five days", "some days"),
    ],
)
def test_a_value_that_is_left_out_is_noticed(value: str | float, original: str, paraphrase: str) -> None:
    assert lost(value, original, paraphrase)
    assert not lost(value, original, f"{paraphrase}: {original}")


@pytest.mark.data
def test_a_paraphrase_keeps_each_value_of_the_gold_call(originals: dict[str, dict[str, Any]]) -> None:
    missing = {
        (one["id"], value)
        for one in PARAPHRASES
        for value in values(originals[one["id"]]["gold_call"])
        if lost(value, originals[one["id"]]["query"], one["question"])
    }
    assert not missing


@pytest.mark.data
def test_a_paraphrase_has_words_of_its_own(originals: dict[str, dict[str, Any]]) -> None:
    shared = {one["id"]: overlap(originals[one["id"]]["query"], one["question"]) for one in PARAPHRASES}
    assert max(shared.values()) < 0.6
    assert sum(shared.values()) / len(shared) < 0.3
