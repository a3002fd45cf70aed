"""A fine-tuned encoder as what differs from its base: one small file, and the base merged with it.

A changed tensor is kept as tuned - base in int8, with one scale per row (output channel); one of a single dimension in
float32. Knows neither torch nor the registry: whoever calls knows where the base lies.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import exported, folder
from gorilla_rag.errors import AdapterMismatch, ExtraMissing, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.files import fsync, storage_errors, write_bytes
from gorilla_rag.models import tensors

try:
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import save
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[encode]'"
    ) from error

VERSION = "1"
WEIGHTS = "model.safetensors"
LIMIT = 16_000_000
_STEPS = 127
_INT8, _SCALE, _FLOAT = "int8:", "scale:", "float32:"
_NOTE = "note:"
# What a model may lack that its base has: transformers made up both, and no module reads them.
_UNREAD = ("pooler.", "embeddings.position_ids")

Tensors = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Delta:
    """What a delta says of itself.

    Attributes:
        base: the name of the base's folder, for people.
        base_sha256: of the base's weights file.
        merged_sha256: of the tensors of base and delta merged, in float32; see `gorilla_rag.models.tensors`.
        note: whatever its maker wrote down.
    """

    base: str
    base_sha256: str
    merged_sha256: str
    note: Mapping[str, str]


def write_delta(base: Path, tuned: Path, file: Path, *, note: Mapping[str, str], limit: int = LIMIT) -> Delta:
    """Writes what makes a tuned model out of its base.

    Args:
        base: the folder of a sentence-transformers model.
        tuned: that of a model trained from it.
        file: the delta.
        note: kept in the delta as it is.
        limit: the most bytes that the file may have.

    Returns:
        What the file says of itself.

    Raises:
        ModelMissing, ModelCorrupt: a model's weights aren't there or can't be read.
        UsageError: the models don't fit, or the delta would be larger than `limit`; nothing is written.
        StorageFull: the disk is full.
    """
    ours, theirs = _weights(base), _weights(tuned)
    _check_fit(ours, theirs)
    changes = _changes(ours, theirs)
    made = Delta(
        base.resolve().name, _sha256(base / WEIGHTS), tensors.digest(io.BytesIO(_merged(ours, changes))), dict(note)
    )
    content = save(changes, metadata=_metadata(made))
    if len(content) > limit:
        raise UsageError(
            f"the delta would have {len(content)} bytes, more than {limit}",
            hint="train with the word embeddings frozen, or allow more with `limit`",
        )
    write_bytes(file, content)
    return made


def read_delta(file: Path) -> Delta:
    """What a delta says of itself.

    Raises:
        ModelMissing: it isn't there.
        ModelCorrupt: it is damaged, or of a format that isn't known.
    """
    return _about(file, _read(file)[1])


def merge(base: Path, file: Path, out: Path) -> None:
    """Makes the tuned model: the base's files, and its weights changed as the delta says.

    Args:
        base: the folder of the model that the delta was made from.
        file: the delta.
        out: the new folder; it must not hold anything yet. It is there whole, or not at all.

    Raises:
        ModelMissing: the base or the delta isn't there.
        AdapterMismatch: the delta is for other weights.
        ModelCorrupt: the delta is damaged, or what was merged isn't what its maker had.
        UsageError: there is something at `out`.
        StorageFull: the disk is full.
    """
    changes, said = _read(file)
    about = _about(file, said)
    content = _applied(base, file, changes, about)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"there is something at {str(out)!r}", hint="name a folder that isn't there yet")
    with storage_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            made = Path(scratch) / "model"
            _copy(base, made)
            write_bytes(made / WEIGHTS, content)
            os.replace(made, out)
            fsync(out.parent)


def _applied(base: Path, file: Path, changes: Tensors, about: Delta) -> bytes:
    """The merged weights, known to be those that the delta's maker had."""
    if not (base / WEIGHTS).is_file():
        raise ModelMissing(
            f"{base / WEIGHTS} isn't there, the base of {file.name}",
            hint=f"fetch it with `gorilla-rag models pull {about.base}`",
        )
    folder.check(base)
    if (found := _sha256(base / WEIGHTS)) != about.base_sha256:
        raise AdapterMismatch(
            f"{file.name} is for {about.base!r} with weights of SHA-256 {about.base_sha256}; {base} has {found}",
            hint=f"merge it with {about.base}: `gorilla-rag models pull {about.base}`",
        )
    try:
        content = _merged(_weights(base), changes)
    except (ValueError, KeyError, IndexError) as error:
        raise _damaged(file, str(error)) from error
    if (found := tensors.digest(io.BytesIO(content))) != about.merged_sha256:
        raise _damaged(file, f"merged tensors have SHA-256 {found}, expected {about.merged_sha256}")
    return content


def _copy(base: Path, target: Path) -> None:
    """The base's files but its weights and its export."""
    left_out = {base / name for name in (WEIGHTS, exported.GRAPH, exported.TOKENIZER, exported.RECORD)}
    for file in sorted(folder.files(base) - left_out):
        where = target / file.relative_to(base)
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, where)
        fsync(where)


# The tensors


def _check_fit(base: Tensors, tuned: Tensors) -> None:
    added = sorted(tuned.keys() - base.keys())
    lacking = sorted(name for name in base.keys() - tuned.keys() if not name.startswith(_UNREAD))
    other = sorted(name for name in base.keys() & tuned.keys() if base[name].shape != tuned[name].shape)
    for names, what in ((added, "has more tensors"), (lacking, "lacks tensors"), (other, "has tensors of other shape")):
        if names:
            raise UsageError(
                f"the tuned model {what} than its base: {', '.join(names[:3])}", hint="name the model it was tuned from"
            )


def _changes(base: Tensors, tuned: Tensors) -> Tensors:
    """What a delta file holds: of each tensor that differs, its name behind a prefix."""
    made: Tensors = {}
    for name in sorted(base.keys() & tuned.keys()):
        if np.array_equal(base[name], tuned[name]):
            continue
        difference = _difference(name, base[name], tuned[name])
        if difference.ndim < 2:
            made[_FLOAT + name] = difference
        else:
            made[_INT8 + name], made[_SCALE + name] = _quantised(difference)
    return made


def _difference(name: str, base: npt.NDArray[Any], tuned: npt.NDArray[Any]) -> Floats:
    if base.dtype.kind != "f" or tuned.dtype.kind != "f":
        raise UsageError(f"{name} differs and holds no floats", hint="name the model it was tuned from")
    made: Floats = np.asarray(tuned.astype(np.float32) - base.astype(np.float32))
    if not np.isfinite(made).all():
        raise UsageError(f"{name} has values that aren't finite", hint="train the model again")
    return made


def _quantised(difference: Floats) -> tuple[npt.NDArray[np.int8], Floats]:
    """Whole steps, and each row's step: its largest value over 127."""
    rows = difference.reshape(len(difference), -1)
    scale = (np.abs(rows).max(axis=1) / np.float32(_STEPS)).astype(np.float32)
    steps = np.divide(rows, scale[:, None], out=np.zeros_like(rows), where=scale[:, None] > 0)
    return np.clip(np.rint(steps), -_STEPS, _STEPS).astype(np.int8).reshape(difference.shape), scale


def _merged(base: Tensors, changes: Tensors) -> bytes:
    """The safetensors file of base and changes, its floats in float32.

    Raises:
        ValueError, KeyError, IndexError: the changes are of another model.
    """
    made = {name: held.astype(np.float32) if held.dtype.kind == "f" else held for name, held in base.items()}
    for key, change in changes.items():
        kind, _, name = key.partition(":")
        if f"{kind}:" == _SCALE:
            continue
        if f"{kind}:" == _INT8:
            scale = changes[_SCALE + name]
            change = change.astype(np.float32) * scale.reshape(-1, *[1] * (change.ndim - 1))
        if made[name].shape != change.shape:
            raise ValueError(f"{name} has shape {change.shape}, expected {made[name].shape}")
        made[name] = np.asarray(made[name] + change)
    return save(made, metadata={"format": "pt"})  # transformers refuses weights that don't say so


# The files


def _weights(model: Path) -> Tensors:
    if not (model / WEIGHTS).is_file():
        raise ModelMissing(f"{model / WEIGHTS} isn't there", hint="name a model saved in one safetensors file")
    return _read(model / WEIGHTS)[0]


def _read(file: Path) -> tuple[Tensors, Mapping[str, str]]:
    """A safetensors file's tensors and metadata."""
    try:
        with safe_open(file, "np") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise ModelMissing(f"{file} isn't there", hint="check the path, or install gorilla-rag again") from error
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(file, str(error)) from error


def _metadata(about: Delta) -> dict[str, str]:
    said = {"delta": VERSION, "base": about.base, "base_sha256": about.base_sha256, "sha256": about.merged_sha256}
    return said | {_NOTE + name: value for name, value in about.note.items()}


def _about(file: Path, said: Mapping[str, str]) -> Delta:
    if said.get("delta") != VERSION:
        raise ModelCorrupt(
            f"{file} is a delta of format {said.get('delta')!r}, expected {VERSION!r}",
            hint="install gorilla-rag again, or make the delta again",
        )
    note = {name.removeprefix(_NOTE): value for name, value in said.items() if name.startswith(_NOTE)}
    try:
        return Delta(said["base"], said["base_sha256"], said["sha256"], note)
    except KeyError as error:
        raise _damaged(file, f"its metadata lack {error}") from error


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _damaged(file: Path, reason: str) -> ModelCorrupt:
    return ModelCorrupt(f"{file} is damaged: {reason}", hint="install gorilla-rag again, or make the delta again")
