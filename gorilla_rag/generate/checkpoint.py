"""Causal language models on disk, for torch: where they are, and how they are loaded.

A folder, a name whose files are in the hub's cache, or a GGUF file. Only safetensors and GGUF are read, which hold
numbers and nothing that runs; a model's own code is never run, and nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import huggingface_hub
import safetensors
import torch
import transformers
from huggingface_hub.errors import HFValidationError

from gorilla_rag.answer import one_of
from gorilla_rag.digests import sha256
from gorilla_rag.errors import ExtraMissing, GenerationFailed, ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import registry

Dtype = Literal["float32", "bfloat16", "float16"]
Quantize = Literal["4bit"]
_WEIGHTS = "model.safetensors"
_SHARDS = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files.

    Attributes:
        id: as it was asked for.
        folder: where the files are.
        weights: the files that hold the weights.
        gguf: the GGUF file's name, or empty.
        names: what an adapter may call it, in lower case, without an owner or a folder.
    """

    id: str
    folder: Path
    weights: tuple[Path, ...]
    names: frozenset[str]
    gguf: str = ""


def find(model: str | Path) -> Checkpoint:
    """A model by folder, GGUF file, name in our registry, or name in the hub's cache.

    Raises:
        ModelMissing: it isn't on this machine, or not as safetensors or GGUF.
        ModelCorrupt: a registry model with the wrong SHA-256.
        UsageError: an adapter where a model is wanted.
    """
    path = Path(model)
    if path.is_dir():
        return _folder(str(model), path, path.resolve().name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelMissing(f"{path} isn't there", hint="give the path of a GGUF file")
        return _gguf(str(model), path, path.stem)
    if (known := registry.MODELS.get(str(model))) and known.weights.endswith(".gguf"):
        return _gguf(known.name, registry.weights(known.name), known.name, known.title.split(",")[0])
    return _folder(str(model), _cached(str(model)), path.name)


def load(found: Checkpoint, *, device: torch.device, dtype: Dtype | None, quantize: Quantize | None) -> tuple[Any, Any]:
    """A model in evaluation mode on a device, and its tokenizer.

    Raises:
        ExtraMissing: a package isn't installed that 4 bits, a GGUF file or the model's own number format needs.
        ModelCorrupt: files that can't be read, that don't fit each other, or that need code of their own.
        GenerationFailed: the device has too little memory.
    """
    transformers.utils.logging.disable_progress_bar()
    shared: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if found.gguf:
        shared["gguf_file"] = found.gguf
    options = _options(found, device, dtype, quantize)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(found.folder), **shared)
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            str(found.folder), use_safetensors=True, output_loading_info=True, **shared, **options
        )
    except torch.OutOfMemoryError as error:
        raise GenerationFailed(f"{found.id!r} doesn't fit {device}: {error}", hint="try quantize='4bit'") from error
    except ImportError as error:
        raise ExtraMissing(f"{found.id!r} needs a package: {error}", hint="install it, or use other weights") from error
    except (OSError, ValueError, LookupError, RuntimeError, struct.error, safetensors.SafetensorError) as error:
        raise _unreadable(found, str(error)) from error
    if missing := sorted(info["missing_keys"]):
        raise _unreadable(found, f"{len(missing)} weights are missing, {missing[0]} for one")
    return model.eval(), tokenizer


def tokenizer(found: Checkpoint) -> Any:
    """A model's tokenizer alone.

    Raises:
        ExtraMissing: a GGUF file needs a package that isn't installed.
        ModelCorrupt: files that can't be read, or that need code of their own.
    """
    shared = _shared(found)
    try:
        return transformers.AutoTokenizer.from_pretrained(str(found.folder), **shared)
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise _unreadable(found, str(error)) from error


def context(found: Checkpoint) -> int | None:
    """How many tokens a model reads by its configuration, which is all that is loaded; `None` where it doesn't say.

    Raises:
        ExtraMissing: a GGUF file needs a package that isn't installed.
        ModelCorrupt: files that can't be read, or that need code of their own.
    """
    shared = _shared(found)
    try:
        return positions(transformers.AutoConfig.from_pretrained(str(found.folder), **shared))
    except (OSError, ValueError, LookupError, struct.error) as error:
        raise _unreadable(found, str(error)) from error


def positions(config: Any) -> int | None:
    """How many tokens a model of this configuration reads; `None` where it doesn't say."""
    longest: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    return longest


def digest(files: Sequence[Path]) -> str:
    """SHA-256 of a file, or of the lines `sha256  name` of several; empty for none."""
    hashes = [(sha256(path), path.name) for path in files]
    if len(hashes) < 2:
        return hashes[0][0] if hashes else ""
    return hashlib.sha256("".join(f"{value}  {name}\n" for value, name in hashes).encode()).hexdigest()


def _options(found: Checkpoint, device: torch.device, dtype: Dtype | None, quantize: Quantize | None) -> dict[str, Any]:
    """What transformers has to know: the number type, the device, and what is quantised."""
    one_of(dtype or "float32", get_args(Dtype), "dtype")
    one_of(quantize or "4bit", get_args(Quantize), "quantize")
    # Processors add and multiply single rows in float32 several times faster than in the short types.
    chosen = getattr(torch, dtype or ("float32" if device.type == "cpu" else "bfloat16"))
    options: dict[str, Any] = {"dtype": chosen}
    if device.type != "cpu" or quantize:
        options["device_map"] = {"": device}
    if found.gguf:
        _need("gguf", "transformers")
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    if quantize:
        if found.gguf:
            raise UsageError(f"{found.gguf} is quantised already", hint="leave quantize out")
        _need("bitsandbytes", "4bit")
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=chosen
        )
    return options


def _shared(found: Checkpoint) -> dict[str, Any]:
    """What transformers has to know to read a file that isn't weights."""
    shared: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    if found.gguf:
        _need("gguf", "transformers")
        shared["gguf_file"] = found.gguf
    return shared


def _need(package: str, extra: str) -> None:
    if find_spec(package) is None:
        raise ExtraMissing(f"{package} is not installed", hint=f"install the extra: pip install 'gorilla-rag[{extra}]'")


def _folder(name: str, folder: Path, called: str) -> Checkpoint:
    if (folder / "adapter_config.json").is_file():
        raise UsageError(f"{folder} is an adapter", hint="give its base as the model, and this as adapter=")
    if not (folder / "config.json").is_file():
        raise ModelMissing(f"{folder} has no config.json", hint="give the folder of a model of transformers")
    return Checkpoint(name, folder, _weights(folder), frozenset({called.lower()}))


def _weights(folder: Path) -> tuple[Path, ...]:
    files = {_WEIGHTS}
    if not (folder / _WEIGHTS).is_file() and (folder / _SHARDS).is_file():
        try:
            files = set(json.loads((folder / _SHARDS).read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError) as error:
            raise ModelCorrupt(f"{folder / _SHARDS} can't be read: {error!r}", hint="fetch it again") from error
    if missing := sorted(name for name in files if not (folder / name).is_file()):
        raise ModelMissing(
            f"{folder} has no {missing[0]}", hint="fetch or save the model as safetensors; pickled weights aren't read"
        )
    return tuple(folder / name for name in sorted(files))


def _gguf(name: str, path: Path, *names: str) -> Checkpoint:
    return Checkpoint(name, path.parent, (path,), frozenset(map(str.lower, names)), path.name)


def _cached(name: str) -> Path:
    """The folder of a hub model that was downloaded before."""
    try:
        config = huggingface_hub.try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        config = None
    if not isinstance(config, str):
        raise ModelMissing(
            f"no model {name!r} on this machine", hint=f"give a folder, or fetch it with `hf download {name}`"
        )
    return Path(config).parent


def _unreadable(found: Checkpoint, reason: str) -> ModelCorrupt:
    return ModelCorrupt(
        f"{found.id!r} can't be loaded: {reason.strip().splitlines()[0] if reason.strip() else 'no reason given'}",
        hint="fetch it again, or use another model",
    )
