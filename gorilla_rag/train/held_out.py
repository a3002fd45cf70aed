"""How good an encoder is on corpora that it isn't trained on, while it is trained."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train import checkpoints
from gorilla_rag.train.corpus import Corpus

SCORE = "held_out_ndcg@10"
# Enough to see a change of two points; more would take longer than the training between two checks.
QUESTIONS = 200
DOCUMENTS = 1000
_DEPTH = 10


class HeldOut(BaseEvaluator):  # type: ignore[misc]
    """nDCG@10 by cosine over samples of corpora, the same each time; the mean over corpora decides.

    Source: Järvelin, Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 2002.

    Args:
        corpora: with at least one question each.
        questions, documents: how many of each at most; the right documents are always among them.
    """

    def __init__(self, corpora: Sequence[Corpus], *, questions: int = QUESTIONS, documents: int = DOCUMENTS) -> None:
        super().__init__()
        self.primary_metric, self.greater_is_better = SCORE, True
        self._samples = {corpus.name: _sample(corpus, questions, documents) for corpus in corpora}

    @property
    def digest(self) -> str:
        """SHA-256 of what it asks and over which documents."""
        asked = {name: (texts, list(map(sorted, right)), docs) for name, (texts, right, docs) in self._samples.items()}
        return checkpoints.digest(asked)

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Scores by corpus, and their mean."""
        del output_path, epoch, steps
        found = self.by_corpus(model)
        return {SCORE: float(np.mean(list(found.values()))), **{f"{name}_ndcg@10": one for name, one in found.items()}}

    def by_corpus(self, model: SentenceTransformer) -> dict[str, float]:
        """nDCG@10 of each corpus."""
        return {name: _ndcg(model, *sample) for name, sample in self._samples.items()}


def _sample(corpus: Corpus, questions: int, documents: int) -> tuple[list[str], list[set[int]], list[str]]:
    """Questions, the places of each one's right documents, and documents."""
    rng = random.Random(0)  # noqa: S311
    pairs = rng.sample(corpus.pairs, min(questions, len(corpus.pairs)))
    needed = dict.fromkeys(one for pair in pairs for one in pair.relevant)
    others = [doc.id for doc in corpus.docs if doc.id not in needed]
    chosen = [*needed, *rng.sample(others, max(0, min(documents - len(needed), len(others))))]
    place = {one: number for number, one in enumerate(chosen)}
    by_id = {doc.id: doc for doc in corpus.docs}
    texts = [encoder_text(by_id[one]) for one in chosen]
    return (
        [query_text(pair.question) for pair in pairs],
        [{place[one] for one in pair.relevant} for pair in pairs],
        texts,
    )


def _ndcg(model: SentenceTransformer, questions: list[str], right: list[set[int]], documents: list[str]) -> float:
    options: dict[str, Any] = {"batch_size": 32, "convert_to_tensor": True, "normalize_embeddings": True}
    asked = model.encode_query(questions, show_progress_bar=False, **options)
    vectors = model.encode_document(documents, show_progress_bar=False, **options)
    order = torch.topk(asked @ vectors.T, min(_DEPTH, len(documents))).indices.tolist()
    discounts = 1 / np.log2(np.arange(2, _DEPTH + 2))
    gains = [
        sum(discounts[rank] for rank, one in enumerate(row) if one in wanted)
        for row, wanted in zip(order, right, strict=True)
    ]
    ideal = [discounts[: len(wanted)].sum() for wanted in right]
    return float(np.mean(np.divide(gains, ideal)))
