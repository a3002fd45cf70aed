"""Other libraries' interfaces over ours, one file each; this one holds the words that they share.

Knows none of those libraries: each is imported by its own file alone.
"""

from __future__ import annotations

import sys

from gorilla_rag.answer import Answer, Hit
from gorilla_rag.errors import ExtraMissing
from gorilla_rag.text import prompt_text

TOOL = "recommend_api"
TOOL_DESCRIPTION = (
    "Says which API to call for a task described in plain words: one call with its arguments, an explanation and code, "
    "from indexed documentation and checked against it. Says so when no API fits."
)


def extra_missing(error: ImportError, extra: str) -> ExtraMissing:
    """The error for a library that can't be imported."""
    return ExtraMissing(f"{error.name} is not installed", hint=f"install the extra: pip install 'gorilla-rag[{extra}]'")


def document_text(hit: Hit) -> str:
    """A document as a language model reads it, whole."""
    return prompt_text(hit.doc, sys.maxsize, len)


def document_metadata(hit: Hit) -> dict[str, str | float | bool]:
    """What is known of a document beside its text: flat, as other libraries' stores and filters want it."""
    doc = hit.doc
    return {
        "id": doc.id,
        "api_call": doc.api_call,
        "api_name": doc.api_name,
        "domain": doc.domain,
        "provider": doc.framework,
        "kind": doc.kind,
        "package": doc.package,
        "version": doc.version,
        "source": doc.source,
        "license": doc.license,
        "trusted": doc.trusted,
    }


def answer_text(answer: Answer) -> str:
    """The call, its explanation and the code; for a refusal, why there is none."""
    if answer.refused:
        return str(answer)
    return "\n\n".join(part for part in (answer.api_call, answer.explanation, answer.code) if part)
