"""PEFT adapters: small weights that were trained on top of a model, and only fit that one.

PEFT itself goes on when an adapter has weights that the model has no place for, or the other way round; here both
are errors. Importing this module imports PEFT, which imports bitsandbytes where that is installed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import safetensors

from gorilla_rag.errors import AdapterMismatch, ExtraMissing, ModelCorrupt, ModelMissing, UsageError

try:
    import peft
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[transformers]'"
    ) from error

WEIGHTS = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"
_OTHER = "use the model that the adapter was trained on"


def attach(model: Any, folder: Path, names: Collection[str], *, trainable: bool = False) -> Any:
    """The model with an adapter.

    Args:
        model: a causal model of transformers.
        folder: with adapter_config.json and adapter_model.safetensors.
        names: what the adapter may call its base, in lower case, without an owner or a folder.
        trainable: whether its weights are to be trained further.

    Raises:
        ModelMissing: a file isn't there.
        ModelCorrupt: a file can't be read.
        AdapterMismatch: trained on a model of another name, or with other weights.
        UsageError: an adapter that adds to the prompt instead of changing weights.
    """
    for name in (_CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelMissing(f"{folder} has no {name}", hint="give the folder that PEFT saved, as safetensors")
    _check_base(folder, names)
    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelCorrupt(f"{folder / _CONFIG} can't be used: {error}", hint="train or fetch it again") from error
    if config.is_prompt_learning:
        raise UsageError(f"{folder} is {config.peft_type.value}, which adds to the prompt", hint="use LoRA or alike")
    config.inference_mode = not trainable
    return _loaded(model, folder, config)


def _check_base(folder: Path, names: Collection[str]) -> None:
    try:
        base = json.loads((folder / _CONFIG).read_text(encoding="utf-8")).get("base_model_name_or_path")
    except (ValueError, AttributeError) as error:
        raise ModelCorrupt(f"{folder / _CONFIG} can't be read: {error}", hint="train or fetch it again") from error
    if base and Path(base).name.lower() not in names:
        raise AdapterMismatch(
            f"the adapter {folder.name!r} is for {base!r}, the model is {' or '.join(sorted(names))!r}",
            hint=f"{_OTHER}; if it is the same, correct base_model_name_or_path in {_CONFIG}",
        )


def _loaded(model: Any, folder: Path, config: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = peft.PeftModel(model, config)
            found = adapted.load_adapter(
                str(folder), "default", torch_device=str(model.device), is_trainable=not config.inference_mode
            )
    except safetensors.SafetensorError as error:
        raise ModelCorrupt(f"{folder / WEIGHTS} can't be read: {error}", hint="train or fetch it again") from error
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise AdapterMismatch(f"the adapter {folder.name!r} doesn't fit the model: {reason}", hint=_OTHER) from error
    for what, keys in (("has no place for", found.unexpected_keys), ("gets nothing for", found.missing_keys)):
        if keys:
            raise AdapterMismatch(
                f"the model {what} {len(keys)} weights of the adapter {folder.name!r}, {keys[0]} for one", hint=_OTHER
            )
    return adapted.eval()
