"""The options that several verbs share: which language model answers, which encoder searches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gorilla_rag.generate.base import Generator

Spec = Annotated[
    str | None,
    typer.Option(
        "--generator",
        help="A name of `models list`, transformers:NAME_OR_FOLDER or openai:MODEL@URL; the embedded model by default.",
    ),
]
Adapter = Annotated[
    str | None,
    typer.Option(help="Folder of an adapter: of `train generator`, or of PEFT for a transformers model."),
]
Device = Annotated[
    str | None, typer.Option(help="A torch device such as cuda: to encode and search on, and for a transformers model.")
]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="A sentence-transformers model: a folder, or a name in the hub's cache; by default the index's own."
    ),
]
Quantize = Annotated[str | None, typer.Option(help="4bit, for a transformers model.")]


def generator(
    spec: str | None, *, adapter: str | None, device: str | None, quantize: str | None
) -> Callable[[], Generator]:
    """What makes the model that the options name; a device is for search too, and other models run where they run.

    Raises:
        UsageError: they name none, or don't go together.
    """
    from gorilla_rag.generate.load import load_generator
    from gorilla_rag.models import registry

    spec = spec or registry.GENERATOR
    own = device if spec.startswith("transformers:") else None
    return load_generator(spec, adapter=adapter, device=own, quantize=quantize)
