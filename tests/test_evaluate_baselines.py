"""What takes no model: baselines worked out by hand; and which rows modes and choosers make."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gorilla_rag.answer import CHOOSERS, MODES
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate.baselines import baselines
from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.metrics.gorilla_ast import GorillaScorer
from gorilla_rag.evaluate.outcome import Outcome
from gorilla_rag.evaluate.rankings import Ranking, Rankings, among_wrong
from gorilla_rag.evaluate.rows import Row, rows
from gorilla_rag.index.index import RETRIEVALS, Retrieval

DOCS = {
    name: ApiDoc(id=name, api_call=f"lib.load(model='{name}')", domain=domain, framework="Lib")
    for name, domain in {"finch": "Birds", "owl": "Birds", "gull": "Birds", "loam": "Soil", "clay": "Soil"}.items()
}
NOTHING = Ranking((), ())


def questions(*golds: str) -> tuple[Question, ...]:
    """A question of each of those documents, with the ids q1, q2, …"""
    return tuple(
        Question(f"q{n}", f"question {n}", doc, frozenset({doc.call_key}), doc.call, number=n)
        for n, doc in enumerate((DOCS[gold] for gold in golds), start=1)
    )


def toy(*golds: str) -> Benchmark:
    """A benchmark of those questions over every document."""
    return Benchmark("toy", questions(*golds), tuple(DOCS.values()))


def ranking(*names: str) -> Ranking:
    """A ranking of those documents."""
    return Ranking(tuple(DOCS[name] for name in names), names)


def everywhere(found: Mapping[str, Ranking]) -> Rankings:
    """The same rankings from every retriever."""
    return dict.fromkeys(RETRIEVALS, found)


def made(
    benchmark: Benchmark, rankings: Rankings | None = None, *, k: int = 3, seed: int = 0
) -> dict[str, list[Outcome]]:
    """Every baseline; by default nothing was found."""
    nothing = everywhere({question.id: NOTHING for question in benchmark.questions})
    return baselines(benchmark, rankings or nothing, k=k, seed=seed)


def calls(outcomes: Sequence[Outcome]) -> list[str | None]:
    """The names of the documents whose calls were given."""
    named = {doc.api_call: name for name, doc in DOCS.items()}
    return [named[outcome.api_call] if outcome.api_call is not None else None for outcome in outcomes]


def test_every_baseline_has_one_outcome_a_question_in_their_order() -> None:
    found = made(toy("owl", "finch", "loam", "gull", "clay", "owl"))
    assert list(found) == [
        "constant call",
        "commonest domain",
        "constant, unseen calls",
        "constant, unseen questions",
        "copy of bm25's first",
        "copy of dense's first",
        "copy of hybrid's first",
        "random candidate",
    ]
    for outcomes in found.values():
        assert [outcome.question for outcome in outcomes] == ["q1", "q2", "q3", "q4", "q5", "q6"]
        assert not any(outcome.error for outcome in outcomes)


# Constants


def test_the_constant_call_is_the_commonest_gold_call() -> None:
    found = made(toy("owl", "loam", "finch", "loam", "gull"))
    assert calls(found["constant call"]) == ["loam"] * 5


def test_of_equally_common_gold_calls_the_first_is_taken() -> None:
    assert calls(made(toy("owl", "loam", "loam", "owl"))["constant call"]) == ["owl"] * 4
    assert calls(made(toy("loam", "owl", "owl", "loam"))["constant call"]) == ["loam"] * 4


def test_the_commonest_domain_gives_its_own_commonest_call_though_another_call_is_commoner() -> None:
    found = made(toy("loam", "loam", "loam", "finch", "owl", "owl", "gull"))
    assert calls(found["constant call"]) == ["loam"] * 7
    assert calls(found["commonest domain"]) == ["owl"] * 7


def test_gorillas_own_metric_pays_for_the_commonest_domain() -> None:
    benchmark = toy("loam", "loam", "loam", "finch", "owl", "owl", "gull")
    documented = [(doc.api_call, doc.domain) for doc in DOCS.values()]
    scorer = GorillaScorer("torchhub", documented, [question.document.domain for question in benchmark.questions])
    judged = {
        name: Counter(scorer.judge(outcome.text, number) for number, outcome in enumerate(outcomes, start=1))
        for name, outcomes in made(benchmark).items()
    }
    assert judged["constant call"] == {"right": 3, "wrong": 4}
    assert judged["commonest domain"] == {"right": 4, "wrong": 3}


def test_a_constant_outcome_is_a_whole_answer_that_was_offered_no_documents() -> None:
    (outcome,) = made(toy("owl"))["constant call"]
    assert outcome.api_call == "lib.load(model='owl')"
    assert outcome.text == "<<<domain>>>: Birds\n<<<api_call>>>: lib.load(model='owl')\n<<<api_provider>>>: Lib"
    assert json.loads(outcome.structured) == {
        "query": "question 1",
        "tool_name": "lib.load",
        "arguments": {"model": "owl"},
    }
    assert outcome.candidates == ()
    assert outcome.reason == ""


def test_where_gold_calls_are_held_out_the_commonest_of_the_others_is_given() -> None:
    # Five gold calls make five folds of one each: those of the commonest get the second, all others the commonest.
    golds = ["owl", "loam", "owl", "finch", "loam", "owl", "owl", "gull", "loam", "clay", "clay"]
    found = calls(made(toy(*golds))["constant, unseen calls"])
    assert found == ["loam" if gold == "owl" else "owl" for gold in golds]


def test_where_questions_are_held_out_the_commonest_call_is_still_seen() -> None:
    # At most five of the twenty questions on owls are held out at once, and fifteen are left.
    golds = ["finch", "gull", *["owl"] * 20, "loam", "clay"]
    assert calls(made(toy(*golds))["constant, unseen questions"]) == ["owl"] * 24


def test_a_question_alone_in_its_fold_does_not_count_towards_its_own_answer() -> None:
    # Five questions make five folds; the held-out one's call is seen no more, the first of the others is given.
    found = made(toy("owl", "loam", "finch", "gull", "clay"))
    for name in ("constant, unseen questions", "constant, unseen calls"):
        assert calls(found[name]) == ["loam", "owl", "owl", "owl", "owl"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(DOCS)), min_size=1, max_size=40))
def test_an_unseen_call_is_never_answered_with_itself(golds: list[str]) -> None:
    found = made(toy(*golds))
    if len(set(golds)) < 5:
        assert "constant, unseen calls" not in found
        assert "constant, unseen questions" not in found
    else:
        given_ = calls(found["constant, unseen calls"])
        assert len(given_) == len(golds)
        assert all(name != gold for name, gold in zip(given_, golds, strict=True))
        assert set(given_) <= set(golds)


@settings(deadline=None)
@given(st.lists(st.sampled_from(sorted(DOCS)), min_size=1, max_size=40))
def test_no_constant_is_right_more_often_than_the_constant_call(golds: list[str]) -> None:
    found = made(toy(*golds))
    right = {
        name: sum(call == gold for call, gold in zip(calls(outcomes), golds, strict=True))
        for name, outcomes in found.items()
    }
    assert right["constant call"] == max(Counter(golds).values())
    assert max(right.values()) == right["constant call"]


# Candidates


def test_a_copy_is_each_retrievers_own_first_candidate() -> None:
    benchmark = toy("owl", "loam")
    found: dict[Retrieval, dict[str, Ranking]] = {
        "bm25": {"q1": ranking("owl", "gull"), "q2": ranking("clay")},
        "dense": {"q1": ranking("finch", "owl"), "q2": ranking("loam", "clay")},
        "hybrid": {"q1": ranking("gull", "owl"), "q2": NOTHING},
    }
    outcomes = made(benchmark, found)
    assert calls(outcomes["copy of bm25's first"]) == ["owl", "clay"]
    assert calls(outcomes["copy of dense's first"]) == ["finch", "loam"]
    assert calls(outcomes["copy of hybrid's first"]) == ["gull", None]
    assert [outcome.candidates for outcome in outcomes["copy of dense's first"]] == [("finch",), ("loam",)]
    assert [outcome.chosen for outcome in outcomes["copy of dense's first"]] == ["finch", "loam"]


def test_where_no_document_was_found_there_is_a_refusal() -> None:
    found = made(toy("owl", "loam"))
    for name in ("copy of bm25's first", "copy of dense's first", "copy of hybrid's first", "random candidate"):
        assert calls(found[name]) == [None, None]
        for outcome in found[name]:
            assert (outcome.text, outcome.structured, outcome.chosen, outcome.candidates) == ("", "", "", ())
            assert outcome.reason == "no document was found"
            assert not outcome.error


def test_a_random_candidate_is_one_of_hybrids_first_k() -> None:
    benchmark = toy(*["owl"] * 40)
    found: dict[Retrieval, dict[str, Ranking]] = {
        "bm25": {question.id: ranking("clay") for question in benchmark.questions},
        "dense": {question.id: ranking("clay") for question in benchmark.questions},
        "hybrid": {question.id: ranking("gull", "owl", "loam", "finch") for question in benchmark.questions},
    }
    for k, names in ((1, {"gull"}), (3, {"gull", "owl", "loam"}), (9, {"gull", "owl", "loam", "finch"})):
        outcomes = made(benchmark, found, k=k)["random candidate"]
        assert set(calls(outcomes)) == names
        assert {outcome.candidates for outcome in outcomes} == {("gull", "owl", "loam", "finch")[:k]}
        assert all(outcome.chosen == name for outcome, name in zip(outcomes, calls(outcomes), strict=True))


def test_a_random_candidate_depends_on_the_seed_and_its_question_alone() -> None:
    benchmark = toy(*["owl"] * 40)
    found = everywhere({question.id: ranking("gull", "owl", "loam") for question in benchmark.questions})
    outcomes = made(benchmark, found, seed=1)["random candidate"]
    assert made(benchmark, found, seed=1)["random candidate"] == outcomes
    assert made(benchmark, found, seed=2)["random candidate"] != outcomes
    fewer = replace(benchmark, questions=benchmark.questions[:9:-2])
    drawn = {outcome.question: outcome for outcome in outcomes}
    assert made(fewer, found, seed=1)["random candidate"] == [drawn[question.id] for question in fewer.questions]
    assert len(fewer.questions) == 15


# The right document among wrong ones


def test_the_right_document_stands_among_the_nearest_of_other_calls() -> None:
    (question,) = questions("owl")
    found = ranking("gull", "owl", "loam", "clay", "finch")
    shown = among_wrong(question, found, 3, 0)
    assert sorted(doc.id for doc in shown) == ["clay", "gull", "loam", "owl"]
    assert [doc.id for doc in among_wrong(question, found, 3, 0)] == [doc.id for doc in shown]


def test_neither_a_second_document_of_the_right_call_nor_another_right_call_counts_as_wrong() -> None:
    (question,) = questions("owl")
    question = replace(question, relevant=question.relevant | {DOCS["gull"].call_key})
    again = replace(DOCS["owl"], id="owl again", description="Hoots.")
    found = Ranking((again, DOCS["gull"], DOCS["loam"]), ())
    assert sorted(doc.id for doc in among_wrong(question, found, 4, 0)) == ["loam", "owl"]
    assert among_wrong(question, NOTHING, 4, 0) == [DOCS["owl"]]


def test_the_right_document_has_no_place_of_its_own_among_the_wrong() -> None:
    found = ranking("gull", "loam", "clay", "finch")
    places = Counter(
        [doc.id for doc in among_wrong(question, found, 4, 0)].index("owl") for question in questions(*["owl"] * 200)
    )
    assert set(places) == {0, 1, 2, 3, 4}
    assert max(places.values()) < 80  # forty are expected in each


# Rows


@pytest.mark.parametrize(
    ("modes", "choosers", "names"),
    [
        (["hybrid"], ["retriever"], ["hybrid"]),
        (["hybrid"], ["model", "retriever"], ["hybrid, model chooses", "hybrid"]),
        (["zero-shot"], ["model", "joint"], ["zero-shot"]),
        (["oracle"], ["retriever"], ["oracle", "oracle + 4 wrong"]),
        (["dense", "bm25", "dense"], ["joint", "joint"], ["dense, joint chooses", "bm25, joint chooses"]),
        (
            MODES,
            ["retriever", "model"],
            [
                "zero-shot",
                "bm25",
                "bm25, model chooses",
                "dense",
                "dense, model chooses",
                "hybrid",
                "hybrid, model chooses",
                "oracle",
                "oracle + 4 wrong",
            ],
        ),
    ],
)
def test_modes_and_choosers_make_these_rows(modes: Sequence[str], choosers: Sequence[str], names: list[str]) -> None:
    assert [row.name for row in rows(modes, choosers)] == names


def test_every_row_has_a_name_of_its_own_and_asks_the_model_where_it_has_to() -> None:
    found = rows(MODES, CHOOSERS)
    assert len({row.name for row in found}) == len(found) == 1 + 3 * 3 + 2
    without = {"bm25", "dense", "hybrid", "oracle"}
    assert {row.name for row in found if not row.asks_model} == without
    assert [row for row in found if row.negatives] == [Row("oracle", "model", 4)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(MODES), min_size=1), st.lists(st.sampled_from(CHOOSERS), min_size=1))
def test_rows_are_distinct_whatever_is_named_twice(modes: list[str], choosers: list[str]) -> None:
    found = rows(modes, choosers)
    assert len({row.name for row in found}) == len(found)
    assert {row.mode for row in found} == set(modes)


@pytest.mark.parametrize(
    ("modes", "choosers", "reason"),
    [
        ([], ["model"], "no modes or no choosers"),
        (["hybrid"], [], "no modes or no choosers"),
        (["hybrid", "best"], ["model"], "mode is 'best'"),
        (["hybrid"], ["model", "nobody"], "chooser is 'nobody'"),
        (["oracle"], ["nobody"], "chooser is 'nobody'"),
        (["zero-shot"], ["nobody"], "chooser is 'nobody'"),
        (["Hybrid"], ["model"], "mode is 'Hybrid'"),
    ],
)
def test_an_unknown_mode_or_chooser_or_none_is_refused(modes: list[str], choosers: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        rows(modes, choosers)
    assert caught.value.hint
