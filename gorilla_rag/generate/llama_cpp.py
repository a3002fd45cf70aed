"""llama.cpp in this process, through `xllamacpp`: the embedded model on a CPU.

llama.cpp compiles a grammar itself and, when it can't, only logs a line and writes on unconstrained. So every grammar
is compiled here first, with the same engine, and the caller checks what was written against the full schema.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import math
import queue
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gorilla_rag import devices
from gorilla_rag.digests import sha256
from gorilla_rag.errors import GenerationFailed, ModelCorrupt, ModelMissing
from gorilla_rag.generate import adapter_card
from gorilla_rag.generate.base import Message, Usage
from gorilla_rag.generate.schema import check_grammar
from gorilla_rag.models import registry

CONTEXT = 2048
TOP = 200
"""A label is looked for among so many of the likeliest tokens."""
_STREAMING = {"stream": True, "timings_per_token": True}
# Greedy; DRY keeps a small model from writing the same few words for ever.
_SAMPLING = {"temperature": 0.0, "dry_multiplier": 0.8, "dry_allowed_length": 4, "dry_penalty_last_n": 64}
_WORKING = "report this with the question"


class LlamaCppGenerator:
    """A GGUF model.

    llama.cpp listens on a loopback port of its own choosing for its tokenizer and template; a random key, known to
    this process alone, keeps others out.

    Args:
        model: a registry name.
        weights: a GGUF file to load instead; its `sha256` stays empty.
        adapter: folder of an adapter that was trained on these weights, with its card and its GGUF file.
        context: tokens of prompt and completion together.
        threads: of computation; by default as many as `OMP_NUM_THREADS` says, or all cores.

    Raises:
        ModelMissing, ModelCorrupt: the weights or the adapter aren't there or aren't right.
        AdapterMismatch: the adapter is for other weights or other prompts.
    """

    def __init__(
        self,
        model: str = registry.GENERATOR,
        *,
        weights: Path | None = None,
        adapter: Path | None = None,
        context: int = CONTEXT,
        threads: int | None = None,
    ) -> None:
        found = registry.spec(model)
        self.id, self.context = weights.stem if weights else model, context
        self._key = secrets.token_urlsafe(24)
        file = weights or registry.weights(model)
        # The registry knows a derived model by its tensors, every other by its file, as other engines do.
        self.sha256 = "" if weights else sha256(file) if found.derived else found.sha256[found.weights]
        card, more = adapter_card.read_merged(file.parent), None
        if adapter is not None:
            card, more = _adapter(adapter, sha256(file))
            self.id = f"{self.id} + {adapter.name}"
            self.sha256 = hashlib.sha256(f"{card.base}\n{sha256(more)}\n".encode()).hexdigest()
        self.joint_weight, self.refuses = (card.joint_weight, card.refuses) if card else (0.0, False)
        self._server = _server(file, context, threads or devices.threads(), self._key, more)
        self.count_tokens = lru_cache(maxsize=8192)(self._count_tokens)
        self._rendered = lru_cache(maxsize=256)(self._render)

    def _count_tokens(self, text: str) -> int:
        return len(self._post("/tokenize", {"content": text})["tokens"])

    def label_log_probabilities(
        self, messages: Sequence[Message], prefill: str, labels: Sequence[str], *, reuse: bool = True
    ) -> tuple[list[float], Usage]:
        """Log-probabilities of single-token labels after `prefill`, before any mask, renormalised over them.

        A label outside the model's most likely tokens gets the probability of the least likely one of those.
        """
        request = self._request(messages, prefill, max_tokens=1, reuse=reuse) | {"n_probs": TOP}
        for item in self._completions(request):
            if isinstance(item, Usage):
                usage = item
            elif item.get("logprobs"):
                top = item["logprobs"]["content"][0]["top_logprobs"]
        found = {entry["token"]: entry["logprob"] for entry in top}
        floor = min(found.values())
        raw = [found.get(label, floor) for label in labels]
        total = math.log(math.fsum(math.exp(value) for value in raw))
        return [value - total for value in raw], usage

    def stream(
        self,
        messages: Sequence[Message],
        prefill: str,
        *,
        grammar: str | None,
        max_tokens: int,
        reuse: bool = True,
        schema: Mapping[str, Any] | None = None,  # noqa: ARG002 (the grammar says the same)
    ) -> Iterator[str | Usage]:
        """Continues `prefill` at temperature 0: pieces of text, each with the usage so far."""
        if grammar is not None:
            check_grammar(grammar)
        request = self._request(messages, prefill, max_tokens=max_tokens, reuse=reuse)
        for item in self._completions(request | ({"grammar": grammar} if grammar is not None else {})):
            yield item if isinstance(item, Usage) else item["text"]

    def _request(self, messages: Sequence[Message], prefill: str, *, max_tokens: int, reuse: bool) -> dict[str, Any]:
        prompt = self._rendered(json.dumps(list(messages))) + prefill
        return {"prompt": prompt, "n_predict": max_tokens, "cache_prompt": reuse} | _SAMPLING | _STREAMING

    def _render(self, messages: str) -> str:
        """The conversation in the model's own template, up to where its turn begins."""
        prompt: str = self._post("/apply-template", {"messages": json.loads(messages)})["prompt"]
        return prompt

    def _completions(self, request: dict[str, Any]) -> Iterator[Any]:
        """Runs a completion in a thread and yields its choices as they come; leaving early stops it."""
        items: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stopped = threading.Event()

        def receive(chunk: Any) -> bool:
            items.put(chunk)
            return stopped.is_set()

        def work() -> None:
            try:
                self._server.handle_completions(request, receive)
                items.put(None)
            except RuntimeError as error:
                items.put({"error": {"message": str(error)}})

        worker = threading.Thread(target=work, daemon=True)
        worker.start()
        try:
            while (chunk := items.get()) is not None:
                if "error" in chunk:
                    raise GenerationFailed(f"llama.cpp: {chunk['error'].get('message')}", hint=_WORKING)
                yield chunk["choices"][0]
                if "timings" in chunk:
                    yield _usage(chunk)
        finally:
            stopped.set()
            worker.join()

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        """Asks llama.cpp's own server on loopback."""
        address = urlsplit(self._server.listening_address)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            found = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise GenerationFailed(f"llama.cpp did not answer {path}: {error!r}", hint=_WORKING) from error
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise GenerationFailed(f"llama.cpp answered {path} with {response.status}", hint=_WORKING)
        return found


def _adapter(folder: Path, base: str) -> tuple[adapter_card.AdapterCard, Path]:
    """An adapter's card, and the file that llama.cpp loads."""
    card, file = adapter_card.read(folder), folder / adapter_card.GGUF
    if card is None or not file.is_file():
        lacks = adapter_card.CARD if card is None else adapter_card.GGUF
        raise ModelMissing(f"{folder} has no {lacks}", hint="give the folder that `gorilla-rag train generator` wrote")
    card.check(folder, base)
    return card, file


def _server(weights: Path, context: int, threads: int, key: str, adapter: Path | None = None) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    if adapter:
        params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.warmup = False
    params.verbosity = -1
    params.hostnames = ["127.0.0.1"]
    params.api_keys = [key]
    params.ui = False
    params.endpoint_slots = False
    params.offline = True
    params.cache_ram_mib = 0
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise ModelCorrupt(f"{weights} can't be loaded: {error}", hint="fetch it again") from error


def _usage(chunk: Any) -> Usage:
    timings, reason = chunk["timings"], chunk["choices"][0].get("finish_reason")
    prompt = timings["cache_n"] + timings["prompt_n"]
    return Usage(prompt=prompt, cached=timings["cache_n"], completion=timings["predicted_n"], stopped=reason or "")
