"""Examples that a generator learns from: questions with their documents, the right arguments and an explanation.

Knows files and an index; `turns.py` knows what a model reads and writes of an example.
"""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
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
QUESTIONS = 5
"""How many are asked about the same candidates, where there are as many."""
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


@dataclass(frozen=True)
class _Asked:
    """An example with what the index finds for it.

    Attributes:
        example: the question.
        right: its documents.
        pool: candidates, best first.
    """

    example: Example
    right: tuple[ApiDoc, ...]
    pool: tuple[Candidate, ...]

    @property
    def keys(self) -> frozenset[str]:
        """The right documents' calls."""
        return frozenset(doc.call_key for doc in self.right)

    @property
    def doubtful(self) -> frozenset[str]:
        """The calls of candidates that may be right too (see `negatives.py`), beside those that are."""
        below = MOST_OF_POSITIVE * self.score
        return frozenset(one.doc.call_key for one in self.pool if one.score >= below) - self.keys

    @property
    def score(self) -> float:
        """Of the best right candidate; infinite where none was found."""
        return max((one.score for one in self.pool if one.doc.call_key in self.keys), default=math.inf)


def turned(
    examples: Sequence[Example],
    index: Index,
    reader: Reader,
    *,
    source: str,
    present: float = PRESENT,
    also: Sequence[Example] = (),
    most_asked: int = QUESTIONS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Turned:
    """What a model learns of examples: to choose among what the index finds, to fill in, and to explain.

    Of the candidates that `hybrid` finds, those stay that aren't likely to be right as well (see `negatives.py`). The
    right document is put at a random place among them, or left out with what is right then `none`. Other examples'
    questions about the same documents follow in the same conversation: a label each for the price of a question.

    Args:
        examples: over the index's documents.
        index: what finds candidates.
        reader: how the model reads.
        source: the corpus's name.
        present: how often the right document is among the candidates.
        also: further examples, of which only questions that follow are taken.
        most_asked: how many questions a conversation has at most.
        seed: of what is drawn.
        progress: told how many of how many examples are done.
    """
    rng = random.Random(f"{seed} {source}")  # noqa: S311
    made: list[Turn] = []
    left: Counter[str] = Counter()
    asked = list(_found([*examples, *(also if most_asked > 1 else ())], index, progress))
    about: defaultdict[str, list[_Asked]] = defaultdict(list)
    for one in asked:
        for key in one.keys:
            about[key].append(one)
    for one in asked[: len(examples)]:
        for make in _makers(one, about, reader, source, present, most_asked, rng):
            try:
                made += [turn] if (turn := make()) else []
            except Unwritable as error:
                left[_cut(str(error))] += 1
    return Turned(tuple(made), left)


def _found(examples: Sequence[Example], index: Index, progress: Progress | None) -> Iterator[_Asked]:
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        pools = index.candidates_many([example.pair.question for example in some], mode="hybrid", k=DEPTH)
        for example, pool in zip(some, pools, strict=True):
            right = tuple(doc for one in example.pair.relevant if (doc := index.store.get(one)))
            yield _Asked(example, right, tuple(pool))
        if progress:
            progress(start + len(some), len(examples))


def _cut(reason: str) -> str:
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[:_REASON_LENGTH]}…"


def _makers(
    asked: _Asked,
    about: Mapping[str, Sequence[_Asked]],
    reader: Reader,
    source: str,
    present: float,
    most_asked: int,
    rng: random.Random,
) -> Iterator[Callable[[], Turn | None]]:
    example, doc = asked.example, asked.right[0]
    label = LABELS[rng.randrange(CANDIDATES)]
    candidates, place = _shuffled(asked, present, rng)
    if len(candidates) > 1:
        then = _following(asked, candidates, about, present, most_asked - 1, rng)
        question, may_refuse = example.pair.question, present < 1
        yield lambda: turns.choosing(
            question, candidates, place, reader, source=source, may_refuse=may_refuse, then=then
        )
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


def _shuffled(asked: _Asked, present: float, rng: random.Random) -> tuple[list[Candidate], int | None]:
    """Candidates in a random order, and the number of the right one, from 0; `None` where it was left out."""
    wrong = [one for one in asked.pool if one.doc.call_key not in asked.keys | asked.doubtful]
    if rng.random() >= present:
        kept = wrong[:CANDIDATES]
        rng.shuffle(kept)
        return kept, None
    kept = wrong[: CANDIDATES - 1]
    rng.shuffle(kept)
    place = rng.randint(0, len(kept))
    score = asked.score if math.isfinite(asked.score) else 0.0
    kept.insert(place, Candidate((Hit(asked.right[0], score, 1, {}),)))
    return kept, place


def _following(
    first: _Asked,
    shown: Sequence[Candidate],
    about: Mapping[str, Sequence[_Asked]],
    present: float,
    most: int,
    rng: random.Random,
) -> list[tuple[str, int | None]]:
    """Other questions about the documents that are shown, and which of them is right.

    As often as `present` says, a question is about one of them, each as often as any other; else it is about another
    that was found for the first question, and `none` is right. Where a second one may be right, it isn't asked.
    """
    keys = [one.doc.call_key for one in shown]
    inside = [key for key in keys if about.get(key)]
    near = [one.doc.call_key for one in first.pool if one.doc.call_key not in keys and about.get(one.doc.call_key)]
    found: list[tuple[str, int | None]] = []
    said = {first.example.pair.question}
    for _ in range(most):
        among = inside if rng.random() < present else near
        if not among:
            continue
        one = rng.choice(about[rng.choice(among)])
        right = [number for number, key in enumerate(keys) if key in one.keys]
        question = one.example.pair.question
        if len(right) < 2 and not one.doubtful.intersection(keys) and question not in said:
            said.add(question)
            found.append((question, right[0] if right else None))
    return found
