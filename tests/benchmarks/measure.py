"""How things are timed: medians in one process, whole processes with their peak memory, and rows of a table."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what was measured, its value, the bar it is held to (empty for none), and what it stands on."""

    name: str
    value: float
    unit: str
    bar: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; `None` without one."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()[:2]
        return self.value < float(limit) if sign == "<" else self.value >= float(limit)


def median_seconds(work: Callable[[int], Any], runs: int, *, warm_up: int = 1) -> float:
    """Median time of `work(run)`."""
    return percentile_seconds(work, runs, 0.5, warm_up=warm_up)


def percentile_seconds(work: Callable[[int], Any], runs: int, share: float, *, warm_up: int = 1) -> float:
    """A percentile of the time of `work(run)`."""
    for run in range(warm_up):
        work(run)
    times = []
    for run in range(runs):
        start = time.perf_counter()
        work(run)
        times.append(time.perf_counter() - start)
    return statistics.quantiles(times, n=100, method="inclusive")[round(share * 100) - 1]


def process(command: Sequence[str], *, runs: int = 5) -> tuple[float, float]:
    """Median wall seconds of a whole process, and its highest peak memory in bytes."""
    times, peaks = [], []
    for run in range(runs + 1):
        start = time.perf_counter()
        started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(started.pid, 0)
        seconds = time.perf_counter() - start
        started.returncode = os.waitstatus_to_exitcode(status)
        if started.returncode:
            raise RuntimeError(f"{command} failed: {started.stderr.read().decode() if started.stderr else ''}")
        if started.stderr:
            started.stderr.close()
        if run:
            times.append(seconds)
            peaks.append(usage.ru_maxrss * 1024)
    return statistics.median(times), max(peaks)


def until_output(command: Sequence[str], text: bytes, *, runs: int = 5) -> float:
    """Median seconds from a process's start until it has printed `text`."""
    times = []
    for run in range(runs + 1):
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as started:
            for line in started.stdout or ():
                if text in line:
                    break
            seconds = time.perf_counter() - start
            if started.stdout:
                started.stdout.read()
        if run:
            times.append(seconds)
    return statistics.median(times)


def python(code: str) -> list[str]:
    """A command that runs a piece of Python in a fresh interpreter."""
    return [sys.executable, "-c", code]
