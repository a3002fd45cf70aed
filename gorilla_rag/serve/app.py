"""The HTTP server: OpenAI's chat completions and embeddings, the library's own verbs, and the models' lifecycle."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

import gorilla_rag
from gorilla_rag import devices
from gorilla_rag.answer import Answer
from gorilla_rag.ask import Ask
from gorilla_rag.errors import NotServed, UsageError
from gorilla_rag.flow import Event
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.serve import chat, faults, wire
from gorilla_rag.serve.answering import Answering, Sent, asked
from gorilla_rag.serve.lifecycle import Standing
from gorilla_rag.serve.metrics import Metrics
from gorilla_rag.serve.searches import Searches
from gorilla_rag.serve.tools import make_checking
from gorilla_rag.serve.work import Work, unless_gone

Json = dict[str, Any]
_DONE = b"data: [DONE]\n\n"
_STREAM: Json = {"media_type": "text/event-stream", "headers": {"cache-control": "no-store"}}
MOVES = 8
"""So many models are started and stopped at once, and as many more wait."""
TOOLS_FIT = 0.5
"""Where a tool may be called or not, it is called where it is likelier than not that it fits."""


@dataclass(frozen=True)
class Limits:
    """How much a server takes on.

    Attributes:
        at_once: questions that are answered at once.
        waiting: how many more may wait; the next is told to come back.
        seconds: how long one may take, its waiting included.
        body: bytes of a request.
    """

    at_once: int = 2
    waiting: int = 64
    seconds: float = 120.0
    body: int = 1 << 20


def make_app(answering: Answering, limits: Limits = Limits()) -> FastAPI:
    """The app over indexes and models; what guards it is put around it.

    Args:
        answering: the indexes, the models, and where questions go.
        limits: how much it takes on.
    """
    slow = Work(at_once=limits.at_once, waiting=limits.waiting, seconds=limits.seconds)
    quick = Work(at_once=devices.threads(), waiting=limits.waiting * 4, seconds=limits.seconds)
    moves = Work(at_once=MOVES, waiting=MOVES, seconds=limits.seconds)
    searches = Searches(quick, waiting=limits.waiting * 4)
    metrics = Metrics(
        answering.models,
        answering.route,
        waiting=lambda: slow.waiting + quick.waiting + searches.waiting,
        running=lambda: slow.running + quick.running,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        for work in (slow, quick, moves):
            work.close()
        await run_in_threadpool(answering.close)

    app = FastAPI(
        title="gorilla_rag",
        version=gorilla_rag.__version__,
        description="Which API do I call, exactly?",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=faults.RESPONSES,
    )
    faults.handle(app, metrics)
    _operations(app, answering, metrics)
    _models(app, answering, moves)
    _verbs(app, answering, slow, searches, metrics)
    _openai(app, answering, slow, quick, metrics)
    app.state.metrics = metrics
    return app


def _operations(app: FastAPI, answering: Answering, metrics: Metrics) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process is alive."""
        return {"status": "ok"}

    @app.get("/readyz", responses=faults.NOT_READY)
    async def readyz() -> Response:
        """Questions can be answered: the default model is there."""
        standing = await run_in_threadpool(answering.models.standing, answering.route.model.model)
        ready = standing.state in ("stopped", "starting", "running", "stopping")
        return JSONResponse({"status": standing.state}, 200 if ready else 503)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def prometheus() -> Response:
        """What the server measured, for Prometheus."""
        return Response(await run_in_threadpool(metrics.text), media_type="text/plain; version=0.0.4")


def _models(app: FastAPI, answering: Answering, moves: Work) -> None:
    models = answering.models

    def known(id: str) -> str:  # noqa: A002 (as the API names it)
        if id not in models.names:
            raise NotServed(f"no model {id[:80]!r}", hint="see GET /v1/models, and the registry: models list")
        return id

    @app.get("/v1/models")
    def list_models() -> wire.ListModelsResponse:
        """The models that can be asked."""
        return wire.ListModelsResponse(data=[_model(one) for one in models.loadable()])

    @app.post("/v1/models", status_code=202)
    def download_model(request: wire.DownloadRequest) -> wire.DownloadModelResponse:
        """Begins to fetch a model of the registry; GET /v1/models/{id} says how far it is."""
        standing = models.download(known(request.id))
        said = "is there" if standing.state not in ("downloading", "not_downloaded") else "is being fetched"
        return wire.DownloadModelResponse(id=request.id, state=standing.state, message=f"{request.id} {said}")

    @app.get("/v1/models/{id}")
    def get_model(id: str) -> wire.GetModelResponse:  # noqa: A002
        """A model, whether or not it can be asked."""
        standing = models.standing(known(id))
        done, total = standing.progress
        shown = _model(standing).model_dump()
        return wire.GetModelResponse(**shown, error=standing.error, downloaded_bytes=done, total_bytes=total)

    @app.delete("/v1/models/{id}")
    def delete_model(id: str) -> wire.DeleteModelResponse:  # noqa: A002
        """Deletes a model's files. One that is loaded is refused: stop it first."""
        return wire.DeleteModelResponse(id=id, deleted=models.delete(known(id)).state == "not_downloaded")

    @app.put("/v1/models/{id}/start")
    async def start_model(id: str, request: Request) -> wire.StartModelResponse:  # noqa: A002
        """Loads a model."""
        standing = await unless_gone(request, moves.done(models.start, known(id)))
        return wire.StartModelResponse(id=id, state=standing.state)

    @app.put("/v1/models/{id}/stop")
    async def stop_model(id: str, request: Request) -> wire.StopModelResponse:  # noqa: A002
        """Unloads a model once nobody uses it."""
        standing = await unless_gone(request, moves.done(models.stop, known(id)))
        return wire.StopModelResponse(id=id, state=standing.state)


def _model(standing: Standing) -> wire.Model:
    found = registry.MODELS.get(standing.name)
    return wire.Model(
        id=standing.name,
        created=int(standing.since),
        owned_by="gorilla_rag" if found else "routing",
        name=found.title if found else standing.name,
        description=f"{found.license}; {found.requirement}" if found else "",
        state=standing.state,
        format="gguf" if found else "",
        settings={"ctx_len": "2048"} if found else {},
        metadata={"engine": "llama.cpp", "sha256": found.sha256[found.weights]} if found else {},
    )


def _verbs(app: FastAPI, answering: Answering, slow: Work, searches: Searches, metrics: Metrics) -> None:
    checking = make_checking()

    @app.get("/v1/indexes")
    def list_indexes() -> Json:
        """The indexes, the default one first."""
        return {"object": "list", "data": [_index(name, one) for name, one in answering.indexes.items()]}

    @app.post("/v1/ask", response_model=Json)
    async def ask(given: wire.AskRequest, request: Request) -> Response:
        """Answers a question: the call, an explanation, code, what was checked, and the documents."""
        sent, over = answering.sent(given.question, given.model, given.mode), Gorilla(answering.index(given.index))
        how = asked(given.how())
        answer, where = await unless_gone(request, _answer(answering, slow, given.question, over, how, sent))
        metrics.answer(answer, where)
        return _json({**answer.to_dict(), "model": str(where.target), "route": where.route})

    @app.post("/v1/search", response_model=Json)
    async def search(given: wire.SearchRequest, request: Request) -> Response:
        """The documents of the calls that could do it, best first."""
        index, filters = answering.index(given.index), given.filters.given()
        found = searches.found(given.question, index, mode=given.mode, k=given.k, filters=filters)
        hits = await unless_gone(request, found)
        return _json({"results": [hit.to_dict() for hit in hits]})

    @app.post("/v1/check")
    async def check(given: wire.CheckRequest, request: Request) -> Json:
        """Checks every call and import of Python code against what is installed here; runs nothing."""
        checked = await unless_gone(request, slow.done(checking, given.code))
        return checked.to_dict()


def _openai(app: FastAPI, answering: Answering, slow: Work, quick: Work, metrics: Metrics) -> None:
    @app.post("/v1/embeddings")
    async def embeddings(given: wire.EmbeddingsRequest, request: Request) -> Json:
        """Texts as unit vectors of the default index's encoder."""
        encoder = await run_in_threadpool(lambda: answering.encoder)
        if given.model not in (None, encoder.id):
            raise NotServed(f"no encoder {given.model[:80]!r}", hint=f"the encoder is {encoder.id}")
        if (given.model_extra or {}).get("dimensions") not in (None, encoder.dimension):
            raise UsageError(f"{encoder.id} has {encoder.dimension} dimensions", hint="leave dimensions out")
        texts = [given.input] if isinstance(given.input, str) else given.input
        encoded = quick.done(lambda: np.asarray(encoder.encode(texts), dtype="<f4"))
        vectors = await unless_gone(request, encoded)
        rows = [
            {"object": "embedding", "index": number, "embedding": _vector(row, given.encoding_format)}
            for number, row in enumerate(vectors)
        ]
        words = sum(len(text.split()) for text in texts)
        return {
            "object": "list",
            "data": rows,
            "model": encoder.id,
            "usage": {"prompt_tokens": words, "total_tokens": words},
        }

    @app.post("/v1/chat/completions", responses={200: {"content": {"text/event-stream": {}}}})
    async def completions(given: wire.ChatRequest, request: Request) -> Response:
        """Answers the last user message: as text, as the object of `response_format`, or as calls of `tools`."""
        question, tools = chat.question(given), _tools(given)
        schema = await run_in_threadpool(chat.structure, given)
        sent, over = answering.sent(question, given.model), Gorilla(answering.index(given.gorilla.index))
        how = _how(given)
        reply = chat.Reply(
            str(sent.target),
            schema=schema,
            tools=bool(tools),
            required=given.tool_choice not in (None, "auto"),
            include_usage=bool(given.stream_options and given.stream_options.include_usage),
        )
        if tools and (said := chat.results(given)):
            return _handed_on(reply, "\n".join(said), stream=bool(given.stream))
        if tools:
            named = given.tool_choice.function.name if isinstance(given.tool_choice, wire.ToolChoice) else None
            over = await unless_gone(request, quick.done(answering.over_tools, tools, named))
            sent = sent.reading()
        if given.stream:
            return await _streamed(
                request, slow.items(lambda: answering.events(question, over, how, sent)), metrics, reply
            )
        answer, where = await unless_gone(request, _answer(answering, slow, question, over, how, sent))
        whole = await run_in_threadpool(replace(reply, model=str(where.target)).whole, answer)
        metrics.answer(answer, where)
        return _json(whole)


def _tools(given: wire.ChatRequest) -> list[Json]:
    """The tools that may be called, as functions."""
    tools = given.tools if given.tool_choice != "none" else None
    return [tool.function.model_dump(include={"name", "description", "parameters"}) for tool in tools or ()]


def _how(given: wire.ChatRequest) -> Ask:
    """How a conversation's question is answered. Of tools, one is called where it is likely enough that it fits."""
    how = given.gorilla.how()
    if given.tools and given.tool_choice != "none":
        if given.tool_choice in (None, "auto"):
            how["least_fit"] = how["least_fit"] or TOOLS_FIT
        how |= {"calls": max(how["calls"], 8 if given.parallel_tool_calls else 1), "fields": "call"}
    return asked(how)


async def _answer(
    answering: Answering, work: Work, question: str, over: Gorilla, how: Ask, sent: Sent
) -> tuple[Answer, Sent]:
    async with aclosing(work.items(lambda: answering.events(question, over, how, sent))) as events:
        made = [(event.answer, where) async for event, where in events if event.kind == "answer"]
    return made[-1]


async def _streamed(
    request: Request, events: AsyncGenerator[tuple[Event, Sent]], metrics: Metrics, reply: chat.Reply
) -> Response:
    """The answer as server-sent events; what fails before the first of them has a status of its own."""
    try:
        first = await unless_gone(request, anext(events))
    except BaseException:
        await events.aclose()
        raise

    async def body() -> AsyncIterator[bytes]:
        async with aclosing(events):
            try:
                yield _event(reply.begun())
                async for event, sent in _after(first, events):
                    own = replace(reply, model=str(sent.target))
                    for piece in await run_in_threadpool(lambda: list(own.pieces(event))):  # noqa: B023
                        yield _event(piece)
                    if event.kind == "answer":
                        metrics.answer(event.answer, sent)
            except Exception as error:  # the status is out already
                metrics.error(error)
                yield _event(faults.body(error)[1])
            yield _DONE

    return StreamingResponse(body(), **_STREAM)


def _handed_on(reply: chat.Reply, said: str, *, stream: bool) -> Response:
    """What tools said, as the answer."""
    if reply.schema is not None:
        raise UsageError(
            "what a tool said has no response_format", hint="leave response_format out where tools' results are sent"
        )
    if not stream:
        return _json(reply.handed_on(said))
    pieces = [*map(_event, reply.handed_on_pieces(said)), _DONE]
    return StreamingResponse(iter(pieces), **_STREAM)


async def _after(first: Any, others: AsyncIterator[Any]) -> AsyncIterator[Any]:
    yield first
    async for one in others:
        yield one


def _event(value: Json) -> bytes:
    return b"data: " + _encoded(value) + b"\n\n"


def _json(value: Json) -> Response:
    return Response(_encoded(value), media_type="application/json")


def _encoded(value: Json) -> bytes:
    """As JSON; half a character, which a model may write and nobody can send, as a question mark."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _vector(row: Any, form: str | None) -> Any:
    return base64.b64encode(row.tobytes()).decode() if form == "base64" else row.tolist()


def _index(name: str, index: Index) -> Json:
    return {
        "id": name,
        "object": "index",
        "documents": index.manifest.counts["documents"],
        "calls": index.manifest.counts["calls"],
        "encoder": index.encoder.id,
        "versions": dict(index.versions),
    }
