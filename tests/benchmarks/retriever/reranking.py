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

import numpy as np

from gorilla_rag.answer import Candidate
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder
from gorilla_rag.files import write_text
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.text import encoder_text, query_text
from gorilla_rag.train import retriever
from gorilla_rag.train.corpus import Corpus, positive_text
from gorilla_rag.train.negatives import MOST_OF_POSITIVE
from tests.benchmarks.retriever import cross_encoder, data, openapi, report, training
from tests.benchmarks.retriever.cross_encoder import CrossEncoder, Listed
from tests.benchmarks.retriever.measuring import Mode, Scores, judged

FOLDER = "reranked"
HELD_BACK = "held-back"
CANDIDATES = 20
ASKED = 200
TIMED = 20
TRAINED, TUNED_ON = 4000, 300
NEGATIVES, NEGATIVES_FROM = 4, 30
SOURCES_HELD_BACK = 0.1
SHARES = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""How much of the cross-encoder's number is added to the index's score."""
_BESIDE: tuple[tuple[str, str, Mode], ...] = (
    ("BM25", report.STOCK, "bm25"),
    ("stock", report.STOCK, "dense"),
    ("tuned", report.TUNED, "dense"),
    ("tuned, BM25: RRF", report.TUNED, "rrf"),
)


@dataclass(frozen=True)
class Pools:
    """The first candidates of some questions of a set, as the index orders them, and what the cross-encoder says.

    Attributes:
        places: which of the set's questions.
        groups: what macro averages group by.
        right: of each question, keys of the right calls.
        calls: of each question, those of its candidates.
        fused: the index's scores of them.
        logits: the cross-encoder's.
        milliseconds: a question, by what computed it; medians.
    """

    places: list[int]
    groups: list[str]
    right: list[list[str]]
    calls: list[list[str]]
    fused: list[list[float]]
    logits: list[list[float]]
    milliseconds: dict[str, float]

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
    """The corpora with so many pairs of all together, and none without any."""
    every = [(number, pair) for number, corpus in enumerate(corpora) for pair in corpus.pairs]
    chosen = random.Random(seed).sample(every, min(count, len(every)))
    made = [
        replace(corpus, pairs=tuple(pair for of, pair in chosen if of == number))
        for number, corpus in enumerate(corpora)
    ]
    return [corpus for corpus in made if corpus.pairs]


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
    """Trains the cross-encoder and asks it about each set, unless that was done."""

    @cache
    def split() -> tuple[list[Corpus], list[Corpus]]:
        material = data.general(folder, work / openapi.ARCHIVE)
        return apart(material.corpora, share=SOURCES_HELD_BACK, seed=0)

    model = work / FOLDER / retriever.MODEL
    if not model.is_dir():
        _trained(sampled(split()[0], TRAINED, seed=0), model, work, tell)
    if not _file(work, HELD_BACK).is_file():
        _keep(work, HELD_BACK, _held_back(sampled(split()[1], TUNED_ON, seed=0), model, work))
    for name in names:
        if not _file(work, name).is_file():
            asked = data.LEFT_OUT[name](folder) if name in data.LEFT_OUT else data.measured(name, folder)
            index = training.opened(asked.docs, f"asked-{name}", _encoder(name, work), work)
            places = random.Random(0).sample(range(len(asked.questions)), min(ASKED, len(asked.questions)))
            questions = [asked.questions[place] for place in places]
            found = _found(index, questions)
            took = _milliseconds(questions[:TIMED], found[:TIMED], model)
            _keep(work, name, replace(_pools(asked, places, found, model), milliseconds=took))
            index.close()
            tell(f"{name}: {len(places)} questions")


def _trained(corpora: Sequence[Corpus], out: Path, work: Path, tell: training.Tell) -> None:
    # The general training's own encoder, which knows nothing of any corpus.
    encoder = SentenceTransformersEncoder(
        work / training.GENERAL / retriever.MODEL, name=training.GENERAL, dtype="bfloat16"
    )
    rows: list[Listed] = []
    for corpus, index in _indexed(corpora, encoder, work):
        rows += lists(corpus, index, seed=0)
        tell(f"{corpus.name}: {len(corpus.pairs)} pairs, {len(rows)} lists")
    out.parent.mkdir(exist_ok=True)
    cross_encoder.train(rows, registry.path(training.BASE), out, seed=0, tell=tell)


def _held_back(corpora: Sequence[Corpus], model: Path, work: Path) -> Pools:
    """By the stock encoder: a tuned one has been trained on these questions."""
    made = {}
    for corpus, index in _indexed(corpora, load_encoder(training.BASE), work):
        key = {doc.id: doc.call_key for doc in corpus.docs}
        right = tuple(frozenset(key[one] for one in pair.relevant) for pair in corpus.pairs)
        questions = tuple(pair.question for pair in corpus.pairs)
        asked = data.Asked(corpus.name, corpus.docs, questions, right, tuple(map(str, range(len(questions)))))
        made[corpus.name] = _pools(asked, range(len(questions)), _found(index, questions), model)
    return joined(made)


def joined(pools: Mapping[str, Pools]) -> Pools:
    """Those of several sets as one, where a group stays within its set."""
    each = pools.values()
    return Pools(
        places=[value for one in each for value in one.places],
        groups=[f"{name} {value}" for name, one in pools.items() for value in one.groups],
        right=[value for one in each for value in one.right],
        calls=[value for one in each for value in one.calls],
        fused=[value for one in each for value in one.fused],
        logits=[value for one in each for value in one.logits],
        milliseconds={},
    )


def _indexed(corpora: Sequence[Corpus], encoder: Encoder, work: Path) -> Iterator[tuple[Corpus, Index]]:
    """Each corpus with an index; those of the same documents share one."""
    names: dict[tuple[str, ...], str] = {}
    for corpus in corpora:
        name = names.setdefault(tuple(doc.id for doc in corpus.docs), corpus.name)
        index = training.opened(corpus.docs, f"general-{name}", encoder, work)
        yield corpus, index
        index.close()


def _encoder(name: str, work: Path) -> Encoder:
    """One that wasn't trained on a corpus, or the one that ships."""
    if name not in data.LEFT_OUT:
        return load_encoder(report.TUNED)
    label = f"without-{name}"
    return SentenceTransformersEncoder(work / label / retriever.MODEL, name=label, dtype="bfloat16")


def _found(index: Index, questions: Sequence[str]) -> list[list[Candidate]]:
    return index.candidates_many(questions, mode="hybrid", k=CANDIDATES)


def _pools(asked: data.Asked, places: Sequence[int], found: Sequence[Sequence[Candidate]], model: Path) -> Pools:
    reader = CrossEncoder(model, cross_encoder.by_torch(model))
    return Pools(
        places=list(places),
        groups=[asked.groups[place] for place in places],
        right=[sorted(asked.right[place]) for place in places],
        calls=[[one.doc.call_key for one in row] for row in found],
        fused=[[float(one.score) for one in row] for row in found],
        logits=[_logits(reader, asked.questions[place], row) for place, row in zip(places, found, strict=True)],
        milliseconds={},
    )


def _logits(reader: CrossEncoder, question: str, candidates: Sequence[Candidate]) -> list[float]:
    return reader.logits(query_text(question), [encoder_text(one.doc) for one in candidates])


def _milliseconds(questions: Sequence[str], found: Sequence[Sequence[Candidate]], model: Path) -> dict[str, float]:
    """What a question takes by torch and by ONNX Runtime, by turns."""
    whole, small = cross_encoder.exported(model)
    runs = {
        "torch": cross_encoder.by_torch(model),
        "onnx": cross_encoder.by_onnx(whole),
        "onnx int8": cross_encoder.by_onnx(small),
    }
    readers = {name: CrossEncoder(model, run) for name, run in runs.items()}
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for question, candidates in zip(questions, found, strict=True):
        for name, reader in readers.items():
            began = time.perf_counter()
            _logits(reader, question, candidates)
            taken[name].append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in taken.items()}


def _file(work: Path, name: str) -> Path:
    return work / FOLDER / f"{name.replace('/', '-')}.json"


def _keep(work: Path, name: str, pools: Pools) -> None:
    write_text(_file(work, name), json.dumps(asdict(pools)))


def _read(work: Path, name: str) -> Pools:
    return Pools(**json.loads(_file(work, name).read_text(encoding="utf-8")))


def chosen(pools: Pools) -> float:
    """The share with the best nDCG@10."""
    return max(SHARES, key=lambda share: float(np.mean(pools.scores(share).values["ndcg@10"])))


def table(work: Path, names: Sequence[str]) -> Iterator[str]:
    """nDCG@10 before and after, then by share of the cross-encoder's number."""
    held, found = _read(work, HELD_BACK), {name: _read(work, name) for name in names}
    share = chosen(held)
    beside = [title for title, *_ in _BESIDE]
    after = ("alone", f"{share} added")
    shown = " | ".join([*beside, "tuned + BM25", *after])
    yield f"| Set | questions | {shown} | alone − before | added − before | ms |"
    yield "|---|" + "--:|" * (len(beside) + 7)
    for name, pools in found.items():
        cells = [_ndcg(_known(work, name, label, mode, pools)) for _, label, mode in _BESIDE]
        took = ", ".join(f"{value:.0f}" for value in pools.milliseconds.values())
        yield f"| {name} | {len(pools.places)} | {' | '.join([*cells, *_changes(pools, share)])} | {took} |"
    everything = joined(found)
    yield f"| all | {len(everything.places)} |{' |' * len(beside)} {' | '.join(_changes(everything, share))} | |"
    yield ""
    yield from _by_share(held, found)


def _changes(pools: Pools, share: float) -> list[str]:
    """Before, after in both ways, and the differences."""
    before, after = pools.scores(0.0), (pools.alone, pools.scores(share))
    differences = [report.difference(one.against(before, "ndcg@10")) for one in after]
    return [*(_ndcg(one) for one in (before, *after)), *differences]


def _by_share(held: Pools, found: Mapping[str, Pools]) -> Iterator[str]:
    """nDCG@10 by how much of the cross-encoder's number is added."""
    yield f"| Added | {HELD_BACK} | {' | '.join(found)} | mean of the sets |"
    yield "|--:|" + "--:|" * (len(found) + 2)
    for share in SHARES:
        scores = [pools.scores(share) for pools in (held, *found.values())]
        mean = float(np.mean([one.estimate("ndcg@10").value for one in scores[1:]]))
        yield f"| {share} | {' | '.join([*map(_ndcg, scores), report.short(mean)])} |"


def _known(work: Path, name: str, label: str, mode: Mode, pools: Pools) -> Scores:
    """Scores that `measure` or `left-out` kept, of the pools' questions."""
    label = f"without-{name}" if label == report.TUNED and name in data.LEFT_OUT else label
    kept = json.loads((work / "scores" / label / f"{name.replace('/', '-')}.json").read_text(encoding="utf-8"))[mode]
    values = {metric: [own[place] for place in pools.places] for metric, own in kept.items()}
    return Scores(tuple(pools.groups), values)


def _ndcg(scores: Scores) -> str:
    return report.short(scores.estimate("ndcg@10").value)
