"""Our checker of function calls against the leaderboard's own, on answers made from its questions.

    python -m tests.benchmarks.function_calls --data DATA --python LEADERBOARD/bin/python

DATA holds bfcl/. LEADERBOARD is an environment of its own with PyPI's `bfcl-eval` (Apache-2.0), whose other
requirements (torch among them) its checker doesn't import; these do, through the list of models that it imports:

    python3 -m venv LEADERBOARD
    LEADERBOARD/bin/pip install --no-deps bfcl-eval==2026.3.23 qwen-agent==0.0.34
    LEADERBOARD/bin/pip install -r tests/benchmarks/function_calls/leaderboard.txt

Writes tables as Markdown; exit status 1 where less than 99.5 % is agreed on, or a difference has no known reason.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from gorilla_rag.evaluate.function_calling.checker import judge, read
from tests.benchmarks.function_calls import answers, questions
from tests.benchmarks.function_calls.compare import UNEXPLAINED, Compared, compare, leaderboard, reasons
from tests.benchmarks.function_calls.probes import PROBES

BAR = 0.995


def table(title: str, compared: Sequence[Compared], part: Callable[[Compared], str]) -> None:
    """How many answers of each part are judged alike."""
    parts = defaultdict(list)
    for one in compared:
        parts[part(one)].append(one)
    print(f"\n| {title} | answers | both right | both wrong | ours alone right | theirs alone right | agreed |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, some in [*parts.items(), ("**all**", list(compared))]:
        sides = [(one.ours.right, one.theirs.right) for one in some]
        counts = [sides.count(side) for side in ((True, True), (False, False), (True, False), (False, True))]
        cells = [f"{count:,}" for count in (len(some), *counts)]
        print(f"| {name} | {' | '.join(cells)} | {100 * agreement(some):.2f} % |")


def agreement(compared: Sequence[Compared]) -> float:
    """Share of answers that are judged alike."""
    return sum(one.agreed for one in compared) / len(compared)


def differences(differing: Sequence[Compared], python: str) -> bool:
    """Lists every difference with its reason; whether each has one."""
    found = sorted(zip(reasons(differing, python), differing, strict=True), key=lambda pair: pair[0])
    print("\n| reason | question | what was changed | documented | ours | theirs |\n|---|---|---|---|---|---|")
    for reason, one in found:
        given, theirs = one.given, "right" if one.theirs.right else one.theirs.error
        ours = str(one.ours.fault or "right")
        print(f"| {reason} | {given.question.id} | {given.kind} | {given.where} | {ours} | {theirs} |")
    return all(reason != UNEXPLAINED for reason, _ in found)


def probes(python: str) -> bool:
    """Our own small questions, for each known difference; whether all come out as they should."""
    theirs = leaderboard([(probe.question, probe.answer) for probe in PROBES], python)
    print("\n| reason | documented, accepted: answered | ours | theirs |\n|---|---|---|---|")
    expected = True
    for probe, their in zip(PROBES, theirs, strict=True):
        ours = judge(read(probe.answer), probe.question.gold, probe.question.functions)
        expected &= ours.right == probe.right and (their.right != probe.right or "crash" in their.error)
        verdict = "right" if their.right else their.error[:60]
        print(f"| {probe.why} | {probe.question.id[:90]} | {ours.fault or 'right'} | {verdict} |")
    return expected


def main(data: Path, python: str, seed: int) -> bool:
    """Compares, prints, and says whether the bar is met."""
    asked = questions.load(data, questions.PYTHON)
    compared = compare(list(answers.made(asked, seed)), python)
    table("question", compared, lambda one: one.given.question.category)
    table("what was done", compared, lambda one: one.given.group)
    table("kind", compared, lambda one: one.given.kind)
    explained = differences([one for one in compared if not one.agreed], python)
    idle = compare(list(answers.irrelevant(questions.load(data, questions.IRRELEVANCE))), python)
    table("irrelevance", idle, lambda one: one.given.kind)
    return probes(python) and explained and min(agreement(compared), agreement(idle)) >= BAR


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--python", required=True, help="an interpreter that has bfcl-eval")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(0 if main(given.data, given.python, given.seed) else 1)
