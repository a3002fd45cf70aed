"""Which model and mode a question goes to: what the client names, or what a TOML file says.

[route]
model = "api-smollm2:hybrid"

[route.fallback]          # where the answer's confidence is below
below = 0.5
model = "big:hybrid"

[route.ab]                # this share of the questions goes to another model or mode; which, the question decides
share = 0.1
model = "api-smollm2:bm25"

[models.big]              # a model beside those of the registry
generator = "openai:qwen2.5-coder:7b@http://127.0.0.1:11434/v1"
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from gorilla_rag.answer import MODES, Mode
from gorilla_rag.errors import UsageError
from gorilla_rag.models import registry
from gorilla_rag.validate import schema_errors

AUTO = "auto"
SERVED_MODES = tuple(mode for mode in MODES if mode != "oracle")
_NAME = "^[a-z0-9][a-z0-9._-]{0,63}$"
_TARGET = {"type": "string", "minLength": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_FILE: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "route": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "model": _TARGET,
                "fallback": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["below", "model"],
                    "properties": {"below": _SHARE, "model": _TARGET},
                },
                "ab": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["share", "model"],
                    "properties": {"share": _SHARE, "model": _TARGET},
                },
            },
        },
        "models": {
            "type": "object",
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": False,
                "required": ["generator"],
                "properties": {"generator": _TARGET, "adapter": _TARGET},
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Target:
    """A model and how documents are found for it."""

    model: str
    mode: Mode = "hybrid"

    def __str__(self) -> str:
        return f"{self.model}:{self.mode}"


@dataclass(frozen=True, slots=True)
class Own:
    """A model that a file names: its generator as `load_generator` takes it, and an adapter's folder."""

    generator: str
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """Where questions go that name no model.

    Attributes:
        model: where they go.
        fallback, below: where they go again when the answer's confidence is lower; `None` for nowhere.
        other, share: where that share of them goes instead; `None` for nowhere.
        models: models beside those of the registry, by name.
    """

    model: Target = Target(registry.GENERATOR)
    fallback: Target | None = None
    below: float = 0.0
    other: Target | None = None
    share: float = 0.0
    models: Mapping[str, Own] = field(default_factory=dict)

    def first(self, question: str) -> tuple[str, Target]:
        """Where a question goes: the arm's name, and its target. The same question always goes the same way."""
        if self.other is None:
            return "default", self.model
        drawn = int(hashlib.sha256(question.encode("utf-8", "replace")).hexdigest()[:8], 16) / 16**8
        return ("b", self.other) if drawn < self.share else ("a", self.model)


def target(named: str, models: Mapping[str, Any]) -> Target:
    """The model and mode of a name such as `api-smollm2:bm25`.

    Raises:
        UsageError: no such model, or no such mode.
    """
    model, _, mode = named.rpartition(":") if named.rpartition(":")[2] in MODES else (named, "", "hybrid")
    if model not in models:
        raise UsageError(f"no model {model[:80]!r}", hint=f"the models are {', '.join(models)}")
    if mode not in SERVED_MODES:
        raise UsageError(f"mode {mode!r} isn't served", hint=f"use one of {', '.join(SERVED_MODES)}")
    return Target(model, cast("Mode", mode))


def read(path: str | Path | None) -> Routing:
    """The routing of a TOML file; that of the embedded model without one.

    Raises:
        UsageError: it can't be read, or says what can't be.
    """
    if path is None:
        return Routing()
    try:
        said = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", hint="write it as docs/serve.md shows") from error
    if wrong := schema_errors(said, _FILE):
        raise UsageError(f"{path}: {wrong[0]}", hint="write it as docs/serve.md shows")
    own = {name: Own(one["generator"], one.get("adapter")) for name, one in said.get("models", {}).items()}
    if twice := sorted(own.keys() & (registry.MODELS.keys() | {AUTO, *MODES})):
        raise UsageError(f"{path}: {twice[0]!r} is a model's name already", hint="choose another one")
    known = {**dict.fromkeys(generators()), **own}
    route = said.get("route", {})
    fallback, other = route.get("fallback"), route.get("ab")
    return Routing(
        model=target(route.get("model", registry.GENERATOR), known),
        fallback=target(fallback["model"], known) if fallback else None,
        below=fallback["below"] if fallback else 0.0,
        other=target(other["model"], known) if other else None,
        share=other["share"] if other else 0.0,
        models=own,
    )


def generators() -> tuple[str, ...]:
    """The language models of the registry, the embedded one first."""
    names = [name for name, one in registry.MODELS.items() if one.purpose == "generator"]
    return (registry.GENERATOR, *(name for name in names if name != registry.GENERATOR))
