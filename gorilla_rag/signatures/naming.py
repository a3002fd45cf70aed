"""Which of an object's public names is the one that people type. Reads nothing; compares names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gorilla_rag.signatures.nodes import Instance, Object


@dataclass(frozen=True, slots=True)
class Name:
    """An object under one of its names.

    Attributes:
        name: the dotted name.
        node: what reading finds there; `None` for what only running code tells.
        running: what running code tells.
        vouched: whether an `__all__` or a package's `__init__` shows it.
        listed: whether the package shows the module that it is in.
        distance: for a method, how many classes away it is written.
        size: for a method, how many methods the class has.
    """

    name: str
    node: Object | Instance | None = None
    running: Mapping[str, Any] = field(default_factory=dict)
    vouched: bool = True
    listed: bool = True
    distance: int = 0
    size: int = 0

    def member(
        self,
        name: str,
        node: Object | None = None,
        *,
        running: Mapping[str, Any] | None = None,
        distance: int = 0,
        size: int = 0,
    ) -> Name:
        """A method under this name of its class or instance."""
        return Name(f"{self.name}.{name}", node, running or {}, self.vouched, self.listed, distance, size)


def under(shown: str, name: str) -> str:
    """A name below another; alone where that is empty, as a built-in's is."""
    return f"{shown}.{name}" if shown else name


def apart(names: Iterable[Name]) -> Iterator[list[Name]]:
    """Names of one definition, grouped by the object that they are when the code runs.

    `ones = made_by("ones")` and `zeros = made_by("zeros")` may share a line of a stub. Names that weren't looked at
    while running go with the first.
    """
    groups: dict[int, list[Name]] = {}
    unknown = []
    for one in {one.name: one for one in names}.values():
        if identity := one.running.get("id", 0):
            groups.setdefault(identity, []).append(one)
        else:
            unknown.append(one)
    first, *others = list(groups.values()) or [[]]
    yield first + unknown
    yield from others


def best(names: list[Name], definition: str) -> Name:
    """The name to document an object under.

    Names in modules that the package doesn't show come last. A method goes under the class that writes it or, where
    that is private, the nearest public one: `KMeans` rather than `MiniBatchKMeans`, else the largest. Otherwise the
    name that the definition has (`power`, not its other name `pow`), with the fewest parts, that is there without being
    asked for (deprecated modules make theirs late), from the module most like the defining one, the shortest.
    """
    path = [part.lstrip("_") for part in definition.removesuffix("()").split(".")]
    owners = {one.name.split(".")[-2] for one in names if one.size}
    return min(names, key=lambda one: _order(one, path, owners))


def _order(one: Name, path: list[str], owners: set[str]) -> tuple[bool, int, bool, int, bool, int, bool, int, int, str]:
    parts = one.name.split(".")
    other_name = bool(path) and parts[-1] != path[-1]
    unlike = -len(set(path[:-1]) & set(parts[:-1]))
    late = bool(one.running.get("late"))
    special = bool(one.size) and any(parts[-2] != owner and parts[-2].endswith(owner) for owner in owners)
    return (
        not one.listed,
        one.distance,
        special,
        -one.size,
        other_name,
        len(parts),
        late,
        unlike,
        len(one.name),
        one.name,
    )
