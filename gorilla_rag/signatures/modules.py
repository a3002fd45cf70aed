"""One module, read from its source or stub: its names, what its stars bring, and whether it makes names at run time.

Reads one file with griffe; follows no import. A module is *open* when its source shows that it gets names while it
runs (`globals()`, `setattr` on itself, an unlisted `__getattr__`): what it lacks may still be there.
"""

from __future__ import annotations

import ast
import builtins
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import griffe

_RUN_TIME = {"exec", "globals", "vars", "locals"}
_MAKES_NAMES = re.compile(r"\b(?:exec|setattr|globals|vars|locals)\b|__dict__|\bmodules\b|__getattr__")
_GUARDED = ast.If | ast.Try | ast.TryStar | ast.For | ast.While | ast.With
_HARMLESS = {"inspect", "__all__", *dir(builtins)} - {"setattr"}
_LARGEST = 8_000_000
_NO_EXTENSIONS = griffe.Extensions()


@dataclass(frozen=True)
class ReadModule:
    """What one file says.

    Attributes:
        dotted: the module's name.
        path: the file.
        tree: griffe's view of it.
        syntax: its syntax tree.
        stars: modules whose names it imports, in order.
        exports: its `__all__`; `None` when there is none or it is made at run time.
        open: why it may have names that aren't written in it; empty when it can't.
        ambiguous: names that are bound in more than one way, so that which one holds depends on the machine.
        rewrites: whether it hands each of many objects to a function while it is imported, which may change them.
    """

    dotted: str
    path: Path
    tree: griffe.Module
    syntax: ast.Module
    stars: tuple[str, ...]
    exports: frozenset[str] | None
    open: str
    ambiguous: frozenset[str]
    rewrites: bool

    @cached_property
    def words(self) -> frozenset[str]:
        """Every name and string in it, which an `__getattr__` may know."""
        return frozenset(_words(self.syntax))

    @cached_property
    def bound(self) -> frozenset[str]:
        """Every name that something binds at its top level, by unpacking and loops too."""
        nodes = (node for node in _module_level(self.syntax) if isinstance(node, ast.Name))
        return frozenset(node.id for node in nodes if isinstance(node.ctx, ast.Store))

    @cached_property
    def set_attributes(self) -> frozenset[str]:
        """Every attribute that it sets on anything (`self.model_ = …`, `Class.method = …`)."""
        nodes = (node for node in ast.walk(self.syntax) if isinstance(node, ast.Attribute))
        return frozenset(node.attr for node in nodes if isinstance(node.ctx, ast.Store))

    @cached_property
    def handed_on(self) -> frozenset[str]:
        """Names that it gives to a function while it is imported, which may set attributes on what they name."""
        calls = (node for node in _module_level(self.syntax) if isinstance(node, ast.Call))
        given = (one for node in calls for one in node.args if isinstance(one, ast.Name))
        return frozenset(one.id for one in given)

    @property
    def is_package(self) -> bool:
        """Whether this is a package's `__init__`."""
        return self.path.stem == "__init__"


class _Visitor(griffe.Visitor):
    """Keeps the syntax tree that griffe makes, so that a file is parsed once."""

    syntax: ast.Module

    def visit(self, node: ast.AST) -> None:
        """Visits a node as griffe does."""
        if isinstance(node, ast.Module):
            self.syntax = node
        super().visit(node)


def read(dotted: str, path: Path) -> ReadModule | None:
    """Reads a file; `None` when it isn't Python that can be read."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        code = path.read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            visitor = _Visitor(dotted.rpartition(".")[2], path, code, _NO_EXTENSIONS, _parent(dotted, path))
            tree, syntax = visitor.get_module(), visitor.syntax
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, griffe.GriffeError):
        return None
    package = dotted if path.stem == "__init__" else dotted.rpartition(".")[0]
    stub = path.suffix == ".pyi"
    return ReadModule(
        dotted=dotted,
        path=path,
        tree=tree,
        syntax=syntax,
        stars=tuple(_stars(syntax, package)),
        exports=_exports(syntax),
        open=_open(syntax) if _MAKES_NAMES.search(code) else "",
        ambiguous=frozenset() if stub else frozenset(_ambiguous(syntax)),
        rewrites=_rewrites(syntax),
    )


def _parent(dotted: str, path: Path) -> griffe.Module | None:
    """The packages a module is in, empty: griffe needs them to resolve relative imports."""
    names = dotted.split(".")[:-1]
    folder = path.parent.parent if path.stem == "__init__" else path.parent
    folders = [folder, *folder.parents][: len(names)][::-1]
    parent: griffe.Module | None = None
    for name, place in zip(names, folders, strict=True):
        parent = griffe.Module(name, filepath=place / "__init__.py", parent=parent)
    return parent


def absolute(node: ast.ImportFrom, package: str) -> str:
    """The dotted name that a `from … import` is from; `package` is the one the file is in."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, bool]]:
    """Every statement that runs in a body's own scope, and whether something else decides if it does."""
    for node in body:
        yield node, False
        if isinstance(node, _GUARDED):
            for field in ("body", "orelse", "finalbody"):
                for inner, _ in statements(getattr(node, field, [])):
                    yield inner, True
            for handler in getattr(node, "handlers", []):
                for inner, _ in statements(handler.body):
                    yield inner, True


def bound_names(node: ast.stmt) -> Iterator[str]:
    """Names that one statement binds by itself, not those of statements inside it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        names = (one for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name))
        yield from (one.id for one in names if isinstance(one.ctx, ast.Store))
    elif isinstance(node, ast.AnnAssign | ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id


def _stars(syntax: ast.Module, package: str) -> Iterator[str]:
    for node, _ in statements(syntax.body):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield absolute(node, package)


def _exports(syntax: ast.Module) -> frozenset[str] | None:
    """`__all__` where it is written out, with what is added to it."""
    found: set[str] | None = None
    for node, _ in statements(syntax.body):
        value = _assigned(node)
        if value is None:
            continue
        try:
            names = set(ast.literal_eval(value))
        except (ValueError, TypeError, SyntaxError):
            return None
        found = names if isinstance(node, ast.Assign | ast.AnnAssign) else (found or set()) | names
    return None if found is None else frozenset(found)


def _assigned(node: ast.stmt) -> ast.expr | None:
    """What a statement puts into `__all__`."""
    if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets):
        return node.value
    if isinstance(node, ast.AnnAssign | ast.AugAssign) and getattr(node.target, "id", "") == "__all__":
        return node.value
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        if isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "__all__" and node.value.args:
            return node.value.args[0]
    return None


def _open(syntax: ast.Module) -> str:
    """Why a module may get names while it runs."""
    for node in _module_level(syntax):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "exec":
                return "it runs made-up code"
            if node.func.id == "setattr":
                return "it sets attributes while it is imported"
        if isinstance(node, ast.Call) and any(_is_namespace(one) for one in node.args):
            return "it hands its names to be set"
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Subscript) and _is_namespace(one.value) for one in targets):
                return "it sets names while it is imported"
        if isinstance(node, ast.Attribute) and node.attr in ("update", "__setitem__") and _is_namespace(node.value):
            return "it sets names while it is imported"
    getter = next((n for n, _ in statements(syntax.body) if getattr(n, "name", "") == "__getattr__"), None)
    return "" if getter is None or _lists_its_names(getter) else "its __getattr__ makes names"


def _rewrites(syntax: ast.Module) -> bool:
    """Whether a loop over names gets the object of each and gives it to a function of the package's own."""
    for loop in _module_level(syntax):
        if isinstance(loop, ast.For):
            nodes = [node for part in loop.body for node in ast.walk(part)]
            gotten = _gotten(nodes)
            for node in nodes:
                given = node.args if isinstance(node, ast.Call) else []
                handed = any(isinstance(one, ast.Name) and one.id in gotten for one in given)
                if handed and isinstance(node, ast.Call) and _root(node.func) not in _HARMLESS:
                    return True
    return False


def _root(node: ast.expr) -> str:
    return ast.unparse(node).partition(".")[0]


def _gotten(nodes: list[ast.AST]) -> set[str]:
    """Variables that are given what `getattr` returns, directly or from one another."""
    found: set[str] = set()
    for node in sorted((one for one in nodes if isinstance(one, ast.Assign)), key=lambda one: one.lineno):
        value = node.value
        made = isinstance(value, ast.Call) and ast.unparse(value.func) == "getattr"
        if made or (isinstance(value, ast.Name) and value.id in found):
            found |= {one.id for one in node.targets if isinstance(one, ast.Name)}
    return found


def _module_level(syntax: ast.Module) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported, functions left out."""
    waiting: list[ast.AST] = list(syntax.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def _is_namespace(node: ast.expr) -> bool:
    """`globals()`, `vars()`, `sys.modules`, `module.__dict__`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in _RUN_TIME and not node.args
    return isinstance(node, ast.Attribute) and (node.attr == "__dict__" or ast.unparse(node) == "sys.modules")


def _lists_its_names(getter: ast.stmt) -> bool:
    """Whether an `__getattr__` refuses what isn't written in its module: no `getattr` on others, an AttributeError."""
    refuses = False
    for node in ast.walk(getter):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("getattr", "exec", "eval")
        ):
            return False
        if isinstance(node, ast.Raise) and node.exc is not None:
            refuses |= "AttributeError" in ast.unparse(node.exc)
    return refuses


def _ambiguous(syntax: ast.Module) -> Iterator[str]:
    """Names bound by more than one definition or import, overloads aside."""
    count: Counter[str] = Counter()
    for node, _ in statements(syntax.body):
        if isinstance(node, ast.FunctionDef) and any("overload" in ast.unparse(one) for one in node.decorator_list):
            continue
        count.update(set(bound_names(node)))
    yield from (name for name, times in count.items() if times > 1)


def _words(syntax: ast.Module) -> Iterator[str]:
    for node in ast.walk(syntax):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
            yield from node.value.split()
