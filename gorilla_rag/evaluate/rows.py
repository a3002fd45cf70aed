"""`Row`: one way of answering, a line of the report. Which rows the modes and choosers make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gorilla_rag.answer import CHOOSERS, MODES, Chooser, Mode, one_of
from gorilla_rag.errors import UsageError
from gorilla_rag.index.index import RETRIEVALS

NEGATIVES = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One way of answering.

    Attributes:
        mode: where documents come from.
        chooser: who chooses among them.
        negatives: how many wrong documents stand beside the right one, in mode `oracle`.
    """

    mode: Mode
    chooser: Chooser = "retriever"
    negatives: int = 0

    @property
    def name(self) -> str:
        """As the report calls it."""
        if self.mode == "oracle" and self.negatives:
            return f"oracle + {self.negatives} wrong"
        return self.mode if self.chooser == "retriever" else f"{self.mode}, {self.chooser} chooses"

    @property
    def asks_model(self) -> bool:
        """Whether a language model is asked for the call."""
        return self.mode == "zero-shot" or self.chooser != "retriever"


def rows(modes: Sequence[str], choosers: Sequence[str]) -> list[Row]:
    """Every row that the modes and choosers make, in order.

    A retrieval mode makes one row a chooser. `zero-shot` has nothing to choose. `oracle` makes two: the right document
    alone, and it among the nearest wrong ones, where the model chooses (the retriever's choice among those is its
    first candidate, which `hybrid` shows).

    Raises:
        UsageError: an unknown mode or chooser, or none.
    """
    if not modes or not choosers:
        raise UsageError("no modes or no choosers", hint=f"name some of {', '.join(MODES)}")
    for chooser in choosers:
        one_of(chooser, CHOOSERS, "chooser")
    made: list[Row] = []
    for mode in modes:
        one_of(mode, MODES, "mode")
        if mode in RETRIEVALS:
            made += [Row(mode, chooser) for chooser in choosers]  # type: ignore[arg-type]
        elif mode == "oracle":
            made += [Row("oracle"), Row("oracle", "model", NEGATIVES)]
        else:
            made.append(Row("zero-shot"))
    return list(dict.fromkeys(made))
