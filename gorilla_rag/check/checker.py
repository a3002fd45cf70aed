"""Checks every call and import of a program against what is installed. Imports and runs none of it.

Three outcomes, never a guess: it is right as far as signatures tell, it is wrong, or it is unknown, with the reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property

from gorilla_rag import syntax
from gorilla_rag.check import suppress
from gorilla_rag.check.finding import Checked, Finding, Rule, Unchecked
from gorilla_rag.check.meaning import OWN_MODULE, Dotted, InstanceOf, Meanings, NotKnown, Undefined
from gorilla_rag.check.reader import ANYTHING, CallSite, ImportSite, Reader
from gorilla_rag.check.scope import Scope
from gorilla_rag.signatures.binding import Given, fault
from gorilla_rag.signatures.resolve import Resolved, Resolver

_RAISED: dict[Rule, str] = {
    "no-such-name": "AttributeError",
    "undefined-name": "NameError",
    "not-callable": "TypeError",
    "unexpected-argument": "TypeError",
    "missing-argument": "TypeError",
    "deprecated": "DeprecationWarning",
}
_MADE_ELSEWHERE = {"get_ipython", "display", "reveal_type", "reveal_locals", "unicode", "_"}
_NOTHING = Resolved("unknown")
_MOST_COMPARED = 200_000
Site = CallSite | ImportSite


class Checker:
    """Checks one program.

    Args:
        resolver: what is installed.
        source: the program's text.
        file: its name in findings.
        package: the package it is in, for relative imports; empty when unknown.
        own: names of modules of the program's own, which hide installed ones.

    Raises:
        SyntaxError, ValueError, RecursionError: it isn't Python.
    """

    def __init__(
        self, resolver: Resolver, source: str, *, file: str = "<code>", package: str = "", own: Iterable[str] = ()
    ) -> None:
        self.resolver, self.file = resolver, file
        self.meanings = Meanings(resolver, own)
        self.reader = Reader(package)
        self.reader.visit(syntax.module(source))
        self._ignored = suppress.ignored_rules(source)
        self._lines = source.encode("utf-8", "replace").split(b"\n")
        self._findings: list[Finding] = []
        self._unchecked: list[Unchecked] = []
        self._existing = self._bound = self._guarded = self._compared = 0
        self._not_installed: set[str] = set()
        self._faulty_imports: set[str] = set()

    def check(self) -> Checked:
        """Looks at every import, then at every call."""
        for imported in self.reader.imports:
            self._import(imported)
        for site in self.reader.calls:
            self._call(site)
        found = suppress.kept(sorted(self._findings, key=lambda one: (one.line, one.column)), self._ignored)
        return Checked(
            findings=tuple(found),
            calls=len(self.reader.imports) + len(self.reader.calls),
            existing=self._existing,
            bound=self._bound,
            guarded=self._guarded,
            ignored=len(self._findings) - len(found),
            unchecked=tuple(self._unchecked),
        )

    def _import(self, site: ImportSite) -> None:
        """An import: of a package that isn't there, of a module or a name that it doesn't have."""
        root = site.target.partition(".")[0]
        if root in self.meanings.own:
            self._unknown(site, site.target, OWN_MODULE)
            return
        if not self.resolver.installed(root):
            self._absent(site, root)
            return
        found = self.resolver.imported(site.target)
        if found.state == "missing":
            self._missing_import(site, found)
        elif found.state == "unknown" and "." in site.target:
            self._unknown(site, site.target, found.detail)
        else:
            self._existing += 1

    def _missing_import(self, site: ImportSite, found: Resolved) -> None:
        self._faulty_imports.add(site.target)
        if self._is_patched(site.target):
            self._unknown(site, site.target, "the program sets it itself")
            return
        whole_module = isinstance(site.node, ast.Import) or site.alias.name == "*"
        self._missing(site, site.target, found, "no-such-module" if whole_module else "no-such-name")

    def _absent(self, site: ImportSite, root: str) -> None:
        """A package that isn't installed is reported once in a file."""
        somewhere = self.reader.changes_path or self.resolver.environment.owner(root) is not None
        self._unknown(site, root, f"{root} isn't where it can be read" if somewhere else f"{root} isn't installed")
        if somewhere or root in self._not_installed:
            return
        self._not_installed.add(root)
        near = self.resolver.environment.nearest_module(root)
        self._fault(site, "not-installed", f"{root} isn't installed{_hint(near)}", root, _NOTHING, near)

    def _call(self, site: CallSite) -> None:
        meaning = self.meanings.of(site.node.func, site.scope)
        if isinstance(meaning, InstanceOf):
            meaning = Dotted(f"{meaning.name}().__call__")
        if isinstance(meaning, Undefined):
            self._undefined(site, meaning.name)
        elif isinstance(meaning, NotKnown):
            self._unknown(site, _written(site.node.func), meaning.reason)
        else:
            self._named(site, meaning.name, self.meanings.looked_up(meaning.name))

    def _named(self, site: CallSite, dotted: str, found: Resolved) -> None:
        """A call of something that has a dotted name."""
        if found.state == "unknown":
            self._unknown(site, dotted, found.detail)
        elif self._is_patched(dotted):
            self._unknown(site, dotted, "the program sets it itself")
        elif found.state == "missing":
            self._missing_call(site, dotted, found)
        elif found.state == "not callable":
            self._fault(site, "not-callable", f"{dotted} can't be called: {found.detail}", dotted, found)
        else:
            self._arguments(site, dotted, found)

    def _missing_call(self, site: CallSite, dotted: str, found: Resolved) -> None:
        if any(dotted == one or dotted.startswith(f"{one}.") for one in self._faulty_imports):
            self._unknown(site, dotted, "its import is at fault")
        elif self.reader.set_attributes & set(dotted.split(".")):
            self._unknown(site, dotted, "the program sets it itself")
        else:
            self._missing(site, dotted, found, "no-such-name")

    def _undefined(self, site: CallSite, name: str) -> None:
        if self.reader.makes_names or name in _MADE_ELSEWHERE or name.startswith("__"):
            self._unknown(site, name, "not defined in this code")
            return
        near = self._near(name, site.scope)
        self._fault(site, "undefined-name", f"{name!r} isn't defined{_hint(near)}", name, _NOTHING, near)

    def _near(self, name: str, scope: Scope) -> str:
        """A name that may have been meant; none is looked for where there are very many, which would take long."""
        if self._compared > _MOST_COMPARED:
            return ""
        visible = _visible(scope)
        self._compared += len(visible)
        return next(iter(get_close_matches(name, sorted(visible), n=1, cutoff=0.6)), "")

    def _arguments(self, site: CallSite, dotted: str, found: Resolved) -> None:
        """Compares a call's arguments with the signatures."""
        self._existing += 1
        if found.deprecated:
            message = f"{dotted} is deprecated: {' '.join(found.deprecated.split())[:200]}"
            self._fault(site, "deprecated", message, dotted, found)
        if found.state == "no signature":
            self._unknown(site, dotted, f"exists; arguments: {found.detail}")
            return
        self._bound += 1
        wrong = fault(_given(site.node), found.signatures, found.other_names, from_stub=found.from_stub)
        if wrong is not None:
            message = f"{dotted} {wrong.message}{_hint(wrong.nearest)}"
            self._fault(site, wrong.kind, message, dotted, found, wrong.nearest, wrong.name)

    @cached_property
    def _patches(self) -> frozenset[str]:
        """Dotted names that the program itself sets."""
        found = set(self.reader.patched_names)
        for owner, scope, name in self.reader.patches:
            meaning = self.meanings.of(owner, scope)
            if isinstance(meaning, Dotted):
                found.add(f"{meaning.name}.{name}")
            elif isinstance(meaning, InstanceOf):
                found.add(f"{meaning.name}().{name}")
        return frozenset(found)

    def _is_patched(self, dotted: str) -> bool:
        """Whether the program puts something else in a name's place, or in that of what it is in."""
        if not self._patches:
            return False
        parts = dotted.split(".")
        names = [".".join(parts[:size]) for size in range(1, len(parts) + 1)]
        anything = [f"{name}.{ANYTHING}" for name in names[:-1]]
        return not self._patches.isdisjoint([*names, *anything])

    def _missing(self, site: Site, dotted: str, found: Resolved, rule: Rule) -> None:
        owner, instance, name = dotted.rpartition("().")
        near = found.nearest
        if not instance:
            owner, name, near = self.resolver.missing_name(dotted)
        self._fault(site, rule, f"{owner} has no {name!r}{_hint(near)}", dotted, found, near, name)

    def _fault(
        self, site: Site, rule: Rule, message: str, name: str, found: Resolved, suggestion: str = "", about: str = ""
    ) -> None:
        if _raised(site, rule) in site.expected or "*" in site.expected:
            self._guarded += 1
            return
        node = _place(site, about)
        message = message.replace("()", "").replace("builtins.", "")
        line, end = node.lineno, node.end_lineno or node.lineno
        self._findings.append(
            Finding(
                rule=rule,
                message=message,
                file=self.file,
                line=line,
                column=self._column(line, node.col_offset),
                end_line=end,
                end_column=self._column(end, node.end_col_offset or node.col_offset),
                name=name.replace("()", ""),
                suggestion=suggestion,
                package=found.package,
                version=found.version,
            )
        )

    def _unknown(self, site: Site, name: str, reason: str) -> None:
        column = self._column(site.node.lineno, site.node.col_offset)
        self._unchecked.append(Unchecked(name.replace("()", ""), reason, self.file, site.node.lineno, column))

    def _column(self, line: int, offset: int) -> int:
        """A column in characters from 1; syntax trees count UTF-8 bytes."""
        return len(self._lines[line - 1][:offset].decode("utf-8", "replace")) + 1


def _hint(near: str) -> str:
    return f"; did you mean {near!r}?" if near else ""


def _raised(site: Site, rule: Rule) -> str:
    """The error that Python would raise."""
    return "ImportError" if isinstance(site, ImportSite) else _RAISED[rule]


def _visible(scope: Scope) -> set[str]:
    """Names that code in a scope sees: its own, and those of the functions and the module around it."""
    found, around = set(scope.bindings), scope.parent
    while around is not None:
        found |= set() if around.is_class else set(around.bindings)
        around = around.parent
    return found


def _place(site: Site, about: str) -> ast.expr | ast.alias | ast.keyword:
    """The part of a site that a finding is about: a keyword, an imported name, or what is called."""
    if isinstance(site, ImportSite):
        return site.alias
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
