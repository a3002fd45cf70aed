"""Whether a decorator leaves a function's parameters as they are, read from the decorator's own source."""

from __future__ import annotations

import ast
from collections.abc import Iterator

# Decorators of the standard library (and names used alike) that change nothing about what a call may give.
SAME_PARAMETERS = frozenset(
    """
    staticmethod classmethod property cached_property abstractmethod abstractproperty overload final override
    lru_cache cache contextmanager asynccontextmanager no_type_check singledispatch singledispatchmethod deprecated
    setter getter deleter type_check_only wraps coroutine total_ordering
    """.split()
)
_DEEPEST = 3


def keeps_parameters(function: ast.FunctionDef, *, called: bool, depth: int = 0) -> bool:
    """Whether what a decorator returns takes just what the decorated function takes.

    Args:
        function: the decorator.
        called: whether it stands with arguments, `@decorator(…)`, and so makes the real decorator.
        depth: how many functions deep.

    Returns:
        `True` only where every result is the function itself, or hands `*args, **kwargs` on untouched.
    """
    if depth > _DEEPEST:
        return False
    inner = {node.name: node for node in _own(function) if isinstance(node, ast.FunctionDef)}
    results = [node.value for node in _own(function) if isinstance(node, ast.Return)]
    if not results or (not called and not function.args.args):
        return False
    decorated = function.args.args[0].arg if function.args.args else ""
    return all(_result_keeps(value, inner, decorated, called=called, depth=depth) for value in results)


def _result_keeps(
    value: ast.expr | None, inner: dict[str, ast.FunctionDef], decorated: str, *, called: bool, depth: int
) -> bool:
    if isinstance(value, ast.Call) and value.args and "wraps" in ast.unparse(value.func):
        value = value.args[0]  # functools.wraps(f)(wrapper)
    elif isinstance(value, ast.Call) and ast.unparse(value.func) in ("cast", "typing.cast"):
        value = value.args[-1]
    if not isinstance(value, ast.Name):
        return False
    if value.id == decorated and not called:
        return True
    made = inner.get(value.id)
    if made is None:
        return False
    if called:
        return keeps_parameters(made, called=False, depth=depth + 1)
    return _hands_on(made, decorated)


def _hands_on(wrapper: ast.FunctionDef, decorated: str) -> bool:
    """Whether a wrapper takes anything and gives all of it, unchanged, to the decorated function."""
    given = wrapper.args
    if given.vararg is None or given.kwarg is None or given.kwonlyargs:
        return False
    rest, named = given.vararg.arg, given.kwarg.arg
    first = [one.arg for one in (*given.posonlyargs, *given.args)]
    handed = False
    for node in ast.walk(wrapper):
        if isinstance(node, ast.Call) and _gives_all(node, first, rest, named):
            handed |= isinstance(node.func, ast.Name) and node.func.id == decorated
    return handed and not any(_touches(node, {rest, named}) for node in ast.walk(wrapper))


def _gives_all(node: ast.Call, first: list[str], rest: str, named: str) -> bool:
    expected = [*first, f"*{rest}", f"**{named}"]
    return [ast.unparse(one) for one in node.args] + [f"**{ast.unparse(k.value)}" for k in node.keywords] == expected


def _touches(node: ast.AST, names: set[str]) -> bool:
    """Whether a node changes one of these variables: assigns it, sets an item of it, calls a method of it."""
    if isinstance(node, ast.Name) and node.id in names:
        return isinstance(node.ctx, ast.Store | ast.Del)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
        return isinstance(node.value, ast.Name) and node.value.id in names
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
        and node.func.attr in ("pop", "update", "setdefault", "clear", "popitem")
    )


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """The nodes of a function's own body; of functions in it only themselves."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
