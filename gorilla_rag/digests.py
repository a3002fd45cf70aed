"""SHA-256 of files; and remembered: a file isn't read again while its size, times and inode stay the same.

A file that is written or replaced gets another change time, which nobody can set back but the file system's own
clock. Knows nothing of what the files are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def digests(files: Sequence[Path], memory: Path) -> list[str]:
    """SHA-256 of each file, in hexadecimal.

    Args:
        files: they have to be there.
        memory: the file in which is kept what was read before.
    """
    known = _read(memory)
    fresh = {}
    for file in files:
        stamp = _stamp(file)
        held = known.get(str(file))
        fresh[str(file)] = held if isinstance(held, list) and held[1:] == stamp else [sha256(file), *stamp]
    if not fresh.items() <= known.items():
        _write(memory, {**known, **fresh})
    return [str(fresh[str(file)][0]) for file in files]


def sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _stamp(file: Path) -> list[int]:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _read(memory: Path) -> dict[str, Any]:
    """What was read before; nothing where that can't be known."""
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(memory: Path, known: Mapping[str, Any]) -> None:
    """Keeps what was read; where that can't be written, the files are read again next time."""
    temporary = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known), encoding="utf-8")
        os.replace(temporary, memory)
    except OSError:
        temporary.unlink(missing_ok=True)
