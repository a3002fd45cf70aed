"""Lists in a question: what stands in brackets, and what is joined by commas and `and`. Knows text, no schema.

`the mean of [3, 5, 8]` has one in brackets; `tomatoes, salad and bread` is joined. Where a joined list begins and ends
can't be told from its words, so there are several readings of it: `price of tomatoes` or `tomatoes` may be its first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from gorilla_rag import syntax
from gorilla_rag.text import STOP_WORDS

_LONGEST_ITEM = 6
_READINGS = 4
_LONGEST = 4000
_MOST_BRACKETS, _DEEPEST = 100, 32
_OPEN, _CLOSE = "[{(", "]})"
_OPENING = re.compile(r"[\[{(]")
_SENTENCE = re.compile(r"(?<=[.?!;:])\s+|\n")
# White space is taken from its first character on: looked at from each, a long run of it takes for ever.
_COMMA = re.compile(
    r"(?:(?<!\s)\s+)?,\s*(?:and\s+|or\s+|&\s*)?(?!\d{3}(?!\d))|(?<!\s)\s+(?:and|or|&)\s+", re.IGNORECASE
)
_EDGES = ".,;:!?()[]{}\"'`<>«»“”‘’"


def bracketed(text: str) -> Iterator[Any]:
    """Values that stand in brackets and can be read, as JSON or as Python's literals: lists and objects, outermost."""
    read = 0
    for start in _openings(text):
        end = _closing(text, start) if start >= read else None
        found = _literal(text[start:end]) if end else None
        if isinstance(found, list | dict) and end:
            yield found
            read = end


def joined(text: str) -> Iterator[list[list[str]]]:
    """Of each joined list, its readings: texts of two or more items, the shortest first."""
    for sentence in _SENTENCE.split(_without_brackets(text)):
        for chunks in _runs([chunk.strip() for chunk in _COMMA.split(sentence)]):
            if made := list(_readings(chunks)):
                yield made


def _runs(chunks: list[str]) -> Iterator[list[str]]:
    """Neighbouring chunks that may be one list: those between the first and the last are no longer than an item."""
    start = 0
    for place in range(1, len(chunks)):
        if place == len(chunks) - 1 or len(chunks[place].split()) > _LONGEST_ITEM:
            yield chunks[start : place + 1]
            start = place


def _readings(chunks: list[str]) -> Iterator[list[str]]:
    """A list with what may be its first item and what may be its last one."""
    first, *inner, last = chunks
    begins, ends = list(_ends(first.split(), from_end=True)), list(_ends(last.split(), from_end=False))
    middle = [_bare(item.split()) for item in inner]
    for begin, end in sorted(product(begins, ends), key=lambda pair: len(pair[0]) + len(pair[1])):
        if all(items := [begin, *middle, end]):
            yield items


def _ends(words: list[str], *, from_end: bool) -> Iterator[str]:
    """What a chunk may begin or end a list with: some of its words, without a word at the cut that says nothing."""
    made: dict[str, None] = {}
    for count in range(1, min(len(words), _LONGEST_ITEM) + 1):
        some = words[-count:] if from_end else words[:count]
        edge = (some[0] if from_end else some[-1]).strip(_EDGES).lower()
        if edge and edge not in STOP_WORDS and (bare := _bare(some)):
            made.setdefault(bare)
    yield from list(made)[:_READINGS]


def _bare(words: list[str]) -> str:
    """Words without those before them that say nothing: `in Boston` is `Boston`."""
    kept = next((place for place, word in enumerate(words) if word.strip(_EDGES).lower() not in STOP_WORDS), len(words))
    return " ".join(words[kept:]).strip(_EDGES)


def _without_brackets(text: str) -> str:
    """The text without what stands in brackets."""
    kept, left = [], 0
    for start in _openings(text):
        if start >= left and (end := _closing(text, start)):
            kept.append(text[left:start])
            left = end
    return " ".join([*kept, text[left:]])


def _openings(text: str) -> Iterator[int]:
    """Where brackets open; of very many, the first."""
    return (match.start() for match in islice(_OPENING.finditer(text), _MOST_BRACKETS))


def _closing(text: str, start: int) -> int | None:
    """Where the bracket that opens at `start` has closed."""
    expected: list[str] = []
    quote = ""
    for place in range(start, min(len(text), start + _LONGEST)):
        letter = text[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and (place == start or not text[place - 1].isalnum()):
            quote = letter
        elif letter in _OPEN:
            expected.append(_CLOSE[_OPEN.index(letter)])
            if len(expected) > _DEEPEST:
                return None
        elif letter in _CLOSE:
            if not expected or expected.pop() != letter:
                return None
            if not expected:
                return place + 1
    return None


def _literal(text: str) -> Any:
    """A JSON value, written as JSON or as Python does; words without quotes in a flat list are texts."""
    for read in (json.loads, syntax.literal):
        try:
            return json.loads(json.dumps(read(text), allow_nan=False))
        except (TypeError, *syntax.UNREADABLE):
            continue
    inner = text[1:-1]
    if text[0] != "[" or set(inner) & set("[]{}()'\":") or "," not in inner:
        return None
    return [item.strip() for item in inner.split(",")]
