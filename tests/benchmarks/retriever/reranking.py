"""What a cross-encoder gains that puts the index's first candidates into another order: `… retriever rerank`.

It is trained on questions of the general training, so none of what it is measured on is in its domain. How much its
number counts beside the index's own score is chosen on questions of sources that it isn't trained on.
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.files import write_text
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train import retriever
from gorilla_rag.train.corpus import Corpus, Pair, positive_text
from gorilla_rag.train.negatives import MOST_OF_POSITIVE
from tests.benchmarks.retriever import cross_encoder, data, openapi, report, training
from tests.benchmarks.retriever.cross_encoder import Listed
from tests.benchmarks.retriever.measuring import Mode, Scores, judged, measured_anew

CANDIDATES, ASKED, TIMED = 20, 200, 1
TRAINED, TUNED_ON, SOURCES_HELD_BACK = 4000, 300, 0.1
CATALOGUE = 2000
"""How many of a corpus's documents are searched, to mine and to choose by."""
NEGATIVES, NEGATIVES_FROM = 4, 30
SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""How much of the cross-encoder's number is added to the index's score."""
_MODES: tuple[Mode, ...] = ("bm25", "dense", "rrf")
_ENCODERS = {report.STOCK: training.BASE, report.TUNED: report.TUNED}
_BESIDE = {
    "BM25": f"{report.STOCK} bm25",
    "stock": f"{report.STOCK} dense",
    "stock, BM25: RRF": f"{report.STOCK} rrf",
    "tuned": f"{report.TUNED} dense",
    "tuned, BM25: RRF": f"{report.TUNED} rrf",
}


@dataclass(frozen=True)
class Pool:
    """A question's first candidates, as the index orders them, and what the cross-encoder says of each."""

    group: str
    question: str
    right: list[str]
    calls: list[str]
    texts: list[str]
    fused: list[float]
    logits: list[float]

    def reordered(self, share: float, index: float = 1.0) -> list[str]:
        """Calls by the index's score, times `index`, and so much of the cross-encoder's; equal ones as they were."""
        sums = [index * a + share * b for a, b in zip(self.fused, self.logits, strict=True)]
        return [self.calls[place] for place in sorted(range(len(sums)), key=lambda place: -sums[place])]


def scores(pools: Sequence[Pool], share: float, *, index: float = 1.0) -> Scores:
    """Of the candidates in their new order; by the cross-encoder alone where the index counts for nothing."""
    found = judged([one.reordered(share, index) for one in pools], [frozenset(one.right) for one in pools])
    return Scores(tuple(one.group for one in pools), found)


def chosen(pools: Sequence[Pool]) -> float:
    """The share with the best nDCG@10."""
    return max(SHARES, key=lambda share: float(np.mean(scores(pools, share).values["ndcg@10"])))


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
    catalogues = [tuple(doc.id for doc in corpus.docs) for corpus in corpora]
    every = [(number, pair) for number, corpus in enumerate(corpora) for pair in corpus.pairs]
    made: dict[tuple[str, ...], Corpus] = {}
    pairs: dict[tuple[str, ...], list[Pair]] = {}
    for number, pair in random.Random(seed).sample(every, min(count, len(every))):
        made.setdefault(catalogues[number], corpora[number])
        pairs.setdefault(catalogues[number], []).append(pair)
    found = (replace(corpus, pairs=tuple(pairs[key])) for key, corpus in made.items())
    return [replace(one, docs=catalogue(one, CATALOGUE, seed=seed)) for one in found]


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
    below = MOST_OF_POSITIVE * (index.encoder.encode(asked, kind="query") * right).sum(axis=1)
    for pair, question, candidates, least in zip(corpus.pairs, asked, found, below, strict=True):
        calls = {by_id[one].call_key for one in pair.relevant}
        wrong = [one.doc for one in candidates if one.doc.call_key not in calls and one.score < least]
        if len(wrong) >= NEGATIVES:
            negatives = (encoder_text(doc) for doc in rng.sample(wrong, NEGATIVES))
            yield question, (positive_text(by_id[pair.relevant[0]], pair), *negatives)


def run(folder: Path, work: Path, names: Sequence[str], tell: training.Tell) -> None:
    """Trains the cross-encoder, asks it about each set and takes its time, unless that was done."""

    @cache
    def split() -> tuple[list[Corpus], list[Corpus]]:
        return apart(data.general(folder, work / openapi.ARCHIVE).corpora, share=SOURCES_HELD_BACK, seed=0)

    if not _model(work).is_dir():
        _trained(sampled(split()[0], TRAINED, seed=0), work, tell)
    _unless_there(work, "held-back", lambda: _held_back(sampled(split()[1], TUNED_ON, seed=0), work))
    for name in names:
        asked = few(data.LEFT_OUT[name](folder) if name in data.LEFT_OUT else data.measured(name, folder))
        _unless_there(work, name, partial(_pools, asked, f"asked-{name}", work))
        _unless_there(work, f"{name}-beside", partial(_beside, asked, work))
        tell(f"{name}: {len(asked.questions)} questions")
    _unless_there(work, "times", lambda: _milliseconds([one for n in names for one in _known(work, n)[:TIMED]], work))


def _unless_there(work: Path, name: str, made: Callable[[], object]) -> None:
    if not _file(work, name).is_file():
        write_text(_file(work, name), json.dumps(made()))


def few(asked: data.Asked) -> data.Asked:
    """A sample of a set's questions over all of its documents."""
    places = random.Random(0).sample(range(len(asked.questions)), min(ASKED, len(asked.questions)))
    return replace(
        asked,
        questions=tuple(asked.questions[place] for place in places),
        right=tuple(asked.right[place] for place in places),
        groups=tuple(asked.groups[place] for place in places),
    )


def _encoder(name: str) -> str:
    """The shipped one, but for documents whose questions it was trained on."""
    return report.TUNED if name in data.MEASURED else report.STOCK


def _trained(corpora: Sequence[Corpus], work: Path, tell: training.Tell) -> None:
    rows: list[Listed] = []
    for corpus in corpora:
        index = training.opened(corpus.docs, f"mined-{corpus.name}", load_encoder(report.TUNED), work)
        rows += lists(corpus, index, seed=0)
        index.close()
        tell(f"{corpus.name}: {len(corpus.docs)} documents, {len(corpus.pairs)} pairs, {len(rows)} lists")
    _model(work).parent.mkdir(exist_ok=True)
    cross_encoder.train(rows, registry.path(training.BASE), _model(work), tell=tell)


def _held_back(corpora: Sequence[Corpus], work: Path) -> list[dict[str, Any]]:
    made = []
    for corpus in corpora:
        key = {doc.id: doc.call_key for doc in corpus.docs}
        right = tuple(frozenset(key[one] for one in pair.relevant) for pair in corpus.pairs)
        questions = tuple(pair.question for pair in corpus.pairs)
        groups = tuple(f"{corpus.name} {number}" for number in range(len(questions)))
        made += _pools(data.Asked(corpus.name, corpus.docs, questions, right, groups), f"tuned-on-{corpus.name}", work)
    return made


def _pools(asked: data.Asked, place: str, work: Path) -> list[dict[str, Any]]:
    index = training.opened(asked.docs, place, load_encoder(_ENCODERS[_encoder(asked.name)]), work)
    found = index.candidates_many(asked.questions, mode="hybrid", k=CANDIDATES)
    index.close()
    read = cross_encoder.reader(_model(work), cross_encoder.by_torch(_model(work)))
    made = []
    for group, asked_for, right, row in zip(asked.groups, asked.questions, asked.right, found, strict=True):
        question, texts = query_text(asked_for), [encoder_text(one.doc) for one in row]
        calls, fused = [one.doc.call_key for one in row], [float(one.score) for one in row]
        made.append(Pool(group, question, sorted(right), calls, texts, fused, read(question, texts)))
    return [asdict(one) for one in made]


def _beside(asked: data.Asked, work: Path) -> dict[str, list[float]]:
    """nDCG@10 by encoder and retriever, of the encoders that weren't trained on the set."""
    made: dict[str, list[float]] = {}
    for label in dict.fromkeys((report.STOCK, _encoder(asked.name))):
        found = measured_anew(asked, load_encoder(_ENCODERS[label]), work, _MODES)
        made |= {f"{label} {mode}": values["ndcg@10"] for mode, values in found.items()}
    return made


def _milliseconds(pools: Sequence[Pool], work: Path) -> dict[str, list[tuple[float, float]]]:
    """What each question takes at best of three by torch and by ONNX Runtime, by turns."""
    model, (whole, small) = _model(work), cross_encoder.exported(_model(work))
    runs = (cross_encoder.by_torch(model), cross_encoder.by_onnx(whole), cross_encoder.by_onnx(small))
    readers = [cross_encoder.reader(model, one) for one in runs]
    taken = [[min(_taken(read, one) for _ in range(3)) for read in readers] for one in pools]
    return dict(zip(("torch", "ONNX", "ONNX, int8"), map(list, zip(*taken, strict=True)), strict=True))


def _taken(read: cross_encoder.Reader, pool: Pool) -> tuple[float, float]:
    """Milliseconds, and those of all cores together."""
    began, busy = time.perf_counter(), time.process_time()
    read(pool.question, pool.texts)
    return 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - busy)


def _model(work: Path) -> Path:
    return work / "reranked" / retriever.MODEL


def _file(work: Path, name: str) -> Path:
    return work / "reranked" / f"{name.replace('/', '-')}.json"


def _read(work: Path, name: str) -> Any:
    return json.loads(_file(work, name).read_text(encoding="utf-8"))


def _known(work: Path, name: str) -> list[Pool]:
    return [Pool(**one) for one in _read(work, name)]


def table(work: Path, names: Sequence[str]) -> Iterator[str]:
    """nDCG@10 beside other ways of searching, and what comes first; what reranking gains, and what it takes."""
    share = chosen(_known(work, "held-back"))
    for metric, beside in (("ndcg@10", _BESIDE), ("first", {})):
        shown = [*beside, "hybrid", "reranked alone", f"{share} added", "alone − hybrid", "added − hybrid"]
        yield f"| {metric} | questions | by | {' | '.join(shown)} |"
        yield "|---|--:|---" + "|--:" * len(shown) + "|"
        for name in ("held-back", *names):
            pools, known = _known(work, name), _read(work, f"{name}-beside") if name in names else {}
            cells = [_mean(pools, known[one]) if one in known else "" for one in beside.values()]
            yield f"| {name} | {len(pools)} | {_encoder(name)} | {' | '.join([*cells, *_row(pools, share, metric)])} |"
        for by in ([report.TUNED], [report.STOCK], [*_ENCODERS]):
            every = [replace(p, group=f"{n} {p.group}") for n in names if _encoder(n) in by for p in _known(work, n)]
            if every:
                cells = [*("" for _ in beside), *_row(every, share, metric)]
                yield f"| all | {len(every)} | {', '.join(by)} | {' | '.join(cells)} |"
        yield ""
    for name, values in _read(work, "times").items():
        wall, busy = (statistics.median(one) for one in zip(*values, strict=True))
        yield f"{name}: {wall:.0f} ms a question, {busy:.0f} of all cores together; medians of {len(values)}"


def _row(pools: Sequence[Pool], share: float, metric: str) -> list[str]:
    before, after = scores(pools, 0.0), (scores(pools, 1.0, index=0.0), scores(pools, share))
    means = [report.short(one.estimate(metric).value) for one in (before, *after)]
    return [*means, *(report.difference(one.against(before, metric)) for one in after)]


def _mean(pools: Sequence[Pool], values: list[float]) -> str:
    return report.short(Scores(tuple(one.group for one in pools), {"": values}).estimate("").value)
