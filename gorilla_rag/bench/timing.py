"""How work on a device is timed: warmed up, the device finished before and after, medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

LEAST = 3
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timing(Generic[Result]):
    """The median time of one run, in seconds, how many were made, and what the last one gave."""

    seconds: float
    repeats: int
    result: Result


def timed(work: Callable[[], Result], device: torch.device, seconds: float) -> Timing[Result]:
    """Times `work`, at least `LEAST` times and until they took `seconds` together, after one run that isn't counted."""
    work()
    times: list[float] = []
    while len(times) < LEAST or sum(times) < seconds:
        finish(device)
        start = time.perf_counter()
        result = work()
        finish(device)
        times.append(time.perf_counter() - start)
    return Timing(statistics.median(times), len(times), result)


def finish(device: torch.device) -> None:
    """Waits until a device has done what it was given."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
