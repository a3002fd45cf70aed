"""Which names the modules of a package show: listed, defined or handed on there, as written or as they run.

Knows nothing of which name of several an object gets, nor of what the objects are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import griffe

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.environment import Distribution
from gorilla_rag.signatures.modules import ReadModule
from gorilla_rag.signatures.nodes import Instance, Module, Node, Object, Unknown
from gorilla_rag.signatures.resolve import Resolver

_NOT_PUBLIC = {"tests", "test", "conftest", "setup", "externals", "vendor", "vendored", "version", "py", "examples"}
_CONTENTS = re.compile(r"^( *)\.\. autosummary::.*\n(?:\s*\n|\1 +\S.*(?:\n|$))*", re.MULTILINE)
_ENTRY = re.compile(r"^ +([A-Za-z]\w*)(?: .*)?$", re.MULTILINE)
_MAKES_CLASSES = {"namedtuple", "partial", "NamedTuple", "TypedDict", "Enum"}


class Shown:
    """What the modules of a distribution show.

    Args:
        resolver: of the environment that it is installed in.
        distribution: whose modules.

    Attributes:
        not_called: modules whose objects are for annotations, not for calls.
        notes: modules that couldn't be asked what they show, in words.
    """

    not_called: tuple[str, ...] = ("typing", "typing_extensions")

    def __init__(self, resolver: Resolver, distribution: Distribution) -> None:
        self.resolver, self.tree = resolver, resolver.tree
        self.modules, self.roots = distribution.modules, set(distribution.modules)
        self.notes: list[str] = []

    def top(self) -> dict[str, str]:
        """The top-level modules, each with the name that it is reached by: those that show something of their own."""
        public = [module for module in self.modules if not module.startswith("_")]
        chosen = [module for module in public if next(self.names(module), "")] or public
        return dict(zip(chosen, chosen, strict=True))

    def inner(self, module: str) -> dict[str, bool]:
        """The public modules directly in a package, and whether it shows them."""
        exports = self.exports(module)
        inside = [name for name in self.resolver.environment.submodules(module) if _is_public(name)]
        chosen = {name for name in inside if name in exports and "." not in module}
        return {name: not chosen or name in chosen for name in inside}

    def is_inside(self, dotted: str) -> bool:
        """Whether something stands in one of the distribution's modules."""
        return str(dotted).partition(".")[0] in self.roots

    def may_hand_on(self, module: str, dotted: str) -> bool:  # noqa: ARG002
        """Whether something from elsewhere is the module's to show, if it takes it from there."""
        return self.is_inside(dotted)

    def is_own(self, row: Mapping[str, Any], module: str, *, package: bool) -> bool:
        """Whether a name that only a running module has is more than an import that it makes for itself."""
        gathers = package or self.is_compiled(module) or row["late"]
        return row["module"] == module or (gathers and self.may_hand_on(module, row["module"]))

    def vouches(self, module: str) -> bool:
        """Whether everything that a module shows is for users, even what says nothing of itself: a package does."""
        return any(one.is_package for one in self.tree.readings(module))

    def written_as(self, module: str, name: str) -> str:
        """Where a C method is from that doesn't tell its module, found in a class of `module` as `Class.name`."""
        return f"{module}.{name}"

    def exports(self, module: str) -> set[str]:
        """What the `__all__` of a module, as written, lists; that of a stub where the source's is computed."""
        return set(next((one.exports for one in self.tree.readings(module) if one.exports), frozenset()))

    def told(self, module: str) -> set[str]:
        """Names that a module's docstring lists as its contents (`.. autosummary::`)."""
        texts = (one.tree.docstring.value for one in self.tree.readings(module) if one.tree.docstring)
        blocks = (block[0] for text in texts for block in _CONTENTS.finditer(text))
        return {name for block in blocks for name in _ENTRY.findall(block)}

    def lists(self, module: str) -> bool:
        """Whether a module has an `__all__`."""
        return any("__all__" in one.tree.members for one in self.tree.readings(module))

    def names(self, module: str) -> Iterator[str]:
        """Names that a module shows, as far as that is written."""
        for one in self.tree.readings(module):
            if one.exports is not None:
                yield from (name for name in sorted(one.exports) if not name.startswith("_"))
            else:
                yield from self._unlisted(one)

    def _unlisted(self, one: ReadModule) -> Iterator[str]:
        """Public names of a module without an `__all__`: its own, and those that it hands on."""
        own = (griffe.Function, griffe.Class)
        whole = one.is_package or not any(isinstance(member, own) for member in one.tree.members.values())
        for name, member in one.tree.members.items():
            if name.startswith("_") or "*" in name:
                continue
            if not isinstance(member, griffe.Alias) or self.hands_on(one.dotted, member.target_path, whole=whole):
                yield name
        yield from (name for name in one.tree.overloads if not name.startswith("_"))
        for star in one.stars:
            if self.is_inside(star) and star != one.dotted:
                yield from self.names(star)

    def hands_on(self, module: str, dotted: str, *, whole: bool) -> bool:
        """Whether an import in a module shows what it brings.

        Args:
            module: that imports it; without an `__all__`.
            dotted: where it is from.
            whole: whether the module is there to gather: a package, or one that defines nothing itself.
        """
        return whole and self.may_hand_on(module, dotted)

    def running(self, module: str, nodes: Mapping[str, Node]) -> tuple[Mapping[str, dict[str, Any]], bool]:
        """What a running module shows, where reading can't tell, and whether its `__all__` decides on that."""
        if not self.resolver.probe.may_run(module) or not self._has_to_run(module, nodes):
            return {}, False
        try:
            return self.resolver.probe.namespace(module, also=[*self.told(module)])
        except PackageUnreadable as error:
            self.failed(error.message)
            return {}, False

    def failed(self, message: str) -> None:
        """Notes, once, that a module can't be asked."""
        if message not in self.notes:
            self.notes.append(message)

    def _has_to_run(self, module: str, nodes: Mapping[str, Node]) -> bool:
        readings = self.tree.readings(module)
        if not readings or self.is_compiled(module):
            return True
        computed = any("__all__" in one.tree.members and one.exports is None for one in readings)
        stars = (star for one in readings if one.exports is None for star in one.stars if self.is_inside(star))
        exports = self.exports(module)
        return (
            computed
            or any("__getattr__" in one.tree.members or (one.open and one.exports is None) for one in readings)
            or any(self.is_compiled(star) for star in stars)
            or any(self._is_unsure(node, name in exports) for name, node in nodes.items())
        )

    def is_compiled(self, module: str) -> bool:
        """Whether a module has a compiled part."""
        return self.resolver.environment.files(module).compiled

    def _is_unsure(self, node: Node, listed: bool) -> bool:
        """Whether something may be callable that can't be read."""
        if not isinstance(node, Object):
            return isinstance(node, Unknown) or (listed and not isinstance(node, Module | Instance))
        value = node.item.value if isinstance(node.item, griffe.Attribute) else None
        if not isinstance(value, griffe.ExprCall):
            return isinstance(value, griffe.ExprName | griffe.ExprAttribute | griffe.ExprIfExp) and listed
        path = value.canonical_path
        return not self.resolver.environment.is_standard(path) or path.rpartition(".")[2] in _MAKES_CLASSES


def _is_public(module: str) -> bool:
    return not module.startswith("_") and not _NOT_PUBLIC & {module, *module.split("_")[:1]}
