"""`load_encoder`: any sentence-transformers model by name or path, through ONNX where that is the faster, or torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.encoders import Encoder, Kind, Progress, exported, folder
from gorilla_rag.encoders.embedded import BULK, EmbeddedEncoder
from gorilla_rag.encoders.exported import Exported
from gorilla_rag.encoders.onnx import OnnxEncoder
from gorilla_rag.errors import ModelCorrupt, ModelMissing, UsageError
from gorilla_rag.models import registry

if TYPE_CHECKING:
    from gorilla_rag.encoders.sentence_transformers import DType, TorchEncoder

_ORGANISATION = "sentence-transformers"


class SentenceTransformersEncoder:
    """Any sentence-transformers model: its modules, pooling, prompts and longest text.

    Without a device or dtype, what was exported to ONNX (`export`) is used where it was measured to be the faster,
    and torch isn't imported for it; else torch.

    Args:
        path: the model's folder.
        name: its name, recorded in indexes; the folder's by default.
        source: what `load_encoder` finds it by; the folder's absolute path by default.
        device: a torch device to encode on, such as `cuda`.
        dtype: what torch computes in; float32 by default.
        threads: of ONNX; by default as many as `OMP_NUM_THREADS` says, or all cores.

    Raises:
        ModelMissing: there is no sentence-transformers model there.
        ModelCorrupt: its files, or those of its export, can't be used.
        UsageError: it needs code of its own, or has pickled weights.
        DeviceMissing, ExtraMissing: the device isn't there; torch isn't installed (both at the first use).
    """

    def __init__(
        self,
        path: str | Path,
        *,
        name: str = "",
        source: str = "",
        device: str | None = None,
        dtype: DType | None = None,
        threads: int | None = None,
    ) -> None:
        self.path = Path(path).absolute()
        folder.check(self.path)
        self.id, self.source = name or self.path.name, source or str(self.path)
        self.sha256 = folder.identity(self.path)
        self._device, self._dtype, self._threads = device, dtype, threads

    @property
    def export_folder(self) -> Path:
        """Where this model's export belongs."""
        return registry.home() / "exports" / self.sha256

    @cached_property
    def exported(self) -> Exported | None:
        """What is known of its export; `None` before there is one."""
        return exported.read(self.export_folder, self.sha256)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self.exported.dimension if self.exported else self._torch.dimension

    def export(self) -> Exported:
        """Exports the model to ONNX, if that wasn't tried yet; the record has times, or the reason why not.

        Raises:
            ExtraMissing: torch, sentence-transformers, onnx or onnxscript isn't installed.
            ModelCorrupt: the model can't be loaded.
            StorageFull: the disk is full.
        """
        if self.exported is None:
            from gorilla_rag.encoders.export import export
            from gorilla_rag.encoders.sentence_transformers import TorchEncoder

            plain = TorchEncoder(self.path, name=self.id, sha256=self.sha256)
            self.exported = export(plain, self.export_folder)
        return self.exported

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32: questions and documents behind their own prompts."""
        return self._backend(len(texts)).encode(texts, kind=kind, progress=progress)

    def _backend(self, count: int) -> Encoder:
        if self._device or self._dtype or not self.exported:
            return self._torch
        faster = self.exported.faster("document" if count >= BULK else "question")
        return self._onnx if faster == "onnx" else self._torch

    @cached_property
    def _onnx(self) -> OnnxEncoder:
        if self.exported is None or not exported.is_whole(self.export_folder, self.exported):
            raise ModelCorrupt(
                f"the export of {self.id} in {self.export_folder} was altered",
                hint="delete that folder; the next `gorilla-rag index build --encoder …` makes it anew",
            )
        return OnnxEncoder(self.export_folder, name=self.id, sha256=self.sha256, threads=self._threads)

    @cached_property
    def _torch(self) -> TorchEncoder:
        return _torch(self.path, self.id, self.sha256, self._device, self._dtype)


def load_encoder(
    name_or_path: str | Path, *, device: str | None = None, dtype: DType | None = None, threads: int | None = None
) -> Encoder:
    """The encoder of that name: one of the registry's, a folder, or a model in the hub's cache. Fetches nothing.

    Args:
        name_or_path: such as `minilm-l6`, `./my-model` or `BAAI/bge-small-en-v1.5`.
        device: a torch device to encode on, such as `cuda`; without one and without a dtype, whatever is faster on
            the processor.
        dtype: what torch computes in.
        threads: of ONNX; one leaves the other cores to others who encode at the same time.

    Raises:
        ModelMissing: it isn't on this machine; the hint says how to fetch it.
        UsageError: a model that doesn't encode, needs code of its own, or has pickled weights.
        ModelCorrupt: it can't be used as it is.
        DeviceMissing: this machine doesn't have the device.
    """
    name = str(name_or_path)
    if name in registry.MODELS:
        return _registered(name, device, dtype, threads)
    if name and Path(name).is_dir():
        return SentenceTransformersEncoder(name, device=device, dtype=dtype, threads=threads)
    path = _cached(name)
    return SentenceTransformersEncoder(path, name=name, source=name, device=device, dtype=dtype, threads=threads)


def of_index(encoder: Mapping[str, Any], *, device: str | None = None, threads: int | None = None) -> Encoder:
    """The encoder that an index's manifest names, on a torch device if one is named.

    Raises:
        ModelMissing: it isn't where the manifest says.
    """
    source = encoder.get("source", encoder["id"])
    try:
        return load_encoder(source, device=device, threads=threads)
    except ModelMissing as error:
        raise ModelMissing(
            f"the index was made with encoder {encoder['id']!r}, which isn't at {source!r}: {error.message}",
            hint=f"give it: --encoder NAME_OR_PATH, or Gorilla.load(index, encoder=…); {error.hint}",
        ) from error


def _registered(name: str, device: str | None, dtype: DType | None, threads: int | None) -> Encoder:
    found = registry.spec(name)
    if found.purpose != "encoder":
        raise UsageError(f"{name} is no encoder but a {found.purpose}", hint="name an encoder, such as minilm-l6")
    if device is None and dtype is None:
        return EmbeddedEncoder(name, threads=threads)
    return _torch(registry.path(name), name, found.sha256[found.weights], device, dtype)


def _torch(path: Path, name: str, sha256: str, device: str | None, dtype: DType | None) -> TorchEncoder:
    from gorilla_rag.encoders.sentence_transformers import TorchEncoder

    return TorchEncoder(path, name=name, sha256=sha256, device=device or "cpu", dtype=dtype or "float32")


def _cached(name: str) -> Path:
    """The folder of a model in the hub's cache.

    Raises:
        ModelMissing: it isn't there.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    hint = "name a model's folder"
    for full in (name, f"{_ORGANISATION}/{name}") if "/" not in name else (name,):
        try:
            found = try_to_load_from_cache(full, "modules.json", os.environ.get("SENTENCE_TRANSFORMERS_HOME"))
        except HFValidationError:
            continue
        if isinstance(found, str):
            return Path(found).parent
        hint = f"name a model's folder, or fetch it first, with `hf download {name}`"
    raise ModelMissing(
        f"no encoder {name!r}: no folder, none of {', '.join(_encoders())}, and not in the hub's cache", hint=hint
    )


def _encoders() -> list[str]:
    return [model.name for model in registry.MODELS.values() if model.purpose == "encoder"]
