"""A server's work: so much at once, so much waiting, so long, and none for whoever has left."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeVar

from starlette.requests import Request

from gorilla_rag.errors import Overloaded, TooSlow

_Item = TypeVar("_Item")
_DONE = object()
_SMOOTHING = 0.2
_LEAST_SECONDS = 1.0


class Gone(Exception):
    """The client has left; nobody reads an answer any more."""


class Work:
    """What blocks, done in threads.

    Args:
        at_once: how many pieces of work run at once.
        waiting: how many more may wait.
        seconds: how long one may take, its waiting included.
    """

    def __init__(self, *, at_once: int, waiting: int, seconds: float) -> None:
        self._places, self._most, self._seconds = asyncio.Semaphore(at_once), waiting, seconds
        self.at_once = at_once
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="work")
        self._took = _LEAST_SECONDS
        self.waiting = self.running = 0

    async def items(self, make: Callable[[], Iterator[_Item]]) -> AsyncGenerator[_Item]:
        """What an iterator gives, which is made and asked in a thread; leaving early closes it.

        Raises:
            Overloaded: too many wait.
            TooSlow: it takes too long.
            Exception: whatever the iterator raises.
        """
        left, end = threading.Event(), time.monotonic() + self._seconds
        try:
            await self._in_time(self._enter(), end)
            came = self._begin(make, left)
            while (item := await self._in_time(came.get(), end)) is not _DONE:
                if isinstance(item, _Raised):
                    raise item.error
                yield item
        finally:
            left.set()

    async def done(self, function: Callable[..., _Item], *arguments: Any) -> _Item:
        """What a function gives, which is called in a thread; raises as `items`."""
        found = [item async for item in self.items(lambda: iter([function(*arguments)]))]
        return found[0]

    def close(self) -> None:
        """Takes no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_time(self, wanted: Coroutine[Any, Any, _Item], end: float) -> _Item:
        """Waits for something, by the task that asks: a stream may be read by another one than it was begun by."""
        try:
            return await asyncio.wait_for(wanted, max(0.0, end - time.monotonic()))
        except TimeoutError as error:
            raise TooSlow(
                f"this took more than {self._seconds:g} seconds",
                hint="ask again, or for less: fewer documents or calls",
            ) from error

    async def _enter(self) -> None:
        """Waits for a place."""
        if self._places.locked() and self.waiting >= self._most:
            seconds = max(_LEAST_SECONDS, self._took * (self.waiting + 1) / self.at_once)
            raise Overloaded(
                f"{self.waiting} questions are waiting", seconds=seconds, hint=f"ask again in {seconds:.0f} seconds"
            )
        self.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.waiting -= 1
        self.running += 1

    def _begin(self, make: Callable[[], Iterator[Any]], left: threading.Event) -> asyncio.Queue[Any]:
        """Has a thread make items; the place is free again when it is done, however long whoever asked stays."""
        loop, came, began = asyncio.get_running_loop(), asyncio.Queue[Any](), time.monotonic()

        def work() -> None:
            end: Any = _DONE
            try:
                with closing(_Closable(make())) as found:
                    for item in found.items:
                        if left.is_set():
                            break
                        loop.call_soon_threadsafe(came.put_nowait, item)
            except BaseException as error:  # handed over to whoever waits
                end = _Raised(error)
            loop.call_soon_threadsafe(came.put_nowait, end)

        def leave(_: Any) -> None:
            self.running -= 1
            self._places.release()
            self._took += _SMOOTHING * (time.monotonic() - began - self._took)

        loop.run_in_executor(self._threads, work).add_done_callback(leave)
        return came


class _Raised:
    """An error on its way from one thread to another."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Closable:
    """An iterator that may know how to be closed."""

    def __init__(self, items: Iterator[Any]) -> None:
        self.items = items

    def close(self) -> None:
        if close := getattr(self.items, "close", None):
            close()


async def unless_gone(request: Request, wanted: Awaitable[_Item]) -> _Item:
    """Waits for something, but no longer than the client does; its body has to be read before.

    Raises:
        Gone: the client has left.
    """
    task = asyncio.ensure_future(wanted)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        for one in (task, gone):
            one.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
