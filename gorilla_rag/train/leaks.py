"""Training questions that resemble an evaluation's, found and taken out; and questions that stand twice.

What a retriever was trained on can't show what it has learnt. Knows questions; trains and evaluates nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gorilla_rag.text import plain, surface_words
from gorilla_rag.train.corpus import Corpus, Pair

# Questions of fewer words are compared by runs of three words, others by runs of five.
SHORT = 8
SHORT_RUN, LONG_RUN = 3, 5
# Of fewer words than these, only an equal question is a leak: four words stand in many questions.
SHORTEST = 5
# From this share of common runs on, a question is a leak.
SHORT_OVERLAP, LONG_OVERLAP, WHOLE = 0.8, 0.6, 1.0


@dataclass(frozen=True, slots=True)
class Leak:
    """A question that was taken out, the evaluation question that it resembles, and how much."""

    question: str
    resembles: str
    overlap: float


class Guard:
    """Tells how much a question resembles any evaluation question. Case and punctuation count for nothing.

    Equal questions overlap by 1. Else the overlap of two questions is the share of the runs of words of the one with
    fewer of them that stand in the other: runs of five words where both have eight words or more, runs of three where
    one is shorter; nothing where one has fewer than five words. A question is a leak from an overlap of .6 by runs of
    five, of .8 by runs of three where it is the question that is short, and of 1 (the evaluation question stands in it
    whole) where only the evaluation question is.

    Args:
        evaluation: the questions, as asked.
    """

    def __init__(self, evaluation: Iterable[str]) -> None:
        self._asked = tuple(dict.fromkeys(evaluation))
        split = [_words(question) for question in self._asked]
        self._equal = {_joined(question): place for place, question in reversed(list(enumerate(self._asked)))}
        long = [len(words) >= SHORT for words in split]
        self._long = _Runs(LONG_RUN, [words if is_long else [] for words, is_long in zip(split, long, strict=True)])
        self._short = _Runs(SHORT_RUN, [[] if is_long else words for words, is_long in zip(split, long, strict=True)])
        self._all = _Runs(SHORT_RUN, split)

    def check(self, question: str) -> float:
        """The largest overlap with an evaluation question, from 0 to 1; of one that makes it a leak, if any does."""
        return self._nearest(question)[1]

    def leak(self, question: str) -> Leak | None:
        """What the question is a leak of, or `None`."""
        place, overlap, least = self._nearest(question)
        return Leak(question, self._asked[place], overlap) if overlap >= least else None

    def _nearest(self, question: str) -> tuple[int, float, float]:
        """The place of the evaluation question that is nearest to being resembled too much, the overlap, its bound."""
        if (equal := self._equal.get(_joined(question))) is not None:
            return equal, 1.0, SHORT_OVERLAP
        words = _words(question)
        if len(words) < SHORT:
            return *self._all.nearest(words), SHORT_OVERLAP
        by_short = *self._short.nearest(words), WHOLE
        by_long = *self._long.nearest(words), LONG_OVERLAP
        return max(by_long, by_short, key=lambda found: (found[1] >= found[2], found[1]))


class _Runs:
    """Runs of words of many questions, by the questions that have them."""

    def __init__(self, size: int, questions: Sequence[Sequence[str]]) -> None:
        self._size = size
        places: dict[str, list[int]] = defaultdict(list)
        counts = []
        for place, words in enumerate(questions):
            runs = self._of(words)
            counts.append(len(runs))
            for run in runs:
                places[run].append(place)
        self._counts = np.array(counts, dtype=np.float64)
        self._places: dict[str, npt.NDArray[np.int64]] = {run: np.array(found) for run, found in places.items()}

    def nearest(self, words: Sequence[str]) -> tuple[int, float]:
        """The question that shares the largest part of the runs of the one with fewer, and that part."""
        runs = self._of(words)
        found = [self._places[run] for run in runs if run in self._places]
        if not found:
            return 0, 0.0
        shared = np.bincount(np.concatenate(found), minlength=len(self._counts))
        overlap = shared / np.maximum(np.minimum(self._counts, len(runs)), 1)
        best = int(overlap.argmax())
        return best, float(overlap[best])

    def _of(self, words: Sequence[str]) -> set[str]:
        if len(words) < SHORTEST:
            return set()
        return {" ".join(words[at : at + self._size]) for at in range(len(words) - self._size + 1)}


def guard(evaluation: Iterable[str]) -> Guard:
    """What keeps evaluation questions out of training; see `Guard` for the rule."""
    return Guard(evaluation)


def remove_leaks(corpus: Corpus, against: Guard) -> tuple[Corpus, tuple[Leak, ...]]:
    """The corpus without the questions that resemble an evaluation question, and those questions."""
    judged = [(pair, against.leak(pair.question)) for pair in corpus.pairs]
    kept = tuple(pair for pair, leak in judged if leak is None)
    return replace(corpus, pairs=kept), tuple(leak for _, leak in judged if leak is not None)


def deduplicated(corpus: Corpus) -> Corpus:
    """The corpus with every question once; one that stood with several documents has all of them.

    Case and punctuation count for nothing. A question that was given stays a given one, whole documents with it.
    """
    merged: dict[str, Pair] = {}
    for pair in corpus.pairs:
        key = _joined(pair.question)
        merged[key] = _both(merged[key], pair) if key in merged else pair
    return replace(corpus, pairs=tuple(merged.values()))


def _both(one: Pair, other: Pair) -> Pair:
    first, second = (other, one) if _is_given(other) and not _is_given(one) else (one, other)
    omitted = () if _is_given(first) else tuple(dict.fromkeys(first.omitted + second.omitted))
    return replace(first, relevant=tuple(dict.fromkeys(first.relevant + second.relevant)), omitted=omitted)


def _is_given(pair: Pair) -> bool:
    return pair.made.startswith("given")


def _words(text: str) -> list[str]:
    return surface_words(text.lower())


def _joined(text: str) -> str:
    """A question by its words; one that has none, as it stands."""
    return " ".join(_words(text)) or plain(text)
