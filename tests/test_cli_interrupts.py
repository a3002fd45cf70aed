"""Ctrl-C at the places where Python drops it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gorilla_rag.cli.interrupts import held_back

DROPPED = """
import os, signal, time
from gorilla_rag.cli import interrupts
interrupts.pressed_again_where_dropped()
signal.signal(signal.SIGINT, signal.default_int_handler)

class Dropping:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(100):
            pass

try:
    Dropping()
    time.sleep(20)
except KeyboardInterrupt:
    print("ended", end="")
"""
OTHERS = """
from gorilla_rag.cli import interrupts
interrupts.pressed_again_where_dropped()

class Failing:
    def __del__(self):
        raise ValueError("a fault")

Failing()
"""


@pytest.fixture
def pressable() -> Iterator[None]:
    """A suite that runs in the background has interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(*, presses: int, fails: bool = False) -> list[str]:
    """What was still done of imports during which Ctrl-C was pressed."""
    done = []
    try:
        with held_back():
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
            done.append("imports")
            if fails:
                raise ImportError("a compiled package gives up")
    except KeyboardInterrupt:
        done.append("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return done


@pytest.mark.usefixtures("pressable")
def test_a_press_during_imports_is_raised_when_they_are_done_and_a_second_one_at_once() -> None:
    assert interrupted(presses=0) == ["imports"]
    assert interrupted(presses=1) == ["imports", "interrupted"]
    assert interrupted(presses=2) == ["interrupted"]


@pytest.mark.usefixtures("pressable")
def test_a_press_that_imports_make_another_error_of_is_raised_all_the_same() -> None:
    assert interrupted(presses=1, fails=True) == ["imports", "interrupted"]
    with pytest.raises(ImportError):
        interrupted(presses=0, fails=True)


@pytest.mark.usefixtures("pressable")
def test_interrupts_that_are_ignored_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with held_back():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)


def test_a_press_that_a_finaliser_drops_ends_the_program_and_its_other_faults_are_reported() -> None:
    done = subprocess.run([sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("ended", "")
    done = subprocess.run([sys.executable, "-c", OTHERS], capture_output=True, text=True, timeout=60)
    assert "a fault" in done.stderr
