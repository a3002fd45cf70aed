"""What the trainer is given: a corpus's pairs as rows of texts, with who may stand in a batch with whom."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train.corpus import Corpus, Pair, positive_text

# A question with more right documents gives a row of so many of them.
MOST_POSITIVES = 3


@dataclass(frozen=True)
class Rows:
    """Rows of one corpus.

    Attributes:
        name: the corpus's.
        columns: texts by column: `question`, `document`, `negative_1`, …; all of one length.
        relevant: of each row, ids of every document that is right for its question.
        groups: of each row, its pair's group; empty for none.
    """

    name: str
    columns: dict[str, list[str]]
    relevant: tuple[frozenset[str], ...]
    groups: tuple[str, ...]


def rows(corpus: Corpus, negatives: Sequence[Sequence[str]], *, count: int, seed: int = 0) -> Rows:
    """A row of each pair and each of its right documents.

    Where fewer than `count` negatives were mined, documents drawn from the corpus stand in for the others.

    Args:
        corpus: documents and pairs.
        negatives: of each pair, ids of documents that look right and aren't.
        count: how many of them a row has; fewer where the corpus has no more documents.
        seed: of what is drawn.
    """
    rng = random.Random(seed)  # noqa: S311
    by_id = {doc.id: doc for doc in corpus.docs}
    everything = list(by_id)
    of_call: dict[str, set[str]] = defaultdict(set)
    for doc in corpus.docs:
        of_call[doc.call_key].add(doc.id)
    right = [set().union(*(of_call[by_id[one].call_key] for one in pair.relevant)) for pair in corpus.pairs]
    count = min(count, len(by_id) - max(map(len, right), default=0))
    names = [f"negative_{number + 1}" for number in range(count)]
    columns: dict[str, list[str]] = {name: [] for name in ("question", "document", *names)}
    relevant: list[frozenset[str]] = []
    groups: list[str] = []
    for pair, same, mined in zip(corpus.pairs, right, negatives, strict=True):
        for one in _positives(pair, rng):
            wrong = _filled(mined, everything, same, count, rng)
            columns["question"].append(query_text(pair.question))
            columns["document"].append(positive_text(by_id[one], pair))
            for name, other in zip(names, wrong, strict=True):
                columns[name].append(encoder_text(by_id[other]))
            relevant.append(frozenset(pair.relevant))
            groups.append(pair.group)
    return Rows(corpus.name, columns, tuple(relevant), tuple(groups))


def _positives(pair: Pair, rng: random.Random) -> Sequence[str]:
    return pair.relevant if len(pair.relevant) <= MOST_POSITIVES else rng.sample(pair.relevant, MOST_POSITIVES)


def _filled(
    mined: Sequence[str], everything: Sequence[str], right: set[str], count: int, rng: random.Random
) -> list[str]:
    """So many of the mined ones, drawn; and others where they don't suffice, none of a right call."""
    chosen = rng.sample(mined, min(count, len(mined)))
    taken = {*chosen, *right}
    while len(chosen) < count:
        one = rng.choice(everything)
        if one not in taken:
            taken.add(one)
            chosen.append(one)
    return chosen
