"""Who chooses among the candidates: the retriever, the model, or both. Knows scores, not how they were made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gorilla_rag.answer import Candidate, Chooser, Mode

# Temperature of the softmax over retrieval scores, by mode; fitted on training corpora (tests/benchmarks/calibrate.py).
TEMPERATURES: dict[Mode, float] = {"hybrid": 0.063, "dense": 0.041, "bm25": 0.79}
# Slope and middle of the logistic curve over the best document's score; fitted there too.
FITS: dict[Mode, tuple[float, float]] = {"hybrid": (4.57, 0.497), "dense": (6.11, 0.381), "bm25": (0.27, 4.55)}


@dataclass(frozen=True, slots=True)
class Choice:
    """The candidate chosen.

    Attributes:
        number: of the chosen one, from 0.
        probabilities: of each candidate; they add up to 1.
        fit: probability that the chosen one's document answers the question at all; 1 where no retriever says.
        none: probability that none of them does what is asked, as the model says; 0 where it wasn't asked.
    """

    number: int
    probabilities: tuple[float, ...]
    fit: float = 1.0
    none: float = 0.0

    @property
    def confidence(self) -> float:
        """Probability of the chosen one."""
        return self.probabilities[self.number]


def choose(
    candidates: Sequence[Candidate],
    *,
    mode: Mode,
    chooser: Chooser,
    log_probabilities: Sequence[float] | None = None,
    weight: float = 0.0,
    none: float = 0.0,
) -> Choice:
    """Chooses one of at least one candidate.

    `retriever` takes the softmax of the retrieval scores; `model` that of the label's log-probabilities;
    `joint` that of the score plus `weight` times the log-probability.

    Args:
        candidates: best first.
        mode: which retriever's scores they are; sets the temperature.
        chooser: who decides.
        log_probabilities: the model's, of each candidate's label; needed unless the retriever decides.
        weight: of the model in `joint`.
        none: the model's probability that none is right.
    """
    temperature = TEMPERATURES.get(mode, 1.0)
    retrieval = [candidate.score / temperature for candidate in candidates]
    model = list(log_probabilities or [0.0] * len(candidates))
    if chooser == "retriever":
        logits = retrieval
    elif chooser == "model":
        logits = model
    else:
        logits = [score + weight * label for score, label in zip(retrieval, model, strict=True)]
    probabilities = softmax(logits)
    chosen = max(range(len(logits)), key=lambda number: (logits[number], -number))
    return Choice(chosen, probabilities, fit(candidates[chosen].score, mode), none)


def fit(score: float, mode: Mode) -> float:
    """Probability that a document of that retrieval score answers the question at all; 1 where no retriever scored.

    Confidence compares candidates with each other; this one is low where even the best isn't what was asked for.
    """
    if mode not in FITS:
        return 1.0
    slope, middle = FITS[mode]
    return 1.0 / (1.0 + math.exp(min(60.0, -slope * (score - middle))))


def softmax(logits: Sequence[float]) -> tuple[float, ...]:
    """Probabilities in proportion to the exponentials of `logits`."""
    highest = max(logits)
    exponentials = [math.exp(logit - highest) for logit in logits]
    total = math.fsum(exponentials)
    return tuple(value / total for value in exponentials)
