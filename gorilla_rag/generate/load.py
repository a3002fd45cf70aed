"""The one place where a generator is chosen by name. What is wrong with a name is said at once; models load later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gorilla_rag.answer import one_of
from gorilla_rag.errors import UsageError
from gorilla_rag.generate.base import Generator
from gorilla_rag.models import registry

_FORMS = "use NAME of `gorilla-rag models list`, transformers:NAME_OR_FOLDER or openai:MODEL@http://HOST:PORT/v1"


def load_generator(
    spec: str, *, adapter: str | None = None, device: str | None = None, quantize: str | None = None
) -> Callable[[], Generator]:
    """What makes the generator that a text names.

    Args:
        spec: a registry name (`api-smollm2`: llama.cpp, in this process), `transformers:` and a model's name or
            folder, or `openai:`, a model's name, `@` and an endpoint's base URL.
        adapter: an adapter's folder: PEFT's for `transformers:`, one that `gorilla-rag train generator` wrote for a
            registry name.
        device: a torch device, for `transformers:`.
        quantize: `4bit`, for `transformers:`.

    Raises:
        UsageError: no such kind, a name that is incomplete, or options that aren't for this kind.
    """
    kind, _, name = spec.partition(":")
    options = {"adapter": adapter, "device": device, "quantize": quantize}
    given = {key: value for key, value in options.items() if value is not None}
    if kind == "transformers" and name:
        if quantize is not None:
            one_of(quantize, ("4bit",), "quantize")
        return partial(_transformers, name, given)
    is_known = spec in registry.MODELS and registry.MODELS[spec].purpose == "generator"
    if refused := given.keys() - ({"adapter"} if is_known else set()):
        raise UsageError(
            f"generator {spec!r} takes no {', '.join(sorted(refused))}", hint="these are for transformers:MODEL"
        )
    if kind == "openai" and name:
        return _openai(name)
    if not is_known:
        raise UsageError(f"generator is {spec!r}", hint=_FORMS)
    return partial(_embedded, spec, adapter)


def _embedded(name: str, adapter: str | None) -> Generator:
    from gorilla_rag.generate.llama_cpp import LlamaCppGenerator

    return LlamaCppGenerator(name, adapter=Path(adapter) if adapter else None)


def _transformers(name: str, given: Mapping[str, Any]) -> Generator:
    from gorilla_rag.generate.transformers import TransformersGenerator

    return TransformersGenerator(name, **given)


def _openai(name: str) -> Callable[[], Generator]:
    from gorilla_rag.generate.endpoint import checked_url
    from gorilla_rag.generate.openai import OpenAIGenerator

    model, at, url = name.rpartition("@")
    if not at or not model:
        raise UsageError("an endpoint needs a model and a URL", hint="write openai:MODEL@http://HOST:PORT/v1")
    return partial(OpenAIGenerator, model, url=checked_url(url))
