"""A document as text, for the encoder, for BM25 and for the prompt. The only owner of that.

An index records `TEXT_VERSION`; a change to what is encoded or tokenised raises it, so that no index is searched
with a text layout it wasn't made with.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from gorilla_rag.apidoc import ApiDoc

TEXT_VERSION = 2
_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
QUERY_LIMIT = 4000
_ENCODED_DESCRIPTION = 800
_ENCODED_ARGUMENTS = 400
# Lucene's English stop words, left out of documents and questions.
STOP_WORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such that the their then there these they this
    to was will with
    """.split()
)
_EMPTY = {"", "n/a", "none", "null", "{}", "[]", "not provided", "not specified", "unknown"}


def encoder_text(doc: ApiDoc) -> str:
    """What the encoder reads of a document: what it is for, its name, what it does, what it is given.

    What they change is in docs/results/retriever.md.
    """
    description, arguments = plain(doc.description), _arguments_text(doc.api_arguments)
    parts = [
        doc.domain,
        doc.functionality,
        doc.api_name,
        description[:_ENCODED_DESCRIPTION],
        arguments[:_ENCODED_ARGUMENTS],
    ]
    return ". ".join(part.strip().rstrip(".") for part in parts if not is_empty(part))


def bm25_text(doc: ApiDoc) -> str:
    """What BM25 reads of a document, in four fields: domain, functionality, name with call, description."""
    fields = [doc.domain, doc.functionality, f"{doc.api_name} {doc.api_call}", doc.description]
    return "\n".join(field for field in fields if not is_empty(field))


def bm25_words(text: str) -> list[str]:
    """Lower-case words for BM25, before stop words and stemming; identifiers are also given in their parts."""
    return [part for word in surface_words(text) for part in word_parts(word)]


def surface_words(text: str) -> list[str]:
    """The words of a text as they stand, identifiers whole."""
    return _WORD.findall(text)


@lru_cache(maxsize=65_536)
def word_parts(word: str) -> tuple[str, ...]:
    """A word in lower case and, where it is an identifier of several parts, each part."""
    parts = _PART.findall(word)
    return (word.lower(), *(part.lower() for part in parts)) if len(parts) > 1 else (word.lower(),)


def query_text(question: str) -> str:
    """A question as it is searched with: one line, no longer than any encoder reads."""
    return plain(question)[:QUERY_LIMIT]


def prompt_text(doc: ApiDoc, budget: int, count_tokens: Callable[[str], int]) -> str:
    """A document for the model's prompt in at most `budget` tokens.

    The call always stands whole; the fields after it are shortened or left out, in the order in which they matter
    least: example, arguments, description, functionality.
    """
    head = f"{doc.api_name}: {doc.api_call}" if not is_empty(doc.api_name) else doc.api_call
    lines = [head]
    for title, value in _prompt_fields(doc):
        room = budget - count_tokens("\n".join(lines)) - 2
        if room < 8:
            break
        lines.append(_shortened(f"{title}{value}", room, count_tokens))
    return "\n".join(lines)


def explain_value(value: Any) -> str:
    """A JSON value of the documentation as a line of text."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {explain_value(item)}" for key, item in value.items() if not is_empty(item))
    if isinstance(value, list | tuple):
        return ", ".join(explain_value(item) for item in value if not is_empty(item))
    return "" if value is None else plain(str(value))


def plain(text: str) -> str:
    """Text on one line, without control characters and runs of white space."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def _arguments_text(arguments: Any) -> str:
    """Documented arguments as a line of text, their names in words."""
    if not isinstance(arguments, dict):
        return explain_value(arguments)
    named = ((" ".join(_spelled(name)), explain_value(value)) for name, value in arguments.items())
    return "; ".join(f"{name}: {value}" if value else name for name, value in named)


def _spelled(name: str) -> list[str]:
    """An identifier's words in lower case."""
    return [part for word in surface_words(name) for part in (word_parts(word)[1:] or word_parts(word))]


def is_empty(value: Any) -> bool:
    """Whether a field of the documentation says nothing (`N/A`, `null`, an empty list)."""
    return (
        value is None or (value if isinstance(value, str) else json.dumps(value, default=str)).strip().lower() in _EMPTY
    )


def _prompt_fields(doc: ApiDoc) -> Iterable[tuple[str, str]]:
    if not is_empty(doc.functionality):
        yield "", plain(f"{doc.domain}: {doc.functionality}" if doc.domain else doc.functionality)
    if not is_empty(doc.description):
        yield "", plain(doc.description)
    if doc.kind != "python" and (taken := _taken(doc.parameters)):
        yield "Takes: ", taken
    if not is_empty(doc.api_arguments):
        yield "Arguments: ", explain_value(doc.api_arguments)


def _taken(parameters: Mapping[str, Any]) -> str:
    """The names and types of the arguments of a tool or an operation; of those that may be left out, with `?`."""
    required = parameters.get("required", ())
    named = parameters.get("properties", {}).items()
    return ", ".join(f"{name}{'' if name in required else '?'}: {_type(schema)}" for name, schema in named)


def _type(schema: Any) -> str:
    """A schema's type in a word."""
    if not isinstance(schema, Mapping):
        return "any"
    given = schema.get("type") or ("object" if "properties" in schema else "any")
    if given == "array":
        return f"list of {_type(schema.get('items'))}"
    return "one of several" if "enum" in schema else " or ".join([given] if isinstance(given, str) else given)


def _shortened(text: str, budget: int, count_tokens: Callable[[str], int]) -> str:
    """The longest run of whole words from the start that fits."""
    if count_tokens(text) <= budget:
        return text
    words = text.split(" ")
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if count_tokens(" ".join(words[:middle]) + " …") <= budget else (low, middle - 1)
    return " ".join(words[:low]) + " …" if low else ""
