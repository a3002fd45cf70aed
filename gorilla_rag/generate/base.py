"""The protocol that every generation backend keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Message = dict[str, str]
"""`{"role": "system" | "user", "content": text}`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request: in the prompt, of which taken from the cache, and written; and why it stopped."""

    prompt: int
    cached: int
    completion: int
    stopped: str


class Generator(Protocol):
    """A language model that continues a conversation, under a grammar if one is given.

    Attributes:
        id: the model's name.
        sha256: of its weights; empty where they are out of reach.
        context: how many tokens a prompt and its completion may have together.
        joint_weight: weight of its label's log-probability when it chooses together with the retriever.
        refuses: whether it has learnt to answer `none` where no document does what is asked.
    """

    @property
    def id(self) -> str:
        """The model's name."""
        ...

    @property
    def sha256(self) -> str:
        """Of the weights; empty where they are out of reach."""
        ...

    @property
    def context(self) -> int:
        """Tokens of prompt and completion together."""
        ...

    @property
    def joint_weight(self) -> float:
        """Weight of the label's log-probability in `joint`."""
        ...

    @property
    def refuses(self) -> bool:
        """Whether `none` is among the labels that it has learnt."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        ...

    def label_log_probabilities(
        self, messages: Sequence[Message], prefill: str, labels: Sequence[str], *, reuse: bool = True
    ) -> tuple[list[float], Usage]:
        """Log-probabilities of `labels` as the next token after `prefill`, renormalised over them."""
        ...

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
        """Continues `prefill` at temperature 0: pieces of text, and the usage so far; last the whole usage.

        Args:
            messages: the conversation.
            prefill: how the model's turn begins; not repeated in what is yielded.
            grammar: llguidance's Lark, for what follows `prefill`; `None` for free text.
            max_tokens: the most that is written.
            reuse: take what the prompt shares with the last one from the cache. What comes out can then depend on
                what was asked before (sums are rounded in another order); without, it depends on the prompt alone.
            schema: JSON Schema of the whole text, an object, `prefill` with what follows it. For backends that take no
                grammar; those that take one ignore it. A property with a `const` stands in `prefill` already.

        Raises:
            GenerationFailed: the grammar doesn't compile, the prompt is longer than the context, or the model failed.
            EndpointError: a server is down, slow, rate-limited, refuses, answers nonsense or ignores the schema.
        """
        ...


def identity(generator: Generator) -> dict[str, Any]:
    """All of a generator that answers depend on, as JSON."""
    return {
        "id": generator.id,
        "sha256": generator.sha256,
        "joint_weight": generator.joint_weight,
        "refuses": generator.refuses,
    }
