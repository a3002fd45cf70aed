"""Greedy decoding with a causal model in torch: grammar masks, forced tokens, repetition, the cache.

Knows tokens and logits; nothing of conversations, nor of where a model came from. A pass feeds each row whatever it
has that the model hasn't seen (its prompt, later the chosen token and those that the grammar forces after it), padded
on the left, so that one row and many, prompts and continuations all take the same way.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import llguidance
import llguidance.numpy
import torch
from transformers import DynamicCache

from gorilla_rag.errors import GenerationFailed
from gorilla_rag.generate.vocabulary import Vocabulary

# DRY with the settings that llama.cpp gets: the penalty of a token that would go on repeating `n` tokens.
_DRY_MULTIPLIER, _DRY_BASE, _DRY_LENGTH, _DRY_WINDOW = 0.8, 1.75, 4, 64


class Row:
    """One text as it is written.

    Attributes:
        tokens: of the prompt and of what has been written.
        prompt: how many of them are the prompt's.
        fed: how many of them the model has read.
        cached: how many of the prompt's were taken from the cache.
        stopped: empty while there is more to write; then `stop` or `length`.
        matcher: the grammar, if any, at where the text is.
    """

    def __init__(self, vocabulary: Vocabulary, prompt: Sequence[int], *, grammar: str | None, limit: int) -> None:
        self.tokens, self.prompt = list(prompt), len(prompt)
        self.fed = self.cached = 0
        self.stopped = ""
        self.matcher = vocabulary.matcher(grammar) if grammar is not None else None
        self._stops, self._limit = vocabulary.stops, limit
        self._text, self._taken = vocabulary.text(), len(prompt)
        self._force()

    @property
    def written(self) -> int:
        """How many tokens have been written."""
        return len(self.tokens) - self.prompt

    def accept(self, token: int) -> None:
        """Adds the chosen token, and those that the grammar then allows alone."""
        if token in self._stops:
            self.stopped = "stop"
            self._check()
        else:
            self._add([token])
            self._force()

    def take(self) -> str:
        """The text that was added since the last call."""
        fresh, self._taken = self.tokens[self._taken :], len(self.tokens)
        return self._text.piece(fresh)

    def _force(self) -> None:
        if self.matcher:
            self._add(self.matcher.compute_ff_tokens()[: self._limit - self.written])
        if self.matcher and self.matcher.is_stopped():
            self.stopped = "stop"
        elif self.written >= self._limit:
            self.stopped = "length"

    def _add(self, tokens: list[int]) -> None:
        self.tokens.extend(tokens)
        if self.matcher:
            self.matcher.consume_tokens(tokens)
            self._check()

    def _check(self) -> None:
        if self.matcher and self.matcher.is_error():
            raise GenerationFailed(f"the grammar: {self.matcher.get_error()}", hint="report this with the question")


@dataclass
class _Batch:
    """Rows that are written together, and what the model remembers of them.

    Attributes:
        rows: those with more to write.
        cache: keys and values, shape [rows, heads, positions, width] a layer.
        mask: which positions are a row's own and not padding, shape [rows, positions]; `None` before there is padding.
    """

    rows: list[Row]
    cache: Any
    mask: torch.Tensor | None = None


class Decoder:
    """Runs a model.

    Args:
        model: a causal model of transformers, in evaluation mode on its device.
        vocabulary: its tokens.
    """

    def __init__(self, model: Any, vocabulary: Vocabulary) -> None:
        self._model, self._vocabulary = model, vocabulary
        self._kept: tuple[list[int], Any] | None = None

    def logits(self, rows: Sequence[Row], *, reuse: bool) -> torch.Tensor:
        """Scores of each row's next token, before any mask; shape [rows, tokens], float32."""
        batch = self._begin(list(rows), reuse)
        found = self._forward(batch)
        self._keep(batch)
        return found

    def advance(self, rows: Sequence[Row], *, reuse: bool) -> Generator[None, None, None]:
        """Writes every row to its end, a step at a time; leaving early is fine.

        Raises:
            GenerationFailed: the model failed, or its scores aren't numbers.
        """
        going = [row for row in rows if not row.stopped]
        if not going:
            return
        batch = self._begin(going, reuse)
        try:
            while batch.rows:
                chosen = self._choose(self._forward(batch), batch.rows)
                for row, token in zip(batch.rows, chosen, strict=True):
                    row.accept(token)
                yield
                self._drop_finished(batch)
        except GeneratorExit:
            self._keep(batch)
            raise

    def _begin(self, rows: list[Row], reuse: bool) -> _Batch:
        kept, self._kept = self._kept, None
        if reuse and kept and len(rows) == 1:
            (tokens, cache), (row,) = kept, rows
            shared = min(_shared(tokens, row.tokens), len(row.tokens) - 1)
            cache.crop(shared - len(tokens))
            row.fed, row.cached = shared, min(shared, row.prompt)
            return _Batch(rows, cache)
        return _Batch(rows, DynamicCache(config=self._model.config))

    def _keep(self, batch: _Batch) -> None:
        """Keeps what was read, for a prompt that begins alike; windows and recurrent states can't be cut back."""
        if len(batch.rows) == 1 and batch.mask is None and batch.cache.is_croppable and not any(batch.cache.is_sliding):
            (row,) = batch.rows
            self._kept = row.tokens[: row.fed], batch.cache

    def _drop_finished(self, batch: _Batch) -> None:
        going = [n for n, row in enumerate(batch.rows) if not row.stopped]
        if not going:
            self._keep(batch)
        elif len(going) < len(batch.rows):
            keep = torch.tensor(going, device=self._model.device)
            batch.cache.batch_select_indices(keep)
            batch.mask = batch.mask[keep] if batch.mask is not None else None
        batch.rows = [batch.rows[n] for n in going]

    @torch.inference_mode()
    def _forward(self, batch: _Batch) -> torch.Tensor:
        """Feeds what the rows have that the model hasn't read; shape [rows, tokens], float32."""
        fresh = [row.tokens[row.fed :] for row in batch.rows]
        width = max(map(len, fresh))
        padded = [[0] * (width - len(tokens)) + tokens for tokens in fresh]
        inputs = {"input_ids": torch.tensor(padded, device=self._model.device)}
        if len(batch.rows) > 1 or batch.mask is not None:
            own = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in fresh], device=self._model.device)
            batch.mask = own if batch.mask is None else torch.cat([batch.mask, own], dim=1)
            positions = (batch.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
            inputs |= {"attention_mask": batch.mask, "position_ids": positions}
        try:
            found = self._model(**inputs, past_key_values=batch.cache, use_cache=True, logits_to_keep=1)
        except RuntimeError as error:  # out of memory is one
            raise GenerationFailed(f"the model failed: {error}", hint="ask for less at a time") from error
        for row in batch.rows:
            row.fed = len(row.tokens)
        logits: torch.Tensor = found.logits[:, -1].float()
        return logits

    @torch.inference_mode()
    def _choose(self, logits: torch.Tensor, rows: Sequence[Row]) -> list[int]:
        """Each row's best token of those its grammar allows."""
        if any(row.matcher for row in rows):
            logits = logits.masked_fill(~self._allowed(rows, logits.device), -math.inf)
        for n, row in enumerate(rows):
            if penalties := repetition_penalties(row.tokens[-_DRY_WINDOW:], self._vocabulary.breakers):
                tokens = torch.tensor(list(penalties), device=logits.device)
                logits[n, tokens] -= torch.tensor(list(penalties.values()), device=logits.device)
        best = logits.max(dim=-1)
        if not all(map(math.isfinite, best.values.tolist())):
            raise GenerationFailed("the model's scores aren't numbers", hint="use dtype='bfloat16' or 'float32'")
        chosen: list[int] = best.indices.tolist()
        return chosen

    def _allowed(self, rows: Sequence[Row], device: torch.device) -> torch.Tensor:
        """Which tokens each row's grammar allows; shape [rows, tokens], bool."""
        words = llguidance.numpy.allocate_token_bitmask(len(rows), self._vocabulary.size)
        matchers = [(row.matcher, n) for n, row in enumerate(rows) if row.matcher]
        llguidance.numpy.fill_next_token_bitmask_par(self._executor, matchers, words)
        bits = torch.arange(32, device=device, dtype=torch.int32)
        allowed = (torch.from_numpy(words).to(device).unsqueeze(-1) >> bits) & 1
        return allowed.flatten(1)[:, : self._vocabulary.size].bool()

    @cached_property
    def _executor(self) -> llguidance.LLExecutor:
        return llguidance.LLExecutor()


def repetition_penalties(tokens: Sequence[int], breakers: Collection[int]) -> dict[int, float]:
    """What "don't repeat yourself" (DRY) takes off the scores of tokens that would go on repeating earlier text.

    Defined in https://github.com/oobabooga/text-generation-webui/pull/5637; computed as llama.cpp does, so that both
    backends write the same: the end of `tokens` is looked for in all of them, back to the last of `breakers`.
    """
    count = len(tokens)
    ends = [end for end in range(_DRY_LENGTH, count) if tokens[end - 1] == tokens[-1] and tokens[end - 2] == tokens[-2]]
    if not ends:
        return {}
    reach = next((n for n in range(count) if tokens[count - 1 - n] in breakers), count)
    longest: dict[int, int] = {}
    for end in ends:
        most = min(end, reach)
        length = next((n for n in range(most) if tokens[end - 1 - n] != tokens[count - 1 - n]), most)
        if length >= _DRY_LENGTH:
            longest[tokens[end]] = max(length, longest.get(tokens[end], 0))
    return {token: _DRY_MULTIPLIER * _DRY_BASE ** (length - _DRY_LENGTH) for token, length in longest.items()}


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first tokens two texts have in common."""
    short = min(len(one), len(other))
    return next((n for n in range(short) if one[n] != other[n]), short)
