"""What an installed package really offers: names and signatures, read without importing anything here.

Python source is read statically with griffe. What has no source (built-ins, compiled modules, names made at run time)
is looked up in a separate, isolated interpreter with a timeout, and only for modules of the standard library. Nothing
is ever imported or run in this process, whatever a document or an answer names.
"""

from __future__ import annotations

import builtins
import inspect
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import griffe

from gorilla_rag.call import Argument, Call, Expr

TIMEOUT = 10.0
_NOT_LOOKED_UP = {"antigravity", "this", "idlelib", "turtledemo", "test", "__main__"}
_KINDS = {
    griffe.ParameterKind.positional_only: inspect.Parameter.POSITIONAL_ONLY,
    griffe.ParameterKind.positional_or_keyword: inspect.Parameter.POSITIONAL_OR_KEYWORD,
    griffe.ParameterKind.var_positional: inspect.Parameter.VAR_POSITIONAL,
    griffe.ParameterKind.keyword_only: inspect.Parameter.KEYWORD_ONLY,
    griffe.ParameterKind.var_keyword: inspect.Parameter.VAR_KEYWORD,
}
_PROBE = """
import importlib, inspect, json, sys
parts = json.loads(sys.argv[1])
found, rest = None, parts
for size in range(len(parts), 0, -1):
    try:
        found, rest = importlib.import_module(".".join(parts[:size])), parts[size:]
        break
    except ImportError:
        pass
try:
    for name in rest:
        found = getattr(found, name)
except AttributeError:
    found = None
if rest is parts:
    print(json.dumps({"state": "unknown", "detail": f"{parts[0]} can't be imported on this machine"}))
elif found is None:
    print(json.dumps({"state": "missing"}))
elif not callable(found):
    print(json.dumps({"state": "not callable"}))
else:
    try:
        signature = inspect.signature(found)
        rows = [[p.name, int(p.kind), p.default is not p.empty] for p in signature.parameters.values()]
        print(json.dumps({"state": "found", "parameters": rows}))
    except (ValueError, TypeError):
        print(json.dumps({"state": "no signature"}))
"""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is known of a dotted name.

    Attributes:
        state: `found` (with its signature); `no signature` (it exists, its arguments can't be known); `missing`
            (its module is there, the name isn't); `not callable`; `unknown` (the module isn't one that is looked up,
            or looking failed).
        signature: what it takes, in the order of its parameters.
        detail: why it is unknown.
    """

    state: Literal["found", "no signature", "missing", "not callable", "unknown"]
    signature: inspect.Signature | None = None
    detail: str = ""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names that positional arguments are bound to, in order."""
        if self.signature is None:
            return ()
        by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return tuple(name for name, p in self.signature.parameters.items() if p.kind in by_position)


def is_standard_library(dotted: str) -> bool:
    """Whether a dotted name belongs to the standard library of this Python, built-in functions included."""
    head, _, rest = dotted.partition(".")
    return head in sys.stdlib_module_names or (not rest and hasattr(builtins, head))


@lru_cache(maxsize=4096)
def resolve(dotted: str) -> Resolved:
    """Looks up a dotted name of the standard library."""
    parts = dotted.split(".")
    if not is_standard_library(dotted) or not all(part.isidentifier() for part in parts):
        return Resolved("unknown", detail=f"{parts[0]} isn't a package that was indexed")
    if parts[0] in _NOT_LOOKED_UP:
        return Resolved("unknown", detail=f"{parts[0]} isn't looked up")
    if len(parts) == 1 and parts[0] not in sys.stdlib_module_names:
        parts = ["builtins", *parts]
    return _from_source(parts) or _from_interpreter(parts)


def binding_error(call: Call, signature: inspect.Signature) -> str | None:
    """Why a call's arguments don't bind to a signature, or `None` when they do (or unpacking hides them)."""
    unpacked = any(isinstance(value, Expr) and value.source.startswith("*") for value in call.args)
    if unpacked or any(name == "**" for name, _ in call.kwargs):
        return None
    names = [name for name, _ in call.kwargs]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        return f"{repeated[0]!r} is given twice"
    keywords: dict[str, Argument] = dict(call.kwargs)
    try:
        signature.bind(*call.args, **keywords)
    except TypeError as error:
        return str(error)
    return None


@lru_cache(maxsize=256)
def _module(name: str) -> griffe.Module | None:
    """A module of the standard library, read from its source."""
    try:
        loaded = griffe.load(name, allow_inspection=False, force_inspection=False, search_paths=_source_paths())
    except (ImportError, SyntaxError, UnicodeDecodeError, griffe.GriffeError, RecursionError):
        return None
    return loaded if isinstance(loaded, griffe.Module) else None


def _source_paths() -> list[str]:
    return [path for path in sys.path if path.endswith(f"python{sys.version_info[0]}.{sys.version_info[1]}")]


def _from_source(parts: list[str]) -> Resolved | None:
    """A function or class that stands in the source, else `None`."""
    module = _module(parts[0])
    if module is None:
        return None
    item: griffe.Object | griffe.Alias = module
    try:
        for name in parts[1:]:
            if any(member.startswith("_") and member.endswith("/*") for member in item.members):
                return None  # a compiled twin takes the place of what stands here
            item = item.members[name]
            item = item.final_target if isinstance(item, griffe.Alias) else item
    except (KeyError, griffe.AliasResolutionError, griffe.CyclicAliasError):
        return None
    if isinstance(item, griffe.Class):
        return _class(item)
    if not isinstance(item, griffe.Function) or item.decorators:
        return None
    return Resolved("found", _signature(item.parameters))


def _class(item: griffe.Class) -> Resolved | None:
    """A class whose own `__init__` says what it takes; metaclasses, `__new__` and inheritance are left to the probe."""
    init = item.members.get("__init__")
    if (
        not isinstance(init, griffe.Function)
        or "__new__" in item.members
        or (item.bases and "__new__" in item.all_members)
    ):
        return None
    return Resolved("found", _signature(list(init.parameters)[1:]))


def _signature(parameters: Iterable[griffe.Parameter]) -> inspect.Signature:
    made = []
    for parameter in parameters:
        default = inspect.Parameter.empty if parameter.required else None
        kind = _KINDS[parameter.kind or griffe.ParameterKind.positional_or_keyword]
        variadic = kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        name = parameter.name.lstrip("*")
        made.append(inspect.Parameter(name, kind, default=inspect.Parameter.empty if variadic else default))
    return inspect.Signature(made)


def _from_interpreter(parts: list[str]) -> Resolved:
    """Asks an isolated interpreter about a name of the standard library."""
    command = [sys.executable, "-I", "-S", "-c", _PROBE, json.dumps(parts)]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=True, text=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (subprocess.SubprocessError, OSError, ValueError, IndexError) as error:
        return Resolved("unknown", detail=f"could not be looked up ({type(error).__name__})")
    if found["state"] != "found":
        return Resolved(found["state"], detail=found.get("detail", ""))
    empty = inspect.Parameter.empty
    rows = [
        inspect.Parameter(name, inspect._ParameterKind(kind), default=None if optional else empty)
        for name, kind, optional in found["parameters"]
    ]
    return Resolved("found", inspect.Signature(rows))
