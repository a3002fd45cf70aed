"""Retrieval: recall@k, MRR and nDCG@k, by trec_eval (through pytrec_eval), over distinct calls and over documents.

recall@k is the share of the right items among the first k; over calls with one right call it is success@k. MRR is the
mean reciprocal rank of the first right item (Voorhees, TREC-8, 1999), 0 where it isn't among the first hundred. nDCG
is Järvelin and Kekäläinen's (TOIS 20(4), 2002). Over documents, every document of a right call is right: a call that
is documented 220 times has 220, so recall there is bounded by k.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gorilla_rag.errors import ExtraMissing
from gorilla_rag.evaluate.benchmark import Benchmark
from gorilla_rag.evaluate.rankings import Ranking

DEPTHS = (1, 5, 10, 20)
Scores = dict[str, list[float]]


def names() -> list[str]:
    """The measures, as reports call them."""
    return [*(f"recall@{k}" for k in DEPTHS), "MRR", *(f"nDCG@{k}" for k in DEPTHS[1:])]


def over_calls(benchmark: Benchmark, rankings: Mapping[str, Ranking]) -> Scores:
    """Each measure's value for each question, in order, over distinct calls."""
    right = {question.id: sorted(question.relevant) for question in benchmark.questions}
    found = {name: [doc.call_key for doc in ranking.calls] for name, ranking in rankings.items()}
    return measure(right, found)


def over_documents(benchmark: Benchmark, rankings: Mapping[str, Ranking]) -> Scores:
    """Each measure's value for each question, in order, over documents."""
    of_call: dict[str, list[str]] = {}
    for doc_id, key in benchmark.catalogue.key_of.items():
        of_call.setdefault(key, []).append(doc_id)
    right = {
        question.id: [doc_id for key in sorted(question.relevant) for doc_id in of_call.get(key, ())]
        for question in benchmark.questions
    }
    return measure(right, {name: list(ranking.documents) for name, ranking in rankings.items()})


def measure(right: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[str]]) -> Scores:
    """Each measure's value for each question of `right`, in order; 0 throughout where nothing is right or found.

    Raises:
        ExtraMissing: pytrec_eval isn't installed.
    """
    try:
        import pytrec_eval
    except ImportError as error:
        hint = "pip install 'gorilla-rag[evaluate]'"
        raise ExtraMissing("retrieval metrics need pytrec_eval", hint=hint) from error
    # trec_eval is C and wants plain names: questions go by number, and so do the items of each.
    queries = {query: str(number) for number, query in enumerate(right)}
    wanted, runs = {}, {}
    for query, items in right.items():
        numbers = {item: str(number) for number, item in enumerate(dict.fromkeys([*items, *found.get(query, ())]))}
        if items:
            wanted[queries[query]] = {numbers[item]: 1 for item in items}
            # It orders by score and breaks ties by name, so each place gets a score of its own.
            runs[queries[query]] = {numbers[item]: float(-place) for place, item in enumerate(found.get(query, ()))}
    depths = ",".join(map(str, DEPTHS))
    evaluator = pytrec_eval.RelevanceEvaluator(wanted, {f"recall.{depths}", "recip_rank", f"ndcg_cut.{depths}"})
    scored = evaluator.evaluate({query: run for query, run in runs.items() if run})
    fields = [_field(name) for name in names()]
    return {
        name: [float(scored.get(queries[query], {}).get(field, 0.0)) for query in right]
        for name, field in zip(names(), fields, strict=True)
    }


def _field(name: str) -> str:
    kind, _, depth = name.partition("@")
    return {"recall": f"recall_{depth}", "MRR": "recip_rank", "nDCG": f"ndcg_cut_{depth}"}[kind]
