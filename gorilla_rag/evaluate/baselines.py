"""What takes no model: the rows that every report has, because a system below them has learnt nothing.

- *constant call*: the commonest gold call of these questions, always. The best that ignores the question can do.
- *commonest domain*: the commonest gold call of the commonest domain, always. What Gorilla's own metric pays for.
- *constant, unseen calls* and *constant, unseen questions*: the commonest gold call of the other folds, folds grouped
  by gold call and by question. They differ by what leaks when questions alone are held out.
- *copy of …*: each retriever's first candidate, as it is documented.
- *random candidate*: any of hybrid's first `k`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.benchmark import Benchmark, FoldBy, Question, folds
from gorilla_rag.evaluate.outcome import Outcome, structured, written
from gorilla_rag.evaluate.rankings import Ranking, Rankings
from gorilla_rag.index.index import RETRIEVALS

FOLDS = 5
RANDOM = "random candidate"
_UNSEEN: dict[FoldBy, str] = {"call": "constant, unseen calls", "question": "constant, unseen questions"}


def baseline_names(questions: Sequence[Question]) -> list[str]:
    """What `baselines` will make of these questions."""
    unseen = _UNSEEN.values() if _can_fold(questions) else ()
    return ["constant call", "commonest domain", *unseen, *(_copy_of(name) for name in RETRIEVALS), RANDOM]


def baselines(benchmark: Benchmark, rankings: Rankings, *, k: int, seed: int) -> dict[str, list[Outcome]]:
    """Every baseline's outcomes, one a question in order, by its name."""
    questions = benchmark.questions
    found = {
        "constant call": _always(questions, _commonest(questions)),
        "commonest domain": _always(questions, _commonest(_of_commonest_domain(questions))),
    }
    for by, name in _UNSEEN.items():
        if _can_fold(questions):
            found[name] = _held_out(questions, by)
    for name, ranked in rankings.items():
        found[_copy_of(name)] = [_copy(question, ranked[question.id]) for question in questions]
    found[RANDOM] = [_random(question, rankings["hybrid"][question.id], k, seed) for question in questions]
    return found


def _can_fold(questions: Sequence[Question]) -> bool:
    return len({question.gold for question in questions}) >= FOLDS


def _copy_of(retriever: str) -> str:
    return f"copy of {retriever}'s first"


def _commonest(questions: Iterable[Question]) -> ApiDoc:
    """The document of the commonest gold call; of equally common ones, the first."""
    counts = Counter(question.gold for question in questions)
    commonest = max(counts, key=lambda key: counts[key])
    return next(question.document for question in questions if question.gold == commonest)


def _of_commonest_domain(questions: Sequence[Question]) -> list[Question]:
    domain, _ = Counter(question.document.domain for question in questions).most_common(1)[0]
    return [question for question in questions if question.document.domain == domain]


def _always(questions: Iterable[Question], doc: ApiDoc) -> list[Outcome]:
    return [_answered(question, doc) for question in questions]


def _held_out(questions: Sequence[Question], by: FoldBy) -> list[Outcome]:
    found: dict[str, Outcome] = {}
    for fold in folds(questions, FOLDS, by=by):
        inside = set(fold)
        doc = _commonest([question for question in questions if question.id not in inside])
        found |= {question.id: _answered(question, doc) for question in questions if question.id in inside}
    return [found[question.id] for question in questions]


def _copy(question: Question, ranking: Ranking) -> Outcome:
    if not ranking.calls:
        return Outcome(question.id, None, reason="no document was found")
    return _answered(question, ranking.calls[0], ranking.calls[:1])


def _random(question: Question, ranking: Ranking, k: int, seed: int) -> Outcome:
    if not ranking.calls:
        return Outcome(question.id, None, reason="no document was found")
    shown = ranking.calls[:k]
    return _answered(question, random.Random(f"{seed}:{question.id}").choice(shown), shown)  # noqa: S311


def _answered(question: Question, doc: ApiDoc, shown: Sequence[ApiDoc] = ()) -> Outcome:
    return Outcome(
        question.id,
        doc.api_call,
        text=written(doc.domain, doc.api_call, doc.framework),
        candidates=tuple(one.id for one in shown),
        chosen=doc.id,
        structured=structured(question.text, doc.call, doc),
    )
