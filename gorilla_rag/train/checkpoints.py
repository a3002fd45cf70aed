"""Checkpoints that are whole: each gets a mark once all of it is written, and only marked ones are gone on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from gorilla_rag.files import write_text

FOLDER = "checkpoints"
_MARK = "whole.json"


class Marked(TrainerCallback):  # type: ignore[misc]
    """Marks each checkpoint when it has been written, with the size of each file."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """After a checkpoint."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_text(folder / _MARK, json.dumps(_sizes(folder)))


def last(out: Path) -> Path | None:
    """The latest whole checkpoint of a training; `None` where there is none."""
    found = sorted(out.glob(f"{FOLDER}/checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    return next((folder for folder in reversed(found) if _is_whole(folder)), None)


def digest(columns: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 of rows of texts."""
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()


def _is_whole(folder: Path) -> bool:
    mark = folder / _MARK
    return mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != _MARK)
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in sorted(files)}
