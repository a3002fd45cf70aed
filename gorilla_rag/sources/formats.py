"""Documentation files of every format, told apart by what they hold, as `ApiDoc`s.

APIBench and API Zoo records, lists of tools, RapidAPI's tools as ToolBench collects them, and OpenAPI definitions. What
can't be made a document is reported with its file, its line and why; the caller decides whether the others are used.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import GorillaError, SourceError, UsageError
from gorilla_rag.sources import apibench, lost_indentation, openapi, rapidapi, structured, tools

SUFFIXES = (".jsonl", ".json", ".yaml", ".yml")
Found: TypeAlias = ApiDoc | SourceError | str
"""A document, what is wrong with an entry, or a note on what was read otherwise."""
_HINT = "mend the entry, or leave such entries out with --skip-bad"


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What was read.

    Attributes:
        docs: the documents.
        problems: what could not be made one.
        notes: what was left out of documents, or read otherwise than it stands there.
    """

    docs: tuple[ApiDoc, ...]
    problems: tuple[SourceError, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read(
    paths: Iterable[str | Path], *, skip_bad: bool = False, trusted: bool = False, external: bool = False
) -> SourceRead:
    """Reads files, or every file of folders whose name ends in one of `SUFFIXES`.

    Args:
        paths: files and folders.
        skip_bad: leave malformed entries out and report them, instead of stopping at the first.
        trusted: whether the user vouches for the files.
        external: whether references of an OpenAPI definition may lead into other files beside it.

    Raises:
        SourceError: a path that isn't there, a folder without documentation, or (without `skip_bad`) a bad entry.
    """
    found = (item for path in _files(paths) for item in stream(path, trusted=trusted, external=external))
    return collected(found, skip_bad=skip_bad)


def collected(found: Iterable[Found], *, skip_bad: bool) -> SourceRead:
    """What was found, with unique ids.

    Raises:
        SourceError: (without `skip_bad`) the first of what couldn't be made a document.
    """
    docs: list[ApiDoc] = []
    problems: list[SourceError] = []
    notes: dict[str, None] = {}
    for item in found:
        if isinstance(item, ApiDoc):
            docs.append(item)
        elif isinstance(item, str):
            notes.setdefault(item)
        elif skip_bad:
            problems.append(item)
        else:
            raise item
    return SourceRead(tuple(_with_unique_ids(docs)), tuple(problems), tuple(notes))


def merged(reads: Iterable[SourceRead]) -> SourceRead:
    """What was read in several places, with ids that are unique over all of them."""

    def found() -> Iterator[Found]:
        for one in reads:
            yield from one.docs
            yield from one.problems
            yield from one.notes

    return collected(found(), skip_bad=True)


def stream(path: Path, *, trusted: bool = False, external: bool = False) -> Iterator[Found]:
    """What one file holds, entry by entry; ids aren't made unique."""
    try:
        whole = None if _of_lines(path) else structured.load(path)
    except SourceError as error:
        yield _lost(path) or error
        return
    if isinstance(whole, Mapping) and lost_indentation.looks_lost(whole) and (lost := _lost(path)):
        yield lost
        return
    if isinstance(whole, Mapping) and (openapi.is_definition(whole) or "components" in whole or "paths" in whole):
        yield from openapi.operations(path, whole, trusted=trusted, external=external)
        return
    for number, record in _records(path, whole):
        if isinstance(record, SourceError):
            yield record
        else:
            yield from _documents(path, number, record, trusted=trusted)


def _records(path: Path, whole: Any) -> Iterator[tuple[int, Any]]:
    """Entries with their line, or their number in a list."""
    if whole is None:
        for item in apibench.entries(path):
            yield (item.line, item) if isinstance(item, SourceError) else item
        return
    listed = tools.listed(whole)
    yield from enumerate(listed if listed is not None else whole if isinstance(whole, list) else [whole], start=1)


def _documents(path: Path, number: int, record: Any, *, trusted: bool) -> Iterator[Found]:
    """The documents of one entry."""
    if not isinstance(record, Mapping):
        yield _problem(path, number, f"expected an object, found {type(record).__name__}")
    elif rapidapi.is_tool(record):
        for found in rapidapi.documents(record, source=path.stem, trusted=trusted):
            if isinstance(found, UsageError):
                yield _problem(path, number, found.message)
            else:
                yield from stored(path, number, lambda found=found: found)  # type: ignore[misc]
    elif tools.is_tool(record):
        yield from stored(path, number, lambda: tools.document(record, source=path.stem, trusted=trusted))
    else:
        yield from stored(path, number, lambda: (apibench.document(record, source=path.stem, trusted=trusted), ()))


def stored(place: Path | str, number: int, make: Callable[[], tuple[ApiDoc, Iterable[str]]]) -> Iterator[Found]:
    """A document that can be stored and its notes, or why there is none."""
    try:
        made, notes = make()
        _ = made.content_hash  # what has no hash can't be stored
    except (GorillaError, LookupError) as error:
        yield _problem(place, number, error.message if isinstance(error, GorillaError) else str(error))
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError) as error:
        yield _problem(place, number, f"can't be stored: {error}")
    else:
        yield made
        yield from (f"{place}: {note}" for note in notes)


def _of_lines(path: Path) -> bool:
    """Whether a file holds an entry a line: by its name, or because its first line is one and isn't the last."""
    if path.suffix == ".jsonl":
        return True
    if path.suffix != ".json":
        return False
    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = next((line for line in lines if line.strip()), "")
            if not isinstance(json.loads(first), dict):
                return False
            return any(line.strip() for line in lines)
    except (ValueError, OSError, RecursionError):
        return False


def _lost(path: Path) -> SourceError | None:
    """What is wrong with a file that was a definition until its indentation was lost."""
    try:
        small = path.stat().st_size <= structured.LARGEST
        fault = lost_indentation.fault(path.read_text(encoding="utf-8-sig")) if small else None
    except (OSError, UnicodeDecodeError):
        return None
    return SourceError(fault, file=str(path), line=0, hint=lost_indentation.HINT) if fault else None


def _problem(place: Path | str, number: int, reason: str) -> SourceError:
    return SourceError(reason, file=str(place), line=number, hint=_HINT)


def _files(paths: Iterable[str | Path]) -> Iterator[Path]:
    for given in map(Path, paths):
        if given.is_dir():
            found = sorted(file for file in given.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            if not found:
                wanted = ", ".join(SUFFIXES)
                raise SourceError(f"no {wanted} file", file=str(given), line=0, hint="name the files themselves")
            yield from found
        elif given.is_file():
            yield given
        else:
            raise SourceError("no such file or folder", file=str(given), line=0, hint="check the path")


def _with_unique_ids(docs: Iterable[ApiDoc]) -> Iterator[ApiDoc]:
    """The second and later documents of one id get `#2`, `#3`, …, in the order in which they stand."""
    seen: Counter[str] = Counter()
    taken: set[str] = set()
    for doc in docs:
        unique = doc.id
        while unique in taken or not seen[doc.id]:
            seen[doc.id] += 1
            unique = doc.id if seen[doc.id] == 1 else f"{doc.id}#{seen[doc.id]}"
        taken.add(unique)
        yield doc if unique == doc.id else replace(doc, id=unique)
