"""`make bench`: a table on stdout and `bench.json`. Name sections to run some: `make bench ARGS="cold warm"`.

`evaluation` and `modes` need published data (`DATA=FOLDER`, with apibench/ in it) and measure nothing without;
`sources` measures more with it (openapi/ and bfcl/).
"""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import (
    checking,
    cold,
    device,
    engines,
    evaluation,
    packages,
    scale,
    serving,
    sources,
    training,
    warm,
)
from tests.benchmarks.measure import Row

SECTIONS = {
    "cold": cold.rows,
    "warm": warm.rows,
    "scale": scale.rows,
    "engines": engines.rows,
    "device": device.rows,
    "check": checking.rows,
    "packages": packages.rows,
    "sources": sources.rows,
    "serving": serving.rows,
    "training": training.rows,
    "evaluation": evaluation.rows,
    "modes": evaluation.modes,
}
PACKAGES = ("xllamacpp", "onnxruntime", "torch", "sentence-transformers", "faiss-cpu", "bm25s", "rank-bm25", "numpy")


def main(names: list[str]) -> None:
    """Runs the sections and writes what they found."""
    found: list[Row] = []
    for name in names or list(SECTIONS):
        for row in SECTIONS[name]():
            found.append(row)
            Console(stderr=True).print(f"{row.name}: {row.value:.4g} {row.unit}  {row.note}", style="dim")
    table = Table("", "measured", "bar", "met", "on")
    for row in found:
        met = {True: "yes", False: "NO", None: ""}[row.met]
        table.add_row(row.name, f"{row.value:.3g} {row.unit}", row.bar, met, row.note)
    Console(width=150).print(table)
    report = {
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version()},
        "versions": {name: version(name) for name in PACKAGES},
        "rows": [asdict(row) | {"met": row.met} for row in found],
    }
    Path("bench.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _processor() -> str:
    for line in (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else ()
    ):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


main(sys.argv[1:])
