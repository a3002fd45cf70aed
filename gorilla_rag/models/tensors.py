"""What identifies the tensors of a safetensors or GGUF file, whoever wrote it and in whichever order they lie in it.

Reads bytes, and needs neither numpy nor safetensors: a model is verified where only questions are answered.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

_PREFIX = 8
_CHUNK = 1 << 20


def digest_file(file: Path) -> str:
    """`digest` of a file on disk, or `digest_gguf`; empty where it isn't a whole file of its kind."""
    if file.suffix == ".gguf":
        try:
            with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return digest_gguf(content)
        except (ValueError, OverflowError, RecursionError, struct.error):
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


def digest_gguf(content: bytes | mmap.mmap) -> str:
    """SHA-256 over all that a GGUF file says of itself, then over its tensors as in `digest`, each in order of names.

    Raises:
        ValueError, OverflowError, RecursionError, struct.error: not a whole GGUF file.
    """
    read = _Gguf(content)
    made = hashlib.sha256()
    for name, (start, end) in sorted(read.fields.items()):
        made.update(name + content[start:end])
    for name, about, start, end in sorted(read.tensors()):
        made.update(name + about)
        made.update(content[start:end])
    return made.hexdigest()


class _Gguf:
    """Where in a GGUF file (version 3, little-endian) each field and tensor lies.

    The package `gguf` reads on where a length is damaged; here whatever leads out of the file is an error.
    Source: the specification, ggml's docs/gguf.md.
    """

    _SCALARS: Mapping[int, int] = MappingProxyType(
        {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes by the number of a type
    )
    _STRING, _ARRAY = 8, 9
    _ALIGNMENT = b"general.alignment"

    def __init__(self, content: bytes | mmap.mmap) -> None:
        self._content, self._at = content, 0
        magic, version, tensors, fields = struct.unpack("<4sIQQ", self._take(24))
        if magic != b"GGUF" or version != 3:
            raise ValueError("no GGUF file of version 3")
        self.fields = dict(self._field() for _ in range(fields))
        self._infos = sorted((self._info() for _ in range(tensors)), key=lambda info: info[2])

    def tensors(self) -> Iterator[tuple[bytes, bytes, int, int]]:
        """Of each tensor its name, its shape and type, and where it begins and ends, with what fills up behind it."""
        alignment = 32
        if place := self.fields.get(self._ALIGNMENT):
            (alignment,) = struct.unpack("<I", self._content[place[1] - 4 : place[1]])
        if not alignment:
            raise ValueError("tensors have no alignment")
        data = -(-self._at // alignment) * alignment
        ends = [*(offset for _, _, offset in self._infos[1:]), len(self._content) - data]
        for (name, about, offset), end in zip(self._infos, ends, strict=True):
            if not 0 <= offset < end:
                raise ValueError("a tensor lies outside the file")
            yield name, about, data + offset, data + end

    def _take(self, count: int) -> bytes:
        if count > len(self._content) - self._at:
            raise ValueError("the file ends early")
        self._at += count
        return self._content[self._at - count : self._at]

    def _number(self, form: str) -> int:
        (found,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(found)

    def _text(self) -> bytes:
        return self._take(self._number("<Q"))

    def _field(self) -> tuple[bytes, tuple[int, int]]:
        name, start = self._text(), self._at
        self._value(self._number("<I"))
        return name, (start, self._at)

    def _value(self, kind: int) -> None:
        if kind == self._STRING:
            self._text()
        elif kind == self._ARRAY:
            inner, count = self._number("<I"), self._number("<Q")
            if inner in self._SCALARS:
                self._take(self._SCALARS[inner] * count)
            else:
                for _ in range(count):
                    self._value(inner)
        elif kind in self._SCALARS:
            self._take(self._SCALARS[kind])
        else:
            raise ValueError(f"a field of type {kind}")

    def _info(self) -> tuple[bytes, bytes, int]:
        name = self._text()
        about = self._take(8 * self._number("<I")) + self._take(4)
        return name, about, self._number("<Q")


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
