"""The one sentence of an explanation: plain words, and only such names and numbers as the model has read.

A plain word has no capital, digit or sign inside; whatever else a sentence may have is found in what was read. So no
explanation names an API, an argument or a value that neither the document nor the question has.
"""

from __future__ import annotations

import re

LENGTH = 240
"""Most characters of a sentence, behind the API's name."""
_SHORTEST = 12
_NAMES = 200
_NAME_LENGTH = 60
_FEWEST_WORDS, _MOST_WORDS, _WORD_LENGTH = 1, 40, 24
_LETTER = r"[^ \n\r\t\"\\A-Z0-9_./:@#$%&*+=<>^`|~(){}\[\],;!?'-]"
_PLAIN = re.compile(rf"{_LETTER}+(['-]{_LETTER}+)*")
_CHUNK = re.compile(r"(?:[^\s\"'`\\(){}\[\]<>,;|\x00-\x1f]|(?<=\d),(?=\d\d\d))+")
_PARTS = (re.compile(r"[\w.@+-]+"), re.compile(r"\w+"))
_BEFORE, _BEHIND = ".:!?=*…", ".:!?=*…-"


def grammar(read: str) -> tuple[str, int]:
    """What goes on from an API's name with a verb, and ends the draft: `one sentence."}`.

    Args:
        read: all that the model has read of the document, the question and the arguments.

    Returns:
        The grammar, for llguidance, and the most characters it allows; no token is shorter than a character, so a
        limit of that many tokens always leaves room to finish.
    """
    word = _word(read, f"{_LETTER}+(['-]{_LETTER}+)*")
    text = rf" {_LETTER}+(['-]{_LETTER}+)*({_between()}{word})*[)']?\.".replace("/", r"\/")
    rules = f'start: SENTENCE "\\"}}"\nSENTENCE: /{text}/ & /[^"\\x00-\\x1f]{{{_SHORTEST},{LENGTH}}}/'
    return f"%llguidance {{}}\n{rules}", LENGTH + len('"}')


def pattern(subject: str, read: str) -> str:
    """The whole sentence, which begins with an API's name, as a pattern of JSON Schema that servers compile.

    A name with characters that JSON writes in another way is left to be put in front.
    """
    begun = "[A-Z]" if re.search(r'["\\\x00-\x1f]', subject) else f"{literal(subject)} {_LETTER}"
    word = _word(read, f"{_LETTER}{{1,{_WORD_LENGTH}}}(['-]{_LETTER}{{1,{_WORD_LENGTH}}}){{0,2}}")
    return rf"^{begun}{_LETTER}{{0,{_WORD_LENGTH}}}({_between()}{word}){{{_FEWEST_WORDS},{_MOST_WORDS}}}[)']?\.$"


def names(read: str) -> list[str]:
    """The names and numbers in a text, and their parts: all that is no plain word."""
    found: dict[str, None] = {}
    for chunk in _CHUNK.findall(read):
        for part in (chunk, *(one for parts in _PARTS for one in parts.findall(chunk))):
            name = part.lstrip(_BEFORE).rstrip(_BEHIND)
            if name and len(name) <= _NAME_LENGTH and not _PLAIN.fullmatch(name) and re.search(r"\w", name):
                found.setdefault(name)
    return list(found)[:_NAMES]


def literal(text: str) -> str:
    """A text as a pattern, with no more escapes than it needs: servers don't read the others alike."""
    return re.sub(r"([.^$*+?()\[\]{}|])", r"\\\1", text)


def _word(read: str, plain: str) -> str:
    return "(" + "|".join([plain, *map(literal, names(read))]) + ")('s)?"


def _between() -> str:
    """What stands between two words."""
    return r"['’)]?[,;:]? ['‘(]?"
