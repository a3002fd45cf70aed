"""Reads a program: its scopes, its calls and imports, what it sets on others, and what it expects to fail.

Walks a syntax tree once. Runs nothing and knows nothing of what is installed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gorilla_rag.check import guards
from gorilla_rag.check.scope import Assigned, Binding, Imported, Own, Scope
from gorilla_rag.signatures.modules import absolute

_NAMESPACES = {"globals", "exec"}
_OWN_NAMESPACES = {"vars", "locals"}
_PATCHING = {"setattr", "delattr", "object", "patch"}
ANYTHING = "*"
"""In place of a name that is made while the program runs."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call and where it stands.

    Attributes:
        node: the call.
        scope: whose names it sees.
        expected: errors that the code expects here.
    """

    node: ast.Call
    scope: Scope
    expected: frozenset[str]


@dataclass(frozen=True, slots=True)
class ImportSite:
    """An imported name and where it stands.

    Attributes:
        node: the statement.
        alias: the name.
        target: what it stands for, from its module on; of `from m import *` the module.
        expected: errors that the code expects here.
    """

    node: ast.Import | ast.ImportFrom
    alias: ast.alias
    target: str
    expected: frozenset[str]


class Reader(ast.NodeVisitor):
    """Reads one program.

    Args:
        package: the package that the file is in, for relative imports; empty when unknown.

    Attributes:
        calls, imports: in reading order.
        patches: what the program sets on others, as `(owner, its scope, name)`.
        patched_names: dotted names that it sets by a string.
        set_attributes: every attribute that it sets on anything.
        makes_names: whether it makes variables in ways that can't be read.
        changes_path: whether it changes where modules are looked for.
    """

    def __init__(self, package: str = "") -> None:
        self.package = package
        self.calls: list[CallSite] = []
        self.imports: list[ImportSite] = []
        self.patches: list[tuple[ast.expr, Scope, str]] = []
        self.patched_names: set[str] = set()
        self.set_attributes: set[str] = set()
        self.makes_names = self.changes_path = False
        self.scope = Scope()
        self._expected: frozenset[str] = guards.NOTHING

    def visit_Import(self, node: ast.Import) -> None:
        """Binds what is imported."""
        for alias in node.names:
            self.imports.append(ImportSite(node, alias, alias.name, self._expected))
            first = alias.name.partition(".")[0]
            self.scope.bind(alias.asname or first, Imported(alias.name if alias.asname else first))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Binds what is imported, where it is known from where."""
        known = (not node.level or node.level <= len(self.package.split("."))) and node.module != "__future__"
        known &= not node.level or bool(self.package)
        source = absolute(node, self.package) if known else ""
        for alias in node.names:
            star = alias.name == "*"
            target = source if star else f"{source}.{alias.name}"
            if known:
                self.imports.append(ImportSite(node, alias, target, self._expected))
            if star:
                self.scope.module.stars = True
            else:
                binding = Imported(target) if known else Own("imported from the program's own package")
                self.scope.bind(alias.asname or alias.name, binding)

    def visit_Call(self, node: ast.Call) -> None:
        """Records the call."""
        self.calls.append(CallSite(node, self.scope, self._expected))
        name = guards.last_name(node.func)
        if name in _PATCHING:
            self._patched(node.args)
        elif name in _NAMESPACES or (name in _OWN_NAMESPACES and self.scope is self.scope.module):
            self.makes_names |= isinstance(node.func, ast.Name)
        self.generic_visit(node)

    def _patched(self, given: Sequence[ast.expr]) -> None:
        """`setattr(owner, "name", value)`, `patch.object(owner, "name")`, `patch("owner.name")`, and what is alike."""
        words = [one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "" for one in given]
        if words and words[0]:
            self.patched_names.add(words[0])
            self.set_attributes.add(words[0].rpartition(".")[2])
        elif words[1:2]:
            self.set_attributes.add(words[1])
            self.patches.append((given[0], self.scope, words[1] or ANYTHING))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Records attributes that are set."""
        if isinstance(node.ctx, ast.Store | ast.Del):
            self.set_attributes.add(node.attr)
            self.patches.append((node.value, self.scope, node.attr))
        elif node.attr == "path" and isinstance(node.value, ast.Name) and node.value.id == "sys":
            self.changes_path = True
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """`sys.modules["name"] = …` puts another module in a name's place."""
        if isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "sys.modules":
            if isinstance(node.slice, ast.Constant):
                self.patched_names.add(str(node.slice.value))
            self.changes_path = True
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Binds simple targets to the value; what is unpacked is the program's own."""
        self.visit(node.value)
        for target in node.targets:
            self._target(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Binds an annotated target; one without a value only says that there will be one."""
        self.visit(node.annotation)
        if node.value:
            self.visit(node.value)
        self._target(node.target, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Binds `name := value`, outside of comprehensions."""
        self.visit(node.value)
        scope = self.scope
        while scope.is_comprehension and scope.parent:
            scope = scope.parent
        scope.bind(node.target.id, Assigned(node.value, self.scope))

    def _target(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name) and value is not None:
            self.scope.bind(target.id, Assigned(value, self.scope))
        else:
            self.visit(target)

    def visit_Name(self, node: ast.Name) -> None:
        """Binds targets of loops, `with`, unpacking, `+=` and `del`."""
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
        self._own(node.name, "an exception")
        if node.type:
            self.visit(node.type)
        self._block(node.body)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        """Binds a pattern's name."""
        self._own(node.name, "a matched value")
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        """Binds a pattern's rest."""
        self._own(node.name, "a matched value")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        """Binds a pattern's rest."""
        self._own(node.rest, "a matched value")
        self.generic_visit(node)

    def _own(self, name: str | None, what: str) -> None:
        if name:
            self.scope.bind(name, Own(what))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """A function: its own scope, its decorators and defaults outside of it."""
        self._own(node.name, "the program's own function")
        self._visit_all([*node.decorator_list, *_outside(node.args), *([node.returns] if node.returns else [])])
        with (
            self._inside(Scope(self.scope), node),
            self._expecting(guards.skipped(node.decorator_list, self.scope.value)),
        ):
            self._parameters(node.args)
            self._block(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As any function."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """As any function."""
        self._visit_all(_outside(node.args))
        with self._inside(Scope(self.scope), node):
            self._parameters(node.args)
            self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """A class: its own scope, which its functions don't see."""
        self._own(node.name, "the program's own class")
        self._visit_all([*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)])
        with (
            self._inside(Scope(self.scope, is_class=True), node),
            self._expecting(guards.skipped(node.decorator_list, self.scope.value)),
        ):
            self._block(node.body)

    def _parameters(self, arguments: ast.arguments) -> None:
        for one in _parameters(arguments):
            self._own(one.arg, "a parameter")

    @contextmanager
    def _inside(self, scope: Scope, node: ast.AST) -> Iterator[None]:
        """Reads what follows in a scope of its own; its type parameters (Python 3.12) are in it."""
        outer, self.scope = self.scope, scope
        for one in getattr(node, "type_params", ()):
            self._own(one.name, "a type parameter")
        yield
        self.scope = outer

    @contextmanager
    def _expecting(self, errors: frozenset[str]) -> Iterator[None]:
        outer = self._expected
        self._expected = outer | errors
        yield
        self._expected = outer

    def _block(self, body: list[ast.stmt]) -> None:
        """Statements; what follows `if version < …: return` is only reached where that holds."""
        before = self._expected
        for node in body:
            self.visit(node)
            if isinstance(node, ast.If) and (guards.leaves(node.body) or guards.leaves(node.orelse)):
                self._expected |= self._asked(node.test)
        self._expected = before

    def visit_Module(self, node: ast.Module) -> None:
        """The whole program."""
        self._block(node.body)

    def _asked(self, test: ast.expr) -> frozenset[str]:
        return guards.ANY if guards.asks(test, self.scope.value) else guards.NOTHING

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        """A comprehension: its first iterable is evaluated outside of its scope."""
        self.visit(node.generators[0].iter)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        with self._inside(Scope(self.scope, is_comprehension=True), node):
            for number, generator in enumerate(node.generators):
                self.visit(generator.target)
                if number:
                    self.visit(generator.iter)
                self._visit_all(generator.ifs)
            asked = (self._asked(test) for generator in node.generators for test in generator.ifs)
            with self._expecting(guards.NOTHING.union(*asked)):
                self._visit_all(parts)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension  # noqa: N815

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        """What is caught is expected, in what is tried and in what stands in for it."""
        with self._expecting(guards.caught(node.handlers)):
            self._block(node.body)
            self._visit_all(node.handlers)
        self._block(node.orelse)
        self._block(node.finalbody)

    visit_TryStar = visit_Try  # noqa: N815

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        """What stands where a test expects an error."""
        self._visit_all(node.items)
        found = [guards.expected(item.context_expr, self._value) for item in node.items]
        with self._expecting(guards.NOTHING.union(*found)):
            self._block(node.body)

    def _value(self, name: str) -> ast.expr | None:
        """What a name was given; a parameter may be any context: as if it were `raises(error)`."""
        holder = self.scope.holder(name)
        bindings: list[Binding] = holder.bindings[name] if holder else []
        if bindings == [Own("a parameter")]:
            return ast.Call(ast.Name("raises"), [ast.Name("error")], [])
        return self.scope.value(name)

    visit_AsyncWith = visit_With  # noqa: N815

    def visit_If(self, node: ast.If) -> None:
        """What depends on a version, or on whether an attribute is there."""
        self.visit(node.test)
        with self._expecting(self._asked(node.test)):
            self._block(node.body)
            self._block(node.orelse)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        """A loop's target is a variable."""
        self._visit_all([node.iter, node.target])
        self._block(node.body)
        self._block(node.orelse)

    visit_AsyncFor = visit_For  # noqa: N815

    def visit_While(self, node: ast.While) -> None:
        """As an `if` that is repeated."""
        self.visit(node.test)
        self._block(node.body)
        self._block(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        """As any `if`."""
        self.visit(node.test)
        with self._expecting(self._asked(node.test)):
            self._visit_all([node.body, node.orelse])

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """`hasattr(m, "f") and m.f()`: each part is only reached by way of those before it."""
        before = self._expected
        for one in node.values:
            self.visit(one)
            self._expected |= self._asked(one)
        self._expected = before

    def _visit_all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [one for one in given if one is not None]


def _outside(arguments: ast.arguments) -> list[ast.expr]:
    """What a function's header evaluates in the scope around it."""
    hints = [one.annotation for one in _parameters(arguments) if one.annotation is not None]
    return [*arguments.defaults, *(one for one in arguments.kw_defaults if one is not None), *hints]
