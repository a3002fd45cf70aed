"""Trains the shipped retriever, or one without a corpus: `python -m tests.benchmarks.retriever train`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.sentence_transformers import open_model
from gorilla_rag.files import write_text
from gorilla_rag.index import change, manifest
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.train import retriever
from gorilla_rag.train.card import data_card, write_pairs
from gorilla_rag.train.corpus import Corpus
from gorilla_rag.train.leaks import Leak
from gorilla_rag.train.negatives import mined
from gorilla_rag.train.rows import Rows, rows
from gorilla_rag.train.settings import Settings
from tests.benchmarks.retriever import data

BASE = "minilm-l6"
# What in-batch negatives alone gain in the same time is no less than what mined ones do.
SHIPPED = Settings(negatives=0, learning_rate=5e-5)
Tell = Callable[[str], None]


def train(folder: Path, out: Path, work: Path, *, without: str = "", settings: Settings = SHIPPED, tell: Tell) -> Path:
    """Trains an encoder on all corpora but one, unless that was done; returns its folder.

    Args:
        folder: the published data.
        out: of the training.
        work: where indexes of the corpora are kept between trainings.
        without: the corpus that is left out; none for the shipped encoder.
        settings: of the training.
        tell: told what is done.
    """
    if (out / retriever.MODEL).is_dir():
        return out / retriever.MODEL
    corpora, duplicates, leaks = data.corpora(folder, without=without, seed=settings.seed)
    tell(f"{sum(len(one.pairs) for one in corpora)} pairs, {duplicates} duplicates, {len(leaks)} leaks removed")
    encoder = EmbeddedEncoder(BASE)
    given: list[Rows] = []
    for corpus in corpora:
        begun = time.perf_counter()
        negatives: list[tuple[str, ...]] = [()] * len(corpus.pairs)
        if settings.negatives:
            index = opened(corpus.docs, corpus.name, encoder, work)
            negatives = mined(corpus, index, count=4 * settings.negatives)
            index.close()
        given.append(rows(corpus, negatives, count=settings.negatives, seed=settings.seed))
        tell(f"{corpus.name}: {len(corpus.pairs)} pairs, mined in {time.perf_counter() - begun:.0f} s")
    resume = (out / retriever.RECORD).is_file()
    found = retriever.train(
        given, registry.path(BASE), out, settings=settings, resume=resume,
        progress=lambda _, done, total: tell(f"{done}/{total}") if done % 20 == 0 else None,
    )  # fmt: skip
    tell(f"{found.steps} steps in {found.seconds:.0f} s, losses {found.losses}")
    _described(out, corpora, duplicates, leaks, asdict(settings))
    return found.model


def with_less(model: Path, kept: float) -> Path:
    """A trained model of which a share is kept, made beside it unless it is there."""
    out = model.with_name(f"kept-{kept}")
    if not out.is_dir():
        retriever.between(registry.path(BASE), open_model(model, "cpu", "float32"), kept).save_pretrained(
            str(out), create_model_card=False
        )
    return out


def _described(out: Path, corpora: list[Corpus], duplicates: int, leaks: list[Leak], settings: object) -> None:
    write_pairs(out / "pairs.jsonl", corpora)
    card = data_card(corpora, duplicates=duplicates, leaks=leaks, evaluation=data.MEASURED)
    write_text(out / "card.md", f"{card}\nSettings: `{json.dumps(settings)}`\n")


def opened(docs: tuple[ApiDoc, ...], name: str, encoder: Encoder, work: Path) -> Index:
    """An index of documents, built unless it is there."""
    place = work / encoder.id / name.replace("/", "-")
    if not (place / manifest.NAME).exists():
        change.build(place, docs, encoder)
    return Index(place, encoder)
