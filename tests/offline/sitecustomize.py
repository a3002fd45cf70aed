"""Closes every socket but loopback's, for the suite and for the programs that it starts (by PYTHONPATH)."""

import sys
from typing import Any

LOOPBACK = ("127.", "::1", "localhost")


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: nothing in the process can connect anywhere but to this machine."""
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments
        host = address[0] if isinstance(address, tuple) else None
        if isinstance(host, str) and host and not host.startswith(LOOPBACK):
            raise PermissionError(f"the suite runs without a network, and something wants {host!r}")


sys.addaudithook(refuse)
