"""BM25 over made-up documents, whose words are as unevenly common as those of a language.

Words are numbers; the arrays are made on the device as bm25s would make them from text (Lucene's variant), without the
text. Questions are words too, so that splitting and stemming them isn't part of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from gorilla_rag.bench.settings import SEED
from gorilla_rag.bench.timing import timed
from gorilla_rag.index.bm25 import PARAMETERS, Arrays
from gorilla_rag.index.device import TorchBM25

LIMIT = 10
LENGTH = 40
QUESTION_WORDS = 6
# The commonest words of a language are stop words, which questions don't have.
STOP_WORDS = 50


def rows(
    documents: int, vocabulary: int, batches: Sequence[int], device: torch.device, seconds: float
) -> Iterator[dict[str, Any]]:
    """A row for each batch size."""
    made = arrays(documents, vocabulary, device)
    engine = TorchBM25(made, documents, device)
    for batch in batches:
        asked = questions(batch, vocabulary)
        entries = sum(int(made.offsets[n + 1] - made.offsets[n]) for words in asked for n in words)
        timing = timed(partial(engine.ranking_of, asked, LIMIT), device, seconds)
        yield {
            "documents": documents,
            "vocabulary": vocabulary,
            "entries": len(made.rows),
            "batch": batch,
            "limit": LIMIT,
            "words_per_query": QUESTION_WORDS,
            "entries_per_query": entries / batch,
            "seconds_per_batch": timing.seconds,
            "repeats": timing.repeats,
            "queries_per_second": batch / timing.seconds,
        }


def arrays(documents: int, vocabulary: int, device: torch.device) -> Arrays:
    """BM25's arrays of documents of `LENGTH` words each, drawn by Zipf's law."""
    random = torch.Generator(device).manual_seed(SEED)
    drawn = torch.rand(documents * LENGTH, generator=random, device=device)
    words = torch.searchsorted(_shares(vocabulary).float().to(device), drawn).clamp(max=vocabulary - 1)
    at = torch.arange(documents, device=device).repeat_interleave(LENGTH)
    pairs, times = torch.unique(words * documents + at, return_counts=True)
    words, at = pairs // documents, pairs % documents
    having = torch.bincount(words, minlength=vocabulary)
    rarity = torch.log(1 + (documents - having + 0.5) / (having + 0.5))
    scores = rarity[words] * times / (times + float(str(PARAMETERS["k1"])))  # every document is of average length
    offsets = torch.cat([torch.zeros(1, dtype=torch.long, device=device), having.cumsum(0)])
    return Arrays(scores.float().cpu().numpy(), at.int().cpu().numpy(), offsets.cpu().numpy(), {})


def questions(count: int, vocabulary: int) -> list[list[int]]:
    """Questions of `QUESTION_WORDS` different words each, drawn as documents' words are, stop words left out."""
    random = torch.Generator().manual_seed(SEED + 1)
    shares = torch.diff(_shares(vocabulary), prepend=torch.zeros(1, dtype=torch.float64))
    shares[:STOP_WORDS] = 0
    return [torch.multinomial(shares, QUESTION_WORDS, generator=random).tolist() for _ in range(count)]


def _shares(vocabulary: int) -> torch.Tensor:
    """The share of words up to each rank, float64, shape [vocabulary]."""
    common = 1 / torch.arange(1, vocabulary + 1, dtype=torch.float64)
    return common.cumsum(0) / common.sum()
