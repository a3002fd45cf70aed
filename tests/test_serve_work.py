"""A server's work in threads: bounded, cancelled when nobody waits, and its places given back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from gorilla_rag import Gorilla
from gorilla_rag.errors import Overloaded, TooSlow, UsageError
from gorilla_rag.serve.searches import Searches
from gorilla_rag.serve.work import Work


def made(**changed: float) -> Work:
    limits = {"at_once": 1, "waiting": 1, "seconds": 10.0} | changed
    return Work(at_once=int(limits["at_once"]), waiting=int(limits["waiting"]), seconds=limits["seconds"])


async def idle(work: Work) -> None:
    for _ in range(500):
        if not work.running:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("a place was never given back")


def test_items_come_as_they_are_made_and_errors_reach_who_waits() -> None:
    def three() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("here")

    async def use() -> None:
        work, came = made(), list[int]()

        async def read() -> None:
            async for one in work.items(three):
                came.append(one)

        with pytest.raises(ValueError, match="here"):
            await read()
        assert came == [1, 2]
        assert await work.done(sum, [1, 2]) == 3
        await idle(work)

    asyncio.run(use())


def test_only_so_many_wait_and_the_next_is_told_when_to_come_back() -> None:
    async def use() -> None:
        work, go = made(), threading.Event()
        tasks = [asyncio.create_task(work.done(go.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0.05)
        assert (work.running, work.waiting) == (1, 1)
        with pytest.raises(Overloaded) as caught:
            await work.done(int)
        assert caught.value.seconds >= 1
        go.set()
        assert await asyncio.gather(*tasks) == [True, True]
        await idle(work)
        assert await work.done(int) == 0

    asyncio.run(use())


def test_who_leaves_stops_the_work_and_its_place_is_free_again() -> None:
    closed, given = threading.Event(), list[int]()

    def forever() -> Iterator[int]:
        try:
            while True:
                given.append(len(given))
                yield given[-1]
                time.sleep(0.005)
        finally:
            closed.set()

    async def use() -> None:
        work = made()
        async with aclosing(work.items(forever)) as items:
            async for one in items:
                if one == 3:
                    break
        assert await asyncio.to_thread(closed.wait, 5)
        await idle(work)

    asyncio.run(asyncio.wait_for(use(), 30))


def test_who_leaves_the_queue_leaves_no_gap() -> None:
    async def use() -> None:
        work, go = made(), threading.Event()
        first = asyncio.create_task(work.done(go.wait, 10))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(work.done(int))
        await asyncio.sleep(0.02)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert work.waiting == 0
        go.set()
        await first
        assert await work.done(int) == 0

    asyncio.run(use())


def test_what_takes_too_long_is_told_at_once_and_holds_its_place_until_it_ends() -> None:
    async def use() -> None:
        work, go = made(seconds=0.1), threading.Event()
        began = time.monotonic()
        with pytest.raises(TooSlow):
            await work.done(go.wait, 10)
        assert time.monotonic() - began < 2
        assert work.running == 1
        with pytest.raises(TooSlow):
            await work.done(int)
        go.set()
        await idle(work)
        assert await work.done(int) == 0

    asyncio.run(use())


def test_a_stream_may_be_read_by_another_task_than_it_was_begun_by() -> None:
    async def use() -> None:
        work, go = made(seconds=0.3), threading.Event()
        items = work.items(lambda: iter([1, go.wait(10)]))
        with pytest.raises(TooSlow):
            await anext(items)
        items = work.items(lambda: iter([1, 2, 3]))
        go.set()
        await idle(work)
        first = await asyncio.create_task(_next(items))
        rest = await asyncio.create_task(_all(items))
        assert [first, *rest] == [1, 2, 3]

    asyncio.run(use())


async def _next(items: AsyncGenerator[int]) -> int:
    return await anext(items)


async def _all(items: AsyncGenerator[int]) -> list[int]:
    return [one async for one in items]


def test_searches_that_wait_are_made_together_and_each_gets_its_own(gorilla: Gorilla) -> None:
    async def use() -> None:
        work = made(at_once=1, waiting=8)
        searches = Searches(work, waiting=6)
        how: dict[str, Any] = {"mode": "hybrid", "k": 3, "filters": {}}
        questions = [f"translate text number {number}" for number in range(5)]
        tasks = [asyncio.create_task(searches.found(one, gorilla.index, **how)) for one in questions]
        other = asyncio.create_task(searches.found("find a cat", gorilla.index, **{**how, "mode": "bm25"}))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await searches.found("one more", gorilla.index, **how)
        tasks[2].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        for number, (question, hits) in enumerate(zip(questions, found, strict=True)):
            if number == 2:
                assert isinstance(hits, asyncio.CancelledError)
            else:
                assert hits == gorilla.search(question, k=3)
        assert await other == gorilla.search("find a cat", k=3, mode="bm25")
        mixed = [searches.found(one, gorilla.index, **how) for one in ("translate a page", " ", "cluster rows")]
        good, bad, also = await asyncio.gather(*mixed, return_exceptions=True)
        assert isinstance(bad, UsageError)
        assert good == gorilla.search("translate a page", k=3)
        assert also == gorilla.search("cluster rows", k=3)

    asyncio.run(asyncio.wait_for(use(), 60))


def test_whoever_searches_again_at_once_is_not_forgotten(gorilla: Gorilla) -> None:
    async def use() -> None:
        work = made(at_once=1)
        searches = Searches(work, waiting=6)
        async with asyncio.timeout(20):
            for number in range(3):
                assert await searches.found(f"read a file {number}", gorilla.index, mode="bm25", k=1, filters={})
        work.close()

    asyncio.run(use())
