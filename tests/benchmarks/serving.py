"""The HTTP server on loopback: what it adds to a call in the process, how much it bears, and whether it stays itself.

`ARGS=serving`; 64 clients ask and search for `SECONDS` (60).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from gorilla_rag import Gorilla, starter
from gorilla_rag.encoders.embedded import EmbeddedEncoder
from tests.benchmarks.measure import Row
from tests.benchmarks.warm import QUESTIONS
from tests.test_serve_http import started

CLIENTS, ASKING = 64, 16
SECONDS = float(os.environ.get("SECONDS", "60"))
_RUNS = 200
_NUMBERS = itertools.count()
Asked = tuple[Counter[int], float, Sequence[float]]


def rows() -> Iterator[Row]:
    """Each with the server as a process of its own, on the machine's own cores beside its clients."""
    folder = starter.ensure(EmbeddedEncoder)
    with started("--index", str(folder), "--waiting", "256") as (address, process):
        yield from _overhead(address)
        yield from asyncio.run(_searches(address))
        yield from asyncio.run(_short_answers(address))
        yield from asyncio.run(_crowd(address, process.pid))


def _question() -> str:
    """Never the same twice, so that nothing that is kept helps."""
    number = next(_NUMBERS)
    return f"{QUESTIONS[number % len(QUESTIONS)]} ({number})"


def _overhead(address: str) -> Iterator[Row]:
    """The same searches here and there, in turns."""
    gorilla, here, there = Gorilla.load(), list[float](), list[float]()
    with httpx.Client(base_url=address) as client:
        for _ in range(_RUNS):
            question = _question()
            start = time.perf_counter()
            [hit.to_dict() for hit in gorilla.search(question)]
            middle = time.perf_counter()
            client.post("/v1/search", json={"question": question}).raise_for_status()
            here.append(middle - start)
            there.append(time.perf_counter() - middle)
    added = 1e3 * (statistics.median(there) - statistics.median(here))
    yield Row("a search over HTTP beside one in the process, p50", added, "ms more", "< 5", f"{_RUNS} questions")


async def _searches(address: str) -> list[Row]:
    done, seconds, _ = await _many(address, "/v1/search", 16, 5.0, {})
    return [Row("searches", done[200] / seconds, "/s", "> 300", "16 clients, every question new")]


async def _short_answers(address: str) -> list[Row]:
    body = {"fields": "call"}
    alone, one, _ = await _many(address, "/v1/ask", 1, 5.0, body)
    many, all_, _ = await _many(address, "/v1/ask", 16, 5.0, body)
    ratio = (many[200] / all_) / (alone[200] / one)
    return [Row("short answers of 16 clients beside one", ratio, "x", "> 2", f"{many[200] / all_:.0f} a second")]


async def _crowd(address: str, pid: int) -> list[Row]:
    """Sixteen ask for whole answers, the others search, all at once."""
    await _both(address, 5.0)
    before = _memory(pid)
    (codes, seconds, took), (found, _, searched) = await _both(address, SECONDS)
    grown = 100 * (_memory(pid) / before - 1)
    others = sum(count for code, count in (codes + found).items() if code not in (200, 429))
    note = f"{codes[200]} answers and {found[200]} searches in {seconds:.0f} s, {(codes + found)[429]} times 429"
    return [
        Row(f"{CLIENTS} clients: neither answered nor told to wait", others, "requests", "< 1", note),
        Row(f"{CLIENTS} clients: p95 of a whole answer", _p95(took), "s", "", f"{ASKING} of them ask"),
        Row(f"{CLIENTS} clients: p95 of a search", _p95(searched), "s", "", f"{CLIENTS - ASKING} of them search"),
        Row(f"{CLIENTS} clients: memory after a minute", grown, "% more", "< 5", f"{before / 2**20:.0f} MiB before"),
    ]


async def _both(address: str, seconds: float) -> Sequence[Asked]:
    return await asyncio.gather(
        _many(address, "/v1/ask", ASKING, seconds, {}),
        _many(address, "/v1/search", CLIENTS - ASKING, seconds, {}),
    )


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


async def _many(address: str, path: str, clients: int, seconds: float, body: dict[str, Any]) -> Asked:
    """Has clients ask for a while: how often which status came, how long it all took, and each answer."""
    codes, took, begun = Counter[int](), list[float](), time.perf_counter()
    connector, patience = aiohttp.TCPConnector(limit=clients), aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(address, connector=connector, timeout=patience) as client:

        async def ask() -> None:
            while time.perf_counter() - begun < seconds:
                start = time.perf_counter()
                async with client.post(path, json={"question": _question(), **body}) as said:
                    await said.read()
                codes[said.status] += 1
                if said.status == 429:
                    await asyncio.sleep(float(said.headers["retry-after"]))
                else:
                    took.append(time.perf_counter() - start)

        await asyncio.gather(*(ask() for _ in range(clients)))
    return codes, time.perf_counter() - begun, took


def _memory(pid: int) -> int:
    """Resident bytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
