"""Trains a retriever: a sentence encoder over pairs of questions and documents, by sentence-transformers' trainer.

Knows rows of texts and held-out corpora; where they come from is the business of other modules. Importing this one
imports torch and sentence-transformers, which takes seconds.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gorilla_rag import devices
from gorilla_rag.encoders import folder as model_folder
from gorilla_rag.encoders.bf16 import has_fast_bf16
from gorilla_rag.encoders.sentence_transformers import open_model
from gorilla_rag.errors import ExtraMissing, TrainingDiverged, UsageError
from gorilla_rag.files import storage_errors, write_text
from gorilla_rag.text import TEXT_VERSION
from gorilla_rag.train import checkpoints
from gorilla_rag.train.batches import ApartBatches
from gorilla_rag.train.held_out import SCORE, HeldOut
from gorilla_rag.train.rows import Rows
from gorilla_rag.train.settings import Settings

try:
    import torch
    from datasets import Dataset, DatasetDict, disable_progress_bars
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import EarlyStoppingCallback, TrainerCallback
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[train]'"
    ) from error

MODEL, RECORD = "model", "training.json"
Progress = Callable[[str, int, int], None]
"""Told the step's name, and how much of how much is done."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training.

    Attributes:
        model: the trained encoder's folder.
        steps: batches that were learnt from.
        seconds: spent on them, checks included, in this run.
        before, after: nDCG@10 on each held-out corpus.
        losses: mean loss of each tenth of the steps.
    """

    model: Path
    steps: int
    seconds: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    losses: tuple[float, ...]


def train(
    rows: Sequence[Rows],
    base: Path,
    out: Path,
    *,
    held_out: HeldOut | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Trains an encoder and writes it to `out / "model"`.

    In-batch and hard negatives by a softmax over cosines (Henderson et al., arXiv 1705.00652; van den Oord et al.,
    InfoNCE, arXiv 1807.03748); batches are of one corpus each. Word embeddings stay as they are: a shipped delta would
    be four times as large, and words that no question has would drift from those that some have.

    Args:
        rows: of each corpus.
        base: a sentence-transformers model's folder.
        out: a folder of its own; checkpoints and TensorBoard's logs go there too.
        held_out: corpora that decide when to stop and which checkpoint is the best.
        settings: the defaults if not given.
        resume: go on from the last checkpoint in `out`.
        progress: told how many of how many steps are done.

    Raises:
        UsageError: no rows; `out` holds another training; nothing to resume, or with other settings or rows.
        ModelMissing, ModelCorrupt: `base` isn't a model that can be loaded.
        TrainingDiverged: the loss isn't a number any more; `out / "model"` has the last good checkpoint, if any.
        StorageFull: the disk is full; the last whole checkpoint stays and can be resumed.
        DeviceMissing: this machine doesn't have the device.
    """
    settings = settings or Settings()
    if not any(len(one.relevant) for one in rows):
        raise UsageError("there is nothing to train on", hint="give questions, or documents to make some from")
    model_folder.check(base)
    start = _prepared(out, _record(rows, base, settings), resume=resume)
    model = open_model(base, str(devices.find(settings.device or "cpu")), "float32")
    frozen(model)
    before = held_out.by_corpus(model) if held_out else {}
    with storage_errors(out):
        trainer = _trainer(model, rows, out, held_out, settings, progress)
        try:
            done = trainer.train(resume_from_checkpoint=str(start) if start else None)
        except TrainingDiverged:
            _keep_last_good(out, base, settings)
            raise
        after = _finished(trainer.model, out, base, settings, held_out)
    shutil.rmtree(out / checkpoints.FOLDER, ignore_errors=True)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Trained(
        out / MODEL, done.global_step, done.metrics["train_runtime"], before, after, tuple(round(x, 4) for x in losses)
    )


def frozen(model: SentenceTransformer) -> None:
    """Takes the word embeddings out of what is trained."""
    model[0].auto_model.get_input_embeddings().weight.requires_grad_(False)


def _record(rows: Sequence[Rows], base: Path, settings: Settings) -> dict[str, Any]:
    """What a training is identified by: a resumed one has to be the same."""
    return {
        "base": model_folder.identity(base),
        "text": TEXT_VERSION,
        "settings": asdict(settings),
        "rows": {one.name: checkpoints.digest(one.columns) for one in rows},
        "versions": {name: version(name) for name in ("sentence-transformers", "transformers", "torch")},
    }


def _prepared(out: Path, record: dict[str, Any], *, resume: bool) -> Path | None:
    """The checkpoint to go on from, `None` for a start; `out` has the record then."""
    file = out / RECORD
    if not resume:
        if out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out} isn't empty", hint="name another folder, or go on with what is there: --resume")
        write_text(file, json.dumps(record, indent=1))
        return None
    if not file.is_file():
        raise UsageError(f"there is no training to resume in {out}", hint="leave --resume out to begin one")
    stands = json.loads(file.read_text(encoding="utf-8"))
    if differs := [name for name in record if stands.get(name) != record[name]]:
        raise UsageError(
            f"the training in {out} was begun with another {', '.join(differs)}",
            hint="give what it was begun with, or name another folder",
        )
    return checkpoints.last(out)


def _trainer(
    model: SentenceTransformer,
    rows: Sequence[Rows],
    out: Path,
    held_out: HeldOut | None,
    settings: Settings,
    progress: Progress | None,
) -> _Trainer:
    disable_progress_bars()
    model.max_seq_length = min(settings.longest, model.max_seq_length or settings.longest)
    sampler = partial(ApartBatches, relevant={one.name: one.relevant for one in rows})
    sets = DatasetDict({one.name: _dataset(one) for one in rows if one.relevant})
    per_epoch = sum(len(sampler(each, batch_size=settings.batch, drop_last=False)) for each in sets.values())
    every = max(1, per_epoch // settings.checks)
    callbacks: list[TrainerCallback] = [_Told(progress), checkpoints.Marked()]
    if held_out:
        callbacks.append(EarlyStoppingCallback(early_stopping_patience=settings.patience))
    on_cuda = (settings.device or "cpu").startswith("cuda")
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(out / checkpoints.FOLDER),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=max(1, int(0.1 * per_epoch * settings.epochs)),
        weight_decay=0.01,
        bf16=torch.cuda.is_bf16_supported() if on_cuda else has_fast_bf16(),
        use_cpu=not on_cuda,
        batch_sampler=sampler,
        eval_strategy="steps" if held_out else "no",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=held_out is not None,
        metric_for_best_model=SCORE if held_out else None,
        greater_is_better=True if held_out else None,
        logging_steps=max(1, int(per_epoch * settings.epochs) // 10),
        logging_nan_inf_filter=False,
        report_to=["tensorboard"],
        disable_tqdm=True,
        seed=settings.seed,
        dataloader_pin_memory=on_cuda,
    )
    return _Trainer(
        model=model,
        args=arguments,
        train_dataset=sets,
        loss=MultipleNegativesRankingLoss(model, scale=settings.scale),
        evaluator=held_out,
        callbacks=callbacks,
    )


def _dataset(rows: Rows) -> Dataset:
    made = Dataset.from_dict(rows.columns)
    made.info.description = rows.name
    return made


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """sentence-transformers' trainer, which stops at a loss that isn't a number and shows nothing by itself."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """The loss of a batch.

        Raises:
            TrainingDiverged: it isn't finite.
        """
        found = super().compute_loss(*args, **kwargs)
        loss = found[0] if isinstance(found, tuple) else found
        if not torch.isfinite(loss).all():
            raise TrainingDiverged(
                f"the loss is {loss.item()} at step {self.state.global_step + 1} of {self.state.max_steps}",
                hint="lower the learning rate; the last good weights were kept",
            )
        return found

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Keeps what is logged in the state and in TensorBoard; library code doesn't print."""
        _log.info("%s", logs)
        super().log(logs, *args, **kwargs)


class _Told(TrainerCallback):  # type: ignore[misc]
    """Tells how far a training is."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """After each batch."""
        if self._progress:
            self._progress("training", state.global_step, state.max_steps)


def _finished(
    model: SentenceTransformer, out: Path, base: Path, settings: Settings, held_out: HeldOut | None
) -> dict[str, float]:
    """Writes the trained model: the share of the change that is kept, added to the base. Returns its scores."""
    plain = open_model(base, "cpu", "float32")
    learnt = {name: tensor.float().cpu() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for name, tensor in plain.state_dict().items():
            if tensor.is_floating_point():
                tensor += settings.kept * (learnt[name] - tensor)
    partial_folder = out / f".{MODEL}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    plain.save_pretrained(str(partial_folder), create_model_card=False)
    shutil.rmtree(out / MODEL, ignore_errors=True)
    partial_folder.replace(out / MODEL)
    return held_out.by_corpus(plain) if held_out else {}


def _keep_last_good(out: Path, base: Path, settings: Settings) -> None:
    """Writes the last whole checkpoint as the model, if there is one."""
    if found := checkpoints.last(out):
        _finished(open_model(found, "cpu", "float32"), out, base, settings, None)
