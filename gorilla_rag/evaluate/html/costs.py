"""What the answers took: time by step, tokens, memory. Measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

from gorilla_rag.evaluate.html.markup import Data, line, section, table, text

_STAGES = {
    "search": "search",
    "choose": "choose",
    "arguments": "arguments",
    "recall": "call from memory",
    "load model": "load the model",
    "explain": "explain",
    "verify": "verify",
    "total": "total",
}
_PERCENTILES = ("p50", "p95", "p99")
_TOKENS = {"prompt": "read", "cached": "of them cached", "completion": "written"}
_MIB = 2**20


def costs(data: Data) -> str:
    """Each row's time, tokens and memory, and the time of the whole."""
    timings = data["timings"]
    stages = [stage for stage in _STAGES if any(stage in found for found in timings["rows"].values())]
    lines = [
        [
            text(name),
            *(_percentiles(found.get(stage), 1000, 1) for stage in stages),
            *(_percentiles(tokens.get(name), 1, 0) for name in _TOKENS),
            f"{timings['peak_memory'][name] / _MIB:.0f}",
        ]
        for name, found in timings["rows"].items()
        for tokens in [_tokens(data, name)]
    ]
    return section("What it takes", *_cost_of_rows(stages, lines), *_whole(timings))


def _tokens(data: Data, name: str) -> Data:
    return next(row["tokens"] for row in data["rows"] if row["name"] == name)


def _cost_of_rows(stages: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    if not lines:
        return []
    above = (
        f'<tr><th></th><th scope="colgroup" colspan="{len(stages)}">milliseconds</th>'
        f'<th scope="colgroup" colspan="{len(_TOKENS)}">tokens</th><th>MiB</th></tr>'
    )
    heads = ["", *(_STAGES[stage] for stage in stages), *map(text, _TOKENS.values()), "peak memory"]
    return [
        "<p>50th, 95th and 99th percentile over the questions that came to the step. The total is without loading the "
        "model. Peak memory is the whole process's up to then, rows in this order, so it never falls.</p>",
        table(heads, map(line, lines), above=above),
    ]


def _whole(timings: Data) -> list[str]:
    return [f"<p>Everything took {timings['seconds']:.0f} s.</p>"]


def _percentiles(found: Data | None, times: int, digits: int) -> str:
    """A cell of three lines, or a dash."""
    if not found:
        return "–"
    first, *others = (f"{found[name] * times:.{digits}f}" for name in _PERCENTILES)
    return first + "".join(f"<small>{other}</small>" for other in others)
