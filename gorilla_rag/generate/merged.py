"""A fine-tuned generator as its base and an adapter, both GGUF, and the one file that llama.cpp reads instead of both.

Beside the base's weights an adapter takes time at every token; merged it takes none. What it changes is written as
Q8_0, whose steps are finer than those of what the base is commonly quantised to, so that little of it is lost. The sums
are made in one fixed order: the same two files give the same tensors on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from gorilla_rag.errors import AdapterMismatch, ModelCorrupt, ModelMissing
from gorilla_rag.generate import gguf_files

_WRITTEN = gguf.GGMLQuantizationType.Q8_0
_BLOCK = gguf.GGML_QUANT_SIZES[_WRITTEN][0]
_A, _B = ".lora_a", ".lora_b"
_OWN = "GGUF."
_ARCHITECTURE = "general.architecture"
Floats = npt.NDArray[np.float32]


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Writes a model with an adapter's changes in its weights: `W + alpha / rank * B A`.

    Args:
        base: a model as GGUF.
        adapter: a LoRA adapter as GGUF.
        out: the file; it is there whole or not at all.

    Raises:
        ModelMissing: a file isn't there.
        ModelCorrupt: a file isn't GGUF, or the adapter isn't LoRA.
        AdapterMismatch: the adapter changes what the base doesn't have.
        StorageFull: the disk is full.
    """
    weights, changes = _read(base), _read(adapter)
    low = {tensor.name: tensor for tensor in changes.tensors}
    alpha = changes.get_field(gguf.Keys.Adapter.LORA_ALPHA)
    if alpha is None:
        raise ModelCorrupt(f"{adapter} is no LoRA adapter", hint="give the adapter.gguf that a training wrote")
    names = {name.removesuffix(_A).removesuffix(_B) for name in low}
    if half := sorted(f"{name}{end}" for name in names for end in (_A, _B) if f"{name}{end}" not in low):
        raise AdapterMismatch(f"{adapter.name} has no {half[0]}", hint="give the adapter.gguf that a training wrote")
    if unknown := sorted(names - {tensor.name for tensor in weights.tensors}):
        raise AdapterMismatch(f"{base.name} has no {unknown[0]}, which {adapter.name} changes", hint="give its base")
    if _ARCHITECTURE not in weights.fields:
        raise ModelCorrupt(f"{base} doesn't say what it is a model of", hint="fetch it again")
    writer = gguf_files.begun(out, str(weights.fields[_ARCHITECTURE].contents()))
    writer.data_alignment = weights.alignment
    _copy_fields(weights, writer)
    for name, data, kind in _tensors(weights, low, float(alpha.contents()), adapter):
        writer.add_tensor(name, data, raw_dtype=kind)
    gguf_files.finish(writer, out)


def _read(file: Path) -> Any:
    if not file.is_file():
        raise ModelMissing(f"{file} isn't there", hint="give the path of a GGUF file")
    try:
        return gguf.GGUFReader(file)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise ModelCorrupt(f"{file} is no GGUF file: {error}", hint="fetch it again") from error


def _copy_fields(weights: Any, writer: Any) -> None:
    """All that a file says of itself but how it is laid out."""
    for field in weights.fields.values():
        if not field.name.startswith(_OWN) and field.name != _ARCHITECTURE:
            kind, *inner = field.types
            writer.add_key_value(field.name, field.contents(), kind, sub_type=inner[-1] if inner else None)


def _tensors(
    weights: Any, low: Mapping[str, Any], alpha: float, adapter: Path
) -> Iterator[tuple[str, npt.NDArray[Any], Any]]:
    """Each tensor's name, bytes and type: as it was, or changed."""
    for tensor in weights.tensors:
        if tensor.name + _A not in low:
            yield tensor.name, tensor.data, tensor.tensor_type
            continue
        a, b = (_floats(low[tensor.name + end]) for end in (_A, _B))
        made = changed(_floats(tensor), a, b, alpha, f"{tensor.name} of {adapter.name}")
        if made.shape[1] % _BLOCK:
            raise AdapterMismatch(f"{tensor.name} has {made.shape[1]} columns", hint=f"it needs a multiple of {_BLOCK}")
        yield tensor.name, gguf.quants.quantize(made, _WRITTEN), _WRITTEN


def changed(held: Floats, a: Floats, b: Floats, alpha: float, what: str) -> Floats:
    """A matrix with a low-rank change.

    Args:
        held: shape [rows, columns].
        a: shape [rank, columns].
        b: shape [rows, rank].
        alpha: what the change is multiplied by, times the rank's inverse.
        what: named where they don't fit.

    Raises:
        AdapterMismatch: the shapes don't fit.
    """
    if b.shape[1:] != a.shape[:1] or held.shape != (b.shape[0], a.shape[1]):
        shapes = f"{b.shape} and {a.shape} for {held.shape}"
        raise AdapterMismatch(f"{what} has another shape: {shapes}", hint="give the adapter's own base")
    total = np.zeros_like(held)
    for column, row in zip(b.T, a, strict=True):  # no matrix product: each library adds in an order of its own
        total += np.multiply.outer(column, row)
    return held + np.float32(alpha / len(a)) * total


def _floats(tensor: Any) -> Floats:
    made: Floats = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return made
