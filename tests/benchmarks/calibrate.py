"""Fits the retriever's confidence and fit: `python -m tests.benchmarks.calibrate FOLDER [WORK]`.

FOLDER holds corpora as `NAME/docs.jsonl` and `NAME/queries.jsonl`. For each mode, the temperature is the one with the
least mean negative log-likelihood of the right call, over questions whose right call is among five candidates; each
corpus weighs the same.

The fit is a logistic curve over a document's score: how likely it answers the question at all. For each question the
right document's score, and that of the best wrong one among 1, 5, 50 or all others, since an index may hold few tools
or many. With WORK, where `tests.benchmarks.retriever left-out` keeps its encoders, each corpus has the encoder that
was trained without it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.index import change
from gorilla_rag.index.index import RETRIEVALS, Index, Retrieval

QUESTIONS = 400
GRID = np.geomspace(0.005, 20, 60)
POOLS = (1, 5, 50, 10_000)


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


def fitting(index: Index, asked: list[tuple[str, str]], mode: Retrieval) -> npt.NDArray[np.float64]:
    """Scores of right documents, and of the best wrong ones among few or many (shape [questions, 2])."""
    draw, rows = random.Random(0), []
    for number, (question, right) in enumerate(asked):
        others = [name for name in index.store.ids if name != right]
        some = draw.sample(others, min(POOLS[number % len(POOLS)], len(others)))
        row = []
        for pool in ([right], some):
            hits = index.search(question, mode=mode, k=1, filters={"id": pool}, distinct=False)
            row.append(hits[0].score if hits else 0.0)
        rows.append(row)
    return np.array(rows)


def curve(parts: list[npt.NDArray[np.float64]]) -> tuple[float, float, float, float]:
    """Slope and middle of the logistic curve, its mean negative log-likelihood, and the share told apart at .5."""
    scores = np.concatenate([np.concatenate([part[:, 0], part[:, 1]]) for part in parts])
    right = np.concatenate([np.repeat([1.0, 0.0], len(part)) for part in parts])
    weights = np.concatenate([np.repeat(1 / (2 * len(part)), 2 * len(part)) for part in parts]) / len(parts)

    def loss(at: npt.NDArray[np.float64]) -> float:
        logits = np.exp(at[0]) * (scores - at[1])
        return float((weights * (np.logaddexp(0, logits) - right * logits)).sum())

    best = minimize(loss, [np.log(4 / scores.std()), scores.mean()], method="Nelder-Mead")
    apart = weights[(scores > best.x[1]) == (right > 0)].sum()
    return float(np.exp(best.x[0])), float(best.x[1]), float(best.fun), float(apart)


def main(folder: Path, work: Path | None = None) -> None:
    """Prints each mode's temperature, and the curve of its fit."""
    encoder = EmbeddedEncoder()
    fits: dict[Retrieval, list[npt.NDArray[np.float64]]] = {mode: [] for mode in RETRIEVALS}
    found: dict[Retrieval, list[tuple[npt.NDArray[np.float64], list[int]]]] = {mode: [] for mode in RETRIEVALS}
    for path in sorted(item.parent for item in folder.glob("*/queries.jsonl")):
        docs, asked = corpus(path)
        with tempfile.TemporaryDirectory() as target:
            change.build(target, docs, encoder)
            index = Index(target, encoder)
            for mode in RETRIEVALS:
                found[mode].append(scores(index, asked, mode))
            index.close()
        fits_of(path.name, docs, asked, work, fits)
        sys.stdout.write(f"{path.name}: {len(docs)} documents, {len(asked)} questions\n")
    for mode, parts in found.items():
        losses = [float(np.mean([likelihood(*part, t) for part in parts])) for t in GRID]
        best = int(np.argmin(losses))
        sys.stdout.write(f"{mode}: temperature {GRID[best]:.3g}, loss {losses[best]:.3f}\n")
    for mode, tables in fits.items():
        slope, middle, loss, apart = curve(tables)
        sys.stdout.write(f"{mode}: fit {slope:.3g}, {middle:.3g}, loss {loss:.3f}, {apart:.1%} told apart\n")


def fits_of(
    name: str,
    docs: list[ApiDoc],
    asked: list[tuple[str, str]],
    work: Path | None,
    fits: dict[Retrieval, list[npt.NDArray[np.float64]]],
) -> None:
    """Adds a corpus's scores, by the encoder that was trained without it where there is one."""
    own = work / f"without-{name}" / "model" if work else None
    encoder: Encoder = load_encoder(own) if own else EmbeddedEncoder()
    with tempfile.TemporaryDirectory() as target:
        change.build(target, docs, encoder)
        index = Index(target, encoder)
        for mode, tables in fits.items():
            tables.append(fitting(index, asked, mode))
        index.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
