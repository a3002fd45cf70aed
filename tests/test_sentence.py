"""An explanation's sentence: what it may name, as llguidance holds a model to it and as a pattern says it."""

from __future__ import annotations

import re

import pytest
from llguidance import LLMatcher

from gorilla_rag.generate import sentence
from gorilla_rag.generate.strict import strict

READ = """Document:
[API] move_file
source (string): the old path, as /tmp/a-1.txt or C:\\old
OpenAPI 3.0; see https://docs.example.org/v2/files#move. Used by torch.hub.load("repo"), pages 1,3,14.

Task: rename IMG_2201.jpg to lighthouse.jpg for Greta at -15 °C, 28,500 times

{"source": "IMG_2201.jpg", "count": 28500}"""

ALLOWED = [
    "renames a file.",
    "renames lighthouse.jpg.",
    "renames IMG_2201.jpg to lighthouse.jpg, but you have to say where it lies.",
    "moves Greta's picture (IMG_2201.jpg) with torch.hub.load, 28,500 times at -15.",
    "checks the definition against OpenAPI 3.0.",
    "reads pages 1, 3 and 14 of https://docs.example.org/v2/files#move.",
    "calls 'load' or the hub's 'repo'; it doesn't do more than that.",
    "öffnet die datei lighthouse.jpg für dich.",
]
REFUSED = [
    "renames lighthouse.png.",
    "renames the well-known file quickly.",
    "renames a bert-base-uncased quickly.",
    "renames IMG_2202.jpg.",
    "renames the file for Gregor at once.",
    "renames the file 16 times.",
    "renames the file 3.1 times.",
    "renames the file with torch.load quickly.",
    "renames the file withOpenAPI quickly.",
    "renames the file. and another.",
    'renames the "file" of somebody.',
    "renames the file_name of somebody.",
    "Renames the file of somebody.",
    "renames the file of somebody",
]


def accepts(text: str) -> bool:
    """Whether a model that is held to the grammar of what was read may write this, and then end."""
    return sentence.fits(f" {text}", READ)


@pytest.mark.parametrize("text", ALLOWED)
def test_a_sentence_names_what_was_read(text: str) -> None:
    assert accepts(text)
    assert re.fullmatch(sentence.pattern("move_file", READ), f"move_file {text}")


@pytest.mark.parametrize("text", REFUSED)
def test_a_sentence_names_nothing_else_and_is_one(text: str) -> None:
    assert not accepts(text)
    assert not re.fullmatch(sentence.pattern("move_file", READ), f"move_file {text}")


def test_a_sentence_has_no_character_that_json_forbids() -> None:
    assert not any(accepts(f"renames the {chr(code)}file of somebody.") for code in range(0x20))


def test_a_sentence_has_a_bounded_length() -> None:
    assert accepts("a" + " very" * 40 + " long one.")
    assert not accepts("a" + " very" * 60 + " long one.")
    _, limit = sentence.grammar(READ)
    assert limit >= sentence.LENGTH + 2
    chinese = "把照片重命名为灯塔" * 5
    assert sentence.fits(f" {chinese}.", READ)
    assert not sentence.fits(f" {chinese * 2}.", chinese)


def test_servers_get_the_pattern() -> None:
    text = {"type": "string", "pattern": sentence.pattern("move_file", READ)}
    assert strict(text) == text


def test_names_are_whole_and_in_parts() -> None:
    found = sentence.names(READ)
    for name in (
        "move_file",
        "IMG_2201.jpg",
        "IMG_2201",
        "torch.hub.load",
        "3.0",
        "28,500",
        "-15",
        "15",
        "/tmp/a-1.txt",
    ):
        assert name in found
    assert "lighthouse" not in found
    assert "old" not in found


@pytest.mark.parametrize("read", ["", '"\\ \x00\x07 "', "[" * 50 + "]{9}^$|?*+()", "/" * 300 + " " + "A1" * 300])
def test_whatever_was_read_makes_a_grammar_and_a_pattern(read: str) -> None:
    made = sentence.grammar(read)[0]
    assert not LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(made))
    re.compile(sentence.pattern('a "quoted" name', read))
