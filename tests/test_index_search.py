"""Searching an index: every mode, every option, odd questions, and the scores against references."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
import Stemmer

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import UsageError
from gorilla_rag.index import bm25, change, dense
from gorilla_rag.index.fusion import SHARES
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval
from gorilla_rag.text import STOP_WORDS, bm25_text, bm25_words, encoder_text

NOT_A_MODE = cast("Retrieval", "sparse")


class ToyEncoder:
    """Unit vectors from words: each word has a direction of its own, a text the sum of its words'.

    Attributes:
        encoded: every text that was encoded, in order.
        kinds: what they were encoded as, in order.
    """

    source = ""

    def __init__(self, name: str = "toy", dimension: int = 16) -> None:
        self.id, self.sha256, self.dimension = name, f"{zlib.crc32(name.encode()):064x}", dimension
        self.encoded: list[str] = []
        self.kinds: list[Kind] = []

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        self.encoded += texts
        self.kinds += [kind] * len(texts)
        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            made[row] = self.vector(text)
        if progress:
            progress(len(texts), len(texts))
        return made

    def vector(self, text: str) -> npt.NDArray[np.float32]:
        """The unit vector of one text."""
        total = np.zeros(self.dimension)
        for word in text.lower().split()[:2000] or [""]:
            seed = zlib.crc32(word.encode("utf-8", "replace"))
            total += np.random.default_rng(seed).standard_normal(self.dimension)
        return (total / np.linalg.norm(total)).astype(np.float32)


TOPICS = {
    "speech": "Reads a text aloud in a natural voice.",
    "translate": "Turns English sentences into German ones.",
    "detect": "Finds people, cars and animals in a photo.",
    "summarise": "Makes a long article short.",
    "cluster": "Puts similar customers into segments.",
    "archive": "Packs a folder of files into one archive.",
}


def toy_docs() -> list[ApiDoc]:
    """Twelve documents: six topics in two versions, of two providers, domains, kinds and packages."""
    return [
        ApiDoc(
            id=f"{name}-{version}",
            api_call=f"{package}.{name}(data, version='{version}')" if kind == "python" else f"GET /{name}/{version}",
            api_name=name,
            domain=domain,
            framework=provider,
            functionality=f"{name} data",
            description=text,
            kind=kind,  # type: ignore[arg-type]
            version=version,
            python_environment_requirements=(package,),
        )
        for version, package in (("1.0", "oldtools"), ("2.0", "newtools"))
        for number, (name, text) in enumerate(TOPICS.items())
        for provider, domain in [("Acme", "Audio") if number < 3 else ("Globex", "Éducation")]
        for kind in ["http" if name == "archive" else "python"]
    ]


Opener = Callable[[Sequence[ApiDoc]], Index]


@pytest.fixture
def opened(tmp_path: Path) -> Opener:
    """Builds and opens an index with the toy encoder."""

    def build(docs: Sequence[ApiDoc]) -> Index:
        folder = tmp_path / f"index-{len(list(tmp_path.iterdir()))}"
        change.build(folder, docs, ToyEncoder())
        return Index(folder, ToyEncoder())

    return build


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """The toy documents' index; searched only."""
    folder = tmp_path_factory.mktemp("toy")
    change.build(folder, toy_docs(), ToyEncoder())
    return Index(folder, ToyEncoder())


def found_ids(index: Index, question: str, **options: Any) -> list[str]:
    return [hit.doc.id for hit in index.search(question, **options)]


# Odd sizes and questions


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_k_beyond_the_corpus_gives_every_document_once(index: Index, mode: Retrieval, distinct: bool) -> None:
    found = found_ids(index, "read a text aloud", mode=mode, k=5000, distinct=distinct)
    assert sorted(found) == sorted(doc.id for doc in toy_docs())


def test_k_beyond_the_corpus_gives_only_documents_with_the_words_under_bm25(index: Index) -> None:
    assert sorted(found_ids(index, "aloud", mode="bm25", k=5000)) == ["speech-1.0", "speech-2.0"]


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_an_empty_corpus_finds_nothing(opened: Opener, mode: Retrieval) -> None:
    index = opened([])
    assert len(index) == 0
    assert index.search("read a text aloud", mode=mode) == []
    assert index.search("read a text aloud", mode=mode, filters={"domain": "Audio"}) == []


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_a_corpus_of_stop_words_alone_can_be_searched(opened: Opener, mode: Retrieval) -> None:
    index = opened([ApiDoc(id="only", api_call="the")])
    assert found_ids(index, "the", mode=mode) == ([] if mode == "bm25" else ["only"])


@pytest.mark.parametrize("question", ["the", "I want to use an API", "?!"])
def test_a_question_without_a_word_of_its_own_finds_nothing_by_words_and_something_by_meaning(
    index: Index, question: str
) -> None:
    assert found_ids(index, question, mode="bm25") == []
    assert len(found_ids(index, question, mode="dense")) == 5
    assert found_ids(index, question, mode="hybrid") == found_ids(index, question, mode="dense")


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_a_question_of_a_hundred_thousand_characters_is_answered_from_its_start(index: Index, mode: Retrieval) -> None:
    question = "reads aloud natural voice " * 4000
    assert len(question) > 100_000
    assert set(found_ids(index, question, mode=mode, k=2)) == {"speech-1.0", "speech-2.0"}


@pytest.mark.parametrize(
    "question", ["🦍🔊", "把文字转换成语音", "à ß İ", "\ud800", "a\x00b", "'; DROP TABLE docs; --"]
)
@pytest.mark.parametrize("mode", RETRIEVALS)
def test_a_question_in_any_script_is_answered(index: Index, mode: Retrieval, question: str) -> None:
    found = index.search(question, mode=mode)
    assert len(found) == (0 if mode == "bm25" else 5)


def test_chinese_and_emoji_words_are_found_by_bm25(opened: Opener) -> None:
    index = opened(
        [
            ApiDoc(id="cn", api_call="a.b(x)", description="语音 合成"),
            ApiDoc(id="en", api_call="a.c(x)", description="speech synthesis 🦍"),
        ]
    )
    assert found_ids(index, "语音", mode="bm25") == ["cn"]
    assert found_ids(index, "🦍 synthesis", mode="bm25") == ["en"]


@pytest.mark.parametrize("question", ["\ud800 read aloud", "read aloud \udcff"])
def test_half_a_character_does_not_stop_the_real_encoder(
    tmp_path: Path, encoder: EmbeddedEncoder, question: str
) -> None:
    change.build(tmp_path, toy_docs(), encoder)
    assert index_of(found_ids(Index(tmp_path, encoder), question, mode="dense", k=12), "speech-1.0") < 2


def index_of(ids: Sequence[str], name: str) -> int:
    return list(ids).index(name)


# What is refused


@pytest.mark.parametrize("question", ["", "  ", "\n\t", "\x00\x1f"])
@pytest.mark.parametrize("mode", RETRIEVALS)
def test_an_empty_question_is_refused(index: Index, mode: Retrieval, question: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        index.search(question, mode=mode)


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(index: Index, k: int) -> None:
    with pytest.raises(UsageError, match=f"k is {k}"):
        index.search("text", k=k)
    with pytest.raises(UsageError, match=f"k is {k}"):
        index.candidates("text", k=k)


def test_an_unknown_mode_is_refused_with_the_modes_there_are(index: Index) -> None:
    with pytest.raises(UsageError, match="bm25, dense, hybrid"):
        index.search("text", mode=NOT_A_MODE)


def test_an_unknown_filter_is_refused_with_the_filters_there_are(index: Index) -> None:
    with pytest.raises(UsageError, match=r"colour.*provider, domain, kind, package, version"):
        index.search("text", filters={"colour": "red", "domain": "Audio"})


@pytest.mark.parametrize("mode", ["bm25", "dense"])
def test_weights_are_refused_where_nothing_is_fused(index: Index, mode: Retrieval) -> None:
    with pytest.raises(UsageError, match="weights"):
        index.search("text", mode=mode, weights={"bm25": 2})


@pytest.mark.parametrize("weights", [{"words": 1.0}, {"bm25": -1.0}, {"dense": float("nan")}])
def test_a_weight_that_means_nothing_is_refused(index: Index, weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="weights"):
        index.search("text", weights=weights)


# What each option changes


def test_each_mode_orders_documents_by_its_own_score(index: Index) -> None:
    question = "voice for customers in a photo"
    results = {mode: [(hit.doc.id, hit.score) for hit in index.search(question, mode=mode)] for mode in RETRIEVALS}
    assert results["bm25"] != results["dense"] != results["hybrid"] != results["bm25"]
    for hits in results.values():
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_k_cuts_the_same_ranking(index: Index, mode: Retrieval) -> None:
    question = "data text photo files"
    longest = found_ids(index, question, mode=mode, k=12)
    assert len(longest) > 3
    for k in (1, 3):
        assert found_ids(index, question, mode=mode, k=k) == longest[:k]


def expected_ids(keep: Callable[[ApiDoc], bool]) -> list[str]:
    return sorted(doc.id for doc in toy_docs() if keep(doc))


FILTERS: list[tuple[dict[str, str | list[str]], Callable[[ApiDoc], bool]]] = [
    ({"provider": "Acme"}, lambda doc: doc.framework == "Acme"),
    ({"provider": "aCME"}, lambda doc: doc.framework == "Acme"),
    ({"domain": "Audio"}, lambda doc: doc.domain == "Audio"),
    ({"domain": "Éducation"}, lambda doc: doc.domain == "Éducation"),
    ({"domain": "éDUCATION"}, lambda doc: doc.domain == "Éducation"),
    ({"kind": "http"}, lambda doc: doc.kind == "http"),
    ({"package": "newtools"}, lambda doc: doc.package == "newtools"),
    ({"version": "1.0"}, lambda doc: doc.version == "1.0"),
    ({"version": ["1.0", "2.0"]}, lambda doc: True),
    ({"domain": ["audio", "nowhere"]}, lambda doc: doc.domain == "Audio"),
    ({"domain": "nowhere"}, lambda doc: False),
    ({"domain": []}, lambda doc: False),
    ({"version": "2.0", "provider": "Globex"}, lambda doc: doc.version == "2.0" and doc.framework == "Globex"),
    ({"kind": "http", "provider": "Acme"}, lambda doc: False),
    ({"version": "1.0' OR '1'='1"}, lambda doc: False),
    ({"id": "speech-1.0"}, lambda doc: doc.id == "speech-1.0"),
    ({"id": ["detect-2.0", "speech-1.0", "nowhere"]}, lambda doc: doc.id in ("detect-2.0", "speech-1.0")),
    ({"id": "SPEECH-1.0"}, lambda doc: False),
    ({"id": ["speech-1.0", "speech-2.0"], "version": "2.0"}, lambda doc: doc.id == "speech-2.0"),
]


@pytest.mark.parametrize("mode", RETRIEVALS)
@pytest.mark.parametrize(("filters", "keep"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
def test_filters_leave_exactly_the_documents_that_have_all_the_values(
    index: Index, filters: dict[str, str | list[str]], keep: Callable[[ApiDoc], bool], mode: Retrieval
) -> None:
    # Every document has the word "data", so that BM25 finds all of them too.
    assert sorted(found_ids(index, "data", mode=mode, k=50, filters=filters)) == expected_ids(keep)


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_a_filter_keeps_the_order_and_scores_of_what_passes(index: Index, mode: Retrieval) -> None:
    question = "data text photo files"
    unfiltered = [(h.doc.id, h.score) for h in index.search(question, mode=mode, k=50) if h.doc.version == "2.0"]
    filtered = [(h.doc.id, h.score) for h in index.search(question, mode=mode, k=50, filters={"version": "2.0"})]
    assert [name for name, _ in filtered] == [name for name, _ in unfiltered]
    assert filtered == unfiltered


def test_of_a_package_of_several_versions_what_has_no_version_is_found_beside_the_preferred_one(opened: Opener) -> None:
    docs = [replace(doc, python_environment_requirements=("tools",)) for doc in toy_docs()]
    folder = opened([*docs, replace(docs[0], id="speech", api_call="tools.say(text)", version="")]).folder
    preferring = Index(folder, ToyEncoder(), prefer=lambda package, versions: max(versions))
    assert preferring.versions == {"tools": "2.0"}
    found = set(found_ids(preferring, "data", mode="bm25", k=50))
    assert found == {"speech", *(doc.id for doc in docs if doc.version == "2.0")}


def test_weights_move_the_fused_ranking_towards_the_heavier_retriever(index: Index) -> None:
    question = "translate a voice"
    by_words, by_meaning = (found_ids(index, question, mode=mode)[0] for mode in ("bm25", "dense"))
    assert by_words != by_meaning
    assert found_ids(index, question, weights={"bm25": 100})[0] == by_words
    assert found_ids(index, question, weights={"dense": 100})[0] == by_meaning


@pytest.mark.parametrize(("name", "other"), [("bm25", "dense"), ("dense", "bm25")])
@pytest.mark.parametrize("distinct", [True, False])
def test_a_retriever_of_weight_zero_might_as_well_not_be_there(
    opened: Opener, name: str, other: Retrieval, distinct: bool
) -> None:
    docs = [
        ApiDoc(id=f"{n}", api_call=f"t.f{n % 5}(x)", description=f"{'voice ' * (n % 4)} {n} text") for n in range(15)
    ]
    index = opened(docs)
    fused = index.search("voice 3 text", k=5, weights={name: 0}, distinct=distinct)
    alone = index.search("voice 3 text", k=5, mode=other, distinct=distinct)
    assert [hit.doc.id for hit in fused] == [hit.doc.id for hit in alone]
    assert [set(hit.retrievers) for hit in fused] == [{other}] * 5


# Distinct calls


def repeated() -> list[ApiDoc]:
    """One call documented forty times, and one documented once whose document fits a little less."""
    often = [
        ApiDoc(id=f"often-{n:02}", api_call="tts.say(text)", description=f"speak a text aloud {n}") for n in range(40)
    ]
    return [*often, ApiDoc(id="once", api_call="voice.read(text)", description="speak some words from a page")]


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_a_call_that_is_documented_often_counts_once(opened: Opener, mode: Retrieval) -> None:
    index = opened(repeated())
    distinct = index.search("speak a text aloud", mode=mode, k=5)
    assert sorted(hit.doc.call_key for hit in distinct) == sorted({doc.call_key for doc in repeated()})
    every = found_ids(index, "speak a text aloud", mode=mode, k=60, distinct=False)
    assert sorted(every) == sorted(doc.id for doc in repeated())


def test_a_call_that_is_documented_often_does_not_push_others_out_of_the_fused_pool(opened: Opener) -> None:
    often = [ApiDoc(id=f"often-{n:04}", api_call="tts.say(text)", description=f"speak text {n}") for n in range(1500)]
    others = [ApiDoc(id=f"rare-{n}", api_call=f"rare.f{n}(text)", description=f"speak once {n}") for n in range(3)]
    index = opened([*often, *others])
    for mode in RETRIEVALS:
        calls = {hit.doc.api_call for hit in index.search("speak text", mode=mode, k=4)}
        assert calls == {"tts.say(text)", "rare.f0(text)", "rare.f1(text)", "rare.f2(text)"}, mode


def test_distinct_calls_are_shown_by_their_best_document(opened: Opener) -> None:
    index = opened(repeated())
    best = index.search("speak a text aloud 17", mode="bm25", k=1, distinct=False)[0]
    assert index.search("speak a text aloud 17", mode="bm25", k=1)[0].doc.id == best.doc.id == "often-17"


def test_candidates_are_the_distinct_hits(index: Index) -> None:
    candidates = index.candidates("reads a text aloud", k=4)
    assert [candidate.hits for candidate in candidates] == [(hit,) for hit in index.search("reads a text aloud", k=4)]
    assert candidates[0].score == candidates[0].hits[0].score


# Order and references


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_ties_are_ordered_by_id_whatever_the_order_of_building(opened: Opener, mode: Retrieval) -> None:
    docs = [ApiDoc(id=f"doc-{n}", api_call=f"same.f{n}(x)", description="the same words") for n in "539174"]
    tied = [ApiDoc(id=doc.id, api_call="same.f(x)", description=doc.description) for doc in docs]
    assert found_ids(opened(tied), "same words", mode=mode, distinct=False, k=4) == [f"doc-{n}" for n in "1345"]


def test_bm25_scores_are_those_of_bm25s(index: Index) -> None:
    import bm25s

    stem = Stemmer.Stemmer("english").stemWords
    docs = sorted(toy_docs(), key=lambda doc: doc.id)
    tokens = [stem([w for w in bm25_words(bm25_text(doc)) if w not in STOP_WORDS]) for doc in docs]
    reference = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    reference.index(tokens, show_progress=False)
    known = {token for document in tokens for token in document}
    engine = index.bm25
    assert isinstance(engine, bm25.BM25)
    for question in ("reads a text aloud", "customers customers files", "translate sentences into German", "archive"):
        asked = [token for token in bm25.question_words(question) if token in known]
        assert asked
        expected = reference.get_scores(asked)
        assert expected.max() > 0
        np.testing.assert_allclose(engine.scores(question), expected, rtol=1e-6)
        shown = {hit.doc.id: hit.score for hit in index.search(question, mode="bm25", k=50, distinct=False)}
        assert shown == pytest.approx({d.id: s for d, s in zip(docs, expected, strict=True) if s > 0}, rel=1e-6)


def test_dense_scores_are_inner_products(index: Index) -> None:
    docs = toy_docs()
    question = "reads a text aloud"
    cosines = ToyEncoder().encode([encoder_text(doc) for doc in docs]) @ ToyEncoder().encode([question])[0]
    shown = {hit.doc.id: hit.score for hit in index.search(question, mode="dense", k=50, distinct=False)}
    assert shown == pytest.approx({doc.id: cosine for doc, cosine in zip(docs, cosines, strict=True)}, abs=2e-6)


def test_a_hit_records_the_rank_and_score_that_each_retriever_gave(index: Index) -> None:
    question = "reads a natural photo of customers"
    alone = {
        mode: {hit.doc.id: (hit.rank, hit.score) for hit in index.search(question, mode=mode, k=50)}
        for mode in ("bm25", "dense")
    }
    hits = index.search(question, k=50)
    for hit in hits:
        expected = {mode: places[hit.doc.id] for mode, places in alone.items() if hit.doc.id in places}
        assert dict(hit.retrievers) == expected
        words = alone["bm25"].get(hit.doc.id, (0, 0.0))[1] / bm25.rarest(len(index))
        assert hit.score == pytest.approx(alone["dense"][hit.doc.id][1] + SHARES["bm25"] * words)
    assert [hit.rank for hit in hits] == list(range(1, 13))
    assert {len(hit.retrievers) for hit in hits} == {1, 2}


# The approximate index


def many_docs(count: int) -> list[ApiDoc]:
    return [
        ApiDoc(
            id=f"doc-{n:05}",
            api_call=f"t.f{n}(x)",
            description=f"task {n} of {n % 7}",
            domain="rare" if n % 100 == 3 else "x",
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module", params=["HNSW32,Flat", "IVF4,Flat"])
def approximate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of an exact and of an approximate index of the same 400 documents."""
    exact, folder = tmp_path_factory.mktemp("exact"), tmp_path_factory.mktemp("approximate")
    change.build(exact, many_docs(400), ToyEncoder())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "ANN_CHOICES", ((50, request.param),))
        change.build(folder, many_docs(400), ToyEncoder())
    return exact, folder


def test_the_approximate_index_finds_what_the_exact_one_does(approximate: tuple[Path, Path]) -> None:
    exact, near = (Index(folder, ToyEncoder()) for folder in approximate)
    assert near.manifest.ann
    assert not exact.manifest.ann
    questions = [f"task number {n}" for n in range(40)]
    same = sum(
        len(set(found_ids(exact, q, mode="dense", k=10)) & set(found_ids(near, q, mode="dense", k=10)))
        for q in questions
    )
    assert same / (10 * len(questions)) >= 0.9


def test_the_approximate_index_holds_to_the_filters(approximate: tuple[Path, Path]) -> None:
    exact, near = (Index(folder, ToyEncoder()) for folder in approximate)
    found = found_ids(near, "task 12 of 3", mode="dense", k=10, filters={"domain": "rare"})
    assert found == found_ids(exact, "task 12 of 3", mode="dense", k=10, filters={"domain": "rare"})
    assert sorted(found) == ["doc-00003", "doc-00103", "doc-00203", "doc-00303"]


def test_a_document_added_to_an_approximate_index_is_found(approximate: tuple[Path, Path], tmp_path: Path) -> None:

    folder = shutil.copytree(approximate[1], tmp_path / "index")
    change.add(folder, [ApiDoc(id="new", api_call="t.new(x)", description="whistle loudly")], ToyEncoder())
    index = Index(folder, ToyEncoder())
    assert index.manifest.ann
    assert len(index.manifest.segments) == 2
    assert found_ids(index, "whistle loudly", mode="dense", k=1) == ["new"]
    change.remove(folder, ["new", "doc-00003"], ToyEncoder())
    index = Index(folder, ToyEncoder())
    assert sorted(found_ids(index, "whistle loudly", mode="dense", k=10, filters={"domain": "rare"})) == [
        "doc-00103",
        "doc-00203",
        "doc-00303",
    ]
    assert "new" not in found_ids(index, "whistle loudly", mode="dense", k=500)


@pytest.mark.parametrize(
    ("factory", "share"),
    [*(("HNSW32,Flat", share) for share in (0.5, 0.1, 0.04, 0.001)), ("IVF128,Flat", 0.04), ("IVF128,Flat", 0.001)],
)
def test_a_narrow_filter_loses_nothing_in_an_approximate_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factory: str, share: float
) -> None:
    monkeypatch.setattr(dense, "ANN_CHOICES", ((50, factory),))
    monkeypatch.setattr(dense, "IVF_SEARCH", 16)
    random = np.random.default_rng(5)
    vectors = random.standard_normal((5000, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.save(tmp_path / "vectors.npy", vectors)
    assert dense.write_ann(vectors, tmp_path / "ann")
    near = dense.DenseIndex([tmp_path / "vectors.npy"], tmp_path / "ann", np.ones(5000, dtype=np.bool_))
    allowed = random.random(5000) < share
    places = np.flatnonzero(allowed)
    kept = []
    for query in vectors[random.integers(0, 5000, 20)] + np.float32(0.05):
        query /= np.linalg.norm(query)
        expected = places[np.argsort(-(vectors[places] @ query))][:10]
        found, cosines = near.nearest(query, 10, allowed)
        assert allowed[found].all()
        np.testing.assert_allclose(cosines, vectors[found] @ query, atol=1e-5)
        kept.append(len(set(found) & set(expected)) / len(expected))
    assert np.mean(kept) >= 0.9
