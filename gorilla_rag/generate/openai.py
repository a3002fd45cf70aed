"""Any server that speaks OpenAI's chat completions: vLLM, Ollama, llama.cpp, Jan, OpenAI.

A server takes neither a grammar nor a turn that has been begun. It is sent a JSON schema instead (`form.py`), and what
it answers is checked here: whether it obeyed the schema is the server's own affair, and not all do.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Generator as Pieces
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from gorilla_rag.errors import GenerationFailed, UsageError
from gorilla_rag.generate.base import Message, Usage
from gorilla_rag.generate.endpoint import Endpoint, said, short
from gorilla_rag.generate.form import Form, Unfit
from gorilla_rag.generate.reply import Reply
from gorilla_rag.generate.schema import choice_schema

logger = logging.getLogger(__name__)
_PATH = "/chat/completions"
_TOP = 20
_FENCE = "```json"
_STREAMING = {"stream": True, "stream_options": {"include_usage": True}}
_CHOICE_TOKENS = 32
# White space, quotation marks and keys, which a grammar needs no tokens for.
_AROUND = 64
_IMPOSSIBLE = -1000.0
_LESS = 1e-6
_NULLS = ", with null for what the task doesn't set"
_ENFORCE = "use a server or model that enforces response_format with a JSON schema, or transformers:MODEL"
_NONSENSE = "see whether this is an OpenAI-compatible server of chat models"
_OTHERWISE = "ask in other words, or another model"


class OpenAIGenerator:
    """A model behind an endpoint.

    Prompts are cut to `context` by an estimate of a token for every three bytes of UTF-8, which is more than most
    tokenizers make of English or of code: there is no tokenizer at hand.

    Args:
        model: as the server names it.
        url: the base URL, such as `http://127.0.0.1:11434/v1`.
        key_env: the environment variable with the key; nothing is sent where it isn't set.
        timeout: the longest silence in seconds.
        retries: after 408, 409, 429, 5xx and broken connections.
        backoff: seconds before the first of them.
        context: tokens of prompt and completion together, as the server was started.
        joint_weight: of the label's log-probability in `joint`.
        thinking: tokens that the model may think before each answer. Models that do are asked without a temperature
            and without probabilities, which OpenAI's refuse.

    Attributes:
        probabilities: whether the server gave the probability of the last label it chose; `None` before the first.
            Where it doesn't, the label it chose counts as certain: the confidence is 1, no threshold refuses, and
            `joint` with any weight follows the model. A warning is logged once.

    Raises:
        UsageError: no URL that can be asked, or a key that can't be sent.
        ExtraMissing: httpx2 isn't installed.
    """

    sha256 = ""

    def __init__(
        self,
        model: str,
        *,
        url: str,
        key_env: str = "OPENAI_API_KEY",
        timeout: float = 60.0,
        retries: int = 3,
        backoff: float = 0.5,
        context: int = 8192,
        joint_weight: float = 0.0,
        thinking: int = 0,
    ) -> None:
        self.id, self.context, self.joint_weight, self.refuses = model, context, joint_weight, False
        self.probabilities: bool | None = None
        self._endpoint = Endpoint(url, key_env=key_env, timeout=timeout, retries=retries, backoff=backoff)
        self._thinking = thinking
        # OpenAI's newer models refuse the older name, which the other servers know.
        self._limit = "max_completion_tokens" if urlsplit(url).hostname == "api.openai.com" else "max_tokens"

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has, rather too many than too few."""
        return -(-len(text.encode("utf-8", "replace")) // 3)

    def label_log_probabilities(
        self,
        messages: Sequence[Message],
        prefill: str,
        labels: Sequence[str],
        *,
        reuse: bool = True,  # noqa: ARG002
    ) -> tuple[list[float], Usage]:
        """Log-probabilities of `labels` where the label stands in the answer, renormalised over them.

        A label that isn't among the most likely tokens counts as a little less likely than the least likely of those.
        `reuse` is the server's affair.

        Raises:
            EndpointError, GenerationFailed: see `stream`.
        """
        form = Form(choice_schema(labels), prefill)
        wanted = {} if self._thinking else {"logprobs": True, "top_logprobs": _TOP}
        reply = Reply()
        text = self._whole(self._body(messages, _CHOICE_TOKENS, form) | wanted, reply)
        with self._judged():
            chosen = json.loads(prefill + form.rest(text))[form.key]
        found = reply.of_labels(form.key, labels)
        self._note(bool(found))
        if not found:
            return [0.0 if label == chosen else _IMPOSSIBLE for label in labels], reply.usage
        least = min(found.values()) - _LESS
        return _normalised([found.get(label, least) for label in labels]), reply.usage

    def stream(
        self,
        messages: Sequence[Message],
        prefill: str,
        *,
        grammar: str | None,
        max_tokens: int,
        reuse: bool = True,  # noqa: ARG002
        schema: Mapping[str, Any] | None = None,
    ) -> Iterator[str | Usage]:
        """Continues `prefill` as `schema` says; a last free text comes in pieces, all else at once.

        Without a schema the model is told how to begin, and writes what it likes. `grammar` says the same in another
        language and isn't sent; `reuse` is the server's affair.

        Raises:
            UsageError: a grammar without a schema, or a schema that doesn't fit the beginning.
            EndpointError: the server is down, slow, rate-limited, refuses, answers nonsense or ignores the schema.
            GenerationFailed: the model was cut off, refused, or wrote what only the whole schema forbids.
        """
        reply = Reply()
        if schema is None:
            if grammar is not None:
                raise UsageError("an endpoint takes no grammar", hint="give the schema of the text")
            yield from self._told(messages, prefill, max_tokens, reply)
        else:
            yield from self._continued(messages, Form(schema, prefill), max_tokens, reply)
        yield reply.usage

    def _continued(self, messages: Sequence[Message], form: Form, limit: int, reply: Reply) -> Iterator[str | Usage]:
        body = self._body(messages, limit, form)
        with self._judged():
            if form.is_text:
                with closing(self._streamed(body, reply)) as pieces:
                    for piece in form.pieces(self._until_cut(pieces, reply)):
                        yield reply.usage
                        yield piece
            else:
                rest = form.rest(self._whole(body, reply))
                yield reply.usage
                yield rest

    def _told(self, messages: Sequence[Message], prefill: str, limit: int, reply: Reply) -> Iterator[str]:
        """What follows a beginning that the model was only told of: it may write it again, in any layout, or not."""
        again = _in_any_layout(prefill)
        with closing(self._streamed(self._body(_telling(messages, prefill), limit, None), reply)) as pieces:
            written, needed = "", _length(_FENCE + prefill) if prefill else 0
            while _length(written) < needed and (piece := next(pieces, None)):
                written += piece
            yield written[found.end() :] if (found := again.match(written)) else written.lstrip()
            yield from pieces

    def _body(self, messages: Sequence[Message], limit: int, form: Form | None) -> dict[str, Any]:
        """The request: temperature 0, and the schema of what is left to write."""
        body: dict[str, Any] = {"model": self.id, "messages": list(messages), self._limit: limit + self._thinking}
        if not self._thinking:
            body["temperature"] = 0
        if form is None:
            return body
        told = _telling(messages, form.opening, _NULLS if form.has_nulls else "")
        asked = {"name": "draft", "strict": True, "schema": form.sent}
        return body | {
            "messages": told,
            self._limit: body[self._limit] + _AROUND,
            "response_format": {"type": "json_schema", "json_schema": asked},
        }

    def _whole(self, body: Mapping[str, Any], reply: Reply) -> str:
        """The answer's text at once."""
        self._add(reply, self._endpoint.post(_PATH, body))
        self._check_end(reply)
        return reply.text

    def _streamed(self, body: Mapping[str, Any], reply: Reply) -> Pieces[str, None, None]:
        """The answer's text in pieces."""
        with closing(self._endpoint.events(_PATH, {**body, **_STREAMING})) as events:
            for event in events:
                if fresh := self._add(reply, event):
                    yield fresh
        if not reply.stopped:
            raise self._endpoint.error("broke off its answer", "down", hint="ask again, and see the server's own log")

    def _until_cut(self, pieces: Iterator[str], reply: Reply) -> Iterator[str]:
        yield from pieces
        self._check_end(reply)

    def _add(self, reply: Reply, piece: Any) -> str:
        if isinstance(piece, dict) and piece.get("error"):
            raise self._endpoint.error(f"answers: {said(piece)}", "refused", hint="change what the server names")
        try:
            return reply.add(piece)
        except ValueError as error:
            text = f"answers with JSON of another shape: {error}"
            raise self._endpoint.error(text, "nonsense", hint=_NONSENSE) from None

    def _check_end(self, reply: Reply) -> None:
        """Raises `GenerationFailed` where the model didn't come to its end."""
        if reply.refusal or reply.stopped == "content_filter":
            raise GenerationFailed(
                f"{self.id} won't answer: {short(reply.refusal) or 'content filter'}", hint=_OTHERWISE
            )
        if reply.stopped == "length":
            hint = "give a model that thinks before it answers room for that (thinking=)"
            raise GenerationFailed(f"{self.id} was cut off in the middle of its answer", hint=hint)

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """Whose fault an answer is that doesn't fit: the server's, where it was told."""
        try:
            yield
        except Unfit as unfit:
            if unfit.enforceable:
                text = f"ignores the schema in response_format ({self.id} wrote: {unfit})"
                raise self._endpoint.error(text, "schema ignored", hint=_ENFORCE) from None
            raise GenerationFailed(
                f"what {self.id} wrote breaks its schema: {short(str(unfit))}", hint=_OTHERWISE
            ) from None

    def _note(self, probabilities: bool) -> None:
        if not probabilities and self.probabilities is not False:
            logger.warning("%s gives no probabilities: its choices count as certain", self._endpoint.url)
        self.probabilities = probabilities


def _telling(messages: Sequence[Message], opening: str, further: str = "") -> list[Message]:
    """The conversation with how the answer is to begin."""
    if not opening:
        return list(messages)
    told = f"{messages[-1]['content']}\n\nBegin your answer with {opening}{further}"
    return [*messages[:-1], {**messages[-1], "content": told}]


def _in_any_layout(prefill: str) -> re.Pattern[str]:
    """A beginning of JSON with white space between its characters, or in a fence."""
    return re.compile(rf"\s*(?:{_FENCE}|```)?\s*" + r"\s*".join(re.escape(one) for one in prefill if not one.isspace()))


def _length(text: str) -> int:
    """How many characters are no white space."""
    return len("".join(text.split()))


def _normalised(raw: Sequence[float]) -> list[float]:
    highest = max(raw)
    total = highest + math.log(math.fsum(math.exp(value - highest) for value in raw))
    return [value - total for value in raw]
