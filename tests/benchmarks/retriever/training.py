"""Trains the shipped retriever, or one without a corpus: `python -m tests.benchmarks.retriever train`."""

from __future__ import annotations

import json
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
from gorilla_rag.train.folder import RECORD
from gorilla_rag.train.negatives import mined
from gorilla_rag.train.rows import Rows, rows
from gorilla_rag.train.settings import Settings
from tests.benchmarks.retriever import data, openapi

BASE = "minilm-l6"
GENERAL = "general"
# What in-batch negatives alone gain in the same time is no less than what mined ones do.
SHIPPED = Settings(negatives=0, learning_rate=5e-5)
# Of what the general training learns, and of what the corpora teach: chosen on the corpora left out.
SHARES = (0.8, 0.2)
Tell = Callable[[str], None]


def train(folder: Path, out: Path, work: Path, *, without: str = "", settings: Settings = SHIPPED, tell: Tell) -> Path:
    """Trains an encoder on the corpora that have questions, but one, unless that was done; returns its folder.

    Args:
        folder: the published data.
        out: of the training.
        work: where indexes are kept between trainings.
        without: the corpus that is left out; none for the shipped encoder.
        settings: of the training.
        tell: told what is done.
    """
    if (out / retriever.MODEL).is_dir():
        return out / retriever.MODEL
    return stage(data.corpora(folder, without=without, seed=settings.seed), out, work, settings, tell)


def train_general(folder: Path, work: Path, *, settings: Settings = SHIPPED, tell: Tell) -> Path:
    """Trains an encoder on what none of the corpora is about, the same whatever is left out, unless that was done.

    Args:
        folder: the published data, whose questions are kept out.
        work: where the archive of definitions lies, and what is trained goes.
        settings: of the training.
        tell: told what is done.
    """
    out = work / GENERAL
    if (out / retriever.MODEL).is_dir():
        return out / retriever.MODEL
    return stage(data.general(folder, work / openapi.ARCHIVE, seed=settings.seed), out, work, settings, tell)


def stage(material: data.Material, out: Path, work: Path, settings: Settings, tell: Tell) -> Path:
    """Trains on what is given and returns the model's folder; a data card lies beside it."""
    pairs = sum(len(one.pairs) for one in material.corpora)
    tell(f"{pairs} pairs, {material.duplicates} duplicates, {len(material.leaks)} leaks removed")
    given: list[Rows] = []
    for corpus in material.corpora:
        negatives: list[tuple[str, ...]] = [()] * len(corpus.pairs)
        if settings.negatives:
            index = opened(corpus.docs, corpus.name, EmbeddedEncoder(BASE), work)
            negatives = mined(corpus, index, count=4 * settings.negatives)
            index.close()
        given.append(rows(corpus, negatives, count=settings.negatives, seed=settings.seed))
        tell(f"{corpus.name}: {len(corpus.pairs)} pairs, {len(given[-1].relevant)} rows")
    resume = (out / RECORD).is_file()
    found = retriever.train(
        given, registry.path(BASE), out, settings=settings, resume=resume,
        progress=lambda _, done, total: tell(f"{done}/{total}") if done % 20 == 0 else None,
    )  # fmt: skip
    tell(f"{found.steps} steps in {found.seconds:.0f} s, losses {found.losses}")
    write_pairs(out / "pairs.jsonl", material.corpora)
    card = data_card(material.corpora, duplicates=material.duplicates, leaks=material.leaks, evaluation=data.MEASURED)
    write_text(out / "card.md", f"{card}\nSettings: `{json.dumps(asdict(settings))}`\n")
    return found.model


def added(general: Path, tools: Path, shares: tuple[float, float], out: Path) -> Path:
    """The stock encoder with a share of what each training learnt, made unless it is there."""
    if not out.is_dir():
        learnt = [
            (open_model(model, "cpu", "float32"), share) for model, share in zip((general, tools), shares, strict=True)
        ]
        retriever.combined(registry.path(BASE), learnt).save_pretrained(str(out), create_model_card=False)
    return out


def opened(docs: tuple[ApiDoc, ...], name: str, encoder: Encoder, work: Path) -> Index:
    """An index of documents, built unless it is there."""
    place = work / encoder.id / name.replace("/", "-")
    if not (place / manifest.NAME).exists():
        change.build(place, docs, encoder)
    return Index(place, encoder)
