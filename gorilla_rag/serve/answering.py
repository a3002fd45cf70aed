"""How a served question is answered: over which index, by which model, and where it goes when that one isn't sure."""

from __future__ import annotations

import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gorilla_rag.answer import Mode
from gorilla_rag.ask import Ask
from gorilla_rag.encoders import Encoder
from gorilla_rag.errors import NotServed, UsageError
from gorilla_rag.flow import Event
from gorilla_rag.generate.load import load_generator
from gorilla_rag.gorilla import Gorilla
from gorilla_rag.index.index import Index
from gorilla_rag.models import registry
from gorilla_rag.serve import routing
from gorilla_rag.serve.lifecycle import Entry, Models
from gorilla_rag.serve.routing import AUTO, Routing, Target
from gorilla_rag.sources import tools as tool_source

KEPT_TOOL_SETS = 32
_IN_MEMORY = 1.5
"""A loaded model takes more than its file: a cache of keys and values, and buffers."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a question went.

    Attributes:
        route: `named` by the client; `default`, `a` or `b` by the server, or `fallback`.
        target: the model and mode.
        first: the route that handed the question over, of `fallback`.
        reads: whether documents came with the question, so that they are read whatever the target's mode.
    """

    route: str
    target: Target
    first: str = ""
    reads: bool = False

    def reading(self) -> Sent:
        """The same with documents that came with the question."""
        blind = self.target.mode == "zero-shot"
        return replace(self, target=replace(self.target, mode="hybrid") if blind else self.target, reads=True)


class Answering:
    """Answers over several indexes by several models.

    Args:
        indexes: by name, the default one first.
        models: the models.
        route: where questions go that name none.
    """

    def __init__(self, indexes: Mapping[str, Index], models: Models, route: Routing) -> None:
        self.indexes, self.models, self.route = dict(indexes), models, route
        self._names = dict.fromkeys(models.names)
        self._tool_sets: OrderedDict[str, Gorilla] = OrderedDict()
        self._lock = threading.Lock()

    def index(self, name: str | None) -> Index:
        """An index by its name; the default one by none.

        Raises:
            NotServed: none has that name.
        """
        if name is None:
            return next(iter(self.indexes.values()))
        if name not in self.indexes:
            raise NotServed(f"no index {name[:80]!r}", hint=f"the indexes are {', '.join(self.indexes)}")
        return self.indexes[name]

    @property
    def encoder(self) -> Encoder:
        """The default index's."""
        return self.index(None).encoder

    def sent(self, question: str, named: str | None, mode: Mode | None = None) -> Sent:
        """Where a question goes, in another mode if one is wanted.

        Raises:
            NotServed, UsageError: the client names a model or a mode that isn't served.
        """
        if named is None or named == AUTO:
            route, where = self.route.first(question)
        else:
            route, where = "named", self.target(named)
        return Sent(route, replace(where, mode=mode) if mode else where)

    def target(self, named: str) -> Target:
        """The model and mode of a name; raises as `sent`."""
        try:
            return routing.target(named, self._names)
        except UsageError as error:
            if error.message.startswith("no model"):
                raise NotServed(error.message, hint=error.hint) from error
            raise

    def events(self, question: str, over: Gorilla, ask: Ask, sent: Sent) -> Iterator[tuple[Event, Sent]]:
        """Answers a question step by step, from the documents of `over`, which is kept until then.

        What the server sent somewhere is asked again of the fallback where the first one refuses or isn't sure, which
        is known before anything is explained. The answer's tokens are those of both.
        """
        fallback = self.route.fallback
        if sent.route == "named" or fallback is None:
            yield from self._answer(question, over, ask, sent)
            return
        known, spent = False, Counter[str]()
        for event, where in self._answer(question, over, ask, sent):
            if not known and event.kind in ("call", "answer"):
                confidence = event.answer.confidence
                if event.answer.refused or (confidence is not None and confidence < self.route.below):
                    spent.update(event.answer.tokens)
                    break
                known = True
            yield event, where
        else:
            return
        other = Sent("fallback", fallback, first=sent.route)
        for event, where in self._answer(question, over, ask, other.reading() if sent.reads else other):
            # What the first one read and wrote was spent on this answer too.
            tokens = dict(spent + Counter(event.answer.tokens))
            yield replace(event, answer=replace(event.answer, tokens=tokens)), where

    def _answer(self, question: str, over: Gorilla, ask: Ask, sent: Sent) -> Iterator[tuple[Event, Sent]]:
        with ExitStack() as held:
            gorilla = Gorilla(over.index, lambda: held.enter_context(self.models.used(sent.target.model)))
            how = {name: getattr(ask, name) for name in Ask.__dataclass_fields__}
            for event in gorilla.stream(question, **{**how, "mode": sent.target.mode}):
                yield event, sent

    def over_tools(self, tools: Sequence[Mapping[str, Any]], named: str | None) -> Gorilla:
        """What finds tools that came with a question.

        Args:
            tools: each with `name`, `description` and `parameters`.
            named: the only one that counts; all of them if not given.

        Raises:
            UsageError: two tools of one name, or none of that one.
        """
        chosen = [tool for tool in tools if named in (None, tool["name"])]
        if not chosen:
            raise UsageError(f"no tool has the name {str(named)[:80]!r}", hint="choose one of tools")
        return self._tools(chosen)

    def _tools(self, tools: Sequence[Mapping[str, Any]]) -> Gorilla:
        key = json.dumps(tools, sort_keys=True)
        with self._lock:
            if key not in self._tool_sets:
                docs = [tool_source.document(tool, source="request")[0] for tool in tools]
                self._tool_sets[key] = Gorilla.from_docs(docs, encoder=self.encoder)
            self._tool_sets.move_to_end(key)
            while len(self._tool_sets) > KEPT_TOOL_SETS:
                self._tool_sets.popitem(last=False)
            return self._tool_sets[key]

    def close(self) -> None:
        """Lets go of models and indexes."""
        self.models.close()
        self._tool_sets.clear()
        for index in self.indexes.values():
            index.close()


def entries(route: Routing) -> dict[str, Entry]:
    """The models that may be served: the registry's, and those that the routing names."""
    made = {name: _known(name) for name in routing.generators()}
    for name, own in route.models.items():
        load = load_generator(own.generator, adapter=own.adapter)
        made[name] = Entry(name, own.generator, load, partial(_size, own.generator))
    return made


def _known(name: str) -> Entry:
    found = registry.spec(name)
    return Entry(name, name, load_generator(name), partial(_size, name), known=found.name)


def _size(spec: str) -> int:
    """About how many bytes of memory a model takes, by its file; 0 for one that runs elsewhere or isn't there."""
    if spec in registry.MODELS:
        file = registry.folder(spec) / registry.spec(spec).weights
        return int(_IN_MEMORY * file.stat().st_size) if file.is_file() else 0
    kind, _, name = spec.partition(":")
    folder = Path(name) if kind == "transformers" else None
    files = folder.glob("*.safetensors") if folder and folder.is_dir() else ()
    return int(_IN_MEMORY * sum(file.stat().st_size for file in files))


def asked(how: Mapping[str, Any], **more: Any) -> Ask:
    """How a question is to be answered, out of a request's fields."""
    known = {name: value for name, value in how.items() if name in Ask.__dataclass_fields__}
    return replace(Ask(), **{**known, **more})
