"""What the verbs share in showing: consoles, progress bars, key-value filters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gorilla_rag.errors import UsageError

NO_ANSWER = 20
BELOW = 21


def console() -> Console:
    """Where results go: stdout, with colours on a terminal only."""
    return Console(highlight=False, soft_wrap=True)


def notes() -> Console:
    """Where everything but results goes: stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")


@contextmanager
def steps() -> Iterator[Any]:
    """A progress bar on stderr for named steps: call it with the step, how much is done, and of how much."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes(), transient=False) as bar:
        tasks: dict[str, Any] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step, total=total)
            bar.update(tasks[step], completed=done, total=total)

        yield tell


@contextmanager
def download(title: str) -> Iterator[Any]:
    """A progress bar on stderr for bytes: call it with how many of how many have arrived."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=notes(), transient=False) as bar:
        task = bar.add_task(f"fetching {title}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def parse_object(text: str, option: str) -> dict[str, Any]:
    """The JSON object that an option was given."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} isn't JSON: {error}", hint='write it as \'{"name": "value"}\'') from error
    if not isinstance(found, dict):
        raise UsageError(f"{option} is {type(found).__name__}", hint='write a JSON object, \'{"name": "value"}\'')
    return found


def parse_filters(given: list[str]) -> dict[str, list[str]]:
    """`["provider=PyTorch", …]` as filters; a name given twice allows both values."""
    found: dict[str, list[str]] = {}
    for item in given:
        name, sign, value = item.partition("=")
        if not sign or not value:
            raise UsageError(f"filter {item!r}", hint="write it as NAME=VALUE, such as provider=PyTorch")
        found.setdefault(name, []).append(value)
    return found
