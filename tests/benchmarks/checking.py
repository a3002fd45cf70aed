"""How `check` does on real code: false alarms, seeded faults found, speed, and what other tools find.

The code is that of five installed packages, their tests included. Every alarm and every fault that was missed is
written to a file (`CHECKING=FOLDER`, else a temporary folder), to be looked at.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gorilla_rag.check import Checked, check_files, make_resolver
from gorilla_rag.signatures.resolve import Resolver
from tests.benchmarks import faults, measure
from tests.benchmarks.measure import Row

PACKAGES = ("numpy", "scipy", "sklearn", "pandas", "networkx")
SEEDED = 500
COMPARED = 100
_BAR = "< 1 (errors per 1,000 calls and imports)"
_FOUND_BAR = ">= 0.95 (of seeded faults)"
_LINES = 10_000


def folder(package: str) -> Path:
    """Where a package is installed."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise RuntimeError(f"{package} isn't installed")
    return Path(found.origin).parent


def rows() -> Iterator[Row]:
    """Every measurement."""
    out = Path(os.environ.get("CHECKING") or tempfile.mkdtemp(prefix="checking-"))
    out.mkdir(parents=True, exist_ok=True)
    resolver = make_resolver()
    try:
        yield from _alarms(resolver, out / "alarms.txt")
        yield from _seeded(resolver, out)
    finally:
        resolver.close()
    yield from _speed()


def _alarms(resolver: Resolver, listing: Path) -> Iterator[Row]:
    """Findings of level error in code that its authors run: each is a false alarm, or a fault that they have."""
    total_lines, start = 0, _cpu()
    with listing.open("w", encoding="utf-8") as written:
        for package in PACKAGES:
            parts = []
            for part in check_files([folder(package)], resolver=resolver):
                parts.append(part)
                written.writelines(f"{one.file}:{one.line}: {one.rule}: {one.message}\n" for one in part.errors)
            whole = Checked.together(parts)
            total_lines += _lines(folder(package))
            share = 1000 * len(whole.errors) / whole.calls
            yield Row(f"check {package}: alarms", share, "per 1,000", _BAR, _counts(whole))
    yield Row("check: all five, one process", total_lines / (_cpu() - start), "lines/CPU s", "", f"{total_lines} lines")


def _counts(whole: Checked) -> str:
    return (
        f"{whole.calls} calls and imports, {whole.existing} found, {whole.bound} compared, "
        f"{len(whole.errors)} errors, {whole.guarded} expected"
    )


def _lines(place: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in place.rglob("*.py"))


@dataclass(frozen=True)
class _Tried:
    fault: faults.Fault
    found: bool


def _seeded(resolver: Resolver, out: Path) -> Iterator[Row]:
    """Faults put into calls that were right, and how many of them are found where they are."""
    seeded = faults.seed(resolver, [folder(package) for package in PACKAGES], SEEDED)
    tried = [_Tried(one, _is_found(resolver, one)) for one in seeded]
    missed = [one.fault for one in tried if not one.found]
    listing = "".join(f"{one.path}:{one.line}: {one.kind}: {one.what}\n" for one in missed)
    (out / "missed.txt").write_text(listing, encoding="utf-8")
    yield Row("check: seeded faults found", _share(tried), "", _FOUND_BAR, f"{len(tried)} faults, five packages")
    for kind in faults.KINDS:
        chosen = [one for one in tried if one.fault.kind == kind]
        yield Row(f"check: {kind}", _share(chosen), "", "", f"{len(chosen)} faults")
    yield from _compared(tried[:COMPARED])


def _share(tried: Sequence[_Tried]) -> float:
    return sum(one.found for one in tried) / len(tried)


def _is_found(resolver: Resolver, one: faults.Fault) -> bool:
    """Whether an error stands at the call: on one of its lines, and there was none before."""
    found = next(iter(check_files([one.path], resolver=resolver)))
    before = {(error.line, error.message) for error in found.errors}
    after = faults.checked(resolver, one)
    return any(
        one.line <= error.line <= one.end_line and (error.line, error.message) not in before for error in after.errors
    )


def _compared(tried: Sequence[_Tried]) -> Iterator[Row]:
    """What mypy and ruff find of the same faults: files as they were and with their faults, each by itself."""
    chosen = [one.fault for one in tried]
    results = {"check": [one.found for one in tried]}
    results |= {tool: faults.found_by(tool, chosen) for tool in ("mypy", "ruff")}
    for tool, found_by in results.items():
        found = Counter(one.kind for one, found in zip(chosen, found_by, strict=True) if found)
        for kind in faults.KINDS:
            count = sum(one.kind == kind for one in chosen)
            yield Row(
                f"{tool}, first {len(chosen)}: {kind}", found[kind] / count if count else 0.0, "", "", f"{count} faults"
            )


def _speed() -> Iterator[Row]:
    """The command on ten thousand lines, as a whole process that has read nothing yet."""
    place, lines = _ten_thousand_lines()
    command = ["gorilla-rag", "check", *map(str, place)]
    code = f"import sys; from gorilla_rag.cli.app import app; app({command[1:]!r}, standalone_mode=False)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, peak = measure.process(measure.python(code), runs=2)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / 3
    note = f"{lines} lines of sklearn, {len(place)} files, {peak / 1e6:.0f} MB"
    yield Row("check 10,000 lines, cold", wall, "s", "< 10 (whole process)", note)
    yield Row("check 10,000 lines, cold", cpu, "CPU s", "", note)


def _ten_thousand_lines() -> tuple[list[Path], int]:
    """Files that use several packages: scikit-learn's modules, in order, until there are enough lines."""
    chosen: list[Path] = []
    lines = 0
    for path in sorted(folder("sklearn").rglob("*.py")):
        if lines >= _LINES:
            break
        chosen.append(path)
        lines += path.read_bytes().count(b"\n")
    return chosen, lines


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    begun = time.perf_counter()
    for row in rows():
        print(f"{time.perf_counter() - begun:7.1f} {row.name}: {row.value:.4g} {row.unit} {row.note}", flush=True)
