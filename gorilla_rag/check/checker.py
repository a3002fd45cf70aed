"""Checks every call and import of a program against what is installed. Imports and runs none of it.

Three outcomes, never a guess: it is right as far as signatures tell, it is wrong, or it is unknown, with the reason.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import griffe

from gorilla_rag.check.finding import Checked, Finding, Rule, Unchecked
from gorilla_rag.check.scope import Assigned, Imported, Own, Reader, Scope, Site
from gorilla_rag.signatures.binding import Given, fault
from gorilla_rag.signatures.resolve import Resolved, Resolver
from gorilla_rag.signatures.tree import Builtin, Object

_DEEPEST = 12


@dataclass(frozen=True, slots=True)
class Dotted:
    """Something with a dotted name that starts with a module."""

    name: str


@dataclass(frozen=True, slots=True)
class InstanceOf:
    """An instance of a class, made by calling it."""

    name: str


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A value of which nothing is known."""

    reason: str


Meaning = Dotted | InstanceOf | NotKnown
_A_VALUE = "a value of unknown type"


class Checker:
    """Checks one program.

    Args:
        resolver: what is installed.
        source: the program's text.
        file: its name in findings.
        package: the package it is in, for relative imports; empty when unknown.
        own: names of modules that stand beside the file and hide installed ones.

    Raises:
        SyntaxError, ValueError, RecursionError: it isn't Python.
    """

    def __init__(
        self, resolver: Resolver, source: str, *, file: str = "<code>", package: str = "", own: Iterable[str] = ()
    ) -> None:
        self.resolver, self.file, self.own = resolver, file, frozenset(own)
        self._lines = source.encode("utf-8", "replace").split(b"\n")
        self.reader = Reader(package)
        self.reader.visit(ast.parse(source))
        self._findings: list[Finding] = []
        self._unchecked: list[Unchecked] = []
        self._existing = self._bound = self._guarded = 0
        self._not_installed: set[str] = set()

    def check(self) -> Checked:
        """Looks at every site."""
        for site in self.reader.sites:
            if isinstance(site.node, ast.Call):
                self._call(site, site.node)
            else:
                self._import(site)
        found = sorted(self._findings, key=lambda one: (one.line, one.column))
        return Checked(
            tuple(found), len(self.reader.sites), self._existing, self._bound, self._guarded, tuple(self._unchecked)
        )

    def _import(self, site: Site) -> None:
        """An import: of a package that isn't there, of a module or a name that it doesn't have."""
        alias = site.alias
        if alias is None:
            return
        dotted = alias.name if isinstance(site.node, ast.Import) else self._target(site)
        root = dotted.partition(".")[0]
        if root in self.own:
            self._unknown(site, dotted, "the program's own module")
            return
        if not self.resolver.installed(root):
            self._absent(site, root)
            return
        if isinstance(site.node, ast.Import) and "." not in dotted:
            self._existing += 1
            return
        found = self.resolver.resolve(dotted)
        if found.state == "missing":
            rule: Rule = "no-such-module" if isinstance(site.node, ast.Import) else "no-such-name"
            self._missing(site, dotted, found, rule)
        elif found.state == "unknown":
            self._unknown(site, dotted, found.detail)
        else:
            self._existing += 1

    def _target(self, site: Site) -> str:
        alias = site.alias
        name = (alias.asname or alias.name) if alias else ""
        for binding in site.scope.bindings.get(name, site.scope.module.bindings.get(name, [])):
            if isinstance(binding, Imported) and alias and binding.target.rpartition(".")[2] == alias.name:
                return binding.target
        node = site.node
        return f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) and alias else name

    def _call(self, site: Site, node: ast.Call) -> None:
        meaning = self.meaning(node.func, site.scope)
        written = _written(node.func)
        if isinstance(meaning, NotKnown):
            self._unknown(site, written, meaning.reason)
            return
        if isinstance(meaning, InstanceOf):
            self._unknown(site, written, f"calls an instance of {meaning.name}")
            return
        found = self._looked_up(meaning)
        if found.state == "missing":
            if self._imported_missing(node.func, meaning):
                self._unknown(site, written, "its import is at fault")
            elif self.reader.set_attributes & set(meaning.name.split(".")):
                self._unknown(site, written, "the program sets it itself")
            else:
                self._missing(site, meaning.name, found, "no-such-name")
        elif found.state == "unknown":
            self._unknown(site, written, found.detail)
        elif found.state == "not callable":
            self._fault(site, "not-callable", f"{meaning.name} can't be called: {found.detail}", meaning.name, found)
        else:
            self._arguments(site, node, meaning, found)

    def _arguments(self, site: Site, node: ast.Call, meaning: Dotted, found: Resolved) -> None:
        """Compares a call's arguments with the signatures."""
        self._existing += 1
        if found.deprecated:
            message = f"{meaning.name} is deprecated: {_first_line(found.deprecated)}"
            self._fault(site, "deprecated", message, meaning.name, found)
        if found.state == "no signature":
            self._unknown(site, meaning.name, f"exists; arguments: {found.detail}")
            return
        self._bound += 1
        wrong = fault(_given(node), found.signatures, found.other_names)
        if wrong is not None:
            hint = f"; did you mean {wrong.nearest!r}?" if wrong.nearest else ""
            self._fault(
                site,
                wrong.kind,
                f"{meaning.name} {wrong.message}{hint}",
                meaning.name,
                found,
                wrong.nearest,
                wrong.name,
            )

    def meaning(self, node: ast.expr, scope: Scope, depth: int = 0) -> Meaning:
        """What an expression stands for."""
        if depth > _DEEPEST:
            return NotKnown(_A_VALUE)
        if isinstance(node, ast.Name):
            return self._name(node.id, scope, depth)
        if isinstance(node, ast.Attribute):
            return self._attribute(self.meaning(node.value, scope, depth + 1), node.attr)
        if isinstance(node, ast.Call):
            made = self.meaning(node.func, scope, depth + 1)
            if isinstance(made, Dotted) and self._makes_instances(made.name):
                return InstanceOf(made.name)
        return NotKnown(_A_VALUE)

    def _name(self, name: str, scope: Scope, depth: int) -> Meaning:
        holder = scope.holder(name)
        if holder is None:
            if scope.module.stars:
                return NotKnown("may come from a star import")
            return Dotted(f"builtins.{name}") if hasattr(builtins, name) else NotKnown("not defined in this code")
        found = {self._bound_to(one, depth) for one in holder.bindings[name]}
        return found.pop() if len(found) == 1 else NotKnown("bound to different things")

    def _bound_to(self, binding: Imported | Assigned | Own, depth: int) -> Meaning:
        if isinstance(binding, Own):
            return NotKnown(binding.what)
        if isinstance(binding, Assigned):
            return self.meaning(binding.value, binding.scope, depth + 1)
        root = binding.target.partition(".")[0]
        if root in self.own:
            return NotKnown("the program's own module")
        if not self.resolver.installed(root):
            return NotKnown(f"{root} isn't installed")
        return Dotted(binding.target)

    def _attribute(self, owner: Meaning, name: str) -> Meaning:
        if isinstance(owner, NotKnown):
            return owner
        return Dotted(f"{owner.name}{'()' if isinstance(owner, InstanceOf) else ''}.{name}")

    def _looked_up(self, meaning: Dotted) -> Resolved:
        """What is known of a name; `pandas.DataFrame().groupby` is a method of an instance."""
        owner, instance, method = meaning.name.rpartition("().")
        if instance:
            if "()" in owner or "." in method:
                return Resolved("unknown", detail=_A_VALUE)
            return self.resolver.member(owner, method)
        return self.resolver.resolve(meaning.name.removeprefix("builtins."))

    def _makes_instances(self, name: str) -> bool:
        """Whether calling this gives an instance of just this class: no `__new__` or metaclass of its own."""
        if "()" in name or name.startswith("builtins."):
            return False
        node = self.resolver.tree.find(name)
        if not isinstance(node, Object) or not isinstance(node.item, griffe.Class) or node.ambiguous:
            return False
        order, unsure = self.resolver.tree.mro(node)
        plain = all(
            (isinstance(one, Builtin) and one.name in ("object", "Exception", "ValueError"))
            or (isinstance(one, Object) and "__new__" not in one.item.members)
            for one in order
        )
        return plain and not unsure

    def _imported_missing(self, node: ast.expr, meaning: Dotted) -> bool:
        """Whether it is the import that names what isn't there, which is reported where it stands."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if not isinstance(node, ast.Name) or "()" in meaning.name:
            return False
        return any(one.alias is not None and self._is_faulty(one, meaning.name) for one in self.reader.sites)

    def _is_faulty(self, site: Site, name: str) -> bool:
        if isinstance(site.node, ast.Import) or site.alias is None:
            return False
        target = self._target(site)
        return (name == target or name.startswith(f"{target}.")) and self.resolver.resolve(target).state == "missing"

    def _missing(self, site: Site, dotted: str, found: Resolved, rule: Rule) -> None:
        owner, name, near = self._nearest(dotted, found)
        hint = f"; did you mean {near!r}?" if near else ""
        self._fault(site, rule, f"{owner} has no {name!r}{hint}", dotted, found, near, name)

    def _nearest(self, dotted: str, found: Resolved) -> tuple[str, str, str]:
        owner, instance, name = dotted.rpartition("().")
        if instance:
            return owner, name, found.nearest
        return self.resolver.missing_name(dotted)

    def _absent(self, site: Site, root: str) -> None:
        """A package that isn't installed is reported once in a file."""
        self._unknown(site, root, f"{root} isn't installed")
        if root not in self._not_installed and not site.guarded:
            self._not_installed.add(root)
            near = self.resolver.environment.nearest_module(root)
            hint = f"; did you mean {near!r}?" if near else ""
            self._fault(site, "not-installed", f"{root} isn't installed{hint}", root, Resolved("unknown"), near)

    def _fault(
        self, site: Site, rule: Rule, message: str, name: str, found: Resolved, suggestion: str = "", about: str = ""
    ) -> None:
        if site.guarded:
            self._guarded += 1
            return
        node = _place(site, about)
        line, end = node.lineno, node.end_lineno or node.lineno
        self._findings.append(
            Finding(
                rule,
                message,
                self.file,
                line,
                self._column(line, node.col_offset),
                end,
                self._column(end, node.end_col_offset or node.col_offset),
                name.replace("()", ""),
                suggestion,
                found.package,
                found.version,
            )
        )

    def _unknown(self, site: Site, name: str, reason: str) -> None:
        column = self._column(site.node.lineno, site.node.col_offset)
        self._unchecked.append(Unchecked(name, reason, self.file, site.node.lineno, column))

    def _column(self, line: int, offset: int) -> int:
        """A column in characters from 1; syntax trees count UTF-8 bytes."""
        return len(self._lines[line - 1][:offset].decode("utf-8", "replace")) + 1


def _place(site: Site, about: str) -> ast.expr | ast.alias | ast.keyword:
    """The part of a site that a finding is about: a keyword, an imported name, or what is called."""
    if not isinstance(site.node, ast.Call):
        return site.alias if site.alias is not None else ast.alias("", None)
    for keyword in site.node.keywords:
        if about and keyword.arg == about:
            return keyword
    return site.node.func


def _given(node: ast.Call) -> Given:
    stars = [isinstance(one, ast.Starred) for one in node.args]
    names = tuple(one.arg for one in node.keywords if one.arg is not None)
    return Given(stars.count(False), names, any(stars), len(names) < len(node.keywords))


def _written(node: ast.expr) -> str:
    """An expression as far as it is a name."""
    if isinstance(node, ast.Attribute):
        return f"{_written(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "(…)"


def _first_line(text: str) -> str:
    return " ".join(text.split())[:200]


def package_of(path: Path) -> str:
    """The package that a file is in, by the `__init__.py` files above it; empty for a script."""
    names: list[str] = []
    folder = path.resolve().parent
    while (folder / "__init__.py").is_file():
        names.append(folder.name)
        folder = folder.parent
    return ".".join(reversed(names))
