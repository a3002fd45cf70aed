"""Which API do I call, exactly? Finds the documentation, writes the call, proves that it exists."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gorilla_rag.answer import Answer, Candidate, Check, Draft, Hit, Mode, Verdict
    from gorilla_rag.apidoc import ApiDoc
    from gorilla_rag.ask import Ask
    from gorilla_rag.call import Call, parse_call
    from gorilla_rag.check import check_code, check_files
    from gorilla_rag.errors import GorillaError
    from gorilla_rag.flow import Event
    from gorilla_rag.gorilla import Gorilla
    from gorilla_rag.index.index import Index

__version__ = "0.1.0"
_HOMES = {
    "Answer": "answer",
    "ApiDoc": "apidoc",
    "Ask": "ask",
    "Call": "call",
    "Candidate": "answer",
    "Check": "answer",
    "Draft": "answer",
    "Event": "flow",
    "Gorilla": "gorilla",
    "GorillaError": "errors",
    "Hit": "answer",
    "Index": "index.index",
    "Mode": "answer",
    "Verdict": "answer",
    "check_code": "check",
    "check_files": "check",
    "parse_call": "call",
}
__all__ = [
    "Answer",
    "ApiDoc",
    "Ask",
    "Call",
    "Candidate",
    "Check",
    "Draft",
    "Event",
    "Gorilla",
    "GorillaError",
    "Hit",
    "Index",
    "Mode",
    "Verdict",
    "check_code",
    "check_files",
    "parse_call",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
