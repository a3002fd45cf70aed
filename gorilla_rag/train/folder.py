"""A training's folder: what was trained on which weights, what may be gone on from, and what came of it.

Knows files; nothing of models. The record of a training is JSON that has to be the same when it is resumed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gorilla_rag.errors import UsageError
from gorilla_rag.files import write_text

RECORD, LOGS, CHECKPOINTS = "training.json", "logs", "checkpoints"
_DONE = "done"


def check(out: Path, *, resume: bool) -> None:
    """Refuses a folder that a training can't begin, or be resumed, in.

    Raises:
        UsageError: it isn't empty, or there is nothing to resume.
    """
    if not resume and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out} isn't empty", hint="name another folder, or go on with what is there: --resume")
    if resume and not (out / RECORD).is_file():
        raise UsageError(f"there is no training to resume in {out}", hint="leave --resume out to begin one")


def resumed(out: Path, record: Mapping[str, Any]) -> dict[str, Any] | None:
    """What came of the training that is there; `None` where it isn't done.

    Raises:
        UsageError: it was begun with another record.
    """
    stands = json.loads((out / RECORD).read_text(encoding="utf-8"))
    if differs := [name for name in record if stands.get(name) != record[name]]:
        raise UsageError(
            f"the training in {out} was begun with another {', '.join(differs)}",
            hint="give what it was begun with, or name another folder",
        )
    done: dict[str, Any] | None = stands.get(_DONE)
    return done


def begin(out: Path, record: Mapping[str, Any]) -> None:
    """Writes down what is trained on what."""
    write_text(out / RECORD, json.dumps(record, indent=1))


def close(out: Path, found: Mapping[str, Any]) -> None:
    """Records what came of a training; its checkpoints aren't needed any more."""
    said = json.loads((out / RECORD).read_text(encoding="utf-8"))
    write_text(out / RECORD, json.dumps(said | {_DONE: dict(found)}, indent=1))
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
