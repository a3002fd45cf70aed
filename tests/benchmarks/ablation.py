"""What encoder, generator and chooser each add, in Markdown: `python -m tests.benchmarks.ablation FOLDER`.

FOLDER/SYSTEM/HUB holds reports of `gorilla-rag eval`, a SYSTEM for each pair of an encoder and a generator; what was
asked in parts is in SYSTEM.2 too. For each hub every row with each system, then what choosing changed, then how often
the surest answers are wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gorilla_rag.evaluate import Report

COVERAGES = (0.1, 0.25, 0.5, 0.75, 1.0)
Rows = Mapping[str, Mapping[str, Any]]


def tables(folder: Path) -> Iterator[str]:
    """One section a hub."""
    for hub in sorted({found.parent.name for found in folder.glob("*/*/report.json")}):
        systems: dict[str, dict[str, Any]] = {}
        for report in sorted(folder.glob(f"*/{hub}/report.json")):
            data = Report.load(report.parent).data
            rows = {row["name"]: row for row in data["rows"] if row["kind"] == "mode"}
            name = report.parent.parent.name.partition(".")[0]
            systems[name] = systems.get(name, {}) | rows
        about = data["benchmark"]
        yield f"### {about['name']}: {about['questions']} of {about['of']} questions, {about['gold_calls']} gold calls"
        yield ""
        yield from _matches(systems)
        yield from _choices(systems)
        yield from _risks(systems)


def _matches(systems: Mapping[str, Rows]) -> Iterator[str]:
    names = list(dict.fromkeys(name for rows in systems.values() for name in rows))
    yield f"| API match, macro (95 %) | {' | '.join(systems)} |"
    yield f"|---|{'---|' * len(systems)}"
    for name in names:
        yield f"| {name} | {' | '.join(_match(rows.get(name)) for rows in systems.values())} |"
    yield ""


def _match(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    found = row["metrics"]["api_match"]["macro"]
    return f"{_short(found['value'])} ({_short(found['low'])} to {_short(found['high'])})"


def _choices(systems: Mapping[str, Rows]) -> Iterator[str]:
    yield "| the model chooses | overridden | helped / hurt | paired difference to copying the first (95 %) |"
    yield "|---|---|---|---|"
    for system, rows in systems.items():
        for row in rows.values():
            moved, test = row["overrides"], row["test"]
            if moved and moved["overridden"] and test:
                found = test["difference"]
                apart = f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
                cells = [
                    f"{system}, {row['name']}",
                    _short(moved["rate"]),
                    f"{moved['helped']} / {moved['hurt']}",
                    apart,
                ]
                yield f"| {' | '.join(cells)} |"
    yield ""


def _risks(systems: Mapping[str, Rows]) -> Iterator[str]:
    yield f"| wrong among the surest | {' | '.join(f'{share:.0%}' for share in COVERAGES)} | AURC | ECE |"
    yield f"|---|{'---|' * (len(COVERAGES) + 2)}"
    for system, rows in systems.items():
        for row in rows.values():
            if row["risk_coverage"] and row["calibration"]:
                curve = row["risk_coverage"]["curve"]
                shown = [next(point for point in curve if point["coverage"] >= share - 1e-9) for share in COVERAGES]
                cells = [_short(1 - point["accuracy"]) for point in shown]
                cells += [_short(row["risk_coverage"]["area"]), _short(row["calibration"]["error"])]
                yield f"| {system}, {row['name']} | {' | '.join(cells)} |"
    yield ""


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


if __name__ == "__main__":
    print("\n".join(tables(Path(sys.argv[1]))))
