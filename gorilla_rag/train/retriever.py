"""Trains a retriever: a sentence encoder over pairs of questions and documents, by sentence-transformers' trainer.

Knows rows of texts and held-out corpora; where they come from is the business of other modules. Importing this one
imports torch and sentence-transformers, which takes seconds.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gorilla_rag.errors import ExtraMissing, TrainingDiverged, UsageError

try:
    import accelerate  # noqa: F401
    import torch
    from datasets import Dataset, DatasetDict, disable_progress_bars
    from sentence_transformers import (
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
    )
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
except ImportError as error:
    raise ExtraMissing(
        f"{error.name} is not installed", hint="install the extra: pip install 'gorilla-rag[train]'"
    ) from error

from gorilla_rag import devices
from gorilla_rag.encoders import folder as model_folder
from gorilla_rag.encoders.bf16 import has_fast_bf16
from gorilla_rag.encoders.sentence_transformers import open_model, prompts_of
from gorilla_rag.generate.disk import disk_errors
from gorilla_rag.text import TEXT_VERSION
from gorilla_rag.train import checkpoints, folder, watch
from gorilla_rag.train.batches import ApartBatches
from gorilla_rag.train.held_out import SCORE, HeldOut
from gorilla_rag.train.rows import Rows
from gorilla_rag.train.settings import Settings
from gorilla_rag.train.watch import Progress

MODEL = "model"
_SAMPLE = "Convert text to speech."


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
        out: a folder of its own; checkpoints and TensorBoard's logs (`logs`) go there too.
        held_out: corpora that decide when to stop and which checkpoint is the best.
        settings: the defaults if not given.
        resume: go on from the last checkpoint in `out`; of a training that is done, only what came of it is given.
        progress: told how many of how many steps are done.

    Raises:
        UsageError: no rows; a base without word embeddings to leave as they are; `out` holds another training; nothing
            to resume, or with other settings, rows or held-out corpora.
        ModelMissing, ModelCorrupt: `base` isn't a model that can be loaded.
        TrainingDiverged: the loss isn't a number any more; `out / "model"` has the last good checkpoint, if any.
        StorageFull: the disk is full; the last whole checkpoint stays and can be resumed.
        DeviceMissing: this machine doesn't have the device.
    """
    settings = settings or Settings()
    if not any(len(one.relevant) for one in rows):
        raise UsageError("there is nothing to train on", hint="give questions, or documents to make some from")
    model_folder.check(base)
    start, done = _prepared(out, _record(rows, base, settings, held_out), resume=resume)
    if done:
        return done
    model = open_model(base, str(devices.find(settings.device or "cpu")), "float32")
    frozen(model)
    before = held_out.by_corpus(model) if held_out else {}
    with disk_errors(out):
        trainer = _trainer(model, rows, out, held_out, settings, progress)
        try:
            ran = trainer.train(resume_from_checkpoint=str(start) if start else None)
        except TrainingDiverged:
            _keep_last_good(out, base, settings)
            raise
        after = _finished(trainer.model, out, base, settings, held_out)
    spent, found = ran.metrics["train_runtime"], watch.losses(trainer.state)
    made = Trained(out / MODEL, ran.global_step, spent, before, after, found)
    folder.close(out, {name: value for name, value in asdict(made).items() if name != "model"})
    return made


def frozen(model: SentenceTransformer) -> None:
    """Takes the word embeddings out of what is trained.

    Raises:
        UsageError: the model's first module is no transformer.
    """
    if not isinstance(model[0], Transformer):
        raise UsageError(
            f"a model that begins with {type(model[0]).__name__} can't be trained here",
            hint="name a base that is a transformer with pooling, such as minilm-l6",
        )
    model[0].auto_model.get_input_embeddings().weight.requires_grad_(False)


def _record(rows: Sequence[Rows], base: Path, settings: Settings, held_out: HeldOut | None) -> dict[str, Any]:
    """What a training is identified by: a resumed one has to be the same."""
    return {
        "base": model_folder.identity(base),
        "text": TEXT_VERSION,
        "settings": asdict(settings),
        "rows": {one.name: checkpoints.digest([one.columns, *map(sorted, one.relevant), *one.groups]) for one in rows},
        "held-out corpora": held_out.digest if held_out else "",
        "versions": {name: version(name) for name in ("sentence-transformers", "transformers", "torch")},
    }


def _prepared(out: Path, record: dict[str, Any], *, resume: bool) -> tuple[Path | None, Trained | None]:
    """The checkpoint to go on from, if any, and what came of a training that is done; `out` has the record then."""
    folder.check(out, resume=resume)
    if not resume:
        folder.begin(out, record)
        return None, None
    done = folder.resumed(out, record)
    if not done or not (out / MODEL).is_dir():
        return checkpoints.last(out), None
    return None, Trained(out / MODEL, **done | {"losses": tuple(done["losses"])})


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
    sampler = partial(ApartBatches, rows={one.name: one for one in rows})
    sets = DatasetDict({one.name: _dataset(one) for one in rows if one.relevant})
    per_epoch = sum(len(sampler(each, batch_size=settings.batch, drop_last=False)) for each in sets.values())
    every = max(1, per_epoch // settings.checks)
    on_cuda = model.device.type == "cuda"
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(out / folder.CHECKPOINTS),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.learning_rate,
        warmup_steps=max(1, int(0.1 * per_epoch * settings.epochs)),
        weight_decay=0.01,
        bf16=torch.cuda.is_bf16_supported() if on_cuda else has_fast_bf16(),
        use_cpu=model.device.type == "cpu",
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
        report_to=[],
        disable_tqdm=True,
        seed=settings.seed,
        restore_callback_states_from_checkpoint=True,
        prompts=_prompts(model, sets),
        dataloader_pin_memory=on_cuda,
    )
    made = _Trainer(
        model=model,
        args=arguments,
        train_dataset=sets,
        loss=MultipleNegativesRankingLoss(model, scale=settings.scale),
        evaluator=held_out,
        callbacks=_callbacks(out, held_out, settings, progress),
    )
    made.remove_callback(PrinterCallback)
    return made


def _callbacks(
    out: Path, held_out: HeldOut | None, settings: Settings, progress: Progress | None
) -> list[TrainerCallback]:
    made: list[TrainerCallback] = [watch.Told(progress), checkpoints.Marked(), watch.board(out)]
    return [*made, EarlyStoppingCallback(early_stopping_patience=settings.patience)] if held_out else made


def _prompts(model: SentenceTransformer, sets: Mapping[str, Dataset]) -> dict[str, str] | None:
    """What the base reads questions and documents behind, by column; `None` where it has no prompts."""
    question, document = prompts_of(model)["query"], prompts_of(model)["document"]
    columns = dict.fromkeys(name for one in sets.values() for name in one.column_names)
    return {name: question if name == "question" else document for name in columns} if question or document else None


def _dataset(rows: Rows) -> Dataset:
    made = Dataset.from_dict(rows.columns)
    made.info.description = rows.name
    return made


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    """sentence-transformers' trainer, which stops at a loss that isn't a number and makes no model cards."""

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """The loss of a batch.

        Raises:
            TrainingDiverged: it isn't finite.
        """
        found = super().compute_loss(*args, **kwargs)
        watch.check_loss(found[0] if isinstance(found, tuple) else found, self.state)
        return found

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Gathers nothing for a model card: it would hold questions, and be made anew at each checkpoint."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:  # noqa: ARG002
        self.model.save_pretrained(str(output_dir), create_model_card=False)

    def _load_best_model(self) -> None:
        """Without what the library does where that fails: it goes on with the last weights."""
        self._load_from_checkpoint(self.state.best_model_checkpoint)


def _finished(
    model: SentenceTransformer, out: Path, base: Path, settings: Settings, held_out: HeldOut | None
) -> dict[str, float]:
    """Writes the trained model and returns its scores."""
    plain = combined(base, [(model, settings.kept)])
    partial_folder = out / f".{MODEL}.partial"
    shutil.rmtree(partial_folder, ignore_errors=True)
    plain.save_pretrained(str(partial_folder), create_model_card=False)
    shutil.rmtree(out / MODEL, ignore_errors=True)
    partial_folder.replace(out / MODEL)
    return held_out.by_corpus(plain) if held_out else {}


def combined(base: Path, learnt: Sequence[tuple[SentenceTransformer, float]]) -> SentenceTransformer:
    """The base with a share of what each of several models learnt, all trained from it.

    One model with a share below 1 keeps more of what the base knows (see `Settings.kept`); the changes of several add
    up. Source: Ilharco et al., "Editing models with task arithmetic", ICLR 2023 (arXiv 2212.04089).

    Args:
        base: the folder of a sentence-transformers model.
        learnt: models and their shares.
    """
    made = open_model(base, "cpu", "float32")
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    with torch.no_grad():
        for tuned, share in learnt:
            weights = tuned.state_dict()
            for name, tensor in made.state_dict().items():
                if tensor.is_floating_point():
                    tensor += share * (weights[name].float().cpu() - before[name])
    return made


def _keep_last_good(out: Path, base: Path, settings: Settings) -> None:
    """Writes the last whole checkpoint that still makes vectors as the model, if there is one."""
    for found in checkpoints.whole(out):
        model = open_model(found, "cpu", "float32")
        if torch.isfinite(model.encode([_SAMPLE], convert_to_tensor=True, show_progress_bar=False)).all():
            _finished(model, out, base, settings, None)
            return
