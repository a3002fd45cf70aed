"""Whole processes: import, search, ask; their time and memory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Row, process, python, until_output

_COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))
_QUESTION = "convert text to speech in my app"


def rows() -> Iterator[Row]:
    """Cold figures, each a median of five processes after one to warm the file cache."""
    bare, _ = process(python("pass"))
    imported, _ = process(python("import gorilla_rag"))
    yield Row("import gorilla_rag, above a bare interpreter", imported - bare, "s", "< 0.15")
    searched, _ = process([_COMMAND, "search", _QUESTION])
    yield Row("cold search, whole process", searched, "s", "< 0.8")
    call = until_output([_COMMAND, "ask", _QUESTION], b"call")
    yield Row("cold ask, until the call is printed", call, "s", "< 3")
    whole, peak = process([_COMMAND, "ask", _QUESTION])
    yield Row("cold ask, whole process", whole, "s")
    yield Row("peak memory of ask", peak / 1e9, "GB", "< 1.2")
