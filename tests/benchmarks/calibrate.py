"""Fits the temperature of the retriever's confidence: `python -m tests.benchmarks.calibrate FOLDER`.

FOLDER holds corpora as `NAME/docs.jsonl` and `NAME/queries.jsonl`. For each mode, the temperature is the one with the
least mean negative log-likelihood of the right call, over questions whose right call is among five candidates; each
corpus weighs the same.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.index import change
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval

QUESTIONS = 400
GRID = np.geomspace(0.005, 20, 60)


def corpus(folder: Path) -> tuple[list[ApiDoc], list[tuple[str, str]]]:
    """A corpus's documents, and a fixed sample of its questions that want one document."""
    docs = [
        ApiDoc(
            id=row["id"],
            api_call=str(row.get("api_call") or row["name"]),
            api_name=row["name"],
            domain=str(row.get("domain") or ""),
            description=str(row["description"]),
        )
        for row in map(json.loads, (folder / "docs.jsonl").open(encoding="utf-8"))
    ]
    rows = map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))
    asked = [(row["query"], row["relevant_ids"][0]) for row in rows if len(row["relevant_ids"]) == 1]
    return docs, random.Random(0).sample(asked, min(QUESTIONS, len(asked)))


def scores(index: Index, asked: list[tuple[str, str]], mode: Retrieval) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Scores of five candidates (-inf where fewer), and the right one's place (-1 where it isn't among them)."""
    table, places = np.full((len(asked), 5), -np.inf), []
    for row, (question, right) in enumerate(asked):
        hits = index.search(question, mode=mode, k=5, distinct=False)
        table[row, : len(hits)] = [hit.score for hit in hits]
        ids = [hit.doc.id for hit in hits]
        places.append(ids.index(right) if right in ids else -1)
    return table, places


def likelihood(table: npt.NDArray[np.float64], places: list[int], temperature: float) -> float:
    """Mean negative log-likelihood of the right candidate, where it is among them."""
    kept = [row for row, place in enumerate(places) if place >= 0]
    logits = table[kept] / temperature
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(-np.mean([log_probabilities[at, places[row]] for at, row in enumerate(kept)]))


def main(folder: Path) -> None:
    """Prints each mode's temperature."""
    encoder = EmbeddedEncoder()
    found: dict[Retrieval, list[tuple[npt.NDArray[np.float64], list[int]]]] = {mode: [] for mode in RETRIEVALS}
    for path in sorted(item.parent for item in folder.glob("*/queries.jsonl")):
        docs, asked = corpus(path)
        with tempfile.TemporaryDirectory() as target:
            change.build(target, docs, encoder)
            index = Index(target, encoder)
            for mode in RETRIEVALS:
                found[mode].append(scores(index, asked, mode))
            index.close()
        sys.stdout.write(f"{path.name}: {len(docs)} documents, {len(asked)} questions\n")
    for mode, parts in found.items():
        losses = [float(np.mean([likelihood(*part, t) for part in parts])) for t in GRID]
        best = int(np.argmin(losses))
        sys.stdout.write(f"{mode}: temperature {GRID[best]:.3g}, loss {losses[best]:.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
