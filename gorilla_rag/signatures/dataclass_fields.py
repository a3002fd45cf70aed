"""What `@dataclass` makes a class take, read from the annotated fields in its body and its bases' bodies."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator


def decorator(node: ast.ClassDef) -> ast.expr | None:
    """The `@dataclass` of a class, if it has one that makes its `__init__`."""
    for one in node.decorator_list:
        named = one.func if isinstance(one, ast.Call) else one
        is_dataclass = ast.unparse(named).rpartition(".")[2] == "dataclass"
        if is_dataclass and _option(one, "init") is not False:
            return one
    return None


def signature(classes: Iterable[ast.ClassDef]) -> inspect.Signature | None:
    """The parameters of a dataclass's `__init__`.

    Args:
        classes: the dataclass and those of its bases that are dataclasses, the furthest base first.

    Returns:
        Annotations and defaults as source; `None` when the fields make no possible signature.
    """
    rows: dict[str, inspect.Parameter] = {}
    for node in classes:
        made = decorator(node)
        if isinstance(made, ast.Call) and any(keyword.arg is None for keyword in made.keywords):
            return None  # `@dataclass(**options)`
        if any(isinstance(one, ast.If | ast.Try) for one in node.body):
            return None  # fields that depend on something
        for name, row in _fields(node, keyword_only=made is not None and _option(made, "kw_only") is True):
            if row is None:
                rows.pop(name, None)
            else:
                rows[name] = row
    try:
        return inspect.Signature(sorted(rows.values(), key=lambda row: row.kind))
    except ValueError:
        return None


def _fields(node: ast.ClassDef, *, keyword_only: bool) -> Iterator[tuple[str, inspect.Parameter | None]]:
    """Each annotated name in a class's body; `None` for one that `__init__` doesn't take."""
    for one in node.body:
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        annotation = ast.unparse(one.annotation)
        kind = annotation.partition("[")[0].strip("'\"").rpartition(".")[2]
        if kind == "KW_ONLY":
            keyword_only = True
        elif kind != "ClassVar":
            yield one.target.id, _parameter(one.target.id, annotation, one.value, keyword_only=keyword_only)


def _parameter(name: str, annotation: str, value: ast.expr | None, *, keyword_only: bool) -> inspect.Parameter | None:
    default: object = inspect.Parameter.empty if value is None else ast.unparse(value)
    if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] == "field":
        if _option(value, "init") is False:
            return None
        given = {keyword.arg for keyword in value.keywords}
        default = ast.unparse(value) if given & {"default", "default_factory"} else inspect.Parameter.empty
        keyword_only = _option(value, "kw_only") is True or (keyword_only and _option(value, "kw_only") is not False)
    kind = inspect.Parameter.KEYWORD_ONLY if keyword_only else inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _option(node: ast.expr, name: str) -> object:
    """A literal keyword of a call; `None` when it isn't given."""
    for keyword in node.keywords if isinstance(node, ast.Call) else ():
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None
