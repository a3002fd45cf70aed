"""Signatures as C functions write them at the top of their docstrings: `abs(input, *, out=None) -> Tensor`.

They are Python with liberties: optional parameters in brackets, ellipses, objects' `repr` as defaults. Each is
rewritten as Python and parsed; nothing is run. What can't be Python (`arange([start,] stop)`) gives no signature.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from gorilla_rag import syntax

_HEAD = re.compile(r"\s*([A-Za-z_][\w.]*)\(")
_DIRECTIVE = re.compile(
    r"^[ \t]*\.\. (?:function|method|class|py:function|py:method)::[ \t]*(?=[A-Za-z_])", re.MULTILINE
)
_RETURNS = re.compile(r"[ \t]*(?:(?:->|→|=>)[ \t]*(.*))?(?:\n|$)")
_INNER = re.compile(r"\[\s*,([^\[\]]*)\]")
_WHOLE = re.compile(r"^\s*\[([^\[\]]*)\]")
_REPR = re.compile(r"<[^<>]*>")
_C_TYPE = re.compile(r"^[A-Za-z_][\w.]*(?:\[[\w, ]*\])?\??\s+(?=\*{0,2}[A-Za-z_]\w*\s*(?:=|$))")
_LONGEST = 3000
_UNKNOWN = "..."


def signature_in_docstring(docstring: str, name: str) -> inspect.Signature | None:
    """The signature that a docstring begins with; `None` where it gives none, several, or one that isn't Python.

    Args:
        docstring: as `inspect.cleandoc` gives it.
        name: of the function; only its last part counts.

    Returns:
        Annotations and defaults are source text; a default that isn't told is `"..."`.
    """
    found = signatures_in_docstring(docstring, name)
    return found[0] if len(found) == 1 else None


def signatures_in_docstring(docstring: str, name: str) -> tuple[inspect.Signature, ...]:
    """One signature for each way of calling that a docstring gives; empty where any of them isn't Python."""
    leaf = name.rsplit(".", 1)[-1]
    written = [*_leading(docstring), *_directives(docstring)]
    made = [_parsed(inside) for owner, inside, _ in written if owner.rsplit(".", 1)[-1] == leaf]
    known = [signature for signature in made if signature is not None]
    return tuple(dict.fromkeys(known)) if len(known) == len(made) else ()


def without_signatures(docstring: str) -> str:
    """A docstring from behind the signatures that it begins with."""
    ends = [end for _, _, end in _leading(docstring)]
    return docstring[max(ends, default=0) :].strip("\n")


def _leading(text: str) -> Iterator[tuple[str, str, int]]:
    """Name, inside and end of each signature that stands before anything else, a line each."""
    start = 0
    while found := _signature_at(text, start):
        yield found
        start = found[2]


def _directives(text: str) -> Iterator[tuple[str, str, int]]:
    for opener in _DIRECTIVE.finditer(text):
        if found := _signature_at(text, opener.end()):
            yield found


def _signature_at(text: str, start: int) -> tuple[str, str, int] | None:
    head = _HEAD.match(text, start)
    if head is None:
        return None
    close = _closing(text, head.end())
    tail = _RETURNS.match(text, close + 1) if close else None
    return (head[1], text[head.end() : close], tail.end()) if tail else None


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opened before `start` closes; 0 where it doesn't soon."""
    depth, quote = 1, ""
    for position in range(start, min(len(text), start + _LONGEST)):
        letter = text[position]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            depth += 1 if letter == "(" else -1
            if not depth:
                return position
    return 0


def _parsed(inside: str) -> inspect.Signature | None:
    try:
        (function,) = syntax.module(f"def f({_as_python(inside)}): pass").body
        return _signature(function.args) if isinstance(function, ast.FunctionDef) else None
    except syntax.UNREADABLE:
        return None


def _as_python(inside: str) -> str:
    """Parameters as Python writes them: brackets as defaults, ellipses as `*args`, one star at most."""
    text = _REPR.sub(_UNKNOWN, " ".join(inside.replace("\\*", "*").split()))
    if whole := _WHOLE.match(text):
        text = _optional(whole[1]).lstrip(", ") + text[whole.end() :]
    for _ in range(text.count("[")):
        text = _INNER.sub(lambda found: _optional(found[1]), text)
    parts = [_C_TYPE.sub("", part.strip()) for part in _split(text)]
    parts = [part for part in parts if part]
    starred = any(re.match(r"\*\w", part) for part in parts)
    parts = [part for part in parts if not (part == "*" and starred)]
    return ", ".join(
        part for part in ("*args" if part == "..." and not starred else part for part in parts) if part != "..."
    )


def _optional(inside: str) -> str:
    """What stood in brackets, each with a default."""
    parts = (part.strip() for part in _split(inside))
    return "".join(
        f", {part}" if "=" in part or part.startswith("*") else f", {part}={_UNKNOWN}" for part in parts if part
    )


def _split(text: str) -> Iterator[str]:
    """Parts between the commas that stand outside of brackets and quotes."""
    part, depth, quote = "", 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        else:
            depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not quote and depth <= 0:
            yield part
            part = ""
        else:
            part += letter
    yield part


def _signature(found: ast.arguments) -> inspect.Signature:
    """Raises ValueError where Python's own rules are broken (two parameters of one name)."""
    kinds = inspect.Parameter
    positional = [*found.posonlyargs, *found.args]
    defaults = [None] * (len(positional) - len(found.defaults)) + list(found.defaults)
    made = [
        _parameter(
            arg, kinds.POSITIONAL_ONLY if number < len(found.posonlyargs) else kinds.POSITIONAL_OR_KEYWORD, value
        )
        for number, (arg, value) in enumerate(zip(positional, defaults, strict=True))
    ]
    if found.vararg:
        made.append(_parameter(found.vararg, kinds.VAR_POSITIONAL, None))
    made += [
        _parameter(arg, kinds.KEYWORD_ONLY, value)
        for arg, value in zip(found.kwonlyargs, found.kw_defaults, strict=True)
    ]
    if found.kwarg:
        made.append(_parameter(found.kwarg, kinds.VAR_KEYWORD, None))
    return inspect.Signature(made)


def _parameter(arg: ast.arg, kind: inspect._ParameterKind, default: ast.expr | None) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        arg.arg,
        kind,
        default=empty if default is None else ast.unparse(default),
        annotation=empty if arg.annotation is None else ast.unparse(arg.annotation),
    )
