"""Sentence encoder through ONNX Runtime, from an export: no torch on the query path."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag import devices
from gorilla_rag.encoders import Kind, Progress, exported
from gorilla_rag.encoders.exported import Exported
from gorilla_rag.encoders.tokens import Tokens
from gorilla_rag.errors import ModelMissing


class OnnxEncoder:
    """Encodes texts with an exported sentence encoder (prompts, pooling and normalising are part of it).

    Args:
        folder: where the export lies.
        name: the model's name, recorded in indexes.
        sha256: of the encoder that it was exported from.
        threads: of computation; by default as many as `OMP_NUM_THREADS` says, or all cores.

    Raises:
        ModelMissing: the graph hasn't been exported, or from another encoder, or was altered (raised at the first
            use).
    """

    def __init__(self, folder: Path, *, name: str, sha256: str, threads: int | None = None) -> None:
        self.folder, self.id, self.source, self.sha256 = folder, name, name, sha256
        self._threads = threads or devices.threads()

    @cached_property
    def _exported(self) -> Exported:
        found = exported.read(self.folder, self.sha256)
        if found is None or not exported.is_whole(self.folder, found):
            raise ModelMissing(
                f"{self.id} has not been exported to ONNX", hint=f"run `gorilla-rag models pull {self.id}`"
            )
        return found

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return self._exported.dimension

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        # Threads that wait for the next one keep a core busy that others could use between two runs.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        graph = str(self.folder / exported.GRAPH)
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @cached_property
    def tokens(self) -> Tokens:
        """The model's tokenizer."""
        return Tokens(self.folder / exported.TOKENIZER, self._exported.layout)

    def encode(
        self, texts: Sequence[str], *, kind: Kind = "document", progress: Progress | None = None
    ) -> npt.NDArray[np.float32]:
        """Unit vectors, shape [len(texts), dimension], float32."""
        made = np.empty((len(texts), self.dimension), dtype=np.float32)
        done = 0
        for rows, inputs in self.tokens.batches(texts, prompt=self._exported.prompts[kind]):
            made[rows] = self._session.run(None, inputs)[0]
            done += len(rows)
            if progress:
                progress(done, len(texts))
        return made
