"""Any causal language model through torch and transformers, on a GPU or the processor.

Keeps the protocol of `base.py`, and answers batches besides. Prompts, grammars and the penalty of repetition are those
of the llama.cpp backend. Importing this module imports torch, which takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from gorilla_rag import devices
from gorilla_rag.errors import ExtraMissing, GenerationFailed, UsageError
from gorilla_rag.generate import adapter_card
from gorilla_rag.generate.base import Message, Usage

try:
    import torch

    from gorilla_rag.generate import checkpoint
    from gorilla_rag.generate.checkpoint import Dtype, Quantize
    from gorilla_rag.generate.decoding import Decoder, Row
    from gorilla_rag.generate.vocabulary import Vocabulary
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[transformers]'"
    ) from error

GPU_DEFAULT = "Qwen/Qwen2.5-Coder-7B-Instruct"
CONTEXT = 2048


@dataclass(frozen=True, slots=True)
class Request:
    """One of a batch: a conversation, how the model's turn begins, and what is wanted next.

    Attributes:
        messages: the conversation.
        prefill: how the model's turn begins.
        labels: for `label_log_probabilities_many`: what is scored.
        grammar: for `complete_many`: llguidance's Lark for what follows; `None` for free text.
        max_tokens: for `complete_many`: the most that is written.
    """

    messages: Sequence[Message]
    prefill: str
    labels: Sequence[str] = ""
    grammar: str | None = None
    max_tokens: int = 400


class TransformersGenerator:
    """A causal language model of transformers.

    Args:
        model: a folder with safetensors, a hub name that is in the hub's cache, a GGUF file, or a registry name.
            `GPU_DEFAULT` is a good one where there is a GPU.
        adapter: folder of a PEFT adapter that was trained on this model.
        device: of torch; a GPU where there is one.
        dtype: what it computes in; bfloat16 on a GPU, float32 on the processor.
        quantize: `4bit` loads the weights as NF4 through bitsandbytes, to a quarter of their memory.
        context: tokens of prompt and completion together; 2048, or what the model has if that is less.
        joint_weight: weight of the label's log-probability in `joint`; by default the adapter's own, or 0.

    Raises:
        ModelMissing, ModelCorrupt: the weights aren't there or can't be read.
        AdapterMismatch: the adapter is for another model.
        DeviceMissing: the machine has no such device.
        ExtraMissing: a package that this needs isn't installed.
        UsageError: an argument that can't be served.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        adapter: str | Path | None = None,
        device: str | None = None,
        dtype: Dtype | None = None,
        quantize: Quantize | None = None,
        context: int | None = None,
        joint_weight: float | None = None,
    ) -> None:
        found = checkpoint.find(model)
        place = devices.find(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        loaded, tokenizer = checkpoint.load(found, device=place, dtype=dtype, quantize=quantize)
        files, name, self.refuses = found.weights, found.id, False
        if card := _card(found, adapter):
            joint_weight = card.joint_weight if joint_weight is None else joint_weight
            self.refuses = card.refuses
        if adapter is not None:
            from gorilla_rag.generate import adapters

            loaded = adapters.attach(loaded, Path(adapter), found.names)
            files, name = (*files, Path(adapter) / adapters.WEIGHTS), f"{name} + {Path(adapter).name}"
        self._begin(loaded, tokenizer, f"{name}, {quantize}" if quantize else name, context, joint_weight or 0.0)
        self._files = files

    @classmethod
    def from_model(
        cls,
        model: Any,
        tokenizer: Any,
        *,
        id: str,  # noqa: A002
        context: int | None = None,
        joint_weight: float = 0.0,
    ) -> TransformersGenerator:
        """A model that is in memory already, on its device and in evaluation mode; its `sha256` is empty."""
        made = cls.__new__(cls)
        made.refuses = False
        made._begin(model, tokenizer, id, context, joint_weight)
        made._files = ()
        return made

    def _begin(self, model: Any, tokenizer: Any, name: str, context: int | None, joint_weight: float) -> None:
        config = model.config.get_text_config()
        longest = checkpoint.positions(config) or context or CONTEXT
        if context is not None and not 1 <= context <= longest:
            raise UsageError(f"context is {context}", hint=f"the model has 1 to {longest}")
        self.id, self.context, self.joint_weight = name, context or min(CONTEXT, longest), joint_weight
        self._vocabulary = Vocabulary(tokenizer, size=config.vocab_size, stops=_stops(model))
        self._decoder = Decoder(model, self._vocabulary)
        self.count_tokens = lru_cache(maxsize=8192)(self._vocabulary.count)

    @cached_property
    def sha256(self) -> str:
        """Of the weights, the adapter's with them; read when it is first asked for."""
        return checkpoint.digest(self._files)

    def label_log_probabilities(
        self, messages: Sequence[Message], prefill: str, labels: Sequence[str], *, reuse: bool = True
    ) -> tuple[list[float], Usage]:
        """Log-probabilities of single-token labels after `prefill`, before any mask, renormalised over them.

        Raises:
            GenerationFailed: a label isn't a token, the prompt is longer than the context, or the model failed.
        """
        return self._labelled([Request(messages, prefill, labels)], reuse=reuse)[0]

    def label_log_probabilities_many(self, requests: Sequence[Request]) -> list[tuple[list[float], Usage]]:
        """`label_log_probabilities` of several requests in one pass, in order."""
        return self._labelled(requests, reuse=False)

    def stream(
        self,
        messages: Sequence[Message],
        prefill: str,
        *,
        grammar: str | None,
        max_tokens: int,
        reuse: bool = True,
        schema: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Iterator[str | Usage]:
        """Continues `prefill` at temperature 0: pieces of text, each with the usage so far; see `Generator.stream`.

        `schema` is for servers that take no grammar; here the grammar holds the text to it already.
        """
        row = self._row(Request(messages, prefill, grammar=grammar, max_tokens=max_tokens))
        if piece := row.take():
            yield piece
        with closing(self._decoder.advance([row], reuse=reuse)) as steps:
            for _ in steps:
                if piece := row.take():
                    yield piece
                    yield _usage(row, stopped="")
        yield _usage(row, stopped=row.stopped)

    def complete_many(self, requests: Sequence[Request]) -> list[tuple[str, Usage]]:
        """The whole texts of several requests, written together, each under its own grammar; in order."""
        rows = [self._row(request) for request in requests]
        for _ in self._decoder.advance(rows, reuse=False):
            pass
        return [(row.take(), _usage(row, stopped=row.stopped)) for row in rows]

    def _labelled(self, requests: Sequence[Request], *, reuse: bool) -> list[tuple[list[float], Usage]]:
        if not requests:
            return []
        rows = [self._row(Request(request.messages, request.prefill, max_tokens=1)) for request in requests]
        logits = self._decoder.logits(rows, reuse=reuse)
        found = []
        for row, scores, request in zip(rows, logits, requests, strict=True):
            tokens = [self._vocabulary.label(label) for label in request.labels]
            raw = torch.log_softmax(scores[tokens], dim=-1).tolist()
            found.append((raw, Usage(row.prompt, row.cached, 1, "length")))
        return found

    def _row(self, request: Request) -> Row:
        prompt = self._vocabulary.prompt(request.messages, request.prefill)
        if len(prompt) >= self.context:
            raise GenerationFailed(
                f"the prompt has {len(prompt)} tokens, the context {self.context}", hint="ask with fewer words"
            )
        limit = min(request.max_tokens, self.context - len(prompt))
        return Row(self._vocabulary, prompt, grammar=request.grammar, limit=limit)


def _usage(row: Row, *, stopped: str) -> Usage:
    return Usage(prompt=row.prompt, cached=row.cached, completion=row.written, stopped=stopped)


def _card(found: Any, adapter: str | Path | None) -> adapter_card.AdapterCard | None:
    """What an adapter says of itself, or of itself and the model that it is merged with."""
    if adapter is None:
        return adapter_card.read_merged(found.folder)
    card = adapter_card.read(Path(adapter))
    if card:
        card.check(Path(adapter), checkpoint.digest(found.weights))
    return card


def _stops(model: Any) -> list[int]:
    """The tokens that end a text by the model's settings."""
    ends = model.generation_config.eos_token_id if model.generation_config else None
    return ends if isinstance(ends, list) else [] if ends is None else [ends]
