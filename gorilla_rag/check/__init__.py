"""Checks code against the packages that are installed, without importing or running it."""

from __future__ import annotations

import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gorilla_rag.check.checker import Checker, package_of
from gorilla_rag.check.finding import RULES, Checked, Finding, Unchecked
from gorilla_rag.errors import SourceError
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.resolve import Resolver

__all__ = ["RULES", "Checked", "Finding", "Unchecked", "check_code", "check_files"]

_LEFT_OUT = {"__pycache__", "node_modules", "site-packages", "build", "dist"}


def check_code(
    source: str,
    *,
    file: str = "<code>",
    python: str | Path | None = None,
    inspect: Iterable[str] = (),
    resolver: Resolver | None = None,
) -> Checked:
    """Checks a piece of Python: every call and import against the installed packages' signatures.

    Args:
        source: the program's text; a syntax error in it is a finding.
        file: its name in findings.
        python: the interpreter whose packages count; this one by default.
        inspect: packages that may be imported, in a separate process, for what their source doesn't tell.
        resolver: in place of `python` and `inspect`, to keep what was read between calls.

    Raises:
        PackageMissing: a package to inspect isn't installed.
        UsageError: `python` isn't an interpreter.
    """
    made = resolver or make_resolver(python, inspect)
    try:
        return _checked(made, source, file)
    finally:
        if resolver is None:
            made.close()


def check_files(
    paths: Sequence[str | Path], *, python: str | Path | None = None, inspect: Iterable[str] = ()
) -> Iterator[Checked]:
    """Checks files, and the Python files of folders, one after the other; arguments are those of `check_code`.

    Yields:
        One result a file, in order of the paths given and sorted inside of folders.

    Raises:
        SourceError: a path isn't there, before any is checked.
    """
    given = [Path(path) for path in paths]
    for path in given:
        if not path.exists():
            raise SourceError("there is no such file or folder", file=str(path), line=0, hint="check the path")
    resolver = make_resolver(python, inspect)
    try:
        for path in (one for item in given for one in _files(item)):
            yield _file(resolver, path)
    finally:
        resolver.close()


def make_resolver(python: str | Path | None, inspect: Iterable[str]) -> Resolver:
    """What is installed for an interpreter."""
    return Resolver(Environment.of(python) if python else None, inspect=inspect)


def _file(resolver: Resolver, path: Path) -> Checked:
    try:
        with tokenize.open(path) as opened:
            source = opened.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return _unreadable(str(path), error)
    package = package_of(path)
    own = set() if package else {one.stem for one in path.resolve().parent.iterdir() if _is_module(one)}
    return _checked(resolver, source, str(path), package, own)


def _is_module(path: Path) -> bool:
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _checked(resolver: Resolver, source: str, file: str, package: str = "", own: Iterable[str] = ()) -> Checked:
    try:
        return Checker(resolver, source, file=file, package=package, own=own).check()
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return _unreadable(file, error)


def _unreadable(file: str, error: Exception) -> Checked:
    line, column = getattr(error, "lineno", None) or 1, max(1, getattr(error, "offset", None) or 1)
    message = f"not Python: {getattr(error, 'msg', None) or error}"
    return Checked((Finding("syntax-error", message, file, line, column, line, column),))


def _files(path: Path) -> Iterator[Path]:
    """A file itself; of a folder every Python file, hidden and installed ones left out."""
    if not path.is_dir():
        yield path
        return
    for inside in sorted(path.iterdir()):
        hidden = inside.name.startswith(".") or inside.name in _LEFT_OUT
        if inside.is_dir() and not hidden and not (inside / "pyvenv.cfg").exists():
            yield from _files(inside)
        elif inside.suffix == ".py":
            yield inside
