"""Language models in the place of real ones, for what must hold whatever a model writes. Their tokens are bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llguidance import LLMatcher

from gorilla_rag.generate.base import Message, Usage
from tests.test_generate_typed import tokenizer, wander


@dataclass
class Asked:
    """What a toy was asked to go on with."""

    messages: Sequence[Message]
    prefill: str
    grammar: str | None
    schema: Mapping[str, Any] | None

    @property
    def prompt(self) -> str:
        """What the user said."""
        return self.messages[-1]["content"]

    @property
    def subject(self) -> str:
        """The API that it is about, where it is about one."""
        return next(iter(re.findall(r"^Document:\n([^:]+):", self.prompt)), "")

    @property
    def task(self) -> str:
        """What is to be done."""
        return str(re.findall(r"^Task: (.*)$", self.prompt, re.MULTILINE)[0])


@dataclass
class Toy:
    """Writes what a function says, in pieces; what a grammar forbids is an error.

    Attributes:
        says: what follows the beginning.
        label: the place of the label that it would choose.
        asked: everything that it was asked to write.
        chose: everything that it was asked to choose.
        read: how many pieces were taken of all that it wrote.
    """

    says: Callable[[Asked], str] = lambda _: ""
    label: Callable[[Sequence[Message]], int] = lambda _: 0
    asked: list[Asked] = field(default_factory=list)
    chose: list[Asked] = field(default_factory=list)
    read: int = 0
    id: str = "toy"
    sha256: str = ""
    context: int = 4096
    joint_weight: float = 0.0
    refuses: bool = False

    def count_tokens(self, text: str) -> int:
        """A token for every four bytes."""
        return len(text.encode("utf-8", "replace")) // 4 + 1

    def label_log_probabilities(
        self,
        messages: Sequence[Message],
        prefill: str,
        labels: Sequence[str],
        *,
        reuse: bool = True,
    ) -> tuple[list[float], Usage]:
        """Nearly certain of one."""
        self.chose.append(Asked(messages, prefill, None, None))
        chosen = self.label(messages)
        return [-0.01 if place == chosen else -9.0 for place in range(len(labels))], Usage(1, 0, 1, "length")

    def stream(
        self,
        messages: Sequence[Message],
        prefill: str,
        *,
        grammar: str | None,
        max_tokens: int,
        reuse: bool = True,
        schema: Mapping[str, Any] | None = None,
    ) -> Iterator[str | Usage]:
        """Three characters at a time."""
        asked = Asked(messages, prefill, grammar, schema)
        self.asked.append(asked)
        text = self.says(asked)
        if grammar is not None:
            _check(grammar, text)
        for start in range(0, len(text), 3):
            self.read += 1
            yield Usage(1, 0, start, "")
            yield text[start : start + 3]
        yield Usage(1, 0, len(text), "stop")


def filling(values: Mapping[str, Any]) -> Toy:
    """Writes those arguments, or lists of several calls' arguments, for each API; and a sentence about each."""

    def says(asked: Asked) -> str:
        if asked.prefill.endswith(('"arguments":', '"calls":')):
            return json.dumps(values[asked.subject])
        return ' does it with what the question has."}'

    return Toy(says)


def wanderer(seed: int = 0) -> Toy:
    """A model whose every logit is drawn anew; it writes nothing where it isn't held to a grammar."""
    drawn = iter(range(seed, seed + 10**6))
    return Toy(lambda asked: wander(asked.grammar, next(drawn)) if asked.grammar else "")


def _check(grammar: str, text: str) -> None:
    matcher = LLMatcher(tokenizer(), grammar)
    assert not matcher.get_error()
    taken = matcher.try_consume_tokens(list(text.encode()))
    assert taken == len(text.encode()), f"forbidden by the grammar: {text[taken:]!r} behind {text[:taken]!r}"
