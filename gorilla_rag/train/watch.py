"""What watches over a training's steps: how far it is, and whether its loss still is a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gorilla_rag.errors import ExtraMissing, TrainingDiverged

try:
    import torch
    from torch.utils.tensorboard import SummaryWriter
    from transformers import TrainerCallback
    from transformers.integrations import TensorBoardCallback
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[train]'"
    ) from error

from gorilla_rag.train.folder import LOGS

Progress = Callable[[str, int, int], None]
"""Told the step's name, and how much of how much is done."""
LOWER = "lower the learning rate; the last good weights were kept"


class Told(TrainerCallback):  # type: ignore[misc]
    """Tells how far a training is."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """After each step."""
        if self._progress:
            self._progress("training", state.global_step, state.max_steps)


def check_loss(loss: torch.Tensor, state: Any) -> None:
    """Stops a training whose loss isn't a number any more.

    Raises:
        TrainingDiverged: it isn't finite.
    """
    if not torch.isfinite(loss).all():
        raise TrainingDiverged(
            f"the loss is {loss.item()} at step {state.global_step + 1} of {state.max_steps}", hint=LOWER
        )


def losses(state: Any) -> tuple[float, ...]:
    """Mean loss between one report and the next, as the trainer logged it."""
    return tuple(round(entry["loss"], 4) for entry in state.log_history if "loss" in entry)


def board(out: Path) -> TensorBoardCallback:
    """Writes what is logged for TensorBoard."""
    return TensorBoardCallback(SummaryWriter(str(out / LOGS), flush_secs=10))
