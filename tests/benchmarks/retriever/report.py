"""The tables of docs/results/retriever.md, from scores that were measured before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gorilla_rag.evaluate.statistics import Estimate, PairedTest
from gorilla_rag.index.index import Retrieval
from tests.benchmarks.retriever import data, folds
from tests.benchmarks.retriever.measuring import Scores, measure

TUNED = "api-minilm"
STOCK = "stock"
METRICS_SHOWN = ("first", "five", "recall@5", "ndcg@10")
COMPARED = ("first", "five", "ndcg@10")
_ROWS: tuple[tuple[str, str, Retrieval], ...] = (
    ("BM25", STOCK, "bm25"),
    ("stock", STOCK, "dense"),
    ("stock + BM25", STOCK, "hybrid"),
    ("tuned", TUNED, "dense"),
    ("tuned + BM25", TUNED, "hybrid"),
)


def written(folder: Path, work: Path) -> str:
    """Every table, in Markdown."""
    lines: list[str] = []
    for other in sorted({_other_shares(path.name) for path in (work / "scores").glob("without-*")}):
        lines += [f"## Left out{other.replace('-', ' ')}", "", *_left_out(folder, work, other), ""]
    lines += ["## Never trained on", "", *_never(folder, work), ""]
    return "\n".join([*lines, "## Folds of two hubs", "", *_folds(folder, work), ""])


def _other_shares(label: str) -> str:
    """The end of a label that names other shares than the shipped encoder's; empty for these."""
    _, found, shares = label.partition("-shares-")
    return found + shares


def _left_out(folder: Path, work: Path, other: str) -> Iterator[str]:
    """nDCG@10 on each corpus by an encoder that was trained on the others."""
    yield "| Left out | questions | BM25 | stock | stock + BM25 | tuned | tuned + BM25 | tuned − stock | relative |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    gains = []
    for name in data.LEFT_OUT:
        asked = data.LEFT_OUT[name](folder)
        stock, tuned = (_known(asked, label, work) for label in (STOCK, f"without-{name}{other}"))
        if stock is None or tuned is None:
            continue
        test = tuned["dense"].against(stock["dense"], "ndcg@10")
        before = stock["dense"].estimate("ndcg@10").value
        gains.append(test.difference.value / before)
        cells = [stock["bm25"], stock["dense"], stock["hybrid"], tuned["dense"], tuned["hybrid"]]
        shown = " | ".join(f"{one.estimate('ndcg@10').value:.3f}" for one in cells)
        yield f"| {name} | {len(asked.questions):,} | {shown} | {_difference(test)} | {gains[-1]:+.1%} |"
    if gains:
        yield f"| mean | | | | | | | | {np.mean(gains):+.1%} |"


def _never(folder: Path, work: Path) -> Iterator[str]:
    metrics = " | ".join((*METRICS_SHOWN, *(f"{metric} − stock's" for metric in COMPARED)))
    yield f"| Set | row | {metrics} |"
    yield "|---|---|" + "--:|" * (len(METRICS_SHOWN) + len(COMPARED))
    for name in data.MEASURED:
        asked = data.measured(name, folder)
        found = {label: _known(asked, label, work) for label in (STOCK, TUNED)}
        for title, label, mode in _ROWS:
            scores = found[label]
            if scores is None:
                continue
            own = scores[mode]
            cells = [_estimate(own.estimate(metric)) for metric in METRICS_SHOWN]
            stock = found[STOCK]
            gains = [""] * len(COMPARED)
            if label == TUNED and stock is not None:
                gains = [_difference(own.against(stock[mode], metric)) for metric in COMPARED]
            yield f"| {name} ({len(asked.questions):,}) | {title} | {' | '.join([*cells, *gains])} |"


def _folds(folder: Path, work: Path) -> Iterator[str]:
    """What questions of the other folds add to the tuned encoder."""
    yield "| Hub | row | first | among five | first − tuned's | among five − tuned's |"
    yield "|---|---|--:|--:|--:|--:|"
    for name in folds.HUBS:
        asked = data.measured(name, folder)
        tuned, found = (_known(asked, label, work) for label in (TUNED, folds.LABEL))
        shown: tuple[tuple[Retrieval, str], ...] = (("dense", ""), ("hybrid", " + BM25"))
        for mode, title in shown:
            if tuned is None or found is None:
                continue
            for scores, row in ((tuned, "tuned"), (found, "tuned further on other folds")):
                cells = [_estimate(scores[mode].estimate(metric)) for metric in ("first", "five")]
                gains = ["", ""]
                if scores is found:
                    gains = [_difference(found[mode].against(tuned[mode], metric)) for metric in ("first", "five")]
                yield f"| {name} | {row}{title} | {' | '.join([*cells, *gains])} |"


def _known(asked: data.Asked, label: str, work: Path) -> dict[Retrieval, Scores] | None:
    """Scores that were measured before."""
    if not (work / "scores" / label / f"{asked.name.replace('/', '-')}.json").is_file():
        return None
    return measure(asked, None, label, work)


def _estimate(found: Estimate) -> str:
    return f"{_short(found.value)} [{_short(found.low)}, {_short(found.high)}]"


def _difference(test: PairedTest) -> str:
    found = test.difference
    return f"{_signed(found.value)} [{_signed(found.low)}, {_signed(found.high)}]"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)
