"""`Call`: one API call as a syntax tree. Parses, binds, compares and renders; never imports, sends or runs anything.

Knows Python's grammar and nothing about documents, indexes or models. A call of a tool has the tool's name as its
function, one of an HTTP operation its method and address, with a `Route`. A text that isn't one Python call (a shell
line, a tuple of calls) can be kept as a *raw* call, which compares as normalised text.
"""

from __future__ import annotations

import ast
import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import EllipsisType
from typing import Any, TypeAlias
from typing import Literal as OneOf

from gorilla_rag import syntax
from gorilla_rag.errors import CallSyntaxError, UsageError
from gorilla_rag.request import Request, Route

EXPR_KEY = "$expr"
Form = OneOf["call", "curl", "httpx"]
_OPERATION = re.compile(r"(?:GET|PUT|POST|DELETE|OPTIONS|HEAD|PATCH|TRACE) +(?:/|https?://)[^\s'\"<>]*(?<![.;])$")
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Expr:
    """Python source that isn't a literal: the user's own variable, an attribute, an operation. Normalised."""

    source: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal, kept as normalised source so that it can be compared and hashed (`1` differs from `True`)."""

    source: str

    @property
    def value(self) -> object:
        """The Python object the literal stands for."""
        return syntax.literal(self.source)


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        function: the dotted name as written (`torch.hub.load`); of a method chain, the last method alone.
        args: positional arguments.
        kwargs: keyword arguments as `(name, value)`, in the order written; the name of `**x` is `"**"`.
        receiver: what a method chain's last method is called on, else `None`.
        raw: the text of something that isn't one Python call; then everything else is empty.
        route: of an HTTP operation, where its arguments go.
    """

    function: str = ""
    args: tuple[Argument, ...] = ()
    kwargs: tuple[tuple[str, Argument], ...] = ()
    receiver: Call | None = None
    raw: str | None = None
    route: Route | None = None

    @property
    def path(self) -> str:
        """The dotted name with the receiver's in front of it, without arguments: `a.b().c` for `a.b(1).c(2)`."""
        return f"{self.receiver.path}().{self.function}" if self.receiver else self.function

    def render(self, form: Form = "call") -> str:
        """The call as text: Python source, or an HTTP request's method, address and body (a raw call as it was given).

        Args:
            form: `curl` or `httpx` gives an HTTP request as a command, or as Python.

        Raises:
            UsageError: `curl` or `httpx` of a call that isn't an HTTP request.
        """
        if form != "call":
            return self.request().curl() if form == "curl" else self.request().httpx()
        if self.raw is not None:
            return self.raw
        if self.route is not None:
            return self.request().line()
        arguments = [_render(value) for value in self.args]
        arguments += [_keyword(name, _render(value)) for name, value in self.kwargs]
        owner = f"{self.receiver.render()}." if self.receiver else ""
        return f"{owner}{self.function}({', '.join(arguments)})"

    def request(self) -> Request:
        """The HTTP request that the call is.

        Raises:
            UsageError: it isn't one.
        """
        if self.route is None:
            raise UsageError(
                f"{self.render()} is no HTTP request", hint="ask for this form of an HTTP operation's call"
            )
        return self.route.request(self.values)

    def tool_call(self, call_id: str = "call_0") -> dict[str, Any]:
        """The call as one of the `tool_calls` of an assistant's message in OpenAI's chat completions.

        Characters that a function's name there may not have are written as `_`.
        """
        name = _NAME.sub("_", self.path or self.raw or "")[:64]
        function = {"name": name, "arguments": json.dumps(self.values, ensure_ascii=False)}
        return {"id": call_id, "type": "function", "function": function}

    def structured(self, query: str) -> dict[str, Any]:
        """The call as `{query, tool_name, arguments}`, with the question as it was asked."""
        return {"query": query, "tool_name": self.path or self.raw or "", "arguments": self.values}

    @property
    def values(self) -> dict[str, Any]:
        """The arguments with names, as JSON; what isn't a JSON literal is `{"$expr": source}`."""
        return {name: _to_json(value) for name, value in self.kwargs}

    def bind(self, parameters: Sequence[str]) -> Call:
        """The same call with positional arguments given the names of `parameters`, in that order.

        Stops at the first `*args`, at the end of `parameters`, and at a name the call already uses; what is
        left stays positional.
        """
        if self.raw is not None:
            return self
        taken = {name for name, _ in self.kwargs}
        named: list[tuple[str, Argument]] = []
        for value, name in zip(self.args, parameters, strict=False):
            if name in taken or (isinstance(value, Expr) and value.source.startswith("*")):
                break
            named.append((name, value))
        return replace(self, args=self.args[len(named) :], kwargs=(*named, *self.kwargs))

    def key(self, parameters: Sequence[str] = ()) -> str:
        """A text that is equal for equal calls: positional arguments bound to `parameters`, keywords sorted."""
        if self.raw is not None:
            return "raw:" + normalise_text(self.raw)
        bound = self.bind(parameters)
        ordered = sorted(((name, _key(value)) for name, value in bound.kwargs), key=lambda item: item[0])
        owner = f"{self.receiver.key()}." if self.receiver else ""
        arguments = [_key(value) for value in bound.args] + [f"{name}={value}" for name, value in ordered]
        return f"{owner}{self.function}({', '.join(arguments)})"

    def equals(self, other: Call, parameters: Sequence[str] = ()) -> bool:
        """Whether both are the same call, by tree, once bound to `parameters`; order and quoting don't matter."""
        return self.key(parameters) == other.key(parameters)

    def with_arguments(self, values: Mapping[str, Argument], parameters: Sequence[str] = ()) -> Call:
        """The call with `values` put in: a named positional argument is replaced in place, the rest by keyword."""
        if self.raw is not None:
            return self
        left = dict(values)
        positions = dict(zip(parameters, range(len(self.args)), strict=False))
        args = list(self.args)
        for position, value in enumerate(self.args):
            if isinstance(value, Expr) and value.source in left:
                positions.setdefault(value.source, position)
        for name in [name for name in left if name in positions]:
            args[positions[name]] = left.pop(name)
        kwargs = tuple((name, left.pop(name, value)) for name, value in self.kwargs)
        return replace(self, args=tuple(args), kwargs=(*kwargs, *left.items()))

    def arguments(self) -> Iterator[tuple[str | int, Argument]]:
        """Every argument with its name, or its position from 0 where it has none."""
        yield from enumerate(self.args)
        yield from self.kwargs

    def to_dict(self) -> dict[str, object]:
        """JSON: `{"function", "args", "kwargs"}`, or `{"raw"}`; what isn't a JSON literal is `{"$expr": source}`."""
        if self.raw is not None:
            return {"raw": self.raw}
        found: dict[str, object] = {
            "function": self.function,
            "args": [_to_json(value) for value in self.args],
            "kwargs": {name: _to_json(value) for name, value in self.kwargs},
        }
        return found | ({"receiver": self.receiver.to_dict()} if self.receiver else {})


Argument: TypeAlias = Literal | Expr | Call


def parse_call(text: str) -> Call:
    """Reads one Python call: `f(x)`, `y = f(x)`, `await f(x)`, `a.b(x).c(y)`.

    Raises:
        CallSyntaxError: the text isn't Python, or isn't exactly one call; has the position.
    """
    source = textwrap.dedent(text).strip()
    try:
        body = syntax.module(source).body
        if len(body) == 1:
            return _parse_statement(body[0])
    except syntax.UNREADABLE as error:
        raise _not_python(error, hint="write one call, such as f(x, name='y')") from error
    line, column = (body[1].lineno, body[1].col_offset + 1) if body else (1, 1)
    raise CallSyntaxError(
        f"expected one call, found {len(body)} statements", line=line, column=column, hint="give one call alone"
    )


def parse_or_raw(text: str) -> Call:
    """Like `parse_call`, but an HTTP method and an address are an operation's call, and any other text a raw call."""
    try:
        return parse_call(text)
    except CallSyntaxError:
        route = Route.of(text, {}) if _OPERATION.match(text.strip()) else None
        return Call(function=f"{route.method} {route.url}", route=route) if route else Call(raw=text.strip())


def calls_in(source: str) -> list[tuple[Call, ast.Call]]:
    """Every call in a piece of Python, outermost first in reading order, with its node.

    Raises:
        CallSyntaxError: the source isn't Python.
    """
    try:
        nodes = [node for node in ast.walk(syntax.module(source)) if isinstance(node, ast.Call)]
        nodes.sort(
            key=lambda node: (node.lineno, node.col_offset, -(node.end_lineno or 0), -(node.end_col_offset or 0))
        )
        return [(_from_node(node), node) for node in nodes]
    except syntax.UNREADABLE as error:
        raise _not_python(error, hint="mend the code") from error


def argument(value: Any) -> Argument:
    """An argument from a JSON value: `{"$expr": "X"}` is the user's own `X`, everything else a literal.

    Raises:
        CallSyntaxError: the `$expr` isn't one Python expression.
    """
    try:
        return _argument(_expression(_source(value)))
    except syntax.UNREADABLE as error:
        raise _not_python(error, hint="write a simpler value") from error


def normalise_text(text: str) -> str:
    """A raw call for comparison: quotes alike, space only between words, no trailing full stop."""
    text = re.sub(r"\s+", " ", text.strip().replace('"', "'"))
    return re.sub(r" ?([(),=\[\]]) ?", r"\1", text).rstrip(".;")


def _not_python(error: Exception, *, hint: str) -> CallSyntaxError:
    line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
    return CallSyntaxError(f"not Python: {getattr(error, 'msg', error)}", line=line, column=column, hint=hint)


def _parse_statement(statement: ast.stmt) -> Call:
    value = statement.value if isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return) else None
    while isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.Call):
        return _from_node(value)
    found = type(value or statement).__name__
    raise CallSyntaxError(
        f"expected a call, found {found}",
        line=statement.lineno,
        column=statement.col_offset + 1,
        hint="write one call, such as f(x, name='y')",
    )


def _from_node(node: ast.Call) -> Call:
    owner, function = _callee(node.func)
    args = tuple(_argument(value) for value in node.args)
    kwargs = tuple((keyword.arg or "**", _argument(keyword.value)) for keyword in node.keywords)
    return Call(function=function, args=args, kwargs=kwargs, receiver=owner)


def _callee(node: ast.expr) -> tuple[Call | None, str]:
    """The call a method chain stands on, if any, and the dotted name after it."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    while isinstance(node, ast.Await):
        node = node.value
    dotted = ".".join(reversed(names))
    if isinstance(node, ast.Call) and names:
        return _from_node(node), dotted
    head = node.id if isinstance(node, ast.Name) else _grouped(node)
    return None, f"{head}.{dotted}" if names else head


def _grouped(node: ast.expr) -> str:
    """Source of an expression that can stand before `.name` or `(…)`."""
    source = ast.unparse(node)
    atoms = ast.Subscript | ast.Call | ast.Attribute | ast.List | ast.Dict | ast.Set | ast.Tuple
    string = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return source if string or isinstance(node, atoms) else f"({source})"


def _argument(node: ast.expr) -> Argument:
    if isinstance(node, ast.Call):
        return _from_node(node)
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return Expr(ast.unparse(node))
    return Literal(repr(value) if all(map(_has_source, ast.walk(node))) else ast.unparse(node))


def _has_source(part: ast.AST) -> bool:
    """Whether `repr` gives the source of a literal's part, and the same one in every process."""
    if not isinstance(part, ast.Constant):
        return not isinstance(part, ast.Set)
    return not isinstance(part.value, EllipsisType | complex) and part.value != math.inf


def _source(value: Any) -> str:
    """Python source of a JSON value, with `$expr` at any depth put in as it stands."""
    if isinstance(value, dict):
        if set(value) == {EXPR_KEY}:
            return ast.unparse(_expression(str(value[EXPR_KEY])))
        return "{" + ", ".join(f"{key!r}: {_source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_source, value)) + "]"
    return ast.unparse(ast.Constant(value))


def _expression(source: str) -> ast.expr:
    try:
        return syntax.expression(source)
    except syntax.UNREADABLE as error:
        raise CallSyntaxError(
            f"{source!r} is not a Python expression", line=1, column=1, hint="write a variable's name"
        ) from error


def _keyword(name: str, value: str) -> str:
    """A keyword argument as Python writes it, whatever its name."""
    if name == "**":
        return f"**{value}"
    return f"{name}={value}" if name.isidentifier() else f"**{{{name!r}: {value}}}"


def _render(value: Argument) -> str:
    return value.render() if isinstance(value, Call) else value.source


def _key(value: Argument) -> str:
    if isinstance(value, Call):
        return value.key()
    return f"${value.source}" if isinstance(value, Expr) else _canonical(value.value)


def _canonical(value: object) -> str:
    """`repr` with the keys of dictionaries and the members of sets in one order; never that of a call."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_canonical(k)}: {_canonical(v)}" for k, v in value.items())) + "}"
    if isinstance(value, set):
        return "set{" + ", ".join(sorted(map(_canonical, value))) + "}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}[{', '.join(map(_canonical, value))}]"
    return repr(value)


def _to_json(value: Argument) -> object:
    if isinstance(value, Call):
        return {EXPR_KEY: value.render()}
    if isinstance(value, Expr):
        return {EXPR_KEY: value.source}
    literal = value.value
    try:
        same = json.loads(json.dumps(literal, allow_nan=False)) == literal
    except (TypeError, ValueError):
        same = False
    return literal if same and EXPR_KEY not in value.source else {EXPR_KEY: value.source}
