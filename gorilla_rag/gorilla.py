"""`Gorilla`: a question in, an answer out. Nothing but the flow: search, choose, generate, verify."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, cast

from gorilla_rag import signatures, starter
from gorilla_rag.answer import Answer, Candidate, Hit
from gorilla_rag.apidoc import ApiDoc
from gorilla_rag.ask import Ask
from gorilla_rag.call import Call, parse_or_raw
from gorilla_rag.choose import Choice, choose
from gorilla_rag.encoders import Encoder
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from gorilla_rag.encoders.load import load_encoder, of_index
from gorilla_rag.errors import UsageError
from gorilla_rag.generate.base import Generator
from gorilla_rag.generate.load import load_generator
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.generate.write import Filled, Writer
from gorilla_rag.index import change, manifest
from gorilla_rag.index.index import RETRIEVALS, Filters, Index, Retrieval
from gorilla_rag.models import registry
from gorilla_rag.snippet import code_for
from gorilla_rag.sources import mcp as mcp_source
from gorilla_rag.sources import python as python_source
from gorilla_rag.verify import placeholders, verify


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an answer as it is made.

    Attributes:
        kind: `hits` (the documents are found), `call` (the call is known), `text` (a piece of the explanation),
            `answer` (the whole; always last).
        answer: what is known so far.
        text: the piece, for `text`.
    """

    kind: Literal["hits", "call", "text", "answer"]
    answer: Answer
    text: str = ""


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
        self._folder: TemporaryDirectory[str] | None = None

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        encoder: Encoder | str | Path | None = None,
        generator: Callable[[], Generator] | str | None = None,
        device: str | None = None,
    ) -> Gorilla:
        """Opens an index, or the starter index, which is built on first use.

        Args:
            path: the index's folder.
            encoder: what made its vectors, or its name or folder, as `load_encoder` takes it; by default the one that
                the index names. It is loaded when it is first needed.
            generator: the language model, such as `openai:MODEL@http://127.0.0.1:11434/v1`; see `Gorilla`.
            device: a torch device, such as `cuda`, to search on (see `Index`), and for the encoder unless it is given
                made.

        Raises:
            UsageError: no generator has that name.
            IndexMissing, IndexCorrupt, IndexMismatch: the index can't be used.
            ModelMissing: the starter index has to be built and the encoder isn't there.
            DeviceMissing: the device isn't there.
            ExtraMissing: a device is named and torch isn't installed.
        """
        generator = _maker(generator)
        folder = Path(path) if path else starter.ensure(EmbeddedEncoder)
        opened = Index(folder, _encoder(folder, encoder, device), device=device, prefer=signatures.prefer)
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

    @cached_property
    def generator(self) -> Generator:
        """The language model, loaded when it is first needed."""
        return self._make_generator()

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
        return self._answers(question, ask)

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

    def _answers(self, question: str, ask: Ask) -> Iterator[Event]:
        """The flow."""
        clock = _Clock()
        answer = Answer(question=question, mode=ask.mode)
        candidates = self._candidates(question, ask)
        clock.mark("search")
        hits = tuple(hit for candidate in candidates for hit in candidate.hits)
        answer = replace(answer, hits=hits, timings=clock.timings)
        if ask.mode != "zero-shot" and not candidates:
            yield Event("answer", replace(answer, reason="no document was found for these words and filters"))
            return
        yield Event("hits", answer)
        if ask.constrain == "docs" and candidates:
            yield from self._grounded(answer, candidates, ask, clock)
        else:
            yield from self._free(answer, candidates, ask, clock)

    def _candidates(self, question: str, ask: Ask) -> list[Candidate]:
        if ask.mode == "oracle":
            shown = enumerate(ask.shown, start=1)
            return [Candidate((Hit(doc, 1.0, rank, {"oracle": (rank, 1.0)}),)) for rank, doc in shown]
        if ask.mode not in RETRIEVALS:
            return []
        return self.index.candidates(question, mode=ask.mode, k=ask.k, filters=ask.filters, weights=ask.weights)

    def _grounded(self, answer: Answer, candidates: list[Candidate], ask: Ask, clock: _Clock) -> Iterator[Event]:
        """A call of one of the found documents."""
        writer = Writer(lambda: self.generator, answer.question)
        choice = self._choice(writer, candidates, ask)
        clock.mark("choose")
        answer = replace(answer, confidence=choice.confidence)
        if choice.confidence < ask.threshold:
            reason = f"the best call has confidence {choice.confidence:.2f}, below {ask.threshold:.2f}"
            yield Event("answer", replace(answer, reason=reason, tokens=writer.tokens, timings=clock.timings))
            return
        doc = candidates[choice.number].doc
        chosen = candidates[choice.number].hits
        others = (hit for hit in answer.hits if hit not in chosen)
        answer = replace(_from_document(answer, doc), hits=(*chosen, *others))
        filled = writer.arguments(doc, LABELS[choice.number], ask.given)
        answer = replace(answer, missing=filled.missing)
        call = doc.call.with_arguments(filled.values, doc.parameter_names)
        clock.mark("arguments")
        yield Event("call", replace(answer, api_call=call.render(), call=call, placeholders=placeholders(call)))
        if ask.fields == "all" and "generator" not in self.__dict__:
            _ = self.generator
            clock.mark("load model")
        explanation = ""
        for piece in writer.explanation(doc, LABELS[choice.number]) if ask.fields == "all" else ():
            explanation += piece
            yield Event("text", replace(answer, explanation=explanation), piece)
        clock.mark("explain")
        yield Event("answer", self._finished(answer, call, doc, explanation, filled, writer, clock))

    def _choice(self, writer: Writer, candidates: list[Candidate], ask: Ask) -> Choice:
        if ask.chooser == "retriever" or len(candidates) == 1:
            return choose(candidates, mode=ask.mode, chooser="retriever")
        shown = writer.labels(candidates)
        weight = self.generator.joint_weight
        return choose(
            candidates[: len(shown)], mode=ask.mode, chooser=ask.chooser, log_probabilities=shown, weight=weight
        )

    def _free(self, answer: Answer, candidates: list[Candidate], ask: Ask, clock: _Clock) -> Iterator[Event]:
        """A call from anywhere in the catalogue, or from nowhere but the model."""
        writer = Writer(lambda: self.generator, answer.question)
        catalogue = self.index.store.catalogue() if ask.constrain == "catalogue" else None
        draft, reason = writer.recall(candidates, catalogue, call_only=ask.fields == "call")
        clock.mark("recall")
        if draft is None:
            yield Event("answer", replace(answer, reason=reason, tokens=writer.tokens, timings=clock.timings))
            return
        call = parse_or_raw(draft.choice)
        key = catalogue.get(draft.choice) if catalogue else call.key()
        docs = self.index.store.of_call(key or "")
        if docs:
            answer = _from_document(answer, docs[0])
            call = docs[0].call if catalogue else call
        filled = Filled({})
        if docs and catalogue and docs[0].kind != "python":
            filled = writer.arguments(docs[0], LABELS[0], ask.given)
            answer = replace(answer, missing=filled.missing)
            call = call.with_arguments(filled.values, docs[0].parameter_names)
        yield Event("call", replace(answer, api_call=call.render(), call=call))
        yield Event(
            "answer",
            self._finished(answer, call, docs[0] if docs else None, draft.explanation, filled, writer, clock),
        )

    def _finished(
        self,
        answer: Answer,
        call: Call,
        doc: ApiDoc | None,
        explanation: str,
        filled: Filled,
        writer: Writer,
        clock: _Clock,
    ) -> Answer:
        """The answer with its code, its verdict and what it took."""
        code = code_for(doc, call) if doc else call.render()
        lookup = self.index.store.of_function
        verdict = verify(
            call, code, lookup, doc=doc, removed=filled.removed, faults=filled.faults, missing=filled.missing
        )
        clock.mark("verify")
        return replace(
            answer,
            api_call=call.render(),
            call=call,
            placeholders=placeholders(call),
            explanation=explanation,
            code=code,
            verdict=verdict,
            timings=clock.timings,
            tokens=writer.tokens,
        )


class _Clock:
    """Seconds by step, in the order in which the steps came."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, step: str) -> None:
        """Ends a step."""
        now = time.perf_counter()
        self.timings = {**self.timings, step: now - self._last}
        self._last = now


def _from_document(answer: Answer, doc: ApiDoc) -> Answer:
    return replace(
        answer,
        domain=doc.domain,
        api_provider=doc.framework,
        version=doc.version,
        source=doc.source,
        trusted=doc.trusted,
    )


def _encoder(index: Path, given: Encoder | str | Path | None, device: str | None) -> Encoder | Callable[[], Encoder]:
    """The encoder given, or what makes it, or the one that the index names."""
    if given is None:
        return lambda: of_index(manifest.read(index).encoder, device=device)
    return (lambda: load_encoder(given, device=device)) if isinstance(given, str | Path) else given


def _maker(generator: Callable[[], Generator] | str | None) -> Callable[[], Generator]:
    """What makes the language model; a wrong name is an error before anything is opened."""
    named = generator or registry.GENERATOR
    return load_generator(named) if isinstance(named, str) else named
