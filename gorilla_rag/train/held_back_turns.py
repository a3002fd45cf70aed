"""How often a generator does right by turns that it wasn't trained on: labels, arguments, and how sure it is of them.

Knows turns and a generator; trains nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gorilla_rag.answer import NONE
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.generate.transformers import Request, TransformersGenerator
from gorilla_rag.train.turns import Turn

_BATCH = 8


def measured(generator: TransformersGenerator, turns: Sequence[Turn]) -> dict[str, float]:
    """Shares of the turns that are done right.

    Returns:
        `choose`: where a document is right, its label is the likeliest of all, with `none` among them if the model may
        answer that; `none`: where none is right, `none` is the likeliest; `fill`: the arguments are written as they
        should be, with nothing masked. A figure is absent where no turn is of its kind.
    """
    found: defaultdict[str, list[bool]] = defaultdict(list)
    for start in range(0, len(turns), _BATCH):
        some = turns[start : start + _BATCH]
        for name, right in [*_chosen(generator, some), *_filled(generator, some)]:
            found[name].append(right)
    return {name: sum(values) / len(values) for name, values in sorted(found.items())}


def _chosen(generator: TransformersGenerator, turns: Sequence[Turn]) -> Iterator[tuple[str, bool]]:
    asked = [turn for turn in turns if turn.step == "choose"]
    requests = [Request(turn.messages, turn.prefill, labels=_labels(turn)) for turn in asked]
    for turn, request, (scores, _) in zip(
        asked, requests, generator.label_log_probabilities_many(requests), strict=True
    ):
        best = request.labels[max(range(len(scores)), key=scores.__getitem__)]
        yield "none" if turn.is_refusal else "choose", best == _wanted(turn)


def _labels(turn: Turn) -> tuple[str, ...]:
    """The labels of the documents that a prompt shows, and `none` where it offers that."""
    text = turn.messages[-1]["content"]
    shown = tuple(label for label in LABELS if f"\n[{label}] " in text)
    return (*shown, NONE) if turn.may_refuse else shown


def _wanted(turn: Turn) -> str:
    return turn.target.partition('"')[0]


def _filled(generator: TransformersGenerator, turns: Sequence[Turn]) -> Iterator[tuple[str, bool]]:
    asked = [turn for turn in turns if turn.step == "fill"]
    limit = max((len(turn.target) for turn in asked), default=0)
    requests = [Request(turn.messages, turn.prefill, max_tokens=limit) for turn in asked]
    for turn, (text, _) in zip(asked, generator.complete_many(requests), strict=True):
        yield "fill", text.strip() == turn.target
