"""Which models are there, and which are loaded: one state machine over the registry.

    not_downloaded -> downloading -> stopped -> starting -> running -> stopping -> stopped
                                        ^           |
                                        +- failed <-+

Every change of state happens under one lock; what takes long (fetching, loading, unloading) happens outside it, in a
state that says so. Whoever wants a model that is on its way waits for it; whoever wants what contradicts it is refused.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from gorilla_rag.errors import GenerationFailed, GorillaError, ModelBusy, ModelMissing, ModelTooLarge, UsageError
from gorilla_rag.generate.base import Generator
from gorilla_rag.models import download, registry

State = Literal["not_downloaded", "downloading", "stopped", "starting", "running", "stopping", "failed"]
STATES: tuple[State, ...] = ("not_downloaded", "downloading", "stopped", "starting", "running", "stopping", "failed")
WAIT_SECONDS = 120.0
_MOVING: tuple[State, ...] = ("downloading", "starting", "stopping")


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that may be served.

    Attributes:
        name: its id.
        spec: as `load_generator` takes it.
        make: loads it.
        size: about how many bytes of memory it takes; asked before it is loaded.
        known: its name in the registry, which can fetch and delete it; empty for one that lies elsewhere.
    """

    name: str
    spec: str
    make: Callable[[], Generator]
    size: Callable[[], int] = int
    known: str = ""


@dataclass
class _Model:
    """An entry's state."""

    entry: Entry
    state: State
    generator: Generator | None = None
    users: int = 0
    used: float = 0.0
    error: str = ""
    progress: tuple[int, int] = (0, 0)
    bytes: int = 0
    since: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a model stands: its state, why it failed if it did, bytes fetched of how many, and since when."""

    name: str
    state: State
    error: str
    progress: tuple[int, int]
    since: float


class Models:
    """The models of a server.

    Args:
        entries: what may be served.
        memory: bytes that loaded models may take together; no limit by default.
        idle: seconds after which a model that nobody uses is unloaded; never by default.
    """

    def __init__(self, entries: Mapping[str, Entry], *, memory: int | None = None, idle: float | None = None) -> None:
        self._memory, self._idle = memory, idle
        self._changed = threading.Condition()
        self._models = {name: _Model(entry, _there(entry)) for name, entry in entries.items()}
        self._closed = threading.Event()
        if idle:
            threading.Thread(target=self._watch, daemon=True, name="idle models").start()

    def standing(self, name: str) -> Standing:
        """How a model stands.

        Raises:
            UsageError: no model has that name.
        """
        with self._changed:
            one = self._seen(name)
            return Standing(name, one.state, one.error, one.progress, one.since)

    @property
    def names(self) -> Collection[str]:
        """What may be asked for, there or not."""
        return self._models.keys()

    def all(self) -> list[Standing]:
        """How every model stands."""
        return [self.standing(name) for name in self._models]

    def loadable(self) -> list[Standing]:
        """Those that can be asked: what isn't fetched, or failed to load, isn't among them."""
        return [one for one in self.all() if one.state in ("stopped", "starting", "running", "stopping")]

    @contextmanager
    def used(self, name: str) -> Iterator[Generator]:
        """A model that stays loaded until it is given back; it is loaded if need be.

        Raises:
            UsageError: no model has that name.
            ModelMissing: it has to be fetched first.
            ModelBusy: it doesn't come to rest.
            ModelTooLarge: there is no room for it.
            GorillaError: it can't be loaded; it is then `failed`.
        """
        model = self._leased(name)
        try:
            assert model.generator is not None  # noqa: S101 (a leased model isn't unloaded)
            yield model.generator
        finally:
            with self._changed:
                model.users -= 1
                model.used = time.monotonic()
                self._changed.notify_all()

    def start(self, name: str) -> Standing:
        """Loads a model, unless it is loaded; raises what `used` raises."""
        with self.used(name):
            return self.standing(name)

    def stop(self, name: str) -> Standing:
        """Unloads a model once nobody uses it; whoever asks for it meanwhile waits, and loads it again.

        Raises:
            UsageError: no model has that name.
            ModelBusy: it is being fetched, or still used after a while.
        """
        with self._changed:
            model = self._at_rest(name)
            if model.state == "running":
                self._move(model, "stopping")
                done = self._changed.wait_for(lambda: not model.users, WAIT_SECONDS)
                if not done:
                    self._move(model, "running")
                    raise ModelBusy(f"{name!r} is still answering", hint="stop it again later")
                model.generator = None
                gc.collect()
                self._move(model, "stopped")
        return self.standing(name)

    def delete(self, name: str) -> Standing:
        """Deletes a model's files.

        Raises:
            UsageError: no model has that name, or it isn't one of the registry.
            ModelBusy: it is loaded, or on its way.
        """
        with self._changed:
            model = self._seen(name)
            if not model.entry.known:
                raise UsageError(f"{name!r} isn't kept by this server", hint="delete it where it lies")
            if model.state in (*_MOVING, "running"):
                raise ModelBusy(f"{name!r} is {model.state}", hint=f"stop it first: PUT /v1/models/{name}/stop")
            registry.remove(model.entry.known)
            model.error = ""
            self._move(model, _there(model.entry))
        return self.standing(name)

    def download(self, name: str) -> Standing:
        """Begins to fetch a model, in the background; its progress is in `standing`.

        Raises:
            UsageError: no model has that name, or it isn't one of the registry.
            ModelBusy: it is on its way.
        """
        with self._changed:
            model = self._seen(name)
            if not model.entry.known:
                raise UsageError(f"{name!r} isn't in the registry", hint="fetch it where it lies")
            if model.state in ("starting", "stopping"):
                raise ModelBusy(f"{name!r} is {model.state}", hint="try again in a moment")
            if model.state in ("not_downloaded", "failed"):
                model.error, model.progress = "", (0, 0)
                self._move(model, "downloading")
                threading.Thread(target=self._fetch, args=(model,), daemon=True, name=f"download {name}").start()
        return self.standing(name)

    def close(self) -> None:
        """Lets every model go."""
        self._closed.set()
        with self._changed:
            for model in self._models.values():
                if model.state == "running":
                    model.generator = None
                    self._move(model, "stopped")
        gc.collect()

    def _fetch(self, model: _Model) -> None:
        def tell(done: int, total: int) -> None:
            model.progress = (done, total)

        try:
            download.pull(model.entry.known, progress=tell)
        except Exception as error:  # a background task has nobody to raise to: the state says it
            self._end(model, _there(model.entry), error.message if isinstance(error, GorillaError) else repr(error))
        else:
            self._end(model, "stopped", "")
        with self._changed:  # another may have come along with it, as its base
            for other in self._models.values():
                if other.state == "not_downloaded" and _there(other.entry) == "stopped":
                    self._move(other, "stopped")

    def _end(self, model: _Model, state: State, error: str) -> None:
        with self._changed:
            model.error = error
            self._move(model, state)

    def _leased(self, name: str) -> _Model:
        """A loaded model with one user more."""
        with self._changed:
            model = self._at_rest(name)
            if model.state == "not_downloaded":
                raise ModelMissing(f"{name!r} isn't there", hint=f'fetch it: POST /v1/models {{"id": "{name}"}}')
            if model.state == "running":
                model.users += 1
                return model
            unload = self._room_for(model)
            self._move(model, "starting")
        del unload
        gc.collect()
        try:
            made = model.entry.make()
        except GorillaError as error:
            self._end(model, "failed", error.message)
            raise
        except BaseException as error:  # whatever a backend raises, the state says it
            self._end(model, "failed", repr(error))
            if not isinstance(error, Exception):
                raise
            raise GenerationFailed(
                f"{name!r} can't be loaded: {error!r}", hint="see its `error`, or try again"
            ) from error
        with self._changed:
            model.generator, model.users, model.error = made, model.users + 1, ""
            self._move(model, "running")
        return model

    def _room_for(self, wanted: _Model) -> list[Any]:
        """Takes models that nobody uses out of memory, the longest unused first, until there is room.

        Raises:
            ModelTooLarge: there never is.
        """
        wanted.bytes = wanted.entry.size()
        if self._memory is None:
            return []
        held = [one for one in self._models.values() if one.state in ("starting", "running", "stopping")]
        idle = sorted((one for one in held if one.state == "running" and not one.users), key=lambda one: one.used)
        over = sum(one.bytes for one in held) + wanted.bytes - self._memory
        if over > sum(one.bytes for one in idle):
            needs, has = (round(number / 2**20) for number in (wanted.bytes, wanted.bytes - over))
            raise ModelTooLarge(
                f"{wanted.entry.name!r} takes about {needs} MiB, there are {has} left for models",
                hint="stop another model, or start the server with more --memory",
            )
        freed = []
        for one in idle:
            if over <= 0:
                break
            over -= one.bytes
            freed.append(one.generator)
            one.generator = None
            self._move(one, "stopped")
        return freed

    def _at_rest(self, name: str) -> _Model:
        """A model that is in no state that passes; waits for that. Called under the lock.

        Raises:
            UsageError: no model has that name.
            ModelBusy: it is being fetched, or takes too long.
        """
        model = self._seen(name)
        if model.state == "downloading":
            raise ModelBusy(f"{name!r} is being fetched", hint="try again when it is there")
        if not self._changed.wait_for(lambda: model.state not in _MOVING, WAIT_SECONDS):
            raise ModelBusy(f"{name!r} is {model.state}", hint="try again in a moment")
        return model

    def _seen(self, name: str) -> _Model:
        if name not in self._models:
            raise UsageError(f"no model {name[:80]!r}", hint=f"the models are {', '.join(self._models)}")
        model = self._models[name]
        if model.entry.known and model.state in ("not_downloaded", "stopped"):
            there = _there(model.entry)  # another program may have fetched or removed it
            if there != model.state:
                self._move(model, there)
        return model

    def _move(self, model: _Model, state: State) -> None:
        model.state, model.since, model.used = state, time.time(), time.monotonic()
        self._changed.notify_all()

    def _watch(self) -> None:
        """Unloads what nobody has used for a while."""
        idle = self._idle or 0.0
        while not self._closed.wait(min(5.0, idle / 4)):
            with self._changed:
                now = time.monotonic()
                running = [one for one in self._models.values() if one.state == "running" and not one.users]
                quiet = [model for model in running if now - model.used > idle]
                for model in quiet:
                    model.generator = None
                    self._move(model, "stopped")
            if quiet:
                gc.collect()


def _there(entry: Entry) -> State:
    """Whether a model's files are there; one that lies elsewhere is taken to be."""
    if entry.known and registry.state(entry.known) != "ready":
        return "not_downloaded"
    return "stopped"
