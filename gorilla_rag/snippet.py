"""The code of an answer: the documented example with the answer's call in it. Written from the document alone."""

from __future__ import annotations

import ast
import textwrap

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, calls_in
from gorilla_rag.errors import CallSyntaxError


def code_for(doc: ApiDoc, call: Call) -> str:
    """The documented example with `call` in place of the documented one; the call alone where it can't be put in."""
    if doc.kind != "python" or call.raw is not None:
        return call.render()
    example = textwrap.dedent(doc.example_code).strip()
    alone = "\n".join([*_imports(call), call.render()])
    found = next((node for made, node in _calls(example) if made.key(doc.parameter_names) == doc.call_key), None)
    if found is None or call == doc.call:
        return alone if found is None else example
    code = _replaced(example, found, call.render())
    return code if any(made == call for made, _ in _calls(code)) else alone


def imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name that a module imports stands for: `{"np": "numpy", "Path": "pathlib.Path"}`."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.split(".")[0]
                names[alias.asname or target] = target
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _calls(source: str) -> list[tuple[Call, ast.Call]]:
    try:
        return calls_in(source)
    except CallSyntaxError:
        return []


def _imports(call: Call) -> list[str]:
    """The import of a fully qualified call's module."""
    first = call
    while first.receiver:
        first = first.receiver
    parts = first.function.split(".")
    modules = parts[:-1]
    if not modules or not all(part.isidentifier() and part.islower() for part in modules):
        return []
    return [f"import {'.'.join(modules)}"]


def _replaced(source: str, node: ast.Call, text: str) -> str:
    """The source with one call replaced; columns of syntax trees count UTF-8 bytes."""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or node.lineno) - 1])) + (node.end_col_offset or 0)
    whole = source.encode()
    return (whole[:start] + text.encode() + whole[end:]).decode()
