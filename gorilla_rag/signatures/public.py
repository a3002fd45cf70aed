"""The public API of an installed package: each object once, under the name that people type.

A name is public when no part of it begins with an underscore and its module shows it: lists it in `__all__`, defines
it, or (a package) imports it from inside itself. Of several names the shortest counts: `sklearn.cluster.KMeans`, not
`sklearn.cluster._kmeans.KMeans`. What only running code tells (compiled modules, docstrings that are attached later) is
asked of the probe, where the package is one that the user named.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import griffe

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.callables import describe
from gorilla_rag.signatures.environment import Distribution
from gorilla_rag.signatures.modules import ReadModule
from gorilla_rag.signatures.objects import ApiObject, ObjectKind
from gorilla_rag.signatures.probe import signature_of
from gorilla_rag.signatures.resolve import Resolver
from gorilla_rag.signatures.tree import Instance, Module, Node, Object

Progress = Callable[[str, int], None]
"""Told which package is read, and how many objects it has so far."""
_NOT_PUBLIC = {"tests", "test", "testing_data", "conftest", "setup", "externals", "vendor", "vendored", "version", "py"}


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


@dataclass(frozen=True, slots=True)
class _Named:
    """An object under one of its names."""

    name: str
    node: Object | Instance | None
    probed: Mapping[str, Any] = field(default_factory=dict)


def read_package(resolver: Resolver, name: str, *, progress: Progress | None = None) -> Surface:
    """The public API of one package.

    Raises:
        PackageMissing: it isn't installed.
        PackageUnreadable: nothing of it can be read.
    """
    distribution = resolver.environment.distribution(name)
    reader = _Reader(resolver, Surface(distribution))
    for module in distribution.modules:
        if not module.startswith("_"):
            reader.read(module)
    made = reader.finished(progress)
    if not made.objects and made.notes:
        raise PackageUnreadable(f"{distribution.name}: {made.notes[0]}", hint="see that `import` of it works by itself")
    return made


class _Reader:
    """Gathers names by object, then decides on one for each."""

    def __init__(self, resolver: Resolver, surface: Surface) -> None:
        self.resolver, self.tree, self.surface = resolver, resolver.tree, surface
        self.roots = set(surface.distribution.modules)
        self.names: dict[str, list[_Named]] = {}
        self.about: dict[str, str] = {}

    def read(self, module: str) -> None:
        """Adds what a module and the public ones in it show."""
        unknown = set(self._static(module))
        readings = self.tree.readings(module)
        compiled = self.resolver.environment.files(module).compiled
        written = readings and not compiled and not any(one.open for one in readings)
        if (unknown or not written) and self.resolver.probe.allows(module):
            self._running(module, unknown)
        for name in self._submodules(module):
            self.read(f"{module}.{name}")

    def _submodules(self, module: str) -> list[str]:
        """The public modules in a package: where its `__all__` lists some, those."""
        inside = [name for name in self.resolver.environment.submodules(module) if not name.startswith("_")]
        kept = [name for name in inside if name not in _NOT_PUBLIC]
        exports = next((one.exports for one in reversed(self.tree.readings(module)) if one.exports), frozenset())
        return [name for name in kept if name in exports] or kept

    def _static(self, module: str) -> Iterator[str]:
        """Adds what reading tells; yields names about which it doesn't."""
        for name in dict.fromkeys(self._shown(module)):
            node = self.tree.member(Module(module), name)
            if isinstance(node, Object) and isinstance(node.item, griffe.Function | griffe.Class):
                self._add(f"{module}.{name}", node)
            elif isinstance(node, Instance):
                if isinstance(self.tree.member(node, "__call__"), Object):
                    self._add(f"{module}.{name}", node)
                self._methods_of_instance(f"{module}.{name}", node)
            elif not isinstance(node, Module):
                yield name

    def _shown(self, module: str) -> Iterator[str]:
        """Names that a module shows."""
        for one in self.tree.readings(module):
            if one.exports is not None:
                yield from (name for name in one.exports if not name.startswith("_"))
            else:
                yield from self._unlisted(one)

    def _unlisted(self, one: ReadModule) -> Iterator[str]:
        """Public names of a module without an `__all__`: its own, and a package's from inside the package."""
        for name, member in one.tree.members.items():
            if name.startswith("_") or "*" in name:
                continue
            if not isinstance(member, griffe.Alias) or (
                one.is_package and member.target_path.partition(".")[0] in self.roots
            ):
                yield name
        yield from (name for name in one.tree.overloads if not name.startswith("_"))
        if one.is_package:
            for star in one.stars:
                yield from self._shown(star)

    def _add(self, name: str, node: Object | Instance) -> None:
        path = _path(node)
        if path.partition(".")[0] not in self.roots:
            return
        self.names.setdefault(path, []).append(_Named(name, node))
        if isinstance(node, Object) and isinstance(node.item, griffe.Class):
            self._methods(name, node)

    def _methods(self, name: str, node: Object) -> None:
        """Adds a class's public methods, inherited ones from inside the package too."""
        seen: set[str] = set()
        for one in self.tree.mro(node)[0]:
            if not isinstance(one, Object) or one.path.partition(".")[0] not in self.roots:
                continue
            for member in (*one.item.members, *(one.item.overloads if isinstance(one.item, griffe.Class) else ())):
                if member.startswith("_") or member in seen:
                    continue
                seen.add(member)
                found = self.tree.member(node, member)
                if isinstance(found, Object) and isinstance(found.item, griffe.Function):
                    self.names.setdefault(found.path, []).append(_Named(f"{name}.{member}", found))

    def _methods_of_instance(self, name: str, node: Instance) -> None:
        """Adds what is called on a value that a module offers: `scipy.stats.norm.pdf`."""
        for one in self.tree.mro(node.of)[0]:
            if isinstance(one, Object) and one.path.partition(".")[0] in self.roots:
                for member, item in one.item.members.items():
                    if not member.startswith("_") and isinstance(item, griffe.Function):
                        found = self.tree.member(node, member)
                        if isinstance(found, Object) and "property" not in found.item.labels:
                            self.names.setdefault(found.path, []).append(_Named(f"{name}.{member}", found))

    def _running(self, module: str, unknown: set[str]) -> None:
        """Adds what only the running module tells."""
        try:
            found = self.resolver.probe.members(module)
        except PackageUnreadable as error:
            self.surface.notes.append(error.message)
            return
        static = {one.name for named in self.names.values() for one in named}
        for name, row in found.items():
            full = f"{module}.{name}"
            if full in static or not self._is_own(row, module, name, unknown):
                continue
            place = f"{row['module']}.{row['name']}" if row["kind"] != "instance" and row["module"] else full
            self.names.setdefault(place, []).append(_Named(full, None, row))

    def _is_own(self, row: Mapping[str, Any], module: str, name: str, unknown: set[str]) -> bool:
        """Whether a member that running tells of is the package's own."""
        del module
        root = str(row["module"]).partition(".")[0]
        return root in self.roots or (root in ("", "builtins") and name in unknown)

    def finished(self, progress: Progress | None) -> Surface:
        """Decides on names and describes each object."""
        chosen_of = [(min(named, key=_preference), named) for named in map(_once, self.names.values())]
        for chosen, named in sorted(chosen_of, key=lambda pair: pair[0].name):
            made = self._described(chosen)
            if made is None:
                continue
            self.surface.objects[made.name] = made
            self.surface.aliases.update({one.name: made.name for one in named if one.name != made.name})
            if progress and len(self.surface.objects) % 500 == 0:
                progress(self.surface.distribution.name, len(self.surface.objects))
        return self.surface

    def _described(self, chosen: _Named) -> ApiObject | None:
        distribution = self.surface.distribution
        made = ApiObject(chosen.name, "function", package=distribution.name, version=distribution.version)
        if chosen.node is None:
            return _from_probe(made, chosen.probed)
        found = describe(self.tree, chosen.node)
        if found.kind == "property":
            return None
        bound = isinstance(chosen.node, Object) and chosen.node.bound
        made = replace(
            made,
            kind="function" if bound else found.kind,
            signatures=tuple(map(_without_self, found.signatures))
            if found.kind == "method" and not bound
            else found.signatures,
            docstring=found.docstring,
            deprecated=found.deprecated,
            file=found.file,
            line=found.line,
        )
        return self._completed(made) if self.resolver.probe.allows(chosen.name) else made

    def _completed(self, made: ApiObject) -> ApiObject:
        """With the docstring, and where nothing is written the signature, that the running object has."""
        if made.docstring and made.signatures:
            return made
        row: dict[str, Any] = {}
        with suppress(PackageUnreadable):
            row = self.resolver.probe.look_up(made.name)
        if row.get("state") != "found":
            return made
        running = signature_of(row)
        return replace(
            made,
            docstring=made.docstring or row.get("doc", ""),
            signatures=made.signatures or ((_unbound(running, row),) if running else ()),
        )


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    rows = list(signature.parameters.values())
    first = rows[0].kind if rows else inspect.Parameter.VAR_POSITIONAL
    return signature if first is inspect.Parameter.VAR_POSITIONAL else signature.replace(parameters=rows[1:])


def _unbound(signature: inspect.Signature, row: Mapping[str, Any]) -> inspect.Signature:
    """A method's signature without `self`, which the class's own function still has."""
    rows = list(signature.parameters.values())
    if row.get("kind") == "method" and rows and rows[0].name == "self":
        return signature.replace(parameters=rows[1:])
    return signature


def _from_probe(made: ApiObject, row: Mapping[str, Any]) -> ApiObject:
    running = signature_of(row)
    kind: ObjectKind = row["kind"]
    return replace(made, kind=kind, signatures=(running,) if running else (), docstring=row.get("doc", ""))


def _path(node: Object | Instance) -> str:
    if isinstance(node, Object):
        return node.path
    if node.definition is None:
        return node.of.path
    return f"{node.definition.module.dotted}.{node.definition.item.name}"


def _once(named: Iterable[_Named]) -> list[_Named]:
    return list({one.name: one for one in named}.values())


def _preference(one: _Named) -> tuple[bool, int, int, str]:
    """A method under the class that defines it, then the shortest name, by parts and then by letters."""
    inherited = isinstance(one.node, Object) and one.node.owner is not None and _inherits(one)
    return inherited, one.name.count("."), len(one.name), one.name


def _inherits(one: _Named) -> bool:
    """Whether a method's name isn't that of the class it is written in."""
    node: Node | None = one.node
    owner = one.name.split(".")[-2]
    return isinstance(node, Object) and node.path.split(".")[-2] != owner
