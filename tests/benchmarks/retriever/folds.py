"""Cross-validation on two hubs of APIBench: what their own questions add to the shipped encoder, `… retriever folds`.

Questions are in folds by their gold call, so that no call that is asked for was trained on. Each fold's questions are
answered by the shipped encoder trained further on all the others, of both hubs at once.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

from gorilla_rag.encoders.load import SentenceTransformersEncoder
from gorilla_rag.files import write_text
from gorilla_rag.index.index import RETRIEVALS
from gorilla_rag.train import retriever
from gorilla_rag.train.corpus import Corpus, Pair
from gorilla_rag.train.folder import RECORD
from gorilla_rag.train.leaks import guard, remove_leaks
from gorilla_rag.train.rows import rows
from gorilla_rag.train.settings import Settings
from tests.benchmarks.retriever import data
from tests.benchmarks.retriever.measuring import METRICS, Mode, measured_anew
from tests.benchmarks.retriever.training import SHIPPED, Tell

HUBS = ("apibench/huggingface", "apibench/tensorflowhub")
LABEL = "folds"
COUNT = 4


def run(folder: Path, work: Path, shipped: Path, tell: Tell, settings: Settings = SHIPPED) -> None:
    """Trains and measures every fold, unless that was done; the scores lie beside those of `measure`."""
    hubs = [data.measured(name, folder) for name in HUBS]
    fold_of = [_folds(asked) for asked in hubs]
    found: dict[str, dict[Mode, dict[str, list[float]]]] = {
        asked.name: {mode: {metric: [0.0] * len(asked.questions) for metric in METRICS} for mode in RETRIEVALS}
        for asked in hubs
    }
    for number in range(COUNT):
        corpora = [_without(asked, folds, number) for asked, folds in zip(hubs, fold_of, strict=True)]
        out = work / f"{LABEL}-{number}"
        if not (out / retriever.MODEL).is_dir():
            given = [rows(corpus, [()] * len(corpus.pairs), count=0, seed=settings.seed) for corpus in corpora]
            made = retriever.train(given, shipped, out, settings=settings, resume=(out / RECORD).is_file())
            tell(f"fold {number}: {sum(len(one.pairs) for one in corpora)} pairs, {made.seconds:.0f} s")
        encoder = SentenceTransformersEncoder(out / retriever.MODEL, name=out.name, dtype="bfloat16")
        for asked, folds in zip(hubs, fold_of, strict=True):
            chosen = [place for place, fold in enumerate(folds) if fold == number]
            for mode, scores in measured_anew(_only(asked, chosen), encoder, work).items():
                for metric, values in scores.items():
                    for place, value in zip(chosen, values, strict=True):
                        found[asked.name][mode][metric][place] = value
    for name, by_mode in found.items():
        write_text(work / "scores" / LABEL / f"{name.replace('/', '-')}.json", json.dumps(by_mode))


def _folds(asked: data.Asked) -> list[int]:
    """The fold of each question; all of one gold call are in one."""
    calls = sorted(set(asked.groups))
    random.Random(0).shuffle(calls)
    number = {call: place % COUNT for place, call in enumerate(calls)}
    return [number[group] for group in asked.groups]


def _without(asked: data.Asked, folds: list[int], number: int) -> Corpus:
    """The questions of the other folds, but what resembles one of this fold's."""
    ids: dict[str, list[str]] = {}
    for doc in asked.docs:
        ids.setdefault(doc.call_key, []).append(doc.id)
    relevant = [tuple(one for key in sorted(keys) for one in ids.get(key, ())) for keys in asked.right]
    others = [place for place, fold in enumerate(folds) if fold != number and relevant[place]]
    pairs = tuple(Pair(asked.questions[place], relevant[place], "given") for place in others)
    corpus = Corpus(asked.name, asked.docs, pairs, "APIBench's evaluation split, other folds", "Apache-2.0")
    held = [question for question, fold in zip(asked.questions, folds, strict=True) if fold == number]
    return remove_leaks(corpus, guard(held))[0]


def _only(asked: data.Asked, chosen: list[int]) -> data.Asked:
    return replace(
        asked,
        questions=tuple(asked.questions[place] for place in chosen),
        right=tuple(asked.right[place] for place in chosen),
        groups=tuple(asked.groups[place] for place in chosen),
    )
