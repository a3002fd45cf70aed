"""Ctrl-C where Python by itself would lose it; knows nothing of what is interrupted.

Python raises `KeyboardInterrupt` wherever the program is at that moment. Some of these places drop it (a finaliser, a
callback), and some make another error of it (compiled packages that are being imported).
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

CODE = 130
_SOON = 0.1


@contextmanager
def held_back() -> Iterator[None]:
    """For imports: a first press is raised when they are done, a second one at once.

    Raises:
        KeyboardInterrupt: it was pressed.
    """
    pressed = False

    def press(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            signal.default_int_handler(number, frame)
        pressed = True

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # ignored, or somebody else's
        yield
        return
    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed:
            raise KeyboardInterrupt


def pressed_again_where_dropped() -> None:
    """From now on, a press that Python reports as ignored and goes on is pressed again, a moment later."""
    report = sys.unraisablehook

    def hook(dropped: UnraisableHookArgs) -> None:
        if sys.platform != "win32" and issubclass(dropped.exc_type, KeyboardInterrupt):
            again = threading.Timer(_SOON, signal.pthread_kill, (threading.get_ident(), signal.SIGINT))
            again.daemon = True
            again.start()  # from here itself it would be dropped too
        else:
            report(dropped)

    sys.unraisablehook = hook


def ended() -> int:
    """Says so, and returns the exit code."""
    sys.stderr.write("interrupted; nothing was lost\n")
    return CODE
