"""The benchmark's own noise: how far its labels can be right at all, and what ceiling a perfect system would meet.

Facts of the questions and documents; no system is asked.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.judgements import SERVES, judgements, kappa


def noise(benchmark: Benchmark) -> dict[str, Any]:
    """What a reader of the benchmark's figures has to reckon with.

    - `label_domain`: questions whose label's text names another domain than the question's document: `spelled` in any
      way, `differs` after case and punctuation are made alike.
    - `conflicting`: calls that are documented under several domains, and how many questions have such a call.
    - `judged`: see `judged`.
    """
    return {
        "label_domain": _label_domain(benchmark),
        "conflicting": _conflicting(benchmark),
        "judged": judged([question for question in benchmark.questions if question.grades])
        | {"kappa": _agreement(benchmark)}
        if any(question.grades for question in benchmark.questions)
        else None,
    }


def judged(questions: list[Question]) -> dict[str, Any]:
    """Of at least one judged question: how many have no, one or several calls that serve, and what follows.

    `label_serves` counts those whose own label serves, of `label_judged` whose label is a documented call as written.
    `ceiling` is the exact-call accuracy that a perfect system can
    expect: of several calls that serve it can't know which one is the label, so it picks any, and where the label
    doesn't serve it never gives it. Calls outside the judges' pool could only lower it.
    """
    serving = [{key for key, grade in question.grades.items() if grade >= SERVES} for question in questions]
    labels = [bool(keys & question.relevant) for question, keys in zip(questions, serving, strict=True)]
    chances = [len(keys & q.relevant) / len(keys) if keys else 0.0 for q, keys in zip(questions, serving, strict=True)]
    return {
        "questions": len(questions),
        "none_serves": sum(not keys for keys in serving),
        "one_serves": sum(len(keys) == 1 for keys in serving),
        "several_serve": sum(len(keys) > 1 for keys in serving),
        "label_judged": sum(bool(question.relevant & question.grades.keys()) for question in questions),
        "label_serves": sum(labels),
        "ceiling": sum(chances) / len(questions),
    }


def _label_domain(benchmark: Benchmark) -> dict[str, int]:
    pairs = [(q.label_domain, q.document.domain) for q in benchmark.questions if q.label_domain]
    return {
        "questions": len(pairs),
        "spelled": sum(one.casefold() != other.casefold() for one, other in pairs),
        "differs": sum(_words(one) != _words(other) for one, other in pairs),
    }


def _conflicting(benchmark: Benchmark) -> dict[str, int]:
    domains: dict[str, set[str]] = defaultdict(set)
    for doc in benchmark.docs:
        domains[doc.call_key].add(doc.domain)
    conflicting = {key for key, found in domains.items() if len(found) > 1}
    return {"calls": len(conflicting), "questions": sum(q.gold in conflicting for q in benchmark.questions)}


def _agreement(benchmark: Benchmark) -> float | None:
    asked = {question.id for question in benchmark.questions}
    readings = [pair for q, found in judgements(benchmark.name).items() if q in asked for pair in found.values()]
    return kappa([(one >= SERVES, other >= SERVES) for one, other in readings])


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
