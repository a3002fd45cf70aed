"""Writing GGUF files whole or not at all. Knows how the package `gguf` writes, and nothing of what is in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import gguf

from gorilla_rag.files import fsync, storage_errors


def begun(out: Path, architecture: str) -> Any:
    """A `gguf.GGUFWriter` for a file that isn't there before `finish`."""
    return gguf.GGUFWriter(str(_partial(out)), architecture)


def finish(writer: Any, out: Path) -> None:
    """Writes all that a writer was given.

    Raises:
        StorageFull: the disk is full.
    """
    partial = _partial(out)
    try:
        with storage_errors(out.parent):
            _write(writer)
            fsync(partial)
            os.replace(partial, out)
            fsync(out.parent)
    finally:
        partial.unlink(missing_ok=True)


def _write(writer: Any) -> None:
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    except OSError as error:
        # numpy's errors say how many values were written, and have no number.
        raise error if error.errno else OSError(errno.ENOSPC, str(error)) from error
    finally:
        writer.close()


def _partial(out: Path) -> Path:
    return out.with_name(f".{out.name}.partial")
