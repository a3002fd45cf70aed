"""How work grows with its input: a ratio of two times of the same run, whatever the machine."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 3


def seconds(work: Callable[[], object]) -> float:
    """The shortest of a few runs, in seconds this thread computed: other threads and processes don't count."""
    times = []
    for _ in range(REPEATS):
        start = time.thread_time()
        work()
        times.append(time.thread_time() - start)
    return min(times)


def growth(work: Callable[[int], object], small: int, large: int) -> float:
    """How many times longer `work(large)` takes than `work(small)`; proportional work gives large / small."""
    return seconds(lambda: work(large)) / seconds(lambda: work(small))
