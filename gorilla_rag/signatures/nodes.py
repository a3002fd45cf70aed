"""What a dotted name may stand for: a module, an object, an instance, a built-in, nothing, or nobody can tell.

Holds what was found; knows nothing of how names are followed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import griffe

from gorilla_rag.signatures.modules import ReadModule


@dataclass(frozen=True)
class Module:
    """A module of this name."""

    dotted: str


@dataclass(frozen=True)
class Definition:
    """One definition, in the file it stands in."""

    module: ReadModule
    item: griffe.Object


@dataclass(frozen=True)
class Object:
    """A class, function or attribute: its definition in the source, then the one in the stub, whichever there are.

    Attributes:
        definitions: at least one.
        ambiguous: whether other code decides at run time which of several definitions holds.
        owner: for what stands in a class, that class.
        bound: whether it was reached through an instance of that class.
    """

    definitions: tuple[Definition, ...]
    ambiguous: bool = False
    owner: Object | None = field(default=None, compare=False)
    bound: bool = False

    @property
    def item(self) -> griffe.Object:
        """The foremost definition."""
        return self.definitions[0].item

    @property
    def module(self) -> ReadModule:
        """The module of the foremost definition."""
        return self.definitions[0].module

    @cached_property
    def path(self) -> str:
        """Where it is defined: `sklearn.cluster._kmeans.KMeans`."""
        if self.owner:
            return f"{self.owner.path}.{self.item.name}"
        return f"{self.module.dotted}.{self.item.path.removeprefix(self.module.tree.path + '.')}"


@dataclass(frozen=True)
class Instance:
    """An instance of a class, made at the top of a module: `norm = norm_gen(name="norm")`.

    Attributes:
        of: the class.
        definition: where it is made; `None` for an instance that nobody has named.
    """

    of: Object
    definition: Definition | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Builtin:
    """A built-in type or function of this name."""

    name: str


@dataclass(frozen=True)
class Missing:
    """There is no such name in `owner`, for certain."""

    owner: str


@dataclass(frozen=True)
class Unknown:
    """Nobody can tell from source."""

    reason: str


Node = Module | Object | Instance | Builtin | Missing | Unknown
