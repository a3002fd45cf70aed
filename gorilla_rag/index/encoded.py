"""Vectors of a change that isn't finished yet, kept so that a killed one goes on where it was.

Texts are encoded a part at a time, and each part is on disk, under its texts' hashes, before the next is begun. What
is kept is used by the next change with the same encoder, whatever its documents, and swept when a change is done.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import Encoder, Progress
from gorilla_rag.files import write_bytes, write_text

PART = 4096
"""Texts encoded between two writes; fewer than that are encoded at once and not kept."""
_FOLDER = ".encoded-"
Vectors = npt.NDArray[np.float32]


def encode(folder: Path, encoder: Encoder, texts: Mapping[str, str], progress: Progress) -> Vectors:
    """Encodes texts, taking what an earlier change left.

    Args:
        folder: the index's.
        encoder: makes the vectors.
        texts: by their hash.
        progress: told how many of how many are encoded.

    Returns:
        Shape [len(texts), dimension], in the order of the texts.

    Raises:
        StorageFull: the disk is full; the parts that were written are kept.
    """
    kept = _place(folder, encoder)
    if len(texts) <= PART and not kept.exists():
        return encoder.encode(list(texts.values()), progress=progress)
    found = {name: vector for name, vector in _read(kept, encoder.dimension) if name in texts}
    missing = [name for name in texts if name not in found]
    parts = np.array_split(np.array(missing, dtype=np.str_), -(-len(missing) // PART)) if missing else []
    for names in (part.tolist() for part in parts):
        made = encoder.encode([texts[name] for name in names], progress=_after(len(found), len(texts), progress))
        _write(kept, names, made)
        found |= dict(zip(names, made, strict=True))
    return np.stack([found[name] for name in texts]).astype(np.float32, copy=False)


def _after(done: int, total: int, progress: Progress) -> Progress:
    """Progress of a part, told as progress of the whole."""
    return lambda some, _: progress(done + some, total)


def sweep(folder: Path) -> None:
    """Removes what changes have left; called when one is done."""
    for kept in folder.glob(f"{_FOLDER}*"):
        shutil.rmtree(kept, ignore_errors=True)


def _place(folder: Path, encoder: Encoder) -> Path:
    """Where vectors of this encoder are kept."""
    named = hashlib.sha256(f"{encoder.sha256} {encoder.dimension}".encode()).hexdigest()
    return folder / f"{_FOLDER}{named[:16]}"


def _write(kept: Path, names: list[str], vectors: Vectors) -> None:
    """One part: its vectors, then, which makes it count, the hashes of its texts."""
    number = sum(1 for _ in kept.glob("*.json"))
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(vectors, dtype=np.float32), allow_pickle=False)
    data = content.getvalue()
    write_bytes(kept / f"{number}.npy", data)
    record: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "texts": names}
    write_text(kept / f"{number}.json", json.dumps(record))


def _read(kept: Path, dimension: int) -> Iterator[tuple[str, Vectors]]:
    """What is kept, by the hash of its text; a part that isn't what was written doesn't count."""
    for path in sorted(kept.glob("*.json")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            data = path.with_suffix(".npy").read_bytes()
            whole = hashlib.sha256(data).hexdigest() == record["sha256"]
            vectors = np.load(io.BytesIO(data), allow_pickle=False) if whole else np.empty((0, dimension))
            if vectors.shape == (len(record["texts"]), dimension):
                yield from zip(record["texts"], vectors, strict=True)
        except (OSError, ValueError, KeyError, TypeError):
            continue
