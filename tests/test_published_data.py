"""Proofs over APIBench as published; run by `make verify DATA=FOLDER`, FOLDER/apibench holding its files."""

from __future__ import annotations

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rank_bm25 import BM25Okapi

from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.index import change
from gorilla_rag.index.check import check
from gorilla_rag.index.index import Index
from gorilla_rag.sources import apibench

pytestmark = pytest.mark.data

HUBS = ("torchhub", "huggingface", "tensorflowhub")
EVALUATION = {"torchhub": "torchhub", "huggingface": "huggingface", "tensorflowhub": "tensorflow"}
# First candidate micro and macro, among five micro and macro: stock MiniLM and BM25 under plain reciprocal rank fusion.
PLAIN_FUSION = {
    "torchhub": (0.140, 0.167, 0.344, 0.336),
    "huggingface": (0.182, 0.161, 0.361, 0.342),
    "tensorflowhub": (0.459, 0.118, 0.685, 0.309),
}
DOCUMENTS = {"torchhub": (94, 94), "huggingface": (936, 895), "tensorflowhub": (696, 80)}


def lines(path: Path) -> Iterator[Any]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def question_of(record: dict[str, Any]) -> str:
    """The question inside an evaluation record's `code`."""
    code = record["code"]
    found = re.search(r"#+ *Instruction *:(.*?)(?:#+ *Output|<<<domain|$)", code, re.DOTALL)
    found = found or re.search(r"['\"]Instruction['\"]: ?['\"]?(.*?)['\"]?, ['\"]Output", code, re.DOTALL)
    assert found, code[:200]
    return found.group(1).strip()


@pytest.fixture(scope="module")
def indexes(data: Path, encoder: EmbeddedEncoder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Index]:
    made = {}
    for hub in HUBS:
        folder = tmp_path_factory.mktemp(hub)
        docs = apibench.read([data / "apibench" / "api" / f"{hub}_api.jsonl"]).docs
        change.build(folder, docs, encoder)
        made[hub] = Index(folder, encoder)
    return made


@pytest.mark.parametrize("hub", HUBS)
def test_every_document_of_a_hub_is_indexed(indexes: dict[str, Index], hub: str) -> None:
    documents, calls = DOCUMENTS[hub]
    counts = indexes[hub].manifest.counts
    assert counts["documents"] == documents
    assert counts["calls"] <= calls
    assert check(indexes[hub].folder).ok


@pytest.mark.parametrize("hub", HUBS)
def test_default_hybrid_reaches_plain_fusion(data: Path, indexes: dict[str, Index], hub: str) -> None:
    by_call: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for record in lines(data / "apibench" / "apibench" / f"{EVALUATION[hub]}_eval.json"):
        gold = apibench.document({**record["api_data"], "api_call": record["api_call"]}).call_key
        found = [c.doc.call_key for c in indexes[hub].candidates(question_of(record), k=5)]
        by_call[gold].append((found[:1] == [gold], gold in found))
    micro = np.mean([row for rows in by_call.values() for row in rows], axis=0)
    macro = np.mean([np.mean(rows, axis=0) for rows in by_call.values()], axis=0)
    figures = (micro[0], macro[0], micro[1], macro[1])
    print(
        f"\n{hub}: "
        + ", ".join(f"{value:.4f} (bar {bar})" for value, bar in zip(figures, PLAIN_FUSION[hub], strict=True))
    )
    assert all(round(value, 3) >= bar for value, bar in zip(figures, PLAIN_FUSION[hub], strict=True))


def retrieved_document(text: str) -> Any:
    """The document that a published question was given."""
    start = text.index("page_content=") + len("page_content=")
    content = ast.literal_eval(text[start : text.rindex(", metadata=")])
    return ast.literal_eval(content)


def identity(doc: dict[str, Any]) -> str:
    """A document without its call, letters and digits alone: 77 calls were trimmed after the questions were made."""
    rest = json.dumps({key: value for key, value in doc.items() if key != "api_call"}, sort_keys=True)
    return re.sub(r"\W|_", "", rest.replace("\\\\", "\\"))


def test_gorillas_own_bm25_is_reproduced(data: Path) -> None:
    """`BM25Okapi` over `str(doc).split(" ")`, asked with `query.split(" ")`; a query ends in a written-out `\\n`."""
    total, exceptions = 0, []
    for hub in HUBS:
        docs = list(lines(data / "apibench" / "api" / f"{hub}_api.jsonl"))
        engine = BM25Okapi([str(doc).split(" ") for doc in docs])
        for row in lines(data / "apibench" / "questions" / hub / f"questions_{hub}_bm25.jsonl"):
            total += 1
            query = row["text"].split(" \n Use this API documentation")[0]
            scores = engine.get_scores(query.split(" "))
            best, recorded = docs[int(np.argmax(scores))], retrieved_document(row["text"])
            if identity(best) != identity(recorded):
                tied = [d for d, score in zip(docs, scores, strict=True) if score == scores.max()]
                why = "tied" if identity(recorded) in map(identity, tied) else "scored lower"
                exceptions.append(f"{hub} {row['question_id']}: {recorded['api_name']} recorded, {why}")
    print(f"\nGorilla's BM25: {total - len(exceptions)} of {total} documents are the recorded ones; the others:")
    print("\n".join(exceptions))
    assert len(exceptions) <= total * 0.01
