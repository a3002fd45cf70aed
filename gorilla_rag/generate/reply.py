"""What a chat completions server has answered so far: text, why it stopped, tokens used, log-probabilities.

Knows the shape of whole answers and of their pieces; nothing of how they came or what was asked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gorilla_rag.generate.base import Usage
from gorilla_rag.validate import schema_errors


def _maybe(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT = {"type": ["string", "null"]}
_COUNT = {"type": ["integer", "null"], "minimum": 0}
_TURN = {"type": "object", "properties": {"content": _TEXT, "refusal": _TEXT}}
_ENTRY = {
    "type": "object",
    "properties": {"token": {"type": "string"}, "logprob": {"type": "number"}},
    "required": ["token", "logprob"],
}
_ENTRIES = {"type": "array", "items": _ENTRY}
_TOKEN = {**_ENTRY, "properties": {**_ENTRY["properties"], "top_logprobs": _maybe(_ENTRIES)}}  # type: ignore[dict-item]
_TOKENS = {"type": "array", "items": _TOKEN}
_CHOICE = {
    "type": "object",
    "properties": {
        "message": _TURN,
        "delta": _TURN,
        "finish_reason": _TEXT,
        "logprobs": _maybe({"type": "object", "properties": {"content": _maybe(_TOKENS)}}),
    },
    "anyOf": [{"required": ["message"]}, {"required": ["delta"]}],
}
_CACHED = _maybe({"type": "object", "properties": {"cached_tokens": _COUNT}})
_USAGE = {
    "type": "object",
    "properties": {"prompt_tokens": _COUNT, "completion_tokens": _COUNT, "prompt_tokens_details": _CACHED},
}
_SHAPE = {
    "type": "object",
    "properties": {"choices": {"type": "array", "items": _CHOICE}, "usage": _maybe(_USAGE)},
    "required": ["choices"],
}


@dataclass
class Reply:
    """An answer that grows piece by piece.

    Attributes:
        text: what the model wrote.
        stopped: why it stopped, `stop`, `length` or another word of the server's; empty while it hasn't.
        refusal: why the model won't answer.
        usage: tokens as the server counts them; zeros where it doesn't say.
        tokens: with `token`, `logprob` and `top_logprobs`, where the server gives them.
    """

    text: str = ""
    stopped: str = ""
    refusal: str = ""
    usage: Usage = field(default_factory=lambda: Usage(0, 0, 0, ""))
    tokens: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, piece: Any) -> str:
        """Takes a whole answer, or one event of a stream, and returns the text that it adds.

        Raises:
            ValueError: it is neither; the message says how.
        """
        if errors := schema_errors(piece, _SHAPE):
            raise ValueError(errors[0])
        fresh = ""
        for choice in piece["choices"][:1]:
            turn = choice.get("message") or choice.get("delta") or {}
            fresh = turn.get("content") or ""
            self.refusal += turn.get("refusal") or ""
            self.stopped = choice.get("finish_reason") or ("stop" if "message" in choice else self.stopped)
            self.tokens += (choice.get("logprobs") or {}).get("content") or ()
        if used := piece.get("usage"):
            cached = (used.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self.usage = Usage(used.get("prompt_tokens") or 0, cached, used.get("completion_tokens") or 0, "")
        self.text += fresh
        self.usage = Usage(self.usage.prompt, self.usage.cached, self.usage.completion, self.stopped)
        return fresh

    def of_labels(self, key: str, labels: Sequence[str]) -> dict[str, float]:
        """Log-probabilities of those labels that were likely where the value of `key` stands; empty if none were given.

        Servers cut texts into tokens differently, and some tokens aren't in the text: so the place is looked for in
        the tokens put together. A label may share its token with a quotation mark.
        """
        names = "|".join(map(re.escape, labels))
        at = re.compile(rf'"{re.escape(key)}"\s*:\s*"({names})"?[\s}}`]*$')
        found: dict[str, float]
        before, found = "", {}
        for token in self.tokens:
            here = [token, *(token.get("top_logprobs") or ())]
            if at.search(before + token["token"]) and not at.search(before):
                found = {}
                for entry in here:
                    if label := at.search(before + entry["token"]):
                        found[label[1]] = max(entry["logprob"], found.get(label[1], entry["logprob"]))
            before += token["token"]
        return found
