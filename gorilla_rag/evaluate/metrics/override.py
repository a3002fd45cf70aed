"""Override rate: how often the choice differs from the first candidate, and whether that helped (paired).

Over the questions that were answered from one of several candidates. An override *helped* when the choice is right and
the first candidate isn't, and *hurt* the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gorilla_rag.evaluate.outcome import Case
from gorilla_rag.evaluate.statistics import sign_test


@dataclass(frozen=True, slots=True)
class Overrides:
    """Counts of questions, and the exact sign test's p of helped against hurt."""

    questions: int
    overridden: int
    helped: int
    hurt: int
    p: float

    @property
    def rate(self) -> float:
        """Share of the questions that were overridden."""
        return self.overridden / self.questions


def overrides(cases: Sequence[Case]) -> Overrides | None:
    """What the choice did; `None` where nothing was chosen among several."""
    chosen = [case for case in cases if case.outcome.chosen and len(case.outcome.candidates) > 1]
    if not chosen:
        return None
    differing = [case for case in chosen if case.outcome.chosen != case.outcome.candidates[0]]
    helped = sum(case.matches and case.rank != 1 for case in differing)
    hurt = sum(not case.matches and case.rank == 1 for case in differing)
    return Overrides(len(chosen), len(differing), helped, hurt, sign_test(helped, hurt))
