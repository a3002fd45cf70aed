"""How a base reads turns, by its tokenizer and its configuration: known before its weights are loaded.

Trains nothing. Importing it imports torch and transformers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gorilla_rag.errors import UsageError
from gorilla_rag.generate import checkpoint
from gorilla_rag.generate.transformers import CONTEXT
from gorilla_rag.generate.vocabulary import Vocabulary
from gorilla_rag.train.turns import Reader, Turn


@dataclass(frozen=True, slots=True)
class Reading:
    """How a base reads.

    Attributes:
        reader: what prompts are cut to, as when the base is asked.
        vocabulary: its tokens.
    """

    reader: Reader
    vocabulary: Vocabulary

    def holds(self, turn: Turn) -> bool:
        """Whether a turn's first question, by which it is measured, is with its answer no longer than the context."""
        return all(len(row) <= self.reader.context for row, _ in tokens(replace(turn, then=()), self.vocabulary))


def of_base(base: str | Path) -> Reading:
    """How a base reads.

    Raises:
        ModelMissing, ModelCorrupt: it isn't there, or can't be read.
        UsageError: it has no chat template.
    """
    found = checkpoint.find(base)
    tokenizer = checkpoint.tokenizer(found)
    check_template(tokenizer, found.id)
    vocabulary = Vocabulary(tokenizer, size=len(tokenizer), stops=())
    context = min(CONTEXT, checkpoint.context(found) or CONTEXT)
    return Reading(Reader(context, vocabulary.count), vocabulary)


def check_template(tokenizer: Any, name: str) -> None:
    """Refuses a base without a chat template: transformers and llama.cpp put a conversation to it each in its own way.

    Raises:
        UsageError: it has none.
    """
    if tokenizer.chat_template is None:
        raise UsageError(
            f"{name!r} has no chat template",
            hint="use a model that was trained to answer, or save a template with the tokenizer",
        )


def tokens(turn: Turn, vocabulary: Vocabulary) -> Iterator[tuple[list[int], list[int]]]:
    """A turn's rows: tokens as a generator reads them, and for each 1 where it is to be written, with its end.

    One row, or more where the vocabulary's template writes a conversation otherwise once it goes on.
    """
    end = min(vocabulary.stops)
    messages, target = list(turn.messages), turn.target
    row: list[int] = []
    mask: list[int] = []
    for said, following in (*turn.then, (None, "")):
        before, written = vocabulary.prompt(messages, turn.prefill), [*vocabulary.tokens(target), end]
        if before[: len(row)] != row:
            yield row, mask
            row, mask = [], []
        mask += [0] * (len(before) - len(row)) + [1] * len(written)
        row = before + written
        if said:
            messages += [{"role": "assistant", "content": turn.prefill + target}, said]
            target = following
    yield row, mask


def cut(row: list[int], mask: list[int], longest: int) -> tuple[list[int], list[int]]:
    """A row without the questions at its end that don't fit; empty where not even the first one does."""
    if len(row) <= longest:
        return row, mask
    end = next((number for number in range(longest, 0, -1) if mask[number - 1] and not mask[number]), 0)
    return row[:end], mask[:end]
