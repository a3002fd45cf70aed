"""What the names of a program are bound to, scope by scope, by Python's own rules. Reads a syntax tree, runs nothing.

Order is left out on purpose: a name that is bound twice to different things is unknown wherever it stands.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from gorilla_rag.signatures.modules import absolute

_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_EXPECTED_ERRORS = {"AttributeError", "ImportError", "ModuleNotFoundError", "TypeError", "NameError"}
_EXPECTING = {
    "raises", "assertRaises", "assertRaisesRegex", "assert_raises", "assert_raises_regex", "suppress", "warns",
    "deprecated_call", "assert_warns", "assertWarns", "assert_deprecated", "assert_produces_warning",
    "external_error_raised", "suppress_warnings", "catch_warnings",
}  # fmt: skip
_NAME_PLACE = 2
_UNPACKED = ast.Tuple | ast.List | ast.Starred


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that stands for a module, or for something in one."""

    target: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """A name that was given an expression's value."""

    value: ast.expr
    scope: Scope = field(compare=False)


@dataclass(frozen=True, slots=True)
class Own:
    """A name that the program defines or binds in a way that isn't followed."""

    what: str


Binding = Imported | Assigned | Own


class Scope:
    """A module, class, function or comprehension.

    Attributes:
        parent: the one around it.
        is_class: names of a class aren't seen by the functions in it.
        bindings: what each name is bound to here, once for each place.
        stars: whether `from … import *` brings names nobody wrote.
    """

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False) -> None:
        self.parent, self.is_class = parent, is_class
        self.bindings: dict[str, list[Binding]] = {}
        self.outer: dict[str, str] = {}
        self.stars = False

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        return self.parent.module if self.parent else self

    def bind(self, name: str, binding: Binding) -> None:
        """Records a binding, where `global` and `nonlocal` say."""
        where = self.outer.get(name)
        if where == "global" and self is not self.module:
            self.module.bind(name, Own("set by a function"))
        elif where == "nonlocal" and self.parent:
            owner = self.parent.holder(name)
            (owner or self.parent).bindings.setdefault(name, []).append(Own("set by an inner function"))
        else:
            self.bindings.setdefault(name, []).append(binding)

    def holder(self, name: str) -> Scope | None:
        """The scope whose binding a name here refers to."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (scope is self or not scope.is_class):
                return scope
            scope = scope.parent
        return None


@dataclass(frozen=True, slots=True)
class Site:
    """A call, or an import of a name, and where it stands.

    Attributes:
        node: the call; of an import, its statement.
        scope: whose names it sees.
        guarded: whether the code expects it to fail, or asks for a version or an attribute before it.
        alias: of an import, the imported name.
    """

    node: ast.Call | ast.Import | ast.ImportFrom
    scope: Scope
    guarded: bool
    alias: ast.alias | None = None


class Reader(ast.NodeVisitor):
    """Reads a program's scopes and its sites.

    Args:
        package: the package that the file is in, for relative imports; empty when unknown.

    Attributes:
        sites: every call and import, in reading order.
        set_attributes: names of attributes that the program sets on anything.
    """

    def __init__(self, package: str = "") -> None:
        self.package = package
        self.sites: list[Site] = []
        self.set_attributes: set[str] = set()
        self.scope = Scope()
        self._guards = 0

    def visit_Import(self, node: ast.Import) -> None:
        """Binds what is imported."""
        for alias in node.names:
            self.sites.append(Site(node, self.scope, self._guards > 0, alias))
            first = alias.name.partition(".")[0]
            self.scope.bind(alias.asname or first, Imported(alias.name if alias.asname else first))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Binds what is imported, where it is known from where."""
        known = not node.level or bool(self.package)
        source = absolute(node, self.package) if known else ""
        for alias in node.names:
            if alias.name == "*":
                self.scope.module.stars = True
                continue
            if not known or node.module == "__future__":
                self.scope.bind(alias.asname or alias.name, Own("imported from the program's own package"))
                continue
            self.sites.append(Site(node, self.scope, self._guards > 0, alias))
            self.scope.bind(alias.asname or alias.name, Imported(f"{source}.{alias.name}"))

    def visit_Call(self, node: ast.Call) -> None:
        """Records the call."""
        self.sites.append(Site(node, self.scope, self._guards > 0))
        name = node.args[1] if len(node.args) > _NAME_PLACE else None
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            self.set_attributes.add(name.value)  # setattr(owner, "name", value), and what patches like it
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Records attributes that are set."""
        if isinstance(node.ctx, ast.Store | ast.Del):
            self.set_attributes.add(node.attr)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Binds simple targets to the value; what is unpacked is the program's own."""
        self.visit(node.value)
        for target in node.targets:
            self._target(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Binds an annotated target."""
        self.visit(node.annotation)
        if node.value:
            self.visit(node.value)
            self._target(node.target, node.value)
        else:
            self._target(node.target, None)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Binds `name := value`, outside comprehensions."""
        self.visit(node.value)
        self._target(node.target, None)

    def _target(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name):
            self.scope.bind(target.id, Assigned(value, self.scope) if value is not None else Own("a variable"))
        else:
            self.visit(target)

    def visit_Name(self, node: ast.Name) -> None:
        """Binds targets of loops, `with`, unpacking and `del`."""
        if not isinstance(node.ctx, ast.Load):
            self.scope.bind(node.id, Own("a variable"))

    def visit_Global(self, node: ast.Global) -> None:
        """Names that are the module's."""
        self.scope.outer.update(dict.fromkeys(node.names, "global"))

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        """Names that are an outer function's."""
        self.scope.outer.update(dict.fromkeys(node.names, "nonlocal"))

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Binds the exception."""
        if node.name:
            self.scope.bind(node.name, Own("an exception"))
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """Binds a pattern's name."""
        if node.name:
            self.scope.bind(node.name, Own("a matched value"))
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """Binds a pattern's rest."""
        if node.name:
            self.scope.bind(node.name, Own("a matched value"))

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """Binds a pattern's rest."""
        if node.rest:
            self.scope.bind(node.rest, Own("a matched value"))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function: its own scope, its decorators and defaults outside of it."""
        self.scope.bind(node.name, Own("the program's own function"))
        self._visit_all([*node.decorator_list, *_outside(node.args), *([node.returns] if node.returns else [])])
        self._inside(node.args, node.body, guard=_asks_in_decorator(node.decorator_list))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As any function."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """As any function."""
        self._visit_all(_outside(node.args))
        self._inside(node.args, [node.body], guard=False)

    def _inside(self, arguments: ast.arguments, body: list[ast.stmt] | list[ast.expr], *, guard: bool) -> None:
        outer, self.scope = self.scope, Scope(self.scope)
        self._guards += guard
        given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        for one in given:
            if one is not None:
                self.scope.bind(one.arg, Own("a parameter"))
        self._visit_all(body)
        self._guards -= guard
        self.scope = outer

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class: its own scope, which its functions don't see."""
        self.scope.bind(node.name, Own("the program's own class"))
        self._visit_all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        outer, self.scope = self.scope, Scope(self.scope, is_class=True)
        self._visit_all(node.body)
        self.scope = outer

    def generic_visit(self, node: ast.AST) -> None:
        """A comprehension has its own scope; all else is walked."""
        if isinstance(node, _COMPREHENSIONS):
            self.visit(node.generators[0].iter)
            outer, self.scope = self.scope, Scope(self.scope)
            for generator in node.generators:
                self.visit(generator.target)
                self._visit_all(generator.ifs)
            for generator in node.generators[1:]:
                self.visit(generator.iter)
            parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            self._visit_all([part for part in parts if part is not None])
            self.scope = outer
        else:
            super().generic_visit(node)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        """What stands where a missing name or a wrong argument is caught is guarded."""
        expects = any(_catches(handler.type) for handler in node.handlers)
        self._guards += expects
        self._visit_all(node.body)
        self._visit_all(node.handlers)
        self._guards -= expects
        self._visit_all([*node.orelse, *node.finalbody])

    def visit_TryStar(self, node: ast.TryStar) -> None:
        """As any `try`."""
        self.visit_Try(node)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """What stands where a test expects an error is guarded."""
        self._visit_all(node.items)
        expects = any(_last_name(item.context_expr) in _EXPECTING for item in node.items)
        self._guards += expects
        self._visit_all(node.body)
        self._guards -= expects

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        """As any `with`."""
        self.visit_With(node)

    def visit_If(self, node: ast.If | ast.IfExp) -> None:
        """What depends on a version, or on whether an attribute is there, is guarded."""
        self.visit(node.test)
        asks = _asks(node.test)
        self._guards += asks
        for part in (node.body, node.orelse):
            self._visit_all(part if isinstance(part, list) else [part])
        self._guards -= asks

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """As any `if`."""
        self.visit_If(node)

    def _visit_all(self, nodes: list[ast.stmt] | list[ast.expr] | list[ast.AST] | list) -> None:  # type: ignore[type-arg]
        for node in nodes:
            self.visit(node)


def _outside(arguments: ast.arguments) -> list[ast.expr]:
    """What a function's header evaluates in the scope around it."""
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    hints = [one.annotation for one in given if one is not None and one.annotation is not None]
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None), *hints]


def _catches(caught: ast.expr | None) -> bool:
    return caught is not None and any(_last_name(one) in _EXPECTED_ERRORS for one in _members(caught))


def _members(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Tuple):
        yield from node.elts
    else:
        yield node


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _asks(test: ast.expr) -> bool:
    """Whether a condition asks for a version or for an attribute."""
    for node in ast.walk(test):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if "version" in name.lower() or "platform" in name.lower() or name in ("hasattr", "TYPE_CHECKING"):
            return True
        if isinstance(node, ast.Constant) and node.value in ("nt", "posix", "java", "win32", "darwin"):
            return True
    return False


def _asks_in_decorator(decorators: list[ast.expr]) -> bool:
    """Whether a test is skipped by version or expected to fail."""
    names = {_last_name(one) for one in decorators}
    return bool(names & {"skipif", "skip", "xfail", "skipIf", "skipUnless", "expectedFailure"})
