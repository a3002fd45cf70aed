"""What a cross-encoder gains that puts the index's first candidates into another order: `… retriever rerank`.

It is trained on questions of the general training, so none of what it is measured on is in its domain. How much its
number counts beside the index's own score is chosen on questions of sources that it isn't trained on.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gorilla_rag.answer import Candidate
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.files import write_text
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train import retriever
from gorilla_rag.train.corpus import Corpus, positive_text
from gorilla_rag.train.negatives import MOST_OF_POSITIVE
from tests.benchmarks.retriever import cross_encoder, data, openapi, report, training
from tests.benchmarks.retriever.cross_encoder import CrossEncoder, Listed
from tests.benchmarks.retriever.measuring import Mode, Scores, judged, measured_anew

FOLDER = "reranked"
HELD_BACK, BESIDE, TIMES = "held-back", "beside-", "times"
CANDIDATES, ASKED, TIMED = 20, 200, 10
TRAINED, TUNED_ON = 4000, 300
CATALOGUE = 2000
"""How many of a corpus's documents are searched, to mine and to choose by."""
NEGATIVES, NEGATIVES_FROM = 4, 30
SOURCES_HELD_BACK = 0.1
SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""How much of the cross-encoder's number is added to the index's score."""
_NDCG = "ndcg@10"
_BESIDE: tuple[tuple[str, str, Mode], ...] = (
    ("BM25", report.STOCK, "bm25"),
    ("stock", report.STOCK, "dense"),
    ("stock, BM25: RRF", report.STOCK, "rrf"),
    ("tuned", report.TUNED, "dense"),
    ("tuned, BM25: RRF", report.TUNED, "rrf"),
)
_ENCODERS = {report.STOCK: training.BASE, report.TUNED: report.TUNED}


@dataclass(frozen=True)
class Pools:
    """The first candidates of some questions of a set, as the index orders them, and what the cross-encoder says.

    Attributes:
        groups: what macro averages group by.
        questions: as asked.
        right: of each question, keys of the right calls.
        calls: of each question, those of its candidates.
        texts: what is read of these.
        fused: the index's scores of them.
        logits: the cross-encoder's.
    """

    groups: list[str]
    questions: list[str]
    right: list[list[str]]
    calls: list[list[str]]
    texts: list[list[str]]
    fused: list[list[float]]
    logits: list[list[float]]

    def scores(self, share: float, *, index: float = 1.0) -> Scores:
        """Of the candidates by the index's score, times `index`, and so much of the cross-encoder's."""
        ranked = [
            reordered(calls, [index * a + share * b for a, b in zip(fused, logits, strict=True)])
            for calls, fused, logits in zip(self.calls, self.fused, self.logits, strict=True)
        ]
        return Scores(tuple(self.groups), judged(ranked, [frozenset(keys) for keys in self.right]))

    @property
    def alone(self) -> Scores:
        """Of the candidates by the cross-encoder alone."""
        return self.scores(1.0, index=0.0)


def reordered(calls: Sequence[str], scores: Sequence[float]) -> list[str]:
    """Calls by their scores, best first; equal ones as they were."""
    return [calls[place] for place in sorted(range(len(calls)), key=lambda place: -scores[place])]


def source(doc: ApiDoc) -> str:
    """What a question is held back by: the package or the API that it is about."""
    return doc.package if doc.kind == "python" else doc.domain


def apart(corpora: Sequence[Corpus], *, share: float, seed: int) -> tuple[list[Corpus], list[Corpus]]:
    """The corpora with the pairs to train on, and with written ones about a share of all sources, of which none is."""
    found = [{doc.id: source(doc) for doc in corpus.docs} for corpus in corpora]
    about = sorted({of[pair.relevant[0]] for corpus, of in zip(corpora, found, strict=True) for pair in corpus.pairs})
    held = set(random.Random(seed).sample(about, round(share * len(about))))
    kept, left = [], []
    for corpus, of in zip(corpora, found, strict=True):
        kept.append(replace(corpus, pairs=tuple(p for p in corpus.pairs if not held & {of[o] for o in p.relevant})))
        own = (p for p in corpus.pairs if p.made == "written" and of[p.relevant[0]] in held)
        left.append(replace(corpus, pairs=tuple(own)))
    return kept, left


def sampled(corpora: Sequence[Corpus], count: int, *, seed: int) -> list[Corpus]:
    """So many pairs of all corpora together, those over the same documents in one; of many documents a sample."""
    every = [(corpus, pair) for corpus in corpora for pair in corpus.pairs]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    made: dict[tuple[str, ...], Corpus] = {}
    for corpus, pair in chosen:
        own = made.setdefault(tuple(doc.id for doc in corpus.docs), replace(corpus, pairs=()))
        made[tuple(doc.id for doc in corpus.docs)] = replace(own, pairs=(*own.pairs, pair))
    return [replace(one, docs=catalogue(one, CATALOGUE, seed=seed)) for one in made.values()]


def catalogue(corpus: Corpus, count: int, *, seed: int) -> tuple[ApiDoc, ...]:
    """So many documents of a corpus, with all that a pair is about."""
    needed = {one for pair in corpus.pairs for one in pair.relevant}
    others = [doc.id for doc in corpus.docs if doc.id not in needed]
    room = max(0, min(count - len(needed), len(others)))
    taken = needed | set(random.Random(seed).sample(others, room))
    return tuple(doc for doc in corpus.docs if doc.id in taken)


def lists(corpus: Corpus, index: Index, *, seed: int) -> Iterator[Listed]:
    """Of each pair, its document and others that the index's vectors find near and that are likely to be wrong."""
    rng = random.Random(seed)
    by_id = {doc.id: doc for doc in corpus.docs}
    asked = [query_text(pair.question) for pair in corpus.pairs]
    found = index.candidates_many(asked, mode="dense", k=NEGATIVES_FROM)
    right = index.encoder.encode([encoder_text(by_id[pair.relevant[0]]) for pair in corpus.pairs])
    nearest = (index.encoder.encode(asked, kind="query") * right).sum(axis=1)
    for pair, question, candidates, near in zip(corpus.pairs, asked, found, nearest, strict=True):
        wrong = _wrong(candidates, {by_id[one].call_key for one in pair.relevant}, MOST_OF_POSITIVE * float(near))
        if len(wrong) >= NEGATIVES:
            negatives = (encoder_text(doc) for doc in rng.sample(wrong, NEGATIVES))
            yield Listed(question, (positive_text(by_id[pair.relevant[0]], pair), *negatives))


def _wrong(candidates: Sequence[Candidate], right: set[str], below: float) -> list[ApiDoc]:
    return [one.doc for one in candidates if one.doc.call_key not in right and one.score < below]


def run(folder: Path, work: Path, names: Sequence[str], tell: training.Tell) -> None:
    """Trains the cross-encoder, asks it about each set and takes its time, unless that was done."""

    @cache
    def split() -> tuple[list[Corpus], list[Corpus]]:
        return apart(data.general(folder, work / openapi.ARCHIVE).corpora, share=SOURCES_HELD_BACK, seed=0)

    model = work / FOLDER / retriever.MODEL
    if not model.is_dir():
        _trained(sampled(split()[0], TRAINED, seed=0), model, work, tell)
    if not _file(work, HELD_BACK).is_file():
        _keep(_file(work, HELD_BACK), asdict(_held_back(sampled(split()[1], TUNED_ON, seed=0), model, work)))
    for what, made in (("", _asked), (BESIDE, _beside)):
        for name in names:
            if not _file(work, what + name).is_file():
                asked = few(data.LEFT_OUT[name](folder) if name in data.LEFT_OUT else data.measured(name, folder))
                _keep(_file(work, what + name), made(asked, work))
                tell(f"{what}{name}: {len(asked.questions)} questions")
    if not _file(work, TIMES).is_file():
        _keep(_file(work, TIMES), _milliseconds([_pools_of(work, name) for name in names], model))


def few(asked: data.Asked) -> data.Asked:
    """A sample of a set's questions over all of its documents."""
    places = random.Random(0).sample(range(len(asked.questions)), min(ASKED, len(asked.questions)))
    questions, right, groups = ([of[place] for place in places] for of in (asked.questions, asked.right, asked.groups))
    return replace(asked, questions=tuple(questions), right=tuple(right), groups=tuple(groups))


def _encoder(name: str) -> str:
    """The shipped one, but for documents whose questions it was trained on."""
    return report.TUNED if name in data.MEASURED else report.STOCK


def _asked(asked: data.Asked, work: Path) -> dict[str, Any]:
    return asdict(_pools(asked, f"asked-{asked.name}", work / FOLDER / retriever.MODEL, work))


def _beside(asked: data.Asked, work: Path) -> dict[str, list[float]]:
    """What is known without a cross-encoder, of the encoders that weren't trained on the set."""
    made: dict[str, list[float]] = {}
    for label in dict.fromkeys((report.STOCK, _encoder(asked.name))):
        modes = {title: mode for title, of, mode in _BESIDE if of == label}
        found = measured_anew(asked, load_encoder(_ENCODERS[label]), work, list(modes.values()))
        made |= {title: found[mode][_NDCG] for title, mode in modes.items()}
    return made


def _trained(corpora: Sequence[Corpus], out: Path, work: Path, tell: training.Tell) -> None:
    rows: list[Listed] = []
    for corpus in corpora:
        index = training.opened(corpus.docs, f"mined-{corpus.name}", load_encoder(report.TUNED), work)
        rows += lists(corpus, index, seed=0)
        index.close()
        tell(f"{corpus.name}: {len(corpus.docs)} documents, {len(corpus.pairs)} pairs, {len(rows)} lists")
    out.parent.mkdir(exist_ok=True)
    cross_encoder.train(rows, registry.path(training.BASE), out, seed=0, tell=tell)


def _held_back(corpora: Sequence[Corpus], model: Path, work: Path) -> Pools:
    made = {}
    for corpus in corpora:
        key = {doc.id: doc.call_key for doc in corpus.docs}
        right = tuple(frozenset(key[one] for one in pair.relevant) for pair in corpus.pairs)
        questions = tuple(pair.question for pair in corpus.pairs)
        asked = data.Asked(corpus.name, corpus.docs, questions, right, tuple(map(str, range(len(questions)))))
        made[corpus.name] = _pools(asked, f"{HELD_BACK}-{corpus.name}", model, work)
    return joined(made)


def joined(pools: Mapping[str, Pools]) -> Pools:
    """Those of several sets as one, where a group stays within its set."""
    each = pools.values()
    return Pools(
        groups=[f"{name} {value}" for name, one in pools.items() for value in one.groups],
        questions=[value for one in each for value in one.questions],
        right=[value for one in each for value in one.right],
        calls=[value for one in each for value in one.calls],
        texts=[value for one in each for value in one.texts],
        fused=[value for one in each for value in one.fused],
        logits=[value for one in each for value in one.logits],
    )


def _pools(asked: data.Asked, place: str, model: Path, work: Path) -> Pools:
    index = training.opened(asked.docs, place, load_encoder(_ENCODERS[_encoder(asked.name)]), work)
    found = index.candidates_many(asked.questions, mode="hybrid", k=CANDIDATES)
    index.close()
    reader = CrossEncoder(model, cross_encoder.by_torch(model))
    texts = [[encoder_text(one.doc) for one in row] for row in found]
    return Pools(
        groups=list(asked.groups),
        questions=[query_text(question) for question in asked.questions],
        right=[sorted(keys) for keys in asked.right],
        calls=[[one.doc.call_key for one in row] for row in found],
        texts=texts,
        fused=[[float(one.score) for one in row] for row in found],
        logits=[reader.logits(query_text(one), own) for one, own in zip(asked.questions, texts, strict=True)],
    )


def _milliseconds(pools: Sequence[Pools], model: Path) -> dict[str, list[float]]:
    """What questions of each set take by torch and by ONNX Runtime, by turns."""
    whole, small = cross_encoder.exported(model)
    runs = {
        "torch": cross_encoder.by_torch(model),
        "ONNX": cross_encoder.by_onnx(whole),
        "ONNX, int8": cross_encoder.by_onnx(small),
    }
    readers = {name: CrossEncoder(model, run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for one in pools:
        for question, texts in zip(one.questions[:TIMED], one.texts, strict=False):
            for name, reader in readers.items():
                began = time.perf_counter()
                reader.logits(question, texts)
                taken[name].append(1000 * (time.perf_counter() - began))
    return taken


def _file(work: Path, name: str) -> Path:
    return work / FOLDER / f"{name.replace('/', '-')}.json"


def _keep(file: Path, value: Mapping[str, object]) -> None:
    write_text(file, json.dumps(value))


def _kept(work: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_file(work, name).read_text(encoding="utf-8"))
    return found


def _pools_of(work: Path, name: str) -> Pools:
    return Pools(**_kept(work, name))


def chosen(pools: Pools) -> float:
    """The share with the best nDCG@10."""
    return max(SHARES, key=lambda share: float(np.mean(pools.scores(share).values[_NDCG])))


def table(work: Path, names: Sequence[str]) -> Iterator[str]:
    """nDCG@10 and the first candidate, before and after; by share of the cross-encoder's number; what it takes."""
    held = _pools_of(work, HELD_BACK)
    pools = {name: _pools_of(work, name) for name in names}
    share = chosen(held)
    yield from _beside_table(work, pools, share)
    yield from _changes(pools, share)
    yield from _by_share({HELD_BACK: held, **pools})
    for name, values in _kept(work, TIMES).items():
        yield f"{name}: {statistics.median(values):.0f} ms a question, {len(values)} questions"


def _beside_table(work: Path, found: Mapping[str, Pools], share: float) -> Iterator[str]:
    """nDCG@10 of every way of searching."""
    titles = [title for title, *_ in _BESIDE]
    shown = [*titles, "+ BM25", "reranked alone", f"{share} added"]
    yield from _head(f"| Set | questions | candidates of | {' | '.join(shown)} |")
    for name, pools in found.items():
        known = _kept(work, BESIDE + name)
        cells = [_short(Scores(tuple(pools.groups), {_NDCG: known[one]})) if one in known else "" for one in titles]
        cells += [_short(one) for one in (pools.scores(0.0), pools.alone, pools.scores(share))]
        yield f"| {name} | {len(pools.groups)} | {_encoder(name)} | {' | '.join(cells)} |"
    yield ""


def _changes(found: Mapping[str, Pools], share: float) -> Iterator[str]:
    """What reranking gains, set by set and over those of one encoder."""
    metrics = (_NDCG, "first")
    shown = [f"{metric}{what}" for metric in metrics for what in ("", ", alone −", f", {share} added −")]
    yield from _head(f"| Set | questions | {' | '.join(shown)} |")
    for name, pools in {**found, **dict(_by_encoder(found))}.items():
        before, after = pools.scores(0.0), (pools.alone, pools.scores(share))
        cells = [
            cell
            for metric in metrics
            for cell in (_short(before, metric), *(report.difference(one.against(before, metric)) for one in after))
        ]
        yield f"| {name} | {len(pools.groups)} | {' | '.join(cells)} |"
    yield ""


def _by_encoder(found: Mapping[str, Pools]) -> Iterator[tuple[str, Pools]]:
    for label in _ENCODERS:
        if own := {name: pools for name, pools in found.items() if _encoder(name) == label}:
            yield f"all {len(own)} by {label}", joined(own)


def _by_share(found: Mapping[str, Pools]) -> Iterator[str]:
    """nDCG@10 by how much of the cross-encoder's number is added."""
    yield from _head(f"| Added | {' | '.join(found)} |")
    for share in SHARES:
        yield f"| {share} | {' | '.join(_short(pools.scores(share)) for pools in found.values())} |"
    yield ""


def _head(line: str) -> Iterator[str]:
    yield line
    yield "|---" + "|--:" * (line.count("|") - 2) + "|"


def _short(scores: Scores, metric: str = _NDCG) -> str:
    return report.short(scores.estimate(metric).value)
