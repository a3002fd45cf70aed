"""Any sentence-transformers model through torch, on any device.

Importing this module imports torch and sentence-transformers, which takes seconds.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from gorilla_rag import devices
from gorilla_rag.encoders import Kind, Progress
from gorilla_rag.encoders.tokens import BATCH_TOKENS, by_length, prompted
from gorilla_rag.errors import ExtraMissing, ModelCorrupt

try:
    import torch
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[encode]'"
    ) from error

DType = Literal["float32", "bfloat16", "float16"]
# How long a text is in tokens, near enough to put texts of like length together.
_TOKEN_CHARACTERS = 4
# An accelerator is idle with as little as a processor computes at once.
_ACCELERATED = 32


class TorchEncoder:
    """Encodes texts with a sentence-transformers model: its modules, its prompts, its longest text.

    Args:
        folder: the model folder, checked by `folder.check`.
        name: the model's name, recorded in indexes.
        sha256: of all that its vectors come from.
        device: where torch computes.
        dtype: what it computes in; vectors are float32 all the same.

    Raises:
        ModelCorrupt: it can't be loaded, or weights are missing.
        DeviceMissing: this machine doesn't have the device.
    """

    def __init__(self, folder: Path, *, name: str, sha256: str, device: str = "cpu", dtype: DType = "float32") -> None:
        self.id, self.source, self.sha256 = name, name, sha256
        self._device = devices.find(device)
        self.model = open_model(folder, device, dtype)
        self.prompts = prompts_of(self.model)

    @cached_property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self.model.get_embedding_dimension() or 0)

    @cached_property
    def blank(self) -> str:
        """Stands for a text that the tokenizer makes no token of, which models fail at."""
        ids = self.model.preprocess([""]).get("input_ids")
        return " " if ids is not None and not ids.numel() else ""

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32."""
        made = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for rows in by_length([self._tokens(text) for text in texts], self._batch):
            made[rows] = self._encoded([texts[row] for row in rows], kind)
            done += len(rows)
            if progress:
                progress(done, len(texts))
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return made

    def _encoded(self, texts: Sequence[str], kind: Kind) -> npt.NDArray[np.float32]:
        prompt = self.prompts[kind]
        blank = "" if prompt else self.blank
        whole = [prompted(text, "", blank) for text in texts]
        with torch.inference_mode():
            features = self.model.preprocess(whole, prompt=prompt or None, task=kind)
            moved = {
                name: value.to(self._device) if isinstance(value, torch.Tensor) else value
                for name, value in features.items()
            }
            vectors = self.model(moved, task=kind)["sentence_embedding"][:, : self.dimension]
            found: npt.NDArray[np.float32] = vectors.float().cpu().numpy()
        return found

    @cached_property
    def _longest(self) -> float:
        return self.model.max_seq_length or math.inf

    def _tokens(self, text: str) -> int:
        return int(min(len(text) // _TOKEN_CHARACTERS + 1, self._longest))

    @property
    def _batch(self) -> int:
        return BATCH_TOKENS * (1 if self._device.type == "cpu" else _ACCELERATED)


def prompts_of(model: SentenceTransformer) -> dict[Kind, str]:
    """What a model reads questions and documents behind; empty where it has no prompt."""
    named = model.prompts
    return {
        "query": named.get("query") or "",
        # Saved models have an empty `document` beside the name that their makers used.
        "document": next((named[name] for name in ("document", "passage", "corpus") if named.get(name)), ""),
    }


def open_model(folder: Path, device: str, dtype: DType) -> SentenceTransformer:
    """A model in inference mode, from safetensors alone, without code of its own.

    Raises:
        ModelCorrupt: it can't be loaded, or weights are missing.
    """
    transformers_logging.disable_progress_bar()
    options = {"dtype": getattr(torch, dtype), "use_safetensors": True}
    try:
        with _loading_reports() as reports:
            model = SentenceTransformer(
                str(folder), device=device, local_files_only=True, trust_remote_code=False, model_kwargs=options
            )
    except torch.OutOfMemoryError:
        raise
    except (
        SafetensorError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RuntimeError,
        ImportError,
    ) as error:
        reason = str(error).strip().split("\n")[0]
        raise ModelCorrupt(
            f"{folder} can't be loaded: {reason}", hint="fetch or save the model again, or use another"
        ) from error
    if missing := _missing(reports):
        raise ModelCorrupt(
            f"{folder} lacks weights, which would be random: {', '.join(missing)}", hint="fetch or save the model again"
        )
    return model.eval()


@contextmanager
def _loading_reports() -> Iterator[list[str]]:
    """Collects what transformers warns of while it loads: it makes up weights that are missing, and only says so."""
    said: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("transformers.modeling_utils"), Collect()
    verbosity, propagate = transformers_logging.get_verbosity(), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    transformers_logging.set_verbosity(min(verbosity, logging.WARNING))
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
        transformers_logging.set_verbosity(verbosity)


def _missing(reports: Sequence[str]) -> list[str]:
    """Names of weights that were made up; a pooler of the transformer's own, which no module reads, isn't counted."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(reports))
    names = re.findall(r"^(\S.*?)\s*\|\s*MISSING\b", plain, re.MULTILINE)
    return [name for name in names if not name.startswith("pooler.")]
