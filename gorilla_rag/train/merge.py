"""A model with an adapter's changes in its own weights: one folder of safetensors, which needs no adapter any more.

Knows files and weights; trains nothing. Importing it imports torch, transformers and peft.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gorilla_rag.errors import ExtraMissing, UsageError
from gorilla_rag.files import write_text
from gorilla_rag.generate import adapter_card
from gorilla_rag.train.model_card import README, merged_card

try:
    import torch

    from gorilla_rag.generate import adapters, checkpoint
    from gorilla_rag.generate.checkpoint import Dtype
    from gorilla_rag.generate.disk import disk_errors
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[transformers]'"
    ) from error


def merge_adapter(base: str | Path, adapter: Path, out: Path, *, dtype: Dtype = "bfloat16") -> Path:
    """Merges an adapter with its base and writes both as one model, with the adapter's cards.

    Each changed weight is `W + alpha / rank * B A` (Hu et al., arXiv 2106.09685), computed in float32 and then rounded
    to `dtype`. Everything is computed on the processor.

    Args:
        base: a model by whatever name `generate/checkpoint.py` finds it.
        adapter: the folder of an adapter that was trained on it.
        out: the new model's folder, which isn't there yet; it is there whole or not at all.
        dtype: of the weights that are written.

    Returns:
        `out`.

    Raises:
        UsageError: there is something at `out`.
        ModelMissing, ModelCorrupt: base or adapter isn't there or can't be read.
        AdapterMismatch: the adapter is for other weights or other prompts.
        StorageFull: the disk is full.
        GenerationFailed: there is too little memory.
    """
    if out.exists():
        raise UsageError(f"there is something at {str(out)!r}", hint="name a folder that isn't there yet")
    found = checkpoint.find(base)
    card = adapter_card.read(adapter)
    if card:
        card.check(adapter, checkpoint.digest(found.weights))
    model, tokenizer = checkpoint.load(found, device=torch.device("cpu"), dtype="float32", quantize=None)
    merged = adapters.attach(model, adapter, found.names).merge_and_unload().to(getattr(torch, dtype))
    for setting in ("quantization_config", "_pre_quantization_dtype"):
        merged.config.__dict__.pop(setting, None)  # of the GGUF file that it was read from, not of what is written
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with disk_errors(out.parent):
            out.parent.mkdir(parents=True, exist_ok=True)
            merged.save_pretrained(str(partial), safe_serialization=True)
            tokenizer.save_pretrained(str(partial))
            if card:
                _write_cards(adapter, partial)
            partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def _write_cards(adapter: Path, merged: Path) -> None:
    """The adapter's cards, the machine's and that for people, as those of the model that it is merged with."""
    said = json.loads((adapter / adapter_card.CARD).read_text(encoding="utf-8"))
    write_text(merged / adapter_card.CARD, json.dumps(said | {adapter_card.MERGED: True}, indent=1))
    if (adapter / README).is_file():
        write_text(merged / README, merged_card((adapter / README).read_text(encoding="utf-8", errors="replace")))
