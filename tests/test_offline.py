"""The suite and the library need no network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("gorilla-rag"))


def test_sockets_to_anywhere_but_loopback_are_closed_here() -> None:
    with pytest.raises(PermissionError), socket.create_connection(("192.0.2.1", 80), timeout=1):
        pass


def test_sockets_are_closed_in_programs_that_tests_start() -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PermissionError" in done.stderr


def namespace() -> list[str]:
    """A command prefix that runs a program where no network exists but loopback, if this machine allows one."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return []
    prefix = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    return prefix if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0 else []


def test_ask_works_where_there_is_no_network_at_all(starter_index: Path) -> None:
    prefix = namespace()
    if not prefix:
        pytest.skip("this machine allows no network namespace of its own")
    command = [*prefix, COMMAND, "ask", "convert text to speech", "--index", str(starter_index), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ}, check=False)
    assert done.returncode == 0, done.stderr
    assert '"api_call"' in done.stdout
