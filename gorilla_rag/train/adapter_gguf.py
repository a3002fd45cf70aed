"""An adapter as llama.cpp loads it: the matrices that PEFT saved, in a GGUF file.

llama.cpp turns the query and key rows of Llama's heads in another order than transformers, and so must the rows of
what is added to them be. Knows files; trains nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.errors import AdapterMismatch, ExtraMissing, ModelCorrupt, UsageError
from gorilla_rag.generate import gguf_files

try:
    import gguf
    import safetensors
    from safetensors.torch import load_file
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[transformers]'"
    ) from error

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
ARCHITECTURES = {"llama": True, "qwen2": False, "qwen3": False}
"""By llama.cpp's name: whether it turns the rows of query and key."""
_NAME = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
Array = npt.NDArray[np.float16]


def write_gguf(adapter: Path, shape: Mapping[str, Any], out: Path) -> None:
    """Writes an adapter as GGUF, in half precision.

    Args:
        adapter: the folder that PEFT saved.
        shape: the base's configuration, as transformers names it: `model_type`, `num_hidden_layers`,
            `num_attention_heads` and `num_key_value_heads`.
        out: the file.

    Raises:
        UsageError: a base of another architecture, or an adapter that isn't LoRA.
        ModelCorrupt: the adapter's files can't be read.
        AdapterMismatch: the adapter changes what llama.cpp doesn't let be changed.
        StorageFull: the disk takes no more.
    """
    kind = str(shape["model_type"])
    if kind not in ARCHITECTURES:
        raise UsageError(f"adapters of {kind} models aren't written", hint=f"known are {', '.join(ARCHITECTURES)}")
    config, weights = _read(adapter)
    writer = gguf_files.begun(out, kind)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(config["lora_alpha"]))
    for name, array in _tensors(weights, shape, turned=ARCHITECTURES[kind]):
        writer.add_tensor(name, array)
    gguf_files.finish(writer, out)


def _read(adapter: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(str(adapter / WEIGHTS))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ModelCorrupt(f"{adapter} can't be read: {error}", hint="give the folder that PEFT saved") from error
    if config.get("peft_type") != "LORA" or config.get("use_rslora") or config.get("use_dora"):
        raise UsageError(f"{adapter} is no plain LoRA", hint="train one with `gorilla-rag train generator`")
    return config, weights


def _tensors(weights: Mapping[str, Any], shape: Mapping[str, Any], *, turned: bool) -> Iterator[tuple[str, Array]]:
    """Each matrix under llama.cpp's name."""
    kind = next(one for one, name in gguf.MODEL_ARCH_NAMES.items() if name == shape["model_type"])
    names = gguf.get_tensor_name_map(kind, int(shape["num_hidden_layers"]))
    heads = {"q_proj": int(shape["num_attention_heads"]), "k_proj": int(shape["num_key_value_heads"])}
    for key in sorted(weights):
        found = _NAME.fullmatch(key)
        name = names.get_name(found["module"]) if found else None
        if not found or name is None:
            raise AdapterMismatch(f"llama.cpp has no place for {key}", hint="adapt the seven projections alone")
        array = weights[key].float().numpy()
        projection = found["module"].rpartition(".")[2]
        if turned and found["side"] == "B" and projection in heads:
            array = turned_rows(array, heads[projection])
        yield f"{name}.weight.lora_{found['side'].lower()}", array.astype(np.float16)


def turned_rows(rows: npt.NDArray[np.float32], heads: int) -> npt.NDArray[np.float32]:
    """Rows of each head (shape [heads * size, n]), its halves interleaved, as llama.cpp wants them for its rotation."""
    size = len(rows) // heads
    return rows.reshape(heads, 2, size // 2, -1).swapaxes(1, 2).reshape(rows.shape)
