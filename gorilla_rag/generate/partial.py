"""A JSON string that comes in pieces, decoded as far as it has come."""

from __future__ import annotations

import json
import re

# A high surrogate waits for what follows it: the other half, or something else.
_WHOLE = re.compile(
    r'(?:[^"\\]|\\["\\/bfnrt]'
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}(?=[^\\]|\\[^u]|\\u(?:[^dD]|[dD][^c-fC-F]))"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*"
)


class StringReader:
    """Decodes a JSON string whose opening quote has been read.

    Attributes:
        ended: whether its closing quote has come.
    """

    def __init__(self) -> None:
        self.ended = False
        self._waiting = ""

    def feed(self, piece: str) -> str:
        """The text that a piece adds; nothing after the closing quote."""
        if self.ended:
            return ""
        self._waiting += piece
        found = _WHOLE.match(self._waiting)
        whole = found.group() if found else ""
        self._waiting = self._waiting[len(whole) :]
        self.ended = self._waiting.startswith('"')
        return shown(json.loads(f'"{whole}"', strict=False))


def shown(text: str) -> str:
    """Text that every terminal and file takes: control characters are spaces, halves of characters are marked."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return re.sub(r"[\x00-\x1f\x7f]", " ", whole)
