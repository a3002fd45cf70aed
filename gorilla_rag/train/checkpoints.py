"""Checkpoints that are whole: each gets a mark once all of it is written, and only marked ones are gone on from."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from gorilla_rag.errors import TrainingDiverged
from gorilla_rag.files import write_text
from gorilla_rag.train import watch
from gorilla_rag.train.folder import CHECKPOINTS

_MARK = "whole.json"


class Marked(TrainerCallback):  # type: ignore[misc]
    """Marks each checkpoint of finite weights when it has been written, with the size of each file."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """After a checkpoint.

        Raises:
            TrainingDiverged: a weight isn't finite; the checkpoint gets no mark.
        """
        if not all(torch.isfinite(weights).all() for weights in kwargs["model"].parameters()):
            raise TrainingDiverged(
                f"a weight isn't a number any more after step {state.global_step} of {state.max_steps}",
                hint=watch.LOWER,
            )
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_text(folder / _MARK, json.dumps(_sizes(folder)))


def whole(out: Path) -> list[Path]:
    """The whole checkpoints of a training, the latest first."""
    found = sorted(out.glob(f"{CHECKPOINTS}/checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    return [folder for folder in reversed(found) if _is_whole(folder)]


def last(out: Path) -> Path | None:
    """The latest whole checkpoint; `None` where there is none."""
    return next(iter(whole(out)), None)


def digest(content: Any) -> str:
    """SHA-256 of JSON."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _is_whole(folder: Path) -> bool:
    mark = folder / _MARK
    return mark.is_file() and json.loads(mark.read_text(encoding="utf-8")) == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != _MARK)
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in sorted(files)}
