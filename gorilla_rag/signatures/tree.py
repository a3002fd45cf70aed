"""From a dotted name to what stands there: through imports, stars, stubs, submodules and base classes, file by file.

Reads only the files on the way. What can't be known from source (compiled modules, names made at run time) is
`Unknown` with the reason, never `Missing`.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import griffe

from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.modules import ReadModule, read
from gorilla_rag.signatures.nodes import Builtin, Definition, Instance, Missing, Module, Node, Object, Unknown

_DEEPEST = 40
_NAMES_FROM_ELSEWHERE = re.compile(
    r"import \*|globals\(\)|setattr\(|__getattr__|__dict__|sys\.modules|exec\(|locals\(|vars\("
)
_LISTED = re.compile(r"^__all__ = \[\s*[\x22\x27](?![\s\S]*^__all__)", re.MULTILINE)
_PLAIN_METACLASSES = {"ABCMeta", "EnumMeta", "EnumType", "type", "ProtocolMeta", "_ProtocolMeta"}
_PLAIN_DECORATORS = {
    "dataclass",
    "final",
    "total_ordering",
    "runtime_checkable",
    "set_module",
    "type_check_only",
    "deprecated",
    "disjoint_base",
    "unique",
}


class Tree:
    """Everything that can be named in an environment."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self._read: dict[tuple[str, str], ReadModule | None] = {}
        self._members: dict[tuple[str, str], Node] = {}
        self._texts: dict[Path, _Text] = {}
        self._bases: dict[str, tuple[Sequence[Object | Builtin], str]] = {}

    def find(self, dotted: str, depth: int = 0) -> Node:
        """What a dotted name that starts with a module stands for."""
        first, *rest = dotted.split(".")
        if not self.environment.files(first).exists:
            return Unknown(f"{first} isn't installed")
        node: Node = Module(first)
        for name in rest:
            node = self.member(node, name, depth)
        return node

    def imported(self, dotted: str, depth: int = 0) -> Node:
        """What `from module import name` brings, `module.name` given: the module is found by its files."""
        parent, _, name = dotted.rpartition(".")
        if not parent or not self.environment.files(parent).exists:
            return self.find(dotted, depth)
        return self.member(Module(parent), name, depth)

    def member(self, node: Node, name: str, depth: int = 0) -> Node:
        """What `node.name` is."""
        if depth > _DEEPEST:
            return Unknown("its imports go round in a circle")
        if isinstance(node, Missing | Unknown):
            return node
        if isinstance(node, Module):
            key = (node.dotted, name)
            if key not in self._members:
                self._members[key] = Unknown("its imports go round in a circle")
                found = self._of_module(node.dotted, name, depth)
                if isinstance(found, Unknown) and "circle" in found.reason:
                    del self._members[key]
                    return found
                self._members[key] = found
            return self._members[key]
        if isinstance(node, Instance):
            found = self._of_class(node.of, name, instance=True)
            return replace(found, bound=True) if isinstance(found, Object) else found
        if isinstance(node, Builtin):
            kind = getattr(builtins, node.name, None)
            return Unknown("a built-in's") if hasattr(kind, name) else Missing(node.name)
        if isinstance(node.item, griffe.Class):
            return self._of_class(node, name)
        return Unknown(f"{node.path} is a value")

    def readings(self, dotted: str) -> list[ReadModule]:
        """A module's source and its stub, whichever there are."""
        files = self.environment.files(dotted)
        found = []
        for path in (files.source, files.stub):
            if path is None:
                continue
            key = (dotted, path.suffix)
            if key not in self._read:
                self._read[key] = read(dotted, path)
            if made := self._read[key]:
                found.append(made)
        return found

    def _of_module(self, dotted: str, name: str, depth: int) -> Node:
        files = self.environment.files(dotted)
        readings = self.readings(dotted)
        found = [self._written(one, name, depth) for one in readings]
        objects = [node for node in found if isinstance(node, Object)]
        if objects:
            objects.sort(key=lambda node: isinstance(node.item, griffe.Attribute))
            definitions = tuple(dict.fromkeys(one for node in objects for one in node.definitions))
            changed = any(node.ambiguous for node in objects) or any(one.rewrites for one in readings)
            return replace(objects[0], definitions=definitions, ambiguous=changed)
        for node in found:
            if isinstance(node, Module | Instance | Builtin):
                return node
        if not readings and self.environment.files(f"{dotted}.{name}").exists:
            return Module(f"{dotted}.{name}")
        unknown = [node for node in found if isinstance(node, Unknown)]
        if files.stub and (unknown or files.compiled):
            private = any(part.startswith("_") for part in (*dotted.split("."), name))
            if private or isinstance(found[-1], Unknown):  # only a public module's own stub lists all it has
                return (*unknown, Unknown(f"{dotted} is compiled, and its stub needn't list it"))[0]
        elif unknown:
            return unknown[0]
        if not readings and files.folder and not files.source and not files.compiled:
            return Unknown(f"{dotted}.{name} isn't installed")  # others may add to a namespace package
        if not readings:
            why = "it is compiled" if files.compiled else "its source can't be read"
            return Unknown(f"{dotted}: {why}") if files.source or files.compiled else Missing(dotted)
        return Missing(dotted)

    def _written(self, module: ReadModule, name: str, depth: int) -> Node:
        """A name in one file: defined there, imported there, brought by a star, or made while it runs."""
        member = written(module.tree, name)
        if isinstance(member, griffe.Alias):
            return self._imported(module, member, name, depth)
        if isinstance(member, griffe.Object) and not isinstance(member, griffe.Module):
            return self._defined(module, member, name, depth)
        if name.startswith("__") and name.endswith("__"):
            return Unknown("every module has some of these")
        inner = f"{module.dotted}.{name}"
        if self.environment.files(inner).exists:
            namesake = self._through_star(inner, name, depth) if inner in module.stars else Missing(inner)
            return Module(inner) if isinstance(namesake, Missing | Unknown) else namesake
        return self._from_stars(module, name, depth) or self._unwritten(module, name)

    def _from_stars(self, module: ReadModule, name: str, depth: int) -> Node | None:
        """What a module's stars bring of a name, the last first; `None` when they bring nothing for certain."""
        unsure = ""
        for star in reversed(module.stars):
            found = self._through_star(star, name, depth)
            if isinstance(found, Unknown):
                unsure = found.reason
            elif not isinstance(found, Missing):
                return found
        return Unknown(unsure) if unsure else None

    def _unwritten(self, module: ReadModule, name: str) -> Node:
        """What a name is that nothing written brings."""
        if module.open:
            return Unknown(f"{module.dotted}: {module.open}")
        if name in module.bound:
            return Unknown(f"{module.dotted} makes it while it is imported")
        if "__getattr__" in module.tree.members and name in module.words:
            return Unknown(f"{module.dotted}: its __getattr__ may know it")
        return Missing(module.dotted)

    def _imported(self, module: ReadModule, alias: griffe.Alias, name: str, depth: int) -> Node:
        itself = f"{module.dotted}.{name}"
        if alias.target_path == itself and self.environment.files(itself).exists:
            return Module(itself)  # `from . import submodule`
        found = self.imported(alias.target_path, depth + 1)
        if isinstance(found, Missing):
            return Unknown(f"{module.dotted} imports it from {found.owner}, which doesn't show it")
        if name in module.ambiguous:
            return Unknown(f"{module.dotted} has several of that name")
        return found

    def _defined(self, module: ReadModule, member: griffe.Object, name: str, depth: int) -> Node:
        if isinstance(member, griffe.Attribute) and name not in module.ambiguous:
            same = self._other_name(module, member, depth)
            if same is not None:
                return same
        replaced = any(self._is_compiled(star) for star in module.stars)  # as heapq's functions are by _heapq's
        return Object((Definition(module, member),), replaced or name in module.ambiguous)

    def _is_compiled(self, dotted: str) -> bool:
        """Whether nothing can be read of a module (or it isn't there, as built-in ones aren't)."""
        return not self.readings(dotted)

    def _other_name(self, module: ReadModule, member: griffe.Attribute, depth: int) -> Node | None:
        """What an attribute is another name of (`concat = concatenate`), or an instance of."""
        value = member.value
        if module.path.suffix == ".pyi" and isinstance(member.annotation, griffe.Expr) and value in (None, "..."):
            return self._typed(module, member, member.annotation, depth)
        if isinstance(value, griffe.ExprCall):
            made = self.expression(module, value.function, depth + 1)
            is_class = isinstance(made, Object) and isinstance(made.item, griffe.Class)
            return Instance(made, Definition(module, member)) if is_class and isinstance(made, Object) else None
        if isinstance(value, griffe.ExprName | griffe.ExprAttribute):
            found = self.expression(module, value, depth + 1)
            known = isinstance(found, Object | Instance | Module)
            return found if known or (isinstance(found, Builtin) and callable(getattr(builtins, found.name))) else None
        return None

    def _typed(self, module: ReadModule, member: griffe.Attribute, annotation: griffe.Expr, depth: int) -> Node | None:
        """What a stub declares by its type: `add: Final[_UFunc]` is an instance of `_UFunc`."""
        if isinstance(annotation, griffe.ExprSubscript) and str(annotation.left).rpartition(".")[2] in (
            "Final",
            "ClassVar",
        ):
            inner = annotation.slice
            return self._typed(module, member, inner, depth) if isinstance(inner, griffe.Expr) else None
        found = self.expression(module, annotation, depth + 1)
        is_class = isinstance(found, Object) and isinstance(found.item, griffe.Class)
        return Instance(found, Definition(module, member)) if is_class and isinstance(found, Object) else None

    def expression(self, module: ReadModule, value: str | griffe.Expr, depth: int = 0) -> Node:
        """What a name or dotted name stands for in a module; what it is subscripted with doesn't matter."""
        while isinstance(value, griffe.ExprSubscript):
            value = value.left
        if not isinstance(value, str | griffe.ExprName | griffe.ExprAttribute):
            return Unknown("made by an expression")
        if depth > _DEEPEST:  # `x = x`, directly or in a circle
            return Unknown("its names go round in a circle")
        first, *rest = str(value).split(".")
        node = self._written(module, first, depth)
        if isinstance(node, Missing):
            node = Builtin(first) if hasattr(builtins, first) else Unknown(f"{first} in {module.dotted}")
        for name in rest:
            node = self.member(node, name, depth)
        return node

    def _through_star(self, star: str, name: str, depth: int) -> Node:
        """A name that `from star import *` brings, if it does."""
        if depth > _DEEPEST:
            return Unknown("its imports go round in a circle")
        if not self._may_know(star, name):
            return Missing(star)
        readings = self.readings(star)
        if not readings:
            return Unknown(f"{star} is compiled") if self.environment.files(star).compiled else Missing(star)
        exports = readings[0].exports
        if (exports is not None and name not in exports) or (exports is None and name.startswith("_")):
            return Missing(star)
        return self.member(Module(star), name, depth + 1)

    def _may_know(self, dotted: str, name: str) -> bool:
        """Whether a module's files hold a name at all, or stars, or anything that makes names; without parsing them."""
        files = self.environment.files(dotted)
        for path in (files.source, files.stub):
            if path and path not in self._texts:
                self._texts[path] = _Text(path.read_text(encoding="utf-8", errors="replace"))
        texts = [self._texts[path] for path in (files.source, files.stub) if path]
        return not texts or any(text.may_export(name) for text in texts)

    def _of_class(self, node: Object, name: str, *, instance: bool = False) -> Node:
        """A class's attribute, its own or inherited."""
        order, unsure = self.mro(node)
        for one in order:
            if isinstance(one, Builtin):
                if hasattr(getattr(builtins, one.name), name):
                    return Unknown(f"inherited from {one.name}")
                continue
            if found := self._own(one, name):
                return found
        if unsure:
            return Unknown(unsure)
        for one in order:
            if isinstance(one, Object) and (why := _makes_attributes(one, name, instance=instance)):
                return Unknown(f"{one.path}: {why}")
        dunder = name.startswith("__") and name.endswith("__")
        everywhere = dunder or hasattr(object, name) or hasattr(type, name)
        return Unknown("every object has some of these") if everywhere else Missing(node.path)

    def _own(self, node: Object, name: str) -> Node | None:
        """What stands in the class itself."""
        made = []
        for one in node.definitions:
            member = written(one.item, name) if isinstance(one.item, griffe.Class) else None
            if isinstance(member, griffe.Alias):
                return Unknown(f"{node.path} imports it")
            if isinstance(member, griffe.Object):
                made.append(Definition(one.module, member))
        if not made:
            return None
        first = made[0]
        if isinstance(first.item, griffe.Attribute) and isinstance(first.item.value, griffe.ExprName):
            other = str(first.item.value)  # `count_nonzero = nonzero` in a class body
            if other != name and (found := self._own(node, other)):
                return found
        return Object(tuple(made), owner=node)

    def mro(self, node: Object) -> tuple[Sequence[Object | Builtin], str]:
        """A class and its bases, nearest first, and why that isn't the whole of it (empty when it is).

        The order is depth first with a shared base last, which differs from C3 only where C3 reorders siblings.
        """
        if node.path not in self._bases:
            self._bases[node.path] = ([node], "its bases go round in a circle")
            order: list[Object | Builtin] = [node]
            unsure = ""
            for base in self._direct(node):
                if isinstance(base, Unknown):
                    unsure = unsure or f"a base of {node.path} isn't known: {base.reason}"
                    continue
                inherited, why = self.mro(base) if isinstance(base, Object) else ([base], "")
                unsure = unsure or why
                order = [one for one in order if one not in inherited] + list(inherited)
            self._bases[node.path] = (order, unsure)
        return self._bases[node.path]

    def _direct(self, node: Object) -> Iterator[Object | Builtin | Unknown]:
        item = node.item
        for base in item.bases if isinstance(item, griffe.Class) else ():
            found = self.expression(node.module, base)
            if isinstance(found, Builtin) or (isinstance(found, Object) and isinstance(found.item, griffe.Class)):
                yield found
            elif isinstance(found, Object) and found.module.dotted in ("typing", "typing_extensions"):
                if found.item.name in ("NamedTuple", "TypedDict"):
                    yield Unknown(f"made as {found.item.name}")
                continue  # Generic, Protocol: special forms that add nothing callable
            else:
                yield Unknown(found.reason if isinstance(found, Unknown) else f"{base} isn't a class")


def written(scope: griffe.Module | griffe.Class, name: str) -> griffe.Object | griffe.Alias | None:
    """A name's own entry in a module or class; of overloads without an implementation, the first."""
    overloads = scope.overloads.get(name)
    return scope.members.get(name) or (overloads[0] if overloads else None)


class _Text:
    """A file's text, as far as it tells which names a star brings."""

    def __init__(self, text: str) -> None:
        listed = _LISTED.search(text)
        self._listed = text[listed.start() :] if listed else None
        self._text = text
        self._open = listed is None and _NAMES_FROM_ELSEWHERE.search(text) is not None

    def may_export(self, name: str) -> bool:
        """Whether it can bring a name: an `__all__` written once, in one list, decides alone."""
        if self._listed is not None:
            return f'"{name}"' in self._listed or f"'{name}'" in self._listed
        return self._open or name in self._text


def _makes_attributes(node: Object, name: str, *, instance: bool) -> str:
    """Why a class (or an instance of it) may have an attribute that isn't written in it."""
    item = node.item
    if name.startswith("_") and node.module.path.suffix == ".pyi":
        return "its stub needn't list what is private"
    if name in node.module.set_attributes:
        return "its module sets it on something"
    if item.name in node.module.handed_on:
        return "its module hands it to a function that may add to it"
    if instance and {"__getattr__", "__getattribute__"} & set(item.members):
        return "its __getattr__ makes attributes"
    metaclass = str(item.keywords.get("metaclass", "type")) if isinstance(item, griffe.Class) else "type"
    if metaclass.rpartition(".")[2] not in _PLAIN_METACLASSES:
        return "its metaclass may add attributes"
    name = remaking_decorator(node)
    return f"{name} may add attributes" if name else ""


def remaking_decorator(node: Object) -> str:
    """A decorator of a class that may make another of it."""
    for decorator in getattr(node.item, "decorators", ()):
        if decorator.callable_path.rpartition(".")[2] not in _PLAIN_DECORATORS:
            return str(decorator.callable_path)
    return ""
