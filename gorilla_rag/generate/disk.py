"""A full disk, whatever those who write weights call it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from gorilla_rag.files import storage_errors

# How safetensors names the system's error, and what torch says when not all of a file could be written.
_NUMBER = re.compile(r"os error (\d+)")
_ZIP_CUT = ("unexpected pos", "file write failed")


@contextmanager
def disk_errors(out: Path) -> Iterator[None]:
    """Turns a full disk into `StorageFull`, also where those who write checkpoints call it something else.

    Raises:
        StorageFull: the disk (or the quota, or the file-size limit) took no more.
    """
    with storage_errors(out):
        try:
            yield
        except SafetensorError as error:
            number = _NUMBER.search(str(error))
            raise OSError(int(number[1]), str(error)) if number else error from error
        except RuntimeError as error:
            if not any(sign in str(error) for sign in _ZIP_CUT):
                raise
            raise OSError(errno.ENOSPC, str(error)) from error
