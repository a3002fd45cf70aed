"""What the retriever's benchmark does with rankings: reciprocal fusion, kept scores, and a cross-encoder's order."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.text import encoder_text
from gorilla_rag.train.corpus import Corpus, Pair
from tests import tiny_encoders
from tests.benchmarks.retriever import cross_encoder, measuring, reranking, training
from tests.benchmarks.retriever.cross_encoder import CrossEncoder, Listed
from tests.benchmarks.retriever.data import Asked
from tests.benchmarks.retriever.reranking import Pools
from tests.benchmarks.retriever.ways import ordered, reciprocal

POOLS = Pools(
    places=[3, 1],
    groups=["a", "b"],
    right=[["y"], ["q"]],
    calls=[["x", "y"], ["p", "q"]],
    fused=[[0.9, 0.8], [0.7, 0.2]],
    logits=[[1.0, 9.0], [5.0, 6.0]],
    milliseconds={},
)
RANKINGS = st.lists(st.sampled_from("abcdef"), unique=True).map(lambda keys: dict.fromkeys(keys, 1.0))


@given(RANKINGS, RANKINGS)
def test_reciprocal_fusion_adds_the_inverse_of_ranks_whatever_the_scores(
    words: dict[str, float], vectors: dict[str, float]
) -> None:
    fused = reciprocal(60, 1)(words, vectors, 0.0)
    for key, value in fused.items():
        ranks = [list(one).index(key) + 1 for one in (words, vectors) if key in one]
        assert value == pytest.approx(sum(1 / (60 + rank) for rank in ranks))
    assert set(ordered(fused)) == {*words, *vectors}
    assert ordered(fused) == ordered(reciprocal(60, 1)(vectors, words, 0.0))


def test_only_what_was_not_measured_is_measured(encoder: EmbeddedEncoder, docs: list[ApiDoc], tmp_path: Path) -> None:
    asked = Asked("few", tuple(docs), (docs[0].functionality,), (frozenset({docs[0].call_key}),), ("0",))
    file = tmp_path / "scores" / "tiny" / "few.json"
    before = {mode: {metric: [0.25] for metric in measuring.METRICS} for mode in ("bm25", "dense", "hybrid")}
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(before), encoding="utf-8")
    assert set(measuring.measure(asked, None, "tiny", tmp_path)) == set(before)
    found = measuring.measure(asked, encoder, "tiny", tmp_path)
    assert set(found) == set(measuring.MODES)
    assert found["dense"].values == before["dense"]
    assert found["rrf"].values["first"] == [1.0]
    assert json.loads(file.read_text(encoding="utf-8")).keys() == found.keys()


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), max_size=8))
def test_reordering_keeps_every_call_and_the_order_of_equal_ones(scores: list[float]) -> None:
    calls = [str(place) for place in range(len(scores))]
    made = reranking.reordered(calls, scores)
    assert made == sorted(calls, key=lambda call: (-scores[int(call)], int(call)))


def test_a_share_of_nothing_leaves_the_indexs_order_and_alone_the_index_counts_for_nothing() -> None:
    assert POOLS.scores(0.0).values["first"] == [0.0, 0.0]
    assert POOLS.alone.values["first"] == [1.0, 1.0]
    assert POOLS.scores(0.02).values["first"] == [1.0, 0.0]


def test_the_share_is_chosen_that_ranks_best() -> None:
    assert reranking.chosen(POOLS) == 0.02
    worse = replace(POOLS, logits=[[9.0, 1.0], [9.0, 1.0]], right=[["x"], ["p"]])
    assert reranking.chosen(worse) == 0.0


def test_groups_of_one_name_stay_apart_when_sets_are_joined() -> None:
    both = reranking.joined({"one": POOLS, "two": POOLS})
    assert len(set(both.groups)) == 4
    assert both.calls == POOLS.calls * 2


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


def test_a_sample_has_so_many_pairs_and_no_corpus_without_any() -> None:
    made = reranking.sampled([*corpora(), replace(corpora()[0], name="none", pairs=())], 5, seed=0)
    assert [(one.name, len(one.pairs)) for one in made] == [("tools", 5)]


def test_negatives_are_of_other_calls_than_the_right_one(
    encoder: EmbeddedEncoder, docs: list[ApiDoc], tmp_path: Path
) -> None:
    many = [replace(doc, id=f"{doc.id}-{copy}") for doc in docs for copy in range(2)]
    corpus = Corpus("few", tuple(many), (Pair(docs[0].functionality, (many[0].id,), "written"),), "here", "MIT")
    index = training.opened(corpus.docs, "few", encoder, tmp_path)
    made = list(reranking.lists(corpus, index, seed=0))
    index.close()
    for one in made:
        assert len(one.texts) == 1 + reranking.NEGATIVES
        assert one.texts[0] == encoder_text(many[0])
        assert one.texts[0] not in one.texts[1:]


def test_a_trained_cross_encoder_reads_each_document_as_if_it_were_alone(tmp_path: Path) -> None:
    base = tiny_encoders.save("bert", tmp_path)
    texts = [text[:length] for text, length in zip(tiny_encoders.texts(), (40, 9, 30, 20, 40), strict=False)]
    cross_encoder.train([Listed("speech", tuple(texts))] * 20, base, tmp_path / "model", seed=0, tell=lambda _: None)
    reader = CrossEncoder(tmp_path / "model", cross_encoder.by_torch(tmp_path / "model"))
    together = reader.logits("speech", texts)
    assert together == pytest.approx([reader.logits("speech", [text])[0] for text in texts], abs=0.15)
    assert len({round(value, 3) for value in together}) > 1
