"""Chat completions: a conversation read as a question, and an answer written as a message, whole or in pieces."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gorilla_rag.answer import Answer
from gorilla_rag.errors import UsageError
from gorilla_rag.flow import Event
from gorilla_rag.serve.tools import LONGEST_QUESTION
from gorilla_rag.serve.wire import ChatRequest
from gorilla_rag.validate import schema_errors, schema_fault

EXTENSION = "gorilla"
_NOTHING = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_FIELDS = (
    "api_call",
    "domain",
    "api_provider",
    "explanation",
    "code",
    "confidence",
    "missing",
    "placeholders",
    "version",
    "source",
    "trusted",
)


def question(request: ChatRequest) -> str:
    """The last user message.

    Raises:
        UsageError: there is none, or it has no text, or too much.
    """
    said = next((message.said for message in reversed(request.messages) if message.role == "user"), "")
    if not said.strip():
        raise UsageError("no user message has a text", hint="end messages with what you need, in plain words")
    if len(said) > LONGEST_QUESTION:
        raise UsageError(f"the last user message has {len(said)} characters", hint=f"use {LONGEST_QUESTION} or fewer")
    return said


def results(request: ChatRequest) -> list[str]:
    """What tools said since the last user message: then the question has been answered."""
    roles = [message.role for message in request.messages]
    last = len(roles) - roles[::-1].index("user")
    return [message.said for message in request.messages[last:] if message.role in ("tool", "function")]


def structure(request: ChatRequest) -> Mapping[str, Any] | None:
    """The schema that the content should have; `None` where it is text.

    Raises:
        UsageError: no JSON Schema, or one that wants what an answer doesn't have.
    """
    form = request.response_format
    if form is None or form.type == "text":
        return None
    schema = form.json_schema.schema_ if form.json_schema else {}
    if schema and (fault := schema_fault(schema)):
        raise UsageError(f"response_format is no JSON Schema: {fault}", hint="mend the schema")
    wanted = schema.get("required") or []
    if unknown := sorted(str(name) for name in wanted if name not in _FIELDS):
        raise UsageError(f"an answer has no {', '.join(unknown)}", hint=f"it has {', '.join(_FIELDS)}")
    return schema


def structured(answer: Answer, schema: Mapping[str, Any]) -> str:
    """The recommendation as JSON, with what the schema names, or with everything where it names nothing.

    Raises:
        UsageError: what the answer has doesn't fit the schema.
    """
    whole = answer.to_dict()
    properties = schema.get("properties")
    names = [name for name in _FIELDS if not isinstance(properties, Mapping) or not properties or name in properties]
    made = {name: whole[name] for name in names}
    if wrong := schema_errors(made, schema):
        raise UsageError(
            f"the answer doesn't fit response_format: {wrong[0]}", hint="allow null and longer texts in it"
        )
    return json.dumps(made, ensure_ascii=False)


def text(answer: Answer) -> str:
    """The recommendation as Markdown."""
    if answer.refused:
        return f"No API: {answer.reason}"
    return _call(answer) + answer.explanation + _code(answer)


def _call(answer: Answer) -> str:
    calls = [call.render() for call in answer.calls] or [answer.api_call or ""]
    missing = f"Missing: {', '.join(answer.missing)}\n\n" if answer.missing else ""
    return f"{_fenced(chr(10).join(calls))}\n\n{missing}"


def _code(answer: Answer) -> str:
    failed = "".join(f"\n- {check}" for check in answer.verdict.failed)
    warned = f"\n\nThese checks failed:{failed}" if failed else ""
    return (f"\n\n{_fenced(answer.code, 'python')}" if answer.code else "") + warned


def _fenced(code: str, language: str = "") -> str:
    """A block of code, in a fence that nothing in it can close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


@dataclass(frozen=True)
class Reply:
    """How an answer is written as a chat completion.

    Attributes:
        model: that answers, with its mode.
        schema: of the content; `None` for text.
        tools: whether tools were given to call.
        required: whether one of them has to be called.
        include_usage: whether the last piece of a stream has the tokens.
        id, created: of the completion.
    """

    model: str
    schema: Mapping[str, Any] | None = None
    tools: bool = False
    required: bool = False
    include_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The completion; raises what `structured` raises."""
        message, reason = self._message(answer)
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return {
            **self._head("chat.completion"),
            "choices": [choice],
            "usage": usage(answer),
            EXTENSION: answer.to_dict(),
        }

    def handed_on(self, said: str) -> dict[str, Any]:
        """The completion that hands on what called tools said: no model here reads it."""
        message = {"role": "assistant", "content": said, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": _NOTHING}

    def handed_on_pieces(self, said: str) -> Iterator[dict[str, Any]]:
        """The same in the pieces of a stream."""
        yield self.begun()
        yield self._piece({"content": said})
        yield self._piece({}, "stop")
        if self.include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": _NOTHING}

    def begun(self) -> dict[str, Any]:
        """The first piece of a stream."""
        return self._piece({"role": "assistant", "content": ""})

    def pieces(self, event: Event) -> Iterator[dict[str, Any]]:
        """The pieces of a stream that an event of the answer makes; raises what `structured` raises."""
        is_text = not self.tools and self.schema is None
        if event.kind == "call" and is_text:
            yield self._piece({"content": _call(event.answer)})
        elif event.kind == "text" and is_text:
            yield self._piece({"content": event.text})
        elif event.kind == "answer":
            yield from self._end(event.answer, is_text=is_text)

    def _end(self, answer: Answer, *, is_text: bool) -> Iterator[dict[str, Any]]:
        message, reason = self._message(answer)
        if is_text:
            rest = message["content"] if answer.refused else _code(answer)
            message = {"content": rest} if rest else {}
        elif calls := message.get("tool_calls"):
            message = {"tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]}
        yield self._piece({name: value for name, value in message.items() if value is not None and name != "role"})
        last = self._piece({}, reason)
        yield {**last, EXTENSION: answer.to_dict()}
        if self.include_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": usage(answer)}

    def _message(self, answer: Answer) -> tuple[dict[str, Any], str]:
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        if self.tools and not answer.refused and (self.required or not answer.missing):
            calls = [{**call, "id": f"call_{secrets.token_hex(8)}"} for call in answer.tool_calls()]
            return {**message, "tool_calls": calls}, "tool_calls"
        if self.schema is not None:
            if answer.refused:
                return {**message, "refusal": answer.reason}, "stop"
            return {**message, "content": structured(answer, self.schema)}, "stop"
        return {**message, "content": text(answer)}, "stop"

    def _piece(self, delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": dict(delta), "finish_reason": reason, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def usage(answer: Answer) -> dict[str, Any]:
    """The tokens that an answer took."""
    read, written = (answer.tokens.get(name, 0) for name in ("prompt", "completion"))
    cached = {"cached_tokens": answer.tokens.get("cached", 0)}
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": cached,
    }
