"""What is known of a dotted name: static reading first, the probe where only running code can tell.

Nothing is imported or run in this process. In the probe's, only the standard library and packages the user named.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any, Literal

import griffe

from gorilla_rag.errors import PackageUnreadable
from gorilla_rag.signatures.callables import Callable, describe
from gorilla_rag.signatures.environment import Environment, packages_of
from gorilla_rag.signatures.nodes import Builtin, Instance, Missing, Module, Node, Object, Unknown
from gorilla_rag.signatures.objects import ObjectKind
from gorilla_rag.signatures.probe import NOT_LOOKED_UP, Probe, signature_of
from gorilla_rag.signatures.tree import Tree

State = Literal["found", "no signature", "missing", "not callable", "unknown"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What is known of a dotted name.

    Attributes:
        state: `found` (with its signatures); `no signature` (it exists, its arguments can't be known); `missing`
            (its module is there, the name isn't); `not callable`; `unknown` (it can't be told).
        signatures: what it takes: one, or one an overload.
        detail: why it is unknown or has no signature.
        kind: what it is, where that is known.
        owner: what lacks it, when it is missing.
        nearest: the name there that was probably meant.
        docstring: of its definition.
        deprecated: what its deprecation says; empty when it isn't.
        package: the distribution it belongs to; `Python` for the standard library.
        version: of that.
        other_names: of parameters, that are taken too and not in the signatures.
        from_stub: whether the signatures are a stub's, of something compiled.
    """

    state: State
    signatures: tuple[inspect.Signature, ...] = ()
    detail: str = ""
    kind: ObjectKind | Literal[""] = ""
    owner: str = ""
    nearest: str = ""
    docstring: str = ""
    deprecated: str = ""
    package: str = ""
    version: str = ""
    other_names: Mapping[str, str] = field(default_factory=dict)
    from_stub: bool = False

    @property
    def signature(self) -> inspect.Signature | None:
        """The first signature, if any is known."""
        return self.signatures[0] if self.signatures else None

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names that positional arguments are bound to, in order."""
        if self.signature is None:
            return ()
        by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return tuple(name for name, p in self.signature.parameters.items() if p.kind in by_position)


class Resolver:
    """Looks names up in one environment.

    Args:
        environment: this interpreter's by default.
        inspect: packages that may be imported, in another process, to learn what their source doesn't tell.
        timeout: seconds that one answer of that process may take once it has imported the package.
    """

    def __init__(
        self, environment: Environment | None = None, *, inspect: Iterable[str] = (), timeout: float | None = None
    ) -> None:
        self.environment = environment or Environment()
        self.tree = Tree(self.environment)
        named = [module for name in inspect for module in self.environment.distribution(name).modules]
        limits = {} if timeout is None else {"timeout": timeout, "import_timeout": timeout}
        self.probe = Probe(self.environment, named, **limits)
        self.resolve = lru_cache(maxsize=None)(self._resolve)
        self.imported = lru_cache(maxsize=None)(self._imported)
        self.member = lru_cache(maxsize=None)(self._member)

    def close(self) -> None:
        """Ends the probe's process."""
        self.probe.close()

    def installed(self, module: str) -> bool:
        """Whether a top-level module is there."""
        return self.environment.is_standard(module) or self.environment.files(module).exists

    def spelled_out(self, dotted: str) -> str:
        """A name with its module, which people leave out of a built-in's: `builtins.sorted`."""
        root = dotted.partition(".")[0]
        return f"builtins.{dotted}" if hasattr(builtins, root) and not self.installed(root) else dotted

    def _resolve(self, dotted: str) -> Resolved:
        """Looks up a dotted name that starts with a module, or a built-in's."""
        parts = dotted.split(".")
        if not all(part.isidentifier() for part in parts):
            return Resolved("unknown", detail=f"{parts[0]} isn't a package: not a plain dotted name")
        if parts[0] in NOT_LOOKED_UP:
            return Resolved("unknown", detail=f"{parts[0]} isn't looked up")
        if not self.installed(parts[0]):
            if (whole := self.spelled_out(dotted)) != dotted:
                return self._named(self._probed(whole), "builtins")
            return Resolved("unknown", detail=f"{parts[0]} isn't a package that is installed here")
        return self._known(self.tree.find(dotted), dotted)

    def _imported(self, dotted: str) -> Resolved:
        """What `from module import name` brings, `module.name` given, or `import module`: by modules' files."""
        parent, _, _ = dotted.rpartition(".")
        if not parent or not self.environment.files(parent).exists or not self.installed(parent.partition(".")[0]):
            return self.resolve(dotted)
        return self._known(self.tree.imported(dotted), dotted)

    def _known(self, node: Node, dotted: str) -> Resolved:
        """What reading tells of a node, or else the probe."""
        parts = dotted.split(".")
        found = self.static(node)
        certain = found.state in ("found", "not callable") or (
            found.state == "missing" and not self.environment.is_standard(parts[0])
        )
        if not certain and self.probe.allows(dotted):
            found = self._better(found, self._probed(dotted))
            if found.state == "missing" and (owner := self._unknown_owner(dotted)):
                found = Resolved("unknown", detail=f"{owner} isn't known")
        return self._named(found, parts[0])

    def _unknown_owner(self, dotted: str) -> str:
        """What a name stands in, if the first of these that isn't there may be there all the same; else empty."""
        for owner in islice(packages_of(dotted), 1, None):
            state = self.resolve(owner).state
            if state in ("missing", "unknown"):
                return owner if state == "unknown" else ""
        return ""

    def static(self, node: Node) -> Resolved:
        """What reading alone tells about a node."""
        if isinstance(node, Unknown):
            return Resolved("unknown", detail=node.reason)
        if isinstance(node, Missing):
            return Resolved("missing", owner=node.owner)
        if isinstance(node, Module):
            return Resolved("not callable", kind="module", detail="it is a module")
        if isinstance(node, Builtin):
            return self._probed(f"builtins.{node.name}")
        return _described(describe(self.tree, node))

    def _member(self, of: str, name: str) -> Resolved:
        """A method of an instance of the class `of`, as called on it."""
        node = self.tree.find(of)
        if not isinstance(node, Object) or not isinstance(node.item, griffe.Class):
            return Resolved("unknown", detail=f"{of} isn't a class whose source can be read")
        found = self.static(self.tree.member(Instance(node), name))
        if found.state == "missing":
            found = replace(found, nearest=nearest(name, self.names(node)))
        return self._named(found, of.partition(".")[0])

    def names(self, node: Node) -> Iterator[str]:
        """The public names of a module or class, as far as they are written."""
        if isinstance(node, Module):
            yield from self._names_of_module(node.dotted, set())
        elif isinstance(node, Object) and isinstance(node.item, griffe.Class):
            for one in self.tree.mro(node)[0]:
                if isinstance(one, Object):
                    yield from (name for name in one.item.members if not name.startswith("_"))

    def _names_of_module(self, dotted: str, seen: set[str]) -> Iterator[str]:
        if dotted in seen or len(seen) > _MOST_STARS:
            return
        seen.add(dotted)
        for one in self.tree.readings(dotted):
            yield from one.exports or ()
            yield from (name for name in one.tree.members if not name.startswith("_") and "*" not in name)
            yield from (name for name in one.tree.overloads if not name.startswith("_"))
            for star in one.stars:
                yield from self._names_of_module(star, seen)
        yield from self.environment.submodules(dotted)

    def _probed(self, dotted: str) -> Resolved:
        try:
            found = self.probe.look_up(dotted)
        except PackageUnreadable as error:
            return Resolved("unknown", detail=error.message)
        return _looked_up(dotted, found)

    def _better(self, static: Resolved, probed: Resolved) -> Resolved:
        """Which of two views holds: the interpreter's on what exists, the source's where that is all there is."""
        if probed.state == "unknown":
            return replace(static, state="unknown", detail=probed.detail) if not static.kind else static
        if probed.state == "no signature" and static.signatures:
            return static
        if probed.state == "missing" and static.state == "no signature":
            return Resolved("unknown", detail="it is only there on some systems")
        return replace(probed, docstring=probed.docstring or static.docstring, deprecated=static.deprecated)

    def _named(self, found: Resolved, root: str) -> Resolved:
        """The same with the package it is from and, for what is missing, the nearest name there is."""
        if self.environment.is_standard(root):
            version = ".".join(map(str, self.environment.version))
            found = replace(found, package="Python", version=version)
        elif owner := self.environment.owner(root):
            found = replace(found, package=owner.name, version=owner.version)
        return found

    def missing_name(self, dotted: str) -> tuple[str, str, str]:
        """Of a name that is missing: the part that exists, the first name that doesn't, and the nearest there is."""
        parts = dotted.split(".")
        for place, name in enumerate(parts[1:], start=1):
            if self.resolve(".".join(parts[: place + 1])).state == "missing":
                owner = ".".join(parts[:place])
                return owner, name, nearest(name, self._all_names(owner))
        return dotted, "", ""

    def _all_names(self, dotted: str) -> Iterator[str]:
        """What stands in a module or class, as far as source or the probe can tell."""
        node = self.tree.find(dotted)
        yield from self.names(node.of if isinstance(node, Instance) else node)
        if self.probe.allows(dotted):
            with suppress(PackageUnreadable):
                yield from self.probe.members(dotted)


_MOST_STARS = 60


def nearest(name: str, names: Iterable[str]) -> str:
    """The name most like this one; empty when none is."""
    pool = dict.fromkeys(one for one in names if one != name)
    lowered = {one.lower(): one for one in pool}
    if name.lower() in lowered:
        return lowered[name.lower()]
    return next(iter(get_close_matches(name, pool, n=1, cutoff=0.6)), "")


def _described(made: Callable) -> Resolved:
    known = bool(made.signatures) and not made.unsure
    state: State = "found" if known else "no signature"
    return Resolved(
        state,
        made.signatures if known else (),
        "" if known else made.unsure or "its signature isn't written",
        made.kind,
        docstring=made.docstring,
        deprecated=made.deprecated,
        other_names=made.other_names,
        from_stub=made.from_stub,
    )


def _looked_up(dotted: str, found: dict[str, Any]) -> Resolved:
    """An answer of the probe."""
    state = found["state"]
    if state == "unknown":
        root = dotted.partition(".")[0]
        why = found.get("detail") or ""
        return Resolved(
            "unknown", detail=f"{root} can't be imported on this machine" + (f" ({why})" if ":" in why else "")
        )
    if state == "missing":
        return Resolved("missing", owner=dotted.rpartition(".")[0])
    if state == "not callable":
        return Resolved("not callable", detail=f"it is a value of type {found.get('type')}")
    made = signature_of(found)
    kind: ObjectKind = found["kind"]
    if kind == "module":
        return Resolved("not callable", kind="module", detail="it is a module")
    if made is None or not found.get("certain"):
        return Resolved("no signature", (), "it doesn't tell its signature", kind, docstring=found.get("doc", ""))
    return Resolved("found", (made,), "", kind, docstring=found.get("doc", ""))


@lru_cache(maxsize=1)
def default_resolver() -> Resolver:
    """The resolver of this interpreter's own environment, which imports nothing but the standard library."""
    return Resolver()


def prefer(package: str, versions: Sequence[str]) -> str:
    """Which of a package's documented versions counts here: the installed one, else the highest."""
    return default_resolver().environment.prefer(package, versions)


@lru_cache(maxsize=4096)
def resolve(dotted: str) -> Resolved:
    """Looks up a dotted name in this interpreter's environment."""
    return default_resolver().resolve(dotted)
