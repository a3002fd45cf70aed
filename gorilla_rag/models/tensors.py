"""What identifies the tensors of a safetensors or GGUF file, whoever wrote it and in whichever order they lie in it.

Needs no safetensors: a model is verified where only questions are answered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

_PREFIX = 8
_CHUNK = 1 << 20
_LAYOUT = "GGUF."


def digest_file(file: Path) -> str:
    """`digest` of a file on disk, or `digest_gguf`; empty where it isn't a whole file of its kind."""
    if file.suffix == ".gguf":
        try:
            return digest_gguf(file)
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError):
            return ""
    with file.open("rb") as opened:
        try:
            return digest(opened)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            return ""


def digest(opened: BinaryIO) -> str:
    """SHA-256 over the tensors' names, types, shapes and bytes, in the order of their names.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, OverflowError: not a whole safetensors file.
    """
    header, start = _header(opened)
    made = hashlib.sha256()
    for name in sorted(header):
        about = header[name]
        first, last = about["data_offsets"]
        made.update(json.dumps([name, about["dtype"], about["shape"]]).encode())
        for chunk in _chunks(opened, start + first, last - first):
            made.update(chunk)
    return made.hexdigest()


def digest_gguf(file: Path) -> str:
    """SHA-256 over all that a GGUF file says of itself, and over its tensors as in `digest`, both in order of names.

    Raises:
        ValueError, KeyError, IndexError, TypeError, OverflowError, MemoryError: not a whole GGUF file.
    """
    import gguf

    found = gguf.GGUFReader(file)
    made = hashlib.sha256()
    for name in sorted(found.fields):
        if not name.startswith(_LAYOUT):
            made.update(json.dumps([name, found.fields[name].contents()]).encode())
    for tensor in sorted(found.tensors, key=lambda one: str(one.name)):
        made.update(json.dumps([tensor.name, tensor.tensor_type.name, list(map(int, tensor.shape))]).encode())
        made.update(tensor.data.tobytes())
    return made.hexdigest()


def _header(opened: BinaryIO) -> tuple[Mapping[str, Any], int]:
    """What the file says of each tensor, and where their bytes begin."""
    prefix = opened.read(_PREFIX)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < _PREFIX or length > opened.seek(0, 2):
        raise ValueError("no header")
    opened.seek(_PREFIX)
    header = json.loads(opened.read(length))
    return {name: about for name, about in header.items() if name != "__metadata__"}, _PREFIX + length


def _chunks(opened: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    opened.seek(start)
    while length > 0:
        chunk = opened.read(min(length, _CHUNK))
        if not chunk:
            raise ValueError("the file ends early")
        length -= len(chunk)
        yield chunk
