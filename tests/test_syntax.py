"""Python source as a syntax tree: read rightly beside other threads that read, and refused where it isn't Python."""

from __future__ import annotations

import ast
import gc
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gorilla_rag import syntax
from gorilla_rag.call import calls_in


class Cycle:
    """Left to the garbage collector, whose finalizers let other threads run in the middle of a parse."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        sum(range(50))


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can, and a collector that runs all the time."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("restless")
def test_threads_that_read_at_once_all_read_what_stands_there() -> None:
    source = "f(a, b=[1, 2, 3], c={'x': g(1)})\n" * 5

    def read(_: int) -> tuple[str, int]:
        Cycle()
        return ast.unparse(syntax.module(source)), len(calls_in(source))

    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(read, range(500)))
    assert found == {(source.strip(), 10)}


def test_an_expression_may_stand_between_blanks() -> None:
    assert ast.unparse(syntax.expression("  f(x)\n")) == "f(x)"


@pytest.mark.parametrize(("source", "value"), [("[1, 'a']", [1, "a"]), ("  -2.5", -2.5), ("{'a': None}", {"a": None})])
def test_a_literal_is_the_object_it_stands_for(source: str, value: object) -> None:
    assert syntax.literal(source) == value


@pytest.mark.parametrize("source", ["", "f(", "x = 1", "\0", "(" * 500 + ")" * 500, "-" * 100_000 + "1"])
def test_what_is_not_one_expression_is_unreadable(source: str) -> None:
    with pytest.raises(syntax.UNREADABLE):
        syntax.expression(source)


def test_a_call_is_no_literal() -> None:
    with pytest.raises(ValueError, match="malformed"):
        syntax.literal("f(1)")
