"""A pydantic-ai tool over our answers. Importing this module imports pydantic-ai."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gorilla_rag.ask import Ask
from gorilla_rag.errors import UsageError
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.integrations import TOOL, TOOL_DESCRIPTION, extra_missing

try:
    from pydantic_ai import ModelRetry, Tool
except ImportError as error:
    raise extra_missing(error, "pydantic-ai") from error


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What an agent is told of an answer.

    Attributes:
        checks: each check that was made of the answer's calls, with what it found.
        api_call, explanation, code, confidence, version, source, trusted, reason: as in `Answer`.
    """

    api_call: str | None
    explanation: str
    code: str
    checks: list[str]
    confidence: float | None
    version: str
    source: str
    trusted: bool
    reason: str


def recommend_api(gorilla: Gorilla, **how: Any) -> Tool[object]:
    """A tool that answers with one checked call; a question that can't be asked is given back to the agent's model.

    Args:
        gorilla: who answers.
        how: the attributes of `Ask`.

    Raises:
        UsageError: a value in `how` that can't be served.
    """
    Ask(**how).checked()

    async def recommend(question: str) -> Recommendation:
        try:
            found = await gorilla.aask(question, **how)
        except UsageError as error:
            raise ModelRetry(str(error)) from error
        checks, origin = [str(check) for check in found.verdict.checks], (found.version, found.source, found.trusted)
        text = (found.api_call, found.explanation, found.code)
        return Recommendation(*text, checks, found.confidence, *origin, found.reason)

    return Tool(recommend, name=TOOL, description=TOOL_DESCRIPTION)
