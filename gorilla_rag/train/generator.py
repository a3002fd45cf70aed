"""Trains a generator's adapter on an index and a file of examples: what `gorilla-rag train generator` does.

Reads, leaves out what resembles an evaluation, has the turns made and the adapter trained, and writes down of what.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gorilla_rag.encoders.load import of_index
from gorilla_rag.errors import UsageError
from gorilla_rag.files import write_text
from gorilla_rag.index import manifest
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.train import folder
from gorilla_rag.train.card import PAIRS, data_card, write_pairs
from gorilla_rag.train.corpus import Corpus
from gorilla_rag.train.examples import Example, Turned, read_examples, turned
from gorilla_rag.train.held_back import split
from gorilla_rag.train.leaks import Leak, deduplicated, guard, remove_leaks
from gorilla_rag.train.questions import QuestionsRead
from gorilla_rag.train.run import evaluation_questions
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Reader

if TYPE_CHECKING:
    from gorilla_rag.generate.transformers import TransformersGenerator
    from gorilla_rag.train.adapter import Adapter
    from gorilla_rag.train.watch import Progress

TURNS, CARD = "turns.jsonl", "card.md"
LONG_HELD = "held back, and longer than the base's context"


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of it.

    Attributes:
        adapter: the training.
        steps: how many turns of each step were learnt from.
        held: how many were held back.
        unwritable: why others couldn't be, or couldn't be measured, and how many.
        duplicates: how many questions stood there before.
        leaks: those that resemble an evaluation question.
        read: the file's questions, and what of it wasn't one.
    """

    adapter: Adapter
    steps: Mapping[str, int]
    held: int
    unwritable: Mapping[str, int]
    duplicates: int
    leaks: tuple[Leak, ...]
    read: QuestionsRead


def train_on_examples(
    index: str | Path,
    questions: str | Path,
    out: str | Path,
    *,
    base: str | Path = registry.GENERATOR,
    start: str | Path | None = None,
    evaluation: Sequence[str | Path] = (),
    settings: AdapterSettings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Learnt:
    """Trains an adapter, and writes `adapter`, `turns.jsonl`, `pairs.jsonl` and `card.md`.

    A tenth of the questions is held back, documents apart, and measured at each check; of fewer than twenty, none is.

    Args:
        index: the folder of the index; its documents are what is asked about, its retrievers find candidates.
        questions: a file of examples about the index's documents; see `read_examples`.
        out: a folder of its own.
        base: the model that the adapter is for, as `generate/checkpoint.py` finds it.
        start: folder of an adapter for it to go on from; a new one if not given.
        evaluation: files of questions that must not be trained on, nor any that resembles them.
        settings: of the training.
        resume: go on with what is in `out`.
        progress: told the step, and how much of how much is done.

    Raises:
        UsageError: nothing is left to train on; whatever `train_adapter` refuses.
        GenerationFailed: whatever is that in `train_adapter`.
        BenchmarkError: a file of questions that can't be used.
        IndexMissing, IndexCorrupt, IndexMismatch, ModelMissing, ModelCorrupt: index or base can't be opened.
        ExtraMissing: the extra `train` isn't installed.
        TrainingDiverged, StorageFull, DeviceMissing: the training failed.
    """
    from gorilla_rag.train import adapter, reading
    from gorilla_rag.train.held_back_turns import measured

    settings, target = settings or AdapterSettings(), Path(out)
    folder.check(target, resume=resume)
    base_reads = reading.of_base(base)
    material = _material(index, Path(questions), base_reads.reader, evaluation, settings.seed)
    held = tuple(turn for turn in material.held.turns if base_reads.holds(turn))

    def check(generator: TransformersGenerator) -> Mapping[str, float]:
        return measured(generator, held)

    found = adapter.train_adapter(
        material.turned.turns,
        base,
        target,
        start=Path(start) if start else None,
        check=check if held else None,
        settings=settings,
        resume=resume,
        progress=progress,
    )
    _write(target, material, evaluation)
    steps = Counter[str](turn.step for turn in material.turned.turns)
    unwritable = material.turned.unwritable + Counter({LONG_HELD: len(material.held.turns) - len(held)})
    return Learnt(found, steps, len(held), unwritable, material.duplicates, material.leaks, material.read)


@dataclass(frozen=True, slots=True)
class _Material:
    """What is learnt from.

    Attributes:
        corpus: the questions.
        turned: their turns.
        held: the turns of the questions that were held back.
        duplicates, leaks, read: as in `Learnt`.
    """

    corpus: Corpus
    turned: Turned
    held: Turned
    duplicates: int
    leaks: tuple[Leak, ...]
    read: QuestionsRead


def _material(
    index: str | Path, questions: Path, reader: Reader, evaluation: Sequence[str | Path], seed: int
) -> _Material:
    """Reads examples and makes their turns.

    Raises:
        UsageError: no example became a turn.
    """
    described = manifest.read(Path(index))
    opened = Index(index, lambda: of_index(described.encoder))
    try:
        docs = tuple(opened.store.documents(range(len(opened))))
        examples, read = read_examples(questions, docs)
        corpus, duplicates, leaks = _kept(examples, docs, questions, evaluation)
        train, held = split(corpus, seed=seed)
        made, other = (_turned(part, examples, opened, reader, seed) for part in (train, held))
    finally:
        opened.close()
    if not made.turns:
        raise UsageError("no example became a turn", hint=_hint(made))
    return _Material(train, made, other, duplicates, leaks, read)


def _write(target: Path, material: _Material, evaluation: Sequence[str | Path]) -> None:
    """Writes down what was learnt from."""
    lines = (json.dumps(asdict(turn), ensure_ascii=False) + "\n" for turn in material.turned.turns)
    write_text(target / TURNS, "".join(lines))
    write_pairs(target / PAIRS, [material.corpus])
    names = [Path(file).name for file in evaluation]
    card = data_card([material.corpus], duplicates=material.duplicates, leaks=material.leaks, evaluation=names)
    write_text(target / CARD, card)


def _kept(
    examples: Sequence[Example], docs: tuple[Any, ...], file: Path, evaluation: Sequence[str | Path]
) -> tuple[Corpus, int, tuple[Leak, ...]]:
    """The questions, none twice and none that resembles an evaluation's."""
    licences = ", ".join(sorted({doc.license for doc in docs if doc.license})) or "not stated"
    whole = Corpus(file.stem, docs, tuple(example.pair for example in examples), file.name, licences)
    once = deduplicated(whole)
    asked: Iterable[str] = [text for one in evaluation for text in evaluation_questions(Path(one))]
    kept, leaks = remove_leaks(once, guard(asked))
    if not kept.pairs:
        raise UsageError(
            f"no question is left to train on: of {len(whole.pairs)}, {len(leaks)} resemble ones to be kept out",
            hint="give more questions",
        )
    return kept, len(whole.pairs) - len(once.pairs), leaks


def _turned(corpus: Corpus, examples: Sequence[Example], index: Index, reader: Reader, seed: int) -> Turned:
    by_question = {example.pair.question: example for example in examples}
    kept = [replace(by_question[pair.question], pair=pair) for pair in corpus.pairs]
    return turned(kept, index, reader, source=corpus.name, seed=seed)


def _hint(made: Turned) -> str:
    reasons = "; ".join(f"{reason} ({count})" for reason, count in made.unwritable.most_common(2))
    return f"give questions with their calls and explanations{f': {reasons}' if reasons else ''}"
