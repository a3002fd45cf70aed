"""What the trainer is given: negatives, rows, batches, what is held back; and settings that can't be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.index import change
from gorilla_rag.index.index import Index
from gorilla_rag.text import encoder_text
from gorilla_rag.train.batches import FEWEST, ApartBatches
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.held_back import split
from gorilla_rag.train.negatives import mined
from gorilla_rag.train.rows import MOST_POSITIVES, Rows, rows
from gorilla_rag.train.settings import Settings
from tests.conftest import make_doc
from tests.test_index_search import ToyEncoder

Relevant = list[frozenset[str]]


def corpus(docs: Sequence[ApiDoc], *pairs: Pair) -> Corpus:
    return Corpus("toy", tuple(docs), pairs, "here", "none")


def pair(question: str, *relevant: str, omitted: tuple[str, ...] = ()) -> Pair:
    return Pair(question, relevant, "given", omitted)


# Batches


def batches(
    relevant: Relevant, size: int, *, groups: Sequence[str] = (), seed: int = 0, epoch: int = 0
) -> list[list[int]]:
    dataset: Any = SimpleNamespace(info=SimpleNamespace(description="toy"))
    rows_of = Rows("toy", {}, tuple(relevant), tuple(groups) or ("",) * len(relevant))
    made = ApartBatches(dataset, rows={"toy": rows_of}, batch_size=size, drop_last=False, seed=seed)
    made.set_epoch(epoch)
    found = list(made)
    assert len(made) == len(found)
    return found


def test_rows_of_a_group_come_one_after_the_other() -> None:
    groups = ["", "a", "b", "a", "", "b", "a", "", "c", "c"] * 3
    groups = [f"{group}{row // 10}" if group else "" for row, group in enumerate(groups)]
    relevant = [frozenset({str(row)}) for row in range(len(groups))]
    for seed in range(5):
        order = [row for batch in batches(relevant, 30, groups=groups, seed=seed) for row in batch]
        assert sorted(order) == list(range(len(groups)))
        met = [groups[row] for row in order if groups[row]]
        assert len([one for one, before in zip(met, ["", *met], strict=False) if one != before]) == len(set(met))


ROWS = st.lists(st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1, max_size=2), min_size=1, max_size=60)


@given(relevant=ROWS, size=st.integers(2, 16), seed=st.integers(0, 5), epoch=st.integers(0, 3))
def test_no_two_rows_of_a_batch_share_a_right_document(relevant: Relevant, size: int, seed: int, epoch: int) -> None:
    for batch in batches(relevant, size, seed=seed, epoch=epoch):
        right = [one for row in batch for one in relevant[row]]
        assert len(right) == len(set(right))
        assert len(batch) <= size


@given(relevant=ROWS, size=st.integers(2, 16), epoch=st.integers(0, 3))
def test_no_row_comes_twice_and_only_small_batches_are_left_out(relevant: Relevant, size: int, epoch: int) -> None:
    found = batches(relevant, size, epoch=epoch)
    rows_ = [row for batch in found for row in batch]
    assert len(rows_) == len(set(rows_))
    assert found, "a training has a batch, however small"
    assert all(len(batch) >= min(FEWEST, size) for batch in found[1:])


def test_rows_about_different_documents_all_come_once_an_epoch() -> None:
    found = batches([frozenset({str(row)}) for row in range(64)], 16)
    assert sorted(row for batch in found for row in batch) == list(range(64))
    assert [len(batch) for batch in found] == [16] * 4


def test_batches_smaller_than_eight_teach_something_where_that_was_asked_for() -> None:
    found = batches([frozenset({str(row)}) for row in range(20)], 4)
    assert [len(batch) for batch in found] == [4] * 5


def test_the_same_seed_gives_the_same_batches_and_each_epoch_others() -> None:
    relevant = [frozenset({str(row % 30)}) for row in range(50)]
    assert batches(relevant, 8, seed=3) == batches(relevant, 8, seed=3)
    assert batches(relevant, 8, seed=3) != batches(relevant, 8, seed=4)
    assert batches(relevant, 8, seed=3) != batches(relevant, 8, seed=3, epoch=1)


# Negatives


def shop() -> list[ApiDoc]:
    """Documents about a shop: one call documented twice, a near copy, another domain."""
    fields = [
        {"functionality": "give a customer money back", "description": "refund an order"},
        {"functionality": "give back money", "api_call": "tools.function_0(x)"},
        {"functionality": "give a customer money back", "description": "refund an order", "api_name": "function_0"},
        {"domain": "Bank", "functionality": "give a customer a loan", "description": "money to pay back"},
        {"functionality": "find a customer", "description": "who has an order"},
        {"domain": "Bank", "functionality": "count the money", "description": "of a customer"},
    ]
    return [make_doc(number, **({"domain": "Shop"} | own)) for number, own in enumerate(fields)]


@pytest.fixture
def index(tmp_path: Path) -> Index:
    encoder = ToyEncoder()
    change.build(tmp_path / "index", shop(), encoder)
    return Index(tmp_path / "index", encoder)


def test_negatives_are_neither_right_nor_of_the_same_call_nor_near_copies(index: Index) -> None:
    docs = shop()
    right = pair("give a customer the money back: refund an order", docs[0].id)
    (found,) = mined(corpus(docs, right), index, count=6)
    vectors = dict(
        zip((doc.id for doc in docs), index.encoder.encode([encoder_text(doc) for doc in docs]), strict=True)
    )
    assert found
    assert not {docs[0].id, docs[1].id, docs[2].id} & set(found), "right, of the same call, a near copy"
    assert all(vectors[docs[0].id] @ vectors[one] < 0.95 for one in found)


def test_negatives_of_the_same_domain_come_first(index: Index) -> None:
    docs = shop()
    (found,) = mined(corpus(docs, pair("give a customer the money back: refund an order", docs[0].id)), index, count=6)
    domains = [next(doc.domain for doc in docs if doc.id == one) for one in found]
    assert domains == sorted(domains, key=lambda domain: domain != "Shop")
    assert set(domains) == {"Shop", "Bank"}


def test_no_more_negatives_are_kept_than_asked_for_and_progress_is_told(index: Index) -> None:
    docs, told = shop(), list[tuple[int, int]]()
    pairs = [pair("refund an order", docs[0].id), pair("count the money", docs[5].id)]
    found = mined(corpus(docs, *pairs), index, count=1, progress=lambda done, total: told.append((done, total)))
    assert [len(one) for one in found] == [1, 1]
    assert told == [(2, 2)]


def test_negatives_of_one_document_are_none(tmp_path: Path) -> None:
    encoder, docs = ToyEncoder(), [make_doc(0)]
    change.build(tmp_path / "one", docs, encoder)
    assert mined(corpus(docs, pair("do task 0", docs[0].id)), Index(tmp_path / "one", encoder), count=3) == [()]


# Rows


def test_a_row_has_the_question_its_document_and_negatives() -> None:
    docs = [make_doc(number) for number in range(4)]
    made = rows(corpus(docs, pair(" do\ttask 0 ", docs[0].id)), [(docs[2].id,)], count=1)
    assert made.columns["question"] == ["do task 0"]
    assert made.columns["document"] == [encoder_text(docs[0])]
    assert made.columns["negative_1"] == [encoder_text(docs[2])]
    assert made.relevant == (frozenset({docs[0].id}),)


def test_the_text_that_a_question_was_made_from_is_left_out() -> None:
    docs = [make_doc(number) for number in range(2)]
    (text,) = rows(
        corpus(docs, pair("do task 0", docs[0].id, omitted=(docs[0].functionality,))), [()], count=0
    ).columns["document"]
    assert docs[0].functionality not in text


def test_rows_with_few_negatives_are_filled_up_with_other_documents_of_other_calls() -> None:
    same = [make_doc(number, api_call="tools.same(x)") for number in range(2)]
    docs = [*same, *(make_doc(number) for number in range(2, 5))]
    made = rows(corpus(docs, pair("do task 0", same[0].id)), [(docs[3].id,)], count=9)
    wrong = [made.columns[name][0] for name in made.columns if name.startswith("negative")]
    assert sorted(wrong) == sorted(encoder_text(doc) for doc in docs[2:]), "as many as there are, each once"


def test_a_row_for_each_right_document_up_to_three() -> None:
    docs = [make_doc(number) for number in range(6)]
    ids = [doc.id for doc in docs[:5]]
    made = rows(corpus(docs, pair("do it", *ids), pair("do task 5", docs[5].id)), [(), ()], count=1)
    assert len(made.relevant) == MOST_POSITIVES + 1
    assert len(set(made.columns["document"])) == MOST_POSITIVES + 1
    assert made.relevant[0] == frozenset(ids)


def test_a_corpus_of_one_document_has_rows_without_negatives() -> None:
    docs = [make_doc(0)]
    made = rows(corpus(docs, pair("do task 0", docs[0].id)), [()], count=2)
    assert list(made.columns) == ["question", "document"]


def test_the_same_seed_draws_the_same_rows() -> None:
    docs = [make_doc(number) for number in range(30)]
    given_ = corpus(docs, *(pair(f"do task {number}", docs[number].id) for number in range(10)))
    made = [rows(given_, [()] * 10, count=2, seed=seed).columns for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


# What is held back


@given(
    relevant=st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=3, unique=True), min_size=1, max_size=120),
    seed=st.integers(0, 3),
)
def test_no_document_has_questions_on_both_sides(relevant: list[list[int]], seed: int) -> None:
    docs = [make_doc(number) for number in range(41)]
    pairs = [pair(f"question {n}", *(docs[one].id for one in ids)) for n, ids in enumerate(relevant)]
    train, held = split(corpus(docs, *pairs), seed=seed)
    sides = [{one for each in side.pairs for one in each.relevant} for side in (train, held)]
    assert not sides[0] & sides[1]
    assert sorted([*train.pairs, *held.pairs], key=pairs.index) == pairs
    assert len(held.pairs) <= 2 * round(0.1 * len(pairs))
    assert held.docs == train.docs == tuple(docs)


@pytest.mark.parametrize(("count", "held"), [(19, 0), (20, 2), (100, 10)])
def test_a_tenth_is_held_back_unless_there_are_few(count: int, held: int) -> None:
    docs = [make_doc(number) for number in range(count)]
    _, kept = split(corpus(docs, *(pair(f"do task {doc.id}", doc.id) for doc in docs)))
    assert len(kept.pairs) == held


def test_nothing_is_held_back_of_questions_about_one_document() -> None:
    docs = [make_doc(0)]
    train, held = split(corpus(docs, *(pair(f"question {number}", docs[0].id) for number in range(40))))
    assert (len(train.pairs), len(held.pairs)) == (40, 0)


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"epochs": float("nan")},
        {"batch": 1},
        {"learning_rate": 0},
        {"learning_rate": -1e-5},
        {"scale": 0},
        {"negatives": -1},
        {"longest": 0},
        {"kept": 0},
        {"kept": 1.1},
        {"checks": 0},
        {"patience": 0},
        {"learning_rate": float("inf")},
    ],
)
def test_settings_refuse_numbers_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Settings(**wrong)
