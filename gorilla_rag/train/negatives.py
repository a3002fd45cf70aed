"""Hard negatives: documents that the project's own retrievers find for a question and that aren't right for it.

Knows an index and vectors; trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gorilla_rag.answer import Candidate
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.index.index import BATCH, Index
from gorilla_rag.text import encoder_text
from gorilla_rag.train.corpus import Corpus, Pair

# How many each retriever is asked for; more than are kept, as many are taken out again.
DEPTH = 20
# A document this near to the question, against the right one, is likely to be right as well. Source: Moreira et al.,
# "NV-Retriever", arXiv 2407.15831 (TopK-PercPos, 95 %).
MOST_OF_POSITIVE = 0.95
# A document this near to the right one says the same.
MOST_ALIKE = 0.95
Vectors = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]


def mined(
    corpus: Corpus, index: Index, *, count: int, depth: int = DEPTH, progress: Progress | None = None
) -> list[tuple[str, ...]]:
    """Of each pair, ids of up to `count` documents that look right and aren't; those of its own domain first.

    Left out are documents of a right call, those that are as near to the question as a right one, and those that say
    what a right one says.

    Args:
        corpus: pairs over the index's documents.
        index: what finds them, with BM25 and by vectors in turn.
        count: how many of each pair.
        depth: how many each retriever is asked for.
        progress: told how many of how many pairs are done.
    """
    by_id = {doc.id: doc for doc in corpus.docs}
    made: list[tuple[str, ...]] = []
    for start in range(0, len(corpus.pairs), BATCH):
        pairs = corpus.pairs[start : start + BATCH]
        made += _batch(pairs, by_id, index, count, depth)
        if progress:
            progress(len(made), len(corpus.pairs))
    return made


def _batch(
    pairs: Sequence[Pair], by_id: dict[str, ApiDoc], index: Index, count: int, depth: int
) -> Iterator[tuple[str, ...]]:
    asked = [pair.question for pair in pairs]
    by_words = index.candidates_many(asked, mode="bm25", k=depth)
    by_vectors = index.candidates_many(asked, mode="dense", k=depth)
    pools = [_alternating(*found) for found in zip(by_words, by_vectors, strict=True)]
    needed = {one for pool in pools for one in pool} | {one for pair in pairs for one in pair.relevant}
    vectors = _document_vectors(index.encoder, [by_id[one] for one in sorted(needed)])
    questions = index.encoder.encode(asked, kind="query")
    for pair, question, pool in zip(pairs, questions, pools, strict=True):
        right = np.stack([vectors[one] for one in pair.relevant])
        yield _kept(pair, pool, by_id, question, right, vectors, count)


def _alternating(first: Sequence[Candidate], second: Sequence[Candidate]) -> list[str]:
    """Ids of both rankings' documents, best first, each once."""
    longest = max(len(first), len(second))
    both = (ranking[place].doc.id for place in range(longest) for ranking in (first, second) if place < len(ranking))
    return list(dict.fromkeys(both))


def _document_vectors(encoder: Encoder, docs: Sequence[ApiDoc]) -> dict[str, Vectors]:
    vectors = encoder.encode([encoder_text(doc) for doc in docs])
    return {doc.id: vector for doc, vector in zip(docs, vectors, strict=True)}


def _kept(
    pair: Pair,
    pool: Sequence[str],
    by_id: dict[str, ApiDoc],
    question: Vectors,
    right: Vectors,
    vectors: dict[str, Vectors],
    count: int,
) -> tuple[str, ...]:
    """The pool without what may be right, same domain first."""
    calls = {by_id[one].call_key for one in pair.relevant}
    domains = {by_id[one].domain for one in pair.relevant}
    nearest = float((right @ question).max())
    kept = [
        one
        for one in pool
        if by_id[one].call_key not in calls
        and vectors[one] @ question < MOST_OF_POSITIVE * nearest
        and (right @ vectors[one]).max() < MOST_ALIKE
    ]
    return tuple(sorted(kept, key=lambda one: by_id[one].domain not in domains)[:count])
