"""Installed packages as documents: how much of their public API is found, and what reading them takes.

A package's public API is taken to be what the `__all__` of its public modules lists once they run, in another process:
classes, functions and everything else that is called. An object that is found under another public name counts.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gorilla_rag.signatures.public import read_package
from gorilla_rag.signatures.resolve import Resolver
from tests.benchmarks.measure import Row, python

PACKAGES = ("numpy", "scipy", "scikit-learn", "pandas", "torch")
_TOLD = 5
_COUNT = r"""
import importlib, inspect, json, os, pkgutil, sys, warnings
warnings.simplefilter("ignore")
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
SKIPPED = {"tests", "test", "conftest", "setup", "externals", "vendored"}

def is_called(value):
    typed = type(value).__module__ in ("typing", "typing_extensions", "types", "collections.abc")
    return callable(value) and not inspect.ismodule(value) and not typed

def modules(name):
    try:
        module = importlib.import_module(name)
    except BaseException:
        return
    yield module
    for inside in pkgutil.iter_modules(getattr(module, "__path__", [])):
        if not inside.name.startswith("_") and not SKIPPED & {inside.name, inside.name.split("_")[0]}:
            yield from modules(f"{name}.{inside.name}")

def listed(root):
    for module in modules(root):
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name, None)
            if isinstance(name, str) and not name.startswith("_") and is_called(value):
                yield f"{module.__name__}.{name}", value

def value(dotted):
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
            for part in parts[size:]:
                found = getattr(found, part)
            return found
        except BaseException:
            continue

root, names = sys.argv[1], set(json.load(sys.stdin))
wanted = dict(listed(root))
missing = [name for name in wanted if name not in names]
if missing:
    found = [value(name) for name in names]
    same = {id(one) for one in found}
    missing = [name for name in missing if id(wanted[name]) not in same]
json.dump({"listed": len(wanted), "missing": missing}, answer)
"""


def rows() -> Iterator[Row]:
    """Each package's share, then the reading of all of them."""
    for package in PACKAGES:
        yield _found(package)
    yield from _reading()
    yield from _building()


def _building() -> Iterator[Row]:
    """The whole of an index, as the command builds it."""
    command = str(Path(sys.executable).with_name("gorilla-rag"))
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        done = subprocess.run(
            [command, "index", "build", "--packages", ",".join(PACKAGES), "--out", f"{folder}/index", "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - start
        made = json.loads(done.stdout)
        note = f"{made['counts']['documents']:,} documents, {made['bytes'] / 1e6:.0f} MB; read, encoded, written"
        yield Row("index of five packages", seconds, "s", "< 300", note)


def _found(package: str) -> Row:
    resolver = Resolver(inspect=[package])
    surface = read_package(resolver, package)
    resolver.close()
    root = next(module for module in surface.distribution.modules if module in (package, "sklearn"))
    counted = _listed(root, [*surface.objects, *surface.aliases])
    missing = counted["missing"]
    share = 1 - len(missing) / counted["listed"]
    note = f"{counted['listed']:,} in the __all__ of {package} {surface.distribution.version}"
    note += f"; not found: {', '.join(missing[:_TOLD])}" if missing else ""
    return Row(f"public API of {package}, found", share, "", ">= 0.99", note)


def _listed(root: str, names: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-c", _COUNT, root]
    done = subprocess.run(command, input=json.dumps(names), capture_output=True, text=True, check=True)
    counted: dict[str, Any] = json.loads(done.stdout)
    return counted


def _reading() -> Iterator[Row]:
    """In a process of its own, where nothing else is in memory."""
    start, used = time.perf_counter(), _processor_seconds()
    code = f"from gorilla_rag.sources.python import read\nprint(len(read({PACKAGES!r}).docs))"
    done = subprocess.run(python(code), capture_output=True, text=True, check=True)
    seconds, cpu = time.perf_counter() - start, _processor_seconds() - used
    yield Row("reading five packages", seconds, "s", "< 60", f"{int(done.stdout):,} documents of {', '.join(PACKAGES)}")
    yield Row("reading five packages, of the processor", cpu, "s")


def _processor_seconds() -> float:
    """Of the processes that this one has seen the end of, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
