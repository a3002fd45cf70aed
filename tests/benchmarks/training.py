"""Training a retriever on the processor: what a thousand pairs take, and whether what comes of it encodes as fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.models import registry
from gorilla_rag.sources import python as packages
from gorilla_rag.text import encoder_text
from gorilla_rag.train import retriever
from gorilla_rag.train.corpus import Corpus
from gorilla_rag.train.from_docs import questions_from
from gorilla_rag.train.rows import rows as rows_of
from gorilla_rag.train.settings import Settings
from tests.benchmarks.measure import Row

PAIRS = 1000
TEXTS = 400
ROUNDS = 5
STOCK = "minilm-l6"


def rows() -> Iterator[Row]:
    """An epoch of a thousand pairs; then texts encoded by turns."""
    docs = packages.read(("numpy",)).docs
    corpus = Corpus("numpy", docs, tuple(questions_from(docs, count=PAIRS)), "docstrings of numpy", "BSD-3-Clause")
    given = rows_of(corpus, [()] * PAIRS, count=0)
    with TemporaryDirectory() as out:
        made = retriever.train([given], registry.path(STOCK), Path(out) / "trained", settings=Settings(negatives=0))
    note = f"{len(given.relevant)} rows of {PAIRS} questions from numpy's docstrings, {made.steps} steps"
    yield Row("train: an epoch of 1,000 pairs", made.seconds, "s", "< 180 s", note)
    if registry.ENCODER != STOCK:
        yield _encoding([encoder_text(doc) for doc in docs[:TEXTS]])


def _encoding(texts: list[str]) -> Row:
    """How much longer the default encoder takes than the stock one, by turns."""
    stock, tuned = EmbeddedEncoder(STOCK), EmbeddedEncoder()
    ratios = []
    for turn in range(ROUNDS + 1):
        ratio = _seconds(tuned, texts) / _seconds(stock, texts)
        ratios += [ratio] if turn else []
    return Row(
        "encode: default / stock", statistics.median(ratios), "×", "< 1.1", f"{len(texts)} documents, {ROUNDS} turns"
    )


def _seconds(encoder: EmbeddedEncoder, texts: list[str]) -> float:
    start = time.perf_counter()
    encoder.encode(texts, kind="document")
    return time.perf_counter() - start
