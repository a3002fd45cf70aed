"""A sentence-transformers model's folder: whether it may be loaded, and what identifies it.

Reads JSON and bytes, and imports nothing: what a folder names is refused here before anything could run it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from gorilla_rag.digests import digests
from gorilla_rag.errors import ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import registry

_TRUSTED = "sentence_transformers."
_ACTIVATIONS = "torch.nn."
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
# A model's own folder also holds notes of its training and other formats of its weights; a module's doesn't.
_OWN = (
    "modules.json",
    "config.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
    "router_config.json",
    "*token*.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.jinja",
    "chat_template.json",
    "*processor_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
)
_MODULE = ("*.json", "*.txt", "*.model", "*.safetensors")


def check(folder: Path) -> None:
    """Refuses a folder that isn't a sentence-transformers model, or that can't be loaded safely.

    Raises:
        ModelMissing: there is no such model there.
        ModelCorrupt: a file of it can't be read.
        UsageError: it needs code of its own, has pickled weights, or parts of it lie elsewhere.
    """
    if not (folder / "modules.json").is_file():
        raise ModelMissing(
            f"{folder} isn't a sentence-transformers model: it has no modules.json",
            hint="name the folder that sentence-transformers saved, or save the model with it",
        )
    _check_kind(folder)
    for name, where in _modules(folder):
        if not name.startswith(_TRUSTED):
            raise _own_code(folder, f"module class {name!r}")
        _check_weights(where)
        for file in sorted(where.glob("*config.json")):
            _check_config(folder, file)


def identity(folder: Path) -> str:
    """SHA-256 over all that a model's vectors come from: weights, configurations, prompts, pooling, tokenizer.

    Neither the folder's name nor where it lies is part of it.
    """
    made_of = sorted(files(folder), key=lambda file: file.relative_to(folder).as_posix())
    place = hashlib.sha256(str(folder.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    found = digests(made_of, registry.home() / "encoders" / f"{place}.json")
    lines = [f"{digest} {file.relative_to(folder).as_posix()}" for digest, file in zip(found, made_of, strict=True)]
    return hashlib.sha256("\n".join(["sentence-transformers 1", *lines]).encode()).hexdigest()


def files(folder: Path) -> set[Path]:
    """What a model's vectors come from: its own files, and those of its modules."""
    found = {file for pattern in _OWN for file in folder.glob(pattern)}
    inner = {where for _, where in _modules(folder)} - {folder}
    found |= {file for where in inner for pattern in _MODULE for file in where.glob(pattern)}
    return {file for file in found if file.is_file()}


def _modules(folder: Path) -> list[tuple[str, Path]]:
    """Class and folder of each module, those included among which a router chooses."""
    listed = _json(folder / "modules.json")
    try:
        found = [(str(module["type"]), _inside(folder, folder, module["path"])) for module in listed]
    except (TypeError, KeyError) as error:
        raise _corrupt(folder / "modules.json", "doesn't list modules") from error
    if not found:
        raise _corrupt(folder / "modules.json", "doesn't list modules")
    return [*found, *(routed for _, where in found for routed in _routed(folder, where))]


def _routed(folder: Path, where: Path) -> Iterator[tuple[str, Path]]:
    for name in ("router_config.json", "config.json"):
        types = _mapping(where / name).get("types") if (where / name).is_file() else None
        if isinstance(types, dict):
            yield from ((str(kind), _inside(folder, where, module)) for module, kind in types.items())


def _inside(folder: Path, where: Path, path: str) -> Path:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path:
        raise UsageError(f"{folder} has a module at {path!r}, outside itself", hint="use a model that is whole")
    return where / parts


def _check_kind(folder: Path) -> None:
    file = folder / "config_sentence_transformers.json"
    kind = _mapping(file).get("model_type") if file.is_file() else None
    if kind not in (None, "SentenceTransformer"):
        raise UsageError(
            f"{folder} is a {kind}, not an encoder of sentences to single vectors",
            hint="use a SentenceTransformer model",
        )
    if (folder / "adapter_config.json").is_file():
        raise UsageError(
            f"{folder} is an adapter, without the model it changes", hint="merge it into its base and save the whole"
        )


def _check_weights(where: Path) -> None:
    pickles = sorted(file.name for pattern in _PICKLES for file in where.glob(pattern))
    if pickles and not any(where.glob("*.safetensors")):
        raise UsageError(
            f"{where} has its weights as a pickle ({pickles[0]}), which could run anything",
            hint="use weights in safetensors; where you trust the model, sentence-transformers saves it with them",
        )


def _check_config(folder: Path, file: Path) -> None:
    """What configurations may not name: code of the model's own, or files elsewhere."""
    said = _json(file)
    if not isinstance(said, dict):
        return
    if said.get("auto_map"):
        raise _own_code(folder, f"auto_map in {file.name}")
    tokenizer = said.get("tokenizer_class")
    if isinstance(tokenizer, str) and "." in tokenizer and not tokenizer.startswith(_TRUSTED):
        raise _own_code(folder, f"tokenizer class {tokenizer!r}")
    activation = said.get("activation_function")
    if isinstance(activation, str) and "." in activation and not activation.startswith(_ACTIVATIONS):
        raise _own_code(folder, f"activation function {activation!r}")
    if said.get("tokenizer_name_or_path"):
        raise UsageError(
            f"{folder} takes its tokenizer from {said['tokenizer_name_or_path']!r}", hint="save the model as a whole"
        )


def _own_code(folder: Path, what: str) -> UsageError:
    return UsageError(
        f"{folder} needs code of its own ({what}), which is never run",
        hint="use a model that sentence-transformers and transformers load without trust_remote_code",
    )


def _mapping(file: Path) -> dict[str, Any]:
    said = _json(file)
    if not isinstance(said, dict):
        raise _corrupt(file, "is no JSON object")
    return said


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _corrupt(file, f"can't be read: {error}") from error


def _corrupt(file: Path, what: str) -> ModelCorrupt:
    return ModelCorrupt(f"{file} {what}", hint="fetch or save the model again")
