"""A request without the name of the API that it asks for. Knows names, no documents.

Who asks doesn't know the name; a question that has it would teach to look for names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gorilla_rag.text import surface_words, word_parts
from gorilla_rag.train.grammar import Request
from gorilla_rag.train.phrasing import SYNONYMS

_LEFT_WORDS = 4
_SPLIT = re.compile(r"[./:\s]+")
_FILLERS = frozenset("of for in on at by with to from is are and or as that which than given".split())
_DETERMINERS = frozenset("a an the this its their all any each every".split())


class OwnName:
    """An API's name in words, compared without regard to case, underscores, capitals inside a word and plural.

    Args:
        name: dotted or with slashes, its last part counts: `numpy.ma.squeeze`, `facebook/opt-125m`; or a title, of
            which what stands after the last colon counts: `Zoom API - Queues: Update hours`.
    """

    def __init__(self, name: str) -> None:
        title = name.rsplit(":", 1)[-1] if " " in name.strip() else _SPLIT.split(name.strip().strip("./"))[-1]
        self.words = _normalised(title)

    def stands_in(self, text: str) -> bool:
        """Whether the words of the name stand in a text, in a row."""
        return self._found(_normalised(text))

    def cut_from(self, wanted: Request, *, only: bool) -> Request | None:
        """The request without the name, or `None` where it says nothing without it.

        A verb in front that is (or begins) the name is said with another of the same meaning. A name of one word
        inside a request that is the `only` one is left out where four words are left.
        """
        if not self.stands_in(wanted.text):
            return wanted
        verb, _, rest = wanted.text.partition(" ")
        if wanted.form == "action" and not self.stands_in(rest):
            others = (f"{other} {rest}" for other in SYNONYMS.get(verb, ()))
            said = next((text for text in others if not self.stands_in(text)), None)
            return Request(said, "action") if said else None
        if not only or len(self.words) > 1:
            return None
        left = self._left_out(wanted.text.split())
        return Request(left, wanted.form) if left and not self.stands_in(left) else None

    def _found(self, words: Sequence[str]) -> bool:
        size = len(self.words)
        if not size:
            return False
        joined = "".join(self.words)
        return joined in words or any(words[at : at + size] == self.words for at in range(len(words) - size + 1))

    def _left_out(self, words: list[str]) -> str | None:
        """The words without the name, where it only describes what follows it: "the dot product" as "the product"."""
        kept = list(words)
        for at in range(len(words) - 1, -1, -1):
            if not self.stands_in(words[at]):
                continue
            following = words[at + 1].lower() if at + 1 < len(words) else ""
            before = words[at - 1].lower() if at else ""
            if not following.isalpha() or following in _FILLERS or (before not in _DETERMINERS and before != "of"):
                return None
            del kept[at]
        return " ".join(kept) if len(kept) >= _LEFT_WORDS else None


def _normalised(text: str) -> list[str]:
    """The words of a text in parts, lower case, singular."""
    return [_singular(part) for word in surface_words(text) for part in _parts(word)]


def _parts(word: str) -> tuple[str, ...]:
    parts = word_parts(word)
    return parts[1:] if len(parts) > 1 else parts


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
