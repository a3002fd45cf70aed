"""The starter corpus that the library ships, and its index, built on this machine when it is first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import IndexBusy
from gorilla_rag.index import change, manifest
from gorilla_rag.models import registry
from gorilla_rag.sources import formats
from gorilla_rag.text import TEXT_VERSION


def corpus() -> Path:
    """The folder of the starter corpus, in an installed package or in a checkout."""
    installed = Path(__file__).parent / "corpus" / "starter"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "indexes" / "starter"


def documents() -> tuple[ApiDoc, ...]:
    """The starter corpus."""
    return formats.read([corpus()], trusted=True).docs


def folder() -> Path:
    """Where the starter index belongs: by what it is made of, so that a new version builds its own."""
    encoder = registry.spec(registry.ENCODER)
    made_of = hashlib.sha256(f"{manifest.FORMAT} {TEXT_VERSION} {encoder.sha256[encoder.weights]}".encode())
    for path in sorted(corpus().glob("*.jsonl")):
        made_of.update(path.read_bytes())
    return registry.home() / "indexes" / f"starter-{made_of.hexdigest()[:12]}"


def ensure(encoder: Callable[[], Encoder], *, progress: change.Progress | None = None) -> Path:
    """The starter index's folder; builds it when it isn't there.

    Raises:
        ModelMissing: the encoder isn't there to build it with.
        StorageFull: the disk is full.
    """
    target = folder()
    if not (target / manifest.NAME).exists():
        recipe = {"name": "starter", "source": "apibench", "paths": ["starter"]}
        try:
            change.build(target, documents(), encoder(), recipe=recipe, progress=progress)
        except IndexBusy:
            change.wait(target)
    return target
