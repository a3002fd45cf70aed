"""Writing that survives: fsync, and a full disk as an error of its own. Knows nothing of what is written."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gorilla_rag.errors import StorageFull

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """Turns a full disk into `StorageFull`.

    Raises:
        StorageFull: the disk (or the quota, or the file-size limit) took no more.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise _full(folder) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise
        raise _full(folder) from error


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Writes a `.npy` file.

    `np.save` leaves the last bytes to C's buffers, and doesn't see when a full disk refuses them.
    """
    header = np.lib.format.header_data_from_array_1_0(array)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(array).data)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of a text in UTF-8, its line ends as they are."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file so that it is the old one or the new one, never half; makes its folder.

    Raises:
        StorageFull: the disk took no more.
    """
    partial = path.with_name(f".{path.name}.partial")
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def fsync(path: Path) -> None:
    """Forces a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _full(folder: Path) -> StorageFull:
    return StorageFull(f"no space left to write in {str(folder)!r}", hint="make room; what stood there is untouched")
