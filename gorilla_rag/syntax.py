"""Python source as a syntax tree, from any number of threads. Runs nothing; knows no calls or documents.

Up to CPython 3.11.7 every `ast.parse` of a process counts its depth in one place, so a parse in one thread can make
that in another raise `SystemError` where nothing is wrong with the source (python/cpython#106905). It is read again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeVar

UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)
"""What `ast` raises where a text isn't Python, or is nested too deeply to be read."""

_ATTEMPTS = 100
_Tree = TypeVar("_Tree")


def module(source: str) -> ast.Module:
    """The tree of a whole piece of Python; raises one of `UNREADABLE`."""
    return _read(lambda: ast.parse(source))


def expression(source: str) -> ast.expr:
    """The tree of one expression, blanks around it left out; raises one of `UNREADABLE`."""
    return _read(lambda: ast.parse(source.strip(), mode="eval")).body


def literal(source: str) -> object:
    """The object that a literal stands for; raises one of `UNREADABLE`, or `TypeError` for `{[]: 1}`."""
    return ast.literal_eval(expression(source))


def _read(parse: Callable[[], _Tree]) -> _Tree:
    for _ in range(_ATTEMPTS - 1):
        try:
            return parse()
        except SystemError:
            continue
    return parse()
