"""A LangChain retriever over our index, with the real langchain-core."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import create_retriever_tool

from gorilla_rag import Gorilla
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.errors import UsageError
from gorilla_rag.index.index import RETRIEVALS, Retrieval
from gorilla_rag.integrations.langchain import GorillaRetriever
from tests.conftest import make_doc

ROOT = Path(__file__).parents[1]
QUESTION = "group my customers into 7 segments"


def placed(documents: list[Document]) -> list[tuple[str | None, float]]:
    return [(document.id, document.metadata["score"]) for document in documents]


@pytest.mark.parametrize("mode", RETRIEVALS)
def test_documents_are_those_that_a_search_finds(gorilla: Gorilla, mode: Retrieval) -> None:
    hits = gorilla.search(QUESTION, mode=mode, k=7)
    documents = GorillaRetriever(gorilla=gorilla, mode=mode, k=7).invoke(QUESTION)
    assert len(hits) == 7
    assert placed(documents) == [(hit.doc.id, hit.score) for hit in hits]


def test_a_document_says_what_is_documented_and_where_it_comes_from(gorilla: Gorilla) -> None:
    doc = gorilla.search(QUESTION)[0].doc
    document = GorillaRetriever(gorilla=gorilla).invoke(QUESTION)[0]
    assert doc.api_call in document.page_content
    assert doc.description in document.page_content
    said = document.metadata
    assert (said["id"], said["api_call"], said["provider"]) == (doc.id, doc.api_call, doc.framework)
    assert (said["source"], said["version"], said["trusted"]) == (doc.source, doc.version, True)


@pytest.mark.parametrize(
    "how",
    [{"mode": "bm25"}, {"k": 2}, {"filters": {"provider": "PyTorch"}}, {"weights": {"bm25": 0}}, {"distinct": False}],
    ids=str,
)
def test_each_option_changes_what_is_found(encoder: EmbeddedEncoder, how: dict[str, Any]) -> None:
    words = ["speak a text", "read aloud", "text", "say words", "a voice for text"]
    docs = [make_doc(n, framework="PyTorch", functionality=text) for n, text in enumerate(words)]
    twice = make_doc(9, api_call=docs[0].api_call, functionality="speak a text aloud", framework="PyTorch")
    gorilla = Gorilla.from_docs([*docs, twice, make_doc(10, functionality="speak", framework="")], encoder=encoder)
    question = "speak a text aloud"
    found = placed(GorillaRetriever(gorilla=gorilla, **how).invoke(question))
    assert found != placed(GorillaRetriever(gorilla=gorilla).invoke(question))
    assert found == [(hit.doc.id, hit.score) for hit in gorilla.search(question, **how)]


def test_async_and_batches_find_the_same(gorilla: Gorilla) -> None:
    retriever = GorillaRetriever(gorilla=gorilla, k=3)
    expected = retriever.invoke(QUESTION)
    assert asyncio.run(retriever.ainvoke(QUESTION)) == expected
    assert retriever.batch([QUESTION, "translate text", QUESTION])[::2] == [expected, expected]


def test_a_chain_reads_our_documents(gorilla: Gorilla) -> None:
    def joined(documents: list[Document]) -> str:
        return "\n".join(document.page_content for document in documents)

    prompt = PromptTemplate.from_template("{documents}\n\n{question}")
    chain = {"documents": GorillaRetriever(gorilla=gorilla, k=2) | joined, "question": RunnablePassthrough()} | prompt
    text = chain.invoke(QUESTION).to_string()
    assert text.endswith(QUESTION)
    for hit in gorilla.search(QUESTION, k=2):
        assert hit.doc.api_call in text


def test_a_retriever_becomes_a_tool(gorilla: Gorilla) -> None:
    tool = create_retriever_tool(GorillaRetriever(gorilla=gorilla, k=1), "apis", "Finds APIs.")
    assert gorilla.search(QUESTION, k=1)[0].doc.api_call in tool.invoke({"query": QUESTION})


def test_an_empty_question_is_our_own_error(gorilla: Gorilla) -> None:
    with pytest.raises(UsageError, match="empty"):
        GorillaRetriever(gorilla=gorilla).invoke(" ")


def test_without_langchain_the_error_says_what_to_install() -> None:
    code = "import sys; sys.modules['langchain_core'] = None; import gorilla_rag.integrations.langchain"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ExtraMissing: langchain_core.callbacks is not installed" in done.stderr
    assert "gorilla-rag[langchain]" in done.stderr


def test_the_example_prints_calls() -> None:
    done = subprocess.run([sys.executable, ROOT / "examples" / "with_langchain.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sklearn.cluster.KMeans(n_clusters=8)" in done.stdout


def test_the_pages_snippet_runs() -> None:
    page = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.+?)```", page.partition("## LangChain")[2].partition("\n## ")[0], re.DOTALL)
    names: dict[str, Any] = {}
    exec(snippet, names)
    assert len(names["documents"]) == 3
