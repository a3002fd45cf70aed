"""Searches of many clients at once: those that wait while others are made are made together, encoded in one batch."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gorilla_rag.answer import Hit
from gorilla_rag.errors import Overloaded, TooSlow
from gorilla_rag.index.index import Index, Retrieval
from gorilla_rag.serve.work import Work

TOGETHER = 8


@dataclass(frozen=True)
class _Wanted:
    """A question that waits, what is searched and how, and who waits for what is found."""

    question: str
    index: Index
    how: Mapping[str, Any]
    found: asyncio.Future[list[Hit]]

    @property
    def kind(self) -> tuple[int, str]:
        """What has to be the same for two to be searched together."""
        return id(self.index), json.dumps(self.how, sort_keys=True)

    def tell(self, found: list[Hit] | Exception) -> None:
        """Ends the waiting, unless whoever waited has left."""
        if self.found.done():
            return
        if isinstance(found, Exception):
            self.found.set_exception(found)
        else:
            self.found.set_result(found)


class Searches:
    """Searches, in batches.

    Args:
        work: where they are made.
        waiting: how many questions may wait.
    """

    def __init__(self, work: Work, *, waiting: int) -> None:
        self._work, self._most = work, waiting
        self._wanted: deque[_Wanted] = deque()
        self._tasks = set[asyncio.Task[None]]()

    @property
    def waiting(self) -> int:
        """How many questions wait."""
        return len(self._wanted)

    async def found(
        self, question: str, index: Index, *, mode: Retrieval, k: int, filters: Mapping[str, Any]
    ) -> list[Hit]:
        """What `Index.search` finds.

        Raises:
            Overloaded: too many wait.
            UsageError: whatever `Index.search` refuses.
        """
        if len(self._wanted) >= self._most:
            raise Overloaded(f"{len(self._wanted)} searches are waiting", seconds=1.0, hint="search again in a second")
        how = {"mode": mode, "k": k, "filters": dict(filters)}
        wanted = _Wanted(question, index, how, asyncio.get_running_loop().create_future())
        self._wanted.append(wanted)
        self._tasks = {task for task in self._tasks if not task.done()}
        if len(self._tasks) < self._work.at_once:
            self._tasks.add(asyncio.create_task(self._made()))
        return await wanted.found

    async def _made(self) -> None:
        """Makes what is wanted, batch after batch, until nothing is."""
        while self._wanted:
            kind = self._wanted[0].kind
            some: list[_Wanted] = []
            while self._wanted and len(some) < TOGETHER and self._wanted[0].kind == kind:
                some.append(self._wanted.popleft())
            await self._answered([one for one in some if not one.found.done()])

    async def _answered(self, some: Sequence[_Wanted]) -> None:
        """Tells those who wait what is found; where that fails, each by itself, so that one's fault is its own."""
        if not some:
            return
        questions = [one.question for one in some]
        try:
            hits: Sequence[Any] = await self._work.done(_searched, some[0].index, questions, some[0].how)
        except Exception as error:  # handed over to whoever waits
            if len(some) > 1 and not isinstance(error, Overloaded | TooSlow):
                for one in some:
                    await self._answered([one])
                return
            hits = [error] * len(some)
        for one, own in zip(some, hits, strict=True):
            one.tell(own)


def _searched(index: Index, questions: Sequence[str], how: Mapping[str, Any]) -> list[list[Hit]]:
    found = index.candidates_many(questions, **how)
    return [[candidate.hits[0] for candidate in candidates] for candidates in found]
