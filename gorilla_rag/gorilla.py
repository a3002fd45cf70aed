"""`Gorilla`: a question in, an answer out. Opens what it needs; how an answer is made stands in `flow.py`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from gorilla_rag import signatures, starter
from gorilla_rag.answer import Answer, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.ask import Ask
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.load import load_encoder, of_index
from gorilla_rag.errors import UsageError
from gorilla_rag.flow import Event, Flow
from gorilla_rag.generate.base import Generator
from gorilla_rag.generate.load import load_generator
from gorilla_rag.index import change, manifest
from gorilla_rag.index.index import Filters, Index, Retrieval
from gorilla_rag.models import registry
from gorilla_rag.sources import mcp as mcp_source
from gorilla_rag.sources import python as python_source


class Gorilla:
    """Answers which API to call.

    Args:
        index: where documents are found.
        generator: makes the language model, called when it is first needed; or its name, as `load_generator` takes it.

    Raises:
        UsageError: no generator has that name.
    """

    def __init__(self, index: Index, generator: Callable[[], Generator] | str | None = None) -> None:
        self.index = index
        self._make_generator = _maker(generator)
        self._made: Generator | None = None
        self._making = threading.Lock()
        self._folder: TemporaryDirectory[str] | None = None

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        encoder: Encoder | str | Path | None = None,
        generator: Callable[[], Generator] | str | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> Gorilla:
        """Opens an index, or the starter index, which is built on first use.

        Args:
            path: the index's folder.
            encoder: what made its vectors, or its name or folder, as `load_encoder` takes it; by default the one that
                the index names. It is loaded when it is first needed.
            generator: the language model, such as `openai:MODEL@http://127.0.0.1:11434/v1`; see `Gorilla`.
            device: a torch device, such as `cuda`, to search on (see `Index`), and for the encoder unless it is given
                made.
            threads: of an encoder that isn't given made; by default as many as `OMP_NUM_THREADS` says, or all cores.

        Raises:
            UsageError: no generator has that name.
            IndexMissing, IndexCorrupt, IndexMismatch: the index can't be used.
            ModelMissing: the starter index has to be built and the encoder isn't there.
            DeviceMissing: the device isn't there.
            ExtraMissing: a device is named and torch isn't installed.
        """
        generator = _maker(generator)
        folder = Path(path) if path else starter.ensure(EmbeddedEncoder)
        opened = Index(folder, _encoder(folder, encoder, device, threads), device=device, prefer=signatures.prefer)
        return cls(opened, generator)

    @classmethod
    def from_docs(
        cls,
        docs: Iterable[ApiDoc | Mapping[str, Any]],
        *,
        encoder: Encoder | str | Path | None = None,
        generator: Callable[[], Generator] | str | None = None,
        device: str | None = None,
    ) -> Gorilla:
        """Answers from documents given here; their index lives in a temporary folder.

        Raises:
            UsageError: a document without a call, two of one id, or no generator of that name.
            ModelMissing, ModelCorrupt: the encoder isn't there, or can't be used.
            DeviceMissing, ExtraMissing: as for `load`.
        """
        generator = _maker(generator)
        made = [doc if isinstance(doc, ApiDoc) else ApiDoc.from_dict(doc) for doc in docs]
        if isinstance(encoder, str | Path | None):
            encoder = load_encoder(encoder or registry.ENCODER, device=device)
        folder = TemporaryDirectory(prefix="gorilla_rag-")
        change.build(folder.name, made, encoder)
        gorilla = cls(Index(folder.name, encoder, device=device, prefer=signatures.prefer), generator)
        gorilla._folder = folder
        return gorilla

    @classmethod
    def from_packages(
        cls,
        *packages: str,
        python: str | Path | None = None,
        run: bool = True,
        encoder: Encoder | str | Path | None = None,
        generator: Callable[[], Generator] | str | None = None,
        device: str | None = None,
    ) -> Gorilla:
        """Answers from the documentation of installed packages; their index lives in a temporary folder.

        Args:
            packages: names of distributions or of what they are imported as: `"scikit-learn"`, `"sklearn"`.
            python: the interpreter whose packages they are; this one by default.
            run: whether the packages' compiled parts may be imported, in another process, to read them.
            encoder: as for `load`.
            generator: as for `load`.
            device: as for `load`.

        Raises:
            PackageMissing: a package isn't installed.
            PackageUnreadable: one fails, or takes too long.
            UsageError: no package is named, or `python` isn't an interpreter.
        """
        if not packages:
            raise UsageError("no package is named", hint="name some, such as from_packages('numpy')")
        environment = signatures.Environment.of(python) if python else None
        found = python_source.read(packages, environment=environment, run=run)
        return cls.from_docs(found.docs, encoder=encoder, generator=generator, device=device)

    @classmethod
    def from_mcp(
        cls,
        *servers: str,
        headers: Mapping[str, str] | None = None,
        encoder: Encoder | str | Path | None = None,
        generator: Callable[[], Generator] | str | None = None,
        device: str | None = None,
    ) -> Gorilla:
        """Answers from the tools that MCP servers list; their index lives in a temporary folder.

        `servers` and `headers` are as for `sources.mcp.read`, which says what it raises; the others as for `load`.
        """
        found = mcp_source.read(servers, headers=headers)
        return cls.from_docs(found.docs, encoder=encoder, generator=generator, device=device)

    @property
    def generator(self) -> Generator:
        """The language model, loaded when it is first needed; once, whoever asks at the same time."""
        with self._making:
            if self._made is None:
                self._made = self._make_generator()
            return self._made

    def search(
        self,
        question: str,
        *,
        mode: Retrieval = "hybrid",
        k: int = 5,
        filters: Filters | None = None,
        weights: Mapping[str, float] | None = None,
        distinct: bool = True,
    ) -> list[Hit]:
        """The documents of the calls that could do it, best first; see `Index.search`."""
        return self.index.search(question, mode=mode, k=k, filters=filters, weights=weights, distinct=distinct)

    def ask(self, question: str, **how: Any) -> Answer:
        """Answers a question; `how` are the attributes of `Ask`.

        Raises:
            UsageError: an empty question, or an argument that can't be served.
            GenerationFailed: the model failed.
            EndpointError: its server failed.
        """
        answer = None
        for event in self.stream(question, **how):
            answer = event.answer
        return cast("Answer", answer)

    def ask_many(self, questions: Sequence[str], **how: Any) -> list[Answer]:
        """Answers questions one after the other, in order."""
        return [self.ask(question, **how) for question in questions]

    def stream(self, question: str, **how: Any) -> Iterator[Event]:
        """Answers a question step by step; the last event has the whole answer. Raises what `ask` raises."""
        unknown = sorted(set(how) - set(Ask.__dataclass_fields__))
        if unknown:
            raise UsageError(f"unknown arguments {unknown}", hint=f"use {', '.join(Ask.__dataclass_fields__)}")
        ask = Ask(**how).checked()
        if not question.strip():
            raise UsageError("the question is empty", hint="ask in plain words what you need")
        flow = Flow(self.index, lambda: self.generator, lambda: self._made is not None)
        return flow.answers(question, ask)

    async def aask(self, question: str, **how: Any) -> Answer:
        """`ask` without blocking the event loop."""
        return await asyncio.to_thread(self.ask, question, **how)

    async def asearch(self, question: str, **how: Any) -> list[Hit]:
        """`search` without blocking the event loop."""
        return await asyncio.to_thread(self.search, question, **how)

    async def aask_many(self, questions: Sequence[str], **how: Any) -> list[Answer]:
        """`ask_many` without blocking the event loop."""
        return await asyncio.to_thread(self.ask_many, questions, **how)

    async def astream(self, question: str, **how: Any) -> AsyncIterator[Event]:
        """`stream` without blocking the event loop."""
        events = self.stream(question, **how)
        while (event := await asyncio.to_thread(next, events, None)) is not None:
            yield event


def _encoder(
    index: Path, given: Encoder | str | Path | None, device: str | None, threads: int | None
) -> Encoder | Callable[[], Encoder]:
    """The encoder given, or what makes it, or the one that the index names."""
    if given is None:
        return lambda: of_index(manifest.read(index).encoder, device=device, threads=threads)
    return (lambda: load_encoder(given, device=device, threads=threads)) if isinstance(given, str | Path) else given


def _maker(generator: Callable[[], Generator] | str | None) -> Callable[[], Generator]:
    """What makes the language model; a wrong name is an error before anything is opened."""
    named = generator or registry.GENERATOR
    return load_generator(named) if isinstance(named, str) else named
