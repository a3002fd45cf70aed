"""LlamaIndex over our index, with the real llama-index-core: nodes, answers, tools, and searches in its stores."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest
from llama_index.core.agent.workflow import ReActAgent
from llama_index.core.llms import CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import BasePydanticVectorStore
from llama_index.vector_stores.faiss import FaissVectorStore

from gorilla_rag import Gorilla, starter
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import IndexMismatch, UsageError
from gorilla_rag.index import change
from gorilla_rag.index.index import RETRIEVALS, Filters, Index, Retrieval
from gorilla_rag.integrations.llama_index import (
    GorillaQueryEngine,
    GorillaRetriever,
    VectorStoreDense,
    fill,
    recommend_api,
    searched_in,
)
from tests.conftest import make_doc
from tests.test_index_search import ToyEncoder

ROOT = Path(__file__).parents[1]
QUESTION = "group my customers into 7 segments"
KMEANS = "sklearn.cluster.KMeans(n_clusters=7)"
# Sets no argument, so that with `fields="call"` no model has to write anything.
QUICK = "convert text to speech in my app"
SPEECH = "transformers.pipeline(task='text-to-speech', model='facebook/mms-tts-eng')"
MakeStore = Callable[[int], BasePydanticVectorStore]
STORES: dict[str, MakeStore] = {
    "simple": lambda dimension: SimpleVectorStore(),
    "faiss, inner product": lambda dimension: FaissVectorStore(faiss.IndexFlatIP(dimension)),
    "faiss, distance": lambda dimension: FaissVectorStore(faiss.IndexFlatL2(dimension)),
}
each_store = pytest.mark.parametrize("make", STORES.values(), ids=STORES.keys())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)


# The retriever


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_nodes_are_the_documents_that_a_search_finds(gorilla: Gorilla, mode: Retrieval) -> None:
    hits = gorilla.search(QUESTION, mode=mode, k=7)
    nodes = GorillaRetriever(gorilla, mode=mode, k=7).retrieve(QUESTION)
    assert len(hits) == 7
    assert [(node.node_id, node.score) for node in nodes] == [(hit.doc.id, hit.score) for hit in hits]


def test_a_node_says_what_is_documented_and_where_it_comes_from(gorilla: Gorilla) -> None:
    doc = gorilla.search(QUESTION)[0].doc
    node = GorillaRetriever(gorilla).retrieve(QUESTION)[0]
    assert doc.api_call in node.text
    assert doc.description in node.text
    assert node.metadata["id"] == doc.id
    assert node.metadata["api_call"] == doc.api_call
    assert node.metadata["provider"] == doc.framework
    assert (node.metadata["source"], node.metadata["version"]) == (doc.source, doc.version)
    assert node.metadata["trusted"] is True


@pytest.mark.parametrize(
    "how",
    [{"mode": "bm25"}, {"k": 2}, {"filters": {"provider": "PyTorch"}}, {"weights": {"bm25": 0}}, {"distinct": False}],
    ids=str,
)
def test_each_option_of_the_retriever_changes_what_it_finds(encoder: EmbeddedEncoder, how: dict[str, Any]) -> None:
    words = ["speak a text", "read aloud", "text", "say words", "a voice for text"]
    docs = [make_doc(n, framework="PyTorch", functionality=text) for n, text in enumerate(words)]
    twice = make_doc(9, api_call=docs[0].api_call, functionality="speak a text aloud", framework="PyTorch")
    gorilla = Gorilla.from_docs([*docs, twice, make_doc(10, functionality="speak", framework="")], encoder=encoder)
    question = "speak a text aloud"
    plain = [(n.node_id, n.score) for n in GorillaRetriever(gorilla).retrieve(question)]
    found = [(n.node_id, n.score) for n in GorillaRetriever(gorilla, **how).retrieve(question)]
    assert found != plain
    assert found == [(hit.doc.id, hit.score) for hit in gorilla.search(question, **how)]


def test_an_async_retrieval_finds_the_same(gorilla: Gorilla) -> None:
    retriever = GorillaRetriever(gorilla, k=3)
    assert asyncio.run(retriever.aretrieve(QUESTION)) == retriever.retrieve(QUESTION)


def test_an_empty_question_is_our_own_error(gorilla: Gorilla) -> None:
    with pytest.raises(UsageError, match="empty"):
        GorillaRetriever(gorilla).retrieve(" ")


def test_llama_indexs_own_query_engine_reads_our_documents(gorilla: Gorilla) -> None:
    engine = RetrieverQueryEngine.from_args(GorillaRetriever(gorilla, k=2), llm=MockLLM())
    response = engine.query(QUESTION)
    documents = [hit.doc for hit in gorilla.search(QUESTION, k=2)]
    assert [node.node_id for node in response.source_nodes] == [doc.id for doc in documents]
    for doc in documents:  # the mock model says what it was asked
        assert doc.api_call in str(response)


# The query engine


def test_a_response_is_the_answer_with_its_documents_and_checks(gorilla: Gorilla) -> None:
    response = GorillaQueryEngine(gorilla).query(QUESTION)
    said = response.metadata
    assert said is not None
    assert said["api_call"] == KMEANS
    assert said["explanation"]
    assert str(response).split("\n\n") == [KMEANS, said["explanation"], *said["code"].split("\n\n")]
    assert said["verdict"]["ok"]
    assert {check["name"] for check in said["verdict"]["checks"]} >= {"parses", "documented"}
    hits = gorilla.search(QUESTION)
    assert {(node.node_id, node.score) for node in response.source_nodes} == {(hit.doc.id, hit.score) for hit in hits}
    assert "hits" not in said, "the documents are the source nodes"


def test_a_response_is_what_ask_answers(gorilla: Gorilla) -> None:
    how: dict[str, Any] = {"mode": "bm25", "k": 2, "fields": "call"}
    answer = gorilla.ask(QUICK, **how)
    response = GorillaQueryEngine(gorilla, **how).query(QUICK)
    said = {name: value for name, value in answer.to_dict().items() if name not in ("hits", "timings")}
    assert {name: value for name, value in (response.metadata or {}).items() if name != "timings"} == said
    assert [node.node_id for node in response.source_nodes] == [hit.doc.id for hit in answer.hits]
    assert len(response.source_nodes) == 2


def test_a_refusal_is_a_response_that_says_why(gorilla: Gorilla) -> None:
    response = GorillaQueryEngine(gorilla, threshold=1.0).query(QUESTION)
    assert response.metadata is not None
    assert response.metadata["api_call"] is None
    assert "below 1.00" in response.metadata["reason"]
    assert str(response) == f"No API: {response.metadata['reason']}"
    assert response.source_nodes


def test_an_async_query_gives_the_same_response(gorilla: Gorilla) -> None:
    engine = GorillaQueryEngine(gorilla, k=2, fields="call")
    now, later = engine.query(QUICK), asyncio.run(engine.aquery(QUICK))
    assert (str(later), later.source_nodes) == (str(now), now.source_nodes)
    assert len(later.source_nodes) == 2


# The tool


class ToolUser(CustomLLM):
    """A model that calls the tool once with the question it was asked, then repeats what it was told."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        told = re.findall(r"^user: Observation: (.+)", prompt, re.MULTILINE)
        if told:
            return CompletionResponse(text=f"Thought: I can answer.\nAnswer: {told[-1]}")
        asked = f'Action: recommend_api\nAction Input: {{"input": "{QUICK}"}}'
        return CompletionResponse(text=f"Thought: I need a tool.\n{asked}")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        yield self.complete(prompt)


def test_the_tool_answers_with_the_call(gorilla: Gorilla) -> None:
    tool = recommend_api(gorilla, fields="call")
    assert tool.metadata.name == "recommend_api"
    for output in (tool(QUICK), asyncio.run(tool.acall(input=QUICK))):
        assert output.content.startswith(SPEECH)
        assert output.raw_output.metadata["verdict"]["ok"]


def test_an_agent_gets_the_call_from_the_tool(gorilla: Gorilla) -> None:
    async def ask() -> str:
        agent = ReActAgent(tools=[recommend_api(gorilla, fields="call")], llm=ToolUser(), streaming=False)
        return str(await agent.run(QUICK))

    assert asyncio.run(ask()) == SPEECH


# Stores as our dense search


def questions() -> list[str]:
    """What a hundred documents, spread over the corpus, are for, in their own words."""
    return [f"{doc.functionality} {doc.domain}".strip() for doc in starter.documents()[::2]][:100]


def rows(index: Index, question: str, **how: Any) -> tuple[list[str], list[float]]:
    hits = index.search(question, **how)
    return [hit.doc.id for hit in hits], [hit.score for hit in hits]


class Remembering:
    """The real encoder, which encodes each question once."""

    def __init__(self, encoder: EmbeddedEncoder) -> None:
        self.id, self.source, self.sha256 = encoder.id, encoder.source, encoder.sha256
        self.dimension = encoder.dimension
        self._encoder, self._known = encoder, dict[str, npt.NDArray[np.float32]]()

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        for text in texts:
            if text not in self._known:
                self._known[text] = self._encoder.encode([text], kind=kind)[0]
        return np.stack([self._known[text] for text in texts])


@pytest.fixture(scope="module")
def ours(starter_index: Path, encoder: EmbeddedEncoder) -> Iterator[Index]:
    index = Index(starter_index, Remembering(encoder))
    yield index
    index.close()


@each_store
@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_any_store_finds_what_our_own_search_finds(ours: Index, make: MakeStore, mode: Retrieval) -> None:
    store = make(ours.encoder.dimension)
    fill(store, ours)
    theirs = Index(ours.folder, ours.encoder, dense=searched_in(store))
    asked = questions()
    assert len(set(asked)) > 90
    narrowed: list[Filters] = [
        {},
        {"provider": "PyTorch"},
        {"kind": "python", "domain": ["Text-To-Speech", "Translation"]},
    ]
    for number, question in enumerate(asked):
        for filters in narrowed if number % 5 == 0 else [{}]:
            (ids, scores), (found, given) = (
                rows(i, question, mode=mode, k=30, filters=filters) for i in (ours, theirs)
            )
            assert found == ids
            assert given == pytest.approx(scores, abs=1e-5)


@each_store
def test_every_document_is_found_where_all_are_asked_for(ours: Index, make: MakeStore) -> None:
    store = make(ours.encoder.dimension)
    fill(store, ours)
    theirs = Index(ours.folder, ours.encoder, dense=searched_in(store))
    found, _ = rows(theirs, QUESTION, mode="dense", k=5000, distinct=False)
    assert sorted(found) == sorted(doc.id for doc in starter.documents())


def changed(folder: Path) -> Index:
    """Sixty documents in three segments, of which eight were removed again."""
    encoder = ToyEncoder()
    docs = [make_doc(n, description=f"red {n} green {n * n} blue {n % 7}") for n in range(60)]
    change.build(folder, docs[:30], encoder)
    change.add(folder, docs[30:50], encoder)
    change.add(folder, docs[50:], encoder)
    change.remove(folder, [doc.id for doc in docs[:40:5]], encoder)
    index = Index(folder, encoder)
    assert (len(index.segments), index.manifest.counts["vectors"], len(index)) == (3, 60, 52)
    return index


@each_store
def test_segments_and_removed_documents_make_no_difference(tmp_path: Path, make: MakeStore) -> None:
    index = changed(tmp_path)
    store = make(16)
    fill(store, index)
    theirs = Index(tmp_path, ToyEncoder(), dense=searched_in(store))
    for number in range(20):
        question = f"red {number} blue {number % 5}"
        expected, found = (rows(each, question, mode="dense", k=60, distinct=False) for each in (index, theirs))
        assert found[0] == expected[0]
        assert len(found[0]) == 52
        assert found[1] == pytest.approx(expected[1], abs=1e-5)


@each_store
def test_a_search_under_any_mask_is_exact(tmp_path: Path, make: MakeStore) -> None:
    index = changed(tmp_path)
    store = make(16)
    fill(store, index)
    used = np.zeros(60, dtype=np.bool_)
    used[index.store.layout.vectors] = True
    dense = VectorStoreDense(store, index.segments, None, used)
    draw = np.random.default_rng(0)
    for passing in (0.0, 0.02, 0.1, 0.5, 1.0):
        for limit in (1, 3, 20, 100):
            allowed = draw.random(60) < passing
            query = ToyEncoder().vector(f"green {draw.integers(100)}")
            numbers, cosines = dense.nearest(query, limit, allowed)
            expected, scores = index.dense.nearest(query, limit, allowed)
            assert numbers.tolist() == expected.tolist()
            assert cosines == pytest.approx(scores, abs=1e-5)


def test_a_store_that_was_saved_is_searched_again(tmp_path: Path) -> None:
    index = changed(tmp_path / "index")
    store = SimpleVectorStore()
    fill(store, index)
    store.persist(str(tmp_path / "store.json"))
    again = SimpleVectorStore.from_persist_path(str(tmp_path / "store.json"))
    theirs = Index(index.folder, ToyEncoder(), dense=searched_in(again))
    assert rows(theirs, "red 4 blue", mode="dense")[0] == rows(index, "red 4 blue", mode="dense")[0]


def test_answers_come_through_the_store(ours: Index, gorilla: Gorilla) -> None:
    store = SimpleVectorStore()
    fill(store, ours)
    theirs = Gorilla(Index(ours.folder, ours.encoder, dense=searched_in(store)), lambda: gorilla.generator)
    assert theirs.ask(QUICK, mode="dense", fields="call").api_call == SPEECH


# Stores that hold something else


def built(folder: Path, docs: list[ApiDoc], dimension: int = 16) -> Index:
    encoder = ToyEncoder(dimension=dimension)
    change.build(folder, docs, encoder)
    return Index(folder, encoder)


def refusal(index: Index, store: BasePydanticVectorStore) -> str:
    """What a search by vectors says that a store refuses; one by words has to go on."""
    opened = Index(index.folder, index.encoder, dense=searched_in(store))
    with pytest.raises(IndexMismatch) as caught:
        opened.search("task", mode="dense")
    assert opened.search("task", mode="bm25"), "words need no store"
    assert "fill(store, index)" in str(caught.value)
    return str(caught.value)


@each_store
def test_an_empty_store_is_refused(tmp_path: Path, make: MakeStore) -> None:
    assert "doesn't hold vector 0" in refusal(built(tmp_path, [make_doc(n) for n in range(12)]), make(16))


@each_store
def test_a_store_of_other_documents_is_refused(tmp_path: Path, make: MakeStore) -> None:
    store = make(16)
    fill(store, built(tmp_path / "other", [make_doc(n) for n in range(20, 32)]))
    assert "doesn't hold vector 0" in refusal(built(tmp_path / "mine", [make_doc(n) for n in range(12)]), store)


@each_store
def test_a_store_filled_before_documents_were_added_is_refused(tmp_path: Path, make: MakeStore) -> None:
    index = built(tmp_path, [make_doc(n) for n in range(12)])
    store = make(16)
    fill(store, index)
    change.add(tmp_path, [make_doc(12)], ToyEncoder())
    assert "doesn't hold vector 12" in refusal(Index(tmp_path, ToyEncoder()), store)


@each_store
def test_a_store_that_holds_more_than_the_index_is_refused(tmp_path: Path, make: MakeStore) -> None:
    store = make(16)
    fill(store, built(tmp_path / "more", [make_doc(n) for n in range(12)]))
    assert "the index has 9 vectors" in refusal(built(tmp_path / "fewer", [make_doc(n) for n in range(9)]), store)


@each_store
def test_a_store_of_vectors_of_another_length_is_refused(tmp_path: Path, make: MakeStore) -> None:
    store = make(8)
    fill(store, built(tmp_path / "short", [make_doc(n) for n in range(12)], dimension=8))
    assert "can't be searched with 16 dimensions" in refusal(
        built(tmp_path / "long", [make_doc(n) for n in range(12)]), store
    )


def test_a_store_with_ids_that_are_not_ours_is_refused(tmp_path: Path) -> None:
    index = built(tmp_path, [make_doc(n) for n in range(3)])
    store = SimpleVectorStore()
    vectors = ToyEncoder().encode(["some", "other", "texts"]).tolist()
    store.add([TextNode(id_=f"page-{n}", text="", embedding=vector) for n, vector in enumerate(vectors)])
    assert "the store has vector 'page-" in refusal(index, store)


def test_a_store_that_numbers_by_itself_is_only_filled_when_empty(tmp_path: Path) -> None:
    index = built(tmp_path, [make_doc(n) for n in range(3)])
    store = FaissVectorStore(faiss.IndexFlatIP(16))
    fill(store, index)
    with pytest.raises(IndexMismatch, match="calls vector 0 '3'"):
        fill(store, index)


def test_an_index_without_documents_finds_nothing_in_a_store(tmp_path: Path) -> None:
    index = built(tmp_path, [])
    store = SimpleVectorStore()
    fill(store, index)
    assert Index(tmp_path, ToyEncoder(), dense=searched_in(store)).search("task") == []


# The package


def test_without_llama_index_the_error_says_what_to_install() -> None:
    done = run("-c", "import sys; sys.modules['llama_index'] = None; import gorilla_rag.integrations.llama_index")
    assert "ExtraMissing: llama_index.core is not installed (install the extra: " in done.stderr
    assert "gorilla-rag[llama-index]" in done.stderr


def test_importing_gorilla_rag_imports_no_other_library() -> None:
    code = (
        "import sys, gorilla_rag, gorilla_rag.gorilla, gorilla_rag.integrations; "
        "print([name for name in ('llama_index', 'langchain_core', 'pydantic_ai') if name in sys.modules])"
    )
    assert run("-c", code).stdout.strip() == "[]"


def test_the_example_prints_a_call() -> None:
    done = run(str(ROOT / "examples" / "with_llama_index.py"))
    assert done.returncode == 0, done.stderr
    assert KMEANS in done.stdout


def test_the_pages_snippets_run() -> None:
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    section = page.partition("## LlamaIndex")[2].partition("\n## ")[0]
    names: dict[str, Any] = {}
    snippets = re.findall(r"```python\n(.+?)```", section, re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        exec(snippet, names)
    assert names["response"].metadata["api_call"] == KMEANS
    assert names["nodes"][0].metadata["api_call"] in str(names["nodes"][0].get_content())
    assert names["found"]
