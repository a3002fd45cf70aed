"""Outcomes in, one line of the report out: every metric with its interval, and what the row as a whole shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from gorilla_rag.evaluate.benchmark import Benchmark
from gorilla_rag.evaluate.metrics import HEADLINE, METRICS, latency, refusal, retrieval, structured
from gorilla_rag.evaluate.metrics.calibration import calibration, trusted
from gorilla_rag.evaluate.metrics.override import overrides
from gorilla_rag.evaluate.metrics.risk_coverage import area, curve
from gorilla_rag.evaluate.outcome import Case, Outcome
from gorilla_rag.evaluate.rankings import Rankings
from gorilla_rag.evaluate.statistics import Grouped, holm, proportion

Kind = Literal["mode", "responses", "baseline"]
ABSENT = "absent"


@dataclass(frozen=True)
class Scored:
    """One row's outcomes with their scores.

    Attributes:
        name: of the row.
        kind: what made them.
        benchmark: what was asked.
        outcomes: by question; a question without one is left out.
        ranked: whether candidates stand in a retriever's order, so that the first is its choice.
    """

    name: str
    kind: Kind
    benchmark: Benchmark
    outcomes: Mapping[str, Outcome]
    ranked: bool = False

    @cached_property
    def cases(self) -> list[Case]:
        """The questions that have an outcome, with it."""
        benchmark = self.benchmark
        return [
            Case(question, self.outcomes[question.id], benchmark.catalogue, benchmark.scorer)
            for question in benchmark.questions
            if question.id in self.outcomes
        ]

    @cached_property
    def values(self) -> dict[str, list[float | None]]:
        """By metric, one value for each of the benchmark's questions."""
        case_of = {case.question.id: case for case in self.cases}
        found: dict[str, list[float | None]] = {metric.name: [] for metric in METRICS}
        readable = sum(structured.written(case) is not None for case in self.cases)
        writes_json = self.kind != "responses" or 2 * readable >= len(self.cases)
        for question in self.benchmark.questions:
            case = case_of.get(question.id)
            for metric in METRICS:
                applies = case is not None and (metric.group != "structured" or writes_json)
                found[metric.name].append(metric.score(case) if case is not None and applies else None)
        return found


def line(scored: Scored, grouped: Grouped) -> dict[str, Any]:
    """A row as JSON, without its paired test."""
    cases = scored.cases
    answers = trusted(cases) if scored.kind == "mode" else []
    points = curve(answers)
    found, chosen = calibration(answers), overrides(cases) if scored.ranked else None
    return {
        "name": scored.name,
        "kind": scored.kind,
        "questions": len(cases),
        "failed": sum(bool(case.outcome.error) for case in cases),
        "refusal_precision": refusal.precision(cases),
        "metrics": {
            name: {"macro": _json(grouped.macro(values)), "micro": _json(grouped.micro(values))}
            for name, values in scored.values.items()
            if any(value is not None for value in values)
        },
        "overrides": asdict(chosen) | {"rate": chosen.rate} if chosen else None,
        "calibration": asdict(found) if found else None,
        "risk_coverage": {"area": area(points), "curve": [asdict(point) for point in points]} if points else None,
        "by_rank": by_rank(cases) if scored.kind == "mode" else [],
        "tokens": {name: asdict(one) for name, one in latency.tokens([case.outcome for case in cases]).items()},
    }


def by_rank(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Accuracy by the rank that the first right document had among the candidates, best rank first, absent last."""
    groups: dict[int | str, list[bool]] = {}
    for case in cases:
        if case.outcome.candidates:
            groups.setdefault(case.rank or ABSENT, []).append(case.matches)
    ordered = sorted(groups, key=lambda rank: (isinstance(rank, str), rank))
    return [{"rank": rank, **asdict(proportion(sum(groups[rank]), len(groups[rank])))} for rank in ordered]


def compare_with(rows: Sequence[Scored], against: str, grouped: Grouped) -> list[dict[str, Any] | None]:
    """Each row's paired test against the one of that name, on the headline; p also corrected for their number."""
    reference = next((row for row in rows if row.name == against), None)
    if reference is None:
        return [None] * len(rows)
    others = [row for row in rows if row is not reference]
    tests = {row.name: grouped.paired(row.values[HEADLINE], reference.values[HEADLINE]) for row in others}
    done = {name: test for name, test in tests.items() if test}
    corrected = dict(zip(done, holm([test.p for test in done.values()]), strict=True))
    return [
        asdict(done[row.name]) | {"against": against, "p_holm": corrected[row.name]} if row.name in done else None
        for row in rows
    ]


def retrieval_table(benchmark: Benchmark, rankings: Rankings, grouped: Grouped) -> dict[str, Any]:
    """Each retriever's measures over distinct calls and over documents."""
    found: dict[str, Any] = {}
    for name, ranked in rankings.items():
        found[name] = {
            kind: {
                measure: {"macro": _json(grouped.macro(values)), "micro": _json(grouped.micro(values))}
                for measure, values in scores.items()
            }
            for kind, scores in (
                ("calls", retrieval.over_calls(benchmark, ranked)),
                ("documents", retrieval.over_documents(benchmark, ranked)),
            )
        }
    return found


def _json(estimate: Any) -> dict[str, Any] | None:
    return asdict(estimate) if estimate else None
