"""Two reports of one benchmark side by side: which questions changed, in which direction, and whether it is chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gorilla_rag.errors import UsageError
from gorilla_rag.evaluate.baselines import RANDOM
from gorilla_rag.evaluate.report import Report
from gorilla_rag.evaluate.statistics import Grouped, PairedTest

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Change:
    """One row, before and after.

    Attributes:
        row: its name.
        test: after against before, macro API match.
        gained, lost: ids of the questions that became right, and that became wrong.
    """

    row: str
    test: PairedTest
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports.

    Attributes:
        changes: of each row that both have.
        questions: how many both have.
        warnings: what makes them less alike than they should be.
    """

    changes: tuple[Change, ...]
    questions: int
    warnings: tuple[str, ...]

    def below(self, bar: float) -> tuple[Change, ...]:
        """The rows whose macro API match rose by less than `bar` (a negative one allows a loss).

        The random baseline, which a seed moves, is left out unless it is the only one.
        """
        held = [change for change in self.changes if change.row != RANDOM or len(self.changes) == 1]
        return tuple(change for change in held if change.test.difference.value < bar - _ROUNDING)


def compare(before: Report, after: Report, *, row: str | None = None, seed: int = 0) -> Comparison:
    """What changed from one report to another.

    Args:
        before: the one it is held against.
        after: of the same benchmark.
        row: only this one.
        seed: of the test.

    Raises:
        UsageError: reports of different benchmarks, without common questions, or without the row.
    """
    about, other = before.data["benchmark"], after.data["benchmark"]
    if about["name"] != other["name"]:
        raise UsageError(f"reports of {about['name']} and {other['name']}", hint="compare reports of one benchmark")
    old, new = _questions(before), _questions(after)
    common = [question for question in old if question in new and old[question]["key"] == new[question]["key"]]
    if not common:
        raise UsageError("the reports have no question in common", hint="use the same sample for both")
    names = [name for name in before.rows if name in after.rows and row in (None, name)]
    if not names:
        raise UsageError(f"no common row{f' {row!r}' if row else ''}", hint=f"rows: {', '.join(after.rows)}")
    grouped = Grouped([old[question]["key"] for question in common], seed=seed)
    changes = tuple(_change(name, old, new, common, grouped) for name in names)
    warnings = [f"{name} differs" for name in ("sha256", "documents_sha256") if about[name] != other[name]]
    warnings += [
        f"{name} differs" for name in ("settings", "seed") if before.data["run"][name] != after.data["run"][name]
    ]
    if gone := [name for name in before.rows if name not in after.rows]:
        warnings.append(f"rows that are gone: {', '.join(gone)}")
    if len(common) < max(len(old), len(new)):
        warnings.append(f"{len(common)} questions in common, of {len(old)} and {len(new)}")
    return Comparison(changes, len(common), tuple(warnings))


def _questions(report: Report) -> dict[str, Any]:
    return {question["id"]: question for question in report.data["questions"]}


def _change(name: str, old: Mapping[str, Any], new: Mapping[str, Any], common: list[str], grouped: Grouped) -> Change:
    was = [_right(old[question], name) for question in common]
    now = [_right(new[question], name) for question in common]
    test = grouped.paired(now, was)
    if test is None:
        raise UsageError(f"row {name!r} has no question in common", hint="evaluate the same questions for both")
    moved = list(zip(common, was, now, strict=True))
    gained = tuple(question for question, a, b in moved if a is not None and b is not None and b > a)
    lost = tuple(question for question, a, b in moved if a is not None and b is not None and b < a)
    return Change(name, test, gained, lost)


def _right(question: Mapping[str, Any], name: str) -> float | None:
    answer = question["rows"].get(name)
    return None if answer is None else float(answer["right"])
