"""The parts of a question that may each ask for a call of their own. Knows text; nothing of documents or models.

"Book a table for two, and tell me the weather in Rome. Also play some jazz." has three. A part begins with a sentence,
behind a semicolon, or where a comma, `and`, `then` or `also` is followed by what a request begins with: a verb in its
base form or a question word. What is quoted stays whole.
"""

from __future__ import annotations

import re

from gorilla_rag.text import plain
from gorilla_rag.verbs import NOUNS_TOO, VERBS

_QUOTED = re.compile(r"(?<!\w)(?:'[^'\n]{1,400}'|\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|`[^`\n]{1,400}`)(?!\w)")
_TITLES = ("Mr", "Ms", "Dr", "St", "Mt", "Jr", "Sr", "vs", "Mrs", "Prof", "No", "[A-Z]", r"e\.g", r"i\.e")
_ABBREVIATED = "".join(rf"(?<!\b{title}\.)" for title in _TITLES)
# White space is taken from its first character on: looked at from each, a long run of it takes for ever.
_SENTENCE = re.compile(rf"(?<=[.?!]){_ABBREVIATED}\s+(?=[^a-z\s])|;\s+|(?<!\s)\s*\n\s*")
_JOINED = re.compile(
    r"(?:,\s+|(?<!\s),?\s+(?:and|then|also|plus)\s+)(?:(?:and|then|also|finally|lastly|please),?\s+)*", re.IGNORECASE
)
_ASKS = frozenset(
    """
    what what's who who's where when which how is are can could do does did will would should please
    tell show i i'd i'm i'll let let's also
    """.split()
)
_SURE = (VERBS - NOUNS_TOO) | _ASKS
_DETERMINERS = frozenset("the a an my me us all some how what which whether for that this these those its it".split())
_ENTRY = re.compile(r"^[^\S\n]*(?:[-*•]|\(?\d{1,2}[.)])[^\S\n]+", re.MULTILINE)
_FEWEST_WORDS = 2
_MOST = 32
_AHEAD = 80


def parts(question: str) -> tuple[str, ...]:
    """The parts of a question in order, with nothing left out but what joins them; the question itself if it is one.

    Of more than 32, the last has all the rest.
    """
    kept: list[str] = []
    for begin, end in _spans(_ENTRY.sub(_hidden, _QUOTED.sub(_hidden, question))):
        text = _ENTRY.sub("", question[begin:end], count=1).strip()
        if kept and len(text.split()) < _FEWEST_WORDS:
            kept[-1] = f"{kept[-1]} {text}".strip()
        elif plain(text):
            kept.append(text)
    kept[_MOST - 1 :] = [" ".join(kept[_MOST - 1 :])] if len(kept) > _MOST else kept[_MOST - 1 :]
    return tuple(kept) or (question.strip(),)


def _hidden(match: re.Match[str]) -> str:
    """Letters in the place of what no part begins or ends in: a quotation, and what a list's entry begins with."""
    return "q" * len(match.group())


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each part begins and ends."""
    cuts = [match.span() for match in _SENTENCE.finditer(text)]
    cuts += [match.span() for match in _JOINED.finditer(text) if _asks(text[match.end() : match.end() + _AHEAD])]
    cuts.sort()
    begins, ends = [0, *(end for _, end in cuts)], [*(begin for begin, _ in cuts), len(text)]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if begin < end]


def _asks(text: str) -> bool:
    """Whether a request begins here; a word that is as often a noun counts before a determiner alone."""
    words = [word.strip(",.?!").lower() for word in text.split(maxsplit=2)[:2]]
    if not words:
        return False
    return words[0] in _SURE or (words[0] in NOUNS_TOO and words[-1] in _DETERMINERS)
