"""A text of documentation as sentences that may say what something does. Knows markup, makes no questions.

A sentence comes as it stands (on one line, so that it can be found again) and as it reads, without markup.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gorilla_rag.sources.markup import plain_text
from gorilla_rag.text import plain, surface_words

FEWEST_WORDS, MOST_WORDS = 4, 40
_BREAK = re.compile(
    r"(?i)\n\s*\n|\n\s*(?=[-*+•#|>]|\d+[.)] |:\w)|<br\s*/?>|</?(?:p|ul|ol|li|div|h\d|table|tr|td|b)\b[^<>]*>|&lt;"
)
_STOP = re.compile(r"(?<=[.!?])[\"')\]]{0,2}\s+(?=[^\sa-z])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|approx|resp|Fig|Eq|No|[A-Z])\.|\.\.)$")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_POINTER = re.compile(
    r"\s*\((?:see|cf\.?|e\.g\.,? see|experimental|beta|alpha|optional|deprecated)\b[^()]*\)", re.IGNORECASE
)
# "Partition (split) each element".
_OTHER_WORD = re.compile(r"(?<=[a-z]) \((?:or )?[a-z]+\)(?= [a-z])")
_CODE = re.compile(
    r"[={}\\|<>_~^@$#]|::|->|\.\.\.|>>>|\w\(|\w\[|https?:|www\.|&\w+;|\*\*|\[\]|\w/\w+/\w|\['|`|:\w+:|�|"
    r"[a-z]{3}\. [a-z]|\w\. (?:The|It|This) "
)
_REMARK = re.compile(
    r"\b(?:prerequisites?|scopes?|rate limits?|deprecat\w+|licen[cs]e[ds]?|copyright|see also|for (?:more|further) "
    r"(?:information|details)|more information|for details|refer to|click|documentation|user guide|read more|todo|"
    r"as of version|since version|new in version|version added|not (?:yet )?(?:implemented|supported)|internal use|"
    r"above|below|following|previous(?:ly)?|examples?|same as|parent class|subclass\w*|overrid\w+|"
    r"this (?:method|function|parameter|argument|option|class) (?:is|should|must|has)|backwards?[ -]compatib\w+|"
    r"make sure|ensure that|base class|abstract|wrapper|decorated|must|self|docstring)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it stands in the documentation, and as it reads."""

    raw: str
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text, in order, those that are no prose with them."""
    for piece in _BREAK.split(text):
        for raw in _split(plain(piece)):
            yield Sentence(raw, cleaned(raw))


def cleaned(text: str) -> str:
    """A text on one line without markup, entities and pointers to elsewhere."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    return plain(_OTHER_WORD.sub("", _POINTER.sub("", plain_text(text))))


def says_something(text: str, *, fewest: int = FEWEST_WORDS) -> bool:
    """Whether a sentence may say what something does: prose of a fit length, no remark on versions, rights or rules."""
    if not fewest <= len(surface_words(text)) or len(text.split()) > MOST_WORDS or len(text) > 400:
        return False
    return text[:1].isalpha() and not text.endswith((":", "…")) and not _CODE.search(text) and not _REMARK.search(text)


def _split(text: str) -> Iterator[str]:
    start = 0
    for stop in _STOP.finditer(text):
        if not _ABBREVIATION.search(text[start : stop.start()]):
            yield text[start : stop.end()].strip()
            start = stop.end()
    if rest := text[start:].strip():
        yield rest
