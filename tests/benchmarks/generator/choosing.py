"""What a model's label is worth: beside the retriever, among four wrong documents, and where no document is right.

Each question is put to the model as `ask` puts it. `asked` keeps what it says, one line a question; `fitted` finds the
weight of the label in `joint` on one set, and `figures` says what both are worth on another.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.answer import Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.choose import TEMPERATURES
from gorilla_rag.generate.base import Generator
from gorilla_rag.generate.write import Labels, Writer
from gorilla_rag.index.index import Index
from tests.benchmarks.retriever.data import Asked

K = 5
TURNED = 5
"""Orders in which the documents of one question are shown, each in every place once."""
WEIGHTS: tuple[float, ...] = (0.0, *map(float, np.geomspace(0.02, 5, 60)))
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """What a model says to one question.

    Attributes:
        question: its number in the set.
        scores: of the retriever's candidates, best first.
        place: of the right one among them; -1 where it isn't.
        labels: log-probabilities of the candidates' labels.
        none: the probability of `none` beside them.
        planted: of the right document among four wrong ones, shuffled: log-probabilities, that of the right one first.
        planted_none: the probability of `none` there.
        absent: the probability of `none` where five wrong ones are shown.
        places: the place of the label that was the likeliest in each order of the same documents, and of the right one.
    """

    question: int
    scores: tuple[float, ...]
    place: int
    labels: tuple[float, ...]
    none: float
    planted: tuple[float, ...]
    planted_none: float
    absent: float
    places: tuple[tuple[int, int], ...] = ()


def asked(
    found: Asked, index: Index, model: Generator, file: Path, *, sample: int, turned: int, tell: Callable[[str], None]
) -> list[Said]:
    """What a model says to a sample of a set's questions; those that stand in `file` aren't asked again.

    Args:
        found: the set.
        index: of its documents.
        model: is asked.
        file: keeps a line for each question.
        sample: how many questions.
        turned: to how many of them the documents are shown in every order.
        tell: is told how far it is.
    """
    docs = {doc.call_key: doc for doc in reversed(found.docs)}
    usable = [number for number, keys in enumerate(found.right) if any(key in docs for key in keys)]
    chosen = sorted(random.Random(0).sample(usable, min(sample, len(usable))))
    done = {one.question: one for one in _kept(file)}
    with file.open("a", encoding="utf-8") as lines:
        for at, number in enumerate(chosen):
            if number not in done or (at < turned and not done[number].places):
                right = next(docs[key] for key in sorted(found.right[number]) if key in docs)
                done[number] = _said(found, number, right, index, model, turned=at < turned)
                lines.write(json.dumps(asdict(done[number])) + "\n")
                lines.flush()
            if not at % 10:
                tell(f"{found.name} {at}/{len(chosen)}")
    return [done[number] for number in chosen]


def _kept(file: Path) -> Iterator[Said]:
    for row in kept_rows(file):
        lists = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
        yield Said(**row | lists | {"places": tuple(map(tuple, row["places"]))})


def kept_rows(file: Path) -> list[dict[str, Any]]:
    """The lines of a file that may end in one that a kill cut short, which is taken off."""
    if not file.exists():
        return []
    whole, _, cut = file.read_text(encoding="utf-8").rpartition("\n")
    if cut:
        file.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def _said(found: Asked, number: int, right: ApiDoc, index: Index, model: Generator, *, turned: bool) -> Said:
    question, keys = found.questions[number], found.right[number]
    pool = index.candidates(question, mode="hybrid", k=4 * K)
    top, wrong = pool[:K], [one for one in pool if one.doc.call_key not in keys]
    labels = _labels(model, question, top)
    shown = [Candidate((Hit(right, 0.0, 1, {}),)), *wrong[: K - 1]]
    orders = [random.Random(f"{number}").sample(range(len(shown)), len(shown))]
    if turned:
        orders += [[*orders[0][by:], *orders[0][:by]] for by in range(1, min(TURNED, len(shown)))]
    each = [_labels(model, question, [shown[one] for one in order]) for order in orders]
    first = dict(zip(orders[0], each[0].log_probabilities, strict=False))
    places = [(int(np.argmax(one.log_probabilities)), order.index(0)) for one, order in zip(each, orders, strict=True)]
    return Said(
        question=number,
        scores=tuple(one.score for one in top),
        place=next((at for at, one in enumerate(top) if one.doc.call_key in keys), -1),
        labels=labels.log_probabilities,
        none=labels.none,
        planted=tuple(first.get(one, -np.inf) for one in range(len(shown))),
        planted_none=each[0].none,
        absent=_labels(model, question, wrong[:K]).none if wrong else 0.0,
        places=tuple(places) if turned else (),
    )


def _labels(model: Generator, question: str, candidates: Sequence[Candidate]) -> Labels:
    return Writer(lambda: model, question).labels(candidates, question)


def joint(one: Said, weight: float) -> Floats:
    """Logits of the candidates in `joint`, as `choose` makes them."""
    shown = len(one.labels)
    return np.array(one.scores[:shown]) / TEMPERATURES["hybrid"] + weight * np.array(one.labels)


def loss(said: Sequence[Said], weight: float) -> float:
    """Mean negative log-likelihood of the right candidate, where it is among them."""
    each = []
    for one in said:
        if 0 <= one.place < len(one.labels):
            logits = joint(one, weight)
            each.append(float(np.logaddexp.reduce(logits) - logits[one.place]))
    return float(np.mean(each))


def fitted(said: Sequence[Said]) -> float:
    """The label's weight of the least loss."""
    return min(WEIGHTS, key=lambda weight: loss(said, weight))


def figures(said: Sequence[Said], weight: float, *, seed: int = 0) -> dict[str, Any]:
    """Shares of the questions that are done right.

    Returns:
        `first`: the retriever's first candidate is right; `joint` with that weight; `gain`: the difference, and its
        95 % interval (bootstrap over questions); `overridden`: how often another than the first is taken; `label`:
        the model chooses; `planted`: the label of the right one is the likeliest among four wrong ones; `none absent`
        and `none present`: `none` has more than half of the probability without and with the right one; `ece` of the
        confidence in `joint`; `places`: how often each place is taken where every document stands in every one.
    """
    first = np.array([one.place == 0 for one in said], float)
    chosen = [int(np.argmax(joint(one, weight))) for one in said]
    both = np.array([at == one.place for at, one in zip(chosen, said, strict=True)], float)
    alone = [int(np.argmax(one.labels)) == one.place for one in said]
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(said), (2000, len(said)))
    low, high = np.quantile((both - first)[drawn].mean(axis=1), [0.025, 0.975])
    taken = [at for one in said for at, _ in one.places]
    return {
        "questions": len(said),
        "first": first.mean(),
        "joint": both.mean(),
        "gain": ((both - first).mean(), low, high),
        "overridden": np.mean([at != 0 for at in chosen]),
        "label": np.mean(alone),
        "planted": np.mean([int(np.argmax(one.planted)) == 0 for one in said]),
        "none absent": np.mean([one.absent > 0.5 for one in said]),
        "none present": np.mean([one.planted_none > 0.5 for one in said]),
        "ece": expected_calibration_error([_confidence(one, weight) for one in said], both),
        "places": [round(taken.count(at) / len(taken), 3) for at in range(K)] if taken else [],
        "same in every order": np.mean([_same(one) for one in said if one.places]) if taken else None,
    }


def _confidence(one: Said, weight: float) -> float:
    logits = joint(one, weight)
    return float(np.exp(logits.max() - np.logaddexp.reduce(logits)))


def _same(one: Said) -> bool:
    """Whether the same document is taken in every order: its place moves as the order is turned."""
    return len({(taken - right) % len(one.places) for taken, right in one.places}) == 1


def expected_calibration_error(confidence: Sequence[float], right: Sequence[float] | Floats, bins: int = 10) -> float:
    """Mean distance between confidence and share right over bins of as many answers each."""
    order = np.argsort(confidence)
    parts = [part for part in np.array_split(order, bins) if len(part)]
    sure, held = np.asarray(confidence), np.asarray(right)
    return float(sum(len(part) * abs(sure[part].mean() - held[part].mean()) for part in parts) / len(order))


def risk_coverage(said: Sequence[Said], weight: float, coverages: Sequence[float]) -> list[tuple[float, float]]:
    """Of the surest answers, that share of all, how many are wrong."""
    wrong = np.array([int(np.argmax(joint(one, weight))) != one.place for one in said])
    order = np.argsort([-_confidence(one, weight) for one in said], kind="stable")
    return [(share, float(wrong[order[: max(1, round(share * len(said)))]].mean())) for share in coverages]
