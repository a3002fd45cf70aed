"""Checks a text, files, or the files of folders, and knows which modules are the program's own.

A file that can't be read or isn't Python is a finding; the others go on.
"""

from __future__ import annotations

import io
import sys
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gorilla_rag.check.checker import Checker
from gorilla_rag.check.finding import Checked, Finding
from gorilla_rag.errors import SourceError
from gorilla_rag.signatures.environment import Environment
from gorilla_rag.signatures.resolve import Resolver

_LEFT_OUT = {"__pycache__", "node_modules", "site-packages", "build", "dist"}


def check_code(
    source: str | bytes,
    *,
    file: str = "<code>",
    python: str | Path | None = None,
    inspect: Iterable[str] = (),
    resolver: Resolver | None = None,
) -> Checked:
    """Checks a piece of Python: every call and import against the installed packages' signatures.

    Args:
        source: the program's text (bytes are read as Python reads a file); a syntax error in it is a finding.
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
        return _checked(made, source, file, own=_Program(made).modules_in(Path.cwd()))
    finally:
        if resolver is None:
            made.close()


def check_files(
    paths: Sequence[str | Path],
    *,
    python: str | Path | None = None,
    inspect: Iterable[str] = (),
    resolver: Resolver | None = None,
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
    made = resolver or make_resolver(python, inspect)
    program = _Program(made)
    try:
        for path in dict.fromkeys(one for item in given for one in _files(item)):
            yield program.check(path)
    finally:
        if resolver is None:
            made.close()


def make_resolver(python: str | Path | None = None, inspect: Iterable[str] = ()) -> Resolver:
    """What is installed for an interpreter; this one by default."""
    return Resolver(Environment.of(python) if python else None, inspect=inspect)


def _checked(resolver: Resolver, source: str | bytes, file: str, package: str = "", own: Iterable[str] = ()) -> Checked:
    try:
        text = _decoded(source)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in the code that is read
            checker = Checker(resolver, text, file=file, package=package, own=own)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", None) or 1, max(1, getattr(error, "offset", None) or 1)
        version = ".".join(map(str, sys.version_info[:2]))
        return _unreadable(file, f"not Python {version}: {getattr(error, 'msg', None) or error}", line, column)
    return checker.check()


def _decoded(source: str | bytes) -> str:
    """The text of a file as Python reads it: by its coding line, every kind of line end as one."""
    if isinstance(source, bytes):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        source = source.decode(encoding)
    return source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _unreadable(file: str, message: str, line: int = 1, column: int = 1) -> Checked:
    return Checked((Finding("syntax-error", message, file, line, column, line, column),))


def _files(path: Path) -> Iterator[Path]:
    """A file itself; of a folder every Python file; a folder that can't be read itself, so that this is reported."""
    if not path.is_dir():
        yield path
        return
    try:
        listed = sorted(path.iterdir())
    except OSError:
        yield path
        return
    for inside in listed:
        if inside.is_dir():
            yield from _files(inside) if _is_looked_into(inside) else ()
        elif inside.suffix == ".py" and inside.is_file():
            yield inside


def _is_looked_into(folder: Path) -> bool:
    """Whether a folder is the program's: not hidden, not installed, not a link (which may lead round in a circle)."""
    left_out = folder.name.startswith(".") or folder.name in _LEFT_OUT or folder.is_symlink()
    return not left_out and not (folder / "pyvenv.cfg").exists()


class _Program:
    """Which modules stand beside a file, so that they hide the installed ones of these names."""

    def __init__(self, resolver: Resolver) -> None:
        self.resolver = resolver
        self._own: dict[Path, frozenset[str]] = {}

    def check(self, path: Path) -> Checked:
        """Checks one file."""
        try:
            source = path.read_bytes()
        except OSError as error:
            return _unreadable(str(path), f"can't be read: {error.strerror or error}")
        root, package = _import_root(path.resolve().parent)
        return _checked(self.resolver, source, str(path), package, self.modules_in(root) | self.modules_in(Path.cwd()))

    def modules_in(self, folder: Path) -> frozenset[str]:
        """The modules that stand in a folder and aren't the installed ones of these names."""
        if folder not in self._own:
            self._own[folder] = frozenset(filter(None, map(self._module, folder.iterdir())))
        return self._own[folder]

    def _module(self, path: Path) -> str:
        source = path if path.suffix == ".py" else path / "__init__.py"
        if not path.stem.isidentifier() or not source.is_file():
            return ""
        installed = self.resolver.environment.files(path.stem).source
        return "" if installed is not None and installed.samefile(source) else path.stem


def _import_root(folder: Path) -> tuple[Path, str]:
    """Where the modules of a file's folder are imported from, and as which package (empty for a script)."""
    names: list[str] = []
    while (folder / "__init__.py").is_file():
        names.append(folder.name)
        folder = folder.parent
    return folder, ".".join(reversed(names))
