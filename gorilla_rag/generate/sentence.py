"""The one sentence of an explanation: plain words, and only such names and numbers as the model has read.

A plain word is of small letters alone; whatever else a sentence may have is found in what was read. So no explanation
names an API, an argument or a value that neither the document nor the question has, unless by a name that looks like
any other word.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

LENGTH = 240
"""Most characters of a sentence, behind the API's name."""
_OTHER_SCRIPTS = 0.1
_SHORTEST = 12
_NAMES = 200
_NAME_LENGTH = 60
_FEWEST_WORDS, _MOST_WORDS, _WORD_LENGTH = 0, 40, 24
_TOKENS = 2
_SMALL = r"[\p{Ll}\p{Lo}\p{M}]+"
# The same where servers have no categories of letters: neither a capital, a digit nor a sign of ASCII's.
_PLAIN = r"""[^ \n\r\t"\\A-Z0-9_./:@#$%&*+=<>^`|~(){}\[\],;!?'-]"""
_CHUNK = re.compile(r"(?:[^\s\"'`\\(){}\[\]<>,;|\x00-\x1f]|(?<=\d),(?=\d\d\d))+")
_PARTS = (re.compile(r"[\w.@+-]+"), re.compile(r"\w+"))
_BEFORE, _BEHIND = ".:!?=*…", ".:!?=*…-"
_SHORT = "('(s|t|re|ve|ll|d|m))?"
_BETWEEN = r"['’)]?[,;:]? ['‘(]?"


def grammar(read: str) -> tuple[str, int]:
    """What goes on from an API's name with a word, and ends the draft: `one sentence."}`.

    Args:
        read: all that the model has read of the document, the question and the arguments.

    Returns:
        The grammar, for llguidance, and how many tokens are enough for whatever it allows. What was read in another
        script than ASCII's, whose letters can take several tokens each, gets a shorter sentence.
    """
    text = f" {_SMALL}{_SHORT}({_BETWEEN}{_word(read, _SMALL)})*[)']?\\.".replace("/", r"\/")
    others = sum(not letter.isascii() for letter in read) > _OTHER_SCRIPTS * len(read)
    longest = LENGTH // 3 if others else LENGTH
    rules = f'start: SENTENCE "\\"}}"\nSENTENCE: /{text}/ & /[^"]{{{_SHORTEST},{longest}}}/'
    return f"%llguidance {{}}\n{rules}", _TOKENS * LENGTH


def fits(rest: str, read: str) -> bool:
    """Whether a text may stand behind an API's name: whether `grammar` lets it be written."""
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes(), LLMatcher.grammar_from_lark(grammar(read)[0]))
    written = list(f'{rest}"}}'.encode())
    return bool(matcher.validate_tokens(written) == len(written) and matcher.consume_tokens(written))


def pattern(subject: str, read: str) -> str:
    """The whole sentence, which begins with an API's name, as a pattern of JSON Schema that servers compile.

    A name with characters that JSON writes in another way is left to be put in front.
    """
    begun = "[A-Z]" if re.search(r'["\\\x00-\x1f]', subject) else f"{literal(subject)} {_PLAIN}"
    word = _word(read, f"{_PLAIN}{{1,{_WORD_LENGTH}}}")
    return rf"^{begun}{_PLAIN}{{0,{_WORD_LENGTH}}}({_BETWEEN}{word}){{{_FEWEST_WORDS},{_MOST_WORDS}}}[)']?\.$"


def names(read: str) -> list[str]:
    """The names and numbers in a text, and their parts: all that is no plain word."""
    found: dict[str, None] = {}
    for chunk in _CHUNK.findall(read):
        for part in (chunk, *(one for parts in _PARTS for one in parts.findall(chunk))):
            name = part.lstrip(_BEFORE).rstrip(_BEHIND)
            if name and len(name) <= _NAME_LENGTH and not _is_plain(name) and re.search(r"\w", name):
                found.setdefault(name)
    return list(found)[:_NAMES]


def literal(text: str) -> str:
    """A text as a pattern, with no more escapes than it needs: servers don't read the others alike."""
    return re.sub(r"([.^$*+?()\[\]{}|])", r"\\\1", text)


def _is_plain(word: str) -> bool:
    return word.isalpha() and word == word.lower()


def _word(read: str, plain: str) -> str:
    return "(" + "|".join([plain, *map(literal, names(read))]) + f"){_SHORT}"


@cache
def _bytes() -> Any:
    """A tokenizer whose tokens are bytes."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
