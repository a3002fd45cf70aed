"""Examples that a generator learns from: questions with their documents, the right arguments and an explanation.

Knows files and an index; `turns.py` knows what a model reads and writes of an example.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from gorilla_rag.answer import Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import argument
from gorilla_rag.errors import BenchmarkError, SourceError
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.generate.write import offered_arguments
from gorilla_rag.index.index import BATCH, Index
from gorilla_rag.sources import apibench
from gorilla_rag.train import turns
from gorilla_rag.train.corpus import Pair
from gorilla_rag.train.negatives import MOST_OF_POSITIVE
from gorilla_rag.train.questions import QuestionsRead, read_questions
from gorilla_rag.train.turns import Reader, Turn, Unwritable

CANDIDATES = 5
_REASON_LENGTH = 120
DEPTH = 10
PRESENT = 0.8
"""How often the right document is among the candidates; where it isn't, `none` is right."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Example:
    """A question with what is right for it.

    Attributes:
        pair: the question and its documents.
        calls: the arguments of each call of the first document, by name; `None` where nobody says.
        explanation: a sentence about the call; empty where nobody wrote one.
    """

    pair: Pair
    calls: tuple[Mapping[str, Any], ...] | None = None
    explanation: str = ""


@dataclass(frozen=True)
class Turned:
    """Turns, and what couldn't become one.

    Attributes:
        turns: in the order of their examples.
        unwritable: why others aren't there, and how many.
    """

    turns: tuple[Turn, ...]
    unwritable: Counter[str] = field(default_factory=Counter)


def read_examples(path: str | Path, docs: Sequence[ApiDoc]) -> tuple[list[Example], QuestionsRead]:
    """The examples of a file: whatever `read_questions` reads, each perhaps with `calls` and `explanation`.

    Returns:
        The examples, and what was read, with what is about none of the documents or no question.

    Raises:
        BenchmarkError: as `read_questions`; `calls` that are no list of objects, or an explanation that is no text.
    """
    file = Path(path)
    read = read_questions(file, docs)
    more: dict[str, _More | None] = {}
    for entry in apibench.entries(file):
        if not isinstance(entry, SourceError) and isinstance(entry[1], Mapping):
            line, record = entry
            text = record.get("question", record.get("query"))
            if isinstance(text, str) and {"calls", "explanation"} & set(record):
                said = _more(record, file, line)
                more[text.strip()] = said if more.get(text.strip(), said) == said else None
    return [_example(pair, more.get(pair.question)) for pair in read.pairs], read


@dataclass(frozen=True)
class _More:
    """What a file says of a question beside its documents, and of which document."""

    about: str | None
    calls: tuple[Mapping[str, Any], ...] | None
    explanation: str


def _example(pair: Pair, more: _More | None) -> Example:
    """A pair with what is said of its first document; nothing where several records say different things of it."""
    if more is None or more.about not in (None, pair.relevant[0]):
        return Example(pair)
    return Example(pair, more.calls, more.explanation)


def _more(record: Mapping[str, Any], file: Path, line: int) -> _More:
    calls, explanation = record.get("calls"), record.get("explanation", "")
    right = calls is None or (isinstance(calls, list) and calls and all(isinstance(one, Mapping) for one in calls))
    if not right or not isinstance(explanation, str):
        reason = "calls isn't a list of objects" if not right else "explanation isn't a text"
        hint = 'write "calls": [{"name of an argument": value}] and "explanation": "…"'
        raise BenchmarkError(reason, file=str(file), line=line, hint=hint)
    ids = record.get("relevant_ids")
    about = str(ids[0]) if isinstance(ids, list) and ids else None
    return _More(about, None if calls is None else tuple(calls), explanation)


def turned(
    examples: Sequence[Example],
    index: Index,
    reader: Reader,
    *,
    source: str,
    present: float = PRESENT,
    seed: int = 0,
    progress: Progress | None = None,
) -> Turned:
    """What a model learns of examples: to choose among what the index finds, to fill in, and to explain.

    Of the candidates that `hybrid` finds, those stay that aren't likely to be right as well (see `negatives.py`). The
    right document is put at a random place among them, or left out with what is right then `none`.

    Args:
        examples: over the index's documents.
        index: what finds candidates.
        reader: how the model reads.
        source: the corpus's name.
        present: how often the right document is among the candidates.
        seed: of what is drawn.
        progress: told how many of how many examples are done.
    """
    rng = random.Random(f"{seed} {source}")  # noqa: S311
    made: list[Turn] = []
    left: Counter[str] = Counter()
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        pools = index.candidates_many([example.pair.question for example in some], mode="hybrid", k=DEPTH)
        for example, pool in zip(some, pools, strict=True):
            right = [doc for one in example.pair.relevant if (doc := index.store.get(one))]
            for make in _makers(example, right, pool, reader, source, present, rng):
                try:
                    made += [turn] if (turn := make()) else []
                except Unwritable as error:
                    left[_cut(str(error))] += 1
        if progress:
            progress(start + len(some), len(examples))
    return Turned(tuple(made), left)


def _cut(reason: str) -> str:
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[:_REASON_LENGTH]}…"


def _makers(
    example: Example,
    right: Sequence[ApiDoc],
    pool: Sequence[Candidate],
    reader: Reader,
    source: str,
    present: float,
    rng: random.Random,
) -> Iterator[Callable[[], Turn | None]]:
    question, doc = example.pair.question, right[0]
    label = LABELS[rng.randrange(CANDIDATES)]
    candidates, place = shuffled(pool, right, present=present, rng=rng)
    if len(candidates) > 1:
        yield lambda: turns.choosing(question, candidates, place, reader, source=source, may_refuse=present < 1)
    for most in (1, turns.MOST_CALLS) if example.calls is not None else ():
        yield partial(_filling, example, doc, label, reader, source, most)
    if example.explanation:
        yield partial(_explaining, example, doc, label, reader, source)
        if doc.kind == "python":
            yield partial(_recalling, example, doc, reader, source)


def _filling(example: Example, doc: ApiDoc, label: str, reader: Reader, source: str, most: int) -> Turn | None:
    """As a question is asked that may have one call, and as one is that may have several, where these differ."""
    calls = example.calls or ()
    if most == 1 and len(calls) > 1:
        return None
    made = turns.filling(example.pair.question, doc, calls, label, reader, source=source, most=most)
    return None if made and most > 1 and '"calls":' not in made.prefill else made


def _explaining(example: Example, doc: ApiDoc, label: str, reader: Reader, source: str) -> Turn:
    """Over the call's arguments.

    Raises:
        Unwritable: nobody says what these are.
    """
    question, shown = example.pair.question, _shown(example, doc)
    return turns.explaining(question, doc, shown, example.explanation, label, reader, source=source)


def _shown(example: Example, doc: ApiDoc) -> dict[str, Any]:
    """The first call's arguments.

    Raises:
        Unwritable: nobody says what these are.
    """
    question = example.pair.question
    if example.calls is None and offered_arguments(doc, question) is not None:
        raise Unwritable("there is an explanation without the call's arguments")
    return turns.shown_arguments(question, doc, (example.calls or ({},))[0])


def _recalling(example: Example, doc: ApiDoc, reader: Reader, source: str) -> Turn:
    """The call with its arguments, as an answer renders it.

    Raises:
        Unwritable: as `_explaining`.
    """
    values = {name: argument(value) for name, value in _shown(example, doc).items()}
    call = doc.call.with_arguments(values, doc.parameter_names).render()
    return turns.recalling(example.pair.question, call, example.explanation, reader, source=source)


def shuffled(
    pool: Sequence[Candidate], right: Sequence[ApiDoc], *, present: float, rng: random.Random
) -> tuple[list[Candidate], int | None]:
    """Candidates in a random order, and the number of the right one, from 0; `None` where it was left out."""
    keys = {doc.call_key for doc in right}
    scores = [one.score for one in pool if one.doc.call_key in keys]
    below = MOST_OF_POSITIVE * max(scores) if scores else float("inf")
    wrong = [one for one in pool if one.doc.call_key not in keys and one.score < below]
    if rng.random() >= present:
        kept = wrong[:CANDIDATES]
        rng.shuffle(kept)
        return kept, None
    kept = wrong[: CANDIDATES - 1]
    rng.shuffle(kept)
    place = rng.randint(0, len(kept))
    kept.insert(place, Candidate((Hit(right[0], max(scores, default=0.0), 1, {}),)))
    return kept, place
