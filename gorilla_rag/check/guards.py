"""What code expects to go wrong: errors it catches, tests for, or makes impossible by asking first.

Reads syntax alone. Errors are named as Python raises them; `ANY` stands for all of them.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Iterable, Iterator

ANY = frozenset({"*"})
NOTHING: frozenset[str] = frozenset()
_DEPRECATIONS = frozenset({"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"})
_IMPORTS = frozenset({"ImportError", "ModuleNotFoundError"})
_ALL_ERRORS = {"Exception", "BaseException"}
_EXPECTS = re.compile(r"raises|suppress(?!_warnings)|assertraises", re.IGNORECASE)
_EXPECTS_WARNING = re.compile(r"warn|deprecat", re.IGNORECASE)
_SKIPPED = {"skipif", "skip", "xfail", "skipIf", "skipUnless", "expectedFailure"}
_ABOUT_VERSION = re.compile(r"(?<!con)version|platform|_(GE|GT|LE|LT|EQ)_?\d|^(HAS|HAVE|IS|PY)_?[A-Z0-9]|AVAILABLE")
_SYSTEMS = {"nt", "posix", "java", "win32", "darwin", "linux", "cygwin"}
Value = Callable[[str], ast.expr | None]
"""The expression that a name was given, where it was given just one."""


def caught(handlers: Iterable[ast.ExceptHandler]) -> frozenset[str]:
    """The errors after which a `try` goes on; who catches everything expects a missing import and nothing else."""
    found: frozenset[str] = NOTHING
    for handler in handlers:
        names = ({"Exception"} if handler.type is None else set(_names(handler.type))) or {"*"}
        found |= (names - _ALL_ERRORS) | (_IMPORTS if names & _ALL_ERRORS else NOTHING)
    return found


def expected(context: ast.expr, value: Value, *, deep: bool = True) -> frozenset[str]:
    """The errors that a `with` block expects: those named by what opens it (`pytest.raises(TypeError)`)."""
    if isinstance(context, ast.Name) and deep:
        given = value(context.id)
        calls = [one for one in ast.walk(given) if isinstance(one, ast.Call)] if given is not None else []
        return NOTHING.union(*(expected(one, value, deep=False) for one in calls))
    if not isinstance(context, ast.Call):
        return NOTHING
    what = last_name(context)
    if _EXPECTS_WARNING.search(what):
        return _DEPRECATIONS
    names = {name for one in (*context.args, *(k.value for k in context.keywords)) for name in _names(one)}
    errors = {name for name in names if name == "*" or _is_error(name)}
    if not _EXPECTS.search(what):
        errors -= {"*"}
    return ANY if errors & _ALL_ERRORS else frozenset(errors)


def asks(test: ast.expr, value: Value, *, deep: bool = True) -> bool:
    """Whether a condition asks for a version, a system, a feature, or whether an attribute is there."""
    bare = test.operand if isinstance(test, ast.UnaryOp) else test
    if isinstance(bare, ast.Name) and bare.id.isupper() and len(bare.id) > 1:
        return True  # a constant that alone decides says what this machine or build has
    for node in ast.walk(test):
        name = last_name(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if _ABOUT_VERSION.search(name) or name in ("hasattr", "TYPE_CHECKING"):
            return True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _SYSTEMS:
            return True
        given = value(node.id) if deep and isinstance(node, ast.Name) else None
        if given is not None and asks(given, value, deep=False):
            return True
    return False


def skipped(decorators: Iterable[ast.expr], value: Value) -> frozenset[str]:
    """What a test expects that is skipped on a condition, or expected to fail."""
    given = [value(one.id) or one if isinstance(one, ast.Name) else one for one in decorators]
    return ANY if {last_name(one) for one in given} & _SKIPPED else NOTHING


def leaves(body: list[ast.stmt]) -> bool:
    """Whether what follows a block isn't reached from its end."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return last_name(last.value) in ("skip", "exit", "_exit", "fail", "xfail", "skipTest")
    return isinstance(last, ast.Return | ast.Raise | ast.Continue | ast.Break)


def last_name(node: ast.AST) -> str:
    """`raises` of `pytest.raises(TypeError)`; empty where there is no name."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _names(node: ast.expr) -> Iterator[str]:
    """The errors that an expression names, `*` for one that can't be read; those of the code's own catch no other."""
    if isinstance(node, ast.Tuple | ast.List):
        for one in node.elts:
            yield from _names(one)
    elif isinstance(node, ast.Constant):
        return
    elif name := last_name(node) if isinstance(node, ast.Name | ast.Attribute) else "":
        yield name if _is_error(name) or (name[0].isupper() and not name.isupper()) else "*"
    else:
        yield "*"


def _is_error(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)
