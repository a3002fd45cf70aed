"""Figures at 100,000 documents, and bulk encoding against sentence-transformers' default."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gorilla_rag import starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.index import change
from gorilla_rag.index.bm25 import BM25, question_words
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.text import STOP_WORDS, bm25_text, bm25_words, encoder_text
from tests.benchmarks.measure import Row, median_seconds
from tests.benchmarks.warm import QUESTIONS

DOCUMENTS = 100_000


class RandomVectors:
    """Stands in for the encoder where only sizes matter: the same identity, random unit vectors."""

    def __init__(self, real: EmbeddedEncoder) -> None:
        self.id, self.source, self.sha256, self.dimension = real.id, real.source, real.sha256, real.dimension

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Random unit vectors, shape [len(texts), dimension]."""
        made = np.random.default_rng(0).standard_normal((len(texts), self.dimension), dtype=np.float32)
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return made


def documents(count: int) -> list[ApiDoc]:
    """Documents of mixed sentences from the starter corpus, with a Zipf-like share of words of their own."""
    pick = random.Random(0)
    sentences = [s for doc in starter.documents() for s in doc.description.split(". ")]
    made = []
    for number in range(count):
        text = ". ".join(pick.sample(sentences, 3)) + f" word{int(pick.paretovariate(0.7)) % 50_000}"
        made.append(
            ApiDoc(
                id=f"made-{number}",
                api_call=f"package_{number % 97}.function_{number}(x)",
                api_name=f"function_{number}",
                domain=f"domain {number % 40}",
                functionality=pick.choice(sentences)[:60],
                description=text,
            )
        )
    return made


def rows() -> Iterator[Row]:
    """BM25, adding, dense search at 100,000 documents; encoding."""
    yield from _encoding()
    encoder, docs = EmbeddedEncoder(), documents(DOCUMENTS)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        change.build(folder, docs, RandomVectors(encoder))
        built = time.perf_counter() - start
        yield Row("index of 100,000 documents written (vectors given)", built, "s")
        yield from _bm25(Index(folder, encoder), docs)
        index = Index(folder, encoder)
        seconds = median_seconds(lambda run: index.search(QUESTIONS[run % len(QUESTIONS)]), 12, warm_up=12)
        yield Row("hybrid search at 100,000 documents, p50", seconds * 1e3, "ms")
        fresh = [
            ApiDoc(id=f"new-{n}", api_call=f"new_{n}(x)", description=text) for n, text in enumerate(QUESTIONS[:10])
        ]
        start = time.perf_counter()
        change.add(folder, fresh, encoder)
        yield Row("10 documents added to 100,000", time.perf_counter() - start, "s", "< 10")
        found = Index(folder, encoder).search(QUESTIONS[0])[0].doc.id
        if found != "new-0":
            raise RuntimeError(f"the added document isn't found, {found} is")


def _bm25(index: Index, docs: Sequence[ApiDoc]) -> Iterator[Row]:
    """Ours against rank-bm25 on the same words, both to the first five."""
    from rank_bm25 import BM25Okapi

    ours = index.bm25
    assert isinstance(ours, BM25)
    words = [[w for w in bm25_words(bm25_text(doc)) if w not in STOP_WORDS] for doc in docs]
    reference = BM25Okapi(words)
    asked = [question_words(question) for question in QUESTIONS]

    def theirs(run: int) -> npt.NDArray[np.int64]:
        scores = reference.get_scores(asked[run % len(asked)])
        return np.argpartition(-scores, 5)[:5]

    slow = median_seconds(theirs, 6)
    fast = median_seconds(lambda run: ours.ranking(QUESTIONS[run % len(QUESTIONS)], 5), 60, warm_up=12)
    note = f"{fast * 1e3:.2f} ms against {slow * 1e3:.0f} ms a query"
    yield Row("BM25 at 100,000 documents, rank-bm25 / ours", slow / fast, "×", ">= 100", note)


def _encoding() -> Iterator[Row]:
    """Bulk encoding against `SentenceTransformer(...).encode(texts)`, in turn on the same texts, medians of three."""
    from sentence_transformers import SentenceTransformer

    encoder = EmbeddedEncoder()
    default = SentenceTransformer(str(Path(registry.path(registry.ENCODER))), device="cpu", local_files_only=True)
    docs = starter.documents()
    texts = list(dict.fromkeys(text for doc in docs for text in (encoder_text(doc), bm25_text(doc), doc.description)))
    encoder.encode(texts)
    default.encode(texts[:64])
    ratios, ours, theirs = [], [], []
    for _ in range(3):
        theirs.append(median_seconds(lambda _: default.encode(texts), 2, warm_up=0))
        ours.append(median_seconds(lambda _: encoder.encode(texts), 2, warm_up=0))
        ratios.append(theirs[-1] / ours[-1])
    rate = f"{len(texts) / float(np.median(ours)):.0f} against {len(texts) / float(np.median(theirs)):.0f} texts/s"
    mean = sum(map(len, texts)) / len(texts)
    yield Row(
        "bulk encoding, ours / sentence-transformers",
        float(np.median(ratios)),
        "×",
        ">= 2",
        f"{rate}, {mean:.0f} characters",
    )
