"""`indexed`: a benchmark's documents as an index, which is kept and built anew where it has to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import IndexCorrupt, IndexMismatch, IndexMissing
from gorilla_rag.index import change
from gorilla_rag.index.index import Index


def indexed(where: Path, docs: Sequence[ApiDoc], encoder: Encoder, *, tell: change.Progress | None = None) -> Path:
    """The folder of an index of these documents as they are now, in this encoder's vectors.

    Raises:
        StorageFull: the disk is full.
    """
    if not _holds(where, docs, encoder):
        change.build(where, docs, encoder, progress=tell)
    return where


def _holds(where: Path, docs: Sequence[ApiDoc], encoder: Encoder) -> bool:
    try:
        index = Index(where, encoder)
        _ = index.encoder  # which is compared with the index's own when it is first needed
    except (IndexMissing, IndexMismatch, IndexCorrupt):
        return False
    held = {doc.id: doc.content_hash for doc in index.store.documents(range(len(index)))}
    index.close()
    return held == {doc.id: doc.content_hash for doc in docs}
