"""Installed Python packages as documents: the public API of each, under the names that people type.

Reads source; what only running code tells (compiled modules, docstrings attached later) is asked of a separate
process, and only for packages that were named. Nothing is imported in this one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import GorillaError, PackageMissing, PackageUnreadable, SourceError, UsageError
from gorilla_rag.signatures.environment import Distribution, Environment, normalised
from gorilla_rag.signatures.public import Surface, read_package, uncollected
from gorilla_rag.signatures.resolve import Resolver
from gorilla_rag.sources.python_object import document

Progress = Callable[[str, int, int], None]
"""Told the step's name, and how much of how much is done."""
CHOSEN_BYTES = 60_000_000
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement)[ =]?\s*(\S+)")
_TOOLS = {"pip", "setuptools", "wheel", "gorilla-rag"}


@dataclass(frozen=True)
class PackagesRead:
    """What was read.

    Attributes:
        docs: one an object.
        problems: packages, or parts of them, that couldn't be read.
        aliases: other public names of the same objects.
        counts: how many documents each package gave.
    """

    docs: tuple[ApiDoc, ...]
    problems: tuple[GorillaError, ...] = ()
    aliases: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


def read(
    packages: Sequence[str],
    *,
    environment: Environment | None = None,
    run: bool = True,
    skip_bad: bool = False,
    progress: Progress | None = None,
) -> PackagesRead:
    """Reads installed packages.

    Args:
        packages: names of distributions or of what they are imported as.
        environment: where they are installed; this interpreter's by default.
        run: whether their compiled parts may be imported, in another process.
        skip_bad: leave out a package that can't be read and report it, instead of stopping.
        progress: told after each package.

    Raises:
        PackageMissing: one isn't installed; before any is read.
        PackageUnreadable: one can't be read at all.
    """
    environment = environment or Environment()
    found = list(dict.fromkeys(environment.distribution(name) for name in packages))
    resolver = Resolver(environment, inspect=[one.name for one in found] if run else [])
    with closing(resolver), uncollected():
        read = [
            _package(resolver, one.name, (place, len(found)), skip_bad, progress) for place, one in enumerate(found)
        ]
    if progress:
        progress("reading packages", len(found), len(found))
    return PackagesRead(
        docs=tuple(doc for part in read for doc in part.docs),
        problems=tuple(problem for part in read for problem in part.problems),
        aliases={name: of for part in read for name, of in part.aliases.items()},
        counts={name: count for part in read for name, count in part.counts.items()},
    )


def _package(
    resolver: Resolver, name: str, place: tuple[int, int], skip_bad: bool, progress: Progress | None
) -> PackagesRead:
    """One package."""
    if progress:
        progress(f"reading {name}", *place)
    try:
        surface = read_package(resolver, name)
    except PackageUnreadable as error:
        if not skip_bad:
            raise
        return PackagesRead((), (error,))
    docs = tuple(doc for doc in _documents(surface) if doc is not None)
    problems = tuple(PackageUnreadable(note, hint="its other parts were read") for note in surface.notes)
    return PackagesRead(docs, problems, surface.aliases, {name: len(docs)})


def _documents(surface: Surface) -> Iterator[ApiDoc | None]:
    for item in surface.objects.values():
        yield document(item, distribution_license=surface.distribution.license, trusted=True)


def required(path: str | Path) -> list[str]:
    """Names of the packages in a requirements file, those of files that it includes too.

    Raises:
        SourceError: the file can't be read, or a line isn't a requirement.
    """
    return list(dict.fromkeys(_required(Path(path), set())))


def _required(path: Path, seen: set[Path]) -> Iterator[str]:
    if path.resolve() in seen:
        return
    seen.add(path.resolve())
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"can't be read ({error})", file=str(path), line=0, hint="check the path") from error
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if included := _INCLUDED.match(text):
            yield from _required(path.parent / included[1], seen)
        elif text and not text.startswith("-"):
            named = _REQUIREMENT.match(text)
            if not named or "://" in text.partition("@")[0]:
                hint = "write a package's name, such as numpy>=2"
                raise SourceError(f"{text!r} names no package", file=str(path), line=number, hint=hint)
            yield named[1]


def chosen(environment: Environment | None = None, *, limit: int = CHOSEN_BYTES) -> list[Distribution]:
    """A choice of what is installed: the packages with most source first, until they have `limit` bytes together.

    Raises:
        UsageError: nothing is installed.
    """
    environment = environment or Environment()
    pool = [one for one in environment.distributions.values() if _has_api(one)]
    made: list[Distribution] = []
    for one in sorted(pool, key=lambda one: (-one.size, one.name)):
        if sum(other.size for other in made) + one.size <= limit:
            made.append(one)
    if not made:
        raise UsageError("no package is installed here", hint="name an interpreter with --python")
    return made


def _has_api(one: Distribution) -> bool:
    return one.size > 0 and normalised(one.name) not in _TOOLS and any(not name.startswith("_") for name in one.modules)


def available(packages: Iterable[str], environment: Environment) -> tuple[list[str], list[PackageMissing]]:
    """Which of some packages are installed, and an error for each that isn't."""
    there: list[str] = []
    missing: list[PackageMissing] = []
    for name in packages:
        try:
            there.append(environment.distribution(name).name)
        except PackageMissing as error:
            missing.append(error)
    return there, missing
