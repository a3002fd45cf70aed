"""Exports a sentence-transformers model to ONNX: graph, tokenizer, and the record of both, compared with the model.

A model that can't be exported gets a record that says why, so that it isn't tried again at every build.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling

from gorilla_rag.digests import digests
from gorilla_rag.encoders import Encoder, Kind, exported
from gorilla_rag.encoders.exported import Exported
from gorilla_rag.encoders.onnx import OnnxEncoder
from gorilla_rag.encoders.sentence_transformers import TorchEncoder
from gorilla_rag.encoders.tokens import Layout
from gorilla_rag.errors import ExtraMissing, GorillaError, ModelMissing
from gorilla_rag.files import storage_errors, write_bytes, write_text

TOLERANCE = 1e-4
# An ONNX file holds at most 2 GiB.
MOST_BYTES = 1_900_000_000
SAMPLES = (
    "Convert text to speech.",
    "Which API finds the objects in a street photo and draws boxes around them?",
    "",
    "  spaces\naround, 把文字转换成语音, CAFÉ and a 🦍 ",
    "The train to Leeds leaves at nine from platform four. " * 400,
)
_RUNS = 5
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_log = logging.getLogger(__name__)


class _Unfit(Exception):
    """Why a model can't be exported."""


def export(encoder: TorchEncoder, folder: Path) -> Exported:
    """Writes a model's export into a folder, unless it is there: pooling is in the graph, prompts in the record.

    Args:
        encoder: the model, in float32 on the processor.
        folder: made if need be; what stands there is replaced if it is damaged or of another model.

    Returns:
        The record; without a graph, and with a reason, where the model can't be exported or the graph doesn't
        compute what the model does.

    Raises:
        ExtraMissing: onnx or onnxscript isn't installed.
        StorageFull: the disk is full.
    """
    for name in ("onnx", "onnxscript"):
        if importlib.util.find_spec(name) is None:
            raise ExtraMissing(f"{name} is not installed", hint="install the extra: pip install 'gorilla-rag[encode]'")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".export.lock"):
            return _made(encoder, folder)


def _made(encoder: TorchEncoder, folder: Path) -> Exported:
    found = exported.read(folder, encoder.sha256)
    if found is None or not (found.reason or exported.is_whole(folder, found)):
        for leftover in folder.glob(".export-*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as scratch:
            found = _attempt(encoder, Path(scratch))
            for name in found.sha256:
                os.replace(Path(scratch) / name, folder / name)
        exported.write(folder, found)
    return found


def export_embedded(folder: Path, *, name: str, sha256: str) -> None:
    """Exports a model of the registry into its own folder.

    Raises:
        ModelMissing: it can't be exported.
        ExtraMissing, StorageFull: as for `export`.
    """
    made = export(TorchEncoder(folder, name=name, sha256=sha256), folder)
    if made.reason:
        (folder / exported.RECORD).unlink()  # this model can be exported: the next attempt may succeed
        raise ModelMissing(f"{name} can't be exported to ONNX: {made.reason}", hint="report this")


def _attempt(encoder: TorchEncoder, folder: Path) -> Exported:
    made = Exported(encoder.sha256, encoder.dimension, dict(encoder.prompts))
    try:
        made = _written(encoder, made, folder)
        ours = OnnxEncoder(folder, name=encoder.id, sha256=encoder.sha256)
        _compare(encoder, ours)
    except (OSError, MemoryError, GorillaError):
        raise
    except Exception as error:
        # No list of these holds: the model's own code raises what it likes, the exporter more than its
        # OnnxExporterError, and ONNX Runtime's errors have no base but Exception.
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        _log.warning("%s is not exported to ONNX and stays with torch: %s", encoder.id, reason)
        return replace(made, sha256={}, reason=reason)
    return replace(made, milliseconds={"onnx": _milliseconds(ours), "torch": _milliseconds(encoder)})


def _written(encoder: TorchEncoder, made: Exported, folder: Path) -> Exported:
    """The record with its layout and files, which lie in the folder."""
    layout = _layout(encoder)
    write_bytes(folder / exported.GRAPH, _graph(encoder, layout.inputs))
    write_text(folder / exported.TOKENIZER, encoder.model.tokenizer.backend_tokenizer.to_str())
    names = (exported.GRAPH, exported.TOKENIZER)
    read = digests([folder / name for name in names], folder / ".read.json")
    found = replace(made, layout=layout, sha256=dict(zip(names, read, strict=True)))
    exported.write(folder, found)
    return found


def _layout(encoder: TorchEncoder) -> Layout:
    """How the model wants its tokens.

    Raises:
        _Unfit: it reads more than tokens, or is too large.
    """
    model = encoder.model
    if not isinstance(model[0], Transformer) or "message" in model[0].modality_config:
        raise _Unfit("it doesn't read plain tokens")
    if not getattr(model.tokenizer, "is_fast", False):
        raise _Unfit("its tokenizer can't be used without transformers")
    if any(encoder.prompts.values()) and any(isinstance(m, Pooling) and not m.include_prompt for m in model):
        raise _Unfit("its pooling leaves the prompt out")
    if (size := 4 * sum(parameter.numel() for parameter in model.parameters())) > MOST_BYTES:
        raise _Unfit(f"its weights have {size / 1e9:.1f} GB, more than one ONNX file holds")
    features = _tensors(model.preprocess(list(SAMPLES), task="document"))
    if not {"input_ids", "attention_mask"} <= features.keys() <= set(_INPUTS):
        raise _Unfit(f"it reads {', '.join(sorted(features))}")
    # Models take zeros for types that they aren't given.
    inputs = [name for name in _INPUTS if name in features and (name != "token_type_ids" or features[name].any())]
    tokenizer, longest = model.tokenizer, model.max_seq_length or math.inf
    return Layout(
        inputs=tuple(inputs),
        longest=int(longest) if longest < 1e6 else 0,
        cut_left=tokenizer.truncation_side == "left",
        pad_left=tokenizer.padding_side == "left",
        pad_id=tokenizer.pad_token_id or 0,
        pad_type=tokenizer.pad_token_type_id,
        blank=encoder.blank,
    )


def _graph(encoder: TorchEncoder, inputs: Sequence[str]) -> bytes:
    """The model's graph: token ids, mask and, where they matter, types in; unit vectors out."""
    features = _tensors(encoder.model.preprocess(list(SAMPLES[:2])))
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    with _quiet():
        program: Any = torch.onnx.export(
            _Embedding(encoder, inputs).eval(),
            tuple(features[name] for name in inputs),
            input_names=list(inputs),
            output_names=["sentence_embedding"],
            dynamic_shapes=(tuple(axes for _ in inputs),),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    made: bytes = program.model_proto.SerializeToString()
    return made


class _Embedding(torch.nn.Module):
    """A sentence-transformers model as a function of its tensors, in a fixed order."""

    def __init__(self, encoder: TorchEncoder, inputs: Sequence[str]) -> None:
        super().__init__()
        self.model, self.inputs, self.dimension = encoder.model, inputs, encoder.dimension
        self.is_unit = isinstance(encoder.model[-1], Normalize) and encoder.model.truncate_dim is None

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        features = self.model(dict(zip(self.inputs, tensors, strict=True)))
        embedding: torch.Tensor = features["sentence_embedding"]
        if self.is_unit:
            return embedding
        return torch.nn.functional.normalize(embedding[:, : self.dimension], p=2, dim=-1)


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells its whole life."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _compare(model: Encoder, graph: Encoder) -> None:
    """Raises `_Unfit` unless both give the same vectors, to `TOLERANCE` in each component."""
    kinds: tuple[Kind, ...] = ("query", "document")
    for kind in kinds:
        worst = float(np.abs(model.encode(SAMPLES, kind=kind) - graph.encode(SAMPLES, kind=kind)).max())
        if not worst <= TOLERANCE:
            raise _Unfit(f"its graph gives other vectors ({kind}: a component differs by {worst:.2g})")


def _milliseconds(encoder: Encoder) -> dict[str, float]:
    """What a question asked alone takes, and a document among many."""
    return {
        "question": _median(encoder, SAMPLES[1:2], "query"),
        "document": _median(encoder, SAMPLES[:2] * 16, "document"),
    }


def _median(encoder: Encoder, texts: Sequence[str], kind: Kind) -> float:
    """Milliseconds a text, the median of several runs after one that isn't counted."""
    taken = []
    for _ in range(_RUNS + 1):
        start = time.perf_counter()
        encoder.encode(texts, kind=kind)
        taken.append((time.perf_counter() - start) * 1000 / len(texts))
    return round(statistics.median(taken[1:]), 3)


def _tensors(features: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in features.items() if isinstance(value, torch.Tensor)}
