"""`python -m gorilla_rag.models.pin`: writes what the registry knows of the deltas that lie in the package.

Run it after a delta was put there. Each is merged with its base, which has to be on this machine, before its hashes
are written down; a note `title`, or that of an adapter's card, names the model.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

from gorilla_rag.encoders.delta import merge, read_delta
from gorilla_rag.errors import AdapterMismatch, ModelMissing
from gorilla_rag.files import write_text
from gorilla_rag.generate.merged import merge as merge_gguf
from gorilla_rag.models import registry, tensors


def pin(table: Path = registry.DERIVED) -> dict[str, dict[str, str]]:
    """Writes the table of the deltas beside it, and gives what it holds, by the models' names.

    Raises:
        ModelMissing, ModelCorrupt: a delta's base isn't here, or one of both is damaged.
        AdapterMismatch: a delta is for weights that the registry doesn't have.
        StorageFull: the disk is full.
    """
    rows = {file.stem: _row(file) for suffix in _KINDS for file in sorted(table.parent.glob(f"*{suffix}"))}
    write_text(table, json.dumps(rows, indent=1) + "\n")
    return rows


def _row(file: Path) -> dict[str, str]:
    return {"file": file.name, "delta": hashlib.sha256(file.read_bytes()).hexdigest()} | _KINDS[file.suffix](file)


def _generator(file: Path) -> dict[str, str]:
    beside = file.with_suffix(".json")
    if not beside.is_file():
        raise ModelMissing(
            f"{beside} isn't there, the card of {file.name}", hint="put the adapter's gorilla.json there"
        )
    card = beside.read_bytes()
    said = json.loads(card)
    base = _base(file.name, said["base"]["sha256"])
    with tempfile.TemporaryDirectory() as scratch:
        merge_gguf(registry.weights(base), file, made := Path(scratch) / "model.gguf")
        merged = tensors.digest_file(made)
    return {
        "base": base,
        "title": said.get("title", file.stem),
        "merged": merged,
        "card": hashlib.sha256(card).hexdigest(),
    }


def _encoder(file: Path) -> dict[str, str]:
    about = read_delta(file)
    base = _base(file.name, about.base_sha256)
    with tempfile.TemporaryDirectory() as scratch:
        merge(registry.path(base), file, Path(scratch) / "merged")
    return {
        "base": base,
        "title": about.note.get("title", file.stem),
        "merged": about.merged_sha256,
    }


_KINDS = {".safetensors": _encoder, ".gguf": _generator}


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
