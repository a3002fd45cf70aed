"""Recall, MRR and nDCG: trec_eval's values against worked examples and an implementation of our own."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.evaluate.benchmark import Benchmark, Question
from gorilla_rag.evaluate.metrics.retrieval import DEPTHS, measure, names, over_calls, over_documents
from gorilla_rag.evaluate.rankings import DEPTH, Ranking

NAMES = ["recall@1", "recall@5", "recall@10", "recall@20", "MRR", "nDCG@5", "nDCG@10", "nDCG@20"]
ITEMS = [f"f(x='{number}')" for number in range(30)]


def of_one(right: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    """Every measure of a single question."""
    return {name: values[0] for name, values in measure({"q": right}, {"q": found}).items()}


def by_definition(right: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    """Every measure of a single question, from its textbook definition."""
    places = [place for place, item in enumerate(found) if item in right]
    scores = {f"recall@{k}": sum(p < k for p in places) / len(right) if right else 0.0 for k in DEPTHS}
    scores["MRR"] = 1 / (places[0] + 1) if places else 0.0
    for k in DEPTHS[1:]:
        ideal = sum(1 / math.log2(place + 2) for place in range(min(k, len(right))))
        scores[f"nDCG@{k}"] = sum(1 / math.log2(place + 2) for place in places if place < k) / ideal if right else 0.0
    return scores


def test_the_measures_are_named_by_their_depth() -> None:
    assert names() == NAMES
    assert list(measure({"q": ["a"]}, {"q": ["a"]})) == NAMES


@pytest.mark.parametrize(
    ("place", "recall", "reciprocal", "gain"),
    [
        (1, (1, 1, 1, 1), 1, (1, 1, 1)),
        (3, (0, 1, 1, 1), 1 / 3, (1 / 2, 1 / 2, 1 / 2)),  # log2(3 + 1) = 2
        (7, (0, 0, 1, 1), 1 / 7, (0, 1 / 3, 1 / 3)),  # log2(7 + 1) = 3
        (15, (0, 0, 0, 1), 1 / 15, (0, 0, 1 / 4)),  # log2(15 + 1) = 4
        (21, (0, 0, 0, 0), 1 / 21, (0, 0, 0)),
    ],
)
def test_one_right_item_is_scored_by_its_rank(
    place: int, recall: Sequence[float], reciprocal: float, gain: Sequence[float]
) -> None:
    found = of_one(["right"], [*ITEMS[: place - 1], "right", *ITEMS[place:]])
    assert [found[name] for name in NAMES] == pytest.approx([*recall, reciprocal, *gain])


def test_several_right_items_share_recall_and_gain() -> None:
    # Found second and fourth, the third right one not at all. The ideal has three at the top.
    found = of_one(["a", "b", "c"], ["x", "b", "y", "a", "z"])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    gain = (1 / math.log2(3) + 1 / math.log2(5)) / ideal
    assert [found[name] for name in NAMES] == pytest.approx([0, 2 / 3, 2 / 3, 2 / 3, 1 / 2, gain, gain, gain])


def test_recall_is_bounded_by_the_depth_and_ndcg_is_not() -> None:
    right = [f"doc-{number}" for number in range(40)]
    found = of_one(right, right)
    assert [found[name] for name in NAMES] == pytest.approx([1 / 40, 5 / 40, 10 / 40, 20 / 40, 1, 1, 1, 1])


@pytest.mark.parametrize(("right", "found"), [([], ["a"]), (["a"], []), ([], []), (["a"], ["b", "c"])])
def test_a_question_with_nothing_right_or_nothing_found_scores_zero(right: list[str], found: list[str]) -> None:
    assert of_one(right, found) == dict.fromkeys(NAMES, 0.0)
    # Beside other questions as well, and in its place.
    scored = measure({"before": ["a"], "q": right, "after": ["b"]}, {"before": ["a"], "q": found, "after": ["c", "b"]})
    assert scored["MRR"] == [1, 0, 0.5]


def test_the_values_stand_in_the_order_of_the_questions() -> None:
    questions = [f"{number}" for number in range(20)]
    random.Random(3).shuffle(questions)
    found = {question: [*ITEMS[: int(question)], "right"] for question in sorted(questions)}
    scored = measure({question: ["right"] for question in questions}, found)
    assert scored["MRR"] == pytest.approx([1 / (int(question) + 1) for question in questions])


@pytest.mark.parametrize("rank", [1, 2, 10, 11, 50, 99, 100])
@pytest.mark.parametrize("backwards", [False, True])
def test_the_order_of_a_hundred_items_is_kept_whatever_their_names(rank: int, backwards: bool) -> None:
    # trec_eval breaks ties by name: were there any, either names that rise or names that fall would change places.
    items = sorted((f"{number:03}" for number in range(DEPTH)), reverse=backwards)
    assert of_one([items[rank - 1]], items)["MRR"] == pytest.approx(1 / rank)


@pytest.mark.parametrize(
    "item", ["f(x='a b', y=[1, 2])", "raw:GET /pets/{id}", "a\tb", "é 漢字 🦍", "", "x" * 5000, "right\n", "0"]
)
def test_items_may_have_any_name(item: str) -> None:
    assert of_one([item], ["right", item])["MRR"] == 0.5
    assert of_one(["right"], [item, "right"])["MRR"] == 0.5


def test_items_that_differ_after_a_null_character_are_different_items() -> None:
    assert of_one(["a\0b"], ["a\0c", "a\0b"])["MRR"] == 0.5


@pytest.mark.parametrize("where", ["item", "question"])
def test_a_name_that_is_not_valid_unicode_ends_neither_the_measuring_nor_the_process(where: str) -> None:
    # In a process of its own: half of a surrogate pair, which JSON can carry, is a crash in trec_eval's C.
    question, item = ("q", "\\ud800") if where == "item" else ("\\ud800", "a")
    code = f"""
from gorilla_rag.evaluate.metrics.retrieval import measure
print(measure({{"{question}": ["{item}"]}}, {{"{question}": ["x", "{item}"]}})["MRR"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[0.5]"), done.stderr


@settings(deadline=None, max_examples=60)
@example(right=ITEMS, found=ITEMS)
@given(
    right=st.lists(st.sampled_from(ITEMS), unique=True, max_size=12),
    found=st.lists(st.sampled_from(ITEMS), unique=True),
)
def test_the_measures_equal_their_definitions(right: list[str], found: list[str]) -> None:
    assert of_one(right, found) == pytest.approx(by_definition(right, found), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(st.text("ab \n", max_size=3), st.tuples(st.sampled_from(ITEMS), st.permutations(ITEMS[:12]))))
def test_every_question_is_scored_by_itself(asked: dict[str, tuple[str, list[str]]]) -> None:
    scored = measure(
        {name: [right] for name, (right, _) in asked.items()}, {n: found for n, (_, found) in asked.items()}
    )
    alone = [by_definition([right], found) for right, found in asked.values()]
    assert scored == {name: pytest.approx([one[name] for one in alone], abs=1e-6) for name in NAMES}


DOCS = [
    ApiDoc(id=f"doc-{number}", api_call=call)
    for number, call in enumerate(["f(a=1, b=2)", "g(1)", "f(b=2, a=1)", "h(x)", "f(a=1,b=2)"])
]


def benchmark(*relevant: Sequence[int]) -> Benchmark:
    """A question for each list of the documents whose calls are right."""
    questions = tuple(
        Question(f"q{n}", "…", DOCS[one[0]], frozenset(DOCS[d].call_key for d in one), DOCS[one[0]].call)
        for n, one in enumerate(relevant)
    )
    return Benchmark("toy", questions, tuple(DOCS))


def ranking(calls: Sequence[int], documents: Sequence[int]) -> Ranking:
    """A retriever's ranking for one question."""
    return Ranking(tuple(DOCS[one] for one in calls), tuple(DOCS[one].id for one in documents))


def test_over_calls_any_document_of_the_right_call_is_the_right_item() -> None:
    # The call of documents 0, 2 and 4 is one item, found first for the first question and second for the second.
    asked = benchmark([0], [0, 3])
    scored = over_calls(asked, {"q1": ranking([1, 4, 3], []), "q0": ranking([2, 1], [])})
    assert scored["recall@1"] == [1, 0]
    assert scored["recall@5"] == [1, 1]
    assert scored["MRR"] == [1, 0.5]
    gain = (1 / math.log2(3) + 1 / 2) / (1 + 1 / math.log2(3))
    assert scored["nDCG@5"] == pytest.approx([1, gain])


def test_over_documents_every_document_of_the_right_call_is_right() -> None:
    asked = benchmark([0], [1])
    scored = over_documents(asked, {"q0": ranking([], [1, 2, 0]), "q1": ranking([], [0, 2, 4])})
    assert scored["recall@1"] == [0, 0]
    assert scored["recall@5"] == pytest.approx([2 / 3, 0])
    assert scored["MRR"] == [0.5, 0]
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert scored["nDCG@5"] == pytest.approx([(1 / math.log2(3) + 1 / 2) / ideal, 0])


def test_a_question_whose_call_is_not_documented_scores_zero() -> None:
    own = ApiDoc(id="own", api_call="elsewhere(1)")
    question = Question("q", "…", own, frozenset({own.call_key}), own.call)
    asked, found = Benchmark("toy", (question,), tuple(DOCS)), {"q": ranking([0, 1, 3], [0, 1, 2, 3, 4])}
    assert over_calls(asked, found) == over_documents(asked, found) == {name: [0.0] for name in NAMES}


def test_without_questions_there_are_no_values() -> None:
    assert measure({}, {}) == {name: [] for name in NAMES}
