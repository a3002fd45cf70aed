"""A model's weights as half-precision numbers, which llama.cpp and transformers read alike."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np


def in_half(weights: Path, target: Path) -> Path:
    """Writes a GGUF file's tensors as half-precision numbers, its vectors as single-precision ones."""
    reader = gguf.GGUFReader(weights)
    writer = gguf.GGUFWriter(str(target), "llama")
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in ("general.architecture", "general.file_type"):
            kind, *inner = field.types
            writer.add_key_value(field.name, field.contents(), kind, inner[-1] if inner else None)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values.astype(np.float32 if values.ndim == 1 else np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
