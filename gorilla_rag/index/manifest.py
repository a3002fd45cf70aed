"""The manifest: which immutable files make up an index, and how to know that they are whole.

A change writes new files under names that carry their SHA-256, fsyncs them, and replaces `manifest.json` by an atomic
rename; a reader sees the old index or the new one. Files that neither the new manifest nor the one before it names
are swept by the next change.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gorilla_rag.errors import IndexCorrupt, IndexMismatch, IndexMissing
from gorilla_rag.files import fsync, storage_errors

FORMAT = 1
NAME = "manifest.json"
BLOCK = 4 * 1024 * 1024
UNREADABLE = (IndexCorrupt, IndexMismatch, IndexMissing)
_REBUILD = "restore the file, or build the index again with `gorilla-rag index build`"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its size in bytes, and the SHA-256 of each block of `BLOCK` bytes."""

    size: int
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index consists of.

    Attributes:
        encoder: `{"id", "sha256", "dimension"}` of what made the vectors, and its folder as `source` where it has one.
        text: version of the text layout.
        bm25: BM25's parameters and tokeniser.
        recipe: what the index was built from.
        counts: `documents`, `calls` and `vectors`.
        documents: the SQLite file's name.
        segments: vector files, in order.
        ann: the file of the approximate index over the first segment, or empty.
        bm25_files: the files bm25s wrote.
        files: every file by name.
        previous: names that the manifest before this one used, kept for readers that still hold it.
    """

    encoder: Mapping[str, Any]
    text: int
    bm25: Mapping[str, Any]
    recipe: Mapping[str, Any]
    counts: Mapping[str, int]
    documents: str
    segments: tuple[str, ...]
    ann: str
    bm25_files: tuple[str, ...]
    files: Mapping[str, FileEntry]
    previous: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The manifest as JSON, with a checksum of itself."""
        body = {"format": FORMAT, **asdict(self)}
        return json.dumps(body | {"checksum": _checksum(body)}, indent=1, sort_keys=True)


def read(folder: Path) -> Manifest:
    """Reads an index's manifest.

    Raises:
        IndexMissing: no index there.
        IndexCorrupt: the manifest is truncated or altered.
        IndexMismatch: another format.
    """
    path = folder / NAME
    try:
        data = json.loads(path.read_bytes())
        body = {key: value for key, value in data.items() if key != "checksum"}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise IndexMissing(f"no index at {str(folder)!r}", hint="build one with `gorilla-rag index build`") from error
    except (ValueError, AttributeError, OSError) as error:
        raise IndexCorrupt(f"can't be read: {error}", file=str(path), hint=_REBUILD) from error
    if data.get("checksum") != _checksum(body):
        raise IndexCorrupt("its contents don't match its checksum", file=str(path), hint=_REBUILD)
    if body.pop("format") != FORMAT:
        raise IndexMismatch(f"{path} has format {data['format']}, this version reads {FORMAT}", hint=_REBUILD)
    files = {name: FileEntry(entry["size"], tuple(entry["blocks"])) for name, entry in body.pop("files").items()}
    names: dict[str, Any] = {key: tuple(body.pop(key)) for key in ("segments", "bm25_files", "previous")}
    return Manifest(**body, **names, files=files)


def write(folder: Path, manifest: Manifest) -> None:
    """Puts a manifest in place atomically, once every file it names is on disk.

    Raises:
        StorageFull: the disk is full; the manifest that stood there still stands.
    """
    temporary = folder / f".{NAME}.{os.getpid()}"
    with storage_errors(folder):
        try:
            temporary.write_text(manifest.to_json(), encoding="utf-8")
            fsync(temporary)
            os.replace(temporary, folder / NAME)
            fsync(folder)
        finally:
            temporary.unlink(missing_ok=True)


def seal(folder: Path, temporary: Path, stem: str, suffix: str) -> tuple[str, FileEntry]:
    """Fsyncs a finished temporary file and gives it its final name, which carries its hash.

    Returns:
        The name inside `folder`, and the entry for the manifest.
    """
    fsync(temporary)
    entry = entry_of(temporary)
    name = f"{stem}-{hashlib.sha256(''.join(entry.blocks).encode()).hexdigest()[:16]}{suffix}"
    os.replace(temporary, folder / name)
    fsync(folder)
    return name, entry


def entry_of(path: Path) -> FileEntry:
    """Size and block hashes of a file."""
    with path.open("rb") as file:
        blocks = tuple(hashlib.sha256(block).hexdigest() for block in iter(lambda: file.read(BLOCK), b""))
    return FileEntry(path.stat().st_size, blocks)


def verify(folder: Path, name: str, entry: FileEntry) -> None:
    """Checks a file against its entry, block by block.

    Raises:
        IndexCorrupt: missing, truncated, longer or altered; the message says where.
    """
    path = folder / name
    if not path.is_file():
        raise IndexCorrupt("is missing", file=str(path), hint=_REBUILD)
    if (size := path.stat().st_size) != entry.size:
        raise IndexCorrupt(f"has {size} bytes, expected {entry.size}", file=str(path), hint=_REBUILD)
    with path.open("rb") as file:
        for number, expected in enumerate(entry.blocks):
            if hashlib.sha256(file.read(BLOCK)).hexdigest() != expected:
                where = f"bytes {number * BLOCK} to {min((number + 1) * BLOCK, size)} are altered"
                raise IndexCorrupt(where, file=str(path), hint=_REBUILD)


def sweep(folder: Path, manifest: Manifest) -> None:
    """Removes files that neither this manifest nor the one before it names."""
    keep = {NAME, ".lock", *manifest.files, *manifest.previous}
    for path in folder.iterdir():
        if path.name not in keep and path.is_file() and _OWN.fullmatch(path.name):
            path.unlink(missing_ok=True)


_OWN = re.compile(rf"(documents|vectors|ann|bm25)-[0-9a-f]{{16}}\..+|\.{re.escape(NAME)}\.\d+")


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
