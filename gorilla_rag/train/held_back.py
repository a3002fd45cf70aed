"""Which questions are held back from training, to see on them when to stop. Knows pairs; trains nothing."""

from __future__ import annotations

import random
from dataclasses import replace

from gorilla_rag.train.corpus import Corpus, Pair

# Of fewer questions none is held back: too few would be left, and two questions more or less would decide.
FEWEST = 20
SHARE = 0.1


def split(corpus: Corpus, *, share: float = SHARE, seed: int = 0) -> tuple[Corpus, Corpus]:
    """The corpus with the questions to train on, and with those that are held back.

    No document that is right for a question of the one is right for a question of the other. At most twice the share
    is held back: where one document, or documents that share questions, have more than that, nothing may be.

    Args:
        corpus: without questions that stand twice.
        share: of its questions.
        seed: of the choice.
    """
    wanted, held = round(share * len(corpus.pairs)), list[Pair]()
    groups = _groups(corpus.pairs) if len(corpus.pairs) >= FEWEST else []
    random.Random(seed).shuffle(groups)  # noqa: S311
    for group in groups:
        if len(held) < wanted and len(held) + len(group) <= 2 * wanted:
            held += group
    chosen = set(map(id, held))
    left = tuple(pair for pair in corpus.pairs if id(pair) not in chosen)
    return replace(corpus, pairs=left), replace(corpus, pairs=tuple(held))


def _groups(pairs: tuple[Pair, ...]) -> list[list[Pair]]:
    """Questions by documents: those that have one in common, directly or through others, are together."""
    above: dict[str, str] = {}

    def top(one: str) -> str:
        while above.setdefault(one, one) != one:
            above[one] = one = above[above[one]]
        return one

    for pair in pairs:
        for other in pair.relevant[1:]:
            above[top(other)] = top(pair.relevant[0])
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(top(pair.relevant[0]), []).append(pair)
    return list(found.values())
