"""`python -m gorilla_rag.models.pin`: writes what the registry knows of the deltas that lie in the package.

Run it after a delta was put there. Each is merged with its base, which has to be on this machine, before its hashes
are written down; a note `title` names the model.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from gorilla_rag.encoders.delta import merge, read_delta
from gorilla_rag.errors import AdapterMismatch
from gorilla_rag.files import write_text
from gorilla_rag.models import registry


def pin(table: Path = registry.DERIVED) -> dict[str, dict[str, str]]:
    """Writes the table of the deltas beside it, and gives what it holds, by the models' names.

    Raises:
        ModelMissing, ModelCorrupt: a delta's base isn't here, or one of both is damaged.
        AdapterMismatch: a delta is for weights that the registry doesn't have.
        StorageFull: the disk is full.
    """
    rows = {file.stem: _row(file) for file in sorted(table.parent.glob("*.safetensors"))}
    write_text(table, json.dumps(rows, indent=1) + "\n")
    return rows


def _row(file: Path) -> dict[str, str]:
    about = read_delta(file)
    base = _base(file.name, about.base_sha256)
    with tempfile.TemporaryDirectory() as scratch:
        merge(registry.path(base), file, Path(scratch) / "merged")
    return {
        "base": base,
        "title": about.note.get("title", file.stem),
        "delta": hashlib.sha256(file.read_bytes()).hexdigest(),
        "merged": about.merged_sha256,
    }


def _base(delta: str, sha256: str) -> str:
    """The name of the model with those weights."""
    for model in registry.MODELS.values():
        if model.derived is None and model.sha256[model.weights] == sha256:
            return model.name
    raise AdapterMismatch(
        f"{delta} is for weights of SHA-256 {sha256}, which no model of the registry has",
        hint=f"make it from one of {', '.join(name for name, model in registry.MODELS.items() if not model.derived)}",
    )


if __name__ == "__main__":
    import sys

    for name, row in pin().items():
        sys.stdout.write(f"{name}: {row['title']}, from {row['base']}, merged {row['merged'][:12]}\n")
