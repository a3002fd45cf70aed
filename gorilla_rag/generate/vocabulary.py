"""A model's tokenizer: conversations and text as tokens, tokens as text, grammars over tokens.

Knows nothing of the model beyond how many tokens it has and which of them end a text.
"""

from __future__ import annotations

import codecs
from collections.abc import Collection, Sequence
from functools import cached_property, lru_cache
from typing import Any

import jinja2
import llguidance.hf
from llguidance import LLMatcher
from transformers import PreTrainedTokenizerFast

from gorilla_rag.errors import GenerationFailed, ModelCorrupt, UsageError
from gorilla_rag.generate.base import Message
from gorilla_rag.generate.schema import check_grammar

# llama.cpp's: a repetition doesn't reach across a token with one of these in it.
_BREAKERS = (b"\n", b":", b'"', b"*")

_KEPT = 64
"""Compiled grammars that are kept."""


class Vocabulary:
    """The tokens of a model.

    Args:
        tokenizer: a fast one, of the Hugging Face kind.
        size: how many tokens the model scores.
        stops: tokens that end a text, besides the one that the tokenizer names.

    Raises:
        UsageError: a tokenizer that isn't a fast one.
        ModelCorrupt: the tokenizer has tokens that the model doesn't, or is empty.
    """

    def __init__(self, tokenizer: Any, *, size: int, stops: Collection[int]) -> None:
        if not isinstance(tokenizer, PreTrainedTokenizerFast):
            raise UsageError(
                f"the model's tokenizer is a {type(tokenizer).__name__}", hint="use a model with a tokenizer.json"
            )
        if len(tokenizer) > size:
            raise ModelCorrupt(
                f"the tokenizer has {len(tokenizer)} tokens, the model {size}", hint="use the model's own tokenizer"
            )
        self.size, self.stops = size, frozenset({*stops, tokenizer.eos_token_id} - {None})
        self._tokenizer = tokenizer
        try:
            self._tokens = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size, eos_token=sorted(self.stops))
        except ValueError as error:
            hint = "save the model together with its tokenizer.json"
            raise ModelCorrupt(f"the tokenizer can't be used: {error}", hint=hint) from error
        self._compiled = lru_cache(maxsize=_KEPT)(self._compile)
        self._begin = [token for token in tokenizer("")["input_ids"][:1] if token == tokenizer.bos_token_id]

    @cached_property
    def breakers(self) -> frozenset[int]:
        """Tokens that end a repetition."""
        texts = ((token, self._tokens.decode_bytes([token])) for token in range(self.size))
        return frozenset(token for token, text in texts if any(breaker in text for breaker in _BREAKERS))

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self.tokens(text))

    def prompt(self, messages: Sequence[Message], prefill: str) -> list[int]:
        """A conversation in the model's template and the beginning of its turn, as tokens.

        What the tokenizer puts before every text stands there once, whether or not the template writes it too.
        """
        tokens: list[int] = self._tokenizer(self._rendered(messages) + prefill, add_special_tokens=False)["input_ids"]
        return tokens if tokens[: len(self._begin)] == self._begin else self._begin + tokens

    def tokens(self, text: str) -> list[int]:
        """The tokens of a text that goes on from another."""
        found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    def label(self, text: str) -> int:
        """The token that is exactly this text.

        Raises:
            GenerationFailed: there is none.
        """
        token = self._tokenizer.get_vocab().get(text)
        if token is None:
            raise GenerationFailed(f"the model has no token {text!r}", hint="use a model with letters as tokens")
        return int(token)

    def matcher(self, grammar: str) -> LLMatcher:
        """A grammar at its beginning.

        Raises:
            GenerationFailed: it doesn't compile.
        """
        found: LLMatcher = self._compiled(grammar).deep_copy()
        return found

    def _compile(self, grammar: str) -> LLMatcher:
        check_grammar(grammar)
        return LLMatcher(self._tokens, LLMatcher.grammar_from_lark(grammar))

    def text(self) -> TextDecoder:
        """Decodes one text piece by piece."""
        return TextDecoder(self._tokens)

    def _rendered(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the model's turn begins; without a template, its contents as paragraphs."""
        if self._tokenizer.chat_template is None:
            return "".join(f"{message['content']}\n\n" for message in messages)
        try:
            return self._templated(messages)
        except (jinja2.TemplateError, TypeError, ValueError) as error:  # its own, of wrong types, or of several none
            if messages[0]["role"] != "system":
                raise GenerationFailed(f"the model's chat template: {error}", hint="use another model") from error
        # Some templates know no system role; there, what it says begins the user's turn.
        system, user, *rest = messages
        return self._templated([{**user, "content": f"{system['content']}\n\n{user['content']}"}, *rest])

    def _templated(self, messages: Sequence[Message]) -> str:
        return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True))


class TextDecoder:
    """Text of tokens as they come; a character is given out when its last byte is there."""

    def __init__(self, tokens: Any) -> None:
        self._tokens = tokens
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def piece(self, tokens: Sequence[int]) -> str:
        """What further tokens add; special tokens have no text."""
        plain = [token for token in tokens if not self._tokens.is_special_token(token)]
        return self._decoder.decode(self._tokens.decode_bytes(plain))
