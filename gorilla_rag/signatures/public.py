"""The public API of an installed package: each object once, under the name that people type.

A name is public when no part of it begins with an underscore and its module shows it: lists it in `__all__`, defines
it, or (a package) imports it from inside itself. What only running code tells (an `__all__` that is computed, compiled
modules, docstrings that are attached later) is asked of the probe, where the package is one that the user named.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import griffe

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.described import described
from gorilla_rag.signatures.environment import STANDARD_LIBRARY, Distribution
from gorilla_rag.signatures.naming import Name, apart, best, under
from gorilla_rag.signatures.nodes import Instance, Module, Node, Object
from gorilla_rag.signatures.objects import ApiObject
from gorilla_rag.signatures.resolve import Resolver
from gorilla_rag.signatures.shown import Shown
from gorilla_rag.signatures.standard import StandardShown

Progress = Callable[[str, int], None]
"""Told which package is read, and how many objects it has so far."""
_MAKES_NO_METHOD = {"property", "cached_property", "cache_readonly", "field", "TypeVar"}


@dataclass
class Surface:
    """What a package shows.

    Attributes:
        distribution: whose.
        objects: by the name that people type, sorted.
        aliases: other public names of the same objects: `{"numpy.fft.fft": …}`.
        notes: what couldn't be read, in words.
    """

    distribution: Distribution
    objects: dict[str, ApiObject] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_package(resolver: Resolver, name: str, *, progress: Progress | None = None) -> Surface:
    """The public API of one package.

    Raises:
        PackageMissing: it isn't installed.
        PackageUnreadable: nothing of it can be read.
    """
    distribution = resolver.environment.distribution(name)
    reader = _Reader(resolver, Surface(distribution))
    with uncollected():
        for module, shown in reader.shown.top().items():
            reader.read(module, shown)
        made = reader.finished(progress)
        made.notes.extend(reader.shown.notes)
    if not made.objects and made.notes:
        raise PackageUnreadable(f"{distribution.name}: {made.notes[0]}", hint="see that `import` of it works by itself")
    return made


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which takes half of the time to walk syntax trees that all stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True)
class _Method:
    """A public method of a class: what it is called, where it is written and how far away that is."""

    name: str
    path: str
    node: Object
    distance: int


class _Reader:
    """Gathers names by object, then decides on one for each."""

    def __init__(self, resolver: Resolver, surface: Surface) -> None:
        self.resolver, self.tree, self.surface = resolver, resolver.tree, surface
        is_standard = surface.distribution.name == STANDARD_LIBRARY
        self.shown = (StandardShown if is_standard else Shown)(resolver, surface.distribution)
        self.names: dict[str, list[Name]] = {}
        self.by_identity: dict[int, str] = {}
        self.methods: dict[str, list[_Method]] = {}
        self.elsewhere: set[str] = set()

    def read(self, module: str, shown: str, *, listed: bool = True) -> None:
        """Adds what a module and the public ones in it show.

        Args:
            module: its own name.
            shown: the name that it is reached by.
            listed: whether the package that it is in shows it; else it has to have an `__all__`.
        """
        if listed or self.shown.lists(module):
            self._names_of(module, shown, listed=listed)
        for name, is_listed in self.shown.inner(module).items():
            self.read(f"{module}.{name}", under(shown, name), listed=listed and is_listed)

    def _names_of(self, module: str, shown: str, *, listed: bool = True) -> None:
        names = dict.fromkeys((*self.shown.names(module), *self.shown.told(module)))
        nodes = {name: self.tree.member(Module(module), name) for name in names}
        running, decides = self.shown.running(module, nodes)
        exports = self.shown.exports(module) | self.shown.told(module) | (set(running) if decides else set())
        package = any(one.is_package for one in self.tree.readings(module))
        for name in dict.fromkeys((*nodes, *running)):
            node, row = nodes.get(name), running.get(name, {})
            if isinstance(node, Module):
                self._module_elsewhere(node, module, under(shown, name), name in exports)
            elif (row or not decides) and (node or name in exports or self.shown.is_own(row, module, package=package)):
                found = _callable(node) or self._written(row)
                vouched = name in exports or self.shown.vouches(module)
                self._add(Name(under(shown, name), found, row, vouched=vouched, listed=listed), exports)

    def _module_elsewhere(self, node: Module, module: str, shown: str, is_listed: bool) -> None:
        """Reads a module that is listed under another name, as `numpy.emath` is."""
        dotted = node.dotted
        named_so = dotted == f"{module}.{shown.rpartition('.')[2]}"
        if not is_listed or named_so or f"{module}.".startswith(f"{dotted}.") or not self.shown.is_inside(dotted):
            return
        if shown not in self.elsewhere:
            self.elsewhere.add(shown)
            self._names_of(dotted, shown)

    def _written(self, row: Mapping[str, Any]) -> Object | None:
        """Where a running object says that it is written, if it is read there."""
        if not row or row["kind"] == "instance" or not self.shown.is_inside(row["module"]):
            return None
        found = _callable(self.tree.find(f"{row['module']}.{row['name']}"))
        return found if isinstance(found, Object) else None

    def _add(self, one: Name, exports: set[str]) -> None:
        """Adds a name, and those of its methods."""
        node, row = one.node, one.running
        if node is None and not row:
            return
        leaf = one.name.rpartition(".")[2]
        root = (_path(node) if node else str(row["module"])).partition(".")[0]
        if (root not in self.shown.roots and leaf not in exports) or root in self.shown.not_called:
            return
        if isinstance(node, Instance):
            self._methods_of_instance(one, node)
            if not isinstance(self.tree.member(node, "__call__"), Object) and not row:
                return
        self._put(self._key(one), one)
        if isinstance(node, Object) and isinstance(node.item, griffe.Class):
            self._methods_of_class(one, node)
        elif node is None and row["kind"] == "class" and root in self.shown.roots:
            self._methods_of_running(one)

    def _put(self, key: str, one: Name) -> None:
        self.names.setdefault(key, []).append(one)

    def _key(self, one: Name) -> str:
        """What all names of one object have in common: where it is defined."""
        identity = int(one.running.get("id", 0))
        if one.node is not None:
            bound = isinstance(one.node, Object) and one.node.bound
            key = _path(one.node) + ("()" if bound else "")  # `numpy.random.normal` is more than RandomState's
            if identity:
                self.by_identity.setdefault(identity, key)
            return key
        if identity in self.by_identity:
            return self.by_identity[identity]
        row = one.running
        key = f"{row['module']}.{row['name']}" if row["kind"] != "instance" and row["module"] else one.name
        return self.by_identity.setdefault(identity, key) if identity else key

    def _methods_of_class(self, one: Name, node: Object) -> None:
        """Adds a class's public methods, inherited ones from inside the package too."""
        methods = self.methods.get(node.path)
        if methods is None:
            methods = self.methods[node.path] = list(self._found_methods(node))
        for method in methods:
            self._put(method.path, one.member(method.name, method.node, distance=method.distance, size=len(methods)))
        self._made_methods(one, node)

    def _made_methods(self, one: Name, node: Object) -> None:
        """Adds methods that a class makes by calling something (`flatten = _arraymethod("flatten")`) or is given by a
        decorator, that a compiled class's stub leaves out, and those of classes that it holds
        (`str = CachedAccessor("str", StringMethods)`).
        """
        made = {name for name, item in node.item.members.items() if self._is_made(name, item)}
        bases = [
            base for base in self.tree.mro(node)[0] if isinstance(base, Object) and self.shown.is_inside(base.path)
        ]
        given = any(map(self._has_more, bases))
        if not (made or given) or not self.resolver.probe.may_run(node.path):
            return
        known = {method.name: method.path for method in self.methods[node.path]}
        own = {base.item.name for base in bases}
        for name, row in self._running_class(node.path).items():
            if name in known and row["id"]:
                self.by_identity.setdefault(row["id"], known[name])
            found = self._written(row) if name in made else None
            if found and isinstance(found.item, griffe.Class):
                self._methods_of_class(replace(one, name=f"{one.name}.{name}"), found)
            elif row["kind"] == "function" and (name in made or (name not in known and self._is_of(row, own))):
                self._put_running(one, node.path, name, row, own=name in made)

    def _has_more(self, node: Object) -> bool:
        """Whether a decorator may add methods to a class, or its stub leaves some out."""
        files = self.resolver.environment.files(node.module.dotted)
        used = (decorator.callable_path for decorator in getattr(node.item, "decorators", ()))
        return (files.compiled and not files.source) or any(map(self.shown.is_inside, used))

    def _is_of(self, row: Mapping[str, Any], classes: set[str]) -> bool:
        """Whether a method belongs to one of some classes, or was written for them elsewhere in the package."""
        return self.shown.is_inside(row["module"]) or (not row["module"] and row["name"].partition(".")[0] in classes)

    def _put_running(self, one: Name, path: str, name: str, row: Mapping[str, Any], *, own: bool = False) -> None:
        """Adds a method of a class that only running code tells of; inherited ones go with their base's."""
        module, _, owner = path.rpartition(".")
        own_key = f"{row['module']}.{row['name']}" if row["module"] else self.shown.written_as(module, row["name"])
        key = own_key if "." in row["name"] else f"{path}.{name}"
        inherited = not own and not str(row["name"]).startswith(f"{owner}.")
        self._put(self.by_identity.get(row["id"], key), one.member(name, running=row, distance=int(inherited)))

    def _is_made(self, name: str, item: griffe.Object | griffe.Alias) -> bool:
        value = item.value if isinstance(item, griffe.Attribute) and not name.startswith("_") else None
        if not isinstance(value, griffe.ExprCall) or "property" in item.labels:
            return False
        root = str(value.function).rpartition(".")[2]
        return root not in _MAKES_NO_METHOD and not self.resolver.environment.is_standard(value.canonical_path)

    def _running_class(self, path: str) -> Mapping[str, dict[str, Any]]:
        try:
            return self.resolver.probe.members(path)
        except PackageUnreadable:
            return {}  # its module's note says why

    def _found_methods(self, node: Object) -> Iterator[_Method]:
        seen: set[str] = set()
        for distance, one in enumerate(self.tree.mro(node)[0]):
            if not isinstance(one, Object) or not self.shown.is_inside(one.path):
                continue
            overloads = one.item.overloads if isinstance(one.item, griffe.Class) else {}
            for name in (*one.item.members, *overloads):
                if name.startswith("_") or name in seen:
                    continue
                seen.add(name)
                found = self.tree.member(node, name)
                if isinstance(found, Object) and isinstance(found.item, griffe.Function) and _is_method(found.item):
                    yield _Method(name, found.path, found, distance)

    def _methods_of_instance(self, one: Name, node: Instance) -> None:
        """Adds what is called on a value that a module offers: `scipy.stats.norm.pdf`."""
        if node.of.path not in self.methods:
            self.methods[node.of.path] = list(self._found_methods(node.of))
        for method in self.methods[node.of.path]:
            bound = replace(method.node, bound=True)
            self._put(method.path, one.member(method.name, bound, distance=method.distance + 1))

    def _methods_of_running(self, one: Name) -> None:
        """Adds the methods of a class that can't be read."""
        path = f"{one.running['module']}.{one.running['name']}"
        for name, row in self._running_class(path).items():
            if row["kind"] == "function":
                self._put_running(one, path, name, row)

    def finished(self, progress: Progress | None) -> Surface:
        """Decides on names and describes each object."""
        chosen: dict[str, tuple[Name, list[Name]]] = {}
        for key, all_names in self.names.items():
            for names in apart(all_names):
                one = best(names, key)
                chosen.setdefault(one.name, (one, names))
        made = described(self.resolver, self.surface.distribution, [one for _, (one, _) in sorted(chosen.items())])
        for name, found in made.items():
            names = chosen[name][1]
            if not found.docstring and not any(one.vouched for one in names):
                continue
            self.surface.objects[name] = found
            self.surface.aliases.update({one.name: name for one in names if one.name not in chosen})
            if progress and len(self.surface.objects) % 500 == 0:
                progress(self.surface.distribution.name, len(self.surface.objects))
        return self.surface


def _is_method(item: griffe.Function) -> bool:
    return item.runtime and "property" not in item.labels


def _callable(node: Node | None) -> Object | Instance | None:
    if isinstance(node, Instance):
        return node
    called = isinstance(node, Object) and isinstance(node.item, griffe.Function | griffe.Class)
    return node if called and isinstance(node, Object) else None


def _path(node: Object | Instance) -> str:
    if isinstance(node, Object):
        return node.path
    if node.definition is None:
        return node.of.path
    return f"{node.definition.module.dotted}.{node.definition.item.name}"
