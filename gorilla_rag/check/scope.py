"""Python's scopes: what each name of a program is bound to, and which scope's binding a name refers to.

Knows no files and no packages. Order is left out on purpose: a name that is bound twice to different things is
unknown wherever it stands.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that stands for a module, or for something in one."""

    target: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """A name that was given an expression's value."""

    value: ast.expr
    scope: Scope = field(compare=False)


@dataclass(frozen=True, slots=True)
class Own:
    """A name that the program defines or binds in a way that isn't followed."""

    what: str


Binding = Imported | Assigned | Own


class Scope:
    """A module, class, function or comprehension.

    Attributes:
        parent: the one around it.
        is_class: names of a class aren't seen by the functions in it.
        is_comprehension: `:=` inside binds in the scope around it.
        bindings: what each name is bound to here, once for each place.
        stars: whether `from … import *` brings names nobody wrote.
    """

    def __init__(self, parent: Scope | None = None, *, is_class: bool = False, is_comprehension: bool = False) -> None:
        self.parent, self.is_class, self.is_comprehension = parent, is_class, is_comprehension
        self.bindings: dict[str, list[Binding]] = {}
        self.outer: dict[str, str] = {}
        self.stars = False

    @property
    def module(self) -> Scope:
        """The outermost scope."""
        return self.parent.module if self.parent else self

    def bind(self, name: str, binding: Binding) -> None:
        """Records a binding, where `global` and `nonlocal` say."""
        where = self.outer.get(name)
        if where == "global" and self is not self.module:
            self.module.bind(name, Own("set by a function") if isinstance(binding, Assigned) else binding)
        elif where == "nonlocal" and self.parent:
            owner = self.parent.holder(name)
            (owner or self.parent).bindings.setdefault(name, []).append(Own("set by an inner function"))
        else:
            self.bindings.setdefault(name, []).append(binding)

    def holder(self, name: str) -> Scope | None:
        """The scope whose binding a name here refers to."""
        if self.outer.get(name) == "global":
            return self.module if name in self.module.bindings else None
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (scope is self or not scope.is_class):
                return scope
            scope = scope.parent
        return None

    def value(self, name: str) -> ast.expr | None:
        """The expression that a name was given, where it was given just one."""
        holder = self.holder(name)
        found = holder.bindings[name] if holder else []
        return found[0].value if len(found) == 1 and isinstance(found[0], Assigned) else None
