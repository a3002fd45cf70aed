"""`Outcome`: what one row gave for one question, as one line of JSON. `Case`: that with its question, to be scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, cast

from gorilla_rag.answer import Answer
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, parse_or_raw
from gorilla_rag.evaluate.benchmark import Question, Scorer
from gorilla_rag.evaluate.catalogue import Catalogue

UNREAD = "no call could be read"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An answer, a refusal or a failure.

    Attributes:
        question: its id.
        api_call: the call that was given; `None` for a refusal or a failure.
        text: everything that was written, in a form that Gorilla's own scoring reads.
        candidates: ids of the documents that were offered, best first.
        chosen: id of the document that the call was made from; empty where it was made from none.
        structured: the call as JSON text, `{"query", "tool_name", "arguments"}`; of others' answers, all they wrote.
        confidence: probability of the chosen call among the candidates.
        reason: why there is no call.
        error: what failed, or `UNREAD` and why; the question then counts as wrong.
        tokens, timings: as in `Answer`.
    """

    question: str
    api_call: str | None
    text: str = ""
    candidates: tuple[str, ...] = ()
    chosen: str = ""
    structured: str = ""
    confidence: float | None = None
    reason: str = ""
    error: str = ""
    tokens: Mapping[str, int] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return asdict(self) | {"candidates": list(self.candidates)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """An outcome from `to_dict`'s JSON."""
        return cls(**{**data, "candidates": tuple(data["candidates"])})

    @classmethod
    def of_answer(cls, question: str, answer: Answer) -> Outcome:
        """What an answer was, without its documents' texts."""
        hits = sorted(answer.hits, key=lambda hit: hit.rank)
        grounded = answer.confidence is not None and answer.api_call is not None
        return cls(
            question=question,
            api_call=answer.api_call,
            text=written(answer.domain, answer.api_call, answer.api_provider, answer.explanation, answer.code),
            candidates=tuple(hit.doc.id for hit in hits),
            chosen=answer.hits[0].doc.id if grounded else "",
            structured=structured(answer.question, answer.call, answer.hits[0].doc if grounded else None),
            confidence=answer.confidence,
            reason=answer.reason,
            tokens=dict(answer.tokens),
            timings=dict(answer.timings),
        )


@dataclass(frozen=True)
class Case:
    """One question with one row's outcome, over the documented calls: what a metric scores."""

    question: Question
    outcome: Outcome
    catalogue: Catalogue
    scorer: Scorer | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a call."""
        return self.outcome.api_call is not None

    @cached_property
    def call(self) -> Call | None:
        """The call that was given."""
        return None if self.outcome.api_call is None else parse_or_raw(self.outcome.api_call)

    @cached_property
    def named(self) -> str | None:
        """Key of the documented call that was given, the question's own document among them."""
        return self.catalogue.named_by(self.call, self.question.document) if self.call else None

    @cached_property
    def matches(self) -> bool:
        """Whether it is a right one."""
        return self.named in self.question.relevant

    @cached_property
    def right_documents(self) -> list[ApiDoc]:
        """The question's own document, and those of every other right call."""
        others = [self.catalogue.by_key[key] for key in sorted(self.question.relevant) if key in self.catalogue]
        return [self.question.document, *(doc for doc in others if doc.call_key != self.question.gold)]

    @cached_property
    def gorilla(self) -> str | None:
        """What Gorilla's own scoring makes of it; `None` where the benchmark has none."""
        return self.scorer.judge(self.outcome.text, self.question.number) if self.scorer else None

    @cached_property
    def rank(self) -> int | None:
        """Rank of the first right document among the candidates, from 1; `None` where there is none."""
        for rank, doc_id in enumerate(self.outcome.candidates, start=1):
            if doc_id == self.question.document.id or self.catalogue.key_of.get(doc_id) in self.question.relevant:
                return rank
        return None


def structured(query: str, call: Call | None, doc: ApiDoc | None) -> str:
    """A call as `{"query", "tool_name", "arguments"}`, JSON text; arguments by the document's names, else by place."""
    if call is None:
        return ""
    made = call.bind(doc.parameter_names if doc else ()).to_dict()
    positional = {str(place): value for place, value in enumerate(cast("list[object]", made.get("args", [])))}
    arguments = positional | cast("dict[str, object]", made.get("kwargs", {}))
    name = call.raw if call.raw is not None else call.path
    return json.dumps({"query": query, "tool_name": name, "arguments": arguments}, ensure_ascii=False)


def written(domain: str, call: str | None, provider: str, explanation: str = "", code: str = "") -> str:
    """An answer as text, in the marks that Gorilla's training data has and its scoring reads; a refusal is empty."""
    if call is None:
        return ""
    marked = {
        "domain": domain,
        "api_call": call,
        "api_provider": provider,
        "explanation": explanation,
        "code": code,
    }
    return "\n".join(f"<<<{name}>>>: {value}" for name, value in marked.items() if value or name == "api_call")
