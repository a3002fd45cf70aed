"""How a question is to be answered, and which of those choices go together. Knows nothing of who answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gorilla_rag.answer import CHOOSERS, CONSTRAINTS, MODES, Chooser, Constrain, Mode, one_of
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.index.index import Filters

Fields = Literal["all", "call"]
MOST_CALLS = 16


@dataclass(frozen=True, slots=True)
class Ask:
    """How a question is to be answered; the keyword arguments of `Gorilla.ask`.

    Attributes:
        mode: where documents come from: `zero-shot` (nowhere), `bm25`, `dense`, `hybrid`, or `oracle` (given).
        k: how many distinct calls to choose among, 1 to 26.
        filters: by `provider`, `domain`, `kind`, `package`, `version`, `id`; a value or several.
        weights: of `bm25` and `dense` in hybrid search.
        chooser: `retriever`, `model` or `joint`.
        constrain: what the model may write: calls of the found documents (`docs`), any documented call
            (`catalogue`), or anything (`none`). `none` in zero-shot, else `docs`.
        threshold: refuse when the confidence is lower.
        least_fit: refuse when no document answers the question with this probability; .5 where refusing and calling
            wrongly are as bad.
        calls: how many calls one answer may have; more than one looks for the parts of the question that each ask
            for something, and lets a tool be called several times.
        oracle: the documents given, for mode `oracle`: the right one, or it among others, in the order of showing.
        fields: `call` leaves the explanation out.
        given: arguments of a tool or an HTTP operation that the question doesn't have, by name: `Answer.missing`
            says which to ask for.
    """

    mode: Mode = "hybrid"
    k: int = 5
    filters: Filters = field(default_factory=dict)
    weights: Mapping[str, float] | None = None
    chooser: Chooser = "retriever"
    constrain: Constrain | None = None
    threshold: float = 0.0
    least_fit: float = 0.0
    calls: int = 1
    oracle: ApiDoc | Sequence[ApiDoc] | None = None
    fields: Fields = "all"
    given: Mapping[str, Any] = field(default_factory=dict)

    def checked(self) -> Ask:
        """The same with `constrain` decided.

        Raises:
            UsageError: a value that isn't one of those allowed, or two that don't go together.
        """
        one_of(self.mode, MODES, "mode")
        one_of(self.chooser, CHOOSERS, "chooser")
        one_of(self.fields, ("all", "call"), "fields")
        constrain = self.constrain or ("none" if self.mode == "zero-shot" else "docs")
        one_of(constrain, CONSTRAINTS, "constrain")
        if not 1 <= self.k <= len(LABELS):
            raise UsageError(f"k is {self.k}", hint=f"ask for 1 to {len(LABELS)} candidates")
        for name in ("threshold", "least_fit"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is {getattr(self, name)}", hint="use a probability, 0 to 1")
        if not 1 <= self.calls <= MOST_CALLS:
            raise UsageError(f"calls is {self.calls}", hint=f"allow 1 to {MOST_CALLS} calls")
        if (self.mode == "oracle") != bool(self.shown):
            raise UsageError(f"mode {self.mode!r} with oracle={[doc.id for doc in self.shown]}", hint="give both")
        if len(self.shown) > len(LABELS):
            raise UsageError(f"{len(self.shown)} documents given", hint=f"give 1 to {len(LABELS)}")
        if self.mode == "zero-shot" and constrain == "docs":
            raise UsageError("zero-shot has no documents to be held to", hint="use constrain='none' or 'catalogue'")
        return replace(self, constrain=constrain)

    @property
    def shown(self) -> tuple[ApiDoc, ...]:
        """The documents of `oracle`."""
        return (self.oracle,) if isinstance(self.oracle, ApiDoc) else tuple(self.oracle or ())
