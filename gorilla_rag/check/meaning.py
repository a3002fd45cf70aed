"""What the expressions of a program stand for: something in a module, an instance of a class, or nothing known.

Follows names through imports and single assignments. Never guesses: what may be two things is not known.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

import griffe

from gorilla_rag.check.scope import Assigned, Binding, Own, Scope
from gorilla_rag.signatures.nodes import Builtin, Object
from gorilla_rag.signatures.resolve import Resolved, Resolver

UNTYPED = "a value of unknown type"
OWN_MODULE = "the program's own module"
# Built-in bases that make instances like any class: their `__new__` gives one of just that class.
_PLAIN_BASES = {"object", "Exception", "ValueError", "TypeError", "RuntimeError", "KeyError", "Warning", "UserWarning"}


@dataclass(frozen=True, slots=True)
class Dotted:
    """Something in a module, or (`package.Class().method`) on an instance of a class."""

    name: str


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """An instance of a class, made by calling it."""

    name: str


@dataclass(frozen=True, slots=True)
class Undefined:
    """A name that nothing in the program binds."""

    name: str


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A value of which nothing is known."""

    reason: str


Meaning = Dotted | InstanceOf | Undefined | NotKnown


class Meanings:
    """What expressions of one program stand for.

    Args:
        resolver: what is installed.
        own: names of modules of the program's own, which hide installed ones.
    """

    def __init__(self, resolver: Resolver, own: Iterable[str] = ()) -> None:
        self.resolver, self.own = resolver, frozenset(own)
        self._names: dict[tuple[Scope, str], Meaning] = {}

    def of(self, node: ast.expr, scope: Scope) -> Meaning:
        """What an expression stands for where it stands."""
        if isinstance(node, ast.Name):
            return self._name(node.id, scope)
        if isinstance(node, ast.NamedExpr):
            return self.of(node.value, scope)
        if isinstance(node, ast.Attribute):
            return self._attribute(self.of(node.value, scope), node.attr)
        if isinstance(node, ast.Call):
            made = self.of(node.func, scope)
            if isinstance(made, Dotted) and self._makes_instances(made.name):
                return InstanceOf(made.name)
        return NotKnown(UNTYPED)

    def _name(self, name: str, scope: Scope) -> Meaning:
        holder = scope.holder(name)
        if holder is None:
            return self._unbound(name, scope)
        key = (holder, name)
        if key not in self._names:
            self._names[key] = NotKnown("bound by itself")
            found = {self._bound_to(one) for one in holder.bindings[name]}
            self._names[key] = found.pop() if len(found) == 1 else NotKnown("bound to different things")
        return self._names[key]

    def _unbound(self, name: str, scope: Scope) -> Meaning:
        """A built-in's name, or one that isn't defined."""
        if scope.module.stars:
            return NotKnown("may come from a star import")
        found = self.resolver.resolve(f"builtins.{name}")
        return Undefined(name) if found.state == "missing" else Dotted(f"builtins.{name}")

    def _bound_to(self, binding: Binding) -> Meaning:
        if isinstance(binding, Own):
            return NotKnown(binding.what)
        if isinstance(binding, Assigned):
            return self.of(binding.value, binding.scope)
        root = binding.target.partition(".")[0]
        if root in self.own:
            return NotKnown(OWN_MODULE)
        return Dotted(binding.target) if self.resolver.installed(root) else NotKnown(f"{root} isn't installed")

    def _attribute(self, owner: Meaning, name: str) -> Meaning:
        if isinstance(owner, Undefined):
            return NotKnown("not defined in this code")
        if isinstance(owner, NotKnown):
            return owner
        return Dotted(f"{owner.name}{'()' if isinstance(owner, InstanceOf) else ''}.{name}")

    def _makes_instances(self, name: str) -> bool:
        """Whether calling this gives an instance of just this class: no `__new__` or metaclass of its own."""
        if "()" in name or name.startswith("builtins."):
            return False
        node = self.resolver.tree.find(name)
        if not isinstance(node, Object) or not isinstance(node.item, griffe.Class) or node.ambiguous:
            return False
        order, unsure = self.resolver.tree.mro(node)
        return not unsure and all(map(_is_plain, order))

    def looked_up(self, dotted: str) -> Resolved:
        """What is known of a `Dotted` name; `pandas.DataFrame().groupby` is a method of an instance."""
        owner, instance, method = dotted.rpartition("().")
        if not instance:
            return self.resolver.resolve(dotted)
        if "()" in owner or "." in method:
            return Resolved("unknown", detail=UNTYPED)
        return self.resolver.member(owner, method)


def _is_plain(base: Object | Builtin) -> bool:
    if isinstance(base, Builtin):
        return base.name in _PLAIN_BASES
    metaclass = str(base.item.keywords.get("metaclass", "type")) if isinstance(base.item, griffe.Class) else ""
    return "__new__" not in base.item.members and metaclass.rpartition(".")[2] in ("type", "ABCMeta")
