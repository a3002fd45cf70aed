"""The code of an answer: the documented example with the answer's call in it. Written from the document alone."""

from __future__ import annotations

import ast
import os
import re
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from gorilla_rag import signatures
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.call import Call, Expr, calls_in
from gorilla_rag.errors import CallSyntaxError

_OWNER_PARTS = 2


def code_for(doc: ApiDoc, call: Call) -> str:
    """The documented example with `call` in place of the documented one; the call alone where it can't be put in."""
    if call.route is not None and call.route.url.startswith("http"):
        return f"import httpx\n\nresponse = {call.render('httpx')}"
    if doc.kind != "python" or call.raw is not None:
        return call.render()
    example = textwrap.dedent(doc.example_code).strip()
    alone = "\n".join([*_imports(doc, call), *_usual_form(doc, call)])
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


def _imports(doc: ApiDoc, call: Call) -> list[str]:
    """The import of a fully qualified call's module, where its first name is known to be a module's."""
    head, *rest = call.path.split(".")
    if doc.source == "python":
        return [] if _is_built_in(call) else [f"import {_installed_module(call) or head}"]
    standard = head in sys.stdlib_module_names
    required = {re.split(r"[^\w-]", name)[0].replace("-", "_").lower() for name in doc.python_environment_requirements}
    if not rest or not (standard or head in {*required, doc.package}):
        return []
    modules = [head]
    for name in rest[:-1]:
        if not (name.isidentifier() and name.islower()) or (standard and not _is_standard_module([*modules, name])):
            break
        modules.append(name)
    return [f"import {'.'.join(modules)}"]


def _is_built_in(call: Call) -> bool:
    return signatures.default_resolver().spelled_out(call.path) != call.path


def _installed_module(call: Call) -> str:
    return signatures.default_resolver().environment.module_of(call.path)


def _usual_form(doc: ApiDoc, call: Call) -> list[str]:
    """The call as it is typed: an installed class's method on an instance, `frame.groupby(…)`; else as it stands."""
    *owner, name = call.path.split(".")
    first = call.args[0] if call.args and call.receiver is None else None
    is_class = len(owner) >= _OWNER_PARTS or (owner and _is_built_in(call))
    if doc.source != "python" or not is_class or not isinstance(first, Expr):
        return [call.render()]
    if not first.source.isidentifier() or first.source.rstrip("_") != owner[-1].lower().strip("_"):
        return [call.render()]
    bound = replace(call, function=f"{first.source}.{name}", args=call.args[1:])
    return [f"{first.source}: {'.'.join(owner)}", bound.render()]


def _is_standard_module(parts: list[str]) -> bool:
    path = Path(os.__file__).parent.joinpath(*parts)
    return path.is_dir() or path.with_suffix(".py").is_file()


def _replaced(source: str, node: ast.Call, text: str) -> str:
    """The source with one call replaced; columns of syntax trees count UTF-8 bytes."""
    lines = source.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: (node.end_lineno or node.lineno) - 1])) + (node.end_col_offset or 0)
    whole = source.encode()
    return (whole[:start] + text.encode() + whole[end:]).decode()
