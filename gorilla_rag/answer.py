"""What flows out: `Hit`, `Candidate`, `Draft`, `Verdict`, `Answer`, and the closed sets of words that name choices.

Plain data with renderings; knows nothing about how any of it is found, written or checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call
from gorilla_rag.errors import UsageError

Mode = Literal["zero-shot", "bm25", "dense", "hybrid", "oracle"]
MODES: tuple[Mode, ...] = get_args(Mode)
Constrain = Literal["none", "docs", "catalogue"]
CONSTRAINTS: tuple[Constrain, ...] = get_args(Constrain)
Chooser = Literal["retriever", "model", "joint"]
CHOOSERS: tuple[Chooser, ...] = get_args(Chooser)
Outcome = Literal["passed", "failed", "not applicable"]

NONE = "none"


def one_of(value: str, allowed: Sequence[str], name: str) -> None:
    """Raises `UsageError` unless `value` is one of `allowed`."""
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}", hint=f"use one of {', '.join(allowed)}")


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that a search found.

    Attributes:
        doc: the document.
        score: what the hits are ordered by: a cosine, BM25's sum, or, fused, their weighted sum
            (`index/fusion.py`), which may be below zero or above one.
        rank: from 1.
        retrievers: each retriever that found it, with the rank and the score it gave: BM25's sum of term
            weights, dense's cosine.
    """

    doc: ApiDoc
    score: float
    rank: int
    retrievers: Mapping[str, tuple[int, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The hit as JSON."""
        found = {name: {"rank": rank, "score": score} for name, (rank, score) in self.retrievers.items()}
        return {"doc": self.doc.to_dict(), "score": self.score, "rank": self.rank, "retrievers": found}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A distinct call among the hits, with the hits that document it, best first."""

    hits: tuple[Hit, ...]

    @property
    def doc(self) -> ApiDoc:
        """The best document of the call."""
        return self.hits[0].doc

    @property
    def score(self) -> float:
        """The best hit's score: adding up would favour calls that are documented often."""
        return self.hits[0].score


@dataclass(frozen=True, slots=True)
class Draft:
    """What the model wrote, before any check.

    Attributes:
        choice: a candidate's label, a documented call, `none`, or (zero-shot) an invented call.
        arguments: values for the call's parameters, JSON; `{"$expr": "X"}` is the user's own variable.
        explanation: free text.
    """

    choice: str
    arguments: Mapping[str, Any]
    explanation: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a call: what was checked, what came out and why; of another call than the answer's, which."""

    name: str
    outcome: Outcome
    detail: str
    call: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The checks that were run, those of the answer's call first, then those of every other call in `code`."""

    checks: tuple[Check, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.outcome != "failed" for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.outcome == "failed")

    def outcome(self, name: str) -> Outcome | None:
        """The outcome of the answer's own check of that name, or `None` where it wasn't run."""
        return next((check.outcome for check in self.checks if check.name == name and not check.call), None)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, or a refusal (`api_call is None`, with a `reason`).

    Attributes:
        question: as asked.
        domain, api_call, api_provider, explanation, code: the recommendation.
        call: `api_call` parsed.
        calls: every call of the answer, that one first; more than one only where `calls` allowed it.
        placeholders: names in the call that stand for the user's own values.
        missing: required arguments of a tool or an HTTP operation that the question doesn't give, by path
            (`body.name`): ask for them, and give them with `given`.
        hits: the documents it came from, those of the chosen call first.
        confidence: probability of the chosen call among the candidates, 0 to 1; of several calls, of the least sure
            one; `None` in zero-shot.
        fit: probability that the best document answers the question at all, 0 to 1; `None` where no retriever says.
        verdict: what was checked.
        mode: how documents were found.
        version, source, trusted: of the chosen document.
        timings: seconds by step.
        tokens: `prompt`, of which `cached`, and `completion`.
        reason: why there is no call.
    """

    question: str
    mode: Mode
    api_call: str | None = None
    domain: str = ""
    api_provider: str = ""
    explanation: str = ""
    code: str = ""
    call: Call | None = None
    calls: tuple[Call, ...] = ()
    placeholders: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    hits: tuple[Hit, ...] = ()
    confidence: float | None = None
    fit: float | None = None
    verdict: Verdict = field(default_factory=Verdict)
    version: str = ""
    source: str = ""
    trusted: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether there is no call."""
        return self.api_call is None

    def tool_calls(self) -> list[dict[str, Any]]:
        """The calls as the `tool_calls` of an assistant's message in OpenAI's chat completions."""
        return [call.tool_call(f"call_{number}") for number, call in enumerate(self.calls)]

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        checks = [
            {"name": check.name, "outcome": check.outcome, "detail": check.detail, "call": check.call}
            for check in self.verdict.checks
        ]
        return {
            "question": self.question,
            "mode": self.mode,
            "domain": self.domain,
            "api_call": self.api_call,
            "api_provider": self.api_provider,
            "explanation": self.explanation,
            "code": self.code,
            "call": self.call.to_dict() if self.call else None,
            "calls": [call.to_dict() for call in self.calls],
            "placeholders": list(self.placeholders),
            "missing": list(self.missing),
            "confidence": self.confidence,
            "fit": self.fit,
            "version": self.version,
            "source": self.source,
            "trusted": self.trusted,
            "verdict": {"ok": self.verdict.ok, "checks": checks},
            "hits": [hit.to_dict() for hit in self.hits],
            "timings": dict(self.timings),
            "tokens": dict(self.tokens),
            "reason": self.reason,
        }

    def to_json(self) -> str:
        """The answer as one line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def __str__(self) -> str:
        """The answer as a person would read it."""
        if self.api_call is None:
            return f"No API: {self.reason}"
        lines = [f"domain:       {self.domain}", f"provider:     {self.api_provider}"]
        lines += [f"call:         {call.render()}" for call in self.calls or (self.call,) if call]
        lines += [f"missing:      {', '.join(self.missing)}"] if self.missing else []
        lines += [f"explanation:  {self.explanation}"] if self.explanation else []
        lines += ["code:", *(f"    {line}" for line in self.code.splitlines())] if self.code else []
        lines += ["documents:", *(f"    {hit.rank}. {hit.doc.id}  {hit.score:.4f}" for hit in self.hits)]
        lines += ["checks:", *(f"    {check}" for check in self.verdict.checks)]
        return "\n".join(lines)
