"""Faults put into real code: a call that is right is made wrong by changing its text, and nothing else.

Three kinds: a function's name that isn't there, a keyword that it doesn't take, a required argument left out. Only
calls are taken whose name and arguments `check` has compared, and where the code expects no error.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gorilla_rag.check import Checked
from gorilla_rag.check.checker import Checker
from gorilla_rag.check.meaning import Dotted
from gorilla_rag.check.reader import CallSite
from gorilla_rag.signatures.resolve import Resolved, Resolver

KINDS = ("renamed function", "wrong keyword", "missing argument")
_SEED = 20240613
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLAUSIBLE = ("max_size", "n_iter", "use_cache", "return_index", "threshold", "num_workers", "as_list", "strict_mode")


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        path: the file.
        source: its text with the fault in it.
        line, end_line: of the call, in that text.
        kind: one of `KINDS`.
        what: the change.
        package: of the file, for relative imports.
    """

    path: Path
    source: str
    line: int
    end_line: int
    kind: str
    what: str
    package: str


@dataclass(frozen=True)
class _Place:
    """A call that a fault may be put into."""

    path: Path
    source: str
    package: str
    node: ast.Call
    found: Resolved

    def changed(self, node: ast.expr | ast.keyword, text: str, kind: str, what: str) -> Fault | None:
        """The fault of a node's text being replaced; `None` where the result isn't Python."""
        begin, end = _offset(self.source, node.lineno, node.col_offset), _end(self.source, node)
        return self._fault(begin, end, text, kind, what)

    def _fault(self, begin: int, end: int, text: str, kind: str, what: str) -> Fault | None:
        data = self.source.encode()
        made = (data[:begin] + text.encode() + data[end:]).decode()
        try:
            ast.parse(made)
        except SyntaxError:
            return None
        lost = self.source.count("\n") - made.count("\n")
        last = (self.node.end_lineno or self.node.lineno) - lost
        return Fault(self.path, made, self.node.lineno, last, kind, what, self.package)

    def without(self, number: int) -> Fault | None:
        """The fault of an argument that is left out, with the comma beside it."""
        parts: list[ast.expr | ast.keyword] = sorted(
            [*self.node.args, *self.node.keywords], key=lambda one: (one.lineno, one.col_offset)
        )
        begin = _offset(self.source, parts[number].lineno, parts[number].col_offset)
        last = number + 1 == len(parts)
        end = (
            _end(self.source, parts[number])
            if last
            else _offset(self.source, parts[number + 1].lineno, parts[number + 1].col_offset)
        )
        if last and number:
            begin = _end(self.source, parts[number - 1])
        return self._fault(begin, end, "", KINDS[2], f"without argument {number + 1} of {ast.unparse(self.node.func)}")


def seed(resolver: Resolver, folders: Sequence[Path], count: int) -> list[Fault]:
    """Faults of every kind in turn, drawn at random from all folders' files."""
    chance = random.Random(_SEED)
    files = {place: sorted(place.rglob("*.py")) for place in folders}
    found: list[Fault] = []
    while len(found) < count:
        kind = KINDS[len(found) % len(KINDS)]
        path = chance.choice(files[folders[len(found) // len(KINDS) % len(folders)]])
        places = list(_places(resolver, path))
        chance.shuffle(places)
        made = next((one for one in (_MAKERS[kind](place, chance) for place in places[:20]) if one), None)
        if made is not None:
            found.append(made)
    return found


def _checker(resolver: Resolver, source: str, path: Path, package: str) -> Checker:
    return Checker(resolver, source, file=str(path), package=package)


def checked(resolver: Resolver, one: Fault) -> Checked:
    """What `check` says of a file with its fault."""
    return _checker(resolver, one.source, one.path, one.package).check()


def _places(resolver: Resolver, path: Path) -> Iterator[_Place]:
    """The calls of a file whose arguments are compared, found to be right, and expected to be."""
    source = _read(path)
    package = _package(path)
    checker = _checker(resolver, source, path, package)
    wrong = {error.line for error in checker.check().findings}
    for site in checker.reader.calls:
        found = _compared(checker, site)
        if found and not site.expected and site.node.lineno not in wrong:
            yield _Place(path, source, package, site.node, found)


def _compared(checker: Checker, site: CallSite) -> Resolved | None:
    meaning = checker.meanings.of(site.node.func, site.scope)
    found = checker.meanings.looked_up(meaning.name) if isinstance(meaning, Dotted) else None
    return found if found and found.state == "found" else None


def _package(path: Path) -> str:
    names: list[str] = []
    while (path.parent / "__init__.py").is_file():
        path = path.parent
        names.append(path.name)
    return ".".join(reversed(names))


def _renamed(place: _Place, chance: random.Random) -> Fault | None:
    """The last part of the function's name misspelled, or made a name that sounds right."""
    node = place.node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if len(name) < 3:
        return None
    other = _misspelled(name, chance)
    begin = _end(place.source, node) - len(name.encode())
    return place._fault(begin, begin + len(name.encode()), other, KINDS[0], f"{ast.unparse(node)} -> {other}")


def _misspelled(name: str, chance: random.Random) -> str:
    """A letter dropped, two swapped, or an ending that is common elsewhere."""
    at = chance.randrange(1, len(name) - 1)
    made = chance.choice(
        [
            name[:at] + name[at + 1 :],
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
            f"{name}s",
            f"{name}_2d",
            f"get_{name}",
        ]
    )
    return made if made != name else f"{name}_s"


def _wrong_keyword(place: _Place, chance: random.Random) -> Fault | None:
    """A keyword misspelled, or one added that the function might as well have."""
    rows = [one for signature in place.found.signatures for one in signature.parameters.values()]
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in rows):
        return None
    taken = {one.name for one in rows} | set(place.found.other_names)
    named = [one for one in place.node.keywords if one.arg and len(one.arg) > 2]
    if named and chance.random() < 0.5:
        one = chance.choice(named)
        other = _misspelled(one.arg or "", chance)
        value = ast.get_source_segment(place.source, one.value) or ""
        return None if other in taken else place.changed(one, f"{other}={value}", KINDS[1], f"{one.arg} -> {other}")
    new = chance.choice([name for name in _PLAUSIBLE if name not in taken])
    end = _end(place.source, place.node) - 1
    given = bool(place.node.args or place.node.keywords)
    inside = place.source.encode()[_end(place.source, place.node.func) : end].decode()
    comma = "" if not given or re.search(r",\s*$", inside) else ", "
    return place._fault(end, end, f"{comma}{new}=True", KINDS[1], f"{ast.unparse(place.node.func)}(…, {new}=True)")


def _missing(place: _Place, chance: random.Random) -> Fault | None:
    """A required argument left out, where nothing that is unpacked may give it."""
    node = place.node
    unclear = (ast.Starred, ast.GeneratorExp)  # a generator's place may be that of the call's parentheses
    if any(isinstance(one, unclear) for one in node.args) or any(one.arg is None for one in node.keywords):
        return None
    required = [_required(one) for one in place.found.signatures]
    if not required or not all(required) or not (node.args or node.keywords):
        return None
    total = len(node.args) + len(node.keywords)
    if len(required) == 1 and len(node.args) <= len(required[0]) and node.args:
        return place.without(len(node.args) - 1)
    return place.without(chance.randrange(total)) if total <= min(map(len, required)) else None


def _required(signature: inspect.Signature) -> list[str]:
    """The parameters that have to be given."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, one in signature.parameters.items()
        if one.default is inspect.Parameter.empty and one.kind not in variadic
    ]


_MAKERS: dict[str, Callable[[_Place, random.Random], Fault | None]] = {
    KINDS[0]: _renamed,
    KINDS[1]: _wrong_keyword,
    KINDS[2]: _missing,
}


def _offset(source: str, line: int, column: int) -> int:
    """The place of a line and column in the text's bytes."""
    lines = source.encode().split(b"\n")
    return sum(len(one) + 1 for one in lines[: line - 1]) + column


def _end(source: str, node: ast.expr | ast.keyword) -> int:
    return _offset(source, node.end_lineno or 0, node.end_col_offset or 0)


def found_by(tool: str, chosen: Sequence[Fault]) -> list[bool]:
    """For each fault, whether another tool says something at the call that it doesn't say of the file as it was."""
    before = _said(tool, [_alone(_read(one.path), one.package) for one in chosen])
    after = _said(tool, [_alone(one.source, one.package) for one in chosen])
    return [
        any(one.line <= line <= one.end_line and (line, text) not in old for line, text in new)
        for one, old, new in zip(chosen, before, after, strict=True)
    ]


def _said(tool: str, sources: Sequence[str]) -> list[set[tuple[int, str]]]:
    """Lines and messages of a tool about texts, each a module by itself, in one run."""
    found: list[set[tuple[int, str]]] = [set() for _ in sources]
    with tempfile.TemporaryDirectory() as place:
        for number, source in enumerate(sources):
            (Path(place) / f"checked_{number}.py").write_text(source, encoding="utf-8")
        done = subprocess.run([*_COMMANDS[tool], place], capture_output=True, text=True, cwd=place, check=False)
    for match in re.finditer(r"checked_(\d+)\.py:(\d+):(?:\d+:)? (.*)", done.stdout):
        found[int(match[1])].add((int(match[2]), match[3]))
    return found


def _read(path: Path) -> str:
    with tokenize.open(path) as opened:
        return opened.read()


_COMMANDS = {
    "mypy": [
        sys.executable, "-m", "mypy", "--check-untyped-defs", "--ignore-missing-imports", "--no-error-summary",
        "--follow-imports=silent", "--cache-dir=/dev/null",
    ],
    "ruff": [
        sys.executable, "-m", "ruff", "check", "--isolated", "--select=F", "--output-format=concise", "--no-cache",
    ],
}  # fmt: skip


def _alone(source: str, package: str) -> str:
    """A file's text with its relative imports made absolute, on the same lines."""

    def absolute(match: re.Match[str]) -> str:
        parts = package.split(".")
        base = ".".join(parts[: len(parts) - len(match[2]) + 1])
        return f"{match[1]}from {'.'.join(filter(None, [base, match[3]]))} import"

    return re.sub(r"^(\s*)from (\.+)([\w.]*) import", absolute, source, flags=re.MULTILINE)
