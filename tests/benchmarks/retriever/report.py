"""The tables of docs/results/retriever.md, from scores that were measured before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gorilla_rag.evaluate.statistics import Estimate, PairedTest
from tests.benchmarks.retriever import data, folds
from tests.benchmarks.retriever.measuring import Mode, measure

TUNED = "api-minilm"
STOCK = "stock"
METRICS_SHOWN = ("first", "five", "recall@5", "ndcg@10")
COMPARED = ("first", "five", "ndcg@10")
_ROWS: tuple[tuple[str, str, Mode], ...] = (
    ("BM25", STOCK, "bm25"),
    ("stock", STOCK, "dense"),
    ("stock, BM25: RRF", STOCK, "rrf"),
    ("stock + BM25", STOCK, "hybrid"),
    ("tuned", TUNED, "dense"),
    ("tuned, BM25: RRF", TUNED, "rrf"),
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
    yield f"| Left out | questions | {' | '.join(title for title, *_ in _ROWS)} | tuned − stock | relative |"
    yield "|---|" + "--:|" * (len(_ROWS) + 3)
    gains = []
    for name in data.LEFT_OUT:
        asked = data.LEFT_OUT[name](folder)
        found = {STOCK: measure(asked, None, STOCK, work), TUNED: measure(asked, None, f"without-{name}{other}", work)}
        if not all(found.values()):
            continue
        test = found[TUNED]["dense"].against(found[STOCK]["dense"], "ndcg@10")
        gains.append(test.difference.value / found[STOCK]["dense"].estimate("ndcg@10").value)
        shown = " | ".join(short(found[label][mode].estimate("ndcg@10").value) for _, label, mode in _ROWS)
        yield f"| {name} | {len(asked.questions):,} | {shown} | {difference(test)} | {_percent(gains[-1])} |"
    if gains:
        yield f"| mean |{' |' * (len(_ROWS) + 2)} {_percent(float(np.mean(gains)))} |"


def _never(folder: Path, work: Path) -> Iterator[str]:
    metrics = " | ".join((*METRICS_SHOWN, *(f"{metric} − stock's" for metric in COMPARED)))
    yield f"| Set | row | {metrics} |"
    yield "|---|---|" + "--:|" * (len(METRICS_SHOWN) + len(COMPARED))
    for name in data.MEASURED:
        asked = data.measured(name, folder)
        found = {label: measure(asked, None, label, work) for label in (STOCK, TUNED)}
        for title, label, mode in _ROWS:
            if mode not in found[label]:
                continue
            own, stock = found[label][mode], found[STOCK].get(mode)
            cells = [_estimate(own.estimate(metric)) for metric in METRICS_SHOWN]
            gains = [""] * len(COMPARED)
            if label == TUNED and stock is not None:
                gains = [difference(own.against(stock, metric)) for metric in COMPARED]
            yield f"| {name} ({len(asked.questions):,}) | {title} | {' | '.join([*cells, *gains])} |"


def _folds(folder: Path, work: Path) -> Iterator[str]:
    """What questions of the other folds add to the tuned encoder."""
    yield "| Hub | row | first | among five | first − tuned's | among five − tuned's |"
    yield "|---|---|--:|--:|--:|--:|"
    for name in folds.HUBS:
        asked = data.measured(name, folder)
        tuned, found = (measure(asked, None, label, work) for label in (TUNED, folds.LABEL))
        shown: tuple[tuple[Mode, str], ...] = (("dense", ""), ("hybrid", " + BM25"))
        for mode, title in shown:
            if not (tuned and found):
                continue
            for scores, row in ((tuned, "tuned"), (found, "tuned further on other folds")):
                cells = [_estimate(scores[mode].estimate(metric)) for metric in ("first", "five")]
                gains = ["", ""]
                if scores is found:
                    gains = [difference(found[mode].against(tuned[mode], metric)) for metric in ("first", "five")]
                yield f"| {name} | {row}{title} | {' | '.join([*cells, *gains])} |"


def _estimate(found: Estimate) -> str:
    return f"{short(found.value)} [{short(found.low)}, {short(found.high)}]"


def difference(test: PairedTest) -> str:
    """What one row gains over another, with its interval."""
    found = test.difference
    return f"{_signed(found.value)} [{_signed(found.low)}, {_signed(found.high)}]"


def short(value: float) -> str:
    """Three digits, without a zero before the point."""
    return f"{value:.3f}".removeprefix("0")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("0.", ".", 1)


def _percent(value: float) -> str:
    return f"{100 * value:+.1f} %"
