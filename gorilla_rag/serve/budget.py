"""Results that fit a budget of tokens: the longest texts are cut first, then lists; calls and names never are."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

LEAST = 200
MOST = 20_000
_BYTES = 3
_SHORT = 40
_WHOLE = {"id", "api_call", "api_name", "code", "example_code", "rule", "version", "notice"}
_ATOMIC = {"parameters"}
"""Kept whole or not at all: a part of a schema would say something else."""
_SAFETY = ("failed_checks",)
"""What tells that code isn't to be trusted goes after the code."""
_CUT = " …"
_Place = tuple[Any, Any]


def tokens(value: Any) -> int:
    """At least as many tokens as a value's JSON has for today's tokenizers: a third of its bytes."""
    return len(json.dumps(value, ensure_ascii=False).encode()) // _BYTES + 1


def fit(result: dict[str, Any], most: int) -> dict[str, Any]:
    """A result of at most so many tokens; with `cut`, whether anything was left out for that.

    Texts are halved, the longest first, down to a few words; then lists lose their last items. What can't be told in
    parts, as a call or a program, stays whole as long as anything else can go; in the end it is taken out.
    """
    made = {**json.loads(json.dumps(result)), "cut": False}
    while tokens(made) > most:
        made["cut"] = True
        if not (_shorten(made) or _drop(made, kept=_SAFETY) or _remove(made) or _drop(made)):
            break
    return made


def _shorten(made: dict[str, Any]) -> bool:
    texts = [place for place in _places(made) if isinstance(place[0][place[1]], str) and place[1] not in _WHOLE]
    holder, key = max(texts, key=lambda place: len(place[0][place[1]]), default=(made, "cut"))
    text = holder[key]
    if not isinstance(text, str) or len(text) <= _SHORT:
        return False
    holder[key] = text[: len(text) // 2].rstrip(_CUT) + _CUT
    return True


def _drop(made: dict[str, Any], kept: Collection[str] = ()) -> bool:
    found = [place for place in _places(made) if place[1] not in kept]
    lists = [place for place in found if isinstance(place[0][place[1]], list) and place[0][place[1]]]
    holder, key = max(lists, key=lambda place: tokens(place[0][place[1]]), default=(made, "cut"))
    if not isinstance(holder[key], list):
        return False
    holder[key].pop()
    return True


def _remove(made: dict[str, Any]) -> bool:
    """Takes out the longest of what stays whole."""
    places = [(holder, key) for holder, key in _places(made) if key in _ATOMIC or isinstance(holder[key], str)]
    whole = [(holder, key) for holder, key in places if holder[key]]
    if not whole:
        return False
    holder, key = max(whole, key=lambda place: tokens(place[0][place[1]]))
    holder[key] = type(holder[key])()
    return True


def _places(value: Any) -> Iterator[_Place]:
    """Every place inside a value: what holds it, and under which key."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        if key not in _ATOMIC:
            yield from _places(value[key])
