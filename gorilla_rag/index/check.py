"""`index check`: every block of every file, and what a person should know of the contents."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gorilla_rag.errors import IndexCorrupt
from gorilla_rag.index import manifest
from gorilla_rag.index.store import DocumentStore


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        files: how many were verified.
        damaged: what is wrong with each file that is.
        duplicates: groups of ids whose documents are the same.
        degenerate: ids whose vector is zero, not finite or not of unit length.
        rawcalls: ids whose call isn't one Python call.
    """

    files: int
    damaged: tuple[str, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    degenerate: tuple[str, ...] = ()
    raw_calls: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the index can be used: no damage, no degenerate vector."""
        return not self.damaged and not self.degenerate


def check(folder: str | Path) -> Report:
    """Verifies an index.

    Raises:
        IndexMissing, IndexCorrupt, IndexMismatch: when the manifest itself can't be used.
    """
    folder = Path(folder)
    found = manifest.read(folder)
    damaged = []
    for name, entry in sorted(found.files.items()):
        try:
            manifest.verify(folder, name, entry)
        except IndexCorrupt as error:
            damaged.append(error.message)
    if damaged:
        return Report(len(found.files), tuple(damaged))
    store = DocumentStore(folder / found.documents)
    raw = tuple(store.ids[i] for i, call in enumerate(store.layout.calls) if store.call_keys[call].startswith("raw:"))
    duplicates = tuple(tuple(group) for group in store.duplicates())
    degenerate = _degenerate(folder, found, store)
    store.close()
    return Report(len(found.files), (), duplicates, degenerate, raw)


def _degenerate(folder: Path, found: manifest.Manifest, store: DocumentStore) -> tuple[str, ...]:
    lengths = [
        np.linalg.norm(np.load(folder / name, mmap_mode="r", allow_pickle=False), axis=1) for name in found.segments
    ]
    norms = np.concatenate(lengths) if lengths else np.empty(0)
    wrong = ~(np.abs(norms - 1) < 1e-2)
    return tuple(store.ids[i] for i, vector in enumerate(store.layout.vectors) if wrong[vector])
