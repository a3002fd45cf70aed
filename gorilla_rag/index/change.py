"""Changes to an index on disk: build, add, update, remove. Each writes new files and replaces the manifest last.

A change that fails or is killed leaves the index that stood there; the next one takes over the vectors that it had
made, and sweeps the rest.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import IndexBusy, UsageError
from gorilla_rag.files import storage_errors, write_array
from gorilla_rag.index import bm25, dense, encoded, manifest, store
from gorilla_rag.index.index import check_encoder, check_layout, identity
from gorilla_rag.text import TEXT_VERSION, encoder_text

Progress = Callable[[str, int, int], None]
"""Told the step's name, and how much of how much is done."""

MOST_SEGMENTS = 8
MOST_UNUSED = 0.25


def build(
    folder: str | Path,
    docs: Iterable[ApiDoc],
    encoder: Encoder,
    *,
    recipe: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> None:
    """Builds an index, in place of one that may stand there.

    Raises:
        UsageError: two documents of one id.
        IndexBusy: another process is changing it.
        StorageFull: the disk is full; what stood there is untouched.
    """
    given = _by_id(docs)
    with _writer(Path(folder)) as target:
        _change(target, None, given, (), encoder, recipe or {}, progress)


def add(folder: str | Path, docs: Iterable[ApiDoc], encoder: Encoder, *, progress: Progress | None = None) -> None:
    """Adds documents.

    Raises:
        UsageError: an id that is already there.
        IndexMissing, IndexCorrupt, IndexMismatch, IndexBusy, StorageFull: as for `build` and opening.
    """
    given = _by_id(docs)
    _change_existing(Path(folder), given, (), encoder, progress, new=True)


def update(folder: str | Path, docs: Iterable[ApiDoc], encoder: Encoder, *, progress: Progress | None = None) -> None:
    """Replaces documents by those of the same id; only changed texts are encoded again.

    Raises:
        UsageError: an id that isn't there.
        IndexMissing, IndexCorrupt, IndexMismatch, IndexBusy, StorageFull: as for `build` and opening.
    """
    given = _by_id(docs)
    _change_existing(Path(folder), given, (), encoder, progress, new=False)


def remove(folder: str | Path, ids: Iterable[str], encoder: Encoder, *, progress: Progress | None = None) -> None:
    """Removes documents by id.

    Raises:
        UsageError: an id that isn't there.
        IndexMissing, IndexCorrupt, IndexMismatch, IndexBusy, StorageFull: as for `build` and opening.
    """
    _change_existing(Path(folder), {}, tuple(ids), encoder, progress, new=False)


def _change_existing(
    folder: Path,
    docs: Mapping[str, ApiDoc],
    removed: Sequence[str],
    encoder: Encoder,
    progress: Progress | None,
    *,
    new: bool,
) -> None:
    manifest.read(folder)
    with _writer(folder) as target:
        base = manifest.read(target)
        check_layout(target, base)
        check_encoder(target, base, encoder)
        for name, entry in base.files.items():
            manifest.verify(target, name, entry)
        known = store.DocumentStore(target / base.documents)
        there = set(known.ids)
        known.close()
        wrong = sorted(set(docs) & there if new else (set(docs) | set(removed)) - there)
        if wrong:
            state, hint = ("already there", "update them instead") if new else ("not there", "add them first")
            raise UsageError(f"{len(wrong)} ids are {state}: {', '.join(wrong[:5])}", hint=hint)
        _change(target, base, docs, removed, encoder, base.recipe, progress)


def _change(
    folder: Path,
    base: manifest.Manifest | None,
    docs: Mapping[str, ApiDoc],
    removed: Sequence[str],
    encoder: Encoder,
    recipe: Mapping[str, Any],
    progress: Progress | None,
) -> None:
    """Writes every new file, then the manifest."""
    previous = _previous(folder)
    tell = progress or _quietly
    with storage_errors(folder), tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as scratch:
        work = Path(scratch)
        numbers, segments, files = _vectors(folder, work, base, docs.values(), encoder, tell)
        documents = work / "documents"
        base_documents = folder / base.documents if base else None
        store.write(documents, docs.values(), numbers, base=base_documents, removed=removed)
        segments, files, ann = _compacted(folder, work, documents, segments, files, base)
        layout = store.DocumentStore(documents)
        tell("words", 0, len(layout.ids))
        words = _words(folder, work, layout.words())
        tell("words", len(layout.ids), len(layout.ids))
        counts = {
            "documents": len(layout.ids),
            "calls": len(layout.call_keys),
            "vectors": sum(len(np.load(folder / name, mmap_mode="r", allow_pickle=False)) for name in segments),
        }
        layout.close()
        name, entry = manifest.seal(folder, documents, "documents", ".sqlite")
    made = manifest.Manifest(
        encoder=identity(encoder),
        text=TEXT_VERSION,
        bm25=bm25.PARAMETERS,
        recipe=dict(recipe),
        counts=counts,
        documents=name,
        segments=tuple(segments),
        ann=ann,
        bm25_files=tuple(words),
        files={**files, **words, name: entry},
        previous=previous,
    )
    manifest.write(folder, made)
    manifest.sweep(folder, made)
    encoded.sweep(folder)


def _quietly(_step: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


def _vectors(
    folder: Path,
    work: Path,
    base: manifest.Manifest | None,
    docs: Iterable[ApiDoc],
    encoder: Encoder,
    tell: Progress,
) -> tuple[dict[str, int], list[str], dict[str, manifest.FileEntry]]:
    """Encodes the texts that have no vector yet into a new segment.

    Returns:
        The number of each text's vector by `text_hash`, the segments in order, and their manifest entries.
    """
    numbers: dict[str, int] = {}
    segments = list(base.segments) if base else []
    kept = [*segments, *([base.ann] if base and base.ann else [])]
    files = {name: base.files[name] for name in kept} if base else {}
    if base:
        known = store.DocumentStore(folder / base.documents)
        numbers = known.text_vectors()
        known.close()
    start = base.counts["vectors"] if base else 0
    fresh: dict[str, str] = {}
    for doc in docs:
        if (name := store.text_hash(doc)) not in numbers:
            numbers[name] = start + len(fresh)
            fresh[name] = encoder_text(doc)
    if fresh:
        vectors = encoded.encode(folder, encoder, fresh, lambda done, total: tell("encode", done, total))
        name, entry = _segment(folder, work, vectors)
        segments.append(name)
        files[name] = entry
    return numbers, segments, files


def _compacted(
    folder: Path,
    work: Path,
    documents: Path,
    segments: list[str],
    files: dict[str, manifest.FileEntry],
    base: manifest.Manifest | None,
) -> tuple[list[str], dict[str, manifest.FileEntry], str]:
    """Gathers the vectors in use into one segment when there are many segments or many unused vectors.

    Returns:
        Segments, manifest entries, and the approximate index's name (empty without one).
    """
    loaded = [np.load(folder / name, mmap_mode="r", allow_pickle=False) for name in segments]
    total = sum(map(len, loaded))
    reader = store.DocumentStore(documents)
    used = np.unique(reader.layout.vectors)
    reader.close()
    whole = len(segments) <= MOST_SEGMENTS and total - len(used) <= MOST_UNUSED * total
    ann = base.ann if base else ""
    if not whole:
        store.renumber(documents, {int(old): new for new, old in enumerate(used)})
        name, entry = _segment(folder, work, np.concatenate(loaded)[used])
        segments, files, ann = [name], {name: entry}, ""
    if not ann and segments:
        first = np.load(folder / segments[0], mmap_mode="r", allow_pickle=False)
        if dense.write_ann(np.ascontiguousarray(first), work / "ann"):
            ann, entry = manifest.seal(folder, work / "ann", "ann", ".faiss")
            files[ann] = entry
    return segments, files, ann


def _segment(folder: Path, work: Path, vectors: npt.NDArray[np.float32]) -> tuple[str, manifest.FileEntry]:
    path = work / "vectors"
    write_array(path, np.ascontiguousarray(vectors, dtype=np.float32))
    return manifest.seal(folder, path, "vectors", ".npy")


def _words(folder: Path, work: Path, documents: Iterable[Sequence[str]]) -> dict[str, manifest.FileEntry]:
    target = work / "bm25"
    target.mkdir()
    sealed = (manifest.seal(folder, path, "bm25", f".{path.name}") for path in bm25.write(target, documents))
    return dict(sealed)


def _by_id(docs: Iterable[ApiDoc]) -> dict[str, ApiDoc]:
    found: dict[str, ApiDoc] = {}
    for doc in docs:
        if doc.id in found:
            raise UsageError(f"two documents have the id {doc.id!r}", hint="give each document an id of its own")
        found[doc.id] = doc
    return found


def _previous(folder: Path) -> tuple[str, ...]:
    """The files of the index that stands there, readable or not."""
    if not (folder / manifest.NAME).exists():
        return ()
    try:
        return tuple(manifest.read(folder).files)
    except manifest.UNREADABLE:
        return ()


def wait(folder: Path) -> None:
    """Waits until no other process is changing an index."""
    with FileLock(folder / ".lock"):
        pass


@contextmanager
def _writer(folder: Path) -> Iterator[Path]:
    """Holds the index against other writers; the folder is made when it isn't there.

    Raises:
        IndexBusy: another process holds it.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise IndexBusy(f"another process is changing {str(folder)!r}", hint="wait for it, then try again") from error
    try:
        for leftover in folder.glob(".tmp-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield folder
    finally:
        lock.release()
