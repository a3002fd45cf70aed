"""`Pair` and `Corpus`: what a retriever is trained on. Knows documents; reads no files and makes no questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.errors import UsageError
from gorilla_rag.text import encoder_text, plain, surface_words

_FEWEST_WORDS = 3


@dataclass(frozen=True)
class Pair:
    """A question and the documents that are right for it.

    Attributes:
        question: as asked.
        relevant: ids of documents, at least one.
        made: where the question is from and how it is put: `given`, or `functionality/chatty`.
        omitted: texts to be left out of the document when the pair is trained with: what the question was made from.
        group: pairs of one group, whose documents are easily confused, are trained with in one batch, where each
            document is a negative for the others' questions; empty for none.
    """

    question: str
    relevant: tuple[str, ...]
    made: str
    omitted: tuple[str, ...] = ()
    group: str = ""

    def __post_init__(self) -> None:
        """Refuses a pair that teaches nothing."""
        if not self.question.strip() or not self.relevant:
            raise UsageError(
                f"a pair of the question {self.question!r} and the documents {list(self.relevant)}",
                hint="give every pair a question and the id of a document",
            )


@dataclass(frozen=True)
class Corpus:
    """Documents and questions about them.

    Attributes:
        name: what the corpus is called.
        docs: every document that can be found, those without questions too.
        pairs: the questions.
        origin: where it is from, for the data card.
        licence: of documents and questions.
    """

    name: str
    docs: tuple[ApiDoc, ...]
    pairs: tuple[Pair, ...]
    origin: str
    licence: str


def positive_text(doc: ApiDoc, pair: Pair) -> str:
    """What the encoder reads of a pair's document, without the text that the question was made from.

    That is the inverse cloze task (Lee, Chang and Toutanova, ACL 2019, arXiv 1906.00300): a question that still
    stands in the document teaches nothing but to look for equal words. Where fewer than three words would be left,
    nothing is left out.
    """
    whole = encoder_text(doc)
    if not pair.omitted:
        return whole
    left = encoder_text(
        replace(
            doc,
            functionality=_without(doc.functionality, pair.omitted),
            description=_without(doc.description, pair.omitted),
            api_arguments=_pruned(doc.api_arguments, pair.omitted),
        )
    )
    return left if len(surface_words(left)) >= _FEWEST_WORDS else whole


def _without(text: str, omitted: tuple[str, ...]) -> str:
    """A text on one line, without others."""
    left = plain(text)
    for one in omitted:
        left = left.replace(plain(one), " ")
    return plain(left)


def _pruned(value: Any, omitted: tuple[str, ...]) -> Any:
    """A JSON value whose texts are without others."""
    if isinstance(value, str):
        return _without(value, omitted)
    if isinstance(value, Mapping):
        return {key: _pruned(item, omitted) for key, item in value.items()}
    return [_pruned(item, omitted) for item in value] if isinstance(value, list | tuple) else value
