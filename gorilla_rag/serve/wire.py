"""What goes over the wire: requests as they are read, and the lifecycle's responses.

Chat completions and embeddings follow OpenAI's API as its clients use it; what they send that makes no difference here
(temperature, seed, user …) is accepted and ignored. The lifecycle's schemas are those of docs/models-api.yaml.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gorilla_rag.answer import Chooser, Constrain
from gorilla_rag.ask import MOST_CALLS, Fields
from gorilla_rag.generate.schema import LABELS
from gorilla_rag.index.index import Retrieval
from gorilla_rag.serve.lifecycle import State
from gorilla_rag.serve.tools import LONGEST_CODE, LONGEST_QUESTION
from gorilla_rag.validate import unfolds_to

MOST_MESSAGES = 1_000
MOST_TOOLS = 128
MOST_TEXTS = 2_048
LONGEST_SCHEMA = 64_000
MOST_PARTS = 4_000


def _whole(value: Any) -> Any:
    """JSON has no integers apart: 5.0 is 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sendable(value: Any) -> Any:
    """JSON that can be sent on: no half of a character, no number that isn't one."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no number")
    elif isinstance(value, list):
        return [_sendable(one) for one in value]
    elif isinstance(value, dict):
        return {_sendable(name): _sendable(one) for name, one in value.items()}
    return value


def _without_patterns(value: Any) -> Any:
    """A schema without what only a pattern could refuse: a pattern of a client's could keep a server busy for ever."""
    if isinstance(value, list):
        return [_without_patterns(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if not (name == "pattern" and isinstance(one, str))}
    return {name: _without_patterns(one) for name, one in kept.items() if name != "patternProperties"}


def _bounded(value: Any) -> Any:
    """A schema that is applied in no time: neither long, nor of many parts once its references are followed."""
    if len(json.dumps(value)) > LONGEST_SCHEMA:
        raise ValueError(f"a schema of more than {LONGEST_SCHEMA} characters")
    if unfolds_to(value, MOST_PARTS) > MOST_PARTS:
        raise ValueError(f"a schema of more than {MOST_PARTS} parts, with its references followed")
    return value


_WHOLE = BeforeValidator(_whole)
Json = Annotated[dict[str, Any], BeforeValidator(_sendable)]
Schema = Annotated[dict[str, Any], BeforeValidator(lambda value: _bounded(_without_patterns(_sendable(value))))]
Question = Annotated[str, Field(min_length=1, max_length=LONGEST_QUESTION)]
Probability = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=1, le=len(LABELS)), _WHOLE]
Texts = str | list[str] | None


class Read(BaseModel):
    """A request: what isn't known, or is of another type, is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Filters(Read):
    """Which documents count: a value, or any of several."""

    provider: Texts = None
    domain: Texts = None
    kind: Texts = None
    package: Texts = None
    version: Texts = None
    id: Texts = None

    def given(self) -> dict[str, str | list[str]]:
        """Those that are."""
        return {name: value for name, value in self if value is not None}


class Open(BaseModel):
    """A part of OpenAI's API: what isn't known is ignored."""

    model_config = ConfigDict(extra="allow", strict=True, populate_by_name=True)


class How(Read):
    """How a question is to be answered; as the keyword arguments of `Gorilla.ask`."""

    index: str | None = Field(default=None, description="An index of GET /v1/indexes; the first one by default.")
    k: Number = 5
    filters: Filters = Field(default_factory=Filters)
    chooser: Chooser = "retriever"
    constrain: Constrain | None = None
    threshold: Probability = 0.0
    least_fit: Probability = 0.0
    calls: Annotated[int, Field(ge=1, le=MOST_CALLS), _WHOLE] = 1
    fields: Fields = "all"
    given: Json = Field(default_factory=dict)

    def how(self) -> dict[str, Any]:
        """The fields, by name."""
        return {**dict(self), "filters": self.filters.given()}


class AskRequest(How):
    """A question."""

    question: Question
    model: str | None = Field(default=None, description="MODEL or MODEL:MODE; the server's own route by default.")
    mode: Literal["zero-shot", "bm25", "dense", "hybrid"] | None = Field(default=None, description="In place of MODE.")


class SearchRequest(Read):
    """A search."""

    question: Question
    index: str | None = None
    mode: Retrieval = "hybrid"
    k: Annotated[int, Field(ge=1, le=100), _WHOLE] = 5
    filters: Filters = Field(default_factory=Filters)


class CheckRequest(Read):
    """Python code."""

    code: Annotated[str, Field(max_length=LONGEST_CODE)]


class Part(Open):
    """A part of a message's content; only text is read."""

    type: str
    text: str | None = None


class Message(Open):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    @property
    def said(self) -> str:
        """Its text."""
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text" and part.text)
        return self.content or ""


class Named(Open):
    """A JSON Schema with a name."""

    name: str = "answer"
    schema_: Schema = Field(default_factory=dict, alias="schema")


class ResponseFormat(Open):
    """The form that an answer's content should have."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Named | None = None


class Function(Open):
    """A function that may be called."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: Schema | None = None


class Tool(Open):
    """A tool that may be called."""

    type: Literal["function"]
    function: Function


class FunctionName(Open):
    """A function by its name."""

    name: str


class ToolChoice(Open):
    """The tool that is to be called."""

    type: Literal["function"] = "function"
    function: FunctionName


class StreamOptions(Open):
    """How an answer is streamed."""

    include_usage: bool = False


class ChatRequest(Open):
    """A conversation; its last user message is the question."""

    model: str | None = None
    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Field(ge=1, le=1), _WHOLE] | None = 1
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    gorilla: How = Field(default_factory=How, description="How to answer, beyond OpenAI's own fields.")


class EmbeddingsRequest(Open):
    """Texts to be turned into vectors."""

    model: str | None = None
    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1, max_length=MOST_TEXTS)]
    )
    encoding_format: Literal["float", "base64"] | None = "float"


class DownloadRequest(Read):
    """A model of the registry that is to be fetched."""

    id: Annotated[str, Field(min_length=1, max_length=64)]


class ModelObject(BaseModel):
    """A model as OpenAI's clients know it."""

    id: str = Field(examples=["api-smollm2"])
    object: Literal["model"] = "model"
    created: int = Field(description="Unix time since which it is in its state.")
    owned_by: str


class Model(ModelObject):
    """A model of this server."""

    type: Literal["model"] = "model"
    name: str
    version: str = "1"
    description: str = ""
    state: State
    format: str = Field(default="", examples=["gguf"])
    source_url: str | None = Field(default=None, description="None: files come out of pinned wheels.")
    settings: dict[str, str] = Field(default_factory=dict, examples=[{"ctx_len": "2048"}])
    parameters: dict[str, str] = Field(default_factory=dict, description="Empty: writing is greedy.")
    metadata: dict[str, str] = Field(default_factory=dict, examples=[{"engine": "llama.cpp"}])
    assets: list[str] = Field(default_factory=list)


class ListModelsResponse(BaseModel):
    """The models that can be asked."""

    object: Literal["list"] = "list"
    data: list[Model]


class GetModelResponse(Model):
    """A model, whether or not it can be asked."""

    error: str = Field(default="", description="Why it failed to load, or to be fetched.")
    downloaded_bytes: int = 0
    total_bytes: int = Field(default=0, description="0 while it isn't known.")


class DeleteModelResponse(BaseModel):
    """A model was deleted."""

    id: str
    object: Literal["model"] = "model"
    deleted: bool


class StartModelResponse(BaseModel):
    """A model was started."""

    id: str
    object: Literal["model"] = "model"
    state: State


class StopModelResponse(BaseModel):
    """A model was stopped."""

    id: str
    object: Literal["model"] = "model"
    state: State


class DownloadModelResponse(BaseModel):
    """A model is being fetched."""

    id: str
    object: Literal["model"] = "model"
    state: State
    message: str


class Fault(BaseModel):
    """What is wrong, and what to do."""

    message: str
    hint: str
    type: str
    code: str | None = None
    param: str | None = None


class ErrorResponse(BaseModel):
    """An error's body."""

    error: Fault
