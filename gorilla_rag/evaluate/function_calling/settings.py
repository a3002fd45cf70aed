"""The ways in which a question about functions is asked: among how many, who chooses, masked or not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gorilla_rag.answer import CHOOSERS, Chooser, one_of
from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate.function_calling.benchmark import FunctionBenchmark, FunctionQuestion
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.index.index import Index

AMONG = ("offered", "five", "50", "500", "all")
_FIVE = 5
_DEPTH = 30


@dataclass(frozen=True, slots=True)
class Setting:
    """One way of asking.

    Attributes:
        among: the functions there are: those that the leaderboard offers (`offered`), the right ones and the nearest
            wrong ones (`five`), so many with the right ones in it (a number), or `all`.
        chooser: who chooses the function.
        masked: whether the model is held to the functions' schemas.
        wording: `original`, or `paraphrased`.
    """

    among: str
    chooser: Chooser = "retriever"
    masked: bool = True
    wording: str = "original"

    @property
    def name(self) -> str:
        """As the report calls it."""
        further = [f"{self.chooser} chooses"] if self.chooser != "retriever" else []
        further += [] if self.masked else ["unmasked"]
        further += [] if self.wording == "original" else [self.wording]
        return ", ".join([self.among, *further])


def settings(
    among: Sequence[str], choosers: Sequence[str], masked: Sequence[bool], wordings: Sequence[str]
) -> list[Setting]:
    """Every setting that these make, in order.

    Raises:
        UsageError: an unknown word, or none.
    """
    if not among or not choosers:
        raise UsageError("no functions or no choosers", hint=f"name some of {', '.join(AMONG)}; {', '.join(CHOOSERS)}")
    for chooser in choosers:
        one_of(chooser, CHOOSERS, "chooser")
    for one in among:
        if not one.isdecimal() or int(one) < 1:
            one_of(one, AMONG, "among")
    return [
        Setting(one, chooser, mask, wording)  # type: ignore[arg-type]
        for one in among
        for chooser in choosers
        for mask in masked
        for wording in wordings
        if mask or chooser == "retriever"  # unmasked, the model writes the name: nobody else chooses
    ]


class Catalogues:
    """The functions that a question is asked among.

    Args:
        benchmark: the questions.
        stock: an index of its functions by the encoder whose nearest wrong functions stand beside the right one.
        seed: of every draw.
    """

    def __init__(self, benchmark: FunctionBenchmark, stock: Index, *, seed: int = 0) -> None:
        self._benchmark, self._stock, self._seed = benchmark, stock, seed

    def ids(self, question: FunctionQuestion, among: str) -> list[str] | None:
        """Their ids, shuffled where the order could tell something; `None` for all."""
        if among == "all":
            return None
        if among == "offered":
            return list(question.offered)
        draw = random.Random(f"{self._seed} {question.id} {among}")  # noqa: S311 (a sample, not a secret)
        if among == "five":
            wrong = [one for one in self._nearest(question) if one not in question.relevant]
            made = [*question.relevant, *wrong][: max(_FIVE, len(question.relevant))]
        else:
            others = [one for one in self._ids if one not in question.relevant]
            made = [*question.relevant, *draw.sample(others, max(0, int(among) - len(question.relevant)))]
        draw.shuffle(made)
        return made

    def how(self, question: FunctionQuestion, setting: Setting, *, k: int) -> dict[str, Any]:
        """The arguments of `ask` that a setting sets."""
        ids = self.ids(question, setting.among)
        if setting.chooser == "model" and setting.among in ("offered", "five") and ids:
            shown = [self._benchmark.by_id[one] for one in ids[: len(LABELS)]]
            return {"mode": "oracle", "oracle": shown, "k": len(shown), "chooser": "model"}
        few = ids is not None and setting.among in ("offered", "five")
        filters: Mapping[str, Sequence[str]] = {} if ids is None else {"id": ids}
        return {
            "mode": "hybrid",
            "filters": filters,
            "k": min(len(LABELS), max(1, len(ids))) if few and ids is not None else k,
            "chooser": setting.chooser,
            "constrain": "docs" if setting.masked else "none",
        }

    def _nearest(self, question: FunctionQuestion) -> list[str]:
        hits = self._stock.search(question.text, mode="dense", k=_DEPTH)
        return [hit.doc.id for hit in hits]

    @cached_property
    def _ids(self) -> list[str]:
        return sorted(doc.id for doc in self._benchmark.docs)


def check(benchmark: FunctionBenchmark, planned: Sequence[Setting]) -> None:
    """Raises `UsageError` where a benchmark can't be asked so.

    Where no function fits a question, it can only be asked among those offered; and there are no more than there are.
    """
    for one in planned:
        if one.among.isdecimal() and int(one.among) > len(benchmark.docs):
            hint = "ask for fewer, or --among all"
            raise UsageError(f"among {one.among} of {len(benchmark.docs)} functions", hint=hint)
    if any(not question.relevant for question in benchmark.questions) and any(
        one.among != "offered" for one in planned
    ):
        raise UsageError(f"{benchmark.name} has no right functions", hint="ask it --among offered")
