"""Whether arguments fit a signature, and if not, which one and why. Knows nothing about names or packages."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

from gorilla_rag.call import Call, Expr

FaultKind = Literal["unexpected-argument", "missing-argument"]
_BY_POSITION = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# Names that compiled functions of a package take besides those in its stubs.
OTHER_NAMES: Mapping[str, Mapping[str, str]] = {
    # PyTorch's argument parser takes NumPy's names (torch/csrc/utils/python_arg_parser.cpp).
    "torch._C": {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"},
}
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Given:
    """What a call gives.

    Attributes:
        positional: how many arguments stand without a name before any `*`.
        keywords: names, in order.
        starred: whether `*values` adds an unknown number of them.
        unpacked: whether `**values` adds names.
    """

    positional: int
    keywords: tuple[str, ...] = ()
    starred: bool = False
    unpacked: bool = False

    def renamed(self, other_names: Mapping[str, str]) -> Given:
        """The same with other names of parameters replaced by their own."""
        return replace(self, keywords=tuple(other_names.get(name, name) for name in self.keywords))

    @classmethod
    def of(cls, call: Call) -> Given:
        """What a parsed call gives."""
        stars = [isinstance(value, Expr) and value.source.startswith("*") for value in call.args]
        names = tuple(name for name, _ in call.kwargs if name != "**")
        return cls(stars.count(False), names, any(stars), len(names) < len(call.kwargs))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why arguments don't fit.

    Attributes:
        kind: too much, or too little.
        message: in words.
        name: the argument it is about; empty for one without a name.
        nearest: the name that was probably meant.
    """

    kind: FaultKind
    message: str
    name: str = ""
    nearest: str = ""


def fault(
    given: Given,
    signatures: Sequence[inspect.Signature],
    other_names: Mapping[str, str] | None = None,
    *,
    from_stub: bool = False,
) -> Fault | None:
    """Why a call fits none of several signatures; `None` when it fits one, or none is known.

    Args:
        given: what the call gives.
        signatures: one, or one an overload.
        other_names: of parameters, that are taken too.
        from_stub: whether they are a stub's, of something compiled. Stubs ask for names where a position will do.
    """
    found = []
    for one in signatures:
        other = {name: own for name, own in (other_names or {}).items() if own in one.parameters}
        renamed = given.renamed({k: v for k, v in other.items() if k not in one.parameters})
        loose = from_stub and 0 < given.positional - len(_places(one)) <= _by_name_alone(one)
        wrong = _fault_of_names(renamed, one) if loose else _fault(renamed, one)
        if wrong is None:
            return None
        found.append((sum(name in one.parameters for name in given.keywords), wrong))
    return max(found, key=lambda pair: pair[0])[1] if found else None


def binding_error(call: Call, signature: inspect.Signature) -> str | None:
    """Why a call's arguments don't bind to a signature, or `None` when they do (or unpacking may hide why)."""
    found = fault(Given.of(call), [signature])
    return found.message if found else None


def _fault(given: Given, signature: inspect.Signature) -> Fault | None:
    return _twice(given, signature) or _too_much(given, signature) or _too_little(given, signature)


def _places(signature: inspect.Signature) -> list[str]:
    return [name for name, one in signature.parameters.items() if one.kind in _BY_POSITION]


def _by_name_alone(signature: inspect.Signature) -> float:
    """How many parameters can be given by name and not by position; of `**names`, any number."""
    kinds = [one.kind for one in signature.parameters.values()]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return 0
    return math.inf if inspect.Parameter.VAR_KEYWORD in kinds else kinds.count(inspect.Parameter.KEYWORD_ONLY)


def _fault_of_names(given: Given, signature: inspect.Signature) -> Fault | None:
    """What is wrong besides there being more arguments by position than places."""
    fitting = replace(given, positional=len(_places(signature)))
    return _twice(fitting, signature) or _too_much(fitting, signature)


def _twice(given: Given, signature: inspect.Signature) -> Fault | None:
    taken = [
        name
        for name in _places(signature)[: given.positional]
        if signature.parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY
    ]
    for name in given.keywords:
        if given.keywords.count(name) > 1 or name in taken:
            return Fault("unexpected-argument", f"{name!r} is given twice", name)
    return None


def _too_much(given: Given, signature: inspect.Signature) -> Fault | None:
    kinds = [one.kind for one in signature.parameters.values()]
    places = len(_places(signature))
    if given.positional > places and inspect.Parameter.VAR_POSITIONAL not in kinds:
        most = f"{places} positional argument" + ("" if places == 1 else "s")
        return Fault("unexpected-argument", f"takes {most}, {given.positional} given")
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return None
    named = [name for name, one in signature.parameters.items() if one.kind in _BY_NAME]
    for name in given.keywords:
        if name not in named:
            near = next(iter(get_close_matches(name, named, n=1, cutoff=0.6)), "")
            only = name in signature.parameters
            why = f"takes {name!r} by position only" if only else f"takes no argument {name!r}"
            return Fault("unexpected-argument", why, name, "" if only else near)
    return None


def _too_little(given: Given, signature: inspect.Signature) -> Fault | None:
    if given.unpacked:
        return None
    place = 0
    for name, one in signature.parameters.items():
        if one.kind in _BY_POSITION:
            place += 1
            if given.starred or place <= given.positional:
                continue
        if one.kind in (*_BY_POSITION, inspect.Parameter.KEYWORD_ONLY) and one.default is inspect.Parameter.empty:
            by_name = one.kind is not inspect.Parameter.POSITIONAL_ONLY and name in given.keywords
            if not by_name:
                return Fault("missing-argument", f"needs the argument {name!r}", name)
    return None
