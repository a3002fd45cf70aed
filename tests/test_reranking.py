"""A reranker's trial: whose questions are held back, what it is trained on, the order that it makes, its graphs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train.corpus import Corpus, Pair
from tests import tiny_encoders
from tests.benchmarks.retriever import cross_encoder, reranking, training
from tests.benchmarks.retriever.data import Asked
from tests.benchmarks.retriever.reranking import Pool

POOLS = [
    Pool("a", "one", ["y"], ["x", "y"], ["X", "Y"], [0.9, 0.8], [1.0, 9.0]),
    Pool("b", "two", ["q"], ["p", "q"], ["P", "Q"], [0.7, 0.2], [5.0, 6.0]),
]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=8))
def test_reordering_keeps_every_call_and_the_order_of_equal_ones(logits: list[float]) -> None:
    calls = [str(place) for place in range(len(logits))]
    pool = Pool("", "", [], calls, calls, [0.5] * len(calls), logits)
    assert pool.reordered(0.1) == sorted(calls, key=lambda call: (-logits[int(call)], int(call)))
    assert pool.reordered(0.0) == calls


def test_a_share_of_nothing_leaves_the_indexs_order_and_alone_the_index_counts_for_nothing() -> None:
    assert reranking.scores(POOLS, 0.0).values["first"] == [0.0, 0.0]
    assert reranking.scores(POOLS, 1.0, index=0.0).values["first"] == [1.0, 1.0]
    assert reranking.scores(POOLS, 0.02).values["first"] == [1.0, 0.0]


def test_the_share_is_chosen_that_ranks_best() -> None:
    assert reranking.chosen(POOLS) == 0.02
    worse = [replace(one, logits=[9.0, 1.0], right=one.calls[:1]) for one in POOLS]
    assert reranking.chosen(worse) == 0.0


def test_the_table_has_what_was_kept_of_the_sets_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "reranked").mkdir()
    pools = [asdict(one) for one in POOLS]
    kept = {
        "held-back": pools,
        "bfcl": pools,
        "bfcl-beside": {"stock dense": [0.25, 0.5]},
        "times": {"torch": [[2, 3]]},
    }
    for name, value in kept.items():
        (tmp_path / "reranked" / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    lines = list(reranking.table(tmp_path, ["bfcl"]))
    assert {line.split(" | ")[2] for line in lines if line.startswith("| all")} == {"api-minilm", "stock, api-minilm"}
    (row,) = (line for line in lines if line.startswith("| bfcl") and ".375" in line)
    assert row.count("|") == lines[0].count("|") == lines[1].count("|")
    assert ".631 | 1.000 | .815" in row
    assert lines[-1] == "torch: 2 ms a question, 3 of all cores together; medians of 1"


def corpora() -> list[Corpus]:
    docs = tuple(
        ApiDoc(id=f"{number}", api_call=f"call_{number}", domain=f"domain {number % 10}", kind="tool")
        for number in range(40)
    )
    pairs = [Pair(f"question {doc.id}", (doc.id,), made) for doc in docs for made in ("written", "functionality/plain")]
    return [Corpus("tools", docs, tuple(pairs), "here", "MIT")]


@given(st.integers(0, 20))
def test_no_source_of_a_question_that_is_held_back_is_trained_on(seed: int) -> None:
    (kept,), (left,) = reranking.apart(corpora(), share=0.2, seed=seed)
    of = {doc.id: reranking.source(doc) for doc in kept.docs}
    trained, held = ({of[pair.relevant[0]] for pair in one.pairs} for one in (kept, left))
    assert len(held) == 2
    assert not trained & held
    assert len(trained) == 8
    assert {pair.made for pair in left.pairs} == {"written"}


def test_a_sample_has_so_many_pairs_and_corpora_of_the_same_documents_are_one() -> None:
    (every,) = corpora()
    none = replace(every, name="none", docs=every.docs[:3], pairs=())
    (made,) = reranking.sampled([every, replace(every, name="more"), none], 7, seed=0)
    assert len(made.pairs) == 7
    assert made.docs == every.docs


def test_a_catalogue_of_a_few_documents_has_all_that_questions_are_about() -> None:
    (corpus,) = corpora()
    corpus = replace(corpus, pairs=corpus.pairs[:8])
    about = {pair.relevant[0] for pair in corpus.pairs}
    made = [doc.id for doc in reranking.catalogue(corpus, 10, seed=0)]
    assert len(made) == len(set(made)) == 10
    assert about <= set(made)
    assert {doc.id for doc in reranking.catalogue(corpus, 1, seed=0)} == about


def test_a_few_questions_keep_what_is_right_for_them() -> None:
    count = 3 * reranking.ASKED
    right = tuple(frozenset({f"call {number}"}) for number in range(count))
    every = Asked("many", (), tuple(map(str, range(count))), right, tuple(f"group {n}" for n in range(count)))
    few = reranking.few(every)
    assert len(set(few.questions)) == reranking.ASKED
    for question, keys, group in zip(few.questions, few.right, few.groups, strict=True):
        assert keys == {f"call {question}"}
        assert group == f"group {question}"


def test_negatives_are_of_other_calls_than_the_right_one(
    encoder: EmbeddedEncoder, docs: list[ApiDoc], tmp_path: Path
) -> None:
    many = [replace(doc, id=f"{doc.id}-{copy}") for doc in docs for copy in range(2)]
    pairs = tuple(Pair(f"{doc.functionality} {doc.description}", (f"{doc.id}-0",), "written") for doc in docs)
    corpus = Corpus("few", tuple(many), pairs, "here", "MIT")
    index = training.opened(corpus.docs, "few", encoder, tmp_path)
    made = list(reranking.lists(corpus, index, seed=0))
    index.close()
    right = {query_text(pair.question): encoder_text(doc) for pair, doc in zip(pairs, docs, strict=True)}
    assert len(made) == len(docs)
    for question, texts in made:
        assert len(set(texts)) == 1 + reranking.NEGATIVES
        assert texts[0] == right[question]


def test_a_trained_cross_encoder_reads_each_document_as_if_it_were_alone_and_its_graph_as_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32: bf16 rounds a number of 4 by .02, in each layer."""
    monkeypatch.setattr(cross_encoder, "has_fast_bf16", lambda: False)
    base = tiny_encoders.save("bert", tmp_path)
    texts = [text[:length] for text, length in zip(tiny_encoders.texts(), (40, 9, 30, 20, 40), strict=False)]
    cross_encoder.train([("speech", texts)] * 64, base, tmp_path / "model", tell=lambda _: None)
    read = cross_encoder.reader(tmp_path / "model", cross_encoder.by_torch(tmp_path / "model"))
    together = read("speech", texts)
    assert together == pytest.approx([read("speech", [text])[0] for text in texts], abs=1e-3)
    assert len({round(value, 3) for value in together}) > 1
    whole, small = cross_encoder.exported(tmp_path / "model")
    assert small.stat().st_size < whole.stat().st_size
    by_graph = cross_encoder.reader(tmp_path / "model", cross_encoder.by_onnx(whole))
    assert by_graph("speech", texts) == pytest.approx(together, abs=1e-3)
