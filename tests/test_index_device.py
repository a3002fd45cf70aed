"""Search on a torch device: the same documents in the same order as on the processor, ties by position."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from gorilla_rag import devices, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import DeviceMissing, UsageError
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index import bm25, change, device
from gorilla_rag.index.bm25 import BM25, Arrays, Found
from gorilla_rag.index.dense import DenseIndex
from gorilla_rag.index.device import TorchBM25, TorchDense, top
from gorilla_rag.index.index import BATCH, RETRIEVALS, Index, Retrieval
from tests.test_index_search import ToyEncoder, toy_docs

CUDA = pytest.param(
    "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: torch finds none")
)
# Cosines are summed in another order on every device: neighbours nearer than this may change places.
NEAR = 2e-6
QUESTIONS = (
    "convert text to speech in my app",
    "find the people and cars in photos from a street camera",
    "translate translate translate German German support tickets",
    "read a csv file row by row",
    "zzzz",
    "make a short summary of long news articles",
)


@pytest.fixture(params=["cpu", CUDA])
def name(request: pytest.FixtureRequest) -> str:
    """A torch device of this machine."""
    return str(request.param)


def unit(rows: int, dimension: int, seed: int = 0) -> npt.NDArray[np.float32]:
    made = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


def whole(rows: int, dimension: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Vectors of small whole numbers: their products are exact, in whatever order they are summed."""
    return np.random.default_rng(seed).integers(-2, 3, (rows, dimension)).astype(np.float32)


def saved(folder: Path, *segments: npt.NDArray[np.float32]) -> list[Path]:
    paths = [folder / f"segment-{number}.npy" for number in range(len(segments))]
    for path, segment in zip(paths, segments, strict=True):
        np.save(path, segment)
    return paths


def assert_same_ranking(found: Found, expected: Found, scores: npt.NDArray[np.float32]) -> None:
    """The same items in the same order, except where two are nearer than the device's rounding.

    `scores` are every item's own.
    """
    assert len(found[0]) == len(expected[0])
    assert len(set(found[0].tolist())) == len(found[0])
    np.testing.assert_allclose(found[1], expected[1], atol=NEAR)
    np.testing.assert_allclose(scores[found[0]], scores[expected[0]], atol=NEAR)
    np.testing.assert_allclose(found[1], scores[found[0]], atol=NEAR)


def assert_identical(found: Sequence[Found], expected: Sequence[Found]) -> None:
    for (positions, scores), (others, theirs) in zip(found, expected, strict=True):
        assert positions.tolist() == others.tolist()
        assert scores.tolist() == theirs.tolist()


def best_first(scores: npt.NDArray[np.float32], limit: int, allowed: npt.NDArray[np.bool_]) -> list[int]:
    """Positions by score, ties by position: the order that is promised, by sorting everything."""
    passing = [position for position in range(len(scores)) if allowed[position]]
    return sorted(passing, key=lambda position: (-scores[position], position))[:limit]


# The largest of a row


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, -3.0]), min_size=7, max_size=7), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_the_largest_come_first_and_ties_by_column(rows: list[list[float]], limit: int) -> None:
    columns, values = top(torch.tensor(rows), limit)
    for row, found, value in zip(rows, columns.tolist(), values.tolist(), strict=True):
        expected = best_first(np.array(row, np.float32), limit, np.ones(7, np.bool_))
        assert found == expected
        assert value == [row[column] for column in expected]


def test_ties_are_by_column_where_thousands_are_equal(name: str) -> None:
    scores = torch.zeros((3, 5000), device=name)
    scores[1, 4000:] = 1.0
    scores[2, 4999] = 2.0
    columns, _ = top(scores, 6)
    assert columns.tolist() == [[*range(6)], [*range(4000, 4006)], [4999, 0, 1, 2, 3, 4]]


# Vectors


def test_vectors_are_found_as_by_faiss(tmp_path: Path, name: str) -> None:
    vectors = unit(700, 32)
    segments = saved(tmp_path, vectors[:400], vectors[400:650], vectors[650:])
    used = np.random.default_rng(1).random(700) < 0.9
    ours = TorchDense.load(segments, used, devices.find(name))
    faiss = DenseIndex(segments, None, used)
    queries = unit(9, 32, seed=2)
    for limit in (1, 10, 699, 5000):
        for allowed in (None, np.random.default_rng(3).random(700) < 0.2, np.zeros(700, np.bool_)):
            found = ours.nearest_many(queries, limit, allowed)
            for query, one in zip(queries, found, strict=True):
                assert_same_ranking(one, faiss.nearest(query, limit, allowed), vectors @ query)
                assert_same_ranking(ours.nearest(query, limit, allowed), one, vectors @ query)
                assert used[one[0]].all()


def test_equal_vectors_are_found_in_their_order(tmp_path: Path, name: str) -> None:
    distinct = np.eye(4, dtype=np.float32)
    order = np.random.default_rng(0).integers(0, 4, 300)
    ours = TorchDense.load(saved(tmp_path, distinct[order]), np.ones(300, np.bool_), devices.find(name))
    for number, query in enumerate(distinct):
        assert ours.nearest(query, 20)[0].tolist() == np.flatnonzero(order == number)[:20].tolist()


def test_vectors_in_several_blocks_are_found_as_in_one(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, queries = whole(900, 6), whole(5, 6, seed=4)
    ours = TorchDense.load(saved(tmp_path, vectors), np.ones(900, np.bool_), devices.find(name))
    allowed = np.random.default_rng(5).random(900) < 0.05
    asked = [(limit, mask) for limit in (3, 40, 2000) for mask in (None, allowed)]
    together = [found for how in asked for found in ours.nearest_many(queries, *how)]
    monkeypatch.setattr(device, "CELLS", 5 * 70)
    assert_identical([found for how in asked for found in ours.nearest_many(queries, *how)], together)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_small_vectors_of_whole_numbers_are_found_exactly(data: st.DataObject) -> None:
    """Whole numbers add up without rounding: here nothing is near, everything is equal or isn't."""
    rows = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
    vectors = np.array(data.draw(st.lists(rows, min_size=1, max_size=30)), dtype=np.float32)
    queries = np.array(data.draw(st.lists(rows, min_size=1, max_size=4)), dtype=np.float32)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(vectors), max_size=len(vectors))))
    limit = data.draw(st.integers(1, 40))
    ours = TorchDense(torch.from_numpy(vectors), np.ones(len(vectors), np.bool_))
    for query, (numbers, scores) in zip(queries, ours.nearest_many(queries, limit, allowed), strict=True):
        expected = best_first(vectors @ query, limit, allowed)
        assert numbers.tolist() == expected
        assert scores.tolist() == (vectors @ query)[expected].tolist()


def test_no_vectors_find_nothing(name: str) -> None:
    ours = TorchDense.load([], np.empty(0, np.bool_), devices.find(name))
    assert [len(numbers) for numbers, _ in ours.nearest_many(unit(3, 8), 5)] == [0, 0, 0]
    assert TorchDense.load([], np.empty(0, np.bool_), devices.find(name)).nearest_many(unit(0, 8), 5) == []


@pytest.fixture
def coarse() -> Iterator[None]:
    """A process that lets matrix products round to the least that the device has."""
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.usefixtures("coarse")
def test_scores_are_whole_float32_in_a_process_that_allows_less(name: str) -> None:
    """Of vectors this near, a product rounded to TF32 or bf16 would lose the order."""
    base = unit(1, 384)[0]
    steps = np.linspace(0.0, 0.02, 200, dtype=np.float32)[:, None] * unit(1, 384, seed=1)
    vectors = np.tile(base, (200, 1)) + steps
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries = unit(64, 384, seed=2)
    ours = TorchDense(torch.from_numpy(vectors).to(name), np.ones(200, np.bool_))
    exact = queries.astype(np.float64) @ vectors.astype(np.float64).T
    for row, (numbers, cosines) in zip(exact, ours.nearest_many(queries, 200), strict=True):
        np.testing.assert_allclose(cosines, row[numbers], atol=5e-7)
    assert torch.get_float32_matmul_precision() == "medium"


class Products(TorchFunctionMode):
    """Keeps what matrix products may be rounded to, at each that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.precisions: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("matmul", "__matmul__"):
            self.precisions.append(torch.backends.cuda.matmul.fp32_precision)
        return func(*args, **(kwargs or {}))


@pytest.mark.usefixtures("coarse")
def test_tf32_is_off_for_the_product_and_nothing_else() -> None:
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    with Products() as products:
        TorchDense(torch.from_numpy(unit(50, 8)), np.ones(50, np.bool_)).nearest(unit(1, 8)[0], 3)
    assert products.precisions == ["ieee"]
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"


@pytest.mark.usefixtures("coarse")
def test_threads_leave_the_process_its_own_precision() -> None:
    ours = TorchDense(torch.from_numpy(unit(50, 8)), np.ones(50, np.bool_))
    asked = [threading.Thread(target=lambda: [ours.nearest(unit(1, 8)[0], 3) for _ in range(50)]) for _ in range(4)]
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()
    assert torch.get_float32_matmul_precision() == "medium"


# Words

WORDS = ("speech", "photo", "table", "music", "graph", "water")


def arrays_of(folder: Path, documents: Sequence[Sequence[str]]) -> Arrays:
    folder.mkdir(exist_ok=True, parents=True)
    files = [f"bm25-x.{path.name}" for path in bm25.write(folder, documents)]
    for name in files:
        (folder / name.removeprefix("bm25-x.")).replace(folder / name)
    return bm25.load(folder, files)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_words_score_documents_to_the_last_bit_as_numpy_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    documents = data.draw(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=25))
    questions = data.draw(st.lists(st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=8), max_size=5))
    masks = st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))
    allowed = data.draw(st.none() | masks)
    mask = None if allowed is None else np.array(allowed, dtype=np.bool_)
    limit = data.draw(st.integers(1, 30))
    arrays = arrays_of(tmp_path_factory.mktemp("words"), documents)
    asked = [" ".join(words) for words in questions]
    ours, numpys = TorchBM25(arrays, len(documents), torch.device("cpu")), BM25(arrays, len(documents))
    assert_identical(ours.ranking_many(asked, limit, mask), numpys.ranking_many(asked, limit, mask))


def zipf_documents(count: int) -> list[list[str]]:
    """Documents of few words, many of them alike: ties at every rank."""
    pick = np.random.default_rng(0)
    return [[f"word{number}" for number in pick.zipf(1.3, size=pick.integers(1, 6)) % 400] for _ in range(count)]


@pytest.mark.parametrize("cells", [device.CELLS, 9000])
def test_words_are_found_as_by_numpy_in_batches_of_any_size(
    tmp_path: Path, name: str, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = arrays_of(tmp_path, zipf_documents(4000))
    pick = np.random.default_rng(1)
    words = [pick.integers(0, len(arrays.vocabulary), pick.integers(0, 9)).tolist() for _ in range(40)]
    words += [[0], [0, 0, 1], []]
    names = {number: word for word, number in arrays.vocabulary.items()}
    questions = [" ".join(names[number] for number in numbers) for numbers in words]
    known = [arrays.known(question) for question in questions]
    monkeypatch.setattr(device, "CELLS", cells)
    ours, numpys = TorchBM25(arrays, 4000, devices.find(name)), BM25(arrays, 4000)
    for limit in (1, 10, 1000, 9999):
        for allowed in (None, pick.random(4000) < 0.1, np.zeros(4000, np.bool_)):
            expected = numpys.ranking_many(questions, limit, allowed)
            assert_identical(ours.ranking_many(questions, limit, allowed), expected)
            assert_identical(ours.ranking_of(known, limit, allowed), expected)
    assert any(len(set(scores.tolist())) < len(scores) for _, scores in numpys.ranking_many(questions, 10))


def test_no_words_find_nothing(tmp_path: Path, name: str) -> None:
    empty: tuple[list[list[str]], ...] = ([], [[], []])
    for documents in empty:
        arrays = arrays_of(tmp_path, documents)
        ours = TorchBM25(arrays, len(documents), devices.find(name))
        assert [len(positions) for positions, _ in ours.ranking_many(["speech", ""], 5)] == [0, 0]
        assert ours.ranking_many([], 5) == []


# The whole index


def assert_same_hits(ours: Index, theirs: Index, question: str, **how: object) -> None:
    """The same documents with the same scores; two of one score, rounding aside, may stand in either order."""
    found, expected = (index.search(question, **how) for index in (ours, theirs))  # type: ignore[arg-type]
    assert len(found) == len(expected)
    if [hit.doc.id for hit in found] != [hit.doc.id for hit in expected]:
        for one, other in zip(found, expected, strict=True):
            assert one.doc.id == other.doc.id or one.score == pytest.approx(other.score, abs=NEAR)
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=NEAR)


@pytest.fixture(scope="module")
def processor(starter_index: Path, encoder: EmbeddedEncoder) -> Iterator[Index]:
    """The starter corpus, searched without a device."""
    index = Index(starter_index, encoder)
    yield index
    index.close()


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_the_starter_corpus_is_searched_with_the_same_results(
    starter_index: Path, encoder: EmbeddedEncoder, processor: Index, mode: Retrieval, name: str
) -> None:
    ours = Index(starter_index, encoder, device=name)
    for question in (*QUESTIONS, *(doc.functionality for doc in starter.documents()[::30])):
        for how in ({}, {"k": 3}, {"k": 9999}, {"distinct": False, "k": 40}, {"filters": {"provider": "PyTorch"}}):
            assert_same_hits(ours, processor, question, mode=mode, **how)
    assert isinstance(ours.dense, TorchDense)
    assert isinstance(ours.bm25, TorchBM25)
    ours.close()


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_an_index_without_documents_finds_nothing(tmp_path: Path, mode: Retrieval, name: str) -> None:
    change.build(tmp_path, [], ToyEncoder())
    ours = Index(tmp_path, ToyEncoder(), device=name)
    assert ours.search("read a text aloud", mode=mode) == []
    assert ours.candidates_many(["read", "aloud"], mode=mode, filters={"domain": "Audio"}) == [[], []]


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_documents_that_are_alike_stand_in_the_same_order(tmp_path: Path, mode: Retrieval, name: str) -> None:
    docs = [ApiDoc(id=f"{n:03}", api_call=f"t.f{n}(x)", description="speak a text aloud") for n in range(250)]
    change.build(tmp_path, docs, ToyEncoder())
    ours, theirs = Index(tmp_path, ToyEncoder(), device=name), Index(tmp_path, ToyEncoder())
    for k in (1, 7, 250):
        assert ours.ids("speak aloud", mode=mode, k=k) == theirs.ids("speak aloud", mode=mode, k=k)


@pytest.mark.parametrize("mode", RETRIEVALS)
@pytest.mark.parametrize("on", [None, "cpu", CUDA])
def test_many_questions_at_once_are_answered_as_one_by_one(tmp_path: Path, mode: Retrieval, on: str | None) -> None:
    often = [ApiDoc(id=f"often-{n:04}", api_call="tts.say(text)", description=f"speak text {n}") for n in range(600)]
    change.build(tmp_path, [*toy_docs(), *often], ToyEncoder())
    index = Index(tmp_path, ToyEncoder(), device=on)
    questions = ["speak text", "reads a text aloud", "zzzz", "photo", "speak text", "similar customers"] * 3
    for how in ({"k": 4}, {"filters": {"provider": "Acme"}}):
        together = index.candidates_many(questions, mode=mode, **how)
        assert together == [index.candidates(question, mode=mode, **how) for question in questions]
    assert index.candidates_many([], mode=mode) == []


class CountingEncoder(ToyEncoder):
    """Keeps how many texts it was given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        self.sizes.append(len(texts))
        return super().encode(texts, kind=kind, progress=progress)


def test_many_questions_are_encoded_in_batches_that_no_encoder_takes_for_a_bulk(tmp_path: Path) -> None:
    change.build(tmp_path, toy_docs(), ToyEncoder())
    encoder = CountingEncoder()
    questions = [f"question {n}" for n in range(BATCH + 3)]
    assert len(Index(tmp_path, encoder).candidates_many(questions, k=1)) == BATCH + 3
    assert encoder.sizes == [BATCH, 3]


def test_an_empty_question_among_many_is_refused(tmp_path: Path) -> None:
    change.build(tmp_path, toy_docs(), ToyEncoder())
    with pytest.raises(UsageError, match="empty"):
        Index(tmp_path, ToyEncoder()).candidates_many(["text", " "])


@pytest.mark.parametrize("missing", ["cuda:99", "meta", "no-such-device", ""])
def test_a_device_that_is_not_there_is_a_clear_error(starter_index: Path, missing: str) -> None:
    with pytest.raises(DeviceMissing, match=rf"no device '{missing}'.*torch finds cpu"):
        Gorilla.load(starter_index, device=missing)


def test_without_torch_a_device_is_a_clear_error(starter_index: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from gorilla_rag import Gorilla\nfrom gorilla_rag.errors import ExtraMissing\n"
        "Gorilla.load(sys.argv[1]).search('translate text')\n"
        "try: Gorilla.load(sys.argv[1], device='cpu')\n"
        "except ExtraMissing as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(starter_index)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("torch is not installed (install the extra")


# From the library and the command line


def test_documents_given_here_are_encoded_and_searched_on_the_device(docs: list[ApiDoc], name: str) -> None:
    ours, theirs = Gorilla.from_docs(docs, device=name), Gorilla.from_docs(docs)
    assert isinstance(ours.index.dense, TorchDense)
    assert type(ours.index.encoder).__name__ == "TorchEncoder"
    for question in ("read a text aloud", "find cars in a photo"):
        assert_same_hits(ours.index, theirs.index, question, k=6)


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("gorilla-rag")), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def test_the_command_searches_on_the_device(starter_index: Path) -> None:
    asked = ("search", QUESTIONS[0], "--index", starter_index, "--json")
    found, expected = (json.loads(run(*asked, *where).stdout) for where in (("--device", "cpu"), ()))
    assert [hit["doc"]["id"] for hit in found] == [hit["doc"]["id"] for hit in expected]


@pytest.mark.parametrize("verb", ["search", "ask"])
def test_the_command_needs_a_device_that_is_there(starter_index: Path, verb: str) -> None:
    done = run(verb, "x", "--index", starter_index, "--device", "cuda:99")
    assert done.returncode == DeviceMissing.exit_code
    assert "no device 'cuda:99'" in done.stderr
