"""Which packages an environment has, at which version and where their files are. Imports none of them."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import takewhile
from pathlib import Path

from gorilla_rag.errors import PackageMissing, UsageError

_COMPILED = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_ASK_PATHS = (
    "import json, sys; print(json.dumps([sys.path, list(sys.version_info[:2]), sorted(sys.stdlib_module_names)]))"
)
_TESTS = {"tests", "test", "testing_data", "conftest.py"}
STANDARD_LIBRARY = "python"
# Not to be imported to learn what they hold: these show pages, games and jokes, or are there for Python itself.
_NOT_LIBRARY = {"antigravity", "idlelib", "lib2to3", "pydoc_data", "test", "this", "turtledemo"}
# Bytes of a module's name that leave a file system room for how its file's name ends.
_LONGEST_NAME = 200
_STUBS = re.compile(r"[-_](stubs|types)$|^types-", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: as its metadata spells it: `scikit-learn`.
        version: installed.
        modules: what it is imported as: `("sklearn",)`.
        license: as its metadata says; empty when it doesn't.
        summary: its one line.
        size: bytes of its own Python source, tests left out.
    """

    name: str
    version: str
    modules: tuple[str, ...]
    license: str = ""
    summary: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class ModuleFiles:
    """The files of one module; a package has its `__init__` files here.

    Attributes:
        source: `.py`, if there is one.
        stub: `.pyi`, if there is one.
        compiled: whether there is an extension module.
        folder: where its submodules are, for a package.
    """

    source: Path | None
    stub: Path | None
    compiled: bool
    folder: tuple[Path, ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is such a module at all (a folder alone is a namespace package)."""
        return bool(self.source or self.stub or self.compiled or self.folder)


class Environment:
    """One Python environment, read from its folders.

    Args:
        paths: its `sys.path`; this interpreter's by default.
        version: of its Python; this one's by default.
        standard: names of its standard library's modules.
        python: its interpreter.
    """

    def __init__(
        self,
        paths: Sequence[str | Path] | None = None,
        *,
        version: tuple[int, int] = (sys.version_info[0], sys.version_info[1]),
        standard: frozenset[str] = sys.stdlib_module_names,
        python: str = sys.executable,
    ) -> None:
        given = [path for path in sys.path if path] if paths is None else paths
        self.paths = tuple(dict.fromkeys(Path(path) for path in given if Path(path).is_dir()))
        self.version, self.standard, self.python = version, standard, python
        self.files = lru_cache(maxsize=None)(self._files)
        self._by_name = lru_cache(maxsize=None)(self._find)
        self.owner = lru_cache(maxsize=None)(self._owner)

    @classmethod
    def of(cls, python: str | Path) -> Environment:
        """The environment of another interpreter, which is asked for its `sys.path` and nothing else.

        Raises:
            UsageError: it isn't a Python interpreter.
        """
        command = [str(python), "-I", "-c", _ASK_PATHS]
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=20, check=True)
            paths, version, standard = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            raise UsageError(
                f"{python} didn't tell its packages ({type(error).__name__})",
                hint="give a Python interpreter, such as .venv/bin/python",
            ) from error
        return cls(paths, version=(version[0], version[1]), standard=frozenset(standard), python=str(python))

    def is_standard(self, module: str) -> bool:
        """Whether a module's first name is one of the standard library."""
        return module.partition(".")[0] in self.standard

    @cached_property
    def distributions(self) -> dict[str, Distribution]:
        """Every installed distribution, by its normalised name; the first on the path wins."""
        found: dict[str, Distribution] = {}
        for item in self._installed():
            name = item.metadata["Name"] or ""
            if name and normalised(name) not in found:
                found[normalised(name)] = _distribution(item, name)
        return found

    @cached_property
    def _owners(self) -> dict[str, Distribution]:
        owners: dict[str, Distribution] = {}
        for found in sorted(self.distributions.values(), key=lambda one: one.size):
            if not _STUBS.search(found.name):
                owners.update(dict.fromkeys(found.modules, found))
        return owners

    def _owner(self, module: str) -> Distribution | None:
        """The distribution that a module belongs to (of several in a namespace, the largest)."""
        root = module.partition(".")[0]
        if "distributions" in self.__dict__:
            return self._owners.get(root)
        listing = (item for item in self._installed() if _may_hold(item, root))
        found = [_distribution(item, item.metadata["Name"] or root) for item in listing]
        holding = [one for one in found if root in one.modules and not _STUBS.search(one.name)]
        return max(holding, key=lambda one: one.size, default=None)

    def _installed(self) -> Iterator[importlib.metadata.Distribution]:
        return importlib.metadata.distributions(path=[str(path) for path in self.paths])  # type: ignore[return-value]

    def distribution(self, name: str) -> Distribution:
        """A distribution by its own name or by a module's: `scikit-learn` and `sklearn` are the same.

        `python` is the standard library.

        Raises:
            PackageMissing: neither is installed; the hint names what is.
        """
        if normalised(name) == STANDARD_LIBRARY:
            return self.standard_library
        found = self._by_name(name) or self.owner(name)
        if found is None or not found.modules:
            raise PackageMissing(f"{name} isn't installed for {self.python}", hint=self._hint(name))
        return found

    @cached_property
    def standard_library(self) -> Distribution:
        """Python's own modules, those too that only other systems have."""
        version, names = ".".join(map(str, self.version)), tuple(sorted(self.standard - _NOT_LIBRARY))
        return Distribution(STANDARD_LIBRARY, version, names, "PSF-2.0", "Python's standard library")

    def _find(self, name: str) -> Distribution | None:
        """One by its own name, without reading all of them."""
        paths = [str(path) for path in self.paths]
        found = next(iter(importlib.metadata.distributions(name=name, path=paths)), None)
        return _distribution(found, found.metadata["Name"] or name) if found else None

    def module_of(self, dotted: str) -> str:
        """The module that a dotted name's object has to be imported from; empty when none is installed."""
        prefixes = packages_of(dotted)
        return max(takewhile(lambda one: one in self.standard or self.files(one).exists, prefixes), default="", key=len)

    def installed_version(self, package: str) -> str:
        """The installed version of a distribution, or of Python; empty when it isn't installed."""
        if package == STANDARD_LIBRARY:
            return self.standard_library.version
        paths = [str(path) for path in self.paths]
        return next((found.version for found in importlib.metadata.distributions(name=package, path=paths)), "")

    def prefer(self, package: str, versions: Sequence[str]) -> str:
        """The installed one of some versions of a package; where that isn't among them, the highest."""
        installed = self.installed_version(package)
        return installed if installed in versions else max(versions, key=_ordered)

    def nearest_module(self, name: str) -> str:
        """The installed top-level module that was probably meant; empty when none is near."""
        listed = {path.name.partition(".")[0] for folder in self.paths for path in folder.iterdir() if _is_code(path)}
        names = [one for one in listed | self.standard if one.isidentifier() and not one.startswith("_")]
        return next(iter(get_close_matches(name, sorted(names), n=1, cutoff=0.75)), "")

    def _hint(self, name: str) -> str:
        if self.is_standard(name):
            return f"it is in the standard library: name {STANDARD_LIBRARY}"
        names = sorted({*self.distributions, *self._owners, STANDARD_LIBRARY})
        near = get_close_matches(normalised(name), names, n=3, cutoff=0.7)
        if near:
            return f"did you mean {' or '.join(near)}?"
        largest = sorted(self.distributions.values(), key=lambda one: -one.size)[:8]
        return f"installed are, among {len(self.distributions)}: {', '.join(one.name for one in largest)}"

    def _files(self, module: str) -> ModuleFiles:
        """The files of a module by its dotted name."""
        parent, _, name = module.rpartition(".")
        # From the outside in: a name of thousands of parts ends where its first package is missing.
        there = all(self.files(package).folder for package in packages_of(module))
        if not there or len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
            return ModuleFiles(None, None, False)
        folders: Sequence[Path] = self.files(parent).folder if parent else self.paths
        spaces: list[Path] = []
        for folder in folders:
            inside = folder / name
            found = _package(inside) or _module(folder, name)
            if found:
                return found
            if inside.is_dir():
                spaces.append(inside)
        return ModuleFiles(None, None, False, tuple(spaces))

    def submodules(self, module: str) -> Iterator[str]:
        """Names of the modules directly in a package, sorted."""
        names: set[str] = set()
        for folder in self.files(module).folder:
            for path in folder.iterdir():
                name = path.name.partition(".")[0]
                if path.is_dir() and not path.suffix:
                    if any((path / f"__init__{end}").exists() for end in (".py", ".pyi", *_COMPILED)):
                        names.add(name)
                elif path.suffix in (".py", ".pyi") or path.name.endswith(_COMPILED):
                    names.add(name)
        yield from sorted(name for name in names - {"__init__", "__main__"} if name.isidentifier())


def packages_of(dotted: str) -> Iterator[str]:
    """What a dotted name stands in, from the outside in: `a.b.c` in `a` and `a.b`."""
    parts = dotted.split(".")
    return (".".join(parts[:size]) for size in range(1, len(parts)))


def normalised(name: str) -> str:
    """A distribution's name for comparison, as the packaging standard has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _ordered(version: str) -> list[tuple[int, str]]:
    """A version for comparison, number by number."""
    return [(int(number or 0), word) for number, word in re.findall(r"(\d+)|([a-z]+)", version.lower())]


def _is_code(path: Path) -> bool:
    """Whether something in a folder of `sys.path` can be imported, by its name."""
    return path.name.endswith((".py", *_COMPILED)) or (not path.suffix and (path / "__init__.py").is_file())


def _package(folder: Path) -> ModuleFiles | None:
    found = _module(folder, "__init__") if folder.is_dir() else None
    return ModuleFiles(found.source, found.stub, found.compiled, (folder,)) if found else None


def _module(folder: Path, name: str) -> ModuleFiles | None:
    source, stub = folder / f"{name}.py", folder / f"{name}.pyi"
    compiled = any((folder / f"{name}{end}").is_file() for end in _COMPILED)
    here = source.is_file(), stub.is_file()
    if not (compiled or any(here)):
        return None
    return ModuleFiles(source if here[0] else None, stub if here[1] else None, compiled)


def _may_hold(item: importlib.metadata.Distribution, root: str) -> bool:
    """Whether a distribution's list of files has a module, without reading it line by line."""
    listing = item.read_text("RECORD")
    if listing is None or (item.read_text("direct_url.json") or "").find("editable") > 0:
        return True
    return any(f"\n{root}{end}" in f"\n{listing}" for end in ("/", ".py", ".cpython", ".abi3", ".pyd", ".so"))


def _distribution(item: importlib.metadata.Distribution, name: str) -> Distribution:
    """A distribution with what it is imported as, from its list of files (or of top-level names)."""
    modules: set[str] = set()
    size = 0
    for file in item.files or ():
        first, *rest = file.parts
        end = next((end for end in (".py", ".pyi", *_COMPILED) if file.name.endswith(end)), "")
        if not end or first in ("..", "/") or first.endswith((".data", ".dist-info")):
            continue
        modules.add(first if rest else file.name[: -len(end)])
        if end in (".py", ".pyi") and not _TESTS & set(file.parts):
            size += file.size or 0
    if not modules:
        modules = set((item.read_text("top_level.txt") or "").split())
    modules |= _editable(item)
    meta = item.metadata
    licence = _field(meta, "License-Expression") or _field(meta, "License").split("\n")[0][:60]
    names = sorted(module for module in modules if module.isidentifier() and module != "__editable__")
    return Distribution(name, item.version, tuple(names), licence, _field(meta, "Summary"), size)


def _field(metadata: importlib.metadata.PackageMetadata, name: str) -> str:
    return str(metadata[name]) if name in metadata else ""


def _editable(item: importlib.metadata.Distribution) -> set[str]:
    """What a distribution installed from its checkout is imported as: its own name, if there is such a folder."""
    direct = json.loads(item.read_text("direct_url.json") or "{}")
    if not direct.get("dir_info", {}).get("editable"):
        return set()
    return {re.sub(r"[-.]+", "_", item.metadata["Name"])}
