"""`train_on_index`: a retriever trained for an index, from questions to the model's folder.

Ties the parts together: questions, leaks, negatives, rows, training, the data card. Shows nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder, of_index
from gorilla_rag.errors import BenchmarkError, SourceError, UsageError
from gorilla_rag.files import write_text
from gorilla_rag.index import manifest
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.sources import apibench
from gorilla_rag.train import folder
from gorilla_rag.train.card import PAIRS, data_card, write_pairs
from gorilla_rag.train.corpus import Corpus
from gorilla_rag.train.from_docs import questions_from
from gorilla_rag.train.held_back import split
from gorilla_rag.train.leaks import Leak, deduplicated, guard, remove_leaks
from gorilla_rag.train.negatives import mined
from gorilla_rag.train.questions import QuestionsRead, read_questions
from gorilla_rag.train.rows import rows
from gorilla_rag.train.settings import Settings

if TYPE_CHECKING:
    from gorilla_rag.train.retriever import Trained
    from gorilla_rag.train.watch import Progress

COUNT = 5000
CARD, DELTA = "card.md", "delta.safetensors"
# So many times as many negatives as a row has are mined, and drawn from.
_MINED = 4


@dataclass(frozen=True, slots=True)
class Base:
    """The encoder that is trained on.

    Attributes:
        name: as given, or as the index names it.
        folder: where its files lie.
        is_registered: whether the registry knows it, so that what comes of it can be shipped as a delta.
    """

    name: str
    folder: Path
    is_registered: bool


@dataclass(frozen=True, slots=True)
class Data:
    """What is trained on, and what was left out of it.

    Attributes:
        train, held: the questions to train on, and those held back; both over every document.
        made: how many questions were made in which way, before any was left out.
        duplicates: how many stood there before.
        leaks: those that resemble an evaluation question or one held back.
        unknown: ids and calls that no document has, and how often they were asked for.
        problems: what was no question.
        evaluation: names of the files whose questions were kept out.
    """

    train: Corpus
    held: Corpus
    made: Mapping[str, int]
    duplicates: int
    leaks: tuple[Leak, ...]
    unknown: Mapping[str, int]
    problems: tuple[BenchmarkError | SourceError, ...]
    evaluation: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        data: what was trained on.
        trained: the training.
        base: the encoder that it began with.
        delta: the model as what differs from a base of the registry; `None` for another base.
        not_exported: why the model could not be exported to ONNX; empty where it was.
    """

    data: Data
    trained: Trained
    base: Base
    delta: Path | None
    not_exported: str

    @property
    def before(self) -> float | None:
        """nDCG@10 on the questions held back, of the base; `None` without such questions."""
        return self.trained.before.get(self.data.held.name)

    @property
    def after(self) -> float | None:
        """nDCG@10 on the questions held back, of the trained model."""
        return self.trained.after.get(self.data.held.name)

    @property
    def seconds_per_thousand(self) -> float:
        """Seconds that the whole training took for each 1,000 of its pairs."""
        return 1000 * self.trained.seconds / len(self.data.train.pairs)


def train_on_index(
    index: str | Path,
    out: str | Path,
    *,
    questions: str | Path | None = None,
    from_docs: bool = False,
    count: int = COUNT,
    base: str | None = None,
    held_out: str | Path | None = None,
    evaluation: Sequence[str | Path] = (),
    settings: Settings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Trains an encoder for an index, and writes `model`, `pairs.jsonl`, `card.md` and perhaps `delta.safetensors`.

    Args:
        index: the folder of the index; its documents are what is asked about, its retrievers find negatives.
        out: a folder of its own.
        questions: a file of questions about the index's documents; see `read_questions`.
        from_docs: make questions from the documents.
        count: how many of those at most.
        base: the encoder to begin with, by name or folder; the index's own by default.
        held_out: a file of questions about the same documents that decide when to stop; without it a tenth of the
            questions is held back, unless there are fewer than twenty.
        evaluation: files of questions that must not be trained on, nor any that resembles them.
        settings: of the training.
        resume: go on with what is in `out`.
        progress: told the step, and how much of how much is done.

    Raises:
        UsageError: neither questions nor documents to make some from; a base that can't be trained; nothing is left to
            train on; whatever `retriever.train` refuses.
        BenchmarkError: a file of questions that can't be used.
        ModelMissing, ModelCorrupt, IndexMissing, IndexCorrupt, IndexMismatch: base or index can't be opened.
        ExtraMissing: the extra `train` isn't installed.
        TrainingDiverged, StorageFull, DeviceMissing: the training failed.
    """
    settings = settings or Settings()
    if questions is None and not from_docs:
        raise UsageError("there are no questions", hint="give a file with --questions, or make some: --from-docs")
    from gorilla_rag.train import retriever
    from gorilla_rag.train.held_out import HeldOut

    target, described = Path(out), manifest.read(Path(index))
    folder.check(target, resume=resume)
    begun_with = _base(base, described.encoder)
    with closing(Index(index, lambda: of_index(described.encoder))) as opened:
        corpus, read = _asked(opened, questions, count if from_docs else 0, settings.seed)
        data = _data(corpus, read, held_out, evaluation, settings.seed)
        wrong = _negatives(data.train, opened, settings, progress)
    given = [rows(data.train, wrong, count=settings.negatives, seed=settings.seed)]
    held = HeldOut([data.held]) if data.held.pairs else None
    trained = retriever.train(
        given, begun_with.folder, target, held_out=held, settings=settings, resume=resume, progress=progress
    )
    return _written(target, data, trained, begun_with)


def _base(name: str | None, of_the_index: Mapping[str, Any]) -> Base:
    """The encoder of that name, else the index's own.

    Raises:
        UsageError: a model that doesn't encode, or can't be loaded safely; an index whose encoder has no name.
        ModelMissing, ModelCorrupt: it isn't there, or can't be used.
    """
    name = name or str(of_the_index.get("source", of_the_index["id"]))
    if not name:
        raise UsageError("nothing says where the index's encoder is found", hint="name the one to train with --base")
    if name in registry.MODELS:
        if registry.spec(name).purpose != "encoder":
            raise UsageError(f"{name} is no encoder", hint="name an encoder, such as minilm-l6")
        return Base(name, registry.path(name), is_registered=True)
    made = load_encoder(name)
    assert isinstance(made, SentenceTransformersEncoder)  # noqa: S101
    return Base(name, made.path, is_registered=False)


def _asked(index: Index, questions: str | Path | None, count: int, seed: int) -> tuple[Corpus, QuestionsRead]:
    """The index's documents with the questions of a file and `count` made from them, and what was read."""
    docs = tuple(index.store.documents(range(len(index))))
    read = read_questions(questions, docs) if questions is not None else QuestionsRead(())
    made = questions_from(docs, count=count, seed=seed) if count else []
    origins = [
        *([Path(questions).name] if questions is not None else []),
        *(["made from its documents"] if made else []),
    ]
    licences = ", ".join(sorted({doc.license for doc in docs if doc.license})) or "not stated"
    name = index.folder.resolve().name
    return Corpus(name, docs, (*read.pairs, *made), f"index {name}; {', '.join(origins)}", licences), read


def _data(
    corpus: Corpus, read: QuestionsRead, held_out: str | Path | None, evaluation: Sequence[str | Path], seed: int
) -> Data:
    """The corpus without duplicates and leaks, and what is held back.

    Raises:
        UsageError: nothing is left to train on.
    """
    once = deduplicated(corpus)
    given = read_questions(held_out, corpus.docs).pairs if held_out is not None else ()
    texts = [text for file in evaluation for text in evaluation_questions(Path(file))]
    kept, leaks = remove_leaks(once, guard([*texts, *(pair.question for pair in given)]))
    train, held = (kept, replace(kept, pairs=given)) if held_out is not None else split(kept, seed=seed)
    if not train.pairs:
        found = f"{len(corpus.pairs)} questions were found, {len(leaks)} of them resemble ones to be kept out"
        raise UsageError(
            f"no question is left to train on: {found}", hint="give more questions, or make some: --from-docs"
        )
    names = tuple(Path(file).name for file in (*evaluation, *([held_out] if held_out is not None else [])))
    made = Counter(pair.made for pair in corpus.pairs)
    duplicates = len(corpus.pairs) - len(once.pairs)
    return Data(train, held, made, duplicates, leaks, read.unknown, read.problems, names)


def evaluation_questions(file: Path) -> list[str]:
    """The questions of an evaluation's file.

    Raises:
        BenchmarkError: it isn't there, or has a line without a question.
    """
    if not file.is_file():
        raise BenchmarkError("no such file", file=str(file), line=0, hint="check the path")
    found = []
    for entry in apibench.entries(file):
        if isinstance(entry, SourceError):
            raise entry
        line, record = entry
        text = record.get("question", record.get("query")) if isinstance(record, Mapping) else None
        if not isinstance(text, str):
            hint = 'write {"question": "…"} or {"query": "…"}, one a line'
            raise BenchmarkError("there is no question", file=str(file), line=line, hint=hint)
        found.append(text)
    return found


def _negatives(
    corpus: Corpus, index: Index, settings: Settings, progress: Progress | None
) -> Sequence[tuple[str, ...]]:
    if not settings.negatives:
        return [()] * len(corpus.pairs)
    tell = partial(progress, "finding negatives") if progress else None
    return mined(corpus, index, count=_MINED * settings.negatives, progress=tell)


def _written(out: Path, data: Data, trained: Trained, base: Base) -> Outcome:
    """Writes all that goes with the model.

    Raises:
        UsageError: the delta would be too large; all else is there.
    """
    write_pairs(out / PAIRS, [data.train])
    card = data_card([data.train], duplicates=data.duplicates, leaks=data.leaks, evaluation=data.evaluation)
    write_text(out / CARD, card)
    exported = SentenceTransformersEncoder(trained.model).export()
    if not base.is_registered:
        return Outcome(data, trained, base, None, exported.reason)
    from gorilla_rag.encoders import delta

    measured = {
        "before": trained.before.get(data.held.name, math.nan),
        "after": trained.after.get(data.held.name, math.nan),
    }
    note = {"pairs": str(len(data.train.pairs)), **{name: f"{value:.4f}" for name, value in measured.items()}}
    try:
        delta.write_delta(base.folder, trained.model, out / DELTA, note=note, limit=delta.LIMIT)
    except UsageError as error:
        raise UsageError(
            error.message, hint=f"the model itself is whole, in {trained.model}: use it as it is"
        ) from error
    return Outcome(data, trained, base, out / DELTA, exported.reason)
